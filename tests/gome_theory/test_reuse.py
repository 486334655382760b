"""Reusing a diagnosis: the rate, and the k that maximises it."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import gome_theory as gt
from tests.statistical import assert_mean

gammas = st.floats(0.0, 0.995)
costs = st.floats(1.0, 60.0)


def test_published_optimum():
    best = gt.best_reuse(0.95, 5.0)
    assert best.k == 8
    assert best.speedup == pytest.approx(2.4, abs=0.05)


@settings(deadline=None)
@given(gammas, costs)
def test_best_k_by_trying_all(gamma, cost):
    rates = gt.reuse_rate(np.arange(1, 500), gamma, cost)
    best = gt.best_reuse(gamma, cost)
    assert best.rate == pytest.approx(rates.max(), rel=1e-12)
    assert rates[int(best.k) - 1] == pytest.approx(rates.max(), rel=1e-12)
    assert max(1.0, (1 - gamma**2) * cost) - 1e-9 <= gt.effective_cost(gamma, cost) <= cost + 1e-9


@settings(deadline=None)
@given(st.floats(0.05, 0.995), st.floats(1.5, 60.0))
def test_continuous_best_k_is_stationary(gamma, cost):
    k = gt.continuous_best_k(gamma, cost)
    if k > 1.01:
        h = 1e-4 * k
        around = [gt.reuse_rate(k + x, gamma, cost) for x in (-h, 0.0, h)]
        assert around[1] >= max(around[0], around[2]) - 1e-14


def test_continuous_best_k_asymptotics():
    """About sqrt(2 (c-1)/L) for slow rotation, L = -2 ln gamma."""
    forgetting = np.array([1e-3, 1e-5, 1e-7])
    k = gt.continuous_best_k(np.exp(-forgetting / 2), 4.0)
    ratio = k / np.sqrt(2 * 3.0 / forgetting)
    assert np.all(np.diff(np.abs(ratio - 1)) < 0)
    assert ratio[-1] == pytest.approx(1.0, abs=1e-2)


def test_limits():
    assert gt.best_reuse(0.0, 9.0).k == 1
    assert gt.best_reuse(0.9, 1.0).speedup == pytest.approx(1.0)
    assert gt.reuse_rate(7, 1.0, 5.0) == pytest.approx(7 / 11)
    assert gt.reuse_rate(7, 1 - 1e-9, 5.0) == pytest.approx(7 / 11, rel=1e-6)


def test_rate_in_the_moving_frame_model():
    """Directions that turn as an AR(1); each reused step has the step size of its own alignment."""
    rho, gamma, k, cost, dim, runs = 0.4, 0.9, 5, 4.0, 30, 20_000
    rng = np.random.default_rng(0)
    true = np.zeros((runs, dim))
    true[:, 0] = 1.0
    noise = rng.standard_normal((runs, dim))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    direction = rho * true + np.sqrt(1 - rho**2) * noise
    progress = np.zeros(runs)
    for age in range(k):
        a = rho * gamma**age
        progress += 2 * a * (direction * true).sum(1) - a**2
        turn = rng.standard_normal((runs, dim)) / np.sqrt(dim)
        true = gamma * true + np.sqrt(1 - gamma**2) * turn
    per_cost = progress / (cost + k - 1)
    law = rho**2 * gt.reuse_rate(k, gamma, cost)
    assert_mean(per_cost, law)


def test_out_of_range():
    with pytest.raises(ValueError, match=r"`persistence` is 1\.0"):
        gt.best_reuse(1.0, 3.0)
    with pytest.raises(ValueError, match=r"`cost` is 0\.5"):
        gt.reuse_rate(1, 0.5, 0.5)
