r"""Lookahead: k fast steps forward, then part of the way back.

.. math::
  \theta \leftarrow \theta + u_t, \qquad \text{and every } k \text{ steps} \quad
  \phi \leftarrow \phi + \alpha (\theta - \phi), \quad \theta \leftarrow \phi

Zhang, Lucas, Hinton and Ba, "Lookahead Optimizer: k steps forward, 1 step back", arXiv:1907.08610.
Use it around a bold rule whose steps zigzag: the slow weights average the zigzag away.

`optax.lookahead` has the same law on pairs of fast and slow parameters. A solution is one set of
parameters, so here the slow ones live in the state.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from optimizers.base import Params, UpdateRule
from optimizers.rules._arguments import require_at_least


class LookaheadState(NamedTuple):
    """Slow weights, committed steps since they were set, and the state of the fast rule."""

    slow: Params
    since: Int[Array, ""]
    fast: Any


def lookahead(
    rule: optax.GradientTransformation, every: int = 5, slow_step_size: float = 0.5
) -> UpdateRule:
    """A fast rule that is pulled back to slow weights at every `every`-th committed step.

    Needs the parameters. Slow weights are read off where the first fast step leaves from, so a
    draft may start anywhere and a synchronising step may be carried out in part.

    Args:
      rule: the fast rule.
      every: fast steps between synchronisations.
      slow_step_size: share of the way that is kept; 1 is the fast rule itself.

    Raises:
      ValueError: `every` is below 1 or `slow_step_size` below 0; or (from `update`) `params` is
        missing.
    """
    require_at_least("every", every, 1)
    require_at_least("slow_step_size", slow_step_size, 0.0)
    rule = optax.with_extra_args_support(rule)

    def init(params):
        slow = jax.tree.map(jnp.asarray, params)
        return LookaheadState(slow, jnp.zeros((), jnp.int32), rule.init(params))

    def update(updates, state, params=None, **extra_args):
        if params is None:
            raise ValueError("`lookahead` needs `params`: it compares them with its slow weights")
        slow = jax.tree.map(lambda s, p: jnp.where(state.since == 0, p, s), state.slow, params)
        updates, fast = rule.update(updates, state.fast, params, **extra_args)
        synchronises = state.since + 1 >= every

        def pull_back(u, p, s):
            back = (1 - slow_step_size) * (p + u - s)
            return (u - jnp.where(synchronises, back, jnp.zeros_like(back))).astype(u.dtype)

        since = jnp.where(synchronises, 0, state.since + 1)
        pulled = jax.tree.map(pull_back, updates, params, slow)
        return pulled, LookaheadState(slow, since, fast)

    return UpdateRule(init, update)
