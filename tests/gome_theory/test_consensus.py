"""Agreement of several diagnoses: the calculus of odds, and means of simulated directions."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.optimize import minimize

import gome_theory as gt
from tests.statistical import assert_estimate

alignments = st.floats(0.0, 0.999)
shares = st.floats(0.0, 1.0)
counts = st.integers(1, 50)


def test_published_alignments_of_means():
    squared = gt.consensus_alignment(
        0.2, [4, 4, 4, 4, 16], [0.0, 0.5, 0.5, 0.5, 0.3], [0.0, 0.0, 0.5, 1.0, 0.3]
    )
    expected = [0.1429, 0.1429, 0.08696, 0.0625, 0.2210]
    np.testing.assert_allclose(np.square(squared), expected, atol=5.1e-5)
    assert gt.combine_alignments(0.15, 0.3) ** 2 == pytest.approx(0.1087, abs=5.1e-5)


@given(alignments, alignments, alignments)
def test_odds_are_a_commutative_monoid_with_identity_zero(a, b, c):
    assert gt.combine_alignments(a, b) == gt.combine_alignments(b, a)
    left, right = (
        gt.combine_alignments(gt.combine_alignments(a, b), c),
        gt.combine_alignments(a, gt.combine_alignments(b, c)),
    )
    assert left == pytest.approx(right, rel=1e-9)
    assert gt.combine_alignments(a, 0.0) == pytest.approx(a, rel=1e-12, abs=1e-12)
    assert gt.combine_alignments(a, b) >= max(a, b) - 1e-12
    assert gt.combine_alignments(a, 1.0) == 1.0
    assert gt.alignment_of_odds(gt.odds(a)) == pytest.approx(a, rel=1e-9)


@given(st.floats(0.01, 0.99), counts, shares, shares)
def test_consensus_of_one_is_one_and_it_rises_with_traces_and_falls_with_what_they_share(
    rho, K, omega, kappa
):
    def squared(K=K, omega=omega, kappa=kappa):
        return gt.consensus_alignment(rho, K, omega, kappa) ** 2

    assert squared(K=1) == pytest.approx(rho**2, rel=1e-12)
    assert squared(K=K + 1) >= squared() - 1e-12
    assert squared(kappa=min(kappa + 0.1, 1.0)) <= squared() + 1e-12
    assert squared(omega=min(omega + 0.1, 1.0)) <= squared() + 1e-12
    assert gt.odds(gt.consensus_alignment(rho, K, omega, kappa)) == pytest.approx(
        gt.odds(rho) * gt.effective_traces(K, omega, kappa)
    )
    assert squared() / K <= rho**2 + 1e-12  # on the sphere an ungated consensus does not pay


@given(st.floats(0.01, 0.99), counts, counts, shares)
def test_means_of_disjoint_groups_are_the_mean_of_all(rho, first, second, omega):
    """Weighted all-reduce: with nothing shared, grouping does not matter."""
    one, two = (gt.consensus_alignment(rho, K, omega) for K in (first, second))
    both = gt.consensus_alignment(rho, first + second, omega)
    assert gt.combine_alignments(one, two) == pytest.approx(both, rel=1e-9)


@given(st.floats(0.01, 0.99), st.integers(2, 8), st.floats(0.01, 1.0), st.floats(0.0, 0.99))
def test_traces_beat_as_many_steps_of_one_trace_iff_biases_differ(rho, K, omega, kappa):
    several = gt.consensus_alignment(rho, K, omega, kappa)
    assert several > gt.consensus_alignment(rho, K, omega, 1.0)
    assert gt.consensus_alignment(rho, K, 0.0, kappa) == gt.consensus_alignment(rho, K, 0.0, 1.0)


def test_alignment_of_simulated_means():
    rho, K, omega, kappa, dim, samples = 0.3, 4, 0.6, 0.5, 600, 1500
    rng = np.random.default_rng(0)

    def unit(*shape):
        return rng.standard_normal((*shape, dim)) / np.sqrt(dim)

    bias = np.sqrt(kappa) * unit(samples, 1) + np.sqrt(1 - kappa) * unit(samples, K)
    error = np.sqrt(omega) * bias + np.sqrt(1 - omega) * unit(samples, K)
    mean = np.sqrt(1 - rho**2) * error.mean(1)
    mean[:, 0] += rho
    signal, energy = mean[:, 0], (mean**2).sum(1)
    measured = signal.mean() / np.sqrt(energy.mean())
    spread = signal / np.sqrt(energy.mean()) - measured * energy / energy.mean() / 2
    expected = gt.consensus_alignment(rho, K, omega, kappa)
    assert_estimate(measured, expected, spread.std() / np.sqrt(samples))


@pytest.mark.parametrize("seed", range(5))
def test_correlated_odds_are_those_of_the_best_weights(seed):
    rng = np.random.default_rng(seed)
    rho = rng.uniform(-0.6, 0.8, 3)
    root = rng.standard_normal((3, 5))
    covariance = root @ root.T
    C = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    q = np.sqrt(1 - rho**2)

    def negative_odds(weights):
        return -((weights @ rho) ** 2) / ((weights * q) @ C @ (weights * q))

    runs = [minimize(negative_odds, rng.standard_normal(3), tol=1e-12) for _ in range(5)]
    brute = -min(run.fun for run in runs)
    assert gt.correlated_odds(rho, C) == pytest.approx(brute, rel=1e-5)


@given(st.lists(alignments, min_size=1, max_size=5))
def test_uncorrelated_odds_add(values):
    added = sum(gt.odds(value) for value in values)
    assert gt.correlated_odds(values, np.eye(len(values))) == pytest.approx(added)


@given(st.floats(0.01, 0.99), st.integers(1, 8), shares, st.floats(0.0, 0.99))
def test_equally_correlated_odds_are_those_of_effective_traces(rho, K, omega, kappa):
    C = np.full((K, K), omega * kappa) + (1 - omega * kappa) * np.eye(K)
    expected = gt.odds(rho) * gt.effective_traces(K, omega, kappa)
    assert gt.correlated_odds(np.full(K, rho), C) == pytest.approx(expected, rel=1e-9)


def test_odds_at_their_ends_and_refusals():
    assert gt.odds(1.0) == np.inf
    assert gt.alignment_of_odds(np.inf) == 1.0
    assert gt.effective_traces(1e9, 0.5, 0.4) == pytest.approx(5.0)
    with pytest.raises(ValueError, match=r"`alignment` is 1\.1"):
        gt.odds(1.1)
    with pytest.raises(ValueError, match="`shared_bias` is 2"):
        gt.consensus_alignment(0.1, 2, 0.5, 2)
    with pytest.raises(ValueError, match="`error_correlation` is"):
        gt.correlated_odds([0.1, 0.2], [[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match="not a positive definite"):
        gt.correlated_odds([0.1, 0.2, 0.1], -0.9 * np.ones((3, 3)) + 1.9 * np.eye(3))
