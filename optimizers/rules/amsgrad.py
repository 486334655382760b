r"""AMSGrad with bias corrections by the age of each slot: steps that never grow back.

.. math::
  \hat m_i = \frac{m_i}{1-b_1^{t_i}}, \quad
  \bar v_i = \max\Big(\bar v_i, \frac{v_i}{1-b_2^{t_i}}\Big), \quad
  u_i = -\eta \frac{\hat m_i}{\sqrt{\bar v_i} + \epsilon}

Reddi, Kale and Kumar, "On the Convergence of Adam and Beyond", arXiv:1904.09237. Use it instead of
`adam` when one rare, violent disagreement about a directive should be remembered for good.

The maximum is taken of *corrected* moments, as optax does. PyTorch takes it of uncorrected ones and
corrects the maximum; the two agree while second moments grow. Directives only.
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
from optimizers.rules.adam import over_root


class ScaleBySlotAmsgradState(NamedTuple):
    """Moments, the largest corrected second moment so far, and the age of each slot."""

    age: Params
    mu: Params
    nu: Params
    nu_max: Params


def scale_by_slot_amsgrad(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> UpdateRule:
    """AMSGrad's rescaling, each coordinate corrected by its own age.

    Args:
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the denominator.

    Returns:
      The transformation; equals optax's where every slot speaks at the first step.

    Raises:
      ValueError: a decay is outside [0, 1), or `eps` is negative.
      BasisError: (from `init`) the parameters are `Embedded`.
    """
    require_decay("b1", b1)
    require_decay("b2", b2)
    require_at_least("eps", eps, 0.0)

    def init(params):
        zeros = jax.tree.map(jnp.zeros_like, params)
        return ScaleBySlotAmsgradState(_ages.unborn(params), zeros, zeros, zeros)

    def update(updates, state, params=None, **extra_args):
        del params, extra_args
        age = _ages.aged(state.age, updates)
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        nu = optax.tree.update_moment(updates, state.nu, b2, 2)
        nu_hat = jax.tree.map(lambda v, t: _ages.corrected(v, b2, t), nu, age)
        nu_max = jax.tree.map(jnp.maximum, state.nu_max, nu_hat)

        def rescale(m, v, t):
            return over_root(_ages.corrected(m, b1, t), v, eps)

        rescaled = jax.tree.map(rescale, mu, nu_max, age)
        return rescaled, ScaleBySlotAmsgradState(age, mu, nu, nu_max)

    return at_least_single(on_directives(UpdateRule(init, update), "amsgrad"))


def amsgrad(
    learning_rate: float = 1.0, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> UpdateRule:
    """AMSGrad with bias correction per slot; see `scale_by_slot_amsgrad`.

    Args:
      learning_rate: step size.
      b1: decay of the first moment, in [0, 1).
      b2: decay of the second moment, in [0, 1).
      eps: added to the denominator.

    Raises:
      ValueError: a decay is outside [0, 1), or `eps` is negative.
    """
    return optax.chain(
        scale_by_slot_amsgrad(b1, b2, eps), optax.scale_by_learning_rate(learning_rate)
    )
