"""What may be said of the final score, once a search has chosen its best candidate.

The best of many noisy scores overstates the truth even if every score is unbiased: the optimizer's
curse (Smith and Winkler 2006). Two honest ways to report it:

- `fresh`, from measurements of the chosen candidate that the search never saw. Nothing was selected
  on them, so textbook intervals hold. Sharper wherever some of the budget can be kept back.
- `selected`, from the scores the search did see: an interval that covers all compared candidates at
  once and hence whichever was chosen, and a point estimate shrunk towards their mean.

Both run on the host, after a run, in numpy and scipy.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt


class Claim(NamedTuple):
    """A score, and an interval that covers the true one with at least probability `level`."""

    score: float
    low: float
    high: float
    level: float
    method: str

    def __str__(self) -> str:
        return (
            f"{self.score:.4g} [{self.low:.4g}, {self.high:.4g}] "
            f"({self.level:.0%} interval, {self.method})"
        )


def fresh(
    scores: npt.ArrayLike, level: float = 0.95, kind: Literal["mean", "pass_fail"] = "mean"
) -> Claim:
    """The mean of measurements that the search never saw.

    Args:
      scores: independent measurements of the chosen candidate, shape `(n,)`. They must not have
        influenced which candidate was chosen, nor when the search stopped.
      level: of the interval.
      kind: "mean": Student's t interval (1908), exact for normal measurements, needs two;
        "pass_fail": scores are 0 or 1, Clopper-Pearson interval (1934), never below its level.

    Returns:
      The claim.

    Raises:
      ValueError: too few scores, or scores that do not fit `kind`.

    >>> print(fresh([1, 1, 1, 0, 1, 1, 0, 1, 1, 1], kind="pass_fail"))
    0.8 [0.4439, 0.9748] (95% interval, fresh, Clopper-Pearson)
    """
    _check_level(level)
    values = np.asarray(scores, float)
    if kind == "pass_fail":
        if values.size == 0 or not np.isin(values, (0.0, 1.0)).all():
            raise ValueError("`pass_fail` needs scores that are 0 or 1, and at least one of them")
        low, high = clopper_pearson(values.sum(), values.size, level)
        return Claim(float(values.mean()), float(low), float(high), level, "fresh, Clopper-Pearson")
    if kind != "mean":
        raise ValueError(f"`kind` is 'mean' or 'pass_fail', got {kind!r}")
    if values.size < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"a t interval needs at least two finite scores, got {values.size}: measure the "
            "chosen candidate again, or use `selected`"
        )
    from scipy.special import stdtrit

    mean = float(values.mean())
    stderr = values.std(ddof=1) / np.sqrt(values.size)
    half = -stdtrit(values.size - 1, (1 - level) / 2) * stderr
    return Claim(mean, mean - float(half), mean + float(half), level, "fresh, Student t")


def clopper_pearson(
    successes: npt.ArrayLike, trials: npt.ArrayLike, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Exact interval for a rate: Clopper and Pearson (1934), by quantiles of the Beta law.

    Args:
      successes: counts.
      trials: counts, positive; broadcast against `successes`.
      level: the interval covers the rate at least this often.

    Returns:
      Lower and upper ends.
    """
    from scipy.special import betainccinv, betaincinv

    _check_level(level)
    k, n = np.broadcast_arrays(np.asarray(successes, float), np.asarray(trials, float))
    tail = (1 - level) / 2
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, tail), 0.0)
    high = np.where(k < n, betainccinv(k + 1, np.maximum(n - k, 1), tail), 1.0)
    return low, high


