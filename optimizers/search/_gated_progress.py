r"""Gated progress in closed form, from what a run can see of its steps.

In large dimension the measured gain of a step is normal. If a share p of the steps improves and
their root mean square is q, the mean gain is u w with u = Phi^-1(p) and the standard deviation
w = q / sqrt(1 + u^2). If nu is the share of w^2 that is measurement noise, then what a gate with
threshold 0 lets through is truly worth, per step,

.. math:: w [u \Phi(u) + (1 - \nu) \phi(u)],

the second term being what is left of selection when the winner's curse is taken off. The tests
hold this against the laws of `gome_theory`, which this package does not import.

Not covered: gains against a stored score that was chosen for being high look worse than they are.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import norm
from jaxtyping import Array, Float

_SMALLEST = 1e-6
"""Progress below it, in units of w, is not told apart: a gate that noise has stalled."""


def log_progress(
    improved: Float[Array, "*sides"],
    rms: Float[Array, "*sides"],
    noise_share: Float[Array, "*sides"],
) -> Float[Array, "*sides"]:
    """Logarithm of the true gain per step behind a gate with threshold 0.

    Args:
      improved: p, share of the steps whose measured gain is positive, in (0, 1).
      rms: q, root mean square of the measured gains.
      noise_share: nu, in [0, 1].
    """
    u = ndtri(improved)
    spread = rms / jnp.sqrt(1.0 + u**2)
    return jnp.log(spread * jnp.maximum(_per_spread(u, noise_share), _SMALLEST))


def log_progress_variance(
    improved: Float[Array, "*sides"],
    noise_share: Float[Array, "*sides"],
    steps: Float[Array, "*sides"],
) -> Float[Array, "*sides"]:
    """Variance of `log_progress` as estimated from so many independent steps, to first order.

    Args:
      improved: p.
      noise_share: nu, taken for known.
      steps: number of steps, or what they are worth.
    """
    u = ndtri(improved)
    density = norm.pdf(u)
    slope = (improved + noise_share * u * density) / jnp.maximum(
        _per_spread(u, noise_share), _SMALLEST
    ) - u / (1.0 + u**2)
    of_rate = slope**2 * improved * (1.0 - improved) / density**2
    of_rms = (2.0 + 4.0 * u**2) / (1.0 + u**2) ** 2 / 4.0
    together = slope * u / (1.0 + u**2)  # What improves is large, if u > 0.
    return (of_rate + of_rms + together) / steps


def locally_optimal_rms(improved: Float[Array, "*sides"]) -> Float[Array, "*sides"]:
    """Root mean square gain of steps of the best size, of which a share p improves.

    Their scaled size is alpha = 2 (u + phi(u) / Phi(u)), their spread 2 alpha; in units of the
    suboptimality over the dimension.
    """
    u = ndtri(improved)
    alpha = 2.0 * (u + norm.pdf(u) / improved)
    return 2.0 * alpha * jnp.sqrt(1.0 + u**2)


def _per_spread(u, noise_share):
    return u * ndtr(u) + (1.0 - noise_share) * norm.pdf(u)
