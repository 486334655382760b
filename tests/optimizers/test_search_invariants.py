"""What holds of every policy, whatever it searches for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import optimizers
from gome_theory import Reliability
from optimizers import Operator
from simulators import noisy_evaluator, noisy_oracle, quadratic, rollout
from simulators.rollout import World
from tests.optimizers.test_policies import POLICIES, STEPS, Result, compiled, results, runs, seeds

pytestmark = pytest.mark.filterwarnings("ignore::optimizers.InertSchedule")

AT_ONCE = 3
REPAIRS_AGAIN = {"ab_mcts_a"}
"""Where a failed node may have several repairs, side by side as well as one after another."""


@dataclass
class Asked:
    """An expansion that was asked for, on the host."""

    expansion: optimizers.Expansion

    @property
    def parent(self) -> int:
        return int(self.expansion.parent)

    @property
    def other(self) -> int:
        return -1 if self.expansion.other is None else int(self.expansion.other)

    @property
    def operator(self) -> Operator:
        return Operator(int(self.expansion.operator))


class Driver:
    """A policy at work, and what became of each of its nodes."""

    def __init__(self, policy: optimizers.Policy, seed: int) -> None:
        self.policy = policy
        self.ask_policy, self.tell_policy = compiled(policy)
        self.state: Any = policy.init(policy.capacity(STEPS))
        self.key, self.count = jax.random.key(seed), 0
        self.flying: list[Asked] = []
        self.valid: dict[int, bool] = {}

    def ask(self) -> Asked:
        key = jax.random.fold_in(self.key, self.count)
        self.count += 1
        expansion, self.state = self.ask_policy(self.state, key)
        self.flying.append(Asked(expansion))
        return self.flying[-1]

    def tell(self, asked: Asked, result: Result) -> int:
        self.flying.remove(asked)
        score = np.float32(result.score if result.valid else np.nan)
        folds = self.policy.folds
        observation = optimizers.Observation(
            params=np.zeros(1, np.float32),
            score=score,
            stderr=np.float32(0),
            gain=np.float32(0),
            gain_stderr=np.float32(0),
            valid=np.bool_(result.valid),
            folds=np.full(folds, score) if folds else None,
        )
        self.state, slot = self.tell_policy(
            self.state, asked.expansion, observation, np.bool_(result.accepted)
        )
        if slot >= 0:
            self.valid[int(slot)] = result.valid
        return int(slot)

    def cancel(self, asked: Asked) -> None:
        self.flying.remove(asked)
        self.state = self.policy.cancel(self.state, asked.expansion)


@pytest.mark.parametrize("name", POLICIES)
@given(run=runs, seed=seeds)
def test_what_failed_is_repaired_and_only_what_runs_is_built_on(name, run, seed):
    driver = Driver(POLICIES[name], seed)
    for result in run:
        asked = driver.ask()
        if asked.operator == Operator.DEBUG:
            assert not driver.valid[asked.parent]
        elif asked.operator != Operator.DRAFT:
            assert driver.valid[asked.parent]
        if asked.operator == Operator.CROSSOVER:
            assert driver.valid[asked.other]
        else:
            assert asked.other == -1
        driver.tell(asked, result)


actions = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "tell", "tell", "cancel"]), st.integers(0, 2), results
    ),
    max_size=3 * STEPS,
)


@pytest.mark.parametrize("name", POLICIES)
@given(actions=actions, seed=seeds)
def test_several_in_flight_come_back_in_any_order(name, actions, seed):
    """Nothing is repaired twice at once, every expansion starts from a stored node, no node of a
    tree is overwritten, and what is told is what was asked."""
    policy = POLICIES[name]
    driver, told, slots = Driver(policy, seed), 0, []
    for action, which, result in actions:
        if action == "ask" and len(driver.flying) < AT_ONCE and told + len(driver.flying) < STEPS:
            asked = driver.ask()
            assert asked.parent in {-1, *driver.valid}
            assert (asked.parent == -1) == (asked.operator == Operator.DRAFT)
            repaired = [a.parent for a in driver.flying if a.operator == Operator.DEBUG]
            assert len(repaired) == len(set(repaired)) or name in REPAIRS_AGAIN
        elif action == "tell" and driver.flying:
            slots.append(driver.tell(driver.flying[which % len(driver.flying)], result))
            told += 1
        elif action == "cancel" and driver.flying:
            driver.cancel(driver.flying[which % len(driver.flying)])
    kept = [slot for slot in slots if slot >= 0]
    if policy.capacity(STEPS) >= STEPS:
        assert len(kept) == len(set(kept))


@pytest.mark.parametrize("name", POLICIES)
def test_asking_and_taking_it_back_counts_nothing(name):
    """A tree's counters are as before: it asks for as many drafts as if nothing had been asked."""
    driver, fresh = Driver(POLICIES[name], 0), Driver(POLICIES[name], 0)
    first = driver.ask()
    driver.cancel(first)
    again = driver.ask()
    assert (first.parent, first.operator) == (again.parent, again.operator)
    drafts = [fresh.ask().operator for _ in range(AT_ONCE)]
    driver.cancel(again)
    assert [driver.ask().operator for _ in range(AT_ONCE)] == drafts


def world(folds: int) -> World:
    return World(
        quadratic(np.geomspace(1.0, 0.1, 6)),
        noisy_oracle(Reliability(0.5)),
        noisy_oracle(Reliability(0.0), scale=0.4),
        noisy_evaluator(0.02, crash_rate=0.2, folds=folds),
    )


@pytest.mark.parametrize("name", POLICIES)
def test_a_batch_of_runs_is_the_runs_one_by_one(name):
    """Choices exactly; scores up to the last digits, which a compiler rounds as it likes.

    Without replicates every step is one evaluation, repairs and failures included.
    """
    policy = POLICIES[name]
    strategy, keys = optimizers.undirected(policy), jax.random.split(jax.random.key(0), 3)

    def run(key):
        trace, _ = rollout(strategy, world(policy.folds), key, STEPS)
        return trace

    options = {"xla_backend_optimization_level": 0}
    batch = jax.jit(jax.vmap(run), compiler_options=options)(keys)
    single = jax.jit(run, compiler_options=options)
    for i, key in enumerate(keys):
        alone = single(key)
        for field in ("operator", "parent", "slot", "valid", "accepted", "evaluations"):
            np.testing.assert_array_equal(getattr(batch, field)[i], getattr(alone, field))
        np.testing.assert_allclose(batch.score[i], alone.score, rtol=1e-4, atol=1e-5)
        withheld = (alone.evaluations == 0) & (alone.operator == Operator.DESCEND)
        assert int(alone.evaluations.sum()) == STEPS - int(withheld.sum())
        assert jnp.isfinite(alone.score[alone.valid]).all()
