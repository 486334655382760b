"""A select that skips what no run of a batch needs.

Under `vmap` a `lax.cond` becomes a select: both sides are computed at every step for every run.
A run of a gradient method drafts once and never asks its proposer, and would still draw three
vectors of random numbers a step where it uses one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.core import eval_jaxpr
from jaxtyping import Array, Bool

Result = TypeVar("Result")


def where_any(needed: Bool[Array, ""], compute: Callable[[], Result], otherwise: Result) -> Result:
    """`compute()` where it is needed; not run if neither this run nor any of its batch needs it.

    Args:
      needed: whether this run uses the result.
      compute: makes a pytree of arrays; may close over traced values.
      otherwise: the result where it is not needed, of the same structure, shapes and types.

    Returns:
      What `jnp.where(needed, compute(), otherwise)` returns, leaf by leaf.
    """

    def select():
        return jax.tree.map(partial(jnp.where, needed), compute(), otherwise)

    return _if(needed, select, otherwise)


def _if(needed, compute, otherwise):
    """`lax.cond` that stays one under `vmap`: it branches on whether any run of the batch does."""
    # What is closed over becomes an argument, since it may be batched.
    closed = jax.make_jaxpr(compute)()
    computed = partial(eval_jaxpr, closed.jaxpr)
    leaves, structure = jax.tree.flatten(otherwise)

    @jax.custom_batching.custom_vmap
    def branch(needed, inputs, leaves):
        return jax.lax.cond(needed, lambda: computed(inputs), lambda: leaves)

    @branch.def_vmap
    def branch_of_batch(size, batched, needed, inputs, leaves):
        of_needed, of_inputs, of_leaves = batched
        axes = [0 if is_batched else None for is_batched in of_inputs]
        batch = jax.vmap(lambda *inputs: computed(inputs), in_axes=axes, axis_size=size)
        leaves = [
            leaf if is_batched else jnp.broadcast_to(leaf, (size, *leaf.shape))
            for leaf, is_batched in zip(leaves, of_leaves, strict=True)
        ]
        any_needed = needed.any() if of_needed else needed
        return _if(any_needed, lambda: batch(*inputs), leaves), [True] * len(leaves)

    return jax.tree.unflatten(structure, branch(needed, closed.consts, leaves))
