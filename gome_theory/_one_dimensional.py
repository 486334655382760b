"""Vectorised one-dimensional maximisation and root finding, one problem per array element.

The laws need the best step size of many settings at once; a loop over ``scipy.optimize`` scalars
would dominate the run time. Not covered: gradients, more than one variable.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_GRID = 40
_ZOOM_POINTS = 11
_ZOOM_ROUNDS = 11


class Maximum(NamedTuple):
    """Where a function is largest, and how large it is there."""

    argument: np.ndarray
    value: np.ndarray


def maximise(
    objective: Callable[[np.ndarray], np.ndarray], lower: npt.ArrayLike, upper: npt.ArrayLike
) -> Maximum:
    """Maximise over a positive interval: a logarithmic grid, then zooms around the best point.

    The grid finds the right hump where there are two (hallucination mixtures); each zoom shrinks
    the bracket five times, so the argument ends within about 1e-8 of the optimum, relatively.

    Args:
        objective: Maps candidates of shape (..., k) to values of that shape.
        lower: Positive lower ends, shape (...).
        upper: Upper ends, broadcast against ``lower``.

    Returns:
        The best candidate and its value, shape (...).
    """
    lower, upper = np.broadcast_arrays(np.asarray(lower, float), np.asarray(upper, float))
    ratio = (upper / lower)[..., None]
    candidates = lower[..., None] * ratio ** np.linspace(0.0, 1.0, _GRID)
    best = _bracket(candidates, objective(candidates))
    fractions = np.linspace(0.0, 1.0, _ZOOM_POINTS)
    for _ in range(_ZOOM_ROUNDS):
        left, _, right, _ = best
        candidates = left[..., None] + (right - left)[..., None] * fractions
        best = _bracket(candidates, objective(candidates))
    return Maximum(best[1], best[3])


def _bracket(candidates: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, ...]:
    """The best candidate with its two neighbours, and the best value."""
    index = np.argmax(values, axis=-1)[..., None]
    last = candidates.shape[-1] - 1
    picks = (np.maximum(index - 1, 0), index, np.minimum(index + 1, last))
    left, middle, right = (np.take_along_axis(candidates, i, -1)[..., 0] for i in picks)
    return left, middle, right, np.take_along_axis(values, index, -1)[..., 0]


def solve_increasing(
    function: Callable[..., np.ndarray], lower: npt.ArrayLike, upper: npt.ArrayLike, args: tuple
) -> np.ndarray:
    """Roots of increasing functions, by Chandrupatla's bracketing method in SciPy.

    Args:
        function: ``function(x, *args)``, elementwise, with a sign change in the bracket.
        lower: Left ends of the brackets.
        upper: Right ends of the brackets.
        args: Parameters, broadcast against the brackets.

    Returns:
        The roots; NaN where the bracket shows no sign change.
    """
    from scipy.optimize import elementwise  # imported here: it triples the import time

    tolerances = {"xatol": 1e-13, "xrtol": 1e-13}
    result = elementwise.find_root(function, (lower, upper), args=args, tolerances=tolerances)
    return np.where(result.success, result.x, np.nan)
