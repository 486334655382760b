"""The best of several traces, and when a diversity of biases pays."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

import gome_theory as gt
from tests.statistical import assert_mean

shares = st.floats(0.02, 1.0)


def test_published_totals_and_picks():
    flat = gt.trace_totals(25, 0.6, 1.2, 200)
    assert flat.mean == pytest.approx(0.0, abs=1e-15)
    assert gt.best_trace(4, flat) == pytest.approx(0.06176, abs=5.1e-6)
    drifting = gt.trace_totals(8, 0.6, 1.2, 200, 0.1)
    assert drifting.mean == pytest.approx(-0.04032, abs=5.1e-6)
    assert gt.best_trace(4, drifting) == pytest.approx(0.005234, abs=5.1e-6)
    with pytest.warns(gt.RegimeWarning, match="`steps` = 25"):
        late = gt.trace_totals(25, 0.6, 1.2, 200, [0.1, 0.3, 0.3], [0.0, 0.0, 0.6])
    assert late.mean[0] == pytest.approx(-0.432, abs=5.1e-5)
    assert gt.best_trace(4, late)[0] == pytest.approx(-0.3181, abs=5.1e-4)
    # Without their drift, which the Gaussian model of the last rows leaves out:
    picks = gt.best_trace(4, late._replace(mean=0.0))
    np.testing.assert_allclose(picks[1:], [0.1769, 0.1188], atol=5.1e-5)


def test_published_values_of_a_noisy_pick():
    totals = gt.TraceTotals(0.0, np.array([1.0, 1.0, 0.3]), 0.0)
    picks = gt.best_trace([20, 100, 100], totals, [0.5, 1.0, 1.0])
    np.testing.assert_allclose(picks, [1.67, 1.773, 0.2162], atol=5e-4)


def test_best_of_simulated_correlated_traces():
    K, noise, samples = 5, 0.7, 200_000
    totals = gt.TraceTotals(0.3, 1.5, 0.4)
    rng = np.random.default_rng(0)
    common, own = rng.standard_normal((samples, 1)), rng.standard_normal((samples, K))
    value = 0.3 + 1.5 * (np.sqrt(0.4) * common + np.sqrt(0.6) * own)
    seen = value + noise * rng.standard_normal(value.shape)
    pick = np.take_along_axis(value, seen.argmax(1)[:, None], 1)
    expected = gt.best_trace(K, totals, noise)
    assert_mean(pick, expected)


def test_totals_of_simulated_traces_in_d_dimensions():
    """Two traces from one point whose biases share 40 per cent; early, d large."""
    steps, r, alpha, omega, kappa, dim, pairs = 6, 0.8, 1.2, 0.15, 0.4, 10_000, 600
    rng = np.random.default_rng(0)

    def normal(shape=()):
        return rng.standard_normal((*shape, dim), dtype=np.float32) / np.float32(np.sqrt(dim))

    rho, a = r / np.sqrt(dim), alpha / np.sqrt(dim)
    log_progress = np.zeros((pairs, 2))
    for pair in range(pairs):
        bias = np.sqrt(kappa) * normal() + np.sqrt(1 - kappa) * normal((2,))
        x = np.zeros((2, dim))
        x[:, 0] = 1.0
        for _ in range(steps):
            size = np.linalg.norm(x, axis=1, keepdims=True)
            error = np.sqrt(omega) * bias + np.sqrt(1 - omega) * normal((2,))
            x = x + a * (-rho * x + size * np.sqrt(1 - rho**2) * error)
        log_progress[pair] = -2 * np.log(np.linalg.norm(x, axis=1))
    totals = gt.trace_totals(steps, r, alpha, dim, omega, kappa)
    standard = (log_progress - totals.mean) / totals.spread
    assert_mean(standard.mean(1), 0.0)
    for square, expected in ((standard**2, 1.0), (standard.prod(1), totals.correlation)):
        assert_mean(square, expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(2, 64), st.floats(0.1, 2.0), shares, st.floats(0.0, 1.0))
def test_diversity_value_is_the_difference_of_two_picks(T, K, alpha, omega, kappa):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gt.RegimeWarning)
        biased = gt.best_trace(K, gt.trace_totals(T, 0.4, alpha, 100, omega, kappa))
    plain = gt.best_trace(K, gt.trace_totals(T, 0.4, alpha, 100))
    value = gt.diversity_value(T, K, alpha, omega, kappa)
    assert value / 100 == pytest.approx(biased - plain, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 200), st.floats(0.05, 2.5), shares)
def test_diversity_pays_up_to_the_longest_diverse_run(K, alpha, omega):
    longest = gt.longest_diverse_run(K, alpha, omega)
    luck = gt.expected_max_normal(K)
    assert longest <= max(2 * luck / (alpha * np.sqrt(omega)), 1.0) + 1e-9
    assert (longest > 1.0) == (luck > alpha)
    T = np.linspace(1.05, 60.0, 200)
    T = T[np.abs(T - longest) > 1e-6]
    pays = gt.diversity_value(T, K, alpha, omega) > 0
    np.testing.assert_array_equal(pays, longest > T)


@given(st.floats(0.5, 5.0), st.floats(0.1, 2.0), st.floats(1.0, 4.0), shares)
def test_the_lead_is_lost_where_the_totals_say(r, alpha, cost, omega):
    last = gt.lead_lost_after(r, alpha, cost, omega)
    dim = 1e12
    T = np.arange(1, 200)
    directed = gt.trace_totals(T, r, alpha, dim, omega).mean * dim
    leads = directed > cost * T * gt.psi_g(0.0)
    assume(np.all(np.abs(T - last) > 1e-6))
    np.testing.assert_array_equal(leads, last > T)


def test_without_bias_the_lead_lasts_and_without_lead_there_is_nothing_to_lose():
    assert gt.lead_lost_after(2.0, 1.0, 1.0, 0.0) == np.inf
    assert gt.lead_lost_after(0.1, 1.0, 1.0, 0.0) == 0.0
    with pytest.raises(ValueError, match="`steps` is 0"):
        gt.trace_totals(0, 0.5, 1.0, 100)
    with pytest.raises(ValueError, match="`alpha` is"):
        gt.longest_diverse_run(4, 0.0, 0.1)
