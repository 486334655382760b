"""What may be said of two strategies after a few paired runs.

Runs are pairs: run i of every strategy has the same start and the same luck. Values are
higher-is-better utilities. What is resampled are pairs, as in Agarwal et al., "Deep Reinforcement
Learning at the Edge of the Statistical Precipice" (NeurIPS 2021), whose probability of improvement
compares all pairs of runs; here runs are paired by design, and only pairs are compared.

Runs of several tasks: `over_tasks` draws tasks again, so that it speaks of tasks like these;
`experiments.studies.leads` resamples within tasks, and speaks of these tasks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

LEVEL = 0.95
RESAMPLES = 9999


class Interval(NamedTuple):
    """An estimate with the ends of its confidence interval, at LEVEL."""

    value: float
    low: float
    high: float


def wins(a: npt.ArrayLike, b: npt.ArrayLike) -> np.ndarray:
    """1 where a is better than b, 1/2 where they tie, 0 where it is worse; shape `(runs,)`."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return np.where(a > b, 1.0, np.where(a < b, 0.0, 0.5))


def mean(values: npt.ArrayLike, seed: int = 0) -> Interval:
    """Mean over runs with its percentile bootstrap interval."""
    return _bootstrap(np.asarray(values, float), seed)


def mean_difference(a: npt.ArrayLike, b: npt.ArrayLike, seed: int = 0) -> Interval:
    """Mean of a - b over pairs with its percentile bootstrap interval."""
    return _bootstrap(np.asarray(a, float) - np.asarray(b, float), seed)


def probability_of_improvement(a: npt.ArrayLike, b: npt.ArrayLike, seed: int = 0) -> Interval:
    """Probability that a is better than b in the same run; ties count half.

    The interval is the percentile bootstrap's. Where all pairs agree resampling them shows no
    spread, however few they are, and the exact interval of Clopper and Pearson (1934) is given.
    """
    won = wins(a, b)
    if (won == 1.0).all() or (won == 0.0).all():
        return share(int(won.sum()), won.size, method="exact")
    return _bootstrap(won, seed)


def over_tasks(values: npt.ArrayLike, seed: int = 0) -> Interval:
    """Mean of values, one a task, with the percentile bootstrap interval over tasks.

    Values that are all alike show no spread, however few they are: the ends are NaN, or for shares
    that are all 0 or all 1 those of `share(method="exact")`.
    """
    values = np.asarray(values, float)
    if np.unique(values).size > 1:
        return _bootstrap(values, seed)
    if values[0] in (0.0, 1.0):
        return share(int(values.sum()), values.size, method="exact")
    return Interval(float(values[0]), np.nan, np.nan)


def sign_test(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Exact two-sided p-value of "either is better equally often"; ties tell nothing."""
    won = wins(a, b)
    decided = int((won != 0.5).sum())
    if decided == 0:
        return 1.0
    return float(stats.binomtest(int((won == 1.0).sum()), decided).pvalue)


def holm(p_values: npt.ArrayLike) -> np.ndarray:
    """P-values adjusted for their number: Holm (1979), which keeps the family-wise error.

    Returns:
      Adjusted values in the order given; reject what is below the level.

    Example:
      >>> holm([0.01, 0.04, 0.03]).tolist()
      [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p)
    scaled = p[order] * np.arange(p.size, 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def share(successes: int, trials: int, method: str = "wilson") -> Interval:
    """A share with its score interval (Wilson 1927) or the "exact" one."""
    found = stats.binomtest(successes, trials).proportion_ci(LEVEL, method=method)
    return Interval(successes / trials, float(found.low), float(found.high))


def area(x: npt.ArrayLike, y: npt.ArrayLike, start: float, end: float) -> float:
    """Mean height of a step function over `(0, end)`: area under the curve by its width.

    Args:
      x: where the height changes, non-decreasing.
      y: height from there on.
      start: height before the first of them.
      end: right end, positive.
    """
    inside = np.clip(np.concatenate([[0.0], np.asarray(x, float), [end]]), 0.0, end)
    heights = np.concatenate([[start], np.asarray(y, float)])
    return float(heights @ np.diff(inside) / end)


def at(x: npt.ArrayLike, y: npt.ArrayLike, start: float, where: npt.ArrayLike) -> np.ndarray:
    """Height of the same step function at some places."""
    heights = np.concatenate([[start], np.asarray(y, float)])
    return heights[np.searchsorted(np.asarray(x, float), where, side="right")]


def band(curves: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of curves, shape `(runs, places)`, and its pointwise percentile bootstrap interval."""
    runs = curves.shape[0]
    draws = np.random.default_rng(seed).multinomial(runs, np.full(runs, 1 / runs), 2000)
    low, high = np.quantile(draws @ curves / runs, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return curves.mean(axis=0), low, high


def _bootstrap(values: np.ndarray, seed: int) -> Interval:
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, 10**6 // values.size),
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(values.mean()), float(found.low), float(found.high))
