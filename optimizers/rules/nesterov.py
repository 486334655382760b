r"""Nesterov's momentum: heavy ball that looks one step ahead.

.. math:: m_t = \beta m_{t-1} + g_t, \qquad u_t = -\eta (g_t + \beta m_t)

Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k^2)", 1983,
in the form of Sutskever et al., "On the importance of initialization and momentum in deep
learning", 2013. Use it instead of `momentum` where the newest diagnosis deserves more weight than
older ones.
"""

from __future__ import annotations

import optax

from optimizers.base import UpdateRule
from optimizers.rules._arguments import require_decay


def nesterov(learning_rate: float = 1.0, decay: float = 0.9) -> UpdateRule:
    """Look-ahead momentum: `u = -learning_rate * (g + decay * m)`; optax's.

    Linear, rotation-equivariant, invariant to shifts in time.

    Args:
      learning_rate: step size.
      decay: what the buffer keeps per committed step, in [0, 1).

    Raises:
      ValueError: `decay` is outside [0, 1).
    """
    require_decay("decay", decay)
    return optax.with_extra_args_support(optax.sgd(learning_rate, momentum=decay, nesterov=True))
