"""Lumped simulators against the full ones, in distribution, and both against exact laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import optimizers
from gome_theory import Reliability, expected_wrong_bits, flip_rate
from simulators import (
    World,
    erring_judge,
    lumped_naming_oracle,
    lumped_oracle,
    lumped_plans,
    lumped_plateau,
    lumped_sphere,
    naming_oracle,
    noisy_evaluator,
    noisy_oracle,
    plans,
    plateau,
    simulate,
    sphere,
)
from tests.statistical import assert_mean

DIM = 12
# Of one Kolmogorov-Smirnov test; about twenty are made here.
SIGNIFICANCE = 1e-4
# (bias share, standard errors that a gain must exceed, noise of a score in units of the loss).
# Minus 1000 accepts whatever there is, 0 is the gate `improved`.
SPHERES = {
    "always": (0.0, -1000.0, 0.02),
    "improved": (0.0, 0.0, 1e-7),
    "improved, noisy": (0.0, 0.0, 0.05),
    "beyond noise": (0.0, 1.0, 0.05),
    "biased, always": (0.3, -1000.0, 0.02),
    "biased, improved": (0.3, 0.0, 1e-7),
    "biased, noisy": (0.3, 0.0, 0.05),
    "biased, beyond noise": (0.3, 1.0, 0.05),
}


def spheres(landscape, oracle, seed):
    def build(condition):
        omega, z, noise = condition
        world = World(
            landscape,
            oracle(Reliability(0.35, bias_share=omega, hallucination=0.1)),
            oracle(Reliability(0.0)),
            noisy_evaluator(noise, relative=True),
        )
        gate = optimizers.gates.improved_beyond_noise(z)
        return optimizers.directed(optimizers.sgd(0.4), gate=gate), world

    conditions = tuple(jnp.array(column) for column in zip(*SPHERES.values(), strict=True))
    return simulate(build, conditions, jax.random.key(seed), steps=25, runs=2000)


@pytest.fixture(scope="module")
def both_spheres():
    return (
        spheres(sphere(DIM), noisy_oracle, seed=0),
        spheres(lumped_sphere(DIM), lambda r: lumped_oracle(r, DIM), seed=1),
    )


@pytest.mark.parametrize("name", SPHERES)
def test_a_lumped_sphere_is_the_sphere_in_distribution(both_spheres, name):
    row = list(SPHERES).index(name)
    full, lumped = (
        {name: np.asarray(x[row]) for name, x in trace._asdict().items() if x is not None}
        for trace in both_spheres
    )
    for of in (
        lambda trace: np.log(trace["parent_loss"][:, -1]),
        lambda trace: np.log(trace["parent_loss"][:, 5]),
        lambda trace: trace["score"][:, -1] / trace["loss"][:, -1],
        lambda trace: trace["accepted"].sum(axis=1),
    ):
        one, other = of(full), of(lumped)
        if np.ptp(one) > 1e-3 or np.ptp(other) > 1e-3:
            assert stats.ks_2samp(one, other).pvalue > SIGNIFICANCE
        else:
            assert one.mean() == pytest.approx(other.mean(), rel=1e-5)


def test_the_comparison_would_notice_another_dimension(both_spheres):
    other = spheres(lumped_sphere(DIM + 3), lambda r: lumped_oracle(r, DIM + 3), seed=1)
    row = list(SPHERES).index("improved")
    one, other = (np.log(t.parent_loss[row, :, -1]) for t in (both_spheres[0], other))
    assert stats.ks_2samp(one, other).pvalue < SIGNIFICANCE


def test_a_lumped_plateau_is_the_plateau_in_distribution():
    def final(landscape, oracle, seed):
        world = World(
            landscape, oracle(Reliability(0.4, bias_share=0.2)), oracle(Reliability(0.0)),
            noisy_evaluator(),
        )  # fmt: skip
        trace = simulate(
            lambda _: (optimizers.directed(optimizers.sgd(0.4)), world),
            jnp.zeros(1),
            jax.random.key(seed),
            steps=20,
            runs=2000,
        )
        return trace.parent_loss[0, :, -1], trace.accepted[0].sum(axis=1)

    full = final(plateau(DIM, 20), noisy_oracle, 2)
    lumped = final(lumped_plateau(DIM, 20), lambda r: lumped_oracle(r, DIM), 3)
    for one, other in zip(full, lumped, strict=True):
        assert np.unique(one).size > 3
        assert stats.ks_2samp(one, other).pvalue > SIGNIFICANCE


# (alignment, false accepts, false rejects)
PLANS = [(0.0, 0.0, 0.0), (0.3, 0.0, 0.0), (0.3, 0.2, 0.1), (0.1, 0.4, 0.3), (0.6, 1.0, 0.0)]
BITS, WRONG_SHARE, RUNS = 20, 0.4, 4000


def planned(landscape, oracle, seed):
    def build(condition):
        rho, false_accept, false_reject = condition
        reasoner = oracle(Reliability(rho))
        world = World(landscape, reasoner, reasoner, erring_judge(false_accept, false_reject))
        return optimizers.directed(optimizers.sgd(1.0)), world

    conditions = tuple(jnp.array(column) for column in zip(*PLANS, strict=True))
    trace = simulate(build, conditions, jax.random.key(seed), steps=31, runs=RUNS)
    return np.rint(np.asarray(trace.parent_loss, np.float64) * BITS * WRONG_SHARE)[..., 1:]


@pytest.fixture(scope="module")
def both_plans():
    """Numbers of wrong bits before each step, shape `(conditions, runs, steps)`."""
    return (
        planned(plans(BITS, WRONG_SHARE), naming_oracle, seed=4),
        planned(lumped_plans(BITS, WRONG_SHARE), lumped_naming_oracle, seed=5),
    )


@pytest.mark.parametrize("which", [0, 1], ids=["full", "lumped"])
def test_bits_are_set_right_at_the_predicted_rate(both_plans, which):
    for (rho, wrong, missed), bits in zip(PLANS, both_plans[which], strict=True):
        assert (bits[:, 0] == BITS * WRONG_SHARE).all()
        gained = bits[:, 0] - bits[:, 1]
        law = flip_rate(rho, WRONG_SHARE, false_accept=wrong, false_reject=missed)
        assert_mean(gained, law)


@pytest.mark.parametrize("which", [0, 1], ids=["full", "lumped"])
def test_random_local_search_follows_its_law_along_the_run(both_plans, which):
    steps = np.array([1, 5, 15, 29])  # of 30, whose numbers of wrong bits go together
    law = expected_wrong_bits(steps, BITS * WRONG_SHARE, BITS)
    assert_mean(both_plans[which][0][:, steps], law)


def test_lumped_plans_are_plans_in_distribution(both_plans):
    for full, lumped in zip(*both_plans, strict=True):
        for step in (5, 15, 29):
            counts = np.array(
                [np.bincount(b[:, step].astype(int), minlength=BITS + 1) for b in (full, lumped)]
            )
            rare = counts.sum(axis=0) < 20
            pooled = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
            pooled = pooled[:, pooled.sum(axis=0) > 0]
            assert stats.chi2_contingency(pooled).pvalue > SIGNIFICANCE


def test_what_cannot_be_lumped_is_refused():
    with pytest.raises(ValueError, match="`bias_share` is"):
        lumped_naming_oracle(Reliability(0.5, bias_share=0.2))
    for build in (lumped_sphere, lambda d: lumped_plateau(d, 4)):
        with pytest.raises(ValueError, match="`dim` is 2"):
            build(2)
    with pytest.raises(ValueError, match="`dim` is 2"):
        lumped_oracle(Reliability(0.5), 2)
