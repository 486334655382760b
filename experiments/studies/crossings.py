"""Where two simulated curves meet, with the error that the simulation leaves in that place."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_RESAMPLES = 200


class Crossing(NamedTuple):
    """A place on the x axis, NaN if the curves do not meet there, and its standard error."""

    value: float
    stderr: float


def crossing(x: np.ndarray, lead: np.ndarray, seed: int) -> Crossing:
    """Where the mean lead is zero, by a parabola; the error is a bootstrap over runs.

    Args:
      x: shape `(points,)`, around the crossing.
      lead: one curve minus the other, shape `(points, runs)`; a run may share its key between
        points, which is why whole runs are resampled.
      seed: of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    picks = rng.integers(lead.shape[1], size=(_RESAMPLES, lead.shape[1]))
    roots = [root(x, lead[:, pick].mean(axis=1)) for pick in picks]
    return Crossing(root(x, lead.mean(axis=1)), float(np.std(roots, ddof=1)))


def root(x: np.ndarray, lead: np.ndarray) -> float:
    """Where a parabola through `lead` crosses zero, nearest to the middle of the range."""
    middle = x.mean()
    fit = np.polynomial.Polynomial.fit(x, lead, 2)
    roots = fit.roots()
    real = roots[np.isreal(roots)].real
    return float(real[np.argmin(np.abs(real - middle))]) if real.size else math.nan


def mean_and_stderr(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over the last axis, the runs."""
    return runs.mean(axis=-1), runs.std(axis=-1, ddof=1) / math.sqrt(runs.shape[-1])
