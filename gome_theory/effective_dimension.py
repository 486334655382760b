"""Effective dimension: on an ill-conditioned problem search pays for every direction.

Quadratic f with Hessian H at a point with gradient g, n = -g/|g|, lambda_g = n'Hn. A step tau u
gains tau |g| <n, u> - tau^2 u'Hu / 2. An isotropic direction pays the mean curvature tr H / d, the
true direction pays lambda_g: the problem has d_eff = tr H / lambda_g directions' worth of curvature
per unit of the gradient's own.

    directed, ungated:  |g|^2 rho^2 / (2 (rho^2 lambda_g + q^2 tr H / d))      [exact]
    gated (and search): |g|^2 psi_g(r) / (2 tr H),  r = rho sqrt(d)            [asymptotic]

The second needs many directions that share the curvature (participation tr(H)^2 / tr(H^2) large)
and r^2 << d_eff. Gated against gated therefore crosses at the r* of the sphere; ungated against
search crosses at a higher alignment where d_eff < d (the gradient points up the steep walls), a
lower one where d_eff > d, or never (`anisotropic_vs_hill_climb`).

Not covered: preconditioned proposals, gradients that change direction along the run.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._ranges import domain
from gome_theory._regime import warn_outside_regime
from gome_theory.gradient_rate import Values
from gome_theory.reliability import scaled
from gome_theory.scaled_rate import psi_g

_SMALLEST_PARTICIPATION = 10.0


class Curvature(NamedTuple):
    """What the laws need to know of a quadratic at a point; build it with `curvature_of`.

    Attributes:
        gradient_norm: |g|.
        along_gradient: lambda_g = g'Hg / |g|^2.
        trace: tr H.
        dim: d.
        participation: tr(H)^2 / tr(H^2), the number of directions that share the curvature.
    """

    gradient_norm: Values
    along_gradient: Values
    trace: Values
    dim: Values
    participation: Values = np.inf


@domain()
def curvature_of(eigenvalues: npt.ArrayLike, gradient: npt.ArrayLike) -> Curvature:
    """Summarise a quadratic from the eigenvalues of H and the gradient in its eigenbasis [exact].

    Args:
        eigenvalues: Positive eigenvalues of H, last axis.
        gradient: Gradient in the eigenbasis, same shape.

    Returns:
        The record.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> value = curvature_of([1.0, 0.1, 2.0], gradient=[1.0, 0.0, -2.0]).gradient_norm
        >>> print(round(float(value), 4))
        2.2361
    """
    h = np.asarray(eigenvalues, float)
    squared = np.square(np.asarray(gradient, float))
    total = squared.sum(-1)
    return Curvature(
        np.sqrt(total)[()],
        ((h * squared).sum(-1) / total)[()],
        h.sum(-1)[()],
        float(h.shape[-1]),
        (h.sum(-1) ** 2 / (h**2).sum(-1))[()],
    )


@domain()
def effective_dimension(curvature: Curvature) -> Values:
    """d_eff = tr H / lambda_g [definition].

    It is d on the sphere, and small where the gradient points up a steep valley.

    Args:
        curvature: The point.

    Returns:
        d_eff.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> steep = curvature_of([1.0] + [0.01] * 99, [1.0] + [0.0] * 99)
        >>> print(round(effective_dimension(steep), 2))
        1.99
    """
    return (np.asarray(curvature.trace, float) / curvature.along_gradient)[()]


@domain()
def anisotropic_ungated_gain(alignment: npt.ArrayLike, curvature: Curvature) -> Values:
    """Best absolute mean gain of an ungated step of fixed length [exact].

    E u'Hu = rho^2 lambda_g + q^2 tr H / d, because the cross term has mean 0.

    Args:
        alignment: rho.
        curvature: The point.

    Returns:
        Decrease of f; 0 where rho <= 0 (no step).

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> valley = curvature_of([1.0] * 20 + [0.1] * 80, [1.0] * 100)
        >>> print(round(float(anisotropic_ungated_gain(0.3, valley)), 3))
        16.071
    """
    rho = np.maximum(np.asarray(alignment, float), 0.0)
    mean = np.asarray(curvature.trace, float) / curvature.dim
    paid = rho**2 * curvature.along_gradient + (1.0 - rho**2) * mean
    return (np.square(curvature.gradient_norm) * rho**2 / (2.0 * paid))[()]


@domain()
def anisotropic_gated_gain(alignment: npt.ArrayLike, curvature: Curvature) -> Values:
    """Best absolute mean gain of a gated step; at rho = 0 that of hill climbing [asymptotic].

    Args:
        alignment: rho with rho^2 d << d_eff.
        curvature: The point; warns where fewer than 10 directions share the curvature.

    Returns:
        Decrease of f: |g|^2 psi_g(rho sqrt(d)) / (2 tr H).

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> valley = curvature_of([1.0] * 20 + [0.1] * 80, [1.0] * 100)
        >>> print(round(float(anisotropic_gated_gain(0.0, valley)), 3))   # hill climbing
        0.723
    """
    warn_few_directions(curvature)
    progress = np.asarray(psi_g(scaled(alignment, curvature.dim)))
    return (np.square(curvature.gradient_norm) * progress / (2.0 * curvature.trace))[()]


def warn_few_directions(curvature: Curvature) -> None:
    """Warn where too few directions share the curvature for a random one to pay its mean.

    Args:
        curvature: The point.
    """
    smallest = float(np.min(curvature.participation))
    if smallest < _SMALLEST_PARTICIPATION:
        warn_outside_regime(
            f"`curvature.participation` = {smallest:.3g}: so few directions carry the curvature "
            "that a random direction's cost is not close to its mean. Read it as an estimate."
        )
