"""Whole runs of real strategies on the sphere (c03), and where their progress crosses (c13)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    SCALED,
    Check,
    Estimate,
    Simulation,
    mean_of,
    of_means,
    parameters,
    scaled_tolerance,
    size_of,
)
from gome_theory import crossover

RUNS = 3000
_STEPS = 150
_NATS = 30.0  # what a run may gain before float32 squares lose digits
_APART = 0.05  # alignments around a crossover, relatively
GATED = (
    (10, 2.0, 0.0),
    (30, 2.0, 0.0),
    (100, 2.0, 0.0),
    (30, 1.5, 0.0),
    (30, 4.0, 0.0),
    (30, 2.0, 0.1),
)
"""Dimension, cost, alignment of the search's proposals."""
UNGATED = ((10, 3.0), (30, 3.0), (100, 3.0), (30, 1.5))
DIRECTED = ((30, 0.1), (30, 0.3), (100, 0.1))


class Setting(NamedTuple):
    """One condition of a compiled batch of runs."""

    rho: float
    step: float


def checks(dims: tuple[int, ...]) -> list[Check]:
    """Checks of this family in the given dimensions; two compiled programs a dimension."""
    return [check for dim in dims for check in _in_dimension(dim)]


def _in_dimension(dim: int) -> list[Check]:
    gated = {f"search {rho_0:g}": _gated(rho_0, dim) for rho_0 in (0.0, 0.1)}
    gated |= {f"directed {rho:g}": _gated(rho, dim) for d, rho in DIRECTED if d == dim}
    ungated: dict[str, Setting] = {}
    for _, cost, rho_0 in _of(GATED, dim):
        rho = float(gt.gated_vs_gated(dim, cost, base_alignment=rho_0).alignment)
        gated |= {f"c={cost:g} {rho_0:g} {x:g}": _gated(x * rho, dim) for x in around()}
    for _, cost in _of(UNGATED, dim):
        rho = float(gt.ungated_vs_hill_climb(dim, cost).alignment)
        ungated |= {f"c={cost:g} {x:g}": _ungated(x * rho, dim) for x in around()}

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        runs = size_of(RUNS, size)
        kept = simulate_runs(rng, dim, gated, runs, gate=True)
        found: dict[str, Estimate] = {}
        for name in (name for name in gated if name.startswith(("search", "directed"))):
            rate, accepted = kept[name]
            found |= {f"{name} rate": mean_of(dim * rate), f"{name} accepted": mean_of(accepted)}
        for _, cost, rho_0 in _of(GATED, dim):
            names = [f"c={cost:g} {rho_0:g} {x:g}" for x in around()]
            rates = [kept[name].rate for name in (*names, f"search {rho_0:g}")]
            found[f"gated {cost:g} {rho_0:g}"] = _crossing(
                [gated[n].rho for n in names], cost, rates
            )
        free = simulate_runs(rng, dim, ungated, runs, gate=False)
        for _, cost in _of(UNGATED, dim):
            names = [f"c={cost:g} {x:g}" for x in around()]
            rates = [*(free[name].rate for name in names), kept["search 0"].rate]
            found[f"ungated {cost:g}"] = _crossing([ungated[n].rho for n in names], cost, rates)
        return found

    simulation = Simulation(f"c03 c13 d={dim}", run)
    return [*_rates(dim, simulation), *_crossovers(dim, simulation)]


def _rates(dim: int, simulation: Simulation) -> list[Check]:
    def check(kind, quantity, told, law, predicted, statistic, tolerance=0.0) -> Check:
        because = SCALED if kind == "A" else ""
        return Check(
            id="c03",
            kind=kind,
            quantity=quantity,
            parameters=told,
            law=law,
            predicted=lambda _: float(predicted()),
            simulation=simulation,
            statistic=statistic,
            tolerance=tolerance,
            because=because,
        )

    told, tolerance = parameters(d=dim), scaled_tolerance(dim)
    answer = [
        check(
            "E",
            "d x log rate of hill climbing",
            told,
            "hill_climb_rate",
            lambda: dim * gt.hill_climb_rate(dim).rate,
            "search 0 rate",
        ),
        check(
            "E",
            "acceptance of hill climbing",
            told,
            "hill_climb_rate",
            lambda: gt.hill_climb_rate(dim).acceptance,
            "search 0 accepted",
        ),
        check(
            "A",
            "d x log rate of hill climbing, scaled",
            told,
            "psi_g",
            lambda: gt.psi_g(0.0),
            "search 0 rate",
            tolerance,
        ),
        check(
            "A",
            "acceptance of hill climbing, scaled",
            told,
            "acceptance",
            lambda: gt.acceptance(0.0, gt.optimal_alpha(0.0)),
            "search 0 accepted",
            tolerance,
        ),
    ]
    for d, rho in DIRECTED:
        if d == dim:
            told = parameters(d=dim, rho=rho)
            answer += [
                check(
                    "E",
                    "d x log rate, directed and gated",
                    told,
                    "optimal_gated_log_rate",
                    lambda rho=rho: dim * gt.optimal_gated_log_rate(rho, dim).rate,
                    f"directed {rho:g} rate",
                ),
                check(
                    "A",
                    "d x log rate, directed and gated, scaled",
                    told,
                    "psi_g",
                    lambda rho=rho: gt.psi_g(gt.scaled(rho, dim)),
                    f"directed {rho:g} rate",
                    tolerance,
                ),
            ]
    return answer


