"""Which case holds, and that the sentence agrees with the curves."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import gome_theory as gt

rs = np.linspace(0.0, 8.0, 400)


@pytest.mark.parametrize(("cost", "base_r"), [(2.0, 0.0), (4.0, 0.7)])
def test_the_gap_widens(cost, base_r):
    """Theorem 6: increasing and convex, with slope 2 psi_g / (c alpha*) -> 2 r / c."""
    lead = gt.advantage(rs, cost, base_r=base_r)
    assert np.all(np.diff(lead) > 0)
    assert np.all(np.diff(lead, 2) > 0)
    h = 1e-5
    slope = (gt.advantage(rs + h, cost) - gt.advantage(rs - h, cost)) / (2 * h)
    np.testing.assert_allclose(slope, 2 * gt.psi_g(rs) / (cost * gt.optimal_alpha(rs)), rtol=1e-6)
    assert slope[-1] == pytest.approx(2 * rs[-1] / cost, rel=1e-3)


@pytest.mark.parametrize("cost", [1.2, 2.0, 10.0])
def test_cost_elasticity(cost):
    h = 1e-5
    low, at, high = gt.inverse_psi_g(gt.psi_g(0.0) * cost * np.exp([-h, 0.0, h]))
    measured = (np.log(high) - np.log(low)) / (2 * h)
    assert gt.cost_elasticity(at) == pytest.approx(measured, rel=1e-5)
    assert gt.cost_elasticity(at) > 0.5
    assert gt.cost_elasticity(at, gated=False) == 0.5


def test_cost_just_above_one_moves_the_crossover_linearly():
    excess = 1e-6
    for base_r in (0.0, 0.8):
        r = gt.inverse_psi_g((1 + excess) * gt.psi_g(base_r))
        assert (r - base_r) / excess == pytest.approx(gt.optimal_alpha(base_r) / 2, rel=1e-4)


def test_published_coupled_crossovers():
    r = 1e3 * gt.coupled_gated_vs_gated(1e6, 2.0, [0.0, 0.2, 0.4, 0.6]).alignment
    np.testing.assert_allclose(r, [0.457, 0.596, 0.863, 1.633], atol=5.1e-4)
    assert not gt.coupled_gated_vs_gated(1e6, 4.0, 0.6).exists


@settings(deadline=None, max_examples=40)
@given(st.floats(0.5, 6.0), st.floats(0.0, 0.98))
def test_coupled_case_agrees_with_the_curves(cost, coupling):
    """Theorem 7: a crossover iff 1 < c < 1/kappa^2."""
    case = gt.coupled_search_case(cost, coupling)
    r = np.geomspace(1e-3, 1e4, 600)
    lead = gt.psi_g(r) / cost - gt.psi_g(coupling * r)
    if case.case == "one crossover":
        assert 1.0 < cost < max(coupling, 1e-9) ** -2.0
        np.testing.assert_array_equal(
            lead[np.abs(r / case.crossings[0] - 1) > 1e-6] > 0,
            (r > case.crossings[0])[np.abs(r / case.crossings[0] - 1) > 1e-6],
        )
        assert ("shrinks" in case.reason) == (coupling > 1 / cost)
    else:
        assert np.all(lead > 0) if case.case == "reasoning ahead" else np.all(lead < 0)


def test_two_crossovers_where_cost_outgrows_progress():
    case = gt.rising_cost_case(lambda r: 1.3 * np.exp(0.55 * r), 20.0)
    assert case.case == "several crossovers"
    for r in case.crossings:
        assert gt.psi_g(r) == pytest.approx(1.3 * np.exp(0.55 * r) * gt.psi_g(0.0), rel=1e-10)
    assert case.crossings[1] == pytest.approx(9.26, abs=5e-3)
    assert "reasoning takes the lead first" in case.reason


@pytest.mark.parametrize("power", [1.0, 1.9])
def test_cost_that_grows_slower_than_r_squared_crosses_once(power):
    case = gt.rising_cost_case(lambda r: 2.0 * (1.0 + r) ** power, 2e4)
    assert case.case == "one crossover"
    assert "reasoning takes the lead" in case.reason


def test_rising_cost_without_crossover():
    assert gt.rising_cost_case(lambda r: 0.5 + 0.0 * r, 5.0).case == "reasoning ahead"
    assert gt.rising_cost_case(lambda r: 50.0 + r**3, 50.0).case == "search ahead"
    down = gt.rising_cost_case(lambda r: 0.5 * np.exp(3.0 * r), 5.0)
    assert down.case == "one crossover"
    assert "search takes the lead" in down.reason


def test_constant_cost_gives_the_plain_crossover():
    case = gt.rising_cost_case(lambda r: 2.0 + 0.0 * r, 5.0)
    assert case.crossings[0] == pytest.approx(gt.inverse_psi_g(2.0 * gt.psi_g(0.0)), rel=1e-9)


def test_fixed_search():
    once = gt.fixed_search_case(30, 2.0)
    assert once.case == "one crossover"
    expected = gt.gated_vs_gated(30, 2.0, criterion="gain").alignment
    assert once.crossings == (pytest.approx(expected),)
    assert gt.fixed_search_case(10, 30.0).case == "search ahead"
    assert gt.fixed_search_case(10, 0.9).case == "reasoning ahead"


def test_anisotropic_case_agrees_with_the_crossover():
    steep = gt.curvature_of([1.0] * 12 + [0.01] * 99, [1.0] + [0.0] * 110)
    for cost in (1.0, 30.0, 40.0):
        case, answer = gt.anisotropic_case(cost, steep), gt.anisotropic_vs_hill_climb(cost, steep)
        assert (case.case == "one crossover") == answer.exists
        if answer.exists:
            assert case.crossings[0] == pytest.approx(answer.alignment)


@settings(deadline=None)
@given(st.floats(0.02, 0.9), st.floats(0.5, 5.0), st.floats(0.0, 0.3), st.floats(0.0, 0.5))
def test_flips_case_agrees_with_the_rates(phi, cost, wrong, missed):
    case = gt.random_flips_case(phi, cost, wrong, missed)
    gate = {"false_accept": wrong, "false_reject": missed}
    rho = np.linspace(0.01, 1.0, 100)
    lead = gt.flip_rate(rho, phi, **gate) / cost - max(gt.flip_rate(0.0, phi, **gate), 0.0)
    if case.case == "one crossover":
        away = np.abs(rho - case.crossings[0]) > 1e-9
        np.testing.assert_array_equal((lead > 0)[away], (rho > case.crossings[0])[away])
    elif case.case == "search ahead":
        assert np.all(lead < 1e-12)
    elif gt.gate_strictness(wrong, missed) < phi:
        assert np.all(lead > 0)
    else:
        assert "stopping beats both" in case.reason


def test_noisy_search_case():
    assert gt.noisy_search_case(100, 2.0, 4.0).case == "reasoning ahead"
    level = gt.noisy_search_case(100, 2.0, 2.0)
    progress = gt.naive_gate(0.0, 2.0).progress
    assert 100 * level.crossings[0] ** 2 == pytest.approx(2.0 * progress)
    assert gt.noisy_search_case(30, 300.0, 0.0).case == "search ahead"


def test_basin_case():
    bonus = gt.basin_advantage(50, 4, 1.0)
    assert gt.basin_case(50, 4, 1.0, smooth_gain=0.9 * bonus).case == "search ahead"
    assert gt.basin_case(50, 4, 1.0, smooth_gain=1.1 * bonus).case == "one crossover"
