"""Picking the best of several (c02, c05, c23), and where that crosses directed steps (c13)."""

from __future__ import annotations

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    SCALED,
    Check,
    Estimate,
    Simulation,
    expect,
    mean_of,
    of_estimates,
    parameters,
    scaled_tolerance,
    size_of,
)
from experiments.studies.verification.runs import around, level
from experiments.studies.verification.vectors import chunks, sphere_gains, units


def checks() -> list[Check]:
    """Every check of this family."""
    return [
        *(
            check
            for n, dim in ((5, 10), (5, 50), (20, 30), (2, 4))
            for check in _projections(n, dim)
        ),
        *_steps(5, 30, 0.0),
        *_steps(8, 20, 0.2),
        *_noisy(5, 0.0, 1.2, 0.0),
        *_noisy(5, 0.0, 1.2, 2.0),
        *_noisy(16, 0.5, 1.5, 2.0),
        *_noisy(8, 0.0, 1.0, 6.0),
        *(_crossover(dim, n) for dim, n in ((30, 5), (100, 5), (100, 20))),
        *_selection(20, 1.0, 0.5),
        *_selection(100, 1.0, 1.0),
        *_selection(100, 0.3, 1.0),
    ]


def _projections(n: int, dim: int) -> list[Check]:
    told = parameters(N=n, d=dim)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        pieces = chunks(size_of(100_000, size), n * dim)
        w = np.concatenate([units(rng, piece, n, dim)[..., 0] for piece in pieces]).astype(float)
        return {"max": mean_of(w.max(1)), "square": mean_of(np.square(w).max(1))}

    simulation = Simulation(f"c02 {told}", run)
    limit = lambda _: float(gt.expected_max_normal(n)) / np.sqrt(dim)  # noqa: E731
    return [
        Check(
            id="c02",
            kind="E",
            quantity="E max w",
            parameters=told,
            law="expected_max_projection",
            predicted=expect(gt.expected_max_projection, n, dim),
            simulation=simulation,
            statistic="max",
        ),
        Check(
            id="c02",
            kind="A",
            quantity="E max w, scaled",
            parameters=told,
            law="expected_max_normal",
            predicted=limit,
            simulation=simulation,
            statistic="max",
            tolerance=scaled_tolerance(dim),
            because=SCALED,
        ),
        Check(
            id="c02",
            kind="E",
            quantity="E max w^2 (line search)",
            parameters=told,
            law="expected_max_squared_projection",
            predicted=expect(gt.expected_max_squared_projection, n, dim),
            simulation=simulation,
            statistic="square",
        ),
    ]


def _steps(n: int, dim: int, rho: float) -> list[Check]:
    """Moving to the best of N noise-free candidates, at the best step of "comma" selection."""
    told = parameters(N=n, d=dim, rho_0=rho)
    e = float(gt.expected_max_projection(n, dim)) * np.sqrt(1 - rho**2)
    step = (rho + e) / (1 + 2 * rho * e)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        gain = sphere_gains(rng, size_of(100_000, size) * n, dim, rho, step).reshape(-1, n).max(1)
        return {
            "comma": mean_of(gain),
            "plus": mean_of(np.maximum(gain, 0.0)),
            "log": mean_of(-np.log1p(-gain)),
        }

    simulation = Simulation(f"c02 steps {told}", run)

    def exact(quantity: str, law, statistic: str, **keywords: object) -> Check:
        predicted = expect(law, n, dim, rho, **keywords)
        return Check("c02", "E", quantity, told, law.__name__, predicted, simulation, statistic)

    return [
        exact("gain of best-of-N at its best step", gt.best_of_n_gain, "comma"),
        exact(
            "gain of best-of-N, incumbent kept",
            gt.best_of_n_gain,
            "plus",
            step=step,
            keep_incumbent=True,
        ),
        exact("log rate of best-of-N", gt.best_of_n_log_rate, "log", step=step),
    ]


