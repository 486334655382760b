"""The stored noisy incumbent: the chain of its error, solved and simulated."""

import warnings

import numpy as np
import pytest
from scipy.special import ndtr

import gome_theory as gt
from gome_theory.scaled_rate import normal_density
from tests.statistical import assert_estimate, assert_mean


@pytest.mark.parametrize(
    ("r", "varsigma", "alpha", "threshold"),
    [(0.0, 1.0, 1.2, 0.0), (0.5, 2.0, 1.4, 0.0), (0.2, 1.5, 1.0, 0.7), (0.0, 1.0, 1.2, -1.0)],
)
def test_chain_simulated(r, varsigma, alpha, threshold):
    """One mean per chain: the standard error then knows the correlation in time.

    The chain forgets slowly: one error in a hundred is replaced once in a thousand candidates.
    """
    chains, burn_in, steps = 2000, 3000, 300
    rng = np.random.default_rng(0)
    error = np.zeros(chains)
    sums = np.zeros((3, chains))
    for step in range(burn_in + steps):
        gain = 2 * alpha * (r + rng.standard_normal(chains)) - alpha**2
        fresh = varsigma * rng.standard_normal(chains)
        accepted = gain + fresh - error > threshold
        if step >= burn_in:
            sums += np.array([np.where(accepted, gain, 0.0), accepted, error])
        error = np.where(accepted, fresh, error)
    law = gt.stored_incumbent(r, varsigma, alpha, threshold)
    for sample, expected in zip(sums / steps, law[:3], strict=True):
        assert_mean(sample, expected)


def test_published_rows():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gt.RegimeWarning)
        law = gt.stored_incumbent([0, 0, 0, 0.5, 1.0], [0.5, 1, 2, 2, 4], [1.2, 1.2, 1.2, 1.4, 1.7])
    np.testing.assert_allclose(law.progress, [0.3715, 0.2863, 0.09904, 0.4322, 0.4212], atol=6e-5)
    np.testing.assert_allclose(law.acceptance, [0.2491, 0.1874, 0.0615, 0.1953, 0.1265], atol=6e-5)
    np.testing.assert_allclose(law.inflation, [0.2545, 1.034, 4.335, 2.88, 8.321], atol=6e-4)


def test_density_satisfies_its_balance_equation():
    r, varsigma, alpha = 0.3, 1.5, 1.3
    chain = gt.incumbent_error(r, varsigma, alpha)
    assert chain.probability.sum() == pytest.approx(1.0)
    mean, spread = 2 * alpha * r - alpha**2, 2 * alpha
    # Probability flux into (-inf, x] equals the flux out of it, at arbitrary x.
    x = np.linspace(-3.0, 6.0, 13)[:, None]
    fresh = np.linspace(-9 * varsigma, 9 * varsigma, 20_001)
    width = fresh[1] - fresh[0]
    density = normal_density(fresh / varsigma) / varsigma
    accept = ndtr((mean - chain.error) / np.hypot(spread, varsigma))
    landing = ndtr((mean - chain.error[:, None] + fresh) / spread) * density * width
    arrives = chain.probability @ landing
    below = np.where(chain.error <= x, chain.probability * accept, 0.0).sum(1)
    lands = np.where(fresh <= x, arrives, 0.0).sum(1)
    # The steps of the quadrature rule limit how finely a cumulative sum can be read off.
    assert np.max(np.abs(below - lands)) < np.max(chain.probability * accept) + 1e-6
    assert arrives.sum() == pytest.approx((chain.probability * accept).sum(), rel=1e-6)


