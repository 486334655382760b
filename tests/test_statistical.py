"""The statistical assertions do what they say: few false alarms, and true ones."""

import ast
import pathlib

import numpy as np
import pytest
from scipy import stats

from tests import statistical

TESTS = pathlib.Path(__file__).parent


def alarm(check, *arguments, **options):
    before = statistical.made
    try:
        check(*arguments, **options)
    except AssertionError:
        return True
    finally:
        statistical.made = before  # rehearsals are no comparisons of the suite
    return False


def test_the_level_of_a_comparison_gives_that_of_the_suite():
    none = (1.0 - statistical.LEVEL) ** statistical.MOST_COMPARISONS
    assert 1.0 - none == pytest.approx(statistical.FAMILY_WISE, rel=1e-9)
    assert 2 * stats.norm.sf(statistical.critical_value()) == pytest.approx(statistical.LEVEL)
    assert statistical.critical_value() == pytest.approx(4.37, abs=0.005)


@pytest.mark.parametrize("draws", [6, 50])
def test_false_alarms_come_at_the_stated_rate(draws, monkeypatch):
    """At a level of 5 per cent, where a few thousand null samples can tell."""
    monkeypatch.setattr(statistical, "critical_value", _at_five_per_cent)
    samples = np.random.default_rng(0).normal(3.0, 2.0, (4000, draws))
    alarms = sum(alarm(statistical.assert_mean, sample, 3.0) for sample in samples)
    assert stats.binomtest(alarms, len(samples), 0.05).pvalue > statistical.LEVEL


@pytest.mark.parametrize("shift", [3.0, 5.0, 7.0])
def test_a_wrong_law_is_detected_with_the_power_of_its_error(shift):
    """A law that is off by 5 standard errors is found out 7 times in 10, by 7 nearly always."""
    rng = np.random.default_rng(1)
    estimates = rng.standard_normal(3000) + shift
    alarms = sum(alarm(statistical.assert_estimate, value, 0.0, 1.0) for value in estimates)
    power = stats.norm.sf(statistical.critical_value() - shift)
    assert stats.binomtest(alarms, len(estimates), power).pvalue > statistical.LEVEL
    assert (power > 0.7) == (shift >= 5.0)


def test_one_wrong_number_among_many_is_enough():
    expected = np.zeros(20)
    assert not alarm(statistical.assert_estimate, expected + 1.0, expected, 1.0)
    assert alarm(statistical.assert_estimate, np.eye(20)[3] * 5.0, expected, 1.0)
    assert alarm(statistical.assert_estimate, np.nan, 0.0, 1.0)
    assert not alarm(statistical.assert_estimate, 5.0, 0.0, 1.0, slack=2.0)


def test_one_sided_claims():
    assert not alarm(statistical.assert_exceeds, 5.0, 0.0, 1.0)
    assert alarm(statistical.assert_exceeds, 3.0, 0.0, 1.0)
    assert not alarm(statistical.assert_not_below, -3.0, 0.0, 1.0)
    assert alarm(statistical.assert_not_below, -5.0, 0.0, 1.0)


def test_every_comparison_is_counted():
    before = statistical.made
    statistical.assert_estimate(np.zeros((2, 3)), 0.0, 1.0)
    assert statistical.made == before + 6
    statistical.made = before


def test_no_test_has_a_tolerance_of_its_own_in_standard_errors():
    """`< 4 * error` and the like, wherever the factor is a number and the rest an error."""
    found = [
        f"{path.relative_to(TESTS)}:{node.lineno}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.BinOp) and _is_own_tolerance(node)
    ]
    assert found == []


def _is_own_tolerance(node):
    """A number from 2 to 9 times something called an error, or a .std() over a square root."""
    factor, other = node.left, node.right
    if isinstance(node.op, ast.Div):  # 4 * x.std() / sqrt(n) parses as (4 * x.std()) / sqrt(n)
        return (
            isinstance(factor, ast.BinOp)
            and isinstance(factor.op, ast.Mult)
            and _is_factor(factor.left)
            and ".std(" in ast.unparse(factor.right)
            and "sqrt" in ast.unparse(other)
        )
    names = ("error", "stderr", "deviation", "error_of_mean")
    tail = ast.unparse(other).split(".")[-1]
    return isinstance(node.op, ast.Mult) and _is_factor(factor) and tail in names


def _is_factor(node):
    return isinstance(node, ast.Constant) and node.value in range(2, 10)


def _at_five_per_cent(draws=np.inf):
    return stats.t.isf(0.025, draws - 1)
