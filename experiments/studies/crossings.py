"""Where a simulated lead changes sign, and how well that is known."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

RESAMPLES = 200


class Crossing(NamedTuple):
    """A simulated crossing; of all `lead` used, one root, and one for each bootstrap sample."""

    value: float
    """NaN where the fitted lead does not change sign."""
    resampled: np.ndarray

    @property
    def stderr(self) -> float:
        """Bootstrap standard error; NaN if more than a tenth of the samples have no crossing."""
        found = self.resampled[np.isfinite(self.resampled)]
        if found.size < 0.9 * self.resampled.size:
            return math.nan
        return float(found.std(ddof=1))


def locate(x: np.ndarray, lead: np.ndarray, *, seed: int, resamples: int = RESAMPLES) -> Crossing:
    """Where the mean lead over `x` is zero: root of a parabola, bootstrap over runs.

    Args:
      x: where the lead was simulated, around the crossing; shape `(points,)`, at least 3.
      lead: shape `(points, runs)`; the runs of a column share their keys.
      seed: of the bootstrap. Calls with the same seed and number of runs draw the same runs, so
        that differences between their crossings may be taken sample by sample.
      resamples: bootstrap samples.

    Returns:
      The root nearest to the middle of the range, within the range.
    """
    picks = np.random.default_rng(seed).integers(lead.shape[1], size=(resamples, lead.shape[1]))
    means = np.stack([lead.mean(axis=1), *(lead[:, pick].mean(axis=1) for pick in picks)])
    roots = np.array([_root(x, mean) for mean in means])
    return Crossing(float(roots[0]), roots[1:])


def mean_and_stderr(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and its standard error over the last axis, the runs."""
    return runs.mean(axis=-1), runs.std(axis=-1, ddof=1) / math.sqrt(runs.shape[-1])


def _root(x: np.ndarray, lead: np.ndarray) -> float:
    fit = np.polynomial.Polynomial.fit(x, lead, 2)
    c, b, a = fit.coef  # in units where the range is [-1, 1]
    discriminant = b**2 - 4 * a * c
    if discriminant < 0:
        return math.nan
    # The form without cancellation, which also holds for a straight line (a = 0).
    q = -(b + math.copysign(math.sqrt(discriminant), b)) / 2
    roots = [top / bottom for top, bottom in ((q, a), (c, q)) if abs(top) <= abs(bottom) > 0]
    if not roots:
        return math.nan
    middle, half = (x.max() + x.min()) / 2, (x.max() - x.min()) / 2
    return float(middle + half * min(roots, key=abs))
