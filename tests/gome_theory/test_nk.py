"""NK landscapes: laws against real tables with the current fitness given."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import binom

import gome_theory as gt
from tests.statistical import assert_mean, assert_not_below


def neighbour_gains(z, loci, epistasis, trials, rng, neighbourhood="adjacent"):
    """Gains of all N one-flip neighbours in `trials` landscapes with fitness z at the point.

    Only the table entries that are looked up are drawn: iid normal, those of the point shifted to
    sum to z sqrt(N), which is their exact conditional law.
    """
    here = rng.standard_normal((trials, loci))
    here += z / np.sqrt(loci) - here.mean(1, keepdims=True)
    depends = np.zeros((trials, loci, loci), bool)  # entry i depends on locus j
    if neighbourhood == "adjacent":
        for offset in range(epistasis + 1):
            depends[:, np.arange(loci), (np.arange(loci) + offset) % loci] = True
    else:
        order = rng.random((trials, loci, loci))
        order[:, np.arange(loci), np.arange(loci)] = -1.0
        depends = np.argsort(np.argsort(order, axis=2), axis=2) <= epistasis
    fresh = rng.standard_normal((trials, loci, loci))
    return (depends * (fresh - here[:, :, None])).sum(1) / np.sqrt(loci)


@pytest.mark.parametrize("neighbourhood", ["adjacent", "random"])
@pytest.mark.parametrize(("z", "loci", "epistasis"), [(1.5, 24, 2), (1.5, 24, 8), (2.5, 40, 4)])
def test_improvement_probability(z, loci, epistasis, neighbourhood):
    trials = 4000
    gains = neighbour_gains(z, loci, epistasis, trials, np.random.default_rng(0), neighbourhood)
    share = (gains > 0).mean(1)
    law = gt.nk_improvement_probability(z, loci, epistasis, neighbourhood=neighbourhood)
    assert_mean(share, law)


def test_random_neighbourhoods_average_over_the_binomial():
    z, loci, epistasis = [1.0, 2.0], 12, 5
    number = 1 + np.arange(12)
    correlation = 1 - number / loci
    single = ndtri(0.5) + np.array(
        [gt.nk_improvement_probability(z, loci, k - 1.0) for k in number]
    )
    weights = binom.pmf(number - 1, 11, epistasis / 11)
    law = gt.nk_improvement_probability(z, loci, epistasis, neighbourhood="random")
    np.testing.assert_allclose(law, weights @ single, rtol=1e-12)
    assert gt.neighbour_correlation(loci, number - 1.0) == pytest.approx(correlation)


@pytest.mark.parametrize(("loci", "epistasis"), [(24, 2), (24, 8)])
def test_spread_of_neighbours(loci, epistasis):
    trials = 6000
    gains = neighbour_gains(1.5, loci, epistasis, trials, np.random.default_rng(1), "random")
    within = gains.var(1, ddof=1)
    law = gt.neighbour_spread(loci, epistasis) ** 2
    assert_mean(within, law)


def test_published_rows():
    p = gt.nk_improvement_probability([0, 1.5, 1.5, 2.5], [24, 24, 24, 40], [2, 2, 8, 4])
    np.testing.assert_allclose(p, [0.5, 0.3493, 0.2356, 0.2593], atol=5e-5)
    for z, n, k, weak, strong, eight in [
        (0.0, 24, 2, 0.2857, 0.7619, 0.6962),
        (1.5, 24, 2, 0.09823, 0.5744, 0.5087),
        (1.5, 24, 8, -0.1026, 0.6639, 0.5581),
        (2.5, 40, 4, 0.003197, 0.5294, 0.3808),
    ]:
        law = gt.screened_gain(z, n, k, [n, n, 8], [0.3, 0.8, 1.0])
        np.testing.assert_allclose(law, [weak, strong, eight], atol=6e-5)


def test_screening_in_real_tables():
    """Predictions correlate with what differs between neighbours; the law is approximate."""
    z, loci, epistasis, trials, rho = 1.5, 24, 2, 20_000, 0.8
    rng = np.random.default_rng(0)
    gains = neighbour_gains(z, loci, epistasis, trials, rng, "random")
    spread = gt.neighbour_spread(loci, epistasis)
    prediction = rho * gains / spread + np.sqrt(1 - rho**2) * rng.standard_normal(gains.shape)
    pick = np.argmax(prediction, axis=1)
    got = gains[np.arange(trials), pick]
    law = gt.screened_gain(z, loci, epistasis, loci, rho)
    assert_mean(got, law, slack=0.07 * abs(law))


def test_screening_is_worth_as_many_evaluations():
    n = gt.screening_equivalent([100, 100, 1], [1.0, 0.5, 1.0])
    assert n[0] == pytest.approx(100)
    assert gt.expected_max_normal(n[1]) == pytest.approx(0.5 * gt.expected_max_normal(100))
    assert n[2] == 1
    noisy = gt.screening_equivalent(100, 0.5, fidelity=0.7)
    assert 0.7 * gt.expected_max_normal(noisy) == pytest.approx(0.5 * gt.expected_max_normal(100))
    assert gt.screening_equivalent(1e100, 1.0, fidelity=0.1) == np.inf


def test_candidates_that_match_one_aligned_step():
    n = gt.equivalent_candidates([0.4, 0.4, 0.0], [40, 200, 40])
    np.testing.assert_allclose(gt.expected_max_projection(n[:2], [40, 200]), 0.4, rtol=1e-9)
    assert round(float(n[0])) == 130
    assert n[2] == 1
    estimate = gt.equivalent_candidates_estimate(0.4, [40, 200])
    assert round(float(estimate[0])) == 117
    np.testing.assert_allclose(estimate, n[:2], rtol=0.12)
    assert abs(estimate[1] / n[1] - 1) < abs(estimate[0] / n[0] - 1)
    assert gt.equivalent_candidates(0.99, 2000) == np.inf


def test_the_matching_batch_in_brute_force():
    dim, trials, rho = 40, 20_000, 0.3
    n = float(gt.equivalent_candidates(rho, dim))
    rng = np.random.default_rng(0)
    for count, sign in [(int(n), 1), (int(n) + 1, -1)]:
        w = rng.standard_normal((trials, count))
        best = (w / np.sqrt(w**2 + rng.chisquare(dim - 1, w.shape))).max(1)
        error = best.std() / np.sqrt(trials)
        assert_not_below(sign * (rho - best.mean()), 0.0, error)


def test_impossible_landscapes_are_refused():
    with pytest.raises(ValueError, match="`epistasis` is 30"):
        gt.neighbour_correlation(24, 30)
    with pytest.raises(ValueError, match="'ring'"):
        gt.nk_improvement_probability(0.0, 24, 2, neighbourhood="ring")
