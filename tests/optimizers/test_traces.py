"""Traces side by side: their order in plain Python, and what they read of each other."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import optimizers
from optimizers import Operator, search
from optimizers.rules.success_memory import Success, SuccessMemoryState
from optimizers.sharing import read_together


class Reference:
    """The policy in plain Python: what is asked for, given who is free."""

    def __init__(self, count: int, merge_after: int | None) -> None:
        self.count, self.merge_after = count, merge_after
        self.score: dict[int, float] = {}
        self.turn: dict[int, int] = {}
        self.busy: set[int] = set()
        self.drafting, self.asked = 0, 0

    def ask(self) -> tuple[int, str, int]:
        free = [trace for trace in sorted(self.score) if trace not in self.busy]
        number, self.asked = self.asked, self.asked + 1
        if len(self.score) + self.drafting < self.count or not free:
            self.drafting += 1
            return -1, "DRAFT", -1
        late = self.merge_after is not None and number >= self.merge_after
        if late and len(self.score) > 1:
            trace = max(free, key=lambda t: (self.score[t], -t))
            other = min((t for t in self.score if t != trace), key=lambda t: (self.turn[t], t))
            self.turn[other] = number
            operator = "CROSSOVER"
        else:
            trace, other = min(free, key=lambda t: (self.turn[t], t)), -1
            self.turn[trace] = number
            operator = "DESCEND"
        self.busy.add(trace)
        return trace, operator, other

    def tell(self, asked: tuple[int, str, int], score: float, accepted: bool) -> int:
        trace = asked[0]
        if trace < 0:
            self.drafting -= 1
            trace = next(t for t in range(self.count + 1) if t not in self.score)
        self.busy.discard(trace)
        if not accepted:
            return -1
        self.score[trace] = score
        self.turn.setdefault(trace, -1)
        return trace


@pytest.mark.parametrize("merge_after", [None, 9])
@given(
    outcomes=st.lists(st.tuples(st.booleans(), st.floats(-2, 2)), min_size=20, max_size=20),
    ahead=st.integers(1, 3),
)
def test_order(merge_after, outcomes, ahead):
    policy = search.traces(3, merge_after=merge_after)
    ask, tell = jax.jit(policy.ask), jax.jit(policy.tell)
    state, reference = policy.init(policy.capacity(20)), Reference(3, merge_after)
    flying = []
    for accepted, score in outcomes:
        while len(flying) < ahead:
            expansion, state = ask(state, jax.random.key(0))
            told = (
                int(expansion.parent),
                Operator(int(expansion.operator)).name,
                int(expansion.other),
            )
            expected = reference.ask()
            assert told == expected
            flying.append((expansion, expected))
        expansion, expected = flying.pop(0)
        seen = optimizers.Observation(
            params=jnp.zeros(1),
            score=jnp.float32(score),
            stderr=jnp.float32(0),
            gain=jnp.float32(0),
            gain_stderr=jnp.float32(0),
            valid=jnp.array(True),
        )
        state, slot = tell(state, expansion, seen, jnp.array(accepted))
        assert int(slot) == reference.tell(expected, float(np.float32(score)), accepted)


def remembered(rows: list[list[int]], capacity: int = 4, dim: int = 3) -> SuccessMemoryState:
    """States of nodes that remember successes of these steps; the direction tells the step."""
    states = []
    for steps in rows:
        number = len(steps)
        step = jnp.array([*steps, *[0] * (capacity - number)], jnp.int32)
        memory = Success(
            direction=jnp.broadcast_to(step[:, None] + 1.0, (capacity, dim)),
            gain=step * 0.1,
            step=step,
            exists=jnp.arange(capacity) < number,
        )
        none = jax.tree.map(lambda leaf: leaf[0], memory)
        zero = jnp.zeros(dim)
        states.append(SuccessMemoryState(memory, none, zero, jnp.zeros(()), jnp.int32(0)))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


@given(st.lists(st.lists(st.integers(0, 30), max_size=4, unique=True), min_size=1, max_size=4))
def test_the_latest_successes_of_all_are_read_each_once(rows):
    states = remembered(rows)
    own = jax.tree.map(lambda leaf: leaf[0], states)
    read = read_together(states, own)
    memory = read.memory
    told = np.asarray(memory.step)[np.asarray(memory.exists)].tolist()
    expected = sorted({step for row in rows for step in row}, reverse=True)[:4]
    assert told == expected
    directions = np.asarray(memory.direction)[np.asarray(memory.exists)]
    assert_allclose(directions, np.add.outer(expected, np.ones(3)).reshape(-1, 3))
    for name in ("pending", "pending_params", "pending_value", "count"):
        jax.tree.map(assert_array_equal, getattr(read, name), getattr(own, name))


def test_rules_without_a_memory_read_nothing():
    rule = optimizers.momentum()
    own = rule.init(jnp.arange(3.0))
    rows = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf + 1]), own)
    jax.tree.map(assert_array_equal, read_together(rows, own), own)


def test_a_trace_is_moved_by_what_another_one_learned():
    """Trace 0 succeeds along the first axis; trace 1, asked with another gradient, leans there."""

    def update(share: bool) -> np.ndarray:
        strategy = optimizers.directed(optimizers.gome(), policy=search.traces(2, share=share))
        run = optimizers.init(strategy, jnp.zeros(2), jax.random.key(0), 6)
        score = 0.0
        for _ in range(6):
            expansion, run = optimizers.ask(strategy, run)
            along = jnp.array([-1.0, 0.0]) if int(expansion.parent) == 0 else jnp.array([0.0, -1.0])
            proposal = optimizers.propose(strategy, run, expansion, along)
            score += 1.0
            # Only the first trace gets on.
            better = score if int(expansion.parent) <= 0 else -score
            seen = optimizers.observe(run, expansion, proposal.params, better)
            run, _ = optimizers.settle(strategy, run, proposal, seen)
        return np.asarray(proposal.update)

    assert int(update(share=False)[0] != 0) == 0
    assert update(share=True)[0] > 0


@pytest.mark.parametrize("bad", [{"count": 0}, {"merge_after": 0}])
def test_what_makes_no_sense_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        search.traces(**bad)


def test_a_policy_of_one_trace_has_one_step_in_flight():
    optimizers.require_in_flight(search.traces(3), 3)
    optimizers.require_in_flight(search.aira_mcts(), 8)
    with pytest.raises(ValueError, match=r"4 steps .* this policy can have 3"):
        optimizers.require_in_flight(search.traces(3), 4)
    with pytest.raises(ValueError, match=r"traces\(count=2\)"):
        optimizers.require_in_flight(search.sequential(), 2)
