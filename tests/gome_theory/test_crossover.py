"""Where reasoning and search are level."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

import gome_theory as gt
from tests.statistical import assert_estimate

costs = st.floats(1.2, 6.0)
dims = st.floats(5.0, 300.0)


@pytest.mark.parametrize(
    ("crossover", "expected"),
    [
        (gt.gated_vs_gated([10, 30, 100], 2.0), [0.1607, 0.0863, 0.04616]),
        (gt.gated_vs_gated(30, [1.5, 4.0]), [0.04888, 0.1868]),
        (gt.gated_vs_gated(30, 2.0, base_alignment=[0.1]), [0.2028]),
        (gt.ungated_vs_hill_climb([10, 30, 100], 3.0), [0.3354, 0.1981, 0.1097]),
        (gt.ungated_vs_hill_climb([30], 1.5), [0.1406]),
        (
            gt.ungated_vs_best_of_n([30, 100, 100], 3.0, [5, 5, 20], criterion="gain"),
            [0.1647, 0.09013, 0.07208],
        ),
    ],
)
def test_published_exact_crossovers(crossover, expected):
    np.testing.assert_allclose(crossover.alignment, expected, atol=5.1e-5)
    assert np.all(crossover.exists)


def test_published_scaled_crossovers():
    cost = np.array([1.5, 2.0, 3.0, 5.0, 10.0])
    gated = 100 * gt.gated_vs_gated(1e4, cost, law="scaled").alignment
    np.testing.assert_allclose(gated, [0.259, 0.457, 0.761, 1.193, 1.899], atol=5.1e-4)
    np.testing.assert_allclose(gated, gt.inverse_psi_g(cost * gt.psi_g(0.0)), rtol=1e-9)
    ungated = 100 * gt.ungated_vs_hill_climb(1e4, cost, law="scaled").alignment
    np.testing.assert_allclose(ungated, [0.779, 0.900, 1.102, 1.423, 2.012], atol=5.1e-4)
    share = np.array([0.0, 0.2, 0.4])
    mixed = 100 * gt.gated_vs_gated(1e4, 2.0, hallucination=share, law="scaled").alignment
    np.testing.assert_allclose(mixed, [0.457, 0.544, 0.674], atol=5.1e-4)
    scaled = gt.ungated_vs_hill_climb(1e4, 2.0, hallucination=share, law="scaled").alignment
    np.testing.assert_allclose(scaled * (1 - share), scaled[0], rtol=1e-9)


@pytest.mark.parametrize("base", [0.0, 2e-3])
def test_best_of_n_tends_to_its_scaled_law(base):
    arguments = {"dim": 1e5, "cost": 3.0, "n": [2, 5, 20], "base_alignment": base}
    exact = gt.ungated_vs_best_of_n(**arguments).alignment
    scaled = gt.ungated_vs_best_of_n(**arguments, law="scaled").alignment
    np.testing.assert_allclose(scaled, exact, rtol=2e-3)


def test_line_search_variant():
    expected = np.sqrt(3.0 * gt.expected_max_squared_projection(5, 30) / 5)
    assert gt.ungated_vs_best_line_search(30, 3.0, 5).alignment == pytest.approx(expected)


def test_simulated_sides_are_level_at_the_crossover():
    dim, cost, chains = 12, 2.5, 400_000
    rng = np.random.default_rng(0)

    def log_progress(rho, step):
        noise = rng.standard_normal((chains, dim))
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        x = np.zeros(dim)
        x[0] = 1.0
        candidate = x + step * (-rho * x + np.sqrt(1 - rho**2) * noise)
        return -np.log(np.minimum((candidate**2).sum(1), 1.0))

    rho = gt.gated_vs_gated(dim, cost).alignment
    directed = log_progress(rho, gt.optimal_gated_log_rate(rho, dim).step) / cost
    search = log_progress(0.0, gt.hill_climb_rate(dim).step)
    error = np.sqrt((directed.var() + search.var()) / chains)
    assert_estimate(directed.mean(), search.mean(), error)


@settings(max_examples=15, deadline=None)
@given(dims, costs, st.sampled_from(["log", "gain"]))
def test_crossover_falls_with_dimension_and_rises_with_cost(dim, cost, criterion):
    for law in (gt.gated_vs_gated, gt.ungated_vs_hill_climb):
        grid = law([[dim], [1.5 * dim]], [cost, 1.1 * cost], criterion=criterion)
        assume(np.all(grid.exists))
        assert np.all(np.diff(grid.alignment, axis=0) < 0)
        assert np.all(np.diff(grid.alignment, axis=1) > 0)


@settings(max_examples=15, deadline=None)
@given(dims, costs, st.floats(0.0, 0.2), st.floats(0.3, 1.0))
def test_crossover_is_where_the_curves_change_sign_once(dim, cost, base, efficiency):
    answer = gt.gated_vs_gated(dim, cost, base_alignment=base, efficiency=efficiency)
    rho = np.linspace(0.0, 0.995, 60)
    curves = gt.progress_per_cost(rho, dim, cost, base_alignment=base)
    lead = np.sign(curves.gated - efficiency * curves.hill_climb)
    if answer.exists:
        assume(answer.alignment < 0.99 and np.abs(rho - answer.alignment).min() > 1e-6)
        np.testing.assert_array_equal(lead, np.sign(rho - answer.alignment))
    else:
        assert np.all(lead[1:] > 0) or np.all(lead < 0)


@settings(max_examples=10, deadline=None)
@given(costs, st.floats(0.0, 1.5))
def test_noise_moves_the_crossover_left(cost, r_0):
    dim = 1e4
    noise = [0.0, 0.5, 1.0, 3.0, 10.0]
    at = gt.bayes_gated_vs_bayes_gated(dim, cost, noise, base_alignment=r_0 / 100).alignment
    quiet = gt.gated_vs_gated(dim, cost, base_alignment=r_0 / 100, law="scaled").alignment
    assert at[0] == pytest.approx(quiet, rel=1e-6)
    assert np.all(np.diff(at) < 1e-9)
    assert np.all(at >= np.sqrt(cost) * r_0 / 100 - 1e-9)


def test_exact_tends_to_scaled():
    errors = [
        abs(gt.gated_vs_gated(d, 2.0).alignment * d**0.5 - gt.inverse_psi_g(2 * gt.psi_g(0.0)))
        for d in (30, 300, 3000)
    ]
    assert np.all(np.diff(errors) < 0)
    assert errors[-1] < 2e-3


def test_no_crossover_says_who_is_ahead():
    dear = gt.gated_vs_gated(10, 30.0, criterion="gain")
    assert not dear.exists
    assert np.isnan(dear.alignment)
    assert "search is ahead" in dear.reason
    scaled = gt.gated_vs_gated(100, 300.0, law="scaled")
    assert not scaled.exists
    assert "search is ahead" in scaled.reason
    free = gt.gated_vs_gated(10, 1.0)
    assert not free.exists
    assert "reasoning is level or ahead" in free.reason
    both = gt.gated_vs_gated(10, [1.0, 2.0, 30.0], criterion="gain")
    assert both.exists.tolist() == [False, True, False]
    assert "Reasoning is ahead above" in both.reason[1]


def test_at_equal_cost_the_more_aligned_wins():
    assert gt.gated_vs_gated(30, 1.0, base_alignment=0.2).alignment == pytest.approx(0.2)


def test_under_the_log_criterion_a_good_enough_direction_always_wins():
    assert gt.gated_vs_gated(10, 30.0).exists
    assert gt.gated_vs_gated(10, 30.0).alignment > 0.8


def test_scaled_law_warns_outside_its_regime():
    with pytest.warns(gt.RegimeWarning, match="`dim` = 10"):
        gt.gated_vs_gated([10, 100], 2.0, law="scaled")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gt.gated_vs_gated(100, 2.0, law="scaled")
        gt.gated_vs_gated(10, 2.0)


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="`cost` is -1"):
        gt.gated_vs_gated(10, -1.0)
    with pytest.raises(ValueError, match="'asymptotic'"):
        gt.gated_vs_gated(10, 2.0, law="asymptotic")


def test_progress_curves():
    rho = np.linspace(0.0, 0.9, 7)
    curves = gt.progress_per_cost(rho, 30, 2.0)
    assert curves.gated.shape == curves.ungated.shape == (7,)
    assert isinstance(curves.hill_climb, float)
    assert isinstance(curves.best_of_n, float)
    assert curves.gated[0] == pytest.approx(curves.hill_climb / 2)
    assert np.all(curves.gated >= curves.ungated)
