"""By how much a directed strategy leads over a search, and from which reliability on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

RESAMPLES = 2000
_ENDS = (0.025, 0.975)

Estimate = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Value, low and high end of the 95 % interval; arrays over alignments."""


class Lead(NamedTuple):
    """Of paired runs, by alignment, in higher-is-better units."""

    alignments: Float[np.ndarray, " alignments"]
    """Increasing."""
    runs: Float[np.ndarray, "groups runs alignments"]
    """Runs of a group (a task) are drawn again among themselves."""

    def mean(self) -> Estimate:
        """Mean lead over groups and runs."""
        return self._estimate(lambda runs: runs.mean(axis=(0, 1)))

    def probability_of_improvement(self) -> Estimate:
        """Share of paired runs that end better than the search's, ties half."""
        return self._estimate(lambda runs: (0.5 + 0.5 * np.sign(runs)).mean(axis=(0, 1)))

    def crossover(self) -> tuple[float, float, float]:
        """Where the mean lead becomes positive for good, linear between alignments.

        Returns:
          The alignment with its 95 % bootstrap interval; the first alignment where the lead is
          positive throughout, infinity where it is not at the last one.
        """
        samples = self._resampled(self._overtakes)
        low, high = np.quantile(samples, _ENDS, method="nearest")
        return self._overtakes(self.runs), float(low), float(high)

    def _overtakes(self, runs: np.ndarray) -> float:
        mean, x = runs.mean(axis=(0, 1)), self.alignments
        behind = np.flatnonzero(mean <= 0)
        if behind.size == 0:
            return float(x[0])
        i = behind[-1]
        if i == mean.size - 1:
            return float("inf")
        return float(x[i] + (x[i + 1] - x[i]) * -mean[i] / (mean[i + 1] - mean[i]))

    def _estimate(self, statistic: Callable[[np.ndarray], np.ndarray]) -> Estimate:
        low, high = np.quantile(self._resampled(statistic), _ENDS, axis=0)
        return statistic(self.runs), low, high

    def _resampled(self, statistic: Callable[[np.ndarray], np.ndarray | float]) -> np.ndarray:
        groups, runs, _ = self.runs.shape
        picks = np.random.default_rng(0).integers(runs, size=(RESAMPLES, groups, runs))
        rows = np.arange(groups)[:, None]
        return np.array([statistic(self.runs[rows, pick]) for pick in picks])
