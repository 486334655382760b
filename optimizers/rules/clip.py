r"""Bound the size of an edit.

.. math:: u = \tilde u \min\Big(1, \frac{c}{\lVert \tilde u \rVert}\Big)

Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks",
arXiv:1211.5063, clip gradients; here the *update* is clipped, learning rate included, because its
length is the size of an edit, and a large edit is the one that breaks a working solution.
"""

from __future__ import annotations

import optax

from optimizers.base import UpdateRule
from optimizers.rules._arguments import require_positive
from optimizers.rules._precision import at_least_single


def clipped(rule: optax.GradientTransformation, max_norm: float = 1.0) -> UpdateRule:
    """A rule whose updates have at most norm `max_norm` over all leaves together.

    The direction is kept, the rule's own moments see nothing of it, and clipping is
    rotation-equivariant if the rule is.

    Args:
      rule: any optax transformation.
      max_norm: longest update, in the units of the parameters.

    Raises:
      ValueError: `max_norm` is not positive.
    """
    require_positive("max_norm", max_norm)
    return optax.chain(rule, at_least_single(optax.clip_by_global_norm(max_norm)))
