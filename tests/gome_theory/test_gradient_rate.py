"""Exact finite-d laws of a directed step: against quadrature, limits, and real d-dim dynamics."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import special
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

import gome_theory as gt
from gome_theory.gradient_rate import gain_coefficients, gate_threshold
from tests.statistical import assert_mean

alignments = st.floats(0.0, 0.98)
steps = st.floats(0.01, 1.5)
dims = st.floats(3.0, 400.0)


def integrate(function, rho, step, dim, gated):
    """The defining integral over the angle, by adaptive quadrature."""
    coefficients = gain_coefficients(rho, step)
    offset, spread = map(float, coefficients)
    last = float(np.arccos(gate_threshold(coefficients))) if gated else np.pi
    norm = special.beta(0.5, (dim - 1) / 2)

    def integrand(angle):
        return function(offset + spread * np.cos(angle)) * np.sin(angle) ** (dim - 2) / norm

    return quad(integrand, 0.0, last, limit=400, epsabs=1e-13, epsrel=1e-11)[0]


def simulate(rho, step, dim, gated, hallucination=0.0, chains=4000, length=60, seed=0):
    """Run minimisation of |x|^2 in R^d and return per-step gains and log progress, flattened."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((chains, dim))
    gains = np.empty((length, chains))
    for t in range(length):
        radius = np.linalg.norm(x, axis=1, keepdims=True)
        noise = rng.standard_normal((chains, dim))
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        along = np.where(rng.random((chains, 1)) < hallucination, 0.0, rho)
        direction = -along * x / radius + np.sqrt(1 - along**2) * noise
        candidate = x + step * radius * direction
        gain = 1 - (candidate**2).sum(1) / radius[:, 0] ** 2
        taken = (gain > 0) if gated else np.ones(chains, bool)
        x = np.where(taken[:, None], candidate, x)
        gains[t] = np.where(taken, gain, 0.0)
        x /= np.linalg.norm(x, axis=1, keepdims=True)  # gains do not depend on the distance
    return gains.ravel()


@settings(max_examples=60, deadline=None)
@given(alignments, steps, dims)
def test_gated_gain_closed_form_is_the_integral(rho, step, dim):
    expected = integrate(lambda gain: gain, rho, step, dim, gated=True)
    assert gt.gated_gain(rho, step, dim) == pytest.approx(expected, rel=1e-8, abs=1e-11)


