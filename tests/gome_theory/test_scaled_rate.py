"""Scaled laws: Theorem 1, the noisy gate, and their limits."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import ndtr

import gome_theory as gt
from gome_theory.scaled_rate import inverse_mills, normal_density
from tests.statistical import assert_mean

rs = st.floats(-8.0, 30.0)


def test_published_values():
    np.testing.assert_allclose(
        gt.psi_g([0.0, 0.5, 1.0, 2.0]), [0.4049, 0.860, 1.627, 4.418], atol=5e-4
    )
    assert gt.optimal_alpha(0.0) == pytest.approx(1.224, abs=5e-4)
    assert gt.acceptance(0.0, gt.optimal_alpha(0.0)) == pytest.approx(0.270, abs=5e-4)


@given(rs)
def test_psi_g_is_the_maximum_of_psi(r):
    alpha = gt.optimal_alpha(r)
    assert gt.psi(r, alpha) == pytest.approx(gt.psi_g(r), rel=1e-6, abs=1e-13)
    others = gt.psi(r, alpha * np.linspace(0.2, 3.0, 57))
    assert np.all(others <= gt.psi_g(r) * (1 + 1e-6) + 1e-13)


@given(st.floats(-5.0, 20.0))
def test_derivative_and_elasticity(r):
    h = 1e-5
    slope = (gt.psi_g(r + h) - gt.psi_g(r - h)) / (2 * h)
    assert slope == pytest.approx(2 * gt.psi_g(r) / gt.optimal_alpha(r), rel=1e-6)
    log_slope = (np.log(gt.psi_g(r + h)) - np.log(gt.psi_g(r - h))) / (2 * h)
    assert r * log_slope == pytest.approx(2 * r / gt.optimal_alpha(r), rel=1e-6, abs=1e-9)


def test_monotone_convex_and_rising_elasticity():
    r = np.linspace(-6.0, 20.0, 500)
    assert np.all(np.diff(gt.psi_g(r)) > 0)
    assert np.all(np.diff(gt.psi_g(r), 2) > 0)
    positive = r[(r >= 0) & (r <= 5)]  # beyond, 2 - elasticity is below rounding
    elasticity = 2 * positive / gt.optimal_alpha(positive)
    assert np.all(np.diff(elasticity) > 0)
    assert np.all(elasticity < 2)


@given(st.floats(-20.0, 100.0))
def test_inverse(r):
    assert gt.inverse_psi_g(gt.psi_g(r)) == pytest.approx(r, abs=1e-9)


@given(st.floats(-30.0, 8.0))
def test_inverse_mills_satisfies_its_differential_equation(t):
    h = 1e-5
    slope = (inverse_mills(t + h) - inverse_mills(t - h)) / (2 * h)
    assert slope == pytest.approx(-inverse_mills(t) * (t + inverse_mills(t)), rel=1e-4, abs=1e-9)
    assert -1 < slope < 0 or abs(slope) < 1e-12


def test_hallucination_mixture():
    assert gt.hallucinated_psi_g(0.7, 0.0) == pytest.approx(gt.psi_g(0.7), rel=1e-12)
    assert gt.hallucinated_psi_g(0.7, 1.0, 0.2) == pytest.approx(gt.psi_g(0.2), rel=1e-12)
    alpha = np.linspace(0.01, 8.0, 40_000)
    brute = (0.7 * gt.psi(2.0, alpha) + 0.3 * gt.psi(-1.0, alpha)).max()
    assert gt.hallucinated_psi_g(2.0, 0.3, -1.0) == pytest.approx(brute, rel=1e-7)
    assert gt.hallucinated_psi_g(2.0, 0.3) == pytest.approx(3.1768, abs=5e-5)


@settings(max_examples=30, deadline=None)
@given(st.floats(-1.0, 5.0), st.floats(0.0, 20.0))
def test_noise_costs_progress_but_never_below_ungated(r, varsigma):
    noisy = gt.bayes_gated_psi(r, varsigma)
    assert noisy >= max(r, 0.0) ** 2 - 1e-9
    assert noisy >= gt.bayes_gated_psi(r, varsigma + 0.5) - 1e-12
    assert gt.bayes_gated_psi(r + 0.1, varsigma) >= noisy


def test_noise_limits():
    r = np.array([-0.5, 0.0, 0.5, 2.0])
    np.testing.assert_allclose(gt.bayes_gated_psi(r, 0.0), gt.psi_g(r), rtol=1e-12)
    np.testing.assert_allclose(gt.bayes_gated_psi(r, 1e5), np.maximum(r, 0) ** 2, atol=1e-6)
    np.testing.assert_allclose(
        gt.bayes_gated_psi(0.0, [1.0, 2.0, 4.0, 8.0]), [0.3499, 0.2515, 0.101, 0.0082], atol=5e-4
    )


@pytest.mark.parametrize(("r", "varsigma"), [(0.0, 2.0), (0.5, 2.0), (1.0, 4.0)])
def test_noisy_gate_in_its_gaussian_model(r, varsigma):
    gate = gt.bayes_gate(r, varsigma)
    rng = np.random.default_rng(0)
    gain = 2 * gate.alpha * (r + rng.standard_normal(400_000)) - gate.alpha**2
    accepted = gain + varsigma * rng.standard_normal(gain.size) > gate.threshold
    progress = np.where(accepted, gain, 0.0)
    for sample, expected in [(progress, gate.progress), (accepted, gate.acceptance)]:
        assert_mean(sample, expected)


def test_threshold_is_optimal_for_its_step():
    r, varsigma, alpha = 0.4, 2.0, 1.3
    gate = gt.bayes_gate(r, varsigma, alpha)
    mean, spread = 2 * alpha * r - alpha**2, 2 * alpha
    total = np.hypot(spread, varsigma)
    z = (mean - (gate.threshold + np.linspace(-2, 2, 401))) / total
    progress = mean * ndtr(z) + spread**2 / total * normal_density(z)
    assert np.argmax(progress) == 200
    assert progress[200] == pytest.approx(gate.progress, rel=1e-12)
    assert np.sign(gate.threshold) == -np.sign(mean)
