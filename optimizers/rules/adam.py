r"""Adam and AdamW with a bias correction by the age of each slot.

.. math::
  m_i = b_1 m_i + (1-b_1) g_i, \quad v_i = b_2 v_i + (1-b_2) g_i^2, \quad
  u_i = -\eta \frac{m_i / (1-b_1^{t_i})}{\sqrt{v_i / (1-b_2^{t_i})} + \epsilon}

Kingma and Ba, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980; decoupled weight decay
by Loshchilov and Hutter, arXiv:1711.05101. `t_i` counts from the slot's first non-zero gradient
(see `_ages`); where every slot speaks at the first step the rules equal optax's.

A second moment means "how contested is this directive". Use it when noise, not signal, differs
between directives: it discards how severe a diagnosis is. Directives only: rotations change it.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from optimizers.base import Params, UpdateRule
from optimizers.rules import _ages
from optimizers.rules._arguments import require_at_least, require_decay
from optimizers.rules._basis import on_directives
from optimizers.rules._precision import at_least_single


class ScaleBySlotAdamState(NamedTuple):
    """Moments, and the age of each slot."""

    age: Params
    mu: Params
    nu: Params


def scale_by_slot_adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> UpdateRule:
    """Adam's rescaling, each coordinate corrected by its own age.

    Args:
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the denominator; with `eps=0` the rule ignores the scale of the gradients.

    Returns:
      The transformation; its updates have degree 0 in the scale of the gradients.

    Raises:
      ValueError: a decay is outside [0, 1), or `eps` is negative.
      BasisError: (from `init`) the parameters are `Embedded`.
    """
    require_decay("b1", b1)
    require_decay("b2", b2)
    require_at_least("eps", eps, 0.0)

    def init(params):
        zeros = jax.tree.map(jnp.zeros_like, params)
        return ScaleBySlotAdamState(_ages.unborn(params), zeros, zeros)

    def update(updates, state, params=None, **extra_args):
        del params, extra_args
        age = _ages.aged(state.age, updates)
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        nu = optax.tree.update_moment(updates, state.nu, b2, 2)

        def rescale(m, v, t):
            return over_root(_ages.corrected(m, b1, t), _ages.corrected(v, b2, t), eps)

        return jax.tree.map(rescale, mu, nu, age), ScaleBySlotAdamState(age, mu, nu)

    return at_least_single(on_directives(UpdateRule(init, update), "adam"))


def over_root(first, second, eps):
    """`first / (sqrt(second) + eps)`, and 0 where `first` is 0 (a slot that never spoke)."""
    silent = first == 0
    return jnp.where(silent, 0.0, first / jnp.where(silent, 1.0, jnp.sqrt(second) + eps))


def adam(
    learning_rate: float = 1.0, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> UpdateRule:
    """Adam with bias correction per slot; see `scale_by_slot_adam`.

    Args:
      learning_rate: step size, close to the length of a step in each coordinate.
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the denominator.

    Raises:
      ValueError: a decay is outside [0, 1), or `eps` is negative.
    """
    return optax.chain(scale_by_slot_adam(b1, b2, eps), optax.scale_by_learning_rate(learning_rate))


def adamw(
    learning_rate: float = 1.0,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-4,
) -> UpdateRule:
    """Adam that also forgets: `u = adam - learning_rate * weight_decay * params`.

    Use it when directives that stop being mentioned should lose their weight. Zero gradients still
    shrink the parameters, so silence does not stop it. PyTorch's default decay is 1e-2.

    Args:
      learning_rate: step size; multiplies the decay too.
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the denominator.
      weight_decay: share of the parameters removed per step of size 1.

    Raises:
      ValueError: a decay is outside [0, 1), or `eps` or `weight_decay` is negative.
    """
    require_at_least("weight_decay", weight_decay, 0.0)
    return optax.chain(
        scale_by_slot_adam(b1, b2, eps),
        at_least_single(optax.add_decayed_weights(weight_decay)),
        optax.scale_by_learning_rate(learning_rate),
    )
