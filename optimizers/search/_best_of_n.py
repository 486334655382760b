"""Best-of-n: try n, keep the best, repeat from there."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from optimizers.base import Expansion, Operator, Policy


class BestOfNState(NamedTuple):
    """The node of the current round, and the best candidate seen in it."""

    started: Bool[Array, ""]
    base: Int[Array, ""]
    """Node (0 or 1) that the round expands; its best child goes to the other one."""
    tried: Int[Array, ""]
    best: Float[Array, ""]


def best_of_n(n: int | None = 5, operator: Operator = Operator.IMPROVE) -> Policy:
    """Rounds of `n` children of one node; the best valid child becomes the next node.

    Comma selection: the best child replaces its parent even if it is worse, so a round's winner
    carries the winner's curse of a maximum over n noisy scores. The first round drafts. A round
    without a valid child is repeated. Use it with the gate `always`.

    Args:
      n: children per round; `None` drafts to the end of the budget, as "best-of-n" is meant
        where candidates are independent samples.
      operator: how children are made.

    Raises:
      ValueError: `n` is not positive.
    """
    if n is not None and n < 1:
        raise ValueError(f"best_of_n needs n >= 1 (or None for drafts only), got n={n}")

    def init(capacity):
        del capacity
        zero = jnp.zeros((), jnp.int32)
        return BestOfNState(jnp.zeros((), bool), zero, zero, jnp.full((), -jnp.inf, float))

    def ask(state, key):
        del key
        return (
            Expansion(
                parent=jnp.where(state.started, state.base, -1),
                operator=jnp.where(state.started, operator, Operator.DRAFT).astype(jnp.int32),
            ),
            state,
        )

    def tell(state, expansion, observation, accepted):
        del expansion
        better = accepted & (observation.score > state.best)
        slot = jnp.where(better, 1 - state.base, -1)
        state = state._replace(
            tried=state.tried + 1, best=jnp.where(better, observation.score, state.best)
        )
        if n is None:
            return state, slot
        advances = (state.tried >= n) & jnp.isfinite(state.best)
        over = state.tried >= n
        return BestOfNState(
            started=state.started | advances,
            base=jnp.where(advances, 1 - state.base, state.base),
            tried=jnp.where(over, 0, state.tried),
            best=jnp.where(over, -jnp.inf, state.best),
        ), slot

    return Policy(capacity=lambda steps: 2, init=init, ask=ask, tell=tell, in_flight=1)
