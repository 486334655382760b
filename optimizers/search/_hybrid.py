"""Hybrids of search and gradient: a policy chooses the node, a chooser the side.

Every policy expands a node that runs with one operator. A hybrid takes the node from its base
policy and the operator, DESCEND or IMPROVE, from a chooser, which learns from how such steps end.
Drafts and repairs pass as they are, and the base never notices: its state is its own.

Not covered: drafts and repairs are on nobody's account, although a side whose candidates crash
causes more of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key

from optimizers.base import Expansion, Observation, Operator, Policy
from optimizers.search._aide import aide

# Folded into the key of an `ask`, which the base policy draws from directly.
_CHOICE = 2**32 - 1


class Chooser(NamedTuple):
    """Which side takes the next step; pure, of fixed size, jittable."""

    init: Callable[[], Any]
    directed: Callable[[Any, Key[Array, ""]], Bool[Array, ""]]
    """`(state, key) -> whether to DESCEND rather than IMPROVE`."""
    learn: Callable[[Any, Bool[Array, ""], Observation], Any]
    """`(state, whether the step was directed, observation) -> state`."""


class HybridState(NamedTuple):
    """The base policy's state and the chooser's."""

    base: Any
    chooser: Any


def hybrid(base: Policy | None, chooser: Chooser) -> Policy:
    """The nodes of a base policy, expanded by the side that the chooser names.

    Args:
      base: chooses the nodes; `aide(drafts=1)`, the greedy tree, if not given. A hybrid needs the
        gate that its base needs: `always` for trees, `improved` for `sequential`.
      chooser: chooses the side.
    """
    inner = aide(drafts=1) if base is None else base

    def ask(state: HybridState, key):
        expansion, base_state = inner.ask(state.base, key)
        directed = chooser.directed(state.chooser, jax.random.fold_in(key, _CHOICE))
        side = jnp.where(directed, Operator.DESCEND, Operator.IMPROVE)
        operator = jnp.where(_is_step(expansion), side, expansion.operator).astype(jnp.int32)
        return expansion._replace(operator=operator), state._replace(base=base_state)

    def tell(state: HybridState, expansion, observation, accepted):
        base_state, slot = inner.tell(state.base, expansion, observation, accepted)
        directed = expansion.operator == Operator.DESCEND
        learned = chooser.learn(state.chooser, directed, observation)
        counts = _is_step(expansion)
        kept = jax.tree.map(lambda new, old: jnp.where(counts, new, old), learned, state.chooser)
        return HybridState(base_state, kept), slot

    def cancel(state: HybridState, expansion):
        return state._replace(base=inner.cancel(state.base, expansion))

    return inner._replace(
        init=lambda capacity: HybridState(inner.init(capacity), chooser.init()),
        ask=ask,
        tell=tell,
        cancel=cancel,
    )


def is_measured(observation: Observation) -> Bool[Array, ""]:
    """Whether a step ran and its gain is known; false for crashes and for withheld steps."""
    evaluated = jnp.asarray(observation.replicates) > 0
    return observation.valid & evaluated & jnp.isfinite(observation.gain)


def require_positive_cost(cost: float) -> None:
    """Refuse a price that is not one."""
    if not cost > 0.0:
        raise ValueError(
            f"`cost` is that of a directed step in undirected ones and must be positive, got {cost}"
        )


def require_memory(memory: float) -> None:
    """Refuse a memory that holds no comparison."""
    if not memory >= 2.0:
        raise ValueError(f"`memory` is a number of steps, at least 2, got {memory}")


def _is_step(expansion: Expansion) -> Bool[Array, ""]:
    operator = expansion.operator
    return (operator == Operator.DESCEND) | (operator == Operator.IMPROVE)
