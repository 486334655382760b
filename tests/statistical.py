"""Statistical assertions that share one false-alarm rate over the whole suite.

A test that compares a sample with a law can fail by chance. Here every comparison is made at the
level at which MOST_COMPARISONS independent ones raise a false alarm with probability FAMILY_WISE
in all (Šidák): 1 - (1 - FAMILY_WISE)^(1 / MOST_COMPARISONS), two-sided. Seeds are fixed, so an
alarm, false or true, stays; the rate says how often a new seed, or a new platform, raises one.

An array of n numbers counts as n comparisons. The plugin in `conftest.py` adds up what a session
has made, and fails it beyond MOST_COMPARISONS. Not covered: errors that are far from normal in
samples of less than a few dozen, and laws known only up to a limit of large d (`slack`).
"""

import numpy as np
from scipy import stats

FAMILY_WISE = 0.01
MOST_COMPARISONS = 800
LEVEL = -np.expm1(np.log1p(-FAMILY_WISE) / MOST_COMPARISONS)

made = 0  # comparisons so far, in this process


def critical_value(draws=np.inf, level=LEVEL):
    """Standard errors that a mean of normal draws strays with probability ``level``, two-sided.

    Args:
        draws: Number of draws behind the standard error; Student's t if it is finite.
        level: Probability of a larger deviation under the law.

    Returns:
        The factor: 4.37 at the suite's level for many draws.
    """
    return stats.t.isf(level / 2.0, np.asarray(draws, float) - 1.0)


def assert_estimate(estimate, expected, stderr, *, draws=np.inf, slack=0.0):
    """An estimate agrees with the law that it should obey.

    Args:
        estimate: One number or many.
        expected: What the law says.
        stderr: Standard errors of the estimates (of the difference, if the law is sampled too).
        draws: Number of draws behind a standard error, if it is small.
        slack: How far the law itself may be off, for a reason stated at the call.

    Raises:
        AssertionError: If a deviation exceeds slack by more than chance explains.
    """
    off = np.abs(np.asarray(estimate, float) - expected)
    _judge(off - slack, stderr, draws, estimate, expected, "differs from")


def assert_mean(sample, expected, *, axis=0, slack=0.0):
    """The mean of independent draws agrees with the law that it should obey.

    Args:
        sample: Draws along ``axis``.
        expected: What the law says of their mean.
        axis: Axis of the draws.
        slack: See `assert_estimate`.

    Raises:
        AssertionError: If the mean is too far off.
    """
    sample = np.asarray(sample, float)
    draws = sample.shape[axis]
    stderr = sample.std(axis=axis, ddof=1) / np.sqrt(draws)
    assert_estimate(sample.mean(axis=axis), expected, stderr, draws=draws, slack=slack)


def assert_exceeds(estimate, bound, stderr, *, draws=np.inf):
    """An estimate is above a bound, and not by chance: a false law passes at half the level.

    Args:
        estimate: One number or many.
        bound: What has to be exceeded.
        stderr: Standard errors of estimate - bound.
        draws: Number of draws behind a standard error, if it is small.

    Raises:
        AssertionError: If chance could explain the excess.
    """
    margin = np.subtract(bound, estimate)
    _judge(margin, -np.asarray(stderr), draws, estimate, bound, "is not above")


def assert_not_below(estimate, bound, stderr, *, draws=np.inf):
    """An estimate does not contradict that its law is at least the bound.

    Args:
        estimate: One number or many.
        bound: The claimed lower bound.
        stderr: Standard errors of estimate - bound.
        draws: Number of draws behind a standard error, if it is small.

    Raises:
        AssertionError: If it is lower than chance explains.
    """
    _judge(np.subtract(bound, estimate), stderr, draws, estimate, bound, "is below")


def _judge(off, stderr, draws, estimate, expected, verb):
    global made
    made += np.size(off)
    allowed = critical_value(draws) * np.asarray(stderr, float)
    # A sample without spread must agree to rounding.
    wrong = ~(off <= allowed + 1e-12 * (1.0 + np.abs(expected)))
    assert not np.any(wrong), (
        f"{estimate} {verb} {expected}: off by {off}, allowed {allowed} "
        f"({np.sum(wrong)} of {np.size(off)} comparisons at level {LEVEL:.1e})"
    )
