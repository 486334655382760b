"""Verdicts: the right side, an honest probability, and the law of a biased gated run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

import gome_theory as gt
from gome_theory import NotIdentified, StepModel
from tests.statistical import assert_estimate, assert_mean

RNG = np.random.default_rng


def calibrated(r, seed=0, traces=20, steps=20, **model):
    seen = gt.simulate_steps(StepModel(r, **model), RNG(seed), traces=traces, steps=steps)
    return gt.calibrate(seen, seed=seed)


@pytest.mark.parametrize(("r", "side"), [(1.5, "gradient"), (-0.3, "search")])
def test_a_clear_case_is_clear(r, side):
    found = gt.verdict(calibrated(r), 0.0, cost=2.0)
    assert found.side == side
    assert found.probability > 0.99
    assert side in found.text
    assert "hardly change" in found.advice


def test_the_crossover_is_that_of_the_theory():
    """psi_g^{-1}(2 psi_g(0)) = .457; with noise, the root of the Bayes-gated laws."""
    assert gt.verdict(calibrated(0.5), 0.0).crossover == pytest.approx(0.457, abs=1e-3)
    found = gt.verdict(calibrated(0.5, sigma=2.0), 0.2, cost=3.0)
    noise = np.median(calibrated(0.5, sigma=2.0).draws["varsigma"][:1000])
    dim = 400
    law = gt.bayes_gated_vs_bayes_gated(dim, 3.0, noise, base_alignment=0.2 / np.sqrt(dim))
    assert found.crossover == pytest.approx(law.alignment * np.sqrt(dim), rel=1e-3)


def test_probabilities_are_about_as_often_right_as_they_say():
    """At the crossover itself, either side is favoured equally often, and rarely with certainty."""
    r = float(gt.inverse_psi_g(2.0 * gt.psi_g(0.0)))
    n = 100
    chances = np.array(
        [gt.verdict(calibrated(r, seed, 10, 20), 0.0).gradient_probability for seed in range(n)]
    )
    # Calibrated: uniform, or closer to 1/2 where intervals are conservative.
    assert np.sum(chances > 0.95) <= stats.binom.ppf(0.999, n, 0.05)
    assert np.sum(chances < 0.05) <= stats.binom.ppf(0.999, n, 0.05)
    assert_estimate(np.mean(chances > 0.5), 0.5, 0.5 / np.sqrt(n))


def test_close_calls_ask_for_more_of_what_is_least_known():
    search = calibrated(0.0, seed=5, traces=4, steps=10)
    found = gt.verdict(calibrated(0.9, traces=60, steps=50), search, cost=2.0)
    assert "undirected steps" in found.advice
    at = float(gt.inverse_psi_g(2.0 * gt.psi_g(0.0)))
    model = calibrated(at, seed=3, traces=40, steps=50)
    close = gt.verdict(model, model, cost=1.0)
    assert close.probability < 0.6
    assert "close to the crossover" in close.advice


def test_dearer_steps_and_lower_validity_favour_search():
    model = calibrated(1.0)
    costs = [gt.verdict(model, 0.0, cost=c).gradient_probability for c in (1.0, 3.0, 6.0, 12.0)]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > 0.99
    assert costs[-1] < 0.01
    rarely = gt.verdict(calibrated(1.0, validity=0.4), calibrated(0.0, seed=1), cost=3.0)
    assert rarely.lead.value < gt.verdict(model, calibrated(0.0, seed=1), cost=3.0).lead.value / 2


def test_a_longer_run_favours_search_where_bias_persists():
    model = calibrated(1.0, traces=40, omega=0.15)
    leads = [gt.verdict(model, 0.0, budget=n).lead.value for n in (2, 10, 60, 300)]
    assert leads == sorted(leads, reverse=True)
    assert leads[0] > 1.3
    assert leads[-1] < 0.5
    steady = calibrated(1.0, traces=1, steps=400)
    assert "omega" not in steady.draws
    found = [gt.verdict(steady, 0.0, budget=n) for n in (2, 60, 900)]
    np.testing.assert_allclose([v.lead.value for v in found], found[0].lead.value, rtol=1e-9)
    assert "taken as zero" in found[0].text


def test_no_verdict_without_r():
    unknown = gt.calibrate(
        gt.simulate_steps(StepModel(), RNG(0), traces=8, steps=20)._replace(noise=None)
    )
    assert isinstance(gt.verdict(unknown), NotIdentified)
    assert "undirected" in gt.verdict(calibrated(0.5), unknown).why


@pytest.mark.parametrize("bad", [{"cost": 0.0}, {"budget": 1.0}, {"efficiency": -1.0}])
def test_bad_numbers_are_refused_by_name(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=name):
        gt.verdict(calibrated(0.5), 0.0, **bad)


@pytest.mark.parametrize(
    ("r", "omega", "steps"), [(1.0, 0.1, 20), (0.5, 0.3, 10), (2.0, 0.1, 10), (0.5, 0.1, 40)]
)
def test_a_biased_gated_run_in_200_dimensions(r, omega, steps):
    """Progress in d dimensions is within 2 per cent of the law, beside chance."""
    dim, traces = 200, 4000
    rng = RNG([int(10 * r), int(10 * omega), steps])
    runs = gt.simulate_sphere(StepModel(r, omega=omega), rng, dim=dim, traces=traces, steps=steps)
    totals = dim * np.maximum(runs.true, 0.0).sum(1)
    law = gt.biased_progress(r, omega, steps)
    assert_mean(totals, law, slack=0.02 * law)


def test_a_noisy_biased_run_in_its_gaussian_model():
    r, omega, noise, steps, n, valid = 1.0, 0.2, 2.0, 12, 200_000, 0.7
    gate = gt.bayes_gate(r, noise)
    rng, alpha = RNG(9), float(gate.alpha)
    bias, accepted, total = rng.normal(size=n), np.zeros(n), np.zeros(n)
    for _ in range(steps):
        along = r + np.sqrt(omega) * bias - alpha * omega * accepted
        gain = 2 * alpha * (along + np.sqrt(1 - omega) * rng.normal(size=n)) - alpha**2
        seen = gain + noise * rng.normal(size=n)
        taken = (seen > gate.threshold) & (rng.random(n) < valid)
        total += np.where(taken, gain, 0.0)
        accepted += taken
    law = gt.biased_progress(r, omega, steps, varsigma=noise, validity=valid)
    assert_mean(total, law)


@given(
    r=st.floats(-3, 4), noise=st.floats(0, 6), steps=st.integers(1, 12), valid=st.floats(0.05, 1)
)
def test_without_bias_a_run_is_the_sum_of_its_steps(r, noise, steps, valid):
    run = gt.biased_progress(r, 0.0, steps, varsigma=noise, validity=valid)
    assert run == pytest.approx(steps * valid * gt.bayes_gated_psi(r, noise), rel=1e-9, abs=1e-12)


def test_one_step_does_not_know_of_bias():
    one = gt.biased_progress([0.5, 1.0], 0.4, 1)
    np.testing.assert_allclose(one, gt.psi_g([0.5, 1.0]), rtol=1e-4)
