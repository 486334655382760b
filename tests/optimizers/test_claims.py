"""Claims: intervals cover the truth after selection, where the winner's own score does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import binomtest, norm, ttest_1samp

from optimizers import claims
from tests.statistical import assert_mean

LEVEL, RUNS = 0.9, 2000
# Of the intervals that judge a coverage: some 60 such tests, so one false alarm in 300 seeds.
CONFIDENCE = 1 - 1e-4
COUNTS = (1, 5, 50, 500)
SPREADS = (0.0, 0.5, 2.0)


def coverage(claimed, truth):
    """Interval for the probability that a claim covers the truth."""
    hits = sum(
        claim.low <= value <= claim.high for claim, value in zip(claimed, truth, strict=True)
    )
    return binomtest(hits, len(claimed)).proportion_ci(CONFIDENCE)


def searches(candidates, spread, seed=0, runs=RUNS):
    """True values, measured scores (unit noise) and the winners of independent searches."""
    rng = np.random.default_rng([seed, candidates])
    truth = rng.normal(3.0, spread, (runs, candidates))
    scores = truth + rng.standard_normal(truth.shape)
    return truth, scores, scores.argmax(1)


def picked(values, winners):
    return values[np.arange(len(winners)), winners]


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("candidates", COUNTS)
def test_selected_covers_the_truth_after_any_number_of_comparisons(candidates, spread):
    truth, scores, winners = searches(candidates, spread)
    claimed = [claims.selected(row, 1.0, level=LEVEL) for row in scores]
    assert coverage(claimed, picked(truth, winners)).high >= LEVEL


@pytest.mark.parametrize("candidates", COUNTS)
def test_the_winners_own_score_does_not(candidates):
    truth, scores, winners = searches(candidates, spread=0.0)
    naive = [claims.selected([score], 1.0, level=LEVEL) for score in picked(scores, winners)]
    found = coverage(naive, picked(truth, winners))
    # The one-candidate interval covers the largest of N with this probability.
    z = norm.isf((1 - LEVEL) / 2)
    exact = norm.cdf(z) ** candidates - norm.cdf(-z) ** candidates
    assert found.low <= exact <= found.high
    if candidates > 1:
        assert found.high < LEVEL


@pytest.mark.parametrize("candidates", [2, 20])
def test_selected_is_exactly_simultaneous(candidates):
    """All intervals together cover all truths with the stated probability."""
    truth, scores, _ = searches(candidates, spread=1.0)
    all_covered = [
        all(
            claim.low <= value <= claim.high
            for claim, value in (
                (claims.selected(row, 1.0, chosen=i, level=LEVEL), values[i])
                for i in range(candidates)
            )
        )
        for row, values in zip(scores[:500], truth, strict=False)
    ]
    interval = binomtest(sum(all_covered), len(all_covered)).proportion_ci(CONFIDENCE)
    assert interval.low <= LEVEL <= interval.high


def test_selected_with_correlated_errors_and_unequal_noise():
    rng = np.random.default_rng(1)
    stderr = rng.uniform(0.2, 3.0, (RUNS, 20))
    shared = rng.standard_normal((RUNS, 1))
    errors = stderr * (math.sqrt(0.7) * shared + math.sqrt(0.3) * rng.standard_normal((RUNS, 20)))
    claimed = [claims.selected(*row, level=LEVEL) for row in zip(errors, stderr, strict=True)]
    assert coverage(claimed, np.zeros(RUNS)).high >= LEVEL


def test_selected_with_estimated_standard_errors():
    values = np.random.default_rng(2).normal(0.0, 2.0, (RUNS, 30, 5))
    scores, stderr = values.mean(-1), values.std(-1, ddof=1) / math.sqrt(5)
    told, not_told = (
        [
            claims.selected(*row, level=LEVEL, folds=folds)
            for row in zip(scores, stderr, strict=True)
        ]
        for folds in (5, None)
    )
    assert coverage(told, np.zeros(RUNS)).high >= LEVEL
    assert coverage(not_told, np.zeros(RUNS)).high < LEVEL


def test_selected_pass_rates_near_one():
    rng = np.random.default_rng(3)
    truth = rng.beta(18, 1, (RUNS, 20))
    scores = rng.binomial(20, truth) / 20
    winners = scores.argmax(1)
    exact = [claims.selected(row, items=20, level=LEVEL) for row in scores]
    assert coverage(exact, picked(truth, winners)).high >= LEVEL
    # Treating a rate as normal with its own estimated error does not do.
    stderr = np.sqrt(scores * (1 - scores) / 20)
    normal = [claims.selected(*row, level=LEVEL) for row in zip(scores, stderr, strict=True)]
    assert coverage(normal, picked(truth, winners)).high < LEVEL


@pytest.mark.parametrize("n", [2, 5, 50])
def test_fresh_means_cover_the_truth_exactly(n):
    values = np.random.default_rng(n).normal(1.5, 4.0, (RUNS, n))
    found = coverage([claims.fresh(row, LEVEL) for row in values], np.full(RUNS, 1.5))
    assert found.low <= LEVEL <= found.high


@pytest.mark.parametrize("rate", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("n", [1, 10, 100])
def test_fresh_pass_rates_cover_the_truth(n, rate):
    passes = np.random.default_rng(n).random((RUNS, n)) < rate
    claimed = [claims.fresh(row, LEVEL, kind="pass_fail") for row in passes]
    assert coverage(claimed, np.full(RUNS, rate)).high >= LEVEL


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=9, unique=True))
def test_fresh_means_agree_with_scipy(values):
    claim, known = claims.fresh(values, 0.9), ttest_1samp(values, 0.0).confidence_interval(0.9)
    np.testing.assert_allclose((claim.low, claim.high), known, rtol=1e-7, atol=1e-9)
    assert claim.score == pytest.approx(np.mean(values))


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_clopper_pearson_agrees_with_scipy(counts):
    known = binomtest(*counts).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose(claims.clopper_pearson(*counts), known, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("spread", SPREADS)
def test_shrinking_takes_away_the_optimizers_curse(spread):
    truth, scores, winners = searches(50, spread, runs=1000)
    error = np.array([claims.selected(row, 1.0).score for row in scores]) - picked(truth, winners)
    naive = picked(scores - truth, winners)
    assert (error**2).mean() < (naive**2).mean()
    # Bayes' answer is unbiased after any selection. Here its prior is estimated: the share of noise
    # in the spread of N scores has a standard deviation of sqrt(2 / (N - 1)).
    estimated = math.sqrt(2 / 49) * abs(naive.mean())
    assert_mean(error, 0.0, slack=estimated)


@given(st.lists(st.floats(-5, 5), min_size=5, max_size=12, unique=True), st.floats(0.1, 2))
def test_equal_errors_are_shrunk_by_the_james_stein_ratio(scores, stderr):
    spread = np.var(scores) * len(scores)
    keep = max(0.0, 1 - (len(scores) - 1) * stderr**2 / spread)
    expected = np.mean(scores) + keep * (np.array(scores) - np.mean(scores))
    for chosen, value in enumerate(expected):
        claim = claims.selected(scores, stderr, chosen)
        assert claim.score == pytest.approx(np.clip(value, claim.low, claim.high), abs=1e-6)


def test_failed_candidates_were_not_compared():
    clean = claims.selected([0.1, 0.5, 0.3], [0.1, 0.2, 0.1])
    failed = claims.selected([np.nan, 0.1, -np.inf, 0.5, 0.3], [0.1, 0.1, np.nan, 0.2, 0.1])
    assert clean == failed


def test_more_comparisons_widen_the_interval():
    widths = [
        claim.high - claim.low
        for n in (3, 10, 1000, 10**9)
        for claim in [claims.selected([0.0, 0.1, 0.2], 0.1, compared=n)]
    ]
    assert np.all(np.diff(widths) > 0)
    assert np.isfinite(widths).all()


def test_exact_scores_are_claimed_as_they_are():
    claim = claims.selected([0.2, 0.4], 0.0)
    assert (claim.score, claim.low, claim.high) == (0.4, 0.4, 0.4)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: claims.fresh([0.5]), "two finite scores"),
        (lambda: claims.fresh([0.5, np.nan]), "two finite scores"),
        (lambda: claims.fresh([0.5, 1.0], kind="pass_fail"), "0 or 1"),
        (lambda: claims.fresh([], kind="pass_fail"), "0 or 1"),
        (lambda: claims.fresh([0.5, 1.0], kind="median"), "`kind`"),
        (lambda: claims.fresh([0.5, 1.0], level=95), "`level`"),
        (lambda: claims.selected([np.nan], 0.1), "no candidate"),
        (lambda: claims.selected([0.1], np.nan), "`stderrs`"),
        (lambda: claims.selected([0.1, np.nan], 0.1, chosen=1), "`chosen`"),
        (lambda: claims.selected([0.1, 0.2], 0.1, compared=1), "`compared`"),
        (lambda: claims.selected([0.1, 0.2], 0.1, folds=1), "`folds`"),
        (lambda: claims.selected([0.1, 0.2]), "`items`"),
        (lambda: claims.selected([0.1, 0.2], 0.1, items=10), "`items`"),
        (lambda: claims.selected([0.13, 0.2], items=10), "pass rates"),
    ],
)
def test_claims_that_cannot_be_made_are_told(make, told):
    with pytest.raises(ValueError, match=told):
        make()
