"""Calibration: intervals hold the truth as often as they say, and what is unknown is said to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

import gome_theory as gt
from gome_theory import Estimate, NotIdentified, Observations, StepModel
from gome_theory.scaled_rate import inverse_mills

REPETITIONS = 300


def calibrations(model, traces, steps, seed=0, repetitions=REPETITIONS, **kwargs):
    rng = np.random.default_rng(seed)
    for number in range(repetitions):
        seen = gt.simulate_steps(model, rng, traces=traces, steps=steps, **kwargs)
        yield gt.calibrate(seen, seed=number, draws=1500)


def coverage(found, truth):
    assert all(isinstance(q, Estimate) for q in found)
    return sum(q.low <= truth <= q.high for q in found)


def at_least(covered, repetitions=REPETITIONS, level=0.95):
    """Not fewer intervals hold the truth than chance allows (1 in 1000)."""
    return covered >= stats.binom.ppf(0.001, repetitions, level)


def about(covered, repetitions=REPETITIONS, level=0.95):
    return at_least(covered, repetitions, level) and covered <= stats.binom.ppf(
        0.999, repetitions, level
    )


@pytest.mark.parametrize(
    ("model", "traces", "steps"),
    [
        (StepModel(0.5, omega=0.0, sigma=1.0), 20, 20),
        (StepModel(-0.5, omega=0.1, sigma=0.0), 8, 25),
        (StepModel(1.0, omega=0.2, sigma=2.0), 12, 20),
        (StepModel(0.5, omega=0.4, sigma=1.0, validity=0.8), 5, 30),
        (StepModel(2.0, omega=0.1, sigma=1.5), 30, 10),
    ],
    ids=str,
)
def test_intervals_of_r_omega_and_sigma_hold_the_truth(model, traces, steps):
    found = list(calibrations(model, traces, steps, replicates=30 if model.sigma else 0))
    assert at_least(coverage([c.r for c in found], model.r))
    assert at_least(coverage([c.omega for c in found], model.omega))
    assert at_least(coverage([c.alpha for c in found], model.step))
    assert at_least(coverage([c.scale for c in found], model.scale))
    assert at_least(coverage([c.varsigma for c in found], model.sigma / model.scale))
    if model.sigma:
        assert about(coverage([c.sigma for c in found], model.sigma))
    if model.validity < 1.0:
        assert at_least(coverage([c.validity for c in found], model.validity))


@pytest.mark.parametrize(("traces", "steps", "omega"), [(4, 80, 0.1), (8, 20, 0.4), (40, 10, 0.2)])
def test_a_step_size_test_needs_no_optimal_steps(traces, steps, omega):
    model = StepModel(0.5, omega=omega, sigma=1.0, alpha=0.9)
    found = list(calibrations(model, traces, steps, replicates=40, lengths=(1.0, 2.0)))
    known = [c for c in found if isinstance(c.r_tested, Estimate)]
    assert len(known) >= 0.97 * len(found)
    assert at_least(coverage([c.r for c in known], model.r), len(known))
    assert at_least(coverage([c.alpha for c in known], 0.9), len(known))
    assert at_least(coverage([c.scale for c in known], 1.0), len(known))


def test_the_two_arm_formula_is_that_of_the_moments():
    """alpha = 2 (k m1 - m2) / (s1 (k^2 - k)), r = m1 / s1 + alpha / 2, F = s1 / (2 alpha)."""
    rng, k = np.random.default_rng(3), 3.0
    one, two = rng.normal(0.2, 1.0, 400), rng.normal(-3.0, 3.0, 400)
    gain, multiplier = np.concatenate([one, two]), np.repeat([1.0, k], 400)
    found = gt.step_size_test(
        gain, multiplier, np.tile(np.arange(8), 100), noise_variance=0.0, rng=rng
    )
    assert not isinstance(found, NotIdentified)
    s = math.sqrt((one.var(ddof=1) + two.var(ddof=1) / k**2) / 2.0)
    alpha = 2.0 * (k * one.mean() - two.mean()) / (s * (k**2 - k))
    assert found.alpha.value == pytest.approx(alpha)
    assert found.r.value == pytest.approx(one.mean() / s + alpha / 2.0)
    assert found.scale.value == pytest.approx(s / (2.0 * alpha))


def test_r_of_an_improvement_rate_and_its_delta_method_error():
    """r = 2 t + phi(t) / p'; 41.1 per cent is r = .496, with an error of .083 at 400 steps."""
    gain = np.where(np.arange(1000) < 411, 1.0, -1.0)
    found = gt.calibrate(Observations(np.zeros(1000), gain, noise=0.0))
    assert found.r.value == pytest.approx(0.496, abs=2e-3)
    t = stats.norm.ppf(0.411)
    slope = 2.0 - inverse_mills(t) * (t + inverse_mills(t))
    error = slope * math.sqrt(0.411 * 0.589) / stats.norm.pdf(t)
    assert error / math.sqrt(400) == pytest.approx(0.083, abs=1e-3)
    half = (found.r.high - found.r.low) / 2.0
    assert half == pytest.approx(1.96 * error / math.sqrt(1000), rel=0.05)


