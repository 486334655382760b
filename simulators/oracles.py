"""Oracles: reasoners that point roughly downhill, as defined by `gome_theory.Reliability`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gome_theory import Reliability

Vector = Float[Array, " dim"]


class Oracle(NamedTuple):
    """Answers a true gradient with an estimate of it, in the sign of a gradient."""

    diagnose: Callable[[Key[Array, ""], Vector], Vector]


def noisy_oracle(reliability: Reliability, scale: float | Float[Array, ""] = 1.0) -> Oracle:
    r"""A reasoner of given alignment that sometimes hallucinates.

    With `n` the unit descent direction, the diagnosed direction is

    .. math:: u = \rho n + \sqrt{1-\rho^2}\, w, \qquad w \sim U(S^{d-1}),

    where rho is replaced by `hallucination_alignment` with probability `hallucination`. The
    estimate returned is `-scale |g| u`: a reasoner knows how severe things are, not where to go.

    Args:
      reliability: alignment, hallucination; its score noise belongs to the evaluator.
      scale: factor on the length; the step size when the answer is used as a move.
    """

    def diagnose(key, gradient):
        key_error, key_hallucination = jax.random.split(key)
        norm = jnp.linalg.norm(gradient)
        descent = -gradient / jnp.where(norm > 0, norm, 1.0)
        error = jax.random.normal(key_error, gradient.shape)
        error = error / jnp.linalg.norm(error)
        rho = reliability.alignment
        if not is_zero(reliability.hallucination):
            hallucinates = jax.random.uniform(key_hallucination) < reliability.hallucination
            rho = jnp.where(hallucinates, reliability.hallucination_alignment, rho)
        direction = rho * descent + jnp.sqrt(1.0 - rho**2) * error
        return -scale * norm * direction

    return Oracle(diagnose)


def is_zero(rate: object) -> bool:
    """Whether a rate is the constant 0: then nothing is drawn for it, which compiles faster."""
    return isinstance(rate, int | float) and rate == 0
