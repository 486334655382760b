r"""RMSProp: each directive over the root mean square of its recent gradients.

.. math:: v_t = b\, v_{t-1} + (1-b)\, g_t^2, \qquad u_t = -\eta \frac{g_t}{\sqrt{v_t} + \epsilon}

Tieleman and Hinton, "Lecture 6.5: RMSProp", 2012. Use it as Adam without a first moment: for loud
and quiet directives in one diagnosis when the newest diagnosis is the best one.

There is *no* bias correction, as in PyTorch: the first step of a slot is `1 / sqrt(1 - decay)`
times the learning rate, whenever it is born. (With optax's, which counts globally, a directive born
late would take a larger first step than one born early.) `eps` stands outside the root, as in
PyTorch; `optax.rmsprop` puts it inside by default, and PyTorch's default decay is 0.99. Directives
only.
"""

from __future__ import annotations

import optax

from optimizers.base import UpdateRule
from optimizers.rules._arguments import require_decay, require_positive
from optimizers.rules._basis import on_directives
from optimizers.rules._precision import at_least_single


def rms(learning_rate: float = 1.0, decay: float = 0.9, eps: float = 1e-8) -> UpdateRule:
    """RMSProp without bias correction; optax's.

    Degree 0 in the scale of gradients, silent when they are; not rotation-equivariant.

    Args:
      learning_rate: step size.
      decay: of the mean square, in [0, 1).
      eps: added to the root mean square; positive, it is all a silent slot has.

    Raises:
      ValueError: `decay` is outside [0, 1), or `eps` is not positive.
      BasisError: (from `init`) the parameters are `Embedded`.
    """
    require_decay("decay", decay)
    require_positive("eps", eps)
    rescale = optax.scale_by_rms(decay, eps, eps_in_sqrt=False, bias_correction=False)
    return optax.chain(
        at_least_single(on_directives(rescale, "rms")), optax.scale_by_learning_rate(learning_rate)
    )
