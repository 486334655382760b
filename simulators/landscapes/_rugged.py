"""Losses with a trend and something on top of it that local information misses."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from simulators._ranges import require_count, require_positive, require_range
from simulators.landscapes._base import Landscape
from simulators.landscapes._smooth import quadratic, sphere

Sees = Literal["trend", "slope"]
Counts = Literal["whole", "trend"]


def rugged(
    dim: int,
    amplitude: float,
    period: float,
    *,
    curvatures: npt.ArrayLike | None = None,
    sees: Sees = "trend",
    counts: Counts = "whole",
) -> Landscape:
    r"""A quadratic trend with a cosine on every coordinate; the optimum is still the origin.

    .. math:: f(x) = \sum_i h_i x_i^2 / 2 + A \sum_i (1 - \cos(2 \pi x_i / l))

    The start has loss 1 in the trend; the cosines add `A dim` on average. `smoothness` is that of
    the trend; the cosines add `A (2 pi / l)^2`. The theory in `gome_theory.ruggedness` is about the
    trend of what a search on the whole reaches: choose `counts="trend"` to compare.

    Args:
      dim: number of coordinates, at least 2.
      amplitude: A, at least 0.
      period: l, positive.
      curvatures: `h_i > 0`, shape `(dim,)`; ones if not given.
      sees: what the reasoner sees of the gradient: that of the "trend" (it reasons about what helps
        in general) or the local "slope" of everything.
      counts: what the loss is: the "whole", or only the "trend", while evaluations still show the
        whole. The ruggedness is then an error of the evaluation that measuring again repeats.

    Raises:
      ValueError: a parameter is out of its range, or there are not `dim` curvatures.
    """
    require_range("amplitude", amplitude, 0.0, np.inf, "an amplitude")
    require_positive("period", period, "a length")
    _require_choice("sees", sees, Sees)
    _require_choice("counts", counts, Counts)
    trend = sphere(dim) if curvatures is None else quadratic(curvatures)
    if trend.dim != dim:
        raise ValueError(f"`curvatures` holds {trend.dim} numbers for `dim` {dim}: pass one each")

    def whole(x):
        # 1 - cos(2y) = 2 sin(y)^2, which does not cancel near the optimum.
        return trend.loss(x) + 2.0 * amplitude * jnp.sum(jnp.sin(jnp.pi * x / period) ** 2)

    slope = jax.grad(trend.loss if sees == "trend" else whole)
    if counts == "trend":
        return trend._replace(gradient=slope, shown=whole)
    return trend._replace(loss=whole, gradient=slope)


def plateau(dim: int, levels: int, *, sees: Sees = "trend") -> Landscape:
    """A sphere whose loss is rounded to multiples of `1 / levels`, as counted errors are.

    Terraces have the optimum's inside them: the loss is 0 within `|x|^2 < 1 / levels`. A start has
    loss 1.

    Args:
      dim: number of coordinates, at least 2.
      levels: terraces between the start and the optimum, at least 1.
      sees: what the reasoner sees: the gradient of the "trend" under the terraces, or the local
        "slope", which is 0.

    Raises:
      ValueError: a parameter is out of its range.
    """
    levels = require_count("levels", levels, 1, "they lie between the start and the optimum")
    _require_choice("sees", sees, Sees)
    trend = sphere(dim)

    def loss(x):
        return jnp.round(trend.loss(x) * levels) / levels

    slope = jax.grad(trend.loss) if sees == "trend" else jnp.zeros_like
    return trend._replace(loss=loss, gradient=slope)


def _require_choice(name: str, value: str, choices) -> None:
    if value not in choices.__args__:
        allowed = " or ".join(f'"{choice}"' for choice in choices.__args__)
        raise ValueError(f"`{name}` is {value!r}: pass {allowed}")
