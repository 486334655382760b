"""Plans as bits (c14, n02), flip by flip."""

from __future__ import annotations

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    Check,
    Estimate,
    Simulation,
    expect,
    mean_of,
    of_estimates,
    parameters,
    size_of,
)
from experiments.studies.verification.vectors import chunks


def checks() -> list[Check]:
    """Every check of this family."""
    return [
        _rate(60, 30, 0.3, 0.0, 0.0),
        _rate(60, 10, 0.3, 0.1, 0.2),
        _rate(60, 4, 0.2, 0.05, 0.1),
        _rate(60, 30, 0.3, 1.0, 0.0),
        _crossover(100, 40, 2.0, 0.0, 0.0),
        _crossover(100, 30, 2.0, 0.05, 0.1),
        _crossover(100, 20, 2.0, 0.1, 0.1),
        _wrong_bits(60, 30, 120, 0.0, 0.0, 0.0),
        _wrong_bits(80, 60, 150, 0.05, 0.2, 0.1),
        _runtime(40, 25, 0.0),
        _runtime(40, 25, 0.2),
    ]


def _strings(rng: np.random.Generator, count: int, dim: int, wrong: int) -> np.ndarray:
    """Which bits are wrong: so many of them, anywhere."""
    return rng.permuted(np.tile(np.arange(dim) < wrong, (count, 1)), axis=1)


def _flip(
    rng: np.random.Generator,
    wrong: np.ndarray,
    rho: float,
    false_accept: float,
    false_reject: float,
) -> None:
    """One gated step of a reasoner that knows a wrong bit with probability rho; in place."""
    every = np.arange(len(wrong))
    informed = rng.random(len(wrong)) < rho
    # A random wrong bit is where random numbers, put to 0 at right bits, are largest.
    choice = rng.random(wrong.shape, dtype=np.float32)
    choice[informed] *= wrong[informed]
    bit = choice.argmax(1)
    improves = wrong[every, bit]
    accepted = rng.random(len(wrong)) < np.where(improves, 1.0 - false_reject, false_accept)
    wrong[every, bit] ^= accepted


def _one_step(
    rng: np.random.Generator, count: int, dim: int, k: int, rho: float, fa: float, fr: float
) -> Estimate:
    removed = []
    for piece in chunks(count, dim):
        wrong = _strings(rng, piece, dim, k)
        _flip(rng, wrong, rho, fa, fr)
        removed.append(k - wrong.sum(1))
    return mean_of(np.concatenate(removed))


def _rate(dim: int, k: int, rho: float, fa: float, fr: float) -> Check:
    told = parameters(d=dim, k=k, rho=rho, FA=fa, FR=fr)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        return {"rate": _one_step(rng, size_of(200_000, size), dim, k, rho, fa, fr)}

    return Check(
        id="c14",
        kind="E",
        quantity="wrong bits removed by a gated flip",
        parameters=told,
        law="flip_rate",
        predicted=expect(gt.flip_rate, rho, k / dim, false_accept=fa, false_reject=fr),
        simulation=Simulation(f"c14 {told}", run),
        statistic="rate",
    )


def _crossover(dim: int, k: int, cost: float, fa: float, fr: float) -> Check:
    """The rate is a straight line in rho, so two points tell where it meets the search's."""
    told = parameters(phi=k / dim, c=cost, FA=fa, FR=fr)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        count = size_of(200_000, size)
        search, none, all_ = (_one_step(rng, count, dim, k, rho, fa, fr) for rho in (0.0, 0.0, 1.0))
        meet = lambda s, low, high: (cost * s - low) / (high - low)  # noqa: E731
        return {"crossover": of_estimates(meet, search, none, all_)}

    return Check(
        id="c14",
        kind="E",
        quantity="crossover of directed with random flips",
        parameters=told,
        law="directed_vs_random_flips",
        predicted=lambda _: float(
            gt.directed_vs_random_flips(k / dim, cost, false_accept=fa, false_reject=fr).alignment
        ),
        simulation=Simulation(f"c14 crossover {told}", run),
        statistic="crossover",
    )


def _wrong_bits(dim: int, start: int, steps: int, rho: float, fa: float, fr: float) -> Check:
    told = parameters(d=dim, k_0=start, t=steps, rho=rho, FA=fa, FR=fr)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        wrong = _strings(rng, size_of(10_000, size), dim, start)
        for _ in range(steps):
            _flip(rng, wrong, rho, fa, fr)
        return {"left": mean_of(wrong.sum(1))}

    gate = {"alignment": rho, "false_accept": fa, "false_reject": fr}
    return Check(
        id="c14",
        kind="E",
        quantity="wrong bits left after t flips",
        parameters=told,
        law="expected_wrong_bits",
        predicted=expect(gt.expected_wrong_bits, steps, start, dim, **gate),
        simulation=Simulation(f"c14 left {told}", run),
        statistic="left",
    )


def _runtime(dim: int, start: int, rho: float) -> Check:
    told = parameters(d=dim, k_0=start, rho=rho)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        wrong = _strings(rng, size_of(4000, size), dim, start)
        times, left = [], wrong
        for time in range(1, 100 * dim):
            _flip(rng, left, rho, 0.0, 0.0)
            done = ~left.any(1)
            times += [time] * int(done.sum())
            left = left[~done]
            if not len(left):
                break
        return {"steps": mean_of(np.asarray(times))}

    return Check(
        id="n02",
        kind="E",
        quantity="flips to the optimum",
        parameters=told,
        law="expected_runtime",
        predicted=expect(gt.expected_runtime, start, dim, rho),
        simulation=Simulation(f"n02 {told}", run),
        statistic="steps",
    )
