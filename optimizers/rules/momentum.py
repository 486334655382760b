r"""Heavy ball: past diagnoses keep pushing.

.. math:: m_t = \beta m_{t-1} + g_t, \qquad u_t = -\eta m_t

Polyak, "Some methods of speeding up the convergence of iteration methods", 1964. Helps if the true
direction persists longer than the reasoner's error; a constant gradient is amplified by
`1 / (1 - decay)`, so lower the learning rate accordingly.

PyTorch's `SGD(momentum=decay, dampening=0)` is the same law. With `dampening=decay` it is an
average whose first gradient has weight 1 instead of `1 - decay`; take `ema` for an unbiased one.
"""

from __future__ import annotations

import optax

from optimizers.base import UpdateRule
from optimizers.rules._arguments import require_decay


def momentum(learning_rate: float = 1.0, decay: float = 0.9) -> UpdateRule:
    """Heavy ball: `m = decay * m + g`, `u = -learning_rate * m`; optax's.

    Linear, rotation-equivariant, invariant to shifts in time.

    Args:
      learning_rate: step size.
      decay: what the buffer keeps per committed step, in [0, 1).

    Raises:
      ValueError: `decay` is outside [0, 1).
    """
    require_decay("decay", decay)
    return optax.with_extra_args_support(optax.sgd(learning_rate, momentum=decay))
