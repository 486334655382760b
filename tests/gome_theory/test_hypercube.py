"""Bit strings: every law against an exact Markov chain or brute force."""

import numpy as np
import pytest
from scipy.special import digamma

import gome_theory as gt


def transition(dim, rho, false_accept, false_reject):
    """The Markov chain of the number of wrong bits (a reasoner at 0 flips at random)."""
    k = np.arange(dim + 1)
    improving = np.where(k > 0, rho + (1 - rho) * k / dim, 0.0)
    down, up = improving * (1 - false_reject), (1 - improving) * false_accept
    matrix = np.diag(1 - down - up)
    matrix[k[1:], k[1:] - 1] += down[1:]
    matrix[k[:-1], k[:-1] + 1] += up[:-1]
    matrix[-1, -1] += up[-1]
    return matrix


@pytest.mark.parametrize(("k", "rho", "gate"), [(30, 0.3, (0.0, 0.0)), (10, 0.3, (0.1, 0.2))])
def test_rate_is_one_step_of_the_chain(k, rho, gate):
    dim = 60
    row = transition(dim, rho, *gate)[k]
    drift = k - row @ np.arange(dim + 1)
    law = gt.flip_rate(rho, k / dim, false_accept=gate[0], false_reject=gate[1])
    assert law == pytest.approx(drift, abs=1e-12)


def test_published_rows():
    rate = gt.flip_rate(
        [0.3, 0.3, 0.2],
        [1 / 2, 1 / 6, 4 / 60],
        false_accept=[0, 0.1, 0.05],
        false_reject=[0, 0.2, 0.1],
    )
    np.testing.assert_allclose(rate, [0.65, 0.275, 0.1907], atol=5e-5)
    assert gt.expected_wrong_bits(120, 30, 60) == pytest.approx(3.992, abs=5e-4)
    assert gt.flip_rate(0.3, 0.5, false_accept=1.0) == pytest.approx(2 * 0.65 - 1)


@pytest.mark.parametrize(
    ("rho", "gate"), [(0.0, (0.0, 0.0)), (0.0, (0.1, 0.2)), (0.05, (0.2, 0.1))]
)
def test_expected_wrong_bits_is_the_chain(rho, gate):
    dim, start = 80, 60
    chain = transition(dim, rho, *gate)
    state = np.eye(dim + 1)[start]
    for _ in range(150):
        state = state @ chain
    law = gt.expected_wrong_bits(
        150, start, dim, alignment=rho, false_accept=gate[0], false_reject=gate[1]
    )
    assert law == pytest.approx(state @ np.arange(dim + 1), rel=1e-4)


def test_the_gate_stands_still_at_its_strictness():
    tau = gt.gate_strictness([0.05, 0.1, 0.0], [0.1, 0.1, 0.9])
    rate = gt.flip_rate(0.0, tau, false_accept=[0.05, 0.1, 0.0], false_reject=[0.1, 0.1, 0.9])
    np.testing.assert_allclose(rate, 0.0, atol=1e-15)
    late = gt.expected_wrong_bits(1e5, 70, 80, false_accept=0.1, false_reject=0.1)
    assert late == pytest.approx(80 * tau[1])


@pytest.mark.parametrize("rho", [0.0, 0.2, 0.9])
def test_runtime_is_the_hitting_time_of_the_chain(rho):
    dim, start = 40, 25
    inner = transition(dim, rho, 0.0, 0.0)[1:, 1:]
    hitting = np.linalg.solve(np.eye(dim) - inner, np.ones(dim))[start - 1]
    assert gt.expected_runtime(start, dim, rho) == pytest.approx(hitting, rel=1e-10)


def test_runtime_limits():
    assert gt.expected_runtime(25, 40, 1.0) == 25
    harmonic = digamma(26.0) + np.euler_gamma
    assert gt.expected_runtime(25, 40) == pytest.approx(40 * harmonic)


def test_a_gate_that_accepts_nothing_is_refused():
    with pytest.raises(ValueError, match="accepts nothing"):
        gt.gate_strictness(0.0, 1.0)
    with pytest.raises(ValueError, match="`alignment` is 2"):
        gt.flip_rate(2.0, 0.5)
