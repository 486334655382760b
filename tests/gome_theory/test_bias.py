"""The bias trap, against simulated runs in many dimensions."""

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

import gome_theory as gt
from tests.statistical import assert_mean

alignments = st.floats(0.05, 0.95)
shares = st.floats(0.0, 0.95)


def test_published_traps():
    trap = gt.bias_trap(
        [0.3, 0.3, 0.5, 0.3, 0.6], [0.02, 0.05, 0.1, 0.2, 0.3], [0.25, 0.2, 0.4, 0.2, 0.4]
    )
    cosines = [-0.6558, -0.8120, -0.7566, -0.9172, -0.8880]
    np.testing.assert_allclose(trap.error_cosine, cosines, atol=5.1e-5)
    rates = [0.0477, 0.01498, 0.1136, -0.06498, 0.08711]
    np.testing.assert_allclose(trap.rate, rates, atol=5.1e-5)


@pytest.mark.parametrize(
    ("rho", "omega", "step", "K", "kappa"),
    [(0.3, 0.05, 0.2, 1, 1.0), (0.3, 0.2, 0.2, 1, 1.0), (0.3, 0.4, 0.3, 4, 0.3)],
)
def test_simulated_runs_settle_at_the_trap(rho, omega, step, K, kappa):
    dim, chains, steps, settled = 8_000, 16, 150, 75
    rng = np.random.default_rng(0)

    def unit(*shape):
        return rng.standard_normal((*shape, dim), dtype=np.float32) / np.float32(np.sqrt(dim))

    bias = np.sqrt(kappa) * unit(chains, 1) + np.sqrt(1 - kappa) * unit(chains, K)
    lasting = bias.mean(1)
    error = np.sqrt(dim) * unit(chains)  # x* - x
    rates, cosines = [], []
    for _ in range(steps):
        size = np.linalg.norm(error, axis=1, keepdims=True)
        fresh = unit(chains) / np.sqrt(K)  # the mean of K independent ones
        wrong = np.sqrt(omega) * lasting + np.sqrt(1 - omega) * fresh
        error = error - step * (rho * error + np.sqrt(1 - rho**2) * size * wrong)
        after = np.linalg.norm(error, axis=1)
        rates.append(-2 * np.log(after / size[:, 0]))
        cosines.append((error * lasting).sum(1) / after / np.linalg.norm(lasting, axis=1))
    trap = gt.bias_trap(rho, omega, step, traces=K, shared_bias=kappa)
    for series, expected in ((rates, trap.rate), (cosines, trap.error_cosine)):
        per_chain = np.mean(series[settled:], axis=0)
        assert_mean(per_chain, expected)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.0, 0.99), st.floats(0.01, 0.9), st.floats(0.1, 1.0))
