"""Evaluators: what running a candidate shows of its true loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from optimizers import Operator
from simulators._ranges import require_range
from simulators.oracles import Rate, is_constant

# Folded into the key of a measurement, from which its noise is drawn directly.
_CRASH = 2**32 - 1
_LEAK = 2**32 - 2


class Measurement(NamedTuple):
    """Score (higher is better) with its standard error, and whether the candidate ran."""

    score: Float[Array, ""]
    stderr: Float[Array, ""]
    valid: Bool[Array, ""]
    folds: Float[Array, " folds"] | None = None
    """Scores on parts of the validation data, whose mean is the score."""


class Evaluator(NamedTuple):
    """Measures a candidate that an operator made."""

    measure: Callable[[Key[Array, ""], Float[Array, ""], Int[Array, ""]], Measurement]
    """`(key, true loss, operator) -> measurement`."""
    remeasures: bool = False
    """Whether the parent is scored afresh beside every candidate (two evaluations a step) instead
    of being remembered by its stored score."""
    judge: Callable[[Key[Array, ""], Float[Array, ""]], Float[Array, ""]] | None = None
    """`(key, true gain) -> the gain that the gate is told`, in place of a difference of scores."""
    folds: int = 0
    """How many fold scores a measurement of a candidate has."""


def noisy_evaluator(
    score_noise: Rate = 0.0,
    *,
    relative: bool = False,
    crash_rate: Rate = 0.0,
    repair_rate: Rate = 0.5,
    remeasures: bool = False,
    optimism: Rate = 0.0,
    leak_rate: Rate = 0.0,
    leak: Rate = 1.0,
    folds: int = 0,
) -> Evaluator:
    """Minus the loss plus Gaussian noise; some candidates crash, some leak.

    Args:
      score_noise: standard deviation of one score; known to the gate as its standard error.
      relative: whether that is in units of the candidate's loss.
      crash_rate: probability that a candidate does not run.
      repair_rate: probability that DEBUG makes a crashed candidate run.
      remeasures: score the parent afresh beside every candidate.
      optimism: share of the true loss that validation does not show; scores are
        `-(1 - optimism) loss`, gains shrink with them.
      leak_rate: probability that a measurement leaks; measuring again draws again.
      leak: how much better a leaking score looks, in units of the candidate's loss.
      folds: how many fold scores are told beside the score, which is their mean.

    Raises:
      ValueError: `folds` is negative, or a rate known beforehand is out of its range.
    """
    require_range("score_noise", score_noise, 0.0, np.inf, "a standard deviation")
    require_range("crash_rate", crash_rate, 0.0, 1.0, "a probability")
    require_range("repair_rate", repair_rate, 0.0, 1.0, "a probability")
    require_range("optimism", optimism, 0.0, 1.0, "a share of the loss")
    require_range("leak_rate", leak_rate, 0.0, 1.0, "a probability")
    require_range("leak", leak, 0.0, np.inf, "an advantage")
    require_range("folds", folds, 0, np.inf, "a number of folds")

    def measure(key, loss, operator):
        stderr = jnp.asarray(score_noise * (loss if relative else 1.0), jnp.float32)
        score, valid = -loss, jnp.ones((), bool)
        if not is_constant(optimism, 0):
            score *= 1.0 - optimism
        if not is_constant(score_noise, 0):
            score += stderr * jax.random.normal(key)
        if not is_constant(leak_rate, 0):
            leaks = jax.random.uniform(jax.random.fold_in(key, _LEAK)) < leak_rate
            score += jnp.where(leaks, leak * loss, 0.0)
        if not is_constant(crash_rate, 0):
            runs = jnp.where(operator == Operator.DEBUG, repair_rate, 1.0 - crash_rate)
            valid = jax.random.uniform(jax.random.fold_in(key, _CRASH)) < runs
        return Measurement(score, stderr, valid)

    return Evaluator(measure, remeasures, folds=folds)


def fold_scores(
    key: Key[Array, ""], measured: Measurement, losses: Float[Array, " folds"]
) -> Float[Array, " folds"]:
    """Scores of a measurement's folds, given its mean.

    Independent errors of the folds with a mean of standard error s have deviations from that mean
    of `s sqrt(folds)` each before centring, whatever the mean is: they are drawn after it.

    Args:
      key: for the deviations.
      measured: score and standard error of the mean.
      losses: true loss on each fold.
    """
    spread = measured.stderr * jnp.sqrt(losses.shape[-1])
    deviation = spread * jax.random.normal(key, losses.shape) - losses
    return measured.score + deviation - deviation.mean()


def erring_judge(false_accept: Rate = 0.0, false_reject: Rate = 0.0) -> Evaluator:
    """Exact scores, but whether a step improves is judged with errors (FA, FR).

    A judge that compares two pieces of work without a number. What the gate is told has the size of
    the true gain and, with these probabilities, the wrong sign; a change that gains exactly nothing
    and is wrongly accepted is told as the smallest positive number.

    Args:
      false_accept: probability that a step that does not improve is told to improve.
      false_reject: probability that an improvement is told not to be one.

    Raises:
      ValueError: a rate known beforehand is not a probability.
    """
    require_range("false_accept", false_accept, 0.0, 1.0, "a probability")
    require_range("false_reject", false_reject, 0.0, 1.0, "a probability")

    def judge(key, gain):
        improves = gain > 0
        errs = jax.random.uniform(key) < jnp.where(improves, false_reject, false_accept)
        size = jnp.maximum(jnp.abs(gain), jnp.finfo(jnp.float32).tiny)
        return jnp.where(improves ^ errs, size, -size)

    return noisy_evaluator()._replace(judge=judge)
