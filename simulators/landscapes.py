"""Landscapes: losses with a known optimum (value 0), as pure functions of a vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jaxtyping import Array, Bool, Float, Key

Vector = Float[Array, " dim"]


class Landscape(NamedTuple):
    """A loss to minimise; its infimum is 0.

    Fields that may be missing are for worlds that are not a smooth function of free coordinates.
    """

    dim: int
    loss: Callable[[Vector], Float[Array, ""]]
    start: Callable[[Key[Array, ""]], Vector]
    """A random starting point with loss 1."""
    smoothness: float
    """Largest curvature L; theory measures steps in units of |grad f| / L."""
    gradient: Callable[[Vector], Vector] | None = None
    """What an oracle estimates; the derivative of the loss unless given. In discrete worlds
    component i is the change of the loss by edit i, times the sign of that edit."""
    edits: Callable[[Vector], Vector] | None = None
    """In discrete worlds: the sign that edit i has here (+1 sets, -1 clears), 0 if impossible."""
    retract: Callable[[Vector, Vector], Vector] | None = None
    """`(params, update) -> where the candidate lands`; `params + update` unless given."""
    runs: Callable[[Vector], Bool[Array, ""]] | None = None
    """Whether a solution runs at all; always unless given."""
    repair: Callable[[Vector], Vector] | None = None
    """What DEBUG does to a solution that does not run; nothing unless given."""
    seconds: Callable[[Vector], Float[Array, ""]] | None = None
    """What one evaluation of it takes; 1 unless given."""


def sphere(dim: int) -> Landscape:
    """Isotropic quadratic `f(x) = |x|^2 / 2`, started uniformly on the level set `f = 1`.

    The landscape of the exact progress laws: relative gains are independent of where one is.

    Args:
      dim: number of coordinates, at least 2.

    Raises:
      ValueError: `dim` is below 2.
    """
    return quadratic(np.ones(_checked(dim)))


def quadratic(curvatures: npt.ArrayLike) -> Landscape:
    """Axis-aligned quadratic `f(x) = sum_i h_i x_i^2 / 2` with any spectrum.

    Args:
      curvatures: eigenvalues `h_i > 0` of the Hessian, shape `(dim,)`.

    Raises:
      ValueError: fewer than two curvatures, or one that is not positive.
    """
    curvatures = np.asarray(curvatures, np.float32)
    dim = _checked(curvatures.size)
    if curvatures.ndim != 1 or not (curvatures > 0).all():
        raise ValueError(
            "curvatures must be a vector of positive numbers: a flat direction has no known optimum"
        )

    def loss(x):
        return 0.5 * jnp.sum(curvatures * x**2)

    def start(key):
        x = jax.random.normal(key, (dim,))
        return x / jnp.sqrt(loss(x))

    return Landscape(dim, loss, start, float(curvatures.max()))


def _checked(dim: int) -> int:
    if dim < 2:
        raise ValueError(f"a landscape needs at least 2 dimensions for a direction, got {dim}")
    return dim
