r"""Lion: the sign of an interpolated momentum.

.. math::
  u_t = -\eta\, \mathrm{sign}(b_1 m_{t-1} + (1-b_1) g_t), \qquad m_t = b_2 m_{t-1} + (1-b_2) g_t

Chen et al., "Symbolic Discovery of Optimization Algorithms", arXiv:2302.06675.

WARNING: LION NEVER FALLS SILENT. When gradients stop, the buffer shrinks but its sign does not:
every directive that was ever mentioned goes on moving at full speed, for ever. Use it only where
every directive is diagnosed at every step, or `scheduled` to zero; for sparse diagnoses take
`sign`. Directives only.
"""

from __future__ import annotations

import optax

from optimizers.base import UpdateRule
from optimizers.rules._arguments import require_decay
from optimizers.rules._basis import on_directives
from optimizers.rules._precision import at_least_single


def lion(learning_rate: float = 1.0, b1: float = 0.9, b2: float = 0.99) -> UpdateRule:
    """Lion without weight decay; optax's. NEVER FALLS SILENT after gradients stop.

    Degree 0 in the scale of gradients; not rotation-equivariant.

    Args:
      learning_rate: length of the step in every coordinate ever mentioned.
      b1: weight of the buffer in the step, in [0, 1).
      b2: decay of the buffer, in [0, 1).

    Raises:
      ValueError: a decay is outside [0, 1).
      BasisError: (from `init`) the parameters are `Embedded`.
    """
    require_decay("b1", b1)
    require_decay("b2", b2)
    return optax.chain(
        at_least_single(on_directives(optax.scale_by_lion(b1, b2), "lion")),
        optax.scale_by_learning_rate(learning_rate),
    )
