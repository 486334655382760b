r"""Sign descent: which directives, not how strongly.

.. math:: u_t = -\eta\, \mathrm{sign}(g_t)

Bernstein et al., "signSGD: Compressed Optimisation for Non-Convex Problems", arXiv:1802.04434. Use
it when the reasoner's signs can be trusted and its strengths cannot. Directives only.
"""

from __future__ import annotations

import optax

from optimizers.base import UpdateRule
from optimizers.rules._basis import on_directives


def sign(learning_rate: float = 1.0) -> UpdateRule:
    """Sign of each coordinate of the diagnosis; optax's.

    Degree 0 in the scale of gradients, silent when they are; not rotation-equivariant.

    Args:
      learning_rate: length of the step in every coordinate that is mentioned.

    Raises:
      BasisError: (from `init`) the parameters are `Embedded`.
    """
    return optax.chain(
        on_directives(optax.scale_by_sign(), "sign"), optax.scale_by_learning_rate(learning_rate)
    )
