"""Reliability estimated from a run's own measurements (c22): the laws, read backwards.

A trace measures gains y = F (2 alpha (r + sqrt(omega) B + sqrt(1 - omega) Z) - alpha^2) + noise,
with its own lasting luck B. Two arms with steps alpha and k alpha identify alpha and r, the trace's
share of the variance identifies omega, replicated scores identify the noise. A prediction is what
the estimator makes of the law's own moments.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

import gome_theory as gt
from experiments.studies.verification.check import (
    Check,
    Estimate,
    Simulation,
    mean_of,
    parameters,
    size_of,
)

_TRACES, _STEPS, _REPLICATES = 40, 16, 200
_R, _ALPHA, _OMEGA, _NOISE = 0.7, 1.4, 0.15, 0.03
_FACTOR, _DIM = 2.0, 100
"""Ratio of the arms' steps; d/f."""
_LEVEL, _RESAMPLES = 0.95, 300
_FEW = "estimators and their intervals are consistent: 1 over the number of traces"


class Found(NamedTuple):
    """Estimates of one run's parameters."""

    r: np.ndarray
    alpha: np.ndarray


def checks() -> list[Check]:
    """Every check of this family."""
    told = parameters(traces=_TRACES, steps=_STEPS, r=_R, alpha=_ALPHA, omega=_OMEGA, sigma=_NOISE)
    simulation = Simulation("c22", _run)
    lawful = _lawful()
    return [
        Check(
            id="c22",
            kind="A",
            quantity=f"estimate of {name}, mean over runs",
            parameters=told,
            law="trace_totals",
            predicted=lambda _, value=value: value,
            simulation=simulation,
            statistic=name,
            tolerance=1.0 / _TRACES,
            because=_FEW,
        )
        for name, value in lawful.items()
    ] + [
        Check(
            id="c22",
            kind="A",
            quantity=f"coverage of the {_LEVEL:.0%} interval for {name}",
            parameters=told,
            law="trace_totals",
            predicted=lambda _: _LEVEL,
            simulation=simulation,
            statistic=f"{name} covered",
            tolerance=1.0 / _TRACES,
            because=_FEW,
        )
        for name in lawful
    ]


def _lawful() -> dict[str, float]:
    """What the estimators make of the laws' moments."""
    one = gt.trace_totals(1, _R, _ALPHA, _DIM, _OMEGA)
    two = gt.trace_totals(2, _R, _ALPHA, _DIM, _OMEGA)
    other = gt.trace_totals(1, _R, _FACTOR * _ALPHA, _DIM, _OMEGA)
    r, alpha = _identify(one.mean, other.mean, one.spread)
    score_noise = _NOISE / math.sqrt(2.0) / _DIM
    noise = float(gt.scaled_noise(score_noise, _DIM))  # of a gain
    repeats = (two.spread / one.spread) ** 2 / 2.0 - 1.0  # correlation of a trace's two gains
    return {"r": float(r), "alpha": float(alpha), "omega": float(repeats), "sigma": noise}


def _identify(first, second, spread) -> Found:
    """Step and alignment from the means of two arms and the spread of true gains in the first."""
    alpha = 2.0 * (_FACTOR * first - second) / (spread * (_FACTOR**2 - _FACTOR))
    return Found(first / spread + alpha / 2.0, alpha)


def _run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
    truth = {"r": _R, "alpha": _ALPHA, "omega": _OMEGA, "sigma": _NOISE}
    runs = [_calibrate(rng) for _ in range(size_of(1000, size))]
    found: dict[str, Estimate] = {}
    for name, value in truth.items():
        estimate, low, high = np.array([run[name] for run in runs]).T
        found[name] = mean_of(estimate)
        found[f"{name} covered"] = mean_of((low <= value) & (value <= high))
    return found


def _calibrate(rng: np.random.Generator) -> dict[str, tuple[float, float, float]]:
    """Measure one agent and estimate: value, lower and upper end of each interval."""
    luck = rng.standard_normal((1, _TRACES, 1))
    arms = np.array([_ALPHA, _FACTOR * _ALPHA])[:, None, None]
    fresh = rng.standard_normal((2, _TRACES, _STEPS))
    direction = _R + math.sqrt(_OMEGA) * luck + math.sqrt(1 - _OMEGA) * fresh
    gain = (2.0 * arms * direction - arms**2) / _DIM
    measured = gain + _NOISE * rng.standard_normal(gain.shape)
    pairs = math.sqrt(2.0) * _NOISE * rng.standard_normal(_REPLICATES)  # two scores of one gain

    tails = (1 - _LEVEL) / 2, (1 + _LEVEL) / 2
    noise2 = float(np.square(pairs).mean() / 2.0)
    chi2 = _REPLICATES / stats.chi2.ppf(tails[::-1], _REPLICATES)
    sigma = math.sqrt(noise2), *np.sqrt(noise2 * chi2)

    # Traces are resampled whole, and so are replicates; the sample itself comes first.
    weights = rng.multinomial(_TRACES, np.full(_TRACES, 1 / _TRACES), _RESAMPLES) / _TRACES
    weights = np.vstack([np.full(_TRACES, 1 / _TRACES), weights])
    again = rng.multinomial(_REPLICATES, np.full(_REPLICATES, 1 / _REPLICATES), _RESAMPLES)
    noises2 = np.append(noise2, again @ np.square(pairs) / (2.0 * _REPLICATES))
    first, second = (weights @ arm for arm in measured.mean(2))
    square = weights @ np.square(measured[0]).mean(1)
    r, alpha = _identify(first, second, np.sqrt(np.maximum(square - first**2 - noises2, 1e-12)))

    total = measured[0].var(ddof=1)
    between = _STEPS * measured[0].mean(1).var(ddof=1)
    within = measured[0].var(axis=1, ddof=1).mean()
    quantiles = stats.f.ppf([*tails[::-1]], _TRACES - 1, _TRACES * (_STEPS - 1))
    ratio = between / within / np.array([1.0, *quantiles])
    share = (ratio - 1.0) / (ratio + _STEPS - 1.0) * total / (total - noise2)
    return {
        "r": (float(r[0]), *np.quantile(r[1:], tails)),
        "alpha": (float(alpha[0]), *np.quantile(alpha[1:], tails)),
        "omega": tuple(share),
        "sigma": sigma,
    }
