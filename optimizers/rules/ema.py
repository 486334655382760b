r"""Exponential moving average of diagnoses, unbiased from the first one on.

.. math::
  m_i = b\, m_i + (1-b)\, g_i, \qquad u_i = -\eta \frac{m_i}{1 - b^{t_i}}

where `t_i` is the age of slot `i`. Roberts, "Control chart tests based on geometric moving
averages", 1959; the correction is Kingma and Ba's (arXiv:1412.6980), here by the age of each slot
(see `_ages`), so that a directive mentioned for the first time takes its full step.

Use it to average out a reasoner's errors without changing the size of steps: unlike `momentum`, a
constant gradient passes through unchanged. Linear where all slots start together; a later birth
changes the weights, so it is not linear across births.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from optimizers.base import Params, UpdateRule
from optimizers.rules import _ages
from optimizers.rules._arguments import require_decay
from optimizers.rules._precision import at_least_single


class ScaleBySlotEmaState(NamedTuple):
    """The average, and the age of each slot."""

    age: Params
    mean: Params


def scale_by_slot_ema(decay: float = 0.9) -> UpdateRule:
    """Average of each slot's gradients since its birth, the last one weighing most.

    Equals `optax.ema(decay)` where every slot speaks at the first step. On `Embedded` parameters
    the whole vector has one age, which keeps the rule rotation-equivariant.

    Args:
      decay: what the average keeps per committed step, in [0, 1); 0 is the identity.

    Returns:
      The transformation; its updates lie between the smallest and the largest gradient since birth.

    Raises:
      ValueError: `decay` is outside [0, 1).
    """
    require_decay("decay", decay)

    def init(params):
        return ScaleBySlotEmaState(_ages.unborn(params), jax.tree.map(jnp.zeros_like, params))

    def update(updates, state, params=None, **extra_args):
        del params, extra_args
        age = _ages.aged(state.age, updates)
        mean = optax.tree.update_moment(updates, state.mean, decay, 1)
        unbiased = jax.tree.map(lambda m, t: _ages.corrected(m, decay, t), mean, age)
        return unbiased, ScaleBySlotEmaState(age, mean)

    return at_least_single(UpdateRule(init, update))


def ema(learning_rate: float = 1.0, decay: float = 0.9) -> UpdateRule:
    """Step against the average diagnosis; see `scale_by_slot_ema`.

    Args:
      learning_rate: step size.
      decay: what the average keeps per committed step, in [0, 1).

    Raises:
      ValueError: `decay` is outside [0, 1).
    """
    return optax.chain(scale_by_slot_ema(decay), optax.scale_by_learning_rate(learning_rate))
