"""Selectors: which of the evaluated candidates to submit at the end.

The score that made a candidate look best overstates it (optimizer's curse), the more the noisier
scores are and the more candidates there were. The selectors here differ in what they trust instead.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from optimizers.base import History, Selector


def ranking(selector: Selector, history: History, places: int = 1) -> Int[Array, " places"]:
    """The candidates that a selector puts first, best first, the earliest of equals.

    Args:
      selector: its `rank` is asked; candidates that are not valid, or without a value, never count.
      history: every evaluated candidate.
      places: how many are wanted.

    Returns:
      Indices; -1 in the places that no valid candidate takes.

    Raises:
      ValueError: the selector needs scores that the history does not have.
    """
    value = selector.rank(history)
    eligible = history.valid & ~jnp.isnan(value)
    taken = min(places, value.shape[0])
    _, first = jax.lax.top_k(jnp.where(eligible, value, -jnp.inf), taken)
    first = jnp.where(jnp.arange(taken) < eligible.sum(), first, -1).astype(jnp.int32)
    return jnp.pad(first, (0, places - taken), constant_values=-1)


def choose(selector: Selector, history: History) -> Int[Array, ""]:
    """The candidate that a selector puts first; -1 if none is valid."""
    return ranking(selector, history)[0]


def best() -> Selector:
    """The highest score."""
    return Selector(lambda history: history.score)


def lower_bound(z: float = 2.0) -> Selector:
    """The highest lower confidence bound: score minus `z` standard errors.

    Where every score has the same standard error that is `best`.

    Args:
      z: standard errors.

    Raises:
      ValueError: `z` is negative or not a number.
    """
    if not z >= 0.0:
        raise ValueError(f"`z` must not be negative, got {z}")
    return Selector(lambda history: history.score - z * history.stderr)


def maximin() -> Selector:
    """The highest score on its worst fold. Needs fold scores."""
    return Selector(lambda history: _folds(history, "maximin").min(axis=-1))


def maximin_of_elite(size: int = 3, share: float = 0.05, spread: float = 2.0) -> Selector:
    """The highest worst fold among the few candidates with the highest scores.

    The elite: the `size` best scores, of those only the ones within `share` of the best score's
    size and within `spread` standard errors of it. Needs fold scores.

    Args:
      size: most candidates.
      share: of the absolute best score.
      spread: in standard errors of the best candidate.

    Raises:
      ValueError: `size` is not positive, or another number is negative.
    """
    _require_positive("size", size)
    if not (share >= 0.0 and spread >= 0.0):
        raise ValueError(f"`share` and `spread` must not be negative, got {share} and {spread}")

    def rank(history: History) -> Float[Array, " steps"]:
        worst = _folds(history, "maximin_of_elite").min(axis=-1)
        first = ranking(best(), history, size)
        leader = first[0]
        behind = history.score[leader] - history.score
        close = behind <= share * jnp.abs(history.score[leader])
        close &= behind <= spread * history.stderr[leader]
        close |= jnp.arange(behind.shape[0]) == leader
        in_elite = jnp.isin(jnp.arange(behind.shape[0]), first) & close
        return jnp.where(in_elite, worst, jnp.nan)

    return Selector(rank)


def revalidated(candidates: int = 5) -> Selector:
    """The best by a fresh measurement of those with the highest scores.

    The fresh measurement did not choose them, so that its winner's curse is that of few candidates
    and not of all. It costs so many evaluations beyond the search; the driver makes them.

    Args:
      candidates: how many are measured again.

    Raises:
      ValueError: `candidates` is not positive.
    """
    _require_positive("candidates", candidates)
    return best()._replace(revalidates=candidates)


def ensemble(members: int = 6) -> Selector:
    """The average of the predictions of those with the highest scores.

    Args:
      members: most candidates; fewer if fewer are valid.

    Raises:
      ValueError: `members` is not positive.
    """
    _require_positive("members", members)
    return best()._replace(averages=members)


def oracle_on_test() -> Selector:
    """The highest held-out score: what a perfect selector would submit. FOR REPORTS ONLY.

    Its result is not that of an agent: it reads the answers. No driver lets it decide a submission.
    """
    return Selector(_test, reads_test=True)


def _test(history: History) -> Float[Array, " steps"]:
    if history.test is None:
        raise ValueError(
            "`oracle_on_test` reads held-out scores, which no run has: use it on a finished one"
        )
    return history.test


def _folds(history: History, name: str) -> Float[Array, "steps folds"]:
    if history.folds is None:
        raise ValueError(
            f"`{name}` compares fold scores and this history has none: every candidate must report "
            "the same number of folds; in a simulation, use `noisy_evaluator(folds=5)`"
        )
    return history.folds


def _require_positive(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"`{name}` must be positive, got {value}")
