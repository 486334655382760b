"""The numeric floor: pycma in a simulated world."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from experiments.cma_es import DiscreteWorld, cma_es
from gome_theory import Reliability
from optimizers import directed, sgd
from simulators import Landscape, noisy_evaluator, noisy_oracle, plans, rosenbrock, simulate, sphere
from simulators.evaluators import Evaluator
from simulators.rollout import World

KEY, STEPS, RUNS = jax.random.key(3), 60, 3


def world(landscape: Landscape, evaluator: Evaluator | None = None) -> World:
    oracle = noisy_oracle(Reliability(0.0))
    return World(landscape, oracle, oracle, evaluator or noisy_evaluator())


def test_it_starts_where_strategies_start_and_improves():
    losses, scores = cma_es(world(sphere(8)), KEY, STEPS, RUNS)
    drafted = simulate(
        lambda unused: (directed(sgd()), world(sphere(8))), np.zeros(1), KEY, steps=2, runs=RUNS
    )
    np.testing.assert_allclose(losses[:, 0], drafted.loss[0, :, 0], rtol=1e-5)
    np.testing.assert_allclose(scores, -losses, rtol=1e-6)
    assert (losses.min(axis=1) < 0.3).all()


def test_the_same_key_gives_the_same_run():
    one, other = (cma_es(world(sphere(4)), KEY, 20, 2)[0] for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_failed_candidates_count_as_worst_and_the_run_goes_on():
    crashing = noisy_evaluator(0.05, crash_rate=0.5)
    losses, scores = cma_es(world(rosenbrock(4), crashing), KEY, STEPS, RUNS)
    assert np.isfinite(losses).all()
    assert 0.3 < np.isnan(scores).mean() < 0.7
    nothing_runs = noisy_evaluator(crash_rate=1.0)
    assert np.isnan(cma_es(world(sphere(4), nothing_runs), KEY, STEPS, 1)[1]).all()


def test_worlds_of_edits_are_refused():
    with pytest.raises(DiscreteWorld, match="free vectors"):
        cma_es(world(plans(8)), KEY, 10, 1)