@settings(max_examples=60, deadline=None)
@given(alignments, st.floats(0.01, 0.9), st.floats(5.0, 400.0), st.booleans())
def test_log_rates_are_the_integral(rho, step, dim, gated):
    expected = integrate(lambda gain: -np.log1p(-gain), rho, step, dim, gated)
    law = gt.gated_log_rate if gated else gt.ungated_log_rate
    assert law(rho, step, dim) == pytest.approx(expected, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize(("dim", "tolerance"), [(2, 1e-3), (3, 1e-6)])
def test_log_rate_keeps_digits_in_low_dimension(dim, tolerance):
    for rho, step in [(0.0, 0.9), (0.5, 0.7), (0.9, 0.7)]:
        expected = integrate(lambda gain: -np.log1p(-gain), rho, step, dim, gated=True)
        assert gt.gated_log_rate(rho, step, dim) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(
    ("rho", "step", "dim"), [(0.3, 0.3, 16), (0.1, 0.2, 64), (0.6, 0.6, 8), (0.0, 0.22, 30)]
)
def test_dynamics_match_gains_and_log_rates(rho, step, dim):
    ungated = simulate(rho, step, dim, gated=False)
    assert_mean(ungated, gt.ungated_gain(rho, step))
    assert_mean(-np.log1p(-ungated), gt.ungated_log_rate(rho, step, dim))
    gated = simulate(rho, step, dim, gated=True, seed=1)
    assert_mean(gated, gt.gated_gain(rho, step, dim))
    assert_mean(-np.log1p(-gated), gt.gated_log_rate(rho, step, dim))
    assert_mean((gated > 0).astype(float), gt.gated_acceptance(rho, step, dim))


def test_dynamics_match_hallucination_mixtures():
    rho, step, dim, h = 0.4, 0.35, 25, 0.3
    ungated = simulate(rho, step, dim, gated=False, hallucination=h)
    assert_mean(ungated, gt.ungated_gain(rho, step, hallucination=h))
    assert_mean(-np.log1p(-ungated), gt.ungated_log_rate(rho, step, dim, hallucination=h))
    gated = simulate(rho, step, dim, gated=True, hallucination=h, seed=1)
    assert_mean(gated, gt.gated_gain(rho, step, dim, hallucination=h))
    assert_mean(-np.log1p(-gated), gt.gated_log_rate(rho, step, dim, hallucination=h))


@pytest.mark.parametrize(
    ("rho", "step", "dim", "gated"), [(0.3, 0.3, 16, 0.1092), (0.1, 0.2, 64, 0.01953)]
)
def test_published_gains(rho, step, dim, gated):
    assert gt.gated_gain(rho, step, dim) == pytest.approx(gated, abs=5e-5)


@pytest.mark.parametrize(
    ("rho", "dim", "published"), [(0, 10, 0.4770), (0, 30, 0.4269), (0, 100, 0.4113)]
)
def test_published_log_rates_use_the_scaled_step(rho, dim, published):
    at_scaled_step = gt.gated_log_rate(rho, gt.optimal_alpha(0.0) / np.sqrt(dim), dim)
    assert dim * at_scaled_step == pytest.approx(published, abs=5e-5)
    assert gt.optimal_gated_log_rate(rho, dim).rate >= at_scaled_step


@settings(max_examples=40, deadline=None)
@given(alignments, steps, dims, st.floats(0.0, 1.0))
def test_gate_never_hurts(rho, step, dim, h):
    gated = gt.gated_gain(rho, step, dim, hallucination=h)
    assert gated >= max(gt.ungated_gain(rho, step, hallucination=h), 0.0) - 1e-12
    logs = gt.gated_log_rate(rho, step, dim, hallucination=h)
    assert logs >= gt.ungated_log_rate(rho, step, dim, hallucination=h) - 1e-6
    assert logs >= gated - 1e-6


@settings(max_examples=25, deadline=None)
@given(alignments, dims)
def test_best_step_is_the_best(rho, dim):
    for law, best in [
        (gt.gated_gain, gt.optimal_gated_gain(rho, dim)),
        (gt.gated_log_rate, gt.optimal_gated_log_rate(rho, dim)),
    ]:
        found = minimize_scalar(
            lambda step, law=law: -law(rho, step, dim), bounds=(1e-4, 1.5), method="bounded"
        )
        assert best.rate >= -found.fun - 1e-12
        assert law(rho, best.step, dim) == pytest.approx(best.rate, rel=1e-12)
        assert best.acceptance == pytest.approx(gt.gated_acceptance(rho, best.step, dim))


def test_one_step_size_serves_a_mixture_with_two_humps():
    rho, dim, h = 0.8, 200, 0.97
    grid = np.geomspace(1e-4, 1.5, 20_000)
    brute = gt.gated_gain(rho, grid, dim, hallucination=h).max()
    assert gt.optimal_gated_gain(rho, dim, hallucination=h).rate == pytest.approx(brute, rel=1e-6)


@pytest.mark.parametrize("dim", [3, 10, 100])
def test_rates_increase_and_are_convex_in_alignment(dim):
    rho = np.linspace(0.0, 0.99, 100)
    for law in (gt.optimal_gated_gain, gt.optimal_gated_log_rate, gt.optimal_ungated_log_rate):
        rate = law(rho, dim).rate
        assert np.all(np.diff(rate) > 0)
        assert np.all(np.diff(rate, 2) > 0)


def test_gated_gain_tends_to_the_scaled_law():
    errors = [
        abs(d * gt.optimal_gated_gain(0.7 / d**0.5, d).rate - gt.psi_g(0.7))
        for d in (10, 100, 1000, 10_000)
    ]
    assert np.all(np.diff(errors) < 0)
    assert errors[-1] < 1e-3


def test_no_direction_no_ungated_progress():
    best = gt.optimal_ungated_log_rate(0.0, 10)
    assert (best.rate, best.step) == (0.0, 0.0)
    assert gt.optimal_ungated_gain(-0.2).rate == 0.0
    assert gt.optimal_ungated_gain(0.4, hallucination=0.25).rate == pytest.approx(0.09)


def test_perfect_direction_reaches_the_optimum():
    assert gt.optimal_gated_gain(1.0, 10).rate == pytest.approx(1.0)
    assert gt.gated_gain(1.0, 0.5, 10) == pytest.approx(0.75)


def test_shapes_broadcast_and_scalars_stay_scalar():
    assert isinstance(gt.gated_gain(0.1, 0.2, 30), float)
    assert isinstance(gt.optimal_gated_log_rate(0.1, 30).rate, float)
    assert gt.optimal_gated_log_rate(np.zeros((3, 1)), [10, 20]).rate.shape == (3, 2)
    assert gt.gated_gain(0.1, 0.2, 30, hallucination=[0.0, 0.5]).shape == (2,)


def test_one_dimension_is_refused():
    with pytest.raises(ValueError, match="below 2 a random direction"):
        gt.optimal_gated_gain(0.1, 1)