def _noisy(n: int, r: float, alpha: float, varsigma: float, dim: int = 100) -> list[Check]:
    told = parameters(d=dim, N=n, r=r, alpha=alpha, varsigma=varsigma)
    rho, step = float(gt.unscaled(r, dim)), float(gt.unscaled(alpha, dim))

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        count = size_of(50_000, size)
        gain = dim * sphere_gains(rng, count * n, dim, rho, step).reshape(count, n)
        noise = varsigma * rng.standard_normal(gain.shape)
        pick = np.argmax(gain + noise, axis=1)[:, None]
        return {
            "gain": mean_of(np.take_along_axis(gain, pick, 1)),
            "curse": mean_of(np.take_along_axis(noise, pick, 1)),
        }

    simulation = Simulation(f"c05 {told}", run)

    def law() -> gt.NoisyBestOfN:
        return gt.noisy_best_of_n(n, r, varsigma, alpha)

    def terms() -> float:  # the mean of a candidate and the luck of the pick may cancel
        drift = abs(2 * alpha * r - alpha**2)
        return drift + float(gt.select_best(n, 2 * alpha, varsigma).value)

    rows = [
        Check(
            id="c05",
            kind="A",
            quantity="d x true gain of the pick",
            parameters=told,
            law="noisy_best_of_n",
            predicted=lambda _: float(law().progress),
            simulation=simulation,
            statistic="gain",
            tolerance=scaled_tolerance(dim),
            because=SCALED,
            scale=terms,
        ),
    ]
    if varsigma > 0.0:
        rows.append(
            Check(
                id="c05",
                kind="A",
                quantity="d x winner's curse of the pick",
                parameters=told,
                law="noisy_best_of_n",
                predicted=lambda _: float(law().inflation),
                simulation=simulation,
                statistic="curse",
                tolerance=scaled_tolerance(dim),
                because=SCALED,
            )
        )
    return rows


def _selection(n: int, spread: float, noise: float) -> list[Check]:
    told = parameters(N=n, s=spread, sigma=noise)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        shape = size_of(60_000, size), n
        value = spread * rng.standard_normal(shape)
        flattery = noise * rng.standard_normal(shape)
        pick = np.argmax(value + flattery, axis=1)[:, None]
        return {
            "value": mean_of(np.take_along_axis(value, pick, 1)),
            "optimism": mean_of(np.take_along_axis(flattery, pick, 1)),
        }

    simulation = Simulation(f"c23 {told}", run)
    return [
        Check(
            id="c23",
            kind="E",
            quantity=quantity,
            parameters=told,
            law="select_best",
            predicted=lambda _, field=field: float(
                getattr(gt.select_best(n, spread, noise), field)
            ),
            simulation=simulation,
            statistic=field,
        )
        for quantity, field in (
            ("true value of the pick", "value"),
            ("optimism of the pick", "optimism"),
        )
    ]


def _crossover(dim: int, n: int, cost: float = 3.0) -> Check:
    """Mean gain of an ungated step against that of the best of N, both simulated."""
    told = parameters(d=dim, N=n, c=cost)
    law = float(gt.ungated_vs_best_of_n(dim, cost, n, criterion="gain").alignment)
    alignments = [law * x for x in around()]
    e = float(gt.expected_max_projection(n, dim))

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        count = size_of(60_000, size)
        directed = [mean_of(sphere_gains(rng, 2 * count, dim, rho, rho)) for rho in alignments]
        batch = mean_of(sphere_gains(rng, count * n, dim, 0.0, e).reshape(count, n).max(1) / n)
        lead = lambda *gains: level(alignments, cost, *gains)  # noqa: E731
        return {"crossover": of_estimates(lead, *directed, batch)}

    return Check(
        id="c13",
        kind="E",
        quantity="crossover, ungated against best-of-N, mean gain",
        parameters=told,
        law="ungated_vs_best_of_n",
        predicted=lambda _: float(
            gt.ungated_vs_best_of_n(dim, cost, n, criterion="gain").alignment
        ),
        simulation=Simulation(f"c13 {told}", run),
        statistic="crossover",
    )
