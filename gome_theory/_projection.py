"""The projection of a uniform random direction: one distribution that every finite-d law needs.

If ``w`` is uniform on the unit sphere of R^d, its component along any fixed axis has density
proportional to ``(1 - x^2)^((d - 3) / 2)`` on [-1, 1]; equivalently ``(1 + x) / 2`` is
Beta((d-1)/2, (d-1)/2) distributed. ``dim`` may be any real number >= 2 (an effective dimension).

Integrals use one fixed Gauss-Legendre rule in the angle ``acos(x)``, on the window that carries the
mass. Not covered: d < 2, where the projection is not a density.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import special

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(80)
_NEGLIGIBLE = 1e-17
_ALMOST_ONE = 1.0 - 1e-16


def tail_probability(x: npt.ArrayLike, dim: npt.ArrayLike) -> np.ndarray:
    """P(projection > x), the regularised incomplete beta function [exact]."""
    half = (np.asarray(dim, float) - 1.0) / 2.0
    return special.betainc(half, half, np.clip((1.0 - np.asarray(x, float)) / 2.0, 0.0, 1.0))


def tail_quantile(tail: npt.ArrayLike, dim: npt.ArrayLike) -> np.ndarray:
    """The x with P(projection > x) = tail [exact]."""
    half = (np.asarray(dim, float) - 1.0) / 2.0
    return 1.0 - 2.0 * special.betaincinv(half, half, np.asarray(tail, float))


def tail_mean(x: npt.ArrayLike, dim: npt.ArrayLike) -> np.ndarray:
    """E[projection; projection > x] = (1-x^2)^((d-1)/2) / ((d-1) B(1/2, (d-1)/2)) [exact]."""
    half = (np.asarray(dim, float) - 1.0) / 2.0
    inside = np.maximum(1.0 - np.square(x), 0.0)
    return inside**half / (2.0 * half * special.beta(0.5, half))


def expectation_above(
    values: Callable[[np.ndarray], np.ndarray], threshold: npt.ArrayLike, dim: npt.ArrayLike
) -> np.ndarray:
    """E[values(w); w > threshold] for the projection w of a uniform direction [exact, quadrature].

    Args:
        values: Smooth function of w; receives and returns arrays with one extra trailing axis.
        threshold: Lower end in [-1, 1]; -1 gives the plain expectation.
        dim: Dimension d >= 2, broadcast against ``threshold``.

    Returns:
        The integral, in the broadcast shape of ``threshold`` and ``dim``.
    """
    threshold, dim = np.broadcast_arrays(np.asarray(threshold, float), np.asarray(dim, float))
    # Mass beyond the window is negligible relative to the density at the threshold.
    shrink = _NEGLIGIBLE ** (1.0 / np.maximum(dim - 1.0, 1.0))
    low = np.arcsin(np.sqrt(1.0 - np.square(np.maximum(threshold, 0.0))) * shrink)
    high = np.minimum(np.arccos(threshold), np.pi - np.arcsin(shrink))
    half_width = np.maximum(high - low, 0.0)[..., None] / 2.0
    angle = low[..., None] + half_width * (1.0 + _NODES)
    dim = dim[..., None]
    log_density = special.xlogy(dim - 2.0, np.sin(angle)) - special.betaln(0.5, (dim - 1.0) / 2.0)
    integrand = values(np.cos(angle)) * np.exp(log_density) * half_width
    return integrand @ _WEIGHTS


def integral_of_max_tail(
    values: Callable[[np.ndarray], np.ndarray],
    lower: npt.ArrayLike,
    n: npt.ArrayLike,
    dim: npt.ArrayLike,
) -> np.ndarray:
    """The integral of values(x) P(max of n projections > x) over x from lower to 1.

    With ``values`` the derivative of a function h this is E[h(max) - h(lower); max > lower]
    (integration by parts) [exact, quadrature].

    Args:
        values: Smooth function of x; arrays with one extra trailing axis.
        lower: Lower end in [-1, 1].
        n: Number of independent projections, n >= 1.
        dim: Dimension d >= 2.

    Returns:
        The integral, in the broadcast shape of the arguments.
    """
    lower, n, dim = np.broadcast_arrays(*(np.asarray(v, float) for v in (lower, n, dim)))
    upper = np.maximum(tail_quantile(_NEGLIGIBLE / n, dim), lower)
    first, last = np.arccos(upper)[..., None], np.arccos(lower)[..., None]
    half_width = (last - first) / 2.0
    angle = first + half_width * (1.0 + _NODES)
    x = np.cos(angle)
    tail = np.minimum(tail_probability(x, dim[..., None]), _ALMOST_ONE)
    exceeds = -np.expm1(n[..., None] * np.log1p(-tail))
    return (values(x) * exceeds * np.sin(angle) * half_width) @ _WEIGHTS


def mean_max_squared(n: npt.ArrayLike, dim: npt.ArrayLike) -> np.ndarray:
    """E max of n squared projections; a squared projection is Beta(1/2, (d-1)/2) [exact]."""
    n, dim = np.broadcast_arrays(np.asarray(n, float), np.asarray(dim, float))
    half = (dim - 1.0) / 2.0
    first = np.arcsin(np.sqrt(special.betaincinv(half, 0.5, _NEGLIGIBLE / n)))[..., None]
    half_width = (np.pi / 2.0 - first) / 2.0
    angle = first + half_width * (1.0 + _NODES)
    beyond = np.minimum(special.betainc(half[..., None], 0.5, np.sin(angle) ** 2), _ALMOST_ONE)
    exceeds = -np.expm1(n[..., None] * np.log1p(-beyond))
    return (exceeds * np.sin(2.0 * angle) * half_width) @ _WEIGHTS


def max_window_start(n: npt.ArrayLike, dim: npt.ArrayLike) -> np.ndarray:
    """A point that the maximum of n projections exceeds with probability 1 up to rounding."""
    return tail_quantile(-np.expm1(np.log(_NEGLIGIBLE) / np.asarray(n, float)), dim)
