"""Half-precision parameters, single-precision moments."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from optimizers.base import UpdateRule


def at_least_single(rule: optax.GradientTransformation) -> UpdateRule:
    """A rule that computes in float32 where gradients are half precision.

    In bfloat16 `0.999 v + 0.001 g^2` never moves, and in float16 the square of 1e-4 is zero.

    Args:
      rule: any optax transformation.

    Returns:
      The same rule for float32 and float64; for narrower types its state is float32 and its updates
      are rounded to the gradient's type.
    """
    rule = optax.with_extra_args_support(rule)

    def init(params):
        return rule.init(_widened(params))

    def update(updates, state, params=None, **extra_args):
        wide, state = rule.update(_widened(updates), state, _widened(params), **extra_args)
        return jax.tree.map(lambda u, g: u.astype(jnp.result_type(g)), wide, updates), state

    return UpdateRule(init, update)


def _widened(tree: Any) -> Any:
    def widen(leaf):
        return jnp.asarray(leaf, jnp.promote_types(jnp.result_type(leaf), jnp.float32))

    return jax.tree.map(widen, tree)
