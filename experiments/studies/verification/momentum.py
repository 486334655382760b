"""Averages of past directions (c08), momentum on quadratics (c09), reused directions (n01)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    Check,
    Estimate,
    Simulation,
    expect,
    mean_of,
    of_means,
    parameters,
    size_of,
)
from experiments.studies.verification.vectors import (
    aligned,
    chunks,
    gaussians,
    squared_alignment,
    units,
)

_ORTHOGONAL = "errors are orthogonal to the truth up to 1/d"
_QUOTIENT = 0.02  # decay of the difference quotient


def checks() -> list[Check]:
    """Every check of this family."""
    return [
        *_average(0.2, 0.95, 0.0, 0.9),
        *_average(0.2, 0.9, 0.2, 0.7),
        *_average(0.3, 0.5, 0.0, 0.5),
        *_average(0.2, 0.5, 0.7, 0.3),
        _quadratic(0.4, 0.4, 0.0, (1.0,), (9,)),
        _quadratic(0.4, 0.15, 0.5, (1.0,), (9,)),
        _quadratic(0.4, 0.3, 0.6, (1.0, 0.1), (6, 6)),
        _quadratic(0.4, 0.8, 0.9, (1.0, 0.1), (6, 6)),
        _quadratic(0.4, 0.8, 0.9, (1.0, 0.1), (4, 12)),
        _quadratic(0.3, 0.5, 0.8, (1.0, 0.01), (8, 8)),
        *(
            _reuse(gamma, cost, k)
            for gamma, cost, k in ((0.95, 5.0, 8), (0.8, 3.0, 2), (0.95, 5.0, 1))
        ),
    ]


def _average(rho: float, gamma: float, omega: float, beta: float, dim: int = 200) -> list[Check]:
    told = parameters(d=dim, rho=rho, gamma=gamma, omega=omega, beta=beta)
    decays = (beta, _QUOTIENT, -_QUOTIENT)
    steps = math.ceil(math.log(1e-5) / math.log(max(beta, 0.5)))

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        moments = []
        for chains in chunks(size_of(8000, size), dim):
            truth, bias = gaussians(rng, chains, dim), gaussians(rng, chains, dim)
            averages = [np.zeros((chains, dim), np.float32) for _ in decays]
            for _ in range(steps):
                turn = np.float32(math.sqrt(1 - gamma**2)) * gaussians(rng, chains, dim)
                truth = np.float32(gamma) * truth + turn
                error = math.sqrt(omega) * bias + math.sqrt(1 - omega) * gaussians(rng, chains, dim)
                said = rho * truth + math.sqrt(1 - rho**2) * error
                averages = [b * v + (1 - b) * said for b, v in zip(decays, averages, strict=True)]
            moments.append(np.stack([m for v in averages for m in aligned(v, truth)]))
        signal, energy, *quotient = np.concatenate(moments, axis=1)
        return {
            "alignment": of_means(squared_alignment, signal, energy),
            "slope": of_means(_slope, *quotient),
        }

    simulation = Simulation(f"c08 {told}", run)
    return [
        Check(
            id="c08",
            kind="A",
            quantity="squared alignment of an average of directions",
            parameters=told,
            law="ema_alignment",
            predicted=lambda _: float(gt.ema_alignment(rho, gamma, beta, omega)) ** 2,
            simulation=simulation,
            statistic="alignment",
            tolerance=1.0 / dim,
            because=_ORTHOGONAL,
        ),
        Check(
            id="c08",
            kind="A",
            quantity="d ln(squared alignment) / d beta at 0",
            parameters=told,
            law="ema_slope",
            predicted=expect(gt.ema_slope, rho, gamma, omega),
            simulation=simulation,
            statistic="slope",
            tolerance=1.0 / dim,
            because=_ORTHOGONAL,
        ),
    ]


def _slope(signal: float, energy: float, signal_back: float, energy_back: float) -> float:
    forth, back = squared_alignment(signal, energy), squared_alignment(signal_back, energy_back)
    return math.log(forth / back) / (2.0 * _QUOTIENT)


def _quadratic(
    rho: float, step: float, beta: float, curvatures: Sequence[float], dims: Sequence[int]
) -> Check:
    """Heavy ball from a start whose second moments are the map's slowest mode.

    From there the mean square shrinks by the same factor at every step if, and only if, the map is
    right; from any other start one would have to wait until rare runs dominate the mean.
    """
    blocks, steps = len(dims), 10
    share = np.asarray(dims) / sum(dims)
    told = parameters(rho=rho, a=step, beta=beta, curvatures=curvatures, dims=dims)

    def start() -> tuple[np.ndarray, np.ndarray]:
        values, modes = np.linalg.eig(gt.second_moment_map(rho, step, beta, curvatures, share))
        mode = np.real(modes[:, np.argmax(np.abs(values))])
        square, cross, speed = (mode / mode[0]).reshape(3, blocks)
        x, v = np.zeros(sum(dims)), np.zeros(sum(dims))
        for block, first in enumerate(np.cumsum([0, *dims[:-1]])):
            x[first] = math.sqrt(square[block])
            v[first] = cross[block] / x[first]
            v[first + 1] = math.sqrt(max(speed[block] - v[first] ** 2, 0.0))
        return x, v

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        h = np.repeat(np.asarray(curvatures) / max(curvatures), dims)
        shrinkage = []
        for chains in chunks(size_of(400_000, size), sum(dims)):
            x, v = (np.tile(vector, (chains, 1)) for vector in start())
            before = np.square(x).sum(1)
            for _ in range(steps):
                gradient = h * x
                norm = np.linalg.norm(gradient, axis=1, keepdims=True)
                error = math.sqrt(1 - rho**2) * norm * units(rng, *x.shape)
                v = beta * v + (1 - beta) * (-rho * gradient + error)
                x = x + step * v
            shrinkage.append(np.square(x).sum(1) / before)
        return {"rate": of_means(lambda f: -math.log(f) / steps, np.concatenate(shrinkage))}

    return Check(
        id="c09",
        kind="E",
        quantity="log rate of the mean square, momentum on a quadratic",
        parameters=told,
        law="quadratic_momentum_rate",
        predicted=expect(gt.quadratic_momentum_rate, rho, step, beta, curvatures, share),
        simulation=Simulation(f"c09 {told}", run),
        statistic="rate",
    )


def _reuse(gamma: float, cost: float, k: int, rho: float = 0.3, dim: int = 50) -> Check:
    told = parameters(rho=rho, gamma=gamma, c=cost, k=k)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        total = []
        for chains in chunks(size_of(100_000, size), dim):
            truth = gaussians(rng, chains, dim)
            said = rho * truth + math.sqrt(1 - rho**2) * gaussians(rng, chains, dim)
            gain = np.zeros(chains)
            for age in range(k):
                step = rho * gamma**age
                signal, energy = aligned(said, truth)
                gain += 2 * step * signal - step**2 * energy
                turn = math.sqrt(1 - gamma**2) * gaussians(rng, chains, dim)
                truth = gamma * truth + turn
            total.append(gain / rho**2 / (cost + k - 1))
        return {"rate": mean_of(np.concatenate(total))}

    return Check(
        id="n01",
        kind="E",
        quantity="progress per cost with one diagnosis in k steps",
        parameters=told,
        law="reuse_rate",
        predicted=expect(gt.reuse_rate, k, gamma, cost),
        simulation=Simulation(f"n01 {told}", run),
        statistic="rate",
    )
