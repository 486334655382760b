"""The validation ladder and the statistics of folds."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from gome_agent.reasoners.base import Solution
from gome_agent.tasks import registry
from gome_agent.validation import paired_gain, read_report, standard_error

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
