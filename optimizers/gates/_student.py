"""What a standard error that was itself estimated costs: Student's t in place of the normal."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Float


def check_folds(folds: int | None) -> None:
    """Refuse a number of folds that no standard error can be estimated from.

    Raises:
      ValueError: one fold has no spread.
    """
    if folds is not None and folds < 2:
        raise ValueError(f"`folds` must be at least 2 to estimate a standard error, got {folds}")


def normal_quantile_for_t(z: float, folds: int | None) -> float:
    """The quantile of Student's t whose tail is that of `z` under the normal law.

    Args:
      z: normal quantile.
      folds: number of values the standard error comes from; `None` if it is known.

    >>> round(normal_quantile_for_t(2.0, folds=5), 2)
    2.87
    """
    if folds is None:
        return z
    check_folds(folds)
    from scipy.special import ndtr, stdtrit

    return math.copysign(abs(stdtrit(folds - 1, ndtr(-abs(z)))), z)


def normal_score(
    t: Float[Array, "..."], degrees: Float[Array, "..."] | float
) -> Float[Array, "..."]:
    """A standard normal number with nearly the tail probability of a Student t statistic.

    `z = sign(t) (8 nu + 1) / (8 nu + 3) sqrt(nu log(1 + t^2 / nu))`: Wallace (1959), "Bounds on
    normal approximations to Student's and the chi-square distributions". Increasing in t; for
    |z| <= 4 within 0.07 of the exact value at nu = 4 and 0.02 at nu = 8.

    Args:
      t: a mean over its estimated standard error.
      degrees: degrees of freedom nu of that estimate.
    """
    bend = (8 * degrees + 1) / (8 * degrees + 3)
    return jnp.sign(t) * bend * jnp.sqrt(degrees * jnp.log1p(t**2 / degrees))
