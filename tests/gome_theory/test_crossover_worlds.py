"""Crossovers on quadratics, bit strings, NK landscapes and with reuse."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import gome_theory as gt
from tests.statistical import assert_estimate


def test_anisotropic_closed_form_and_level():
    eigenvalues = np.geomspace(0.01, 1.0, 200)
    curvature = gt.curvature_of(eigenvalues, eigenvalues)
    cost = np.array([1.5, 3.0, 10.0])
    rho = gt.anisotropic_vs_hill_climb(cost, curvature).alignment
    search = gt.anisotropic_gated_gain(0.0, curvature)
    np.testing.assert_allclose(
        gt.anisotropic_ungated_gain(rho, curvature), cost * search, rtol=1e-9
    )
    price = cost * gt.psi_g(0.0)
    odds = price / 200 / (1 - price / gt.effective_dimension(curvature))
    np.testing.assert_allclose(rho**2 / (1 - rho**2), odds, rtol=1e-9)


def test_anisotropic_is_the_sphere_law_on_the_sphere():
    sphere = gt.curvature_of(np.ones(100), np.ones(100))
    same = gt.ungated_vs_hill_climb(100, 3.0, law="scaled").alignment
    assert gt.anisotropic_vs_hill_climb(3.0, sphere).alignment == pytest.approx(same)


def test_one_steep_direction_leaves_no_crossover():
    steep = gt.curvature_of([1.0] + [0.01] * 99, [1.0] + [0.0] * 99)
    with pytest.warns(gt.RegimeWarning, match="participation"):
        answer = gt.anisotropic_vs_hill_climb([1.0, 6.0], steep)
    assert answer.exists.tolist() == [True, False]
    assert "search is ahead" in answer.reason[1]


def test_published_hypercube_rows():
    answer = gt.directed_vs_random_flips(
        [0.4, 0.3, 0.2], 2.0, false_accept=[0, 0.05, 0.1], false_reject=[0, 0.1, 0.1]
    )
    np.testing.assert_allclose(answer.alignment, [0.6667, 0.3534, 0.125], atol=5e-5)


@settings(deadline=None)
@given(st.floats(0.02, 0.6), st.floats(1.1, 4.0), st.floats(0.0, 0.2), st.floats(0.0, 0.5))
def test_flips_are_level_at_the_crossover(phi, cost, wrong, missed):
    gate = {"false_accept": wrong, "false_reject": missed}
    tau = gt.gate_strictness(wrong, missed)
    answer = gt.directed_vs_random_flips(phi, cost, **gate)
    closed = (cost - 1) * (phi - tau) / (1 - phi)
    if phi < tau:
        assert gt.flip_rate(answer.alignment, phi, **gate) == pytest.approx(0.0, abs=1e-9)
        assert "to stop" in answer.reason
    elif answer.exists:
        assert answer.alignment == pytest.approx(closed, abs=1e-9)
        directed = gt.flip_rate(answer.alignment, phi, **gate) / cost
        assert directed == pytest.approx(gt.flip_rate(0.0, phi, **gate), abs=1e-9)
    else:
        assert closed > 1 - 1e-9 or closed < 1e-9


def test_whole_run_is_level_and_earlier_than_its_first_step():
    wrong, dim, cost = 30, 60, 2.5
    answer = gt.directed_vs_random_run([wrong, 5], dim, cost)
    rho = answer.alignment[0]
    assert cost * gt.expected_runtime(wrong, dim, rho) == pytest.approx(
        gt.expected_runtime(wrong, dim)
    )
    first = gt.directed_vs_random_flips(0.2, cost).alignment
    assert gt.directed_vs_random_run(0.2 * dim, dim, cost).alignment < first
    assert not gt.directed_vs_random_run(55, 60, 30.0).exists
    assert not gt.directed_vs_random_run(30, 60, 1.0).exists


def test_whole_run_in_brute_force():
    wrong, dim, cost, runs = 12, 30, 2.0, 3000
    rho = gt.directed_vs_random_run(wrong, dim, cost).alignment
    rng = np.random.default_rng(0)

    def steps(rho):
        k = np.arange(1, wrong + 1)
        return rng.geometric(rho + (1 - rho) * k / dim, (runs, wrong)).sum(1)

    directed, random = cost * steps(rho), steps(0.0)
    error = np.sqrt((directed.var() + random.var()) / runs)
    assert_estimate(directed.mean(), random.mean(), error)


@pytest.mark.parametrize("z", [-1.0, 0.0, 1.5, 9.0])
def test_screening_is_level_with_sampling(z):
    answer = gt.screening_vs_sampling(z, 24, 2, screened=24, sampled=8, cost=3.0)
    if not answer.exists:
        assert z == 9.0 or z == -1.0
        return
    screened = gt.screened_gain(z, 24, 2, 24, answer.alignment) / 3.0
    assert screened == pytest.approx(max(gt.screened_gain(z, 24, 2, 8), 0.0) / 8)


def test_screening_rivals_stopping_where_sampling_loses():
    z = 6.0
    assert gt.screened_gain(z, 24, 2, 4) < 0.0
    answer = gt.screening_vs_sampling(z, 24, 2, screened=24, sampled=4, cost=3.0)
    assert gt.screened_gain(z, 24, 2, 24, answer.alignment) == pytest.approx(0.0, abs=1e-12)


def test_reuse_moves_the_crossover_left():
    gamma = np.array([0.0, 0.5, 0.8, 0.95, 0.99])
    at = gt.reusing_vs_hill_climb(100, 6.0, gamma).alignment
    assert at[0] == pytest.approx(gt.ungated_vs_hill_climb(100, 6.0).alignment)
    assert np.all(np.diff(at) < 0)
    scaled = gt.reusing_vs_hill_climb(100, 6.0, 0.95, law="scaled").alignment
    rate = scaled**2 * gt.best_reuse(0.95, 6.0).rate
    assert rate == pytest.approx(gt.psi_g(0.0) / 100)
