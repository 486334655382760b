"""Settings of every test: property-based tests draw the same examples on every machine."""

import signal
import socket
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
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and `nohup` ignores the end of a terminal


def _is_here(address) -> bool:
    """Whether an address is of this machine: loopback, or a path or name of a local socket."""
    if not isinstance(address, tuple):
        return True
    host = address[0].decode() if isinstance(address[0], bytes) else address[0]
    return host in (None, "", "localhost", "::1") or str(host).startswith("127.")


@pytest.fixture(autouse=True)
def _nobody_else_is_reached(monkeypatch):
    """Connections to anywhere but this machine are refused: no test meets a real provider."""

    def guarded(function, address_of):
        def call(*args, **kwargs):
            if not _is_here(address_of(args)):
                raise RuntimeError(f"a test wants to reach {address_of(args)}")
            return function(*args, **kwargs)

        return call

    for name in ("connect", "connect_ex", "sendto"):
        guard = guarded(getattr(socket.socket, name), lambda args: args[-1])
        monkeypatch.setattr(socket.socket, name, guard)
    guard = guarded(socket.getaddrinfo, lambda args: args[:1])
    monkeypatch.setattr(socket, "getaddrinfo", guard)


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
