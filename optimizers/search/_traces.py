"""Several traces of one run: each continues from its own last accepted node.

The published agent's parallel traces ("Reasoning as Gradient", arXiv:2603.01692, section on
distributed optimisation), in its scheduler's default order: the trace that was extended longest ago
comes next, one that has a step in flight is passed over. What a trace remembers of its successes
the others read (`shares`), and towards the end traces may be merged: a crossover of the best one
that is free with each of the others in turn.

Deviations: a trace's base is its last accepted node, as there, but a rejected or failed step is not
a node at all (there it is, and the next step starts from the accepted one above it); merging begins
after a number of steps (there: when so many hours are left).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from optimizers.base import Expansion, Operator, Policy


class TracesState(NamedTuple):
    """One row a trace; a trace exists once a draft was accepted."""

    exists: Bool[Array, " traces"]
    busy: Bool[Array, " traces"]
    """Whether a step of it is in flight."""
    turn: Int[Array, " traces"]
    """When it was last asked for."""
    score: Float[Array, " traces"]
    drafting: Int[Array, ""]
    """Drafts in flight."""
    asked: Int[Array, ""]


def traces(
    count: int = 3,
    merge_after: int | None = None,
    share: bool = True,
    operator: Operator = Operator.DESCEND,
) -> Policy:
    """Side by side, in turn, with a memory in common and a merge at the end. Needs `improved`.

    Args:
      count: of traces; as many steps may be in flight.
      merge_after: steps after which traces are merged instead of extended; never if `None`.
      share: whether success memories are read together, by rules that have one.
      operator: how a trace is extended.

    Raises:
      ValueError: `count` or `merge_after` is not positive.
    """
    if count < 1:
        raise ValueError(f"traces needs at least one, got count={count}")
    if merge_after is not None and merge_after < 1:
        raise ValueError(f"`merge_after` is a number of steps from 1 on, got {merge_after}")

    def init(capacity):
        none = jnp.zeros((capacity,), bool)
        zero = jnp.zeros((), jnp.int32)
        turn = jnp.zeros((capacity,), jnp.int32) - 1
        return TracesState(none, none, turn, jnp.full((capacity,), -jnp.inf), zero, zero)

    def ask(state: TracesState, key):
        del key
        free = state.exists & ~state.busy
        drafts = (state.exists.sum() + state.drafting < count) | ~free.any()
        oldest = jnp.argmin(jnp.where(free, state.turn, jnp.iinfo(jnp.int32).max))
        best = jnp.argmax(jnp.where(free, state.score, -jnp.inf))
        merges = jnp.zeros((), bool)
        if merge_after is not None:
            merges = ~drafts & (state.asked >= merge_after) & (state.exists.sum() > 1)
        trace = jnp.where(merges, best, oldest)
        others = state.exists & (jnp.arange(count) != trace)
        other = jnp.argmin(jnp.where(others, state.turn, jnp.iinfo(jnp.int32).max))
        expansion = Expansion(
            parent=jnp.where(drafts, -1, trace).astype(jnp.int32),
            operator=jnp.select(
                [drafts, merges], [Operator.DRAFT, Operator.CROSSOVER], operator
            ).astype(jnp.int32),
            other=jnp.where(merges, other, -1).astype(jnp.int32),
        )
        # A trace that is merged into another has had its turn, too.
        asked_now = jnp.arange(count) == jnp.where(merges, other, trace)
        return expansion, state._replace(
            busy=state.busy | (~drafts & (jnp.arange(count) == trace)),
            turn=jnp.where(~drafts & asked_now, state.asked, state.turn),
            drafting=state.drafting + drafts,
            asked=state.asked + 1,
        )

    def tell(state: TracesState, expansion, observation, accepted):
        drafted = expansion.parent < 0
        slot = jnp.where(drafted, jnp.argmin(state.exists), expansion.parent)
        slot = jnp.where(accepted, slot, -1)
        here = jnp.arange(count) == slot
        state = cancel(state, expansion)
        return (
            state._replace(
                exists=state.exists | here,
                score=jnp.where(here, observation.score, state.score),
            ),
            slot,
        )

    def cancel(state: TracesState, expansion):
        return state._replace(
            busy=state.busy & (jnp.arange(count) != expansion.parent),
            drafting=state.drafting - (expansion.parent < 0),
        )

    def inert(steps):
        if merge_after is not None and steps <= merge_after:
            return (
                f"traces are merged after {merge_after} steps, and the run has {steps}: "
                "they never are",
            )
        return ()

    return Policy(
        capacity=lambda steps: count,
        init=init,
        ask=ask,
        tell=tell,
        cancel=cancel,
        inert=inert,
        in_flight=count,
        shares=share,
    )
