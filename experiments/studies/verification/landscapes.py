"""Rugged (c17) and ill-conditioned (c18) landscapes."""

from __future__ import annotations

import functools
import math

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    Check,
    Estimate,
    Simulation,
    expect,
    mean_of,
    parameters,
    scaled_tolerance,
    size_of,
)
from experiments.studies.verification.vectors import chunks, units

_DIM, _ALPHA = 50, 1.2
_PERIOD = 0.003
_PICTURE = "the rugged part of a new point is normal up to 1/d; the law's documentation: 2 per cent"
_SHARED = "few directions share the curvature: 4 over their number"


def checks() -> list[Check]:
    """Every check of this family."""
    return [
        *(check for A in (0.001, 0.003, 0.006) for check in _rugged(A)),
        _absolute_noise(0.015),
        _rugged_noise(0.3, 20),
        *(_rugged_correlation(x, d) for x, d in ((0.1, 50), (0.05, 10))),
        *(check for condition in (10.0, 100.0) for check in _anisotropic(condition)),
    ]


def descend(
    rng: np.random.Generator, runs: int, steps: int, amplitude: float, noise: float
) -> np.ndarray:
    """log of the smooth part along greedy search from f = 1, per run; each point scored once.

    Scores carry the ruggedness of the point (a cosine in each coordinate), fresh noise, or both.
    """
    point = np.zeros((runs, _DIM))
    point[:, 0] = 1.0
    phase = 2.0 * np.pi * rng.random((runs, _DIM))

    def score(x: np.ndarray, f: np.ndarray) -> np.ndarray:
        seen = f + noise * rng.standard_normal(runs)
        if amplitude > 0.0:
            seen += amplitude * (1.0 - np.cos(2.0 * np.pi * x / _PERIOD + phase)).sum(1)
        return seen

    f, logs = np.ones(runs), [np.zeros(runs)]
    stored = score(point, f)
    for _ in range(steps):
        length = _ALPHA / math.sqrt(_DIM) * np.sqrt(f)[:, None]
        candidate = point + length * units(rng, runs, _DIM)
        value = np.square(candidate).sum(1)
        looks = score(candidate, value)
        better = looks < stored
        point, f = np.where(better[:, None], candidate, point), np.where(better, value, f)
        stored = np.where(better, looks, stored)
        logs.append(np.log(f))
    return np.stack(logs)


def _rugged(amplitude: float) -> list[Check]:
    told = parameters(d=_DIM, A=amplitude)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        runs = size_of(2500, size)
        rugged = descend(rng, runs, 399, amplitude, 0.0)
        noisy = descend(rng, runs, 399, 0.0, float(gt.rugged_noise(amplitude, _DIM)))
        found = {}
        for time in (100, 399):
            real, model = mean_of(rugged[time]), mean_of(noisy[time])
            # The prediction is simulated too: its error counts.
            found[f"real {time}"] = Estimate(real.mean, math.hypot(real.stderr, model.stderr))
            found[f"model {time}"] = model
        return found

    simulation = Simulation(f"c17 {told}", run)
    return [
        Check(
            id="c17",
            kind="A",
            quantity="log f on a rugged landscape, predicted by stored noise",
            parameters=f"{told} t={time}",
            law="rugged_noise",
            predicted=lambda seen, time=time: seen[f"model {time}"].mean,
            simulation=simulation,
            statistic=f"real {time}",
            tolerance=0.02,
            because=_PICTURE,
        )
        for time in (100, 399)
    ]


def _absolute_noise(noise: float, steps: int = 400) -> Check:
    """Outside the regime: the stationary law, integrated though the noise rises against f."""
    told = parameters(d=_DIM, sd=noise, t=steps)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        return {"log f": mean_of(descend(rng, size_of(2500, size), steps, 0.0, noise)[-1])}

    return Check(
        id="c17",
        kind="X",
        quantity="log f under absolute noise, stationary law integrated",
        parameters=told,
        law="stored_incumbent",
        predicted=lambda _: _integrated(noise, steps),
        simulation=Simulation(f"c17 {told}", run),
        statistic="log f",
    )


