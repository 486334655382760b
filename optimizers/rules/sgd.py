r"""SGD: the diagnosis as it is.

.. math:: u_t = -\eta g_t

Robbins and Monro, "A stochastic approximation method", 1951. Use it as the baseline every other
rule must beat, and when diagnoses are fresh and good: it remembers nothing.
"""

from __future__ import annotations

import optax

from optimizers.base import UpdateRule


def sgd(learning_rate: float = 1.0) -> UpdateRule:
    """Step against the diagnosed gradient: `u = -learning_rate * g`; optax's.

    Linear, rotation-equivariant, silent when gradients are.

    Args:
      learning_rate: step size.
    """
    return optax.with_extra_args_support(optax.sgd(learning_rate))
