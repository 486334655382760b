"""Memory of accepted directions: the mean-field, the process, and the process in d dimensions."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import gome_theory as gt
from tests.statistical import assert_estimate, assert_exceeds, assert_mean, critical_value

SETTINGS = [
    {"r": 0.5, "persistence": 0.9},
    {"r": 0.5, "persistence": 0.6},
    {"r": 1.0, "persistence": 0.8, "traces": 4, "varsigma": 2.0},
    {"r": 0.5, "persistence": 0.9, "traces": 4},
]


def test_published_predictions():
    """They are for d = 200, where the truth in the memory counts in its length."""
    memory = gt.success_memory(
        [0.5, 0.5, 1.0], [0.9, 0.6, 0.8], traces=[1, 1, 4], varsigma=[0.0, 0.0, 2.0], dim=200
    )
    np.testing.assert_allclose(memory.progress, [2.261, 1.188, 8.194], rtol=5e-4)
    np.testing.assert_allclose(memory.memory_alignment, [1.194, 0.5496, 2.649], rtol=5e-4)
    np.testing.assert_allclose(memory.acceptance, [0.6383, 0.4839, 0.9197], rtol=5e-4)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 3.0), st.floats(0.05, 0.98), st.integers(1, 8), st.floats(0.0, 4.0))
def test_self_consistency_without_bias(r, gamma, K, noise):
    memory = gt.success_memory(r, gamma, traces=K, varsigma=noise)
    squared = gamma**2 * K * memory.acceptance * memory.stored_alignment**2 / (1 - gamma**2)
    assert memory.memory_alignment**2 == pytest.approx(squared, rel=1e-6)
    assert memory.blended_alignment**2 == pytest.approx(r**2 + squared, rel=1e-6)
    assert memory.progress == pytest.approx(gt.bayes_gated_psi(memory.blended_alignment, noise))


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 3.0), st.floats(0.1, 0.95), st.floats(0.0, 3.0), st.floats(0.0, 0.8))
def test_progress_rises_with_reliability_and_falls_with_noise_and_bias(r, gamma, noise, omega):
    def progress(r=r, gamma=gamma, noise=noise, omega=omega, kappa=0.3):
        memory = gt.success_memory(
            r, gamma, traces=3, varsigma=noise, bias_share=omega, shared_bias=kappa
        )
        return memory.progress

    here = progress()
    assert here >= gt.bayes_gated_psi(r, noise) - 1e-9
    assert progress(r=r + 0.2) > here
    assert progress(noise=noise + 0.5) < here + 1e-9
    assert progress(omega=omega + 0.2) < here + 1e-9
    if omega > 0.01:
        assert progress(kappa=0.6) < here + 1e-9


def test_without_persistence_there_is_nothing_to_remember():
    memory = gt.success_memory([0.2, 1.0], 0.0)
    np.testing.assert_allclose(memory.memory_alignment, 0.0)
    np.testing.assert_allclose(memory.progress, gt.psi_g([0.2, 1.0]), rtol=1e-6)


def test_length_of_a_thinned_biased_memory():
    """The denominator of r_m^2, where acceptance is a coin: K traces, own and common bias."""
    K, A, b, omega, kappa, dim, chains = 3, 0.4, 0.7, 0.5, 0.4, 40, 20_000
    rng = np.random.default_rng(0)

    def unit(*shape):
        return rng.standard_normal((*shape, dim)) / np.sqrt(dim)

    common, own = unit(chains, 1), unit(chains, K)
    bias = np.sqrt(kappa) * common + np.sqrt(1 - kappa) * own
    memory = np.zeros((chains, dim))
    for _ in range(30):
        error = np.sqrt(omega) * bias + np.sqrt(1 - omega) * unit(chains, K)
        memory = b * memory + (error * (rng.random((chains, K, 1)) < A)).sum(1)
    energy = (memory**2).sum(1)
    fresh = A / (1 - b**2) * (1 - omega + omega * (1 - A))
    expected = K * (fresh + omega * (kappa * K + 1 - kappa) * A**2 / (1 - b) ** 2)
    assert_mean(energy, expected)
    # The same denominator, read off the library: r_m^2 = signal^2 / length^2.
    gate = gt.success_memory(0.5, b, traces=K, bias_share=omega, shared_bias=kappa)
    A, plus = gate.acceptance, gate.stored_alignment
    fresh = A / (1 - b**2) * (1 - omega + omega * (1 - A))
    length = K * (fresh + omega * (kappa * K + 1 - kappa) * A**2 / (1 - b) ** 2)
    signal = b * K * plus * A / (1 - b**2)
    assert gate.memory_alignment == pytest.approx(signal / np.sqrt(length), rel=1e-6)


@pytest.mark.parametrize("setting", SETTINGS)
def test_mean_field_is_close_to_the_process_and_above_it(setting):
    field = gt.success_memory(**setting)
    process = gt.simulate_success_memory(**setting)
    off = critical_value() * process.progress_error / field.progress
    assert 0.90 - off < process.progress / field.progress < 1.0 + off
    assert process.memory_alignment / field.memory_alignment == pytest.approx(1.0, abs=0.06)


def test_process_is_the_limit_of_dynamics_in_d_dimensions():
    r, gamma, dim, chains, steps = 0.6, 0.8, 1200, 100, 100
    field = gt.success_memory(r, gamma)
    alpha, blend = field.alpha, field.stored_alignment / r
    rng = np.random.default_rng(1)

    def vectors():
        return rng.standard_normal((chains, dim), dtype=np.float32) / np.float32(np.sqrt(dim))

    truth, memory = vectors(), np.zeros((chains, dim), np.float32)
    rho, total = r / np.sqrt(dim), np.zeros(chains)
    for time in range(steps + 20):
        fresh = rho * truth + np.sqrt(1 - rho**2) * vectors()
        tried = fresh + blend * memory
        tried /= np.linalg.norm(tried, axis=1, keepdims=True)
        gain = 2 * alpha * np.sqrt(dim) * (tried * truth).sum(1) - alpha**2
        accepted = gain > 0
        total += np.where(accepted & (time >= 20), gain, 0.0)
        memory = gamma * (memory + fresh * accepted[:, None])
        truth = gamma * truth + np.sqrt(1 - gamma**2) * vectors()
    measured, error = total.mean() / steps, total.std() / steps / np.sqrt(chains)
    process = gt.simulate_success_memory(r, gamma)
    assert_estimate(measured, process.progress, np.hypot(error, process.progress_error))


@pytest.mark.parametrize(("gamma", "loses"), [(0.9, 0.25), (0.6, 0.4)])
def test_normalising_a_single_trace_s_memory_loses_much_of_its_benefit(gamma, loses):
    plain = gt.simulate_success_memory(0.5, gamma)
    loud = gt.simulate_success_memory(0.5, gamma, normalised=True)
    benefit = plain.progress - gt.psi_g(0.5)
    error = np.hypot(plain.progress_error, loud.progress_error)
    assert_exceeds(plain.progress - loud.progress, loses * benefit, error)


def test_without_weight_the_process_is_gated_steps_without_memory():
    alone = gt.simulate_success_memory(0.5, 0.9, weight=0.0, alpha=gt.optimal_alpha(0.5))
    assert_estimate(alone.progress, gt.psi_g(0.5), alone.progress_error)
    accepted = gt.acceptance(0.5, gt.optimal_alpha(0.5))
    assert alone.acceptance == pytest.approx(accepted, abs=4 * 0.5 / np.sqrt(400 * 400))


def test_myopic_weights_listen_to_memory_too_much():
    """Weights in proportion to alignments are best for one step; less memory sharpens storage."""
    full, half = (gt.simulate_success_memory(0.5, 0.9, weight=w) for w in (1.0, 0.5))
    error = np.hypot(full.progress_error, half.progress_error)
    assert_exceeds(half.progress, full.progress, error)


def test_refusals():
    with pytest.raises(ValueError, match=r"`r` is -0\.1"):
        gt.success_memory(-0.1, 0.9)
    with pytest.raises(ValueError, match=r"`persistence` is 1\.0"):
        gt.success_memory(0.5, 1.0)
    with pytest.raises(ValueError, match="`traces` is 0"):
        gt.success_memory(0.5, 0.5, traces=0)
