"""Adam with a bias correction that counts per slot.

Optax corrects with one global count, which is right when every coordinate exists from the first
step. Directives are born at different times: with a global count the first step of a newborn slot
is 0.48 of what it should be at step 10 and 2.5 times too large at step 1000. Counting each slot
from its first non-zero gradient gives every newborn the same first step. On gradients without
zeros the rule equals `optax.scale_by_adam`.

Reference: Kingma and Ba, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from optimizers.base import Params, UpdateRule


class ScaleBySlotAdamState(NamedTuple):
    """Moments, and for each slot the number of steps since it was first mentioned."""

    count: Params
    mu: Params
    nu: Params


def scale_by_slot_adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> UpdateRule:
    r"""Adam's rescaling, coordinate `i` corrected by its own age `t_i`.

    .. math::
      m_i = b_1 m_i + (1-b_1) g_i, \quad v_i = b_2 v_i + (1-b_2) g_i^2, \quad
      u_i = \frac{m_i / (1-b_1^{t_i})}{\sqrt{v_i / (1-b_2^{t_i})} + \epsilon}

    A second moment means "how contested is this directive", so coordinates must be directives (or
    any basis that means something): the rule is not equivariant to rotations.

    Args:
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the denominator; with `eps=0` the rule ignores the scale of the gradients.

    Returns:
      The transformation; its updates have the gradient's sign and degree 0 in its scale.

    Raises:
      ValueError: a decay is outside [0, 1).
    """
    for name, decay in (("b1", b1), ("b2", b2)):
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"`{name}` is a decay and must lie in [0, 1), got {decay}")

    def init(params):
        counts = jax.tree.map(lambda p: jnp.zeros(jnp.shape(p), jnp.int32), params)
        zeros = jax.tree.map(jnp.zeros_like, params)
        return ScaleBySlotAdamState(counts, zeros, zeros)

    def update(updates, state, params=None, **extra_args):
        del params, extra_args
        count = jax.tree.map(lambda t, g: t + ((t > 0) | (g != 0)), state.count, updates)
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        nu = optax.tree.update_moment(updates, state.nu, b2, 2)

        def rescale(m, v, t):
            age = jnp.maximum(t, 1)  # an integer: in bfloat16, 1 - 0.999 would round to 0
            m_hat = m / (1 - b1**age).astype(m.dtype)
            v_hat = v / (1 - b2**age).astype(v.dtype)
            denominator = jnp.sqrt(v_hat) + eps
            return jnp.where(m == 0, 0.0, m_hat / jnp.where(m == 0, 1.0, denominator))

        return jax.tree.map(rescale, mu, nu, count), ScaleBySlotAdamState(count, mu, nu)

    return UpdateRule(init, update)