def test_the_root_is_a_fixed_point_and_the_only_one(rho, omega, step):
    trap = gt.bias_trap(rho, omega, step)
    keep, push = 1 - step * rho, step * np.sqrt((1 - rho**2) * omega)

    def next_cosine(c):
        shrunk = keep**2 - 2 * keep * push * c + step**2 * (1 - rho**2)
        return (keep * c - push) / np.sqrt(shrunk), shrunk

    following, shrunk = next_cosine(trap.error_cosine)
    assert following == pytest.approx(trap.error_cosine, abs=1e-9)
    assert trap.rate == pytest.approx(-np.log(shrunk), abs=1e-9)
    c = np.linspace(-1, 1, 2001)
    away = next_cosine(c)[0] - c
    assert np.sum(np.diff(np.sign(away)) != 0) <= 1
    c = np.linspace(-1, 1, 5)
    for _ in range(2_000):  # and runs tend to it from anywhere
        c = next_cosine(c)[0]
    np.testing.assert_allclose(c, trap.error_cosine, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(alignments, shares, st.integers(1, 8), st.floats(0.0, 1.0))
def test_progress_iff_above_the_threshold(rho, omega, K, kappa):
    threshold = gt.bias_threshold(omega, K, kappa)
    assume(abs(rho - threshold) > 0.02)
    trap = gt.bias_trap(rho, omega, traces=K, shared_bias=kappa)
    assert (trap.rate > 0) == (rho > threshold)
    lasting = gt.persistent_share(omega, K, kappa)
    relative_bias = (1 - rho**2) * lasting / rho**2
    assert (rho > threshold) == (relative_bias < 1)


@settings(max_examples=12, deadline=None)
@given(alignments, shares)
def test_best_step_is_the_best(rho, omega):
    best = gt.bias_trap(rho, omega)
    grid = gt.bias_trap(rho, omega, np.geomspace(1e-4, 1.0, 300))
    assert best.rate >= max(grid.rate.max(), 0.0) - 1e-9
    if best.rate == 0:
        assert best.step == 0


@given(alignments, st.integers(1, 8))
def test_without_persistent_error_it_is_the_ungated_gain_of_the_consensus(rho, K):
    trap = gt.bias_trap(rho, 0.0, traces=K, criterion="gain")
    assert trap.rate == pytest.approx(gt.consensus_alignment(rho, K) ** 2, rel=1e-6)
    assert trap.error_cosine == 0.0


@settings(max_examples=8, deadline=None)
@given(st.floats(0.1, 0.9))
def test_small_bias_expansion_is_first_order(rho):
    def miss(omega):
        exact = gt.bias_trap(rho, omega, criterion="gain").rate
        return abs(exact - gt.small_bias_rate(rho, omega))

    small = 1e-3 * rho**2
    assert miss(small / 2) < 0.3 * miss(small) + 1e-12  # the error is of second order
    lost = 2 * np.sqrt(1 - rho**2) ** 3 * (1 + np.sqrt(1 - rho**2)) * small
    assert miss(small) < 0.1 * lost


def test_small_bias_rate_for_unreliable_reasoners():
    rho = 0.02
    lost = rho**2 - gt.small_bias_rate(rho, 1e-6)
    assert lost / 1e-6 == pytest.approx(4.0, rel=1e-3)


@settings(max_examples=8, deadline=None)
@given(alignments, st.floats(0.01, 0.5), st.integers(2, 8), st.floats(0.0, 0.9))
def test_decorrelated_traces_loosen_the_trap(rho, omega, K, kappa):
    several = gt.bias_trap(rho, omega, traces=K, shared_bias=kappa).rate
    assert several >= gt.bias_trap(rho, omega).rate - 1e-9
    assert gt.bias_threshold(omega, K, kappa) < gt.bias_threshold(omega)
    alone = gt.persistent_share(omega, 1, kappa)
    assert alone == pytest.approx(omega)


def test_trap_time_is_when_a_simulated_mean_run_turns():
    """The cosine passes a half of its final value within a factor two of 1 / (a q sqrt(omega))."""
    for rho, omega, step in [(0.3, 0.05, 0.05), (0.1, 0.2, 0.02), (0.6, 0.4, 0.1)]:
        keep, q = 1 - step * rho, np.sqrt(1 - rho**2)
        push, c, time = step * q * np.sqrt(omega), 0.0, 0
        final = gt.bias_trap(rho, omega, step).error_cosine
        while c > final / 2:
            c = (keep * c - push) / np.sqrt(keep**2 - 2 * keep * push * c + step**2 * q**2)
            time += 1
        assert 0.5 < time / gt.trap_time(rho, step, omega) < 2.0
    assert gt.trap_time(0.3, 0.1, 0.0) == np.inf


def test_gated_runs_stall_instead_of_diverging():
    rho, omega, step, dim, chains, steps = 0.3, 0.1, 0.2, 400, 24, 1500
    rng = np.random.default_rng(0)
    bias = rng.standard_normal((chains, dim)) / np.sqrt(dim)
    error, start = rng.standard_normal((chains, dim)), None
    for time in range(steps):
        if time == 500:
            start = np.log((error**2).sum(1))
        size = np.linalg.norm(error, axis=1, keepdims=True)
        w = rng.standard_normal((chains, dim)) / np.sqrt(dim)
        wrong = np.sqrt(omega) * bias + np.sqrt(1 - omega) * w
        after = error - step * (rho * error + np.sqrt(1 - rho**2) * size * wrong)
        better = np.linalg.norm(after, axis=1, keepdims=True) < size
        error = np.where(better, after, error)
    rate = (start - np.log((error**2).sum(1))) / (steps - 500)
    expected = gt.gated_bias_trap(rho, omega, step, dim).rate
    assert_mean(rate, expected, slack=0.1 * expected)
    hopeless = gt.gated_bias_trap(0.2, 0.2, 0.1, [100, 400])
    assert np.all((hopeless.rate >= 0) & (hopeless.rate < 1e-4))
    assert gt.bias_trap(0.2, 0.2, 0.1).rate < 0


def test_ends_and_refusals():
    assert gt.bias_trap(1.0, 0.5, 0.5).rate == pytest.approx(2 * np.log(2))
    assert gt.bias_trap(0.5, 1.0, 0.1).error_cosine == pytest.approx(-1.0)
    assert gt.bias_trap([[0.3], [0.5]], [0.0, 0.1, 0.2]).rate.shape == (2, 3)
    with pytest.raises(ValueError, match=r"`bias_share` is 1\.5"):
        gt.bias_trap(0.3, 1.5, 0.1)
    with pytest.raises(ValueError, match="'mean'"):
        gt.bias_trap(0.3, 0.1, criterion="mean")