@pytest.mark.parametrize(("r", "varsigma"), [(-1.0, 1.0), (0.0, 2.0), (1.0, 2.0)])
def test_progress_is_the_rise_of_the_stored_score(r, varsigma):
    """Stationarity: what the true value gains, the stored score gains, and that never falls."""
    law = gt.stored_incumbent(r, varsigma)
    chain = gt.incumbent_error(r, varsigma, law.alpha)
    mean, total = 2 * law.alpha * r - law.alpha**2, np.hypot(2 * law.alpha, varsigma)
    z = (mean - chain.error) / total
    rise = (chain.probability * total * (z * ndtr(z) + normal_density(z))).sum()
    assert law.progress == pytest.approx(rise, rel=1e-8)
    assert law.progress > 0.0


def test_stored_scores_do_not_stall_where_rescored_ones_do():
    with pytest.warns(gt.RegimeWarning, match="`varsigma` = 4"):
        stored = gt.stored_incumbent(0.0, [2.0, 3.0, 4.0])
    assert gt.naive_gate(0.0, np.sqrt(2) * 3.0).progress == 0.0
    assert np.all(np.asarray(stored.progress) > 0.02)


def test_as_good_as_two_evaluations():
    noise = np.array([0.5, 1.0, 2.0])
    stored = gt.stored_incumbent(0.0, noise).progress
    np.testing.assert_allclose(stored, [0.3741, 0.3047, 0.1612], atol=6e-5)
    twice = gt.bayes_gated_psi(0.0, np.sqrt(2) * noise)
    np.testing.assert_allclose(twice, [0.375, 0.310, 0.178], atol=6e-4)
    assert np.all(stored > 0.9 * twice)
    assert np.all(stored > twice / 2)


def test_without_noise_it_is_hill_climbing():
    quiet = gt.stored_incumbent([0.0, 1.0], [0.0, 0.0])
    np.testing.assert_allclose(quiet.progress, gt.psi_g([0.0, 1.0]), rtol=1e-9)
    np.testing.assert_allclose(quiet.inflation, 0.0)
    almost = gt.stored_incumbent(0.0, [0.0, 1e-3], 1.2)
    assert almost.progress[1] == pytest.approx(almost.progress[0], rel=1e-5)
    bar = gt.stored_incumbent(0.0, 0.0, 1.2, 0.5)
    assert bar.progress == pytest.approx(gt.noisy_gate(0.0, 1.2, 0.0, 0.5).progress)


@pytest.mark.parametrize(("varsigma", "steps"), [(1.0, 600), (2.0, 3000)])
def test_greedy_search_on_the_sphere(varsigma, steps):
    """(1+1) in d dimensions with noise that shrinks with f, so that the law's noise is constant."""
    dim, runs, alpha = 100, 1000, 1.2
    rng = np.random.default_rng(0)
    error, gained = np.zeros(runs), np.zeros(runs)
    step = alpha / np.sqrt(dim)
    for t in range(steps):
        w = rng.standard_normal(runs)
        w /= np.sqrt(w**2 + rng.chisquare(dim - 1, runs))
        gain = 2 * step * w - step**2
        fresh = varsigma / dim * rng.standard_normal(runs)
        accepted = gain + fresh - error > 0
        taken = np.where(accepted, gain, 0.0)
        error = np.where(accepted, fresh, error)
        if t >= steps // 2:
            gained += taken
    progress = dim * gained / (steps - steps // 2)
    law = gt.stored_incumbent(0.0, varsigma, alpha).progress
    error_of_mean = progress.std() / np.sqrt(runs)
    # The scaled law is off by O(1/d): as much as the noise-free scaled law is at this d.
    limit = abs(dim * gt.gated_gain(0.0, step, dim) - gt.psi(0.0, alpha))
    assert_estimate(progress.mean(), law, error_of_mean, slack=2 * limit)


def test_unresolved_settings_are_refused():
    with pytest.raises(ValueError, match="3 times the spread"):
        gt.incumbent_error(0.0, 20.0, 0.1)
    with pytest.raises(ValueError, match="7 standard deviations"):
        gt.incumbent_error(-9.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="`varsigma` is 0"):
        gt.incumbent_error(0.0, 0.0, 1.0)
