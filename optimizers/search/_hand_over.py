"""Search first, gradient afterwards (or the other way round): a hand-over at a threshold."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from optimizers.base import Policy
from optimizers.search._hybrid import Chooser, hybrid, is_measured


class HandOverState(NamedTuple):
    """How long the first side has been at work, and whether it is done."""

    steps: Int[Array, ""]
    idle: Int[Array, ""]
    """Steps since the last improvement."""
    done: Bool[Array, ""]


def hand_over(
    base: Policy | None = None,
    after: int = 20,
    patience: int | None = None,
    reverse: bool = False,
) -> Policy:
    """IMPROVE for so many steps, then DESCEND to the end.

    A policy does not know the budget: for a share of it write `after=steps // 2`.

    Args:
      base: chooses the nodes, as for `auto`.
      after: undirected steps before the hand-over; drafts and repairs do not count.
      patience: hand over earlier, after so many steps in a row without an improvement.
      reverse: DESCEND first.

    Raises:
      ValueError: `after` is negative, or `patience` is not positive.
    """
    if after < 0:
        raise ValueError(f"`after` is a number of steps and must not be negative, got {after}")
    if patience is not None and patience < 1:
        raise ValueError(f"`patience` must be at least 1 (or None for no limit), got {patience}")

    def init():
        zero = jnp.zeros((), jnp.int32)
        return HandOverState(zero, zero, jnp.asarray(after == 0))

    def learn(state, directed, observation):
        del directed
        steps = state.steps + 1
        improves = is_measured(observation) & (observation.gain > 0)
        idle = jnp.where(improves, 0, state.idle + 1)
        done = state.done | (steps >= after)
        return HandOverState(steps, idle, done if patience is None else done | (idle >= patience))

    policy = hybrid(base, Chooser(init, lambda state, key: state.done ^ reverse, learn))

    def inert(total: int):
        reasons = list(policy.inert(total))
        if after >= total:
            reasons.append(
                f"hand_over(after={after}) does not hand over within {total} evaluations"
                + (": lower `after`" if patience is None else f" unless {patience} steps fail")
            )
        return reasons

    return policy._replace(inert=inert)
