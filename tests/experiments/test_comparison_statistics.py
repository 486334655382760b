"""The statistics of a comparison against closed forms, brute force and SciPy."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from experiments.comparison import statistics
from tests.statistical import assert_not_below

values = st.integers(-3, 3).map(float)
pairs = st.lists(st.tuples(values, values), min_size=2, max_size=8)


def unzip(pairs):
    return tuple(np.array(column) for column in zip(*pairs, strict=True))


@given(pairs)
def test_the_probability_of_improvement_against_counting(pairs):
    a, b = unzip(pairs)
    counted = sum(1.0 if x > y else 0.5 if x == y else 0.0 for x, y in pairs) / len(pairs)
    there = statistics.probability_of_improvement(a, b)
    back = statistics.probability_of_improvement(b, a)
    assert_allclose(there.value, counted)
    assert_allclose(there.value + back.value, 1.0)
    assert 0 <= there.low <= there.value <= there.high <= 1


def test_nothing_loses_to_something_and_ties_with_nothing():
    won = statistics.wins([-np.inf, -np.inf, 0.0], [-np.inf, -5.0, -np.inf])
    assert won.tolist() == [0.5, 0.0, 1.0]


def test_the_bootstrap_against_all_resamples():
    """Four values have 256 resamples; the interval's ends are quantiles of their means."""
    values = np.array([0.3, 1.1, -0.4, 2.0])
    means = np.array([np.mean(draw) for draw in itertools.product(values, repeat=4)])
    found = statistics.mean(values)
    assert_allclose(found.value, values.mean())
    for end, at in ((found.low, 0.025), (found.high, 0.975)):
        # The empirical rank of an end, whose standard error is sqrt(0.025 / 9999) = 0.0016.
        below, upto = np.mean(means < end - 1e-12), np.mean(means <= end + 1e-12)
        assert below - 0.008 < at < upto + 0.008
    shifted = statistics.mean_difference(values + 5.0, np.full(4, 5.0))
    assert_allclose(shifted, found, atol=1e-12)


@pytest.mark.parametrize("runs", [2, 3, 20])
def test_unanimous_pairs_have_the_exact_interval(runs):
    """Clopper and Pearson: the probability p with p^n = 0.025."""
    a = np.arange(runs) + 1.0
    found = statistics.probability_of_improvement(a, np.zeros(runs))
    assert_allclose(found, (1.0, 0.025 ** (1 / runs), 1.0))
    found = statistics.probability_of_improvement(-a, np.zeros(runs))
    assert_allclose(found, (0.0, 0.0, 1 - 0.025 ** (1 / runs)), atol=1e-12)


def test_pairs_that_all_tie():
    found = statistics.probability_of_improvement(np.ones(5), np.ones(5))
    assert found == (0.5, 0.5, 0.5)
    assert statistics.sign_test(np.ones(5), np.ones(5)) == 1.0


@given(pairs)
def test_the_sign_test_against_enumeration(pairs):
    """Under the null every decided pair falls either way alike: 2^n outcomes."""
    a, b = unzip(pairs)
    signs = np.sign(a - b)
    decided = int(np.abs(signs).sum())
    observed = abs(signs.sum())
    outcomes = [abs(sum(flip)) for flip in itertools.product((-1, 1), repeat=decided)]
    extreme = sum(outcome >= observed for outcome in outcomes) / len(outcomes)
    assert_allclose(statistics.sign_test(a, b), extreme)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_against_its_definition(p):
    """Adjusted: the largest level at which the step-down procedure still does not reject."""
    adjusted = statistics.holm(p)
    ordered = sorted(p)
    for value, found in zip(p, adjusted, strict=True):
        rank = ordered.index(value)
        steps = [min(1.0, (len(p) - i) * ordered[i]) for i in range(rank + 1)]
        assert_allclose(found, max(steps))
    assert (adjusted >= np.array(p) - 1e-15).all()


def test_holm_by_hand():
    assert_allclose(statistics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


@given(st.integers(0, 20), st.integers(1, 20))
def test_wilson_in_closed_form(successes, trials):
    successes = min(successes, trials)
    z, p = stats.norm.ppf(0.975), successes / trials
    centre = (p + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    found = statistics.share(successes, trials)
    assert_allclose(found, (p, centre - half, centre + half), atol=1e-12)


@given(st.lists(st.tuples(st.integers(0, 12), values), max_size=6), st.integers(1, 10), values)
def test_areas_and_heights_of_step_functions_against_unit_steps(steps, end, start):
    """With whole places the area is a sum over unit intervals."""
    steps = sorted(steps, key=lambda step: step[0])
    x, y = [s[0] for s in steps], [s[1] for s in steps]

    def height(place):
        before = [v for at, v in steps if at <= place]
        return before[-1] if before else start

    heights = [height(i) for i in range(end)]
    assert_allclose(statistics.area(x, y, start, end), np.mean(heights), atol=1e-12)
    assert_allclose(statistics.at(x, y, start, np.arange(end)), heights)


def test_a_band_is_the_bootstrap_of_every_place():
    curves = np.random.default_rng(0).normal(size=(12, 3)).cumsum(axis=1)
    mean, low, high = statistics.band(curves)
    for place in range(3):
        one = statistics.mean(curves[:, place])
        width = one.high - one.low
        assert_allclose(mean[place], one.value)
        assert_allclose([low[place], high[place]], [one.low, one.high], atol=0.06 * width)


def coverage(truth, draw, interval, samples, seed=0):
    generator = np.random.default_rng(seed)
    covered = [
        found.low <= truth <= found.high
        for found in (interval(draw(generator)) for _ in range(samples))
    ]
    return np.mean(covered), math.sqrt(0.95 * 0.05 / samples)


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("runs", [5, 20])
def test_intervals_of_the_probability_of_improvement_cover_it(p, runs):
    """At least 95 %, but for the granularity of few pairs (0.947 for 20 at 0.7, by enumeration)."""
    found, error = coverage(
        p,
        lambda generator: np.where(generator.random(runs) < p, 1.0, -1.0),
        lambda sample: statistics.probability_of_improvement(sample, np.zeros(runs)),
        samples=4000,
    )
    assert_not_below(found, 0.945, error)


@pytest.mark.slow
def test_intervals_of_a_mean_difference_cover_it_nearly():
    """A percentile bootstrap of n normal values is short by about sqrt((n - 1) / n) and z for t."""
    runs, samples = 20, 4000
    width = stats.norm.ppf(0.975) * math.sqrt((runs - 1) / runs)
    nominal = 1 - 2 * stats.t.sf(width, runs - 1)
    found, error = coverage(
        0.3,
        lambda generator: generator.normal(0.3, 1.0, runs),
        lambda sample: statistics.mean_difference(sample, np.zeros(runs)),
        samples,
    )
    assert_not_below(found, nominal, error)
    assert_not_below(0.96, found, error)
