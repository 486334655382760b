"""Losses that are smooth functions of free coordinates."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from simulators._ranges import require_count
from simulators.landscapes._base import Landscape

_ROSENBROCK_BOX = 2.048
_NEEDS_DIRECTION = "a landscape needs at least 2 dimensions for a direction"


def sphere(dim: int) -> Landscape:
    """Isotropic quadratic `f(x) = |x|^2 / 2`, started uniformly on the level set `f = 1`.

    The landscape of the exact progress laws: relative gains are independent of where one is.

    Args:
      dim: number of coordinates, at least 2.

    Raises:
      ValueError: `dim` is below 2.
    """
    return quadratic(np.ones(require_count("dim", dim, 2, _NEEDS_DIRECTION)))


def quadratic(curvatures: npt.ArrayLike) -> Landscape:
    """Axis-aligned quadratic `f(x) = sum_i h_i x_i^2 / 2` with any spectrum.

    Seen by folds, each depends on coordinates of its own: coordinate i on fold `i mod folds`.

    Args:
      curvatures: eigenvalues `h_i > 0` of the Hessian, shape `(dim,)`.

    Raises:
      ValueError: fewer than two curvatures, or one that is not positive.
    """
    curvatures = np.asarray(curvatures, np.float32)
    dim = require_count("dim", curvatures.size, 2, _NEEDS_DIRECTION)
    if curvatures.ndim != 1 or not (curvatures > 0).all():
        raise ValueError(
            "`curvatures` must be a vector of positive numbers: a flat direction has no known "
            "optimum"
        )

    def loss(x):
        return 0.5 * jnp.sum(curvatures * x**2)

    def start(key):
        x = jax.random.normal(key, (dim,))
        return x / jnp.sqrt(loss(x))

    def by_fold(x, folds):
        require_count("dim", dim, folds, f"each of {folds} folds depends on coordinates of its own")
        share = folds * 0.5 * curvatures * x**2
        return jax.ops.segment_sum(share, np.arange(dim) % folds, folds)

    return Landscape(dim, loss, start, float(curvatures.max()), by_fold=by_fold)


def rosenbrock(dim: int) -> Landscape:
    r"""The chained valley of Rosenbrock (1960), its optimum at ones.

    .. math:: f(x) = \frac1Z \sum_{i<d} 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2

    Started uniformly in the usual box `[-2.048, 2.048]^d`, of which Z is the mean: a start has loss
    1 on average. The smoothness is that at the optimum; the walls of the valley are steeper. From
    4 dimensions on there is a second local minimum, near `x_1 = -1`.

    Args:
      dim: number of coordinates, at least 2.

    Raises:
      ValueError: `dim` is below 2.
    """
    dim = require_count("dim", dim, 2, _NEEDS_DIRECTION)
    box = _ROSENBROCK_BOX
    mean = (dim - 1) * (100.0 * (box**2 / 3 + box**4 / 5) + 1.0 + box**2 / 3)

    def loss(x):
        return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2) / mean

    def start(key):
        return jax.random.uniform(key, (dim,), minval=-box, maxval=box)

    first, last = np.arange(dim) < dim - 1, np.arange(dim) > 0
    hessian = np.diag(802.0 * first + 200.0 * last) - 400.0 * (np.eye(dim, k=1) + np.eye(dim, k=-1))
    smoothness = float(np.linalg.eigvalsh(hessian)[-1] / mean)
    return Landscape(dim, loss, start, smoothness, optimum=jnp.ones(dim))
