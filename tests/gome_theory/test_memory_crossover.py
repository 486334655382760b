"""Where reasoners that remember, agree or repeat their mistakes are level with hill climbing."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import gome_theory as gt


def test_published_crossovers_with_persistent_bias():
    answer = gt.biased_vs_hill_climb([100, 400, 400], 2.0, [0.05, 0.05, 0.02])
    np.testing.assert_allclose(answer.alignment, [0.2774, 0.2474, 0.1713], atol=5.1e-5)


def test_bias_stops_the_fall_with_dimension_at_the_threshold():
    dims = np.array([1e2, 1e3, 1e4, 1e6])
    biased = gt.biased_vs_hill_climb(dims, 2.0, 0.05).alignment
    free = gt.ungated_vs_hill_climb(dims, 2.0, law="scaled").alignment
    floor = gt.bias_threshold(0.05)
    assert np.all(np.diff(biased) < 0)
    assert np.all(biased > floor)
    # The rate is quadratic in the excess over the threshold, so the excess falls as 1/sqrt(d).
    assert (biased[2] - floor) / (biased[3] - floor) == pytest.approx(10.0, rel=0.02)
    assert free[-1] < 0.01 * floor
    several = gt.biased_vs_hill_climb(1e6, 2.0, 0.05, traces=4, shared_bias=0.2).alignment
    assert gt.bias_threshold(0.05, 4, 0.2) < several < 1.01 * gt.bias_threshold(0.05, 4, 0.2)


@pytest.mark.parametrize("criterion", ["log", "gain"])
def test_sides_are_level_at_the_biased_crossover(criterion):
    dim, cost, omega = np.array([[50.0], [3000.0]]), np.array([1.2, 5.0]), np.array([0.02, 0.3])
    answer = gt.biased_vs_hill_climb(dim, cost, omega, traces=2, criterion=criterion)
    directed = gt.bias_trap(answer.alignment, omega, traces=2, criterion=criterion).rate / cost
    search = gt.hill_climb_rate(dim, criterion=criterion).rate
    np.testing.assert_allclose(directed, np.broadcast_to(search, (2, 2)), rtol=1e-6)


def test_without_bias_and_memory_they_are_the_ungated_crossover():
    dim, cost = 500, [1.5, 3.0]
    expected = gt.ungated_vs_hill_climb(dim, cost, law="scaled").alignment
    np.testing.assert_allclose(gt.momentum_vs_hill_climb(dim, cost, 0.0).alignment, expected)
    np.testing.assert_allclose(gt.consensus_vs_hill_climb(dim, cost, 1).alignment, expected)
    unbiased = gt.biased_vs_hill_climb(dim, cost, 0.0, criterion="gain").alignment
    exact = gt.ungated_vs_hill_climb(dim, cost, criterion="gain").alignment
    np.testing.assert_allclose(unbiased, exact, rtol=1e-6)


def test_memory_moves_the_crossover_left():
    gamma = np.array([0.0, 0.5, 0.8, 0.95])
    squared = gt.momentum_vs_hill_climb(1e6, 2.0, gamma).alignment ** 2
    np.testing.assert_allclose(squared / squared[0], 1 - gamma**2, rtol=1e-4)
    biased = gt.momentum_vs_hill_climb(1e4, 2.0, gamma, bias_share=0.5).alignment
    assert biased[0] == biased[1]  # no memory is worth having until gamma > omega
    assert biased[0] > biased[2] > biased[3]
    remembered = gt.success_memory_vs_hill_climb(1e4, 2.0, gamma).alignment
    gated = gt.gated_vs_gated(1e4, 2.0, law="scaled").alignment
    assert remembered[0] == pytest.approx(gated, rel=1e-6)
    assert np.all(np.diff(remembered) < 0)


def test_success_memory_crossover_is_level():
    rho = gt.success_memory_vs_hill_climb(400, 3.0, 0.7, traces=2, varsigma=1.0).alignment
    directed = gt.success_memory(20 * rho, 0.7, traces=2, varsigma=1.0).progress
    assert directed == pytest.approx(3.0 * gt.bayes_gated_psi(0.0, 1.0), rel=1e-6)


@given(
    st.floats(30, 1e4), st.floats(1.0, 5.0), st.integers(1, 20), st.floats(0, 1), st.floats(0, 1)
)
def test_consensus_divides_the_odds_at_the_crossover(dim, cost, K, omega, kappa):
    answer = gt.consensus_vs_hill_climb(dim, cost, K, bias_share=omega, shared_bias=kappa)
    one = cost * gt.psi_g(0.0) / dim
    expected = one / (1 - one) / gt.effective_traces(K, omega, kappa)
    assert gt.odds(answer.alignment) == pytest.approx(expected, rel=1e-6)


def test_no_crossover_says_so():
    assert not gt.consensus_vs_hill_climb(30, 300.0, 3).exists
    assert not gt.biased_vs_hill_climb(30, 90.0, 0.1, criterion="gain").exists
    with pytest.raises(ValueError, match="`cost` is -1"):
        gt.momentum_vs_hill_climb(100, -1.0, 0.5)
