"""What the traces of a run read together: their success memories.

A trace learns from its own accepted steps, and its state is its own. Where a policy says that
traces share (`Policy.shares`), what the others remember is read beside it: the most recent of all,
each once, as many as a memory holds. A success counts for the others once its own trace has moved
on, for only then its gain is known.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from optimizers.rules.success_memory import Success, SuccessMemoryState


def read_together(rule_states: Any, moments: Any) -> Any:
    """The state that a step starts from, with every node's successes in its memory.

    Args:
      rule_states: of all nodes, with a leading axis; those without successes have empty memories.
      moments: one node's, or a fresh one's.

    Returns:
      Like `moments`; the same if the rule has no success memory.
    """

    def pooled(rows: Any, own: Any) -> Any:
        if not isinstance(own, SuccessMemoryState):
            return own
        return own._replace(memory=_latest(rows.memory, own.memory.step.shape[0]))

    return jax.tree.map(pooled, rule_states, moments, is_leaf=_remembers)


def _remembers(node: Any) -> bool:
    return isinstance(node, SuccessMemoryState)


def _latest(memories: Success, capacity: int) -> Success:
    """The most recent successes of several memories, those that are in several of them once."""
    every = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), memories)
    # A step is one success, whoever remembers it.
    when = jnp.where(every.exists, every.step, -1)
    when = jnp.sort(when)[::-1]
    rows = jnp.argsort(jnp.where(every.exists, every.step, -1))[::-1]
    first = jnp.concatenate([jnp.array([True]), when[1:] != when[:-1]]) & (when >= 0)
    kept = rows[jnp.argsort(~first)[:capacity]]
    exists = jnp.sort(~first)[:capacity] == 0
    chosen = jax.tree.map(lambda x: x[kept], every)
    return chosen._replace(exists=chosen.exists & exists)