def test_noise_pulls_the_improvement_rate_and_is_corrected():
    model = StepModel(2.0, sigma=4.0)
    seen = gt.simulate_steps(model, np.random.default_rng(0), traces=40, steps=100)
    right = gt.calibrate(seen)
    naive = gt.calibrate(seen._replace(noise=0.0))
    assert right.r.low < 2.0 < right.r.high
    assert naive.r.high < 1.9


def test_without_replicates_noise_is_not_identified_and_r_is_bounded_only():
    seen = gt.simulate_steps(StepModel(), np.random.default_rng(0), traces=8, steps=20)
    found = gt.calibrate(seen._replace(noise=None))
    for quantity in (found.sigma, found.r, found.omega, found.alpha, found.varsigma):
        assert isinstance(quantity, NotIdentified)
    assert "measured twice" in found.r.record
    assert "if scores had no noise" in found.r.why
    assert isinstance(found.intraclass, Estimate)
    assert isinstance(found.improvement_rate, Estimate)
    assert not found.draws


def test_noise_is_taken_from_the_best_evidence():
    rng = np.random.default_rng(1)
    n = 400
    common = {"trace": np.repeat(np.arange(8), 50), "gain": rng.normal(size=n)}
    gains = rng.normal(size=(n, 1)) + 0.3 * rng.normal(size=(n, 3))
    scores = rng.normal(size=(n, 1)) + 0.3 / math.sqrt(2) * rng.normal(size=(n, 3))
    # Selection among 20 candidates: true spread .5, noise of a score .3 / sqrt(2).
    true = 0.5 * rng.normal(size=(n, 20))
    seen = true + 0.3 / math.sqrt(2) * rng.normal(size=true.shape)
    best = seen.argmax(1)[:, None]
    excess = np.take_along_axis(seen - true, best, 1)[:, 0]
    spread = seen.std(axis=1, ddof=1)
    selected = [gt.Selected(e, 20, s) for e, s in zip(excess, spread, strict=True)]
    stderr = np.full(n, 0.3)
    for evidence, word in (
        ({"replicate_gains": gains}, "replicate gains"),
        ({"replicate_scores": scores}, "replicate scores"),
        ({"stderr": stderr, "stderr_dof": 4}, "at their word"),
        ({"selected": selected}, "optimism"),
    ):
        sigma = gt.calibrate(Observations(**common, **evidence)).sigma
        assert isinstance(sigma, Estimate)
        assert word in sigma.method
        assert sigma.low < 0.3 < sigma.high
        assert sigma.high - sigma.low < 0.06


def test_a_log_of_accepted_steps_is_recognised():
    seen = gt.simulate_steps(StepModel(), np.random.default_rng(0), traces=20, steps=20)
    gain = np.asarray(seen.gain)
    kept = gain > 0
    found = gt.calibrate(Observations(np.asarray(seen.trace)[kept], gain[kept], noise=0.0))
    for quantity in (found.improvement_rate, found.r, found.omega):
        assert isinstance(quantity, NotIdentified)
        assert "rejected" in quantity.record
    assert isinstance(gt.verdict(found), NotIdentified)


def test_accepted_steps_alone_tell_next_to_nothing():
    """Fisher information about t: of a normal cut off at 0 with unknown scale, per kept step,
    against that of the improvement rate of as many steps in all."""
    t = -0.75
    y = stats.truncnorm.rvs(-t, np.inf, loc=t, size=400_000, random_state=0)
    # Scores of log density with respect to t and log s, at s = 1.
    mills = inverse_mills(t)
    scores = np.stack([(y - t) - mills, (y - t) * y - 1.0])
    information = np.cov(scores)
    kept = 1.0 / np.linalg.inv(information)[0, 0]
    p = special.ndtr(t)
    rate = stats.norm.pdf(t) ** 2 / (p * (1 - p)) / p  # per accepted step, rejected ones included
    assert kept < 0.02 * rate
    # 150 accepted steps: an interval of t more than two units wide, which is all there is.
    assert 2 * 1.96 / math.sqrt(150 * kept) > 2.0


