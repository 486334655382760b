"""The simulated half of the crossover study: progress rates and crossovers on the sphere.

Every strategy takes the step size that theory says is best for it, so that what is compared are the
methods and not their tuning. Rates are nats of log loss per evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import gome_theory
import optimizers
from experiments.studies.crossings import locate
from gome_theory import Reliability
from optimizers import Strategy
from simulators import (
    World,
    log_progress_summary,
    noisy_evaluator,
    noisy_oracle,
    sphere,
    sweep,
)

LARGEST_LOG_PROGRESS = 40.0
"""Nats that a run may gain before float32 squares lose precision."""


class Law(NamedTuple):
    """Best step size of a strategy and what theory predicts for it there."""

    step: np.ndarray
    rate: np.ndarray
    """Nats per evaluation."""


class Contender(NamedTuple):
    """A strategy of the study: how to build it, and its law."""

    strategy: Callable[[Any], Strategy]
    """From a step size (traced) to a strategy."""
    law: Callable[[np.ndarray, int], Law]
    """From alignments and a dimension to the law."""
    round: int = 1
    """Evaluations between two moves."""


def directed_gated(alignment: np.ndarray, dim: int) -> Law:
    """Gated steps along the diagnosis."""
    best = gome_theory.optimal_gated_log_rate(alignment, dim)
    return Law(np.asarray(best.step), np.asarray(best.rate))


def directed_ungated(alignment: np.ndarray, dim: int) -> Law:
    """Ungated steps along the diagnosis."""
    best = gome_theory.optimal_ungated_log_rate(alignment, dim)
    return Law(np.asarray(best.step), np.asarray(best.rate))


def hill_climb(alignment: np.ndarray, dim: int) -> Law:
    """Gated undirected steps; alignment plays no part. A noise-free greedy tree does the same."""
    best = gome_theory.hill_climb_rate(dim)
    return Law(np.full_like(alignment, best.step), np.full_like(alignment, best.rate))


def best_of(n: int) -> Callable[[np.ndarray, int], Law]:
    """Rounds of n undirected candidates, at the step size of the best mean gain."""

    def law(alignment: np.ndarray, dim: int) -> Law:
        step = float(gome_theory.expected_max_projection(n, dim))
        rate = float(gome_theory.best_of_n_log_rate(n, dim, step=step)) / n
        return Law(np.full_like(alignment, step), np.full_like(alignment, rate))

    return law


CONTENDERS: dict[str, Contender] = {
    "directed": Contender(lambda a: optimizers.directed(optimizers.sgd(a)), directed_gated),
    "directed_ungated": Contender(
        lambda a: optimizers.directed(optimizers.sgd(a), gate=optimizers.gates.always()),
        directed_ungated,
    ),
    "hill_climb": Contender(lambda a: optimizers.hill_climb(), hill_climb),
    "greedy_tree": Contender(
        lambda a: optimizers.undirected(optimizers.search.aide(drafts=1)), hill_climb
    ),
    "best_of_n": Contender(
        lambda a: optimizers.undirected(optimizers.search.best_of_n(5)), best_of(5), 5
    ),
}


def simulate_rates(
    name: str, dim: int, alignment: np.ndarray, *, steps: int, runs: int, seed: int
) -> np.ndarray:
    """Simulated rates of one contender, shape `(len(alignment), runs)`, nats per evaluation.

    Run `i` has the same key at every alignment, for every contender.
    """
    contender = CONTENDERS[name]
    law = contender.law(alignment, dim)
    landscape = sphere(dim)
    rounds = _rounds(float(law.rate.max()) * contender.round, steps // contender.round)

    def build(condition):
        rho, step = condition
        world = World(
            landscape=landscape,
            reasoner=noisy_oracle(Reliability(alignment=rho)),
            proposer=noisy_oracle(Reliability(alignment=0.0), scale=step),
            evaluator=noisy_evaluator(),
        )
        return contender.strategy(step), world

    rates = sweep(
        build,
        (jnp.asarray(alignment, jnp.float32), jnp.asarray(law.step, jnp.float32)),
        jax.random.key(seed),
        steps=1 + contender.round * (1 + rounds),
        runs=runs,
        summary=log_progress_summary(first=contender.round),
    )
    return np.asarray(rates, np.float64)


def _rounds(rate: float, wanted: int) -> int:
    affordable = math.floor(LARGEST_LOG_PROGRESS / max(rate, 1e-6))
    return max(2, min(wanted, affordable))


def rate_rows(name: str, dim: int, config: Any) -> list[dict[str, Any]]:
    """Rows of simulated and predicted rates over the alignment grid."""
    directed = name.startswith("directed")
    scaled = np.asarray(config.scaled_alignments if directed else (0.0,), float)
    alignment = scaled / math.sqrt(dim)
    rates = simulate_rates(
        name, dim, alignment, steps=config.steps, runs=config.runs, seed=config.seed
    )
    predicted = CONTENDERS[name].law(alignment, dim).rate
    return [
        {
            "kind": "rate",
            "strategy": name,
            "dim": dim,
            "alignment": float(alignment[i]),
            "value": float(rates[i].mean()),
            "stderr": float(rates[i].std(ddof=1) / math.sqrt(config.runs)),
            "predicted": float(predicted[i]),
        }
        for i in range(len(alignment))
    ]


class Pair(NamedTuple):
    """Two contenders and the law of where they cross."""

    directed: str
    search: str
    predicted: Callable[[int, float], float]
    """From dimension and cost of a directed step to the alignment, NaN if they do not cross."""


PAIRS: dict[str, Pair] = {
    "gated against hill climbing": Pair(
        "directed",
        "hill_climb",
        lambda dim, cost: float(gome_theory.gated_vs_gated(dim, cost).alignment),
    ),
    "ungated against hill climbing": Pair(
        "directed_ungated",
        "hill_climb",
        lambda dim, cost: float(gome_theory.ungated_vs_hill_climb(dim, cost).alignment),
    ),
}


def crossover_rows(pair: str, dim: int, cost: float, config: Any) -> list[dict[str, Any]]:
    """One row: the simulated crossover with its standard error, and the predicted one.

    The directed rate is simulated around the predicted crossover and fitted by a parabola; the
    crossover is where it reaches `cost` times the search's rate. The error is a bootstrap over
    runs, which share their keys between alignments.
    """
    contenders = PAIRS[pair]
    predicted = contenders.predicted(dim, cost)
    row = {
        "kind": "crossover",
        "strategy": pair,
        "dim": dim,
        "cost": cost,
        "predicted": predicted,
        "value": math.nan,
        "stderr": math.nan,
    }
    if not math.isfinite(predicted):
        return [row]
    alignment = np.linspace(0.8, min(1.2, 0.98 / predicted), 7) * predicted
    common = {"steps": config.steps, "runs": config.crossover_runs, "seed": config.seed + 1}
    directed = simulate_rates(contenders.directed, dim, alignment, **common)
    search = simulate_rates(contenders.search, dim, np.zeros(1), **common)
    lead = directed / cost - search
    found = locate(alignment, lead, seed=config.seed)
    row["value"], row["stderr"] = found.value, found.stderr
    return [row]
