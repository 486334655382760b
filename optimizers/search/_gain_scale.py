r"""Gains in a unit that moves with them.

Gains shrink as the loss does, so gains of different times compare only in units of their time. The
unit is a running geometric mean of their sizes: with x the size of a gain in multiples of what is
expected of its side,

.. math:: \ln F \leftarrow \ln F + \beta \, (\ln x - E \ln |Z|),

Z standard normal. It lags behind a steady decline by a constant, which is the same for all sides.
Multiplying all gains by a number multiplies the unit by it, and nothing else.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

RATE = 0.2
"""beta; 1 / (n + 1) at the n-th gain, while that is larger."""
TYPICAL = math.exp(-(np.euler_gamma + math.log(2.0)) / 2.0)
"""Geometric mean of |Z|: 0.53."""
_LARGEST_SURPRISE = 3.0


class GainScale(NamedTuple):
    """F, and the number of gains that it was made from."""

    unit: Float[Array, ""]
    count: Float[Array, ""]


def unknown_scale() -> GainScale:
    """Before any gain: the first one sets the unit."""
    return GainScale(jnp.ones(()), jnp.zeros(()))


def begun(scale: GainScale, gain: Float[Array, ""], expected: Float[Array, ""]) -> GainScale:
    """The scale by which `gain` is to be read: set by it, if it is the first that is not zero.

    Args:
      scale: the scale so far.
      gain: a finite gain.
      expected: root mean square of such gains, in units.
    """
    first = (scale.count == 0) & (gain != 0)
    return scale._replace(unit=jnp.where(first, jnp.abs(gain) / (TYPICAL * expected), scale.unit))


def moved(scale: GainScale, gain: Float[Array, ""], expected: Float[Array, ""]) -> GainScale:
    """The scale after that gain, from the scale that it was read by; a gain of zero moves nothing.

    One gain moves it by a factor of at most exp(3 beta).
    """
    counts = gain != 0
    ratio = jnp.where(counts, jnp.abs(gain) / (scale.unit * TYPICAL * expected), 1.0)
    surprise = jnp.clip(jnp.log(ratio), -_LARGEST_SURPRISE, _LARGEST_SURPRISE)
    rate = jnp.maximum(RATE, 1.0 / (1.0 + scale.count))
    unit = jnp.maximum(scale.unit * jnp.exp(rate * surprise), jnp.finfo(jnp.float32).tiny)
    return GainScale(unit, scale.count + counts)
