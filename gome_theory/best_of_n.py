"""Moving to the candidate that *looks* best: best-of-n under noise, and the winner's curse.

N candidates with true values N(mu, s^2) are scored with noise varsigma (of *one* score: candidates
are compared with each other, not with the incumbent). The pick is the largest score. With
v^2 = s^2 + varsigma^2 its true value is mu + m_N s^2/v, and its score is inflated by
m_N varsigma^2/v [exact for normal values]. For steps on the sphere normality is the scaled limit
[asymptotic].

Noise-free best-of-n at finite d is in `search_rate`. Not covered: keeping the incumbent if no
candidate beats it, correlated candidates.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._one_dimensional import maximise
from gome_theory._ranges import AT_LEAST_ZERO, Range, domain, floats
from gome_theory.gradient_rate import Values
from gome_theory.search_rate import BestCount, best_count, expected_max_normal

_LOUDEST = 32.0
_MANY = 2.0**53  # the largest N that a float tells from its neighbours


class Selection(NamedTuple):
    """What picking the best-looking of several gets, and how much better it looked.

    Attributes:
        value: Mean true value of the pick above the population mean.
        optimism: Winner's curse: mean (score - true value) of the pick.
    """

    value: Values
    optimism: Values


class NoisyBestOfN(NamedTuple):
    """A best-of-n step under score noise.

    Attributes:
        progress: d times the mean true gain per batch of N.
        efficiency: The same per evaluation.
        inflation: Winner's curse of the pick, times d.
        alpha: Scaled step of the candidates, 0 where every step loses.
    """

    progress: Values
    efficiency: Values
    inflation: Values
    alpha: Values


@domain()
def select_best(n: npt.ArrayLike, spread: npt.ArrayLike, score_noise: npt.ArrayLike) -> Selection:
    """The pick among N normal candidates: value m_N s^2/v, optimism m_N sigma^2/v [exact].

    Use it for drafting roots, for choosing the final submission, for choosing a trace.

    Args:
        n: N >= 1.
        spread: s, standard deviation of true values.
        score_noise: sigma, standard deviation of the noise of one score.

    Returns:
        Value and optimism, in the units of ``spread``; value + optimism = m_N v.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(select_best(100, spread=1.0, score_noise=1.0).optimism, 3))
        1.773
    """
    n = np.asarray(n, float)
    spread, noise = np.asarray(spread, float), np.asarray(score_noise, float)
    total = np.hypot(spread, noise)
    # Without any spread there is nothing to choose.
    per_unit = expected_max_normal(n) / np.where(total > 0.0, total, 1.0)
    return Selection((per_unit * spread**2)[()], (per_unit * noise**2)[()])


@domain(alpha=AT_LEAST_ZERO)
def noisy_best_of_n(
    n: npt.ArrayLike,
    r: npt.ArrayLike,
    varsigma: npt.ArrayLike,
    alpha: npt.ArrayLike | None = None,
) -> NoisyBestOfN:
    """Moving to the best-looking of N candidates ("comma" selection) [asymptotic].

    Progress mu + m_N s^2/v with mu = 2 alpha r - alpha^2, s = 2 alpha. At r = 0 it is
    alpha^2 (4 m_N / v - 1): no step size makes progress once varsigma >= 4 m_N (see
    `smallest_useful_n`), because a comma step must move.

    Args:
        n: N >= 1; it costs N evaluations.
        r: Scaled alignment of the candidates.
        varsigma: Scaled noise of one score, sigma d.
        alpha: Scaled step; None takes the best one.

    Returns:
        Progress, efficiency, inflation and step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(noisy_best_of_n(5, r=0.3, varsigma=0.7).progress), 4))
        2.0477
    """
    n = np.asarray(n, float)
    inputs = (n, r, np.asarray(varsigma, float))
    n, r, noise = np.broadcast_arrays(*(np.asarray(value, float) for value in inputs))
    largest = np.asarray(expected_max_normal(n))
    if alpha is None:
        best = maximise(
            lambda step: _progress(largest[..., None], r[..., None], noise[..., None], step),
            1e-3,
            10.0 + 2.0 * np.abs(r) + 2.0 * largest,
        )
        alpha = np.where(best.value > 0.0, best.argument, 0.0)
    alpha = np.asarray(alpha, float)
    progress = _progress(largest, r, noise, alpha)
    optimism = select_best(n, 2.0 * alpha, noise).optimism
    return NoisyBestOfN(progress[()], (progress / n)[()], optimism, alpha[()])


@domain()
def most_efficient_noisy_n(
    varsigma: npt.ArrayLike, r: npt.ArrayLike = 0.0, *, largest: int = 256
) -> BestCount:
    """The N with the most progress per evaluation under noise, by trying 1..largest [asymptotic].

    More noise wants more candidates: at r = 0, N = 5 without noise, 9 at varsigma = 2, about 50
    at 6.

    Args:
        varsigma: Scaled noise of one score.
        r: Scaled alignment of the candidates.
        largest: Last N to try.

    Returns:
        The best N and its efficiency (times d).

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(most_efficient_noisy_n([0.0, 2.0]).n)
        [5 9]
    """
    noise, scaled = np.broadcast_arrays(*floats(varsigma, r))
    counts = np.arange(1, largest + 1)
    return best_count(
        np.asarray(noisy_best_of_n(counts, scaled[..., None], noise[..., None]).efficiency)
    )


@domain(varsigma=Range(0.0, _LOUDEST, "a standard deviation; beyond, N exceeds 10^15"))
def smallest_useful_n(varsigma: npt.ArrayLike) -> np.ndarray | int:
    """The smallest N for which best-of-N progresses at all at r = 0: m_N > varsigma/4 [theorem].

    Progress alpha^2 (4 m_N/v - 1) is positive for some alpha iff 4 m_N > varsigma, since
    v >= varsigma with equality as alpha -> 0.

    Args:
        varsigma: Scaled noise of one score, at most 32.

    Returns:
        N; it grows like exp(varsigma^2 / 32).

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(smallest_useful_n([0.0, 2.0, 8.0]))
        [ 2  2 28]
    """
    goal = np.asarray(varsigma, float) / 4.0
    low, high = np.ones(goal.shape), np.full(goal.shape, _MANY)  # m_low <= goal < m_high
    while np.any(high - low > 1.0):
        middle = np.floor((low + high) / 2.0)
        enough = (np.asarray(expected_max_normal(middle)) > goal) & (middle > low)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high.astype(int)[()]


def _progress(
    largest: np.ndarray, r: np.ndarray, varsigma: np.ndarray, alpha: np.ndarray
) -> np.ndarray:
    spread = 2.0 * alpha
    total = np.hypot(spread, varsigma)
    gain = spread**2 / np.where(total > 0.0, total, 1.0)
    return 2.0 * alpha * r - alpha**2 + largest * gain
