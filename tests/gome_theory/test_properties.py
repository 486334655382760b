"""What the theorems of crossovers claim, on drawn arguments; beside each law's own tests.

| theorem | claim | tests |
|---|---|---|
| Lemma 1 | gain of a step; its scaled limit | `test_dynamics_match_...` in `test_gradient_rate`; |
|   | the limit is approached like 1/d | `test_exact_laws_approach_the_scaled_ones_...` |
| 1 | psi_g increasing, convex, its derivative, elasticity | `test_scaled_rate`; |
|   | elasticity limits 0 and 2 | `test_elasticity_runs_from_zero_to_two` |
| 2 | raw momentum is worthless on the sphere | `test_quadratic_momentum` |
| 3 | one crossover or none; monotone in rho at finite d | `test_crossover`, \
`test_directed_rates_rise_with_alignment_at_every_dimension` |
| 4 | rho* falls with d, and why | `test_crossover`, \
`test_search_falls_with_dimension_at_every_step` |
| 5 | noise never helps a decision; rho* falls with noise | `test_crossover_noise`, \
`test_noise_never_helps_the_best_decision`, `test_sensitivity_to_noise_is_the_stated_one` |
| 6 | the lead is increasing and convex, A' | `test_crossover_cases`, \
`test_slope_of_the_lead_is_the_stated_one` |
| 7 | psi_g(r) / psi_g(kappa r) rises to 1/kappa^2 | `test_crossover_cases`, \
`test_coupled_ratio_rises_to_its_limit` |
| medals | the gap opens, is widest, closes | `test_the_gap_in_medals_...` |
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from scipy.special import ndtr
from scipy.stats import norm

import gome_theory as gt

rhos = st.floats(0.0, 0.9)
dims = st.floats(2.5, 400.0)
steps = st.floats(0.02, 1.5)
rs = st.floats(-2.0, 5.0)
alphas = st.floats(0.1, 4.0)
noises = st.floats(0.05, 8.0)
costs = st.floats(1.05, 8.0)


# Theorem 3 -------------------------------------------------------------------------------------


@given(rhos, st.floats(0.005, 0.1), st.floats(0.0, 0.5))
def test_ungated_gain_rises_with_alignment_and_falls_with_hallucination(rho, more, h):
    def best(alignment, share):
        return gt.optimal_ungated_gain(alignment, hallucination=share).rate

    assert best(rho + more, h) > best(rho, h)
    if rho > 0.0:
        assert best(rho, h + more) < best(rho, h)


@settings(max_examples=20)
@given(rhos, st.floats(0.01, 0.09), dims)
def test_directed_rates_rise_with_alignment_at_every_dimension(rho, more, dim):
    for law in (gt.optimal_gated_gain, gt.optimal_gated_log_rate):
        assert law(rho + more, dim).rate > law(rho, dim).rate


@settings(max_examples=5)
@given(st.floats(0.0, 0.3), st.floats(20.0, 300.0), costs, st.floats(0.0, 0.4))
def test_crossover_rises_with_cost_efficiency_base_and_hallucination(base, dim, cost, h):
    arguments = {"cost": cost, "base_alignment": base, "efficiency": 0.7, "hallucination": h}
    rise = {"cost": 0.5, "base_alignment": 0.05, "efficiency": 0.2, "hallucination": 0.1}
    for law in (gt.gated_vs_gated, gt.ungated_vs_hill_climb):
        before = law(dim, **arguments)
        assume(before.exists and before.alignment < 0.99)
        for name, by in rise.items():
            after = law(dim, **{**arguments, name: arguments[name] + by})
            if name == "hallucination" and law is gt.gated_vs_gated:
                # A gate passes over hallucinations; only their mass is lost.
                assert after.alignment >= before.alignment - 1e-9
            elif after.exists:
                assert after.alignment > before.alignment


# Theorem 4 -------------------------------------------------------------------------------------


@given(steps, dims, st.floats(0.2, 50.0))
def test_search_falls_with_dimension_at_every_step(step, dim, more):
    lower, higher = gt.gated_gain(0.0, step, dim), gt.gated_gain(0.0, step, dim + more)
    assert higher <= lower
    if lower > 1e-12:
        assert higher < lower


@given(st.integers(2, 50), st.floats(2.5, 400.0))
def test_ungated_crossovers_follow_the_search_down(n, dim):
    for law in (gt.ungated_vs_best_of_n, gt.ungated_vs_best_line_search):
        options = {"criterion": "gain"} if law is gt.ungated_vs_best_of_n else {}
        answer = law([dim, 1.3 * dim, 2 * dim], 2.0, n, **options)
        assume(np.all(answer.exists))
        assert np.all(np.diff(answer.alignment) < 0)


# Theorem 5 -------------------------------------------------------------------------------------


@given(rs, alphas, noises, st.floats(0.1, 3.0))
def test_noise_never_helps_the_best_decision(r, alpha, varsigma, more):
    at = gt.bayes_gate(r, [varsigma, varsigma + more], alpha).progress
    assert at[1] <= at[0] + 1e-12
    # The best threshold is at least as good as any other.
    for threshold in (-2.0, 0.0, 1.0, 5.0):
        fixed = gt.noisy_gate(r, alpha, varsigma, threshold).progress
        assert fixed <= at[0] + 1e-9 * (1 + abs(fixed))


@given(st.floats(-0.5, 4.0), st.floats(0.3, 5.0))
def test_sensitivity_to_noise_is_the_stated_one(r, varsigma):
    """-d ln psi / dv = phi(tau) / (tau Phi(tau) + phi(tau)) * v / (4 alpha^2 + v^2)."""
    gate = gt.bayes_gate(r, varsigma)
    h = 1e-4
    low, high = np.log(gt.bayes_gated_psi(r, [varsigma - h, varsigma + h]))
    spread = 2 * gate.alpha
    tau = (spread * r - gate.alpha**2) * np.hypot(spread, varsigma) / spread**2
    share = norm.pdf(tau) / (tau * ndtr(tau) + norm.pdf(tau))
    expected = share * varsigma / (4 * gate.alpha**2 + varsigma**2)
    assert -(high - low) / (2 * h) == pytest.approx(expected, rel=1e-4, abs=1e-8)


@given(rs, noises)
def test_searches_under_noise_lose_and_a_bayes_gate_is_the_best_of_gates(r, varsigma):
    bayes = gt.bayes_gated_psi(r, varsigma)
    assert gt.naive_gate(r, varsigma).progress <= bayes + 1e-9
    assert max(r, 0.0) ** 2 - 1e-6 <= bayes <= gt.psi_g(r) + 1e-9


@given(st.integers(1, 60), rs, st.floats(0.0, 6.0), st.floats(0.1, 3.0))
def test_noise_never_helps_best_of_n_and_more_candidates_always_do(n, r, varsigma, more):
    def rate(count, noise):
        return gt.noisy_best_of_n(count, r, noise).progress

    assert rate(n, varsigma + more) <= rate(n, varsigma) + 1e-9
    assert rate(n + 1, varsigma) >= rate(n, varsigma) - 1e-9


# Theorems 1, 6 and 7 ---------------------------------------------------------------------------


def test_elasticity_runs_from_zero_to_two():
    r = np.array([0.0, 1e-6, 50.0, 1e4])
    elasticity = 2 * r / gt.optimal_alpha(r)
    np.testing.assert_allclose(elasticity, [0.0, 0.0, 2.0, 2.0], atol=1e-5)
    assert gt.psi_g(1e4) == pytest.approx(1e8)


@given(st.floats(0.1, 8.0), costs)
def test_slope_of_the_lead_is_the_stated_one(r, cost):
    h = 1e-4
    slope = (gt.advantage(r + h, cost) - gt.advantage(r - h, cost)) / (2 * h)
    assert slope == pytest.approx(2 * gt.psi_g(r) / (cost * gt.optimal_alpha(r)), rel=1e-6)


@given(st.floats(0.05, 0.95), st.floats(0.05, 20.0), st.floats(1.01, 2.0))
def test_coupled_ratio_rises_to_its_limit(kappa, r, factor):
    ratio = gt.psi_g([r, factor * r]) / gt.psi_g([kappa * r, kappa * factor * r])
    assert ratio[0] > 1.0
    assert ratio[1] >= ratio[0] * (1 - 1e-12)
    assert ratio[1] <= kappa**-2 * (1 + 1e-12)
    assert gt.psi_g(1e5) / gt.psi_g(kappa * 1e5) == pytest.approx(kappa**-2, rel=1e-6)


# Exact and scaled ------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.floats(-0.5, 3.0), st.floats(0.4, 3.0))
def test_exact_laws_approach_the_scaled_ones_like_one_over_d(r, alpha):
    """The error times d settles, which rules out the order 1/sqrt(d) as well as an offset."""
    d = np.array([400.0, 1600.0, 6400.0, 25600.0])
    rho, step = r / np.sqrt(d), alpha / np.sqrt(d)
    pairs = [
        (d * gt.gated_gain(rho, step, d), gt.psi(r, alpha)),
        (d * gt.gated_log_rate(rho, step, d), gt.psi(r, alpha)),
        (gt.gated_acceptance(rho, step, d), gt.acceptance(r, alpha)),
        (d * gt.optimal_gated_gain(rho, d).rate, gt.psi_g(r)),
        (np.sqrt(d) * gt.expected_max_projection(5, d), gt.expected_max_normal(5)),
        (d * gt.gap_gain(rho, step, d, 1.0 / d), gt.gap_psi(r, alpha, 1.0)),
    ]
    for exact, scaled in pairs:
        scaled_error = d * (exact - scaled)
        size = np.abs(scaled_error).max()
        # Successive errors times d differ by O(1/d) more: 4 times less at each step.
        assert np.abs(np.diff(scaled_error))[1:].max() < 0.3 * np.abs(
            np.diff(scaled_error)
        ).max() + 1e-4 * (1 + size)


# Limits ----------------------------------------------------------------------------------------


@given(rs, alphas)
def test_without_noise_a_gate_sees_the_truth(r, alpha):
    assert gt.noisy_gate(r, alpha, 0.0).progress == pytest.approx(gt.psi(r, alpha), rel=1e-9)
    assert gt.noisy_gate(r, alpha, 0.0).inflation == 0.0
    assert gt.bayes_gate(r, 0.0, alpha).progress == pytest.approx(gt.psi(r, alpha), rel=1e-9)
    assert gt.bayes_gate(r, 0.0, alpha).threshold == 0.0


@given(rs, alphas)
def test_in_noise_alone_a_gate_is_a_coin_or_a_prior(r, alpha):
    mean = 2 * alpha * r - alpha**2
    assert gt.noisy_gate(r, alpha, 1e9).progress == pytest.approx(mean / 2, abs=1e-6)
    bayes = gt.bayes_gate(r, 1e9, alpha)
    assert bayes.progress == pytest.approx(max(mean, 0.0), abs=1e-6)


@given(rhos, st.floats(0.0, 0.99), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_one_trace_no_bias_no_decay_change_nothing(rho, gamma, omega, kappa):
    assert gt.consensus_alignment(rho, 1, omega, kappa) == pytest.approx(rho)
    assert gt.effective_traces(1, omega, kappa) == 1.0
    assert gt.persistent_share(omega, 1, kappa) == pytest.approx(omega)
    assert gt.bias_threshold(0.0) == 0.0
    assert gt.ema_alignment(rho, gamma, 0.0, omega) == pytest.approx(rho)
    assert gt.alignment_ceiling(rho, 1.0) == pytest.approx(rho)
    assert gt.best_decay(rho, 0.0, omega).decay == pytest.approx(0.0, abs=1e-12)


@given(rhos, st.floats(0.0, 0.95), costs)
def test_a_truth_that_turns_at_once_is_not_worth_reusing(rho, gamma, cost):
    assert gt.best_reuse(0.0, cost).k == 1
    assert gt.effective_cost(0.0, cost) == pytest.approx(cost)
    assert gt.effective_cost(gamma, cost) <= cost * (1 + 1e-12)
    assert gt.best_reuse(gamma, 1.0).speedup == pytest.approx(1.0)


@given(rhos, steps, dims)
def test_hallucination_of_nobody_and_of_everybody(rho, step, dim):
    for law in (gt.gated_gain, gt.gated_log_rate, gt.gated_acceptance, gt.ungated_log_rate):
        whole = law(rho, step, dim, hallucination=1.0, hallucination_alignment=-0.2)
        assert whole == pytest.approx(law(-0.2, step, dim), rel=1e-12)
        assert law(rho, step, dim, hallucination=0.0) == law(rho, step, dim)
    assert gt.gate_worth(3.0, 0.0) >= 1.0
    assert gt.gate_worth(200.0, 0.3) == pytest.approx(1 / 0.7, rel=0.03)


def test_one_candidate_is_none_to_choose_from():
    assert gt.select_best(1, 1.0, 1.0).value == pytest.approx(0.0, abs=1e-12)
    assert gt.noisy_best_of_n(1, 0.7, 0.0).progress == pytest.approx(0.49)
    assert gt.basin_choice(1, 50, 0.0) == pytest.approx(0.0, abs=1e-12)
    assert gt.screening_equivalent(1, 0.9) == 1.0


@given(st.floats(0.05, 0.6), st.floats(0.001, 0.2))
def test_bias_only_takes(rho, omega):
    trap = gt.bias_trap(rho, [omega, 1.5 * omega], criterion="gain").rate
    assert trap[1] <= trap[0] + 1e-12 <= rho**2 + 2e-12


# Medals ----------------------------------------------------------------------------------------

hurdles, spreads = st.floats(-1.0, 5.0), st.floats(0.2, 4.0)


@given(st.floats(0.02, 0.5), st.floats(0.1, 0.95), hurdles, spreads)
def test_the_gap_in_medals_is_widest_at_its_budget_and_closes_beyond(rate, slower, hurdle, spread):
    board = {"rate": rate, "search_rate": slower * rate, "hurdle": hurdle, "spread": spread}
    best = gt.widest_gap_budget(**board)
    assert best > 0.0
    gaps = gt.medal_gap(best * np.linspace(0.0, 3.0, 61), **board)
    assert np.all(gaps <= gt.medal_gap(best, **board) + 1e-12)
    assert np.all(np.diff(gaps[20:]) <= 1e-12)
    assert gt.medal_gap(1e4 * best, **board) == pytest.approx(0.0, abs=1e-9)


@given(st.floats(0.0, 3.0), st.floats(0.1, 2.0), hurdles, spreads)
def test_the_gap_in_medals_is_bounded_by_what_search_leaves(search, lead, hurdle, spread):
    """In reliability the gap saturates; the gap in progress, its cause, grows without bound."""
    behind = gt.medal_rate(search, hurdle, spread)
    ahead = gt.medal_rate(search + lead * np.array([1.0, 10.0, 1e3]), hurdle, spread)
    assert np.all(np.diff(ahead - behind) >= 0.0)
    assert ahead[-1] - behind == pytest.approx(1.0 - behind, abs=1e-9)


# Cases -----------------------------------------------------------------------------------------


@settings(max_examples=5)
@given(st.floats(0.2, 0.9), st.floats(0.0, 0.3), costs)
def test_biased_case_agrees_with_the_crossover(largest, omega, cost):
    case = gt.biased_case(200, cost, omega, largest)
    at = gt.biased_vs_hill_climb(200, cost, omega)
    if at.exists and at.alignment < largest - 0.01:
        assert case.case == "one crossover"
        assert case.crossings[0] == pytest.approx(at.alignment, abs=1e-6)
    elif not at.exists or at.alignment > largest + 0.01:
        assert case.case == "search ahead"


def test_a_bias_that_grows_with_reliability_takes_the_lead_back():
    case = gt.biased_case(400, 2.0, lambda rho: np.minimum(4.0 * rho**4, 1.0), 0.68)
    assert case.case == "several crossovers"
    assert len(case.crossings) == 2
    rate = gt.bias_trap(case.crossings, 4.0 * np.power(case.crossings, 4)).rate
    level = 2.0 * gt.hill_climb_rate(400).rate
    np.testing.assert_allclose(rate, level, rtol=1e-6)


@given(st.floats(0.3, 3.0), alphas, costs, st.sampled_from([0.0, 0.05, 0.3]))
def test_budget_case_is_the_lead_it_describes(r, alpha, cost, omega):
    case = gt.budget_case(r, alpha, cost, omega)
    T = np.arange(1.0, 2000.0)
    lead = (2 * alpha * r - alpha**2) - alpha**2 * omega * (T - 1) - cost * gt.psi_g(0.0)
    if case.case == "one crossover":
        assume(np.abs(T - case.crossings[0]).min() > 1e-9)
        np.testing.assert_array_equal(lead > 0, case.crossings[0] > T)
    else:
        assert np.all(lead > 0) if case.case == "reasoning ahead" else np.all(lead <= 0)


def test_foresight_that_costs_diversity_can_lose_the_lead_and_win_it_back():
    case = gt.foresight_case(1.2, 50, 5, lambda zeta: 0.8 * np.minimum(5.0 * zeta, 1.0))
    assert case.case == "several crossovers"
    value = [gt.basin_choice(5, 50, z, 0.8 * min(5 * z, 1.0)) for z in case.crossings]
    np.testing.assert_allclose(value, 1.2, rtol=1e-6)
    assert gt.foresight_case(0.1, 50, 5, 0.3).case == "reasoning ahead"
    assert gt.foresight_case(3.0, 50, 5, 0.3).case == "search ahead"
