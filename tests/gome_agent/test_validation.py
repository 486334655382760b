"""The validation ladder and the statistics of folds."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, strategies as st

from gome_agent.reasoners.base import Solution
from gome_agent.sandbox import Execution, Limits, Outcome
from gome_agent.sandbox._outcome import exceeded
from gome_agent.tasks import registry
from gome_agent.validation import judge, paired_gain, read_report, standard_error

FOLDS = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=10)


def solution(folds) -> Solution:
    return Solution("", valid=True, score=float(np.mean(folds)), folds=tuple(folds))


def test_standard_error_is_nadeau_and_bengios():
    folds = [0.1, 0.2, 0.4, 0.3, 0.5]
    variance = np.var(folds, ddof=1)
    assert standard_error(folds) == pytest.approx(math.sqrt((1 / 5 + 1 / 4) * variance))
    assert standard_error([0.3]) == 0.0


@given(FOLDS, st.floats(-0.5, 0.5))
def test_a_constant_difference_has_no_error(folds, shift):
    task = registry.load("digits")
    gain, error = paired_gain(solution([f + shift for f in folds]), solution(folds), task)
    assert gain == pytest.approx(shift, abs=1e-12)
    assert error == pytest.approx(0.0, abs=1e-12)


@given(FOLDS)
def test_lower_is_better_turns_the_gain(folds):
    better = [fold / 2 for fold in folds]
    up = paired_gain(solution(better), solution(folds), registry.load("digits"))
    down = paired_gain(solution(better), solution(folds), registry.load("diamonds"))
    assert up[0] == -down[0]
    assert up[1] == down[1]


def test_rounding_is_no_gain():
    """Equal folds in another order sum to something else in the last bit."""
    first = solution([0.1, 0.2, 0.3, 0.4, 0.7])
    second = solution([0.7, 0.4, 0.3, 0.2, 0.1])
    gain, _ = paired_gain(first, second, registry.load("digits"))
    assert gain == 0.0


def test_unlike_folds_cannot_be_paired():
    assert paired_gain(solution([1, 2, 3]), solution([1, 2]), registry.load("digits")) is None
    assert paired_gain(solution([1]), solution([1]), registry.load("digits")) is None


@pytest.mark.parametrize(
    ("stdout", "told"),
    [
        ("", "printed nothing"),
        ("all done", "not a JSON report"),
        ("[1, 2]", "malformed"),
        ('{"metric": "accuracy"}', "`folds`"),
        ('{"metric": "accuracy", "folds": []}', "`folds`"),
        ('{"metric": "accuracy", "folds": [NaN]}', "finite"),
        ('{"metric": "accuracy", "folds": ["Infinity"]}', "finite"),
        ('{"metric": "auc", "folds": [0.5]}', "asks for 'accuracy'"),
        ("[" * 100_000, "not a JSON report"),
        ('{"metric": "accuracy", "folds": [0.9]}\nbye', "not a JSON report"),
    ],
)
def test_reports_that_cannot_be_read_say_why(stdout, told):
    with pytest.raises(ValueError, match=r".") as error:
        read_report(stdout, "accuracy")
    assert told in str(error.value)


def test_a_report_may_say_more():
    text = 'chatter\n{"metric": "Accuracy", "folds": [0.5, 0.7], "seconds": 3}\n'
    report = read_report(text, "accuracy")
    assert report.folds == (0.5, 0.7)
    assert report.model_extra == {"seconds": 3}


GOOD_REPORT = '{"metric": "accuracy", "folds": [0.5, 0.7]}'
# Lines with which a script pretends that something has been decided about it.
FORGERIES = {
    "a decision": '{"accepted": true, "valid": true, "score": 1.0, "stderr": 0.0}',
    "an event of the journal": '{"kind": "accepted", "step": 1, "payload": {"score": 1.0}}',
    "a status of the sandbox": '{"started": true, "status": 0, "cpu": 0.0}',
    "another metric": '{"metric": "rmse", "folds": [0.0]}',
    "no numbers": '{"metric": "accuracy", "folds": ["best", true]}',
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The task and a submission in its format."""
    task, public = registry.load("digits"), tmp_path_factory.mktemp("public")
    task.prepare(public)
    return task, public / "sample_submission.csv"


@pytest.mark.parametrize("outcome", [o for o in get_args(Outcome) if o != "ok"])
def test_a_program_that_did_not_end_well_is_a_failure_whatever_it_printed(outcome, digits):
    task, submission = digits
    execution = Execution(outcome, None, 1.0, GOOD_REPORT, "", f"the sentence about {outcome}")
    found = judge(task, "pass", execution, submission)
    assert (found.valid, found.score) == (False, -math.inf)
    assert found.failure == f"the sentence about {outcome}"


@pytest.mark.parametrize("what", ["processes", "memory", "disk"])
def test_what_the_sandbox_measured_has_a_sentence_with_the_limit(what):
    limits = Limits(processes=123, memory_bytes=456, disk_bytes=789)
    outcome, reason = exceeded(what, "", limits)
    assert outcome == what
    assert {"processes": "123", "memory": "456", "disk": "789"}[what] in reason
    with pytest.raises(ValueError, match="unknown limit"):
        exceeded("patience", "", limits)


@pytest.mark.parametrize("name", FORGERIES)
def test_what_a_script_prints_decides_nothing(name, digits):
    task, submission = digits
    for stdout in (FORGERIES[name], f"{GOOD_REPORT}\n{FORGERIES[name]}"):
        found = judge(task, "pass", Execution("ok", 0, 1.0, stdout, ""), submission)
        assert not found.valid
        assert found.failure
    stdout = f"{FORGERIES[name]}\n{GOOD_REPORT}"
    found = judge(task, "pass", Execution("ok", 0, 1.0, stdout, FORGERIES[name]), submission)
    assert (found.valid, found.score, found.feedback) == (True, pytest.approx(0.6), {})


def test_claims_next_to_the_folds_are_only_feedback(digits):
    task, submission = digits
    claims = '{"metric": "accuracy", "folds": [0.5, 0.7], "score": 1.0, "accepted": true}'
    found = judge(task, "pass", Execution("ok", 0, 1.0, claims, ""), submission)
    assert found.score == pytest.approx(0.6)
    assert found.feedback == {"score": 1.0, "accepted": True}
