"""Picking the best-looking: value, optimism, and what noise leaves of best-of-n."""

import numpy as np
import pytest

import gome_theory as gt
from tests.statistical import assert_estimate, assert_mean


@pytest.mark.parametrize(("n", "spread", "noise"), [(20, 1.0, 0.5), (100, 0.3, 1.0), (3, 2.0, 0.0)])
def test_selection_in_brute_force(n, spread, noise):
    rng = np.random.default_rng(0)
    trials = 40_000
    value = spread * rng.standard_normal((trials, n))
    score = value + noise * rng.standard_normal((trials, n))
    pick = np.argmax(score, axis=1)[:, None]
    got, looked = (np.take_along_axis(a, pick, 1)[:, 0] for a in (value, score))
    expected = gt.select_best(n, spread, noise)
    for sample, law in [(got, expected.value), (looked - got, expected.optimism)]:
        assert_mean(sample, law)


def test_published_rows():
    law = gt.noisy_best_of_n([5, 5, 16, 8], [0, 0, 0.5, 0], [0, 2, 2, 6], [1.2, 1.2, 1.5, 1.0])
    np.testing.assert_allclose(law.progress, [1.351, 0.7042, 3.658, -0.09964], atol=5e-4)
    np.testing.assert_allclose(law.inflation, [0.0, 1.489, 1.959, 8.103], atol=5e-4)
    chosen = gt.select_best([20, 100, 100], [1, 1, 0.3], [0.5, 1, 1])
    np.testing.assert_allclose(chosen.value, [1.67, 1.773, 0.2162], atol=6e-4)
    np.testing.assert_allclose(chosen.optimism, [0.4176, 1.773, 2.402], atol=6e-4)
    for varsigma, n, efficiency in [(0.0, 5, 0.2705), (2.0, 9, 0.163), (6.0, 50, 0.020)]:
        best = gt.most_efficient_noisy_n(varsigma)
        assert best.n == n
        assert best.efficiency == pytest.approx(efficiency, abs=5e-4)


def test_noise_free_limit_is_the_limit_of_finite_dimensions():
    n = np.array([2, 5, 20])
    scaled = gt.noisy_best_of_n(n, 0.5, 0.0).progress
    np.testing.assert_allclose(scaled, (0.5 + gt.expected_max_normal(n)) ** 2, rtol=1e-9)
    dim = 1e5
    exact = dim * gt.best_of_n_gain(n, dim, 0.5 / np.sqrt(dim))
    np.testing.assert_allclose(scaled, exact, rtol=2e-3)


def test_best_step_is_the_best():
    best = gt.noisy_best_of_n(9, 0.2, 2.0)
    others = gt.noisy_best_of_n(9, 0.2, 2.0, np.linspace(0.01, 8.0, 20_000)).progress
    assert best.progress == pytest.approx(others.max(), rel=1e-6)


@pytest.mark.parametrize("varsigma", [1.0, 4.0, 6.0])
def test_smallest_useful_n(varsigma):
    n = gt.smallest_useful_n(varsigma)
    assert gt.noisy_best_of_n(n, 0.0, varsigma).progress > 0.0
    if n > 2:
        fewer = gt.noisy_best_of_n(n - 1, 0.0, varsigma)
        assert (fewer.progress, fewer.alpha) == (0.0, 0.0)


def test_best_of_n_on_the_sphere_with_noise():
    dim, n, alpha, varsigma, trials = 400, 8, 1.2, 2.0, 40_000
    rng = np.random.default_rng(0)
    w = rng.standard_normal((trials, n))
    w /= np.sqrt(w**2 + rng.chisquare(dim - 1, (trials, n)))
    a = alpha / np.sqrt(dim)
    gain = dim * (2 * a * w - a**2)
    score = gain + varsigma * rng.standard_normal(gain.shape)
    got = np.take_along_axis(gain, np.argmax(score, 1)[:, None], 1)[:, 0]
    error = got.std() / np.sqrt(trials)
    # The law is the limit of large d; its own error here is that of e_{N,d} sqrt(d) against m_N.
    limit = abs(gt.expected_max_projection(n, dim) * np.sqrt(dim) / gt.expected_max_normal(n) - 1)
    law = gt.noisy_best_of_n(n, 0.0, varsigma, alpha).progress
    assert_estimate(got.mean(), law, error, slack=2 * limit * abs(law + alpha**2))


def test_too_few_candidates_are_refused():
    with pytest.raises(ValueError, match="`n` is 0"):
        gt.select_best(0, 1.0, 1.0)
