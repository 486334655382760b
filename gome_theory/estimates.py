"""An estimate with its interval, or the reason why there is none.

Intervals come from *generalised pivots* (Weerahandi 1993): the sampling laws of the statistics,
read the other way round with the data held fixed, give draws of the parameters; an interval is a
pair of their quantiles. It is exact where one pivot decides (a variance, a ratio of variances) and
tested by simulation where several are combined. The same draws carry the uncertainty of r and the
others into a verdict (`verdict`).

Not covered: prior knowledge (nothing is shrunk towards anything).
"""

from typing import NamedTuple

import numpy as np
from scipy import special


class Estimate(NamedTuple):
    """A number with an interval that holds the true value with probability `level`.

    Attributes:
        value: The point estimate.
        low: Lower end of the interval.
        high: Upper end.
        level: Nominal coverage.
        method: What it rests on, in a few words.
    """

    value: float
    low: float
    high: float
    level: float
    method: str

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}] ({self.method})"


class NotIdentified(NamedTuple):
    """Why the data cannot tell a quantity, and what would.

    Attributes:
        why: One sentence.
        record: What to record, so that the next calibration can tell.
    """

    why: str
    record: str

    def __str__(self) -> str:
        return f"not identified: {self.why}; record {self.record}"


Quantity = Estimate | NotIdentified


def from_draws(value: float, draws: np.ndarray, level: float, method: str) -> Estimate:
    """An estimate whose interval holds the middle `level` of the draws.

    Args:
        value: Point estimate.
        draws: Draws of the parameter, infinities allowed.
        level: Nominal coverage.
        method: See `Estimate`.

    Returns:
        The estimate.
    """
    tail = (1.0 - level) / 2.0
    # A quantile that does not interpolate: infinities are legal draws.
    low, high = np.quantile(draws, [tail, 1.0 - tail], method="inverted_cdf")
    return Estimate(float(value), float(low), float(high), level, method)


def variance_draws(
    rng: np.random.Generator, sum_of_squares: float, dof: float, draws: int
) -> np.ndarray:
    """Draws of a variance from normal data: SS / chi^2; the sum's mean for infinite dof."""
    if np.isinf(dof):
        return np.full(draws, sum_of_squares)
    return sum_of_squares / rng.chisquare(dof, size=draws)


class Proportion(NamedTuple):
    """A share of steps, with the number of independent steps that would tell as much.

    Attributes:
        hits: Steps that count.
        trials: Steps.
        effective: Trials that would tell as much if steps were independent.
    """

    hits: float
    trials: int
    effective: float

    @property
    def rate(self) -> float:
        """The share."""
        return self.hits / self.trials

    def estimate(self, level: float, method: str = "") -> Estimate:
        """Wilson's (1927) interval at the effective number of trials."""
        z = special.ndtri((1.0 + level) / 2.0)
        p, n = self.rate, self.effective
        centre = (p + z**2 / (2.0 * n)) / (1.0 + z**2 / n)
        half = z / (1.0 + z**2 / n) * np.sqrt(p * (1.0 - p) / n + z**2 / (4.0 * n**2))
        words = method or f"Wilson, {self.trials} steps worth {self.effective:.0f} independent ones"
        low, high = max(centre - half, 0.0), min(centre + half, 1.0)
        return Estimate(float(p), float(low), float(high), level, words)

    def draws(self, rng: np.random.Generator, draws: int) -> np.ndarray:
        """Draws from the Jeffreys posterior, whose interval is as good as Wilson's."""
        p, n = self.rate, self.effective
        return rng.beta(p * n + 0.5, (1.0 - p) * n + 0.5, size=draws)


def proportion(hit: np.ndarray, trace: np.ndarray) -> Proportion:
    """A share of steps from traces whose steps may resemble each other.

    The effective number of trials is N / deff (Rao and Scott 1992), with the design effect of the
    variance between traces, at least 1, and shrunk once more where few traces make that variance
    uncertain (Korn and Graubard 1998). A single trace speaks for itself only: deff = 1.

    Args:
        hit: Whether a step counts, shape (n,), n >= 1.
        trace: Which trace it belongs to, shape (n,).

    Returns:
        The proportion.
    """
    _, group = np.unique(trace, return_inverse=True)
    sizes = np.bincount(group)
    hits = np.bincount(group, weights=hit)
    total, n, k = float(hits.sum()), len(hit), len(sizes)
    p = total / n
    if k == 1 or n == k or p in (0.0, 1.0):
        return Proportion(total, n, float(n))
    clustered = k / (k - 1.0) * np.sum((hits - p * sizes) ** 2) / n**2
    effect = max(clustered / (p * (1.0 - p) / n), 1.0)
    # The 97.5 per cent points: the correction hardly depends on the level.
    few = special.stdtrit(n - 1, 0.975) / special.stdtrit(k - 1, 0.975)
    return Proportion(total, n, float(max(n / effect * few**2, min(k, n / effect))))
