"""Evaluators: what running a candidate shows of its true loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from optimizers import Operator
from simulators.oracles import is_zero


class Measurement(NamedTuple):
    """Score (higher is better) with its standard error, and whether the candidate ran."""

    score: Float[Array, ""]
    stderr: Float[Array, ""]
    valid: Bool[Array, ""]


class Evaluator(NamedTuple):
    """Measures a candidate that an operator made."""

    measure: Callable[[Key[Array, ""], Float[Array, ""], Int[Array, ""]], Measurement]


def noisy_evaluator(
    score_noise: float | Float[Array, ""] = 0.0,
    *,
    relative: bool = False,
    crash_rate: float | Float[Array, ""] = 0.0,
    repair_rate: float | Float[Array, ""] = 0.5,
) -> Evaluator:
    """Minus the loss plus Gaussian noise; some candidates crash.

    Args:
      score_noise: standard deviation of one score; known to the gate as its standard error.
      relative: whether that is in units of the candidate's loss.
      crash_rate: probability that a candidate does not run.
      repair_rate: probability that DEBUG makes a crashed candidate run.
    """

    def measure(key, loss, operator):
        key_noise, key_crash = jax.random.split(key)
        stderr = jnp.asarray(score_noise * (loss if relative else 1.0), jnp.float32)
        score, valid = -loss, jnp.ones((), bool)
        if not is_zero(score_noise):
            score += stderr * jax.random.normal(key_noise)
        if not is_zero(crash_rate):
            runs = jnp.where(operator == Operator.DEBUG, repair_rate, 1.0 - crash_rate)
            valid = jax.random.uniform(key_crash) < runs
        return Measurement(score, stderr, valid)

    return Evaluator(measure)