@functools.cache
def _integrated(noise: float, steps: int) -> float:
    logs = np.linspace(-2.0, 0.0, 41)
    progress = gt.stored_incumbent(0.0, noise * _DIM / np.exp(logs), _ALPHA).progress
    log = 0.0
    for _ in range(steps):
        log += math.log1p(-float(np.interp(log, logs, progress)) / _DIM)
    return log


def _rugged_noise(amplitude: float, dim: int) -> Check:
    told = parameters(A=amplitude, d=dim)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        phase = 2.0 * np.pi * rng.random((size_of(100_000, size), dim))
        part = amplitude * (1.0 - np.cos(phase)).sum(1)
        return {"variance": mean_of(np.square(part - amplitude * dim))}

    return Check(
        id="c17",
        kind="E",
        quantity="variance of the rugged part",
        parameters=told,
        law="rugged_noise",
        predicted=lambda _: float(gt.rugged_noise(amplitude, dim)) ** 2,
        simulation=Simulation(f"c17 variance {told}", run),
        statistic="variance",
    )


def _rugged_correlation(length: float, dim: int, period: float = 0.1) -> Check:
    told = parameters(L=length, period=period, d=dim)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        products = []
        for count in chunks(size_of(100_000, size), dim):
            # Rotate the landscape instead of the step: any coordinate is a uniform direction's.
            phase = 2.0 * np.pi * rng.random((count, dim))
            moved = phase + 2.0 * np.pi * length / period * units(rng, count, dim)
            products.append((np.cos(phase) * np.cos(moved)).mean(1) / 0.5)
        return {"correlation": mean_of(np.concatenate(products))}

    return Check(
        id="c17",
        kind="E",
        quantity="correlation of the rugged part over a step",
        parameters=told,
        law="rugged_correlation",
        predicted=expect(gt.rugged_correlation, length, period, dim),
        simulation=Simulation(f"c17 correlation {told}", run),
        statistic="correlation",
    )


def _anisotropic(condition: float, rho: float = 0.25, dim: int = 120) -> list[Check]:
    told = parameters(condition=condition, d=dim)
    h = np.geomspace(1.0 / condition, 1.0, dim)
    gradient = np.random.default_rng(3).standard_normal(dim) * h  # a random point, always the same
    at = gt.curvature_of(h, gradient)

    def gains(rng: np.random.Generator, count: int, rho: float, step: float) -> np.ndarray:
        answer = []
        for piece in chunks(count, dim):
            u = math.sqrt(1 - rho**2) * units(rng, piece, dim).astype(float)
            u -= rho * gradient / at.gradient_norm
            answer.append(-step * u @ gradient - step**2 / 2.0 * np.square(u) @ h)
        return np.concatenate(answer)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        count = size_of(150_000, size)
        norm, trace = float(at.gradient_norm), float(at.trace)
        blind = float(gt.optimal_alpha(0.0)) * norm * math.sqrt(dim) / trace
        paid = rho**2 * float(at.along_gradient) + (1 - rho**2) * trace / dim
        return {
            "search": mean_of(np.maximum(gains(rng, count, 0.0, blind), 0.0)),
            "directed": mean_of(gains(rng, count, rho, rho * norm / paid)),
        }

    simulation = Simulation(f"c18 {told}", run)
    few = float(at.participation)
    return [
        Check(
            id="c18",
            kind="A",
            quantity="gain of hill climbing on a quadratic",
            parameters=told,
            law="anisotropic_gated_gain",
            predicted=expect(gt.anisotropic_gated_gain, 0.0, at),
            simulation=simulation,
            statistic="search",
            tolerance=scaled_tolerance(few),
            because=_SHARED,
        ),
        Check(
            id="c18",
            kind="E",
            quantity=f"gain of an ungated directed step, rho={rho:g}",
            parameters=told,
            law="anisotropic_ungated_gain",
            predicted=expect(gt.anisotropic_ungated_gain, rho, at),
            simulation=simulation,
            statistic="directed",
        ),
    ]
