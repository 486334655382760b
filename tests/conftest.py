"""Settings of every test: property-based tests draw the same examples on every machine."""

import signal
import sys

import hypothesis
import pytest

from tests import statistical

hypothesis.settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=25, print_blob=True
)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=500)
hypothesis.settings.load_profile("ci")

# A shell starts background jobs with Ctrl-C ignored; the tests that press it must work there too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    """Figures that a test drew and pyplot keeps."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


# Statistical comparisons of a session are added up over its processes; see `tests/statistical.py`.
def pytest_sessionstart(session):
    session.config.comparisons_of_workers = 0


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    node.config.comparisons_of_workers += getattr(node, "workeroutput", {}).get("comparisons", 0)


def pytest_sessionfinish(session, exitstatus):
    made = statistical.made + session.config.comparisons_of_workers
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["comparisons"] = made
    elif made > statistical.MOST_COMPARISONS and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    made = statistical.made + config.comparisons_of_workers
    most = statistical.MOST_COMPARISONS
    if made:
        terminalreporter.write_line(
            f"{made} statistical comparisons, at most {most} share a false-alarm rate of "
            f"{statistical.FAMILY_WISE:g}",
            red=made > most,
        )
