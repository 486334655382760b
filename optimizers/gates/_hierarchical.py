"""Scores decide where they can; a comparison of the two candidates decides a tie."""

from __future__ import annotations

import jax.numpy as jnp

from optimizers.base import Gate
from optimizers.gates._beyond_noise import improved_beyond_noise
from optimizers.gates._student import normal_quantile_for_t


def hierarchical(z: float = 1.0, folds: int | None = None, gate: Gate | None = None) -> Gate:
    """Accept by score unless the scores are a statistical tie; then accept what is preferred.

    A tie is `|gain| <= z * gain_stderr` with `gain_stderr > 0`. In a tie `Observation.preferred`
    decides (not told: reject), otherwise `gate` does. Hierarchical validation of the paper (arXiv
    2603.01692) with the order kept and the judge confined: there a language model reads the scores
    and says whether they are similar; here it is asked only after the numbers have said so.

    With the default `gate` that is: gains beyond the noise are accepted, losses beyond the noise
    rejected, whatever anyone prefers. If nobody ever prefers the candidate it is
    `improved_beyond_noise(z)`. On a candidate that is truly no better, with Gaussian noise of known
    size, the false-accept rate is `1 - Phi(z) + q (2 Phi(z) - 1)` if a tie is won with probability
    q: between 0.16 and 0.84 at z = 1.

    Args:
      z: half-width of a tie, in standard errors of the gain.
      folds: number of (paired) folds that `gain_stderr` was estimated from; `z` is then replaced by
        the quantile of Student's t, as in `improved_beyond_noise`. `None`: it is known.
      gate: decides what is no tie; `improved_beyond_noise(z, folds=folds)` if not given. One that
        measures again does so first: a tie is what is left.

    Raises:
      TypeError: `gate` is no gate.
      ValueError: `z` is negative, or `folds` is less than 2.
    """
    # A traced width (a sweep over z) cannot be checked.
    if isinstance(z, (int, float)) and not z >= 0:
        raise ValueError(f"`z` is the half-width of a tie and must not be negative, got {z}")
    if gate is not None and not isinstance(gate, Gate):
        raise TypeError(f"`gate` must be a `Gate`, such as `sequential_test()`, got {gate!r}")
    width = normal_quantile_for_t(z, folds)
    inner = gate or improved_beyond_noise(z, folds=folds)

    def tied(state, observation):
        del state
        gain, stderr = observation.gain, observation.gain_stderr
        return (stderr > 0) & (jnp.abs(gain) <= width * stderr)

    def decide(state, observation):
        by_score, after = inner.decide(state, observation)
        preferred = False if observation.preferred is None else observation.preferred
        return jnp.where(tied(state, observation), preferred, by_score), after

    return inner._replace(decide=decide, tied=tied)
