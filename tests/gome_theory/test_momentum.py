"""Averages over past directions, against simulated directions and brute force."""

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

import gome_theory as gt
from tests.statistical import assert_estimate

shares = st.floats(0.0, 1.0)
alignments = st.floats(0.02, 0.98)
memories = st.floats(0.0, 0.99)


def test_published_alignments_and_slopes():
    rho, gamma = np.array([0.2, 0.2, 0.3, 0.2]), np.array([0.95, 0.9, 0.5, 0.5])
    omega, beta = np.array([0.0, 0.2, 0.0, 0.7]), np.array([0.9, 0.7, 0.5, 0.3])
    squared = gt.ema_alignment(rho, gamma, beta, omega) ** 2
    np.testing.assert_allclose(squared, [0.2456, 0.07333, 0.1132, 0.03168], rtol=4e-4)
    # The published slopes are difference quotients over a decay of 0.02.
    quotient = 2 * np.log(gt.ema_alignment(rho, gamma, 0.02, omega) / rho) / 0.02
    np.testing.assert_allclose(quotient, [1.821, 1.333, 0.8942, -0.4072], rtol=4e-4)


@pytest.mark.parametrize(
    ("rho", "gamma", "omega", "beta"), [(0.4, 0.9, 0.0, 0.8), (0.4, 0.8, 0.3, 0.6)]
)
def test_alignment_of_simulated_averages(rho, gamma, omega, beta):
    dim, chains, steps = 400, 300, 60
    rng = np.random.default_rng(0)

    def vectors():
        return rng.standard_normal((chains, dim)) / np.sqrt(dim)

    truth, bias, average = vectors(), vectors(), np.zeros((chains, dim))
    for _ in range(steps):
        truth = gamma * truth + np.sqrt(1 - gamma**2) * vectors()
        error = np.sqrt(omega) * bias + np.sqrt(1 - omega) * vectors()
        average = beta * average + (1 - beta) * (rho * truth + np.sqrt(1 - rho**2) * error)
    signal, energy = (average * truth).sum(1), (average**2).sum(1)
    measured = signal.mean() / np.sqrt(energy.mean())
    spread = signal / np.sqrt(energy.mean()) - measured * energy / energy.mean() / 2
    expected = gt.ema_alignment(rho, gamma, beta, omega)
    assert_estimate(measured, expected, spread.std() / np.sqrt(chains))


@given(st.integers(0, 10_000))
def test_first_order_value_of_any_three_vectors(seed):
    n, u, last = np.random.default_rng(seed).standard_normal((3, 4))
    n, u, last = (v / np.linalg.norm(v) for v in (n, u, last))
    assume(abs(n @ u) > 0.05)
    h = 1e-6

    def log_cosine(beta):
        v = u + beta * last
        return np.log((n @ v) ** 2 / (v @ v))

    slope = (log_cosine(h) - log_cosine(-h)) / (2 * h)
    assert gt.momentum_value(n @ u, n @ last, u @ last) == pytest.approx(slope, rel=1e-4, abs=1e-4)


@given(alignments, shares, shares)
def test_slope_is_the_derivative_and_the_general_criterion(rho, gamma, omega):
    q2 = 1 - rho**2
    slope = gt.ema_slope(rho, gamma, omega)
    general = gt.momentum_value(rho, rho * gamma, rho**2 * gamma + q2 * omega)
    assert slope == pytest.approx(general, abs=1e-12)
    h = 1e-6
    quotient = 2 * np.log(gt.ema_alignment(rho, gamma, h, omega) / rho) / h
    assert slope == pytest.approx(quotient, abs=1e-4)


@settings(max_examples=50, deadline=None)
@given(alignments, st.floats(0.0, 0.99), shares)
def test_best_decay_is_the_best(rho, gamma, omega):
    best = gt.best_decay(rho, gamma, omega)
    grid = np.concatenate([np.linspace(0.0, 0.99, 400), 1 - np.geomspace(1e-6, 1e-2, 50)])
    assert best.alignment >= gt.ema_alignment(rho, gamma, grid, omega).max() - 1e-12
    assert best.alignment == pytest.approx(gt.ema_alignment(rho, gamma, best.decay, omega))
    if gamma <= omega:
        assert best.decay == 0.0


@given(alignments, st.floats(0.0, 0.98))
def test_closed_form_of_the_best_decay(rho, gamma):
    other = gamma * (1 - 2 * rho**2)
    best = gt.best_decay(rho, gamma)
    factor = (1 - best.decay**2) / ((1 - best.decay * gamma) * (1 - best.decay * other))
    assert (best.alignment / rho) ** 2 == pytest.approx(factor)
    # The numerical branch, an instant of bias away, agrees.
    assert gt.best_decay(rho, gamma, 1e-13).alignment == pytest.approx(best.alignment, rel=1e-6)


def test_best_decay_for_unreliable_reasoners():
    gamma = np.array([0.3, 0.9, 0.99])
    best = gt.best_decay(1e-4, gamma)
    np.testing.assert_allclose(best.decay, gamma, rtol=1e-5)
    np.testing.assert_allclose((best.alignment / 1e-4) ** 2, 1 / (1 - gamma**2), rtol=1e-4)


@given(alignments, shares, st.floats(0.01, 1.0), memories)
def test_no_average_exceeds_the_ceiling(rho, gamma, omega, beta):
    ceiling = gt.alignment_ceiling(rho, omega)
    assert gt.ema_alignment(rho, gamma, beta, omega) <= ceiling + 1e-12
    assert gt.ema_alignment(rho, 1.0, 1 - 1e-9, omega) == pytest.approx(ceiling, rel=1e-6)


@given(alignments, memories, memories, shares, st.integers(1, 20), shares)
def test_averaging_traces_and_averaging_over_time_commute(rho, gamma, beta, omega, K, kappa):
    """Mean of K averages = average of K-means: energies of the errors multiply out alike."""
    q2, fresh = 1 - rho**2, (1 - beta) / (1 + beta)
    lasting = float(gt.persistent_share(omega, K, kappa))
    signal = (1 - beta) / (1 - beta * gamma)
    truth = signal * (1 + beta * gamma) / (1 + beta)
    mean_first = rho * signal / np.sqrt(rho**2 * truth + q2 * (lasting + fresh * (1 - omega) / K))
    # One trace's EMA, whose errors have energy e and correlate between traces by c.
    e = omega + (1 - omega) * fresh
    c = omega * kappa / e
    k_eff = gt.effective_traces(K, 1.0, c)
    mean_last = rho * signal / np.sqrt(rho**2 * truth + q2 * e / k_eff)
    assert mean_first == pytest.approx(mean_last, rel=1e-9)


def test_sign_shape_and_refusals():
    assert gt.ema_alignment(-0.3, 0.9, 0.5) == -gt.ema_alignment(0.3, 0.9, 0.5)
    assert isinstance(gt.ema_alignment(0.3, 0.9, 0.5), float)
    assert gt.best_decay(np.full((2, 1), 0.3), [0.1, 0.5, 0.9]).decay.shape == (2, 3)
    assert gt.alignment_ceiling(0.0, 0.0) == 0.0
    with pytest.raises(ValueError, match=r"`decay` is 1\.0, which is not in \[0, 1\)"):
        gt.ema_alignment(0.3, 0.9, 1.0)
    with pytest.raises(ValueError, match=r"`persistence` is 1\.5"):
        gt.best_decay(0.3, 1.5)
    with pytest.raises(ValueError, match=r"`bias_share` is -0\.1"):
        gt.ema_slope(0.3, 0.5, -0.1)
