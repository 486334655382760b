"""What surrounds a calibration: gate errors, agreement, memory, pooling."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

import gome_theory as gt
from gome_theory import Estimate, NotIdentified, Observations, StepModel

RNG = np.random.default_rng


def enough(covered, repetitions, level=0.95):
    return covered >= stats.binom.ppf(0.001, repetitions, level)


def holds(quantity, truth):
    assert isinstance(quantity, Estimate)
    return quantity.low <= truth <= quantity.high


def test_gate_errors_from_candidates_measured_again():
    """A gate that errs with known rates, a random tenth of what it decided measured again."""
    rng, repetitions, n = RNG(0), 300, 600
    false_accept, false_reject = 0.2, 0.35
    covered = np.zeros(3)
    for number in range(repetitions):
        better = rng.random(n) < 0.4
        accepted = np.where(better, rng.random(n) > false_reject, rng.random(n) < false_accept)
        fresh = np.where(rng.random(n) < 0.2, np.where(better, 1.0, -1.0), np.nan)
        found = gt.gate_errors(accepted, np.ones(n, bool), fresh, 0.95, RNG(number), 1000)
        tau = gt.gate_strictness(false_accept, false_reject)
        truths = (false_accept, false_reject, tau)
        covered += [holds(q, truth) for q, truth in zip(found, truths, strict=True)]
    assert all(enough(c, repetitions) for c in covered)


def test_gate_errors_need_both_kinds_of_candidates():
    valid, nan = np.ones(4, bool), math.nan
    for accepted, fresh in (
        (None, [1.0] * 4),
        ([True, True, False, False], None),
        ([True, True, False, False], [1.0, nan, nan, nan]),
    ):
        found = gt.gate_errors(accepted, valid, fresh, 0.95, RNG(0))
        assert all(isinstance(q, NotIdentified) for q in found)


def directions(rng, dim, rho, omega, kappa, states, traces, each):
    """Unit directions u at one state per row, shape (states, traces, each, dim)."""

    def unit(x):
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    q = math.sqrt(1 - rho**2)
    truth = unit(rng.normal(size=(states, 1, 1, dim)))
    common = unit(rng.normal(size=(states, 1, 1, dim)))
    own = unit(rng.normal(size=(states, traces, 1, dim)))
    fresh = unit(rng.normal(size=(states, traces, each, dim)))
    bias = math.sqrt(kappa) * common + math.sqrt(1 - kappa) * own
    return rho * truth + q * (math.sqrt(omega) * bias + math.sqrt(1 - omega) * fresh)


def agreements(u):
    """Mean cosine within and across traces, by state."""
    u = u / np.linalg.norm(u, axis=-1, keepdims=True)
    within = np.sum(u[:, :, 0] * u[:, :, 1], axis=-1).mean(1)
    across = np.sum(u[:, 0, 0] * u[:, 1, 0], axis=-1)
    return within, across


def test_agreement_tells_the_unshared_share_and_nothing_about_truth():
    dim, rho, omega, kappa = 2000, 0.3, 0.5, 0.4
    within, across = agreements(directions(RNG(1), dim, rho, omega, kappa, 60, 4, 2))
    found = gt.agreement(within, across)
    q2 = 1 - rho**2
    assert holds(found.within, rho**2 + q2 * omega)
    assert holds(found.across, rho**2 + q2 * omega * kappa)
    assert holds(found.unshared, omega * (1 - kappa) / (1 - omega * kappa))
    assert found.largest_alignment.value > rho
    assert isinstance(found.kappa, NotIdentified)
    # Truth in place of shared bias: another rho and kappa, the same words.
    r_x = rho**2 + q2 * omega * kappa
    rho_2 = math.sqrt(r_x)
    omega_2 = (rho**2 + q2 * omega - r_x) / (1 - r_x)
    other = gt.agreement(*agreements(directions(RNG(2), dim, rho_2, omega_2, 0.0, 60, 4, 2)))
    for one, two in zip(found[:3], other[:3], strict=True):
        assert one.low < two.value < one.high


def test_agreement_refuses_what_it_cannot_use():
    with pytest.raises(ValueError, match="`within`"):
        gt.agreement([0.5], [0.1, 0.2])
    with pytest.raises(ValueError, match="`across`"):
        gt.agreement([0.5, 0.4], [0.1, 2.0])
    assert isinstance(gt.agreement([1.0, 1.0], [1.0, 1.0]).unshared, NotIdentified)


def test_value_of_memory_is_that_of_the_first_order_law():
    """Steps along last step's directive have alignment rho gamma: C_1 / C_0 = gamma."""
    rng, gamma, overlap, repetitions = RNG(3), 0.3, 0.3, 200
    r, traces, steps = 2.0, 20, 40
    alpha = float(gt.optimal_alpha(r))
    covered = 0
    for number in range(repetitions):
        n = traces * steps
        repeated = rng.random(n) < 0.3
        along = np.where(repeated, gamma * r, r) + rng.normal(size=n)
        gain = 2 * alpha * along - alpha**2
        seen = Observations(
            np.repeat(np.arange(traces), steps),
            gain,
            noise=0.0,
            repeated=repeated,
            overlap=overlap + 0.1 * rng.normal(size=n),
        )
        found = gt.calibrate(seen, seed=number, draws=1000)
        covered += holds(found.memory, gt.momentum_value(0.2, 0.2 * gamma, overlap))
    assert enough(covered, repetitions)