def test_bias_that_all_traces_share_looks_like_alignment():
    """Traces tell omega (1 - kappa) / (1 - omega kappa); the rest moves r."""
    rng = np.random.default_rng(5)
    omega, kappa, shared = 0.5, 0.5, 1.0
    traces, steps, alpha = 2000, 20, 1.4
    bias = math.sqrt(kappa) * shared + math.sqrt(1 - kappa) * rng.normal(size=(traces, 1))
    along = 0.5 + math.sqrt(omega) * bias + math.sqrt(1 - omega) * rng.normal(size=(traces, steps))
    gain = 2 * alpha * along - alpha**2
    found = gt.calibrate(Observations(np.repeat(np.arange(traces), steps), gain.ravel(), noise=0.0))
    expected = omega * (1 - kappa) / (1 - omega * kappa)
    assert found.omega.low < expected < found.omega.high
    assert found.omega.high - found.omega.low < 0.05
    assert abs(found.omega.value - omega) > 0.1
    kinds = [found.quantities()[name] for name in ("kappa (bias shared by traces)", "rho, d")]
    assert all(isinstance(q, NotIdentified) for q in kinds)


def test_one_trace_says_so():
    seen = gt.simulate_steps(StepModel(), np.random.default_rng(0), traces=1, steps=40)
    found = gt.calibrate(seen)
    assert isinstance(found.omega, NotIdentified)
    assert "one trace" in found.notes[0]


def test_noise_that_hides_everything_is_reported():
    seen = gt.simulate_steps(StepModel(scale=0.01), np.random.default_rng(0), traces=8, steps=20)
    found = gt.calibrate(seen._replace(noise=5.0))
    assert isinstance(found.r, NotIdentified)
    assert "noise" in found.r.why


def test_calibration_of_dynamics_in_200_dimensions():
    """Early gated runs on a sphere: r within its interval, omega too; bias drifts by little."""
    model, dim, repetitions = StepModel(0.5, omega=0.1, sigma=1.0 / 200), 200, 60
    rng = np.random.default_rng(7)
    runs = gt.simulate_sphere(model, rng, dim=dim, traces=60 * repetitions, steps=4)
    trace = np.repeat(np.arange(60), 4)
    found = [
        gt.calibrate(Observations(trace, gain.ravel(), noise=model.sigma), draws=1500)
        for gain in np.split(runs.measured, repetitions)
    ]
    # What the runs had on average: the drift -alpha omega A_t, and finite d.
    drift = -model.step * model.omega * np.mean(np.cumsum(runs.measured[:, :-1] > 0, axis=1)) * 0.75
    assert at_least(coverage([c.r for c in found], model.r + drift), repetitions)
    assert at_least(coverage([c.omega for c in found], model.omega), repetitions)
    assert at_least(coverage([c.scale for c in found], 1.0 / dim), repetitions)


def test_stored_parents_make_a_reasoner_look_worse():
    """A parent's stored score was chosen for being high: documented as not covered."""
    model, rng = StepModel(1.0, sigma=2.0 / 200), np.random.default_rng(8)
    common = {"dim": 200, "traces": 100, "steps": 20}
    trace = np.repeat(np.arange(100), 20)
    r = {}
    for stored in (False, True):
        runs = gt.simulate_sphere(model, rng, **common, stored=stored)
        seen = Observations(trace, runs.measured.ravel(), noise=model.sigma)
        r[stored] = gt.calibrate(seen).r
    assert r[False].low < 1.0 < r[False].high
    assert r[True].high < r[False].low


def test_bias_that_turns_against_itself_is_noted():
    """Ten steps at omega = .2 look like a much smaller r; without bias nothing is noted."""
    trace = np.repeat(np.arange(200), 10)
    for omega, noted in ((0.2, True), (0.0, False)):
        runs = gt.simulate_sphere(
            StepModel(1.0, omega=omega), np.random.default_rng(9), dim=200, traces=200, steps=10
        )
        found = gt.calibrate(Observations(trace, runs.measured.ravel(), noise=0.0))
        assert any("turns against itself" in note for note in found.notes) == noted
        assert (found.r.high < 0.6) == noted


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"trace": [], "gain": []}, "no steps"),
        ({"gain": [1.0]}, "one per step"),
        ({"multiplier": [1.0, 0.0, 2.0]}, "length of a step"),
        ({"noise": -1.0}, "standard deviation"),
    ],
)
def test_bad_records_are_refused_by_name(change, told):
    seen = Observations(trace=[0, 0, 1], gain=[1.0, -1.0, 0.5], noise=0.0)
    with pytest.raises(ValueError, match=told):
        gt.calibrate(seen._replace(**change))
    with pytest.raises(ValueError, match="level"):
        gt.calibrate(seen, level=1.0)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_hardly_any_steps_do_not_crash(n):
    rng = np.random.default_rng(n)
    for noise in (None, 0.0, 1.0):
        for traces in (np.zeros(n), np.arange(n)):
            found = gt.calibrate(Observations(traces, rng.normal(size=n), noise=noise))
            assert isinstance(found.validity, Estimate)
            for quantity in found.quantities().values():
                assert str(quantity)
