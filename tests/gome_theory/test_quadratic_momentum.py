"""The second-moment map, against simulated runs; Theorem 2 and what conditioning adds."""

import numpy as np
import pytest

import gome_theory as gt
from tests.statistical import assert_estimate


def simulated_moments(rho, step, decay, curvatures, dims, steps, chains, seed=0):
    """(E|x_j|^2, E<x_j,v_j>, E|v_j|^2) after some steps from x = ones, v = 0: mean and error."""
    rng = np.random.default_rng(seed)
    h = np.repeat(curvatures, dims)
    blocks = np.repeat(np.arange(len(dims)), dims)
    member = blocks[:, None] == np.arange(len(dims))
    x, v = np.ones((chains, h.size)), np.zeros((chains, h.size))
    for _ in range(steps):
        gradient = h * x
        w = rng.standard_normal(x.shape)
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        size = np.linalg.norm(gradient, axis=1, keepdims=True)
        v = decay * v + (1 - decay) * (-rho * gradient + np.sqrt(1 - rho**2) * size * w)
        x = x + step * v
    moments = np.concatenate([(x * x) @ member, (x * v) @ member, (v * v) @ member], axis=1)
    return moments.mean(0), moments.std(0) / np.sqrt(chains)


@pytest.mark.parametrize(
    ("step", "decay", "curvatures", "dims"),
    [(0.3, 0.6, [1.0, 0.1], [6, 6]), (0.8, 0.9, [1.0, 0.1], [4, 8]), (0.15, 0.5, [1.0], [9])],
)
def test_map_predicts_simulated_moments(step, decay, curvatures, dims):
    steps, dims = 12, np.array(dims)
    moments, error = simulated_moments(0.4, step, decay, curvatures, dims, steps, 60_000)
    start = np.concatenate([dims, np.zeros(2 * dims.size)])
    one = gt.second_moment_map(0.4, step, decay, curvatures, dims / dims.sum())
    predicted = np.linalg.matrix_power(one, steps) @ start
    assert_estimate(moments, predicted, error)


def test_published_rates_on_the_sphere():
    rates = gt.quadratic_momentum_rate(0.4, [0.4, 0.15], [0.0, 0.5], [1.0])
    np.testing.assert_allclose(rates, [0.1744, 0.1059], atol=5.1e-5)


def test_without_memory_on_the_sphere_it_is_the_ungated_gain():
    rho, step = np.array([[0.1], [0.5], [0.9]]), np.array([0.05, 0.5, 1.0])
    rate = gt.quadratic_momentum_rate(rho, step, 0.0, [2.0])
    np.testing.assert_allclose(1 - np.exp(-rate), gt.ungated_gain(rho, step), atol=1e-12)


def test_rate_does_not_depend_on_units_or_on_how_blocks_are_cut():
    rate = gt.quadratic_momentum_rate(0.4, 0.5, 0.7, [1.0, 0.1], [0.3, 0.7])
    same = gt.quadratic_momentum_rate(0.4, 0.5, 0.7, [30.0, 3.0], [0.3, 0.7])
    cut = gt.quadratic_momentum_rate(0.4, 0.5, 0.7, [1.0, 0.1, 0.1], [0.3, 0.5, 0.2])
    assert rate == pytest.approx(same, rel=1e-10)
    assert rate == pytest.approx(cut, rel=1e-9)


def test_raw_memory_is_worth_nothing_on_the_sphere():
    """Theorem 2: no first-order value at a = rho, and no value at all over steps and decays."""
    rho, h = np.array([0.2, 0.5, 0.8]), 1e-5

    def slope(step):
        some, none = (gt.quadratic_momentum_rate(rho, step, b, [1.0]) for b in (h, 0.0))
        return (some - none) / h

    def first_order(a):
        """From E<x, u_last> = (a - rho) E|x_last|^2 and E<u, u_last> = -rho E<x, u_last>."""
        shrink = 1 - 2 * a * rho + a**2
        overlap = (a - rho) / shrink
        return -(2 * a * (rho + overlap) - 2 * a**2 * (1 + rho * overlap)) / shrink

    for step in (0.5 * rho, rho, 1.2 * rho):
        np.testing.assert_allclose(slope(step), first_order(step), atol=1e-4)
    np.testing.assert_allclose(first_order(rho), 0.0, atol=1e-12)
    assert np.all(first_order(0.5 * rho) > 0)  # memory repairs steps that are too short
    best = gt.best_quadratic_momentum(0.4, [1.0])
    assert best.decay < 1e-3
    assert best.rate == pytest.approx(-np.log(1 - 0.4**2), rel=1e-6)
    assert best.step == pytest.approx(0.4, rel=1e-3)


def test_memory_pays_on_badly_conditioned_quadratics():
    gains = []
    for curvatures in ([1.0, 0.1], [1.0, 0.01]):
        best = gt.best_quadratic_momentum(0.4, curvatures)
        without = gt.best_quadratic_step(0.4, 0.0, curvatures)
        steps = np.geomspace(0.1, 5.0, 2000)
        brute = gt.quadratic_momentum_rate(0.4, steps, 0.0, curvatures).max()
        assert without.rate == pytest.approx(brute, rel=1e-5)
        gains.append((best.decay, best.rate / without.rate))
    (mild, mild_gain), (severe, severe_gain) = gains
    assert 0.4 < mild < 0.6 < severe < 0.9
    assert 1.05 < mild_gain < 1.10 < severe_gain


def test_refusals():
    with pytest.raises(ValueError, match="`curvatures` is"):
        gt.second_moment_map(0.4, 0.1, 0.5, [1.0, 0.0])
    with pytest.raises(ValueError, match="`shares` is"):
        gt.second_moment_map(0.4, 0.1, 0.5, [1.0, 0.5], [0.5, 0.1])
    with pytest.raises(ValueError, match=r"`decay` is 1\.2"):
        gt.quadratic_momentum_rate(0.4, 0.1, 1.2, [1.0])
