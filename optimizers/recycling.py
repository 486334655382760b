"""Slots that change their directive: what a rule learned in a slot leaves with the old directive.

A lexicon of fixed capacity evicts. The moments, ages and parameters in the evicted slot speak of a
directive that is gone, so they are put back to what a fresh initialisation holds there. From then
on the newcomer is treated exactly as one that came to a slot never used.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from optimizers.base import Run, Strategy

Slot = Int[Array, ""] | int


def recycle(
    rule: optax.GradientTransformation, state: Any, slot: Slot, params: Float[Array, " slots"]
) -> Any:
    """Reset one slot of a rule's state to what `rule.init(params)` gives there.

    Which axis of which leaf belongs to the slots is read off the rule itself: it is the axis that
    grows by one when the parameters do. Leaves without such an axis (step counts, keys, injected
    hyper-parameters) belong to all slots and stay; matrices over slots lose a row and a column.
    Nothing is computed to find out, and `slot` may be traced.

    Args:
      rule: any optax transformation that can be initialised on a vector of any length.
      state: of `rule`, for parameters of this length.
      slot: which slot; one outside the vector (such as -1) resets nothing.
      params: one vector of slots; rules that copy the parameters into their state copy these.

    Returns:
      The state after the reset.

    Raises:
      ValueError: the parameters are not one vector, a leaf does not grow by one, or `state` does
        not belong to `rule` and `params`.

    Example:
      >>> rule, params = optax.sgd(1.0, momentum=0.9), jnp.zeros(3)
      >>> _, state = rule.update(jnp.ones(3), rule.init(params), params)
      >>> recycle(rule, state, 1, params)[0].trace.tolist()
      [1.0, 0.0, 1.0]
    """
    fresh = rule.init(_vector(params))
    axes = _slot_axes(rule, params)
    _require_same(state, fresh)

    def reset(axes_of_leaf, old, new):
        if not axes_of_leaf:
            return old
        here = jnp.zeros(old.shape, bool)
        for axis in axes_of_leaf:
            index = jnp.arange(old.shape[axis]) == slot
            here |= jnp.expand_dims(index, [a for a in range(old.ndim) if a != axis])
        return jnp.where(here, jnp.asarray(new, old.dtype), old)

    leaves, structure = jax.tree.flatten(state)
    return structure.unflatten(map(reset, axes, leaves, jax.tree.leaves(fresh)))


def recycle_run(strategy: Strategy, run: Run, slot: Slot) -> Run:
    """Reset one slot of every node: of its rule state, and of its parameters to the origin's.

    Call it for every slot that a lexicon evicted from (`optimizers.evicted_slots`), before the
    next `propose`. Jittable, with a traced slot too.

    Args:
      strategy: that the run belongs to.
      run: between steps.
      slot: which slot; -1 resets nothing.

    Returns:
      The run after the reset.

    Raises:
      ValueError: the run's parameters are not one vector of slots.
    """
    origin = _vector(run.origin)

    def reset(state):
        return recycle(strategy.rule, state, slot, origin)

    here = jnp.arange(len(origin)) == slot
    each_node = jax.vmap(reset, axis_size=len(run.score))  # said, for rules without a state
    return run._replace(
        params=jnp.where(here, origin, run.params), rule_state=each_node(run.rule_state)
    )


def _vector(params: Any) -> Array:
    if not hasattr(params, "ndim") or params.ndim != 1:
        raise ValueError(
            f"slots are the coordinates of one vector, but the parameters are {_short(params)}: "
            "only runs on a lexicon's slots can be recycled"
        )
    return jnp.asarray(params)


def _slot_axes(rule: optax.GradientTransformation, params: Array) -> list[tuple[int, ...]]:
    """For each leaf of the state, the axes that grow with the number of slots."""
    size = len(params)
    small, large = (
        jax.tree.leaves_with_path(
            jax.eval_shape(rule.init, jax.ShapeDtypeStruct((n,), params.dtype))
        )
        for n in (size, size + 1)
    )
    axes = []
    for (path, few), (_, many) in zip(small, large, strict=True):
        growth = [b - a for a, b in zip(few.shape, many.shape, strict=True)]
        if not set(growth) <= {0, 1}:
            raise ValueError(
                f"`{jax.tree_util.keystr(path)}` of the rule's state has shape {few.shape} for "
                f"{size} slots and {many.shape} for {size + 1}: no axis of it belongs to slots"
            )
        axes.append(tuple(axis for axis, grown in enumerate(growth) if grown))
    return axes


def _require_same(state: Any, fresh: Any) -> None:
    structures = jax.tree.structure(state), jax.tree.structure(fresh)
    shapes = [[jnp.shape(leaf) for leaf in jax.tree.leaves(tree)] for tree in (state, fresh)]
    if structures[0] != structures[1] or shapes[0] != shapes[1]:
        raise ValueError(
            f"the state is {_short(state)}, but the rule's on these parameters is {_short(fresh)}: "
            "recycle a state with the rule and the number of slots that it was made with"
        )


def _short(tree: Any) -> str:
    return (
        jax.tree.structure(tree).__repr__()[:120]
        + " of shapes "
        + str([jnp.shape(leaf) for leaf in jax.tree.leaves(tree)])[:120]
    )
