"""Ruggedness as quenched noise."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import beta

import gome_theory as gt
from tests.statistical import assert_estimate, assert_mean


def test_noise_of_a_random_phase():
    amplitude, dim, trials = 0.3, 20, 100_000
    rng = np.random.default_rng(0)
    rugged = amplitude * (1 - np.cos(2 * np.pi * rng.random((trials, dim)))).sum(1)
    squared = (rugged - amplitude * dim) ** 2
    assert_mean(squared, gt.rugged_noise(amplitude, dim) ** 2)


@pytest.mark.parametrize(
    ("length", "dim"), [(0.05, 3), (0.3, 10), (0.2, 50), (1.0, 50), (0.5, 190), (0.5, 210)]
)
def test_correlation_is_its_integral(length, dim):
    x = 2 * np.pi * length / 0.25

    def integrand(w):
        return np.cos(x * w) * (1 - w * w) ** ((dim - 3) / 2) / beta(0.5, (dim - 1) / 2)

    exact = quad(integrand, -1, 1, epsabs=1e-12, limit=400)[0]
    assert gt.rugged_correlation(length, 0.25, dim) == pytest.approx(exact, abs=1e-9)


def test_correlation_in_large_dimensions():
    errors = []
    for dim in (50, 200, 201, 800, 3000):
        length = 0.1 * np.sqrt(dim / (2 * np.pi**2))  # the Gaussian form is exp(-1)
        errors.append(abs(gt.rugged_correlation(length, 0.1, dim) - np.exp(-1)))
    assert np.all(np.diff(errors) < 0)
    assert errors[-1] < 1e-3
    assert gt.rugged_correlation(1e3, 0.1, 800) == pytest.approx(0.0, abs=1e-6)


def test_published_noise_levels():
    dim = 50
    noise = gt.rugged_noise(np.array([0.001, 0.003, 0.006]), dim) * dim
    np.testing.assert_allclose(noise, [0.25, 0.75, 1.5])


def test_rugged_landscape_behaves_as_stored_noise():
    """Greedy search on sphere + ruggedness against greedy search with stored noise, in log f."""
    dim, runs, steps, amplitude, period = 50, 600, 150, 0.003, 0.003
    rng = np.random.default_rng(0)

    def run(rugged):
        x = np.zeros((runs, dim))
        x[:, 0] = 1.0
        f = np.ones(runs)

        def extra(x):
            if rugged:
                return amplitude * (1 - np.cos(2 * np.pi * x / period)).sum(1)
            return gt.rugged_noise(amplitude, dim) * rng.standard_normal(runs)

        score = f + extra(x + period * rng.random((runs, dim)) if rugged else x)
        for _ in range(steps):
            move = rng.standard_normal((runs, dim))
            move *= 1.2 / np.sqrt(dim) * np.sqrt(f / (move**2).sum(1))[:, None]
            new = x + move
            value = (new**2).sum(1)
            looks = value + extra(new)
            better = looks < score
            x, f = np.where(better[:, None], new, x), np.where(better, value, f)
            score = np.where(better, looks, score)
        return np.log(f)

    with np.errstate(all="raise"):
        real, noise = run(True), run(False)
    error = np.sqrt((real.var() + noise.var()) / runs)
    assert_estimate(real.mean(), noise.mean(), error)
    smallest_step = 1.2 / np.sqrt(dim) * np.sqrt(np.exp(real.min()))
    assert abs(gt.check_decorrelated(smallest_step, period, dim)) < 0.01


def test_rugged_search_is_the_stored_incumbent():
    law = gt.rugged_search(0.3, 0.004, 50, [1.0, 2.0], alpha=1.2)
    same = gt.stored_incumbent(0.3, [1.0, 0.5], alpha=1.2)
    np.testing.assert_allclose(law.progress, same.progress, rtol=1e-12)


def test_warnings_outside_the_regime():
    with pytest.warns(gt.RegimeWarning, match="leave a correlation"):
        gt.check_decorrelated(0.01, 0.1, 50)
    with pytest.warns(gt.RegimeWarning, match="`dim` = 5"):
        gt.rugged_search(0.0, 0.001, 5, 1.0, alpha=1.2)


def test_basins_in_brute_force():
    rng = np.random.default_rng(0)
    trials, spread = 40_000, 0.7
    many = spread * rng.standard_normal((trials, 20)).max(1)
    few = spread * rng.standard_normal((trials, 4)).max(1)
    error = np.sqrt((many.var() + few.var()) / trials)
    assert_estimate(many.mean() - few.mean(), gt.basin_advantage(20, 4, spread), error)
