r"""The published agent's optimizer: SGD with success memory.

.. math:: u_t = -\eta \lVert g_t \rVert \Big(\frac{g_t}{\lVert g_t \rVert} + w\, m_t\Big)

with `m_t` the memory vector of `success_memory`. "Reasoning as Gradient", arXiv:2603.01692. Use it
where what worked before tells something about what will work now; with an empty memory it is SGD.
"""

from __future__ import annotations

import optax

from optimizers.base import UpdateRule
from optimizers.rules.success_memory import scale_by_success_memory


def gome(
    learning_rate: float = 1.0,
    decay: float = 0.9,
    weight: float = 0.3,
    *,
    similarity: float = 1.0,
    gain: float = 1.0,
    half_life: float = 30.0,
    clip: float = 2.0,
    capacity: int = 32,
    draws: int | None = None,
) -> UpdateRule:
    """SGD with success memory; see `scale_by_success_memory`.

    Args:
      learning_rate: step size.
      decay: what a memory keeps per step.
      weight: of the memory against the current direction.
      similarity, gain, half_life, clip, capacity: of the retrieval kernel.
      draws: memories to sample at each step; `None` reads the expectation.

    Raises:
      ValueError: an argument is out of range.
    """
    return optax.chain(
        scale_by_success_memory(
            decay,
            weight,
            similarity=similarity,
            gain=gain,
            half_life=half_life,
            clip=clip,
            capacity=capacity,
            draws=draws,
        ),
        optax.scale_by_learning_rate(learning_rate),
    )