def test_memory_is_not_identified_without_its_experiment():
    seen = gt.simulate_steps(StepModel(r=1.0), RNG(0), traces=8, steps=20)
    n = len(np.asarray(seen.gain))
    assert isinstance(gt.calibrate(seen).memory, NotIdentified)
    never = seen._replace(repeated=np.zeros(n, bool), overlap=np.full(n, 0.2))
    assert "0 steps repeat" in gt.calibrate(never).memory.why
    aimless = gt.simulate_steps(StepModel(r=0.0), RNG(0), traces=8, steps=20)
    tried = aimless._replace(repeated=np.arange(n) % 2 == 1, overlap=np.full(n, 0.2))
    assert "zero" in gt.calibrate(tried).memory.why


def test_random_effects_are_those_of_statsmodels():
    rng = RNG(4)
    error = rng.uniform(0.1, 0.5, 12)
    y = 0.7 + 0.6 * rng.normal(size=12) + error * rng.normal(size=12)
    ours = gt.random_effects(y, error)
    # It takes an iterate just past the root for tau^2 = 0, so its own tolerance must stay loose.
    theirs = combine_effects(y, error**2, method_re="iterated")
    assert theirs.tau2 > 0.1
    assert ours.mean.value == pytest.approx(theirs.mean_effect_re, rel=1e-5)
    assert ours.spread**2 == pytest.approx(theirs.tau2, rel=1e-5)
    assert (ours.mean.high - ours.mean.low) / 2 == pytest.approx(
        stats.t.ppf(0.975, 11) * theirs.sd_eff_w_re_hksj, rel=1e-5
    )


def test_pooled_mean_holds_the_mean_of_tasks_that_differ():
    rng, repetitions = RNG(5), 400
    covered = 0
    for _ in range(repetitions):
        error = rng.uniform(0.2, 0.6, 10)
        y = 0.5 + 0.4 * rng.normal(size=10) + error * rng.normal(size=10)
        covered += holds(gt.random_effects(y, error).mean, 0.5)
    assert enough(covered, repetitions)


def test_pooling_needs_two_tasks_and_shrugs_at_what_is_missing():
    one = Estimate(0.4, 0.3, 0.5, 0.95, "")
    none = NotIdentified("", "")
    assert isinstance(gt.pool([]), NotIdentified)
    assert isinstance(gt.pool([one, none]), NotIdentified)
    pooled = gt.pool([one, none, Estimate(0.0, 0.0, 0.2, 0.95, ""), one], share=True)
    assert pooled.tasks == 3
    assert 0.0 < pooled.mean.low < pooled.mean.value < pooled.mean.high < 1.0
    assert isinstance(gt.random_effects([1.0, 2.0], [np.inf, 1.0]), NotIdentified)


@pytest.mark.parametrize("omega", [0.0, 0.3])
def test_pooled_omega_of_many_tasks_with_three_traces_each(omega):
    rng, repetitions = RNG(6), 150
    covered = 0
    for _ in range(repetitions):
        tasks = [
            gt.simulate_steps(
                StepModel(r, omega=omega, sigma=scale, scale=scale),
                rng,
                traces=3,
                steps=15,
                replicates=20,
            )
            for r, scale in zip(rng.normal(0.5, 0.5, 20), rng.uniform(0.01, 10, 20), strict=True)
        ]
        covered += holds(gt.pool_omega(tasks), omega)
    assert enough(covered, repetitions)


def test_pooled_omega_needs_three_tasks():
    seen = gt.simulate_steps(StepModel(), RNG(0), traces=3, steps=10)
    assert isinstance(gt.pool_omega([seen] * 2), NotIdentified)
    assert isinstance(gt.pool_omega([seen._replace(noise=None)] * 5), NotIdentified)