def _crossovers(dim: int, simulation: Simulation) -> list[Check]:
    def both(quantity, told, law, predicted: Callable[[crossover.Law], gt.Crossover], statistic):
        exact = Check(
            id="c13",
            kind="E",
            quantity=quantity,
            parameters=told,
            law=law,
            predicted=lambda _: float(predicted("exact").alignment),
            simulation=simulation,
            statistic=statistic,
        )
        scaled = exact._replace(
            kind="A",
            quantity=f"{quantity}, scaled",
            predicted=lambda _: float(predicted("scaled").alignment),
            tolerance=scaled_tolerance(dim),
            because=SCALED,
        )
        return [exact, scaled]

    answer: list[Check] = []
    for _, cost, rho_0 in _of(GATED, dim):
        answer += both(
            "crossover, gated against hill climbing",
            parameters(d=dim, c=cost, rho_0=rho_0),
            "gated_vs_gated",
            functools.partial(_gated_crossover, dim, cost, rho_0),
            f"gated {cost:g} {rho_0:g}",
        )
    for _, cost in _of(UNGATED, dim):
        answer += both(
            "crossover, ungated against hill climbing",
            parameters(d=dim, c=cost),
            "ungated_vs_hill_climb",
            functools.partial(_ungated_crossover, dim, cost),
            f"ungated {cost:g}",
        )
    return answer


def _gated_crossover(dim: int, cost: float, rho_0: float, law: crossover.Law) -> gt.Crossover:
    return gt.gated_vs_gated(dim, cost, base_alignment=rho_0, law=law)


def _ungated_crossover(dim: int, cost: float, law: crossover.Law) -> gt.Crossover:
    return gt.ungated_vs_hill_climb(dim, cost, law=law)


class Runs(NamedTuple):
    """Per run: nats per step, and share of accepted steps."""

    rate: np.ndarray
    accepted: np.ndarray


def simulate_runs(
    rng: np.random.Generator, dim: int, settings: Mapping[str, Setting], runs: int, *, gate: bool
) -> dict[str, Runs]:
    """Runs of gradient descent by an unreliable reasoner, all settings in one compiled program.

    A search is such a run too: its proposals are diagnoses of a small alignment.
    """
    if not settings:
        return {}
    import jax
    import jax.numpy as jnp

    import optimizers
    from simulators import World, log_progress, noisy_evaluator, noisy_oracle, simulate, sphere

    gates = optimizers.gates.improved() if gate else optimizers.gates.always()
    fastest = max(-math.log1p(-min(2 * s.rho * s.step - s.step**2, 0.9)) for s in settings.values())
    steps = max(20, min(_STEPS, int(_NATS / max(fastest, 1e-3))))

    def build(setting):
        rho, step = setting
        oracle = noisy_oracle(gt.Reliability(rho))
        world = World(sphere(dim), oracle, oracle, noisy_evaluator())
        return optimizers.directed(optimizers.sgd(step), gate=gates), world

    conditions = tuple(jnp.asarray(column, jnp.float32) for column in zip(*settings.values()))  # noqa: B905
    key = jax.random.key(int(rng.integers(2**31)))
    trace = simulate(build, conditions, key, steps=steps + 2, runs=runs)
    rate = np.asarray(log_progress(trace), float)
    accepted = np.asarray(trace.accepted, float)[..., 1:].mean(-1)
    return {name: Runs(rate[row], accepted[row]) for row, name in enumerate(settings)}


def _crossing(alignments: list[float], cost: float, rates: list[np.ndarray]) -> Estimate:
    """Runs share their keys between settings, so that errors are those of paired samples."""
    return of_means(lambda *means: level(alignments, cost, *means), *rates)


def level(alignments: list[float], cost: float, *rates: float) -> float:
    """Where a parabola through three leads of the directed side crosses zero."""
    *directed, search = rates
    middle = alignments[1]
    x = np.asarray(alignments) / middle - 1.0
    lead = np.asarray(directed) / (cost * search) - 1.0
    bend, slope, offset = np.polyfit(x, lead, 2)
    root = -2.0 * offset / (slope + math.sqrt(max(slope**2 - 4.0 * bend * offset, 0.0)))
    return middle * (1.0 + root)


def around() -> tuple[float, float, float]:
    return 1.0 - _APART, 1.0, 1.0 + _APART


def _gated(rho: float, dim: int) -> Setting:
    return Setting(rho, float(gt.optimal_gated_log_rate(rho, dim).step))


def _ungated(rho: float, dim: int) -> Setting:
    return Setting(rho, float(gt.optimal_ungated_log_rate(rho, dim).step))


def _of(table: tuple, dim: int) -> list[tuple]:
    return [row for row in table if row[0] == dim]
