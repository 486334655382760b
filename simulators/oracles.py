"""Oracles: reasoners that point roughly downhill, as defined by `gome_theory.Reliability`.

An oracle is two functions. `bias` draws, once a trace, what will be wrong with its answers in the
same way every time; `diagnose` answers a situation. Answers have the sign of a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jaxtyping import Array, Bool, Float, Key

from gome_theory import Reliability, validate
from simulators._ranges import require_range

Vector = Float[Array, " dim"]
Rate = float | Float[Array, ""]

# Folded into a key that the error is drawn from directly: numbers beyond any component's.
_HALLUCINATION = 2**32 - 1
_MALFORMED = 2**32 - 2


class Situation(NamedTuple):
    """What an oracle is asked about."""

    params: Vector
    gradient: Vector
    """The true one, which an oracle answers with an estimate of."""
    edits: Vector | None = None
    """In discrete worlds: the sign of each edit that is possible here, 0 where there is none."""


class Diagnosis(NamedTuple):
    """An estimate of the gradient."""

    direction: Vector
    usable: Bool[Array, ""] | None = None
    """False for a malformed reply, of which nothing can be learned; None if there are none."""


def _unbiased(common: Key[Array, ""], own: Key[Array, ""], dim: int) -> tuple[()]:
    del common, own, dim
    return ()


class Oracle(NamedTuple):
    """A reasoner."""

    diagnose: Callable[[Key[Array, ""], Any, Situation], Diagnosis]
    """`(key, bias, situation) -> diagnosis`."""
    bias: Callable[[Key[Array, ""], Key[Array, ""], int], Any] = _unbiased
    """`(key common to all traces, key of this trace, dim) -> what persists over the trace`."""


def noisy_oracle(reliability: Reliability, scale: float | Float[Array, ""] = 1.0) -> Oracle:
    r"""A reasoner of given alignment, with persistent errors, hallucinations, malformed replies.

    With `n` the unit descent direction, the diagnosed direction is

    .. math:: u = \rho n + \sqrt{1-\rho^2} (\sqrt{\omega} b + \sqrt{1-\omega} w),
              \qquad w \sim U(S^{d-1}),

    where rho is replaced by `hallucination_alignment` with probability `hallucination`. The
    estimate returned is `-scale |g| u`: a reasoner knows how severe things are, not where to go.

    Args:
      reliability: all but its score noise, which belongs to the evaluator; fields may be traced.
      scale: factor on the length; the step size when the answer is used as a move.

    Raises:
      ValueError: a field of the reliability is out of its range.
    """
    kappa = reliability.shared_bias

    def bias(common, own, dim):
        shared, private = uniform_direction(common, dim), uniform_direction(own, dim)
        return jnp.sqrt(kappa) * shared + jnp.sqrt(1.0 - kappa) * private

    return pointing_oracle(reliability, scale, uniform_direction, bias)


def pointing_oracle(
    reliability: Reliability,
    scale: Rate,
    error: Callable[[Key[Array, ""], int], Vector],
    bias: Callable[[Key[Array, ""], Key[Array, ""], int], Vector],
) -> Oracle:
    """`noisy_oracle` with the fresh error and the bias drawn by the caller.

    Args:
      reliability: all but its score noise.
      scale: factor on the length.
      error: `(key, dim) -> w`, a unit vector.
      bias: `Oracle.bias`; not called for a reasoner without bias.

    Raises:
      ValueError: a field of the reliability is out of its range.
    """
    validate(reliability)
    omega = reliability.bias_share
    biased = not is_constant(omega, 0)

    def diagnose(key, bias, situation):
        norm = jnp.linalg.norm(situation.gradient)
        descent = -situation.gradient / jnp.where(norm > 0, norm, 1.0)
        wrong = error(key, situation.gradient.shape[-1])
        if biased:
            wrong = jnp.sqrt(omega) * bias + jnp.sqrt(1.0 - omega) * wrong
        rho, usable = reliability.alignment, None
        if not is_constant(reliability.hallucination, 0):
            drawn = jax.random.uniform(jax.random.fold_in(key, _HALLUCINATION))
            hallucinates = drawn < reliability.hallucination
            rho = jnp.where(hallucinates, reliability.hallucination_alignment, rho)
        if not is_constant(reliability.malformed, 0):
            drawn = jax.random.uniform(jax.random.fold_in(key, _MALFORMED))
            usable = drawn >= reliability.malformed
        direction = rho * descent + jnp.sqrt(1.0 - rho**2) * wrong
        return Diagnosis(-scale * norm * direction, usable)

    return Oracle(diagnose, bias if biased else _unbiased)


def component_oracle(noise: npt.ArrayLike, *, relative: bool = True) -> Oracle:
    r"""A gradient with noise of its own in every component, `g_i + s_i \xi_i` (heteroscedastic).

    The world of `gome_theory.adaptive`: what normalising each component is good for.

    Args:
      noise: standard deviations `s_i >= 0`, a number or shape `(dim,)`.
      relative: whether they are in units of `|g| / sqrt(dim)`, the root mean square component.

    Raises:
      ValueError: a standard deviation is negative or not a number.
    """
    scales = np.asarray(noise, np.float32)
    require_range("noise", scales, 0.0, np.inf, "a standard deviation")

    def diagnose(key, bias, situation):
        del bias
        gradient = situation.gradient
        dim = gradient.shape[-1]
        unit = jnp.linalg.norm(gradient) / np.sqrt(dim) if relative else 1.0
        return Diagnosis(gradient + unit * scales * jax.random.normal(key, (dim,)))

    return Oracle(diagnose)


def uniform_direction(key: Key[Array, ""], dim: int) -> Vector:
    """A vector that is uniform on the unit sphere."""
    direction = jax.random.normal(key, (dim,))
    return direction / jnp.linalg.norm(direction)


def is_constant(rate: object, value: float) -> bool:
    """Whether a rate is known to be this number: then nothing is drawn, which compiles faster."""
    return isinstance(rate, int | float) and rate == value
