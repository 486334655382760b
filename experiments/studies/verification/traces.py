"""The best of several traces (c12), and which basins they go for (c26)."""

from __future__ import annotations

import math

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    Check,
    Estimate,
    Kind,
    Simulation,
    expect,
    mean_of,
    of_means,
    parameters,
    size_of,
)
from experiments.studies.verification.vectors import (
    chunks,
    gaussians,
)

_DRIFT = "the early law neglects the square of a sqrt(omega) T, and 4/d"


def checks() -> list[Check]:
    """Every check of this family."""
    return [
        *(_pick(*setting) for setting in ((4, 25, 0.0, 0.0), (4, 25, 0.3, 0.0), (4, 25, 0.3, 0.6))),
        *_early("A", 25, 0.0),
        *_early("A", 8, 0.1),
        *_early("X", 25, 0.1),
        _basins("M", 0.3, 0.0, 50, 4),
        _basins("M", 0.3, 0.5, 50, 4),
        _basins("X", 0.3, 0.95, 50, 4),
        _basins("M", 0.7, 0.5, 50, 4),
        _basins("M", 0.5, 0.8, 200, 8),
        _basin_advantage(20, 4, 0.7),
    ]


def _pick(
    K: int, steps: int, omega: float, kappa: float, alpha: float = 1.2, dim: int = 200
) -> Check:
    """Best of K traces in the law's own model: sums of normal gains, luck that persists."""
    told = parameters(d=dim, K=K, T=steps, omega=omega, kappa=kappa)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        count = size_of(40_000, size)
        bias = math.sqrt(kappa) * rng.standard_normal((count, 1))
        bias = bias + math.sqrt(1 - kappa) * rng.standard_normal((count, K))
        total = np.zeros((count, K))
        for _ in range(steps):
            luck = math.sqrt(omega) * bias
            luck = luck + math.sqrt(1 - omega) * rng.standard_normal((count, K))
            total += 2.0 * alpha * luck / dim
        return {"best": mean_of(total.max(1))}

    def law(_) -> float:
        totals = gt.trace_totals(steps, 0.0, alpha, dim, omega, kappa)
        return float(gt.best_trace(K, totals._replace(mean=0.0)))

    return Check(
        id="c12",
        kind="E",
        quantity="best of K traces, normal gains without drift",
        parameters=told,
        law="best_trace",
        predicted=law,
        simulation=Simulation(f"c12 model {told}", run),
        statistic="best",
    )


def _early(
    kind: Kind,
    steps: int,
    omega: float,
    r: float = 0.6,
    alpha: float = 1.2,
    dim: int = 200,
    K: int = 4,
) -> list[Check]:
    """Whole traces in d dimensions, from one starting point, each with a bias of its own."""
    told = parameters(d=dim, K=K, T=steps, r=r, alpha=alpha, omega=omega)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        rho, a = np.float32(r / math.sqrt(dim)), np.float32(alpha / math.sqrt(dim))
        progress = []
        for count in chunks(size_of(3000, size), K * dim):
            bias = gaussians(rng, count, K, dim)
            x = np.zeros((count, K, dim), np.float32)
            x[..., 0] = 1.0
            for _ in range(steps):
                distance = np.linalg.norm(x, axis=-1, keepdims=True)
                fresh = gaussians(rng, count, K, dim)
                error = (
                    np.float32(math.sqrt(omega)) * bias + np.float32(math.sqrt(1 - omega)) * fresh
                )
                x = x - a * (rho * x + distance * np.sqrt(1 - rho**2) * error)
            progress.append(-np.log(np.square(x).sum(-1, dtype=float)))
        traces = np.concatenate(progress)
        spread = np.sqrt(np.square(traces - traces.mean()).mean(1))
        return {
            "mean": mean_of(traces.mean(1)),
            "spread": of_means(math.sqrt, spread**2),
            "best": mean_of(traces.max(1)),
        }

    simulation = Simulation(f"c12 runs {told}", run)
    tolerance = (alpha / math.sqrt(dim) * math.sqrt(omega) * steps) ** 2 + 4.0 / dim

    def totals() -> gt.TraceTotals:
        return gt.trace_totals(steps, r, alpha, dim, omega)

    def terms() -> float:
        drift = alpha**2 * omega * steps * (steps - 1)
        return (steps * (2 * alpha * r + alpha**2) + drift) / dim

    def check(quantity: str, law: str, predicted, statistic: str, scale=None) -> Check:
        return Check(
            id="c12",
            kind=kind,
            quantity=quantity,
            parameters=told,
            law=law,
            predicted=lambda _: float(predicted()),
            simulation=simulation,
            statistic=statistic,
            tolerance=tolerance,
            because=_DRIFT,
            scale=scale,
        )

    return [
        check(
            "log progress of an early trace, mean",
            "trace_totals",
            lambda: totals().mean,
            "mean",
            terms,
        ),
        check(
            "log progress of an early trace, spread",
            "trace_totals",
            lambda: totals().spread,
            "spread",
        ),
        check(
            "log progress of the best of K early traces",
            "best_trace",
            lambda: gt.best_trace(K, totals()),
            "best",
            terms,
        ),
    ]


def _basins(kind: Kind, zeta: float, kappa: float, J: int, K: int) -> Check:
    told = parameters(zeta=zeta, kappa=kappa, J=J, K=K)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        found = []
        for count in chunks(size_of(20_000, size), J * K):
            value, common = rng.standard_normal((2, count, J, 1))
            error = math.sqrt(kappa) * common
            error = error + math.sqrt(1 - kappa) * rng.standard_normal((count, J, K))
            forecast = zeta * value + math.sqrt(1 - zeta**2) * error
            found.append(np.take_along_axis(value[..., 0], forecast.argmax(1), 1).max(1))
        return {"value": mean_of(np.concatenate(found))}

    return Check(
        id="c26",
        kind=kind,
        quantity="best basin that K traces go for",
        parameters=told,
        law="basin_choice",
        predicted=expect(gt.basin_choice, K, J, zeta, kappa),
        simulation=Simulation(f"c26 {told}", run),
        statistic="value",
    )


def _basin_advantage(J: int, K: int, spread: float) -> Check:
    told = parameters(J=J, K=K, s_b=spread)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        values = spread * rng.standard_normal((size_of(100_000, size), J + K))
        return {"advantage": mean_of(values[:, :J].max(1) - values[:, J:].max(1))}

    return Check(
        id="c26",
        kind="E",
        quantity="best of J basins against best of K",
        parameters=told,
        law="basin_advantage",
        predicted=expect(gt.basin_advantage, J, K, spread),
        simulation=Simulation(f"c26 advantage {told}", run),
        statistic="advantage",
    )
