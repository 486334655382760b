"""Laws of undirected search."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import special
from scipy.integrate import quad

import gome_theory as gt
from tests.statistical import assert_mean

counts = st.integers(1, 2000)
dims = st.floats(3.0, 500.0)


@settings(max_examples=40, deadline=None)
@given(counts, dims)
def test_expected_maxima_are_their_integrals(n, dim):
    half = (dim - 1) / 2

    def above(t):
        below = special.betainc(half, half, (1 + t) / 2)
        return 1 - below**n - (1 - below) ** n

    expected = quad(above, 0, 1, limit=300, epsabs=1e-12)[0]
    assert gt.expected_max_projection(n, dim) == pytest.approx(expected, abs=1e-8)
    squared = quad(lambda t: 2 * t * (1 - special.betainc(0.5, half, t * t) ** n), 0, 1, limit=300)[
        0
    ]
    assert gt.expected_max_squared_projection(n, dim) == pytest.approx(squared, abs=1e-8)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 2000), dims)
def test_more_candidates_help_and_more_dimensions_hurt(n, dim):
    value = gt.expected_max_projection(n, dim)
    assert value < gt.expected_max_projection(n + 1, dim)
    assert value > gt.expected_max_projection(n, dim + 1)


def test_limits_and_published_values():
    assert gt.expected_max_projection(1, 10) == pytest.approx(0.0, abs=1e-14)
    assert gt.expected_max_squared_projection(1, 10) == pytest.approx(0.1)
    assert gt.expected_max_normal(2) == pytest.approx(1 / np.sqrt(np.pi))
    scaled = np.sqrt(1e6) * gt.expected_max_projection(20, 1e6)
    assert scaled == pytest.approx(gt.expected_max_normal(20), rel=1e-4)
    e = gt.expected_max_projection([5, 5, 20], [10, 50, 30])
    np.testing.assert_allclose(e, [0.3691, 0.1646, 0.3369], atol=5e-5)
    squares = gt.expected_max_squared_projection([5, 5, 20], [10, 50, 30])
    np.testing.assert_allclose(squares, [0.2602, 0.05481, 0.1560], atol=6e-5)


@pytest.mark.parametrize("keep_incumbent", [False, True])
@pytest.mark.parametrize(("n", "dim", "rho", "step"), [(5, 12, 0.0, 0.4), (8, 30, 0.15, 0.3)])
def test_best_of_n_in_d_dimensions(n, dim, rho, step, keep_incumbent):
    rng = np.random.default_rng(0)
    runs = 20_000
    x = np.zeros((runs, 1, dim))
    x[..., 0] = 1.0
    noise = rng.standard_normal((runs, n, dim))
    noise /= np.linalg.norm(noise, axis=-1, keepdims=True)
    candidates = x + step * (-rho * x + np.sqrt(1 - rho**2) * noise)
    gain = (1 - (candidates**2).sum(-1)).max(1)
    if keep_incumbent:
        gain = np.maximum(gain, 0.0)
    arguments = (n, dim, rho, step)
    for sample, law in [(gain, gt.best_of_n_gain), (-np.log1p(-gain), gt.best_of_n_log_rate)]:
        expected = law(*arguments, keep_incumbent=keep_incumbent)
        assert_mean(sample, expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 50), dims, st.floats(0.0, 0.7))
def test_best_step_formula(n, dim, rho):
    e = gt.expected_max_projection(n, dim)
    across = np.sqrt(1 - rho**2) * e
    step = (rho + across) / (1 + 2 * rho * across)
    best = gt.best_of_n_gain(n, dim, rho)
    assert gt.best_of_n_gain(n, dim, rho, step) == pytest.approx(best, rel=1e-9, abs=1e-13)
    for other in (0.9 * step, 1.1 * step):
        assert gt.best_of_n_gain(n, dim, rho, other) <= best + 1e-12


@settings(max_examples=15, deadline=None)
@given(st.floats(4.0, 300.0), st.floats(0.0, 0.6))
def test_one_candidate_with_incumbent_is_hill_climbing(dim, rho):
    for criterion, law in [("log", gt.best_of_n_log_rate), ("gain", gt.best_of_n_gain)]:
        expected = gt.hill_climb_rate(dim, rho, criterion=criterion).rate
        assert law(1, dim, rho, keep_incumbent=True) == pytest.approx(expected, rel=1e-6)
        assert law(7, dim, rho, keep_incumbent=True) >= law(7, dim, rho) - 1e-12


def test_five_candidates_are_most_efficient():
    best = gt.most_efficient_n(1e5)
    assert best.n == 5
    assert 1e5 * best.efficiency == pytest.approx(0.2705, abs=1e-4)
    assert gt.most_efficient_n(10, 0.5).n == 1


def test_unknown_criterion_is_named():
    with pytest.raises(ValueError, match="'mean'"):
        gt.hill_climb_rate(10, criterion="mean")