def selected(
    scores: npt.ArrayLike,
    stderrs: npt.ArrayLike | None = None,
    chosen: int | None = None,
    level: float = 0.95,
    *,
    items: int | None = None,
    folds: int | None = None,
    compared: int | None = None,
) -> Claim:
    """What the scores that made the choice still allow to be said of the chosen candidate.

    The interval is simultaneous: `score +- c stderr` with `c = Phi^-1((1 + level^(1/N)) / 2)`
    covers all N compared candidates together with probability `level` (Sidak 1967), so it covers
    the chosen one by whatever rule it was chosen. That needs normal errors with known standard
    errors; independence between candidates makes it exact, correlation only makes it wider than
    necessary. For pass rates on few items neither holds (near 0 or 1 the estimated error is far too
    small): give `items`, and Clopper-Pearson intervals of the same joint level take their place.

    The point is the posterior mean under a normal population of true scores, whose mean and
    variance tau^2 are estimated from all candidates (DerSimonian and Laird 1986):

        score_i -> m + tau^2 / (tau^2 + stderr_i^2) (score_i - m)

    the empirical-Bayes answer to selection (Efron 2011, "Tweedie's formula and selection bias"; for
    equal standard errors a James-Stein estimate, 1961), kept inside the interval. It needs
    independent errors, and few candidates estimate tau poorly. One candidate is not shrunk, nor are
    any if some standard error is 0.

    Do not pool repeated measurements whose number depended on their outcome (`sequential_test`):
    stopping on a high mean biases it. Pass one measurement, or use `fresh`.

    Args:
      scores: of every compared candidate, shape `(candidates,)`, as `History.score`. Those that are
        not finite failed and were not compared.
      stderrs: their standard errors; not needed with `items`.
      chosen: index into `scores`; the highest if not given.
      level: of the interval.
      items: if scores are pass rates: on so many items each, independently drawn per candidate.
      folds: number of values that each standard error was estimated from, so that Student's t
        replaces the normal law; `None`: standard errors are known.
      compared: how many candidates there could have been, if the number given depends on how the
        search went (a budget in seconds, say); at least the number given.

    Returns:
      The claim.

    Raises:
      ValueError: nothing to choose from, or arguments that do not fit together.

    >>> claim = selected([0.50, 0.61, 0.44, 0.53], [0.05] * 4)
    >>> print(claim)
    0.565 [0.4855, 0.7345] (95% interval, selected of 4, Sidak)
    """
    _check_level(level)
    score = np.asarray(scores, float)
    stderr = _stderrs(score, stderrs, items)
    finite = np.isfinite(score)
    if not finite.any():
        raise ValueError("no candidate has a finite score: there is nothing to claim")
    if not (np.isfinite(stderr[finite]).all() and (stderr[finite] >= 0).all()):
        raise ValueError("`stderrs` of finite scores must be finite and not negative")
    number = int(finite.sum()) if compared is None else compared
    if number < finite.sum():
        raise ValueError(f"`compared` is {compared}, but {finite.sum()} scores are finite")
    winner = int(np.argmax(np.where(finite, score, -np.inf))) if chosen is None else chosen
    if not (0 <= winner < score.size and finite[winner]):
        raise ValueError(f"`chosen` is {winner}, which is not a candidate with a finite score")

    miss = -np.expm1(np.log(level) / number)  # 1 - level^(1/N), without cancellation for large N
    low, high = _interval(score[winner], stderr[winner], miss, items, folds)
    shrunk = _posterior_means(score[finite], stderr[finite])[finite[:winner].sum()]
    method = f"selected of {number}, Sidak" + (" and Clopper-Pearson" if items else "")
    return Claim(float(np.clip(shrunk, low, high)), low, high, level, method)


def _stderrs(score: np.ndarray, stderrs: npt.ArrayLike | None, items: int | None) -> np.ndarray:
    if (stderrs is None) == (items is None):
        raise ValueError("give `stderrs`, or `items` if scores are pass rates, and not both")
    if items is None:
        return np.broadcast_to(np.asarray(stderrs, float), score.shape)
    passes = score[np.isfinite(score)] * items
    if (np.abs(passes - passes.round()) > 1e-4 * items).any() or not (
        (passes > -0.5) & (passes < items + 0.5)
    ).all():
        raise ValueError(f"`scores` are not pass rates on `items` = {items} items")
    rate = (score * items + 1) / (items + 2)
    return np.sqrt(rate * (1 - rate) / items)


def _interval(
    score: float, stderr: float, miss: float, items: int | None, folds: int | None
) -> tuple[float, float]:
    """Interval that misses the true score of one given candidate with probability `miss`."""
    from scipy.special import ndtri, stdtrit

    if items is not None:
        low, high = clopper_pearson(round(score * items), items, 1 - miss)
        return float(low), float(high)
    if folds is not None and folds < 2:
        raise ValueError(f"`folds` must be at least 2 to estimate a standard error, got {folds}")
    quantile = ndtri(miss / 2) if folds is None else stdtrit(folds - 1, miss / 2)
    half = float(abs(quantile) * stderr)
    return float(score) - half, float(score) + half


def _posterior_means(score: np.ndarray, stderr: np.ndarray) -> np.ndarray:
    """Scores shrunk towards their mean by the estimated share of noise in their spread."""
    if score.size == 1 or (stderr == 0).any():
        # An exactly known score would have all the weight.
        return score
    weight = stderr**-2.0
    mean = np.average(score, weights=weight)
    spread = (weight * (score - mean) ** 2).sum() - (score.size - 1)
    tau2 = max(0.0, spread / (weight.sum() - (weight**2).sum() / weight.sum()))
    mean = np.average(score, weights=1 / (tau2 + stderr**2))
    return mean + tau2 / (tau2 + stderr**2) * (score - mean)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"`level` is a probability between 0 and 1, got {level}")
