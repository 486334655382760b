"""The simulated half of the cost study: directed steps at a price, on the sphere.

Rates are d times nats of log loss; the sphere is simulated by its sufficient statistic, so that
dimensions in which the limit laws hold cost no more than small ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import root_scalar

import gome_theory
import optimizers
from experiments.studies.crossings import Crossing, locate
from experiments.studies.sphere import LARGEST_LOG_PROGRESS, Law, directed_gated, directed_ungated
from gome_theory import Reliability
from optimizers import Operator, Strategy
from simulators import (
    World,
    log_progress_summary,
    lumped_oracle,
    lumped_sphere,
    noisy_evaluator,
    sweep,
)

gated_law = directed_gated
LAWS: dict[str, Callable[[np.ndarray, int], Law]] = {
    "gated": gated_law,
    "ungated": directed_ungated,
    "search": gated_law,
}
OPERATOR = {"gated": Operator.DESCEND, "ungated": Operator.DESCEND, "search": Operator.IMPROVE}
THRESHOLD = {"gated": 0.0, "ungated": -np.inf, "search": 0.0}
"""Of the gate."""
WINDOW = np.linspace(0.85, 1.15, 7)
"""Where leads are simulated, in units of the predicted crossing."""


def predicted_crossover(gate: str, dim: int, cost: float) -> float:
    """rho* of the exact law at a fixed price."""
    vs = gome_theory.gated_vs_gated if gate == "gated" else gome_theory.ungated_vs_hill_climb
    return float(vs(dim, cost).alignment)


def coupled_lead(r: np.ndarray, cost: float, coupling: float, dim: int) -> np.ndarray:
    """Exact lead over a search with alignment coupling * rho, d times nats per evaluation."""
    rho = np.asarray(r, float) / math.sqrt(dim)
    search = gome_theory.hill_climb_rate(dim, coupling * rho).rate
    return dim * (gated_law(rho, dim).rate / cost - np.asarray(search))


def rising_price(r: np.ndarray, config: Any) -> np.ndarray:
    """c(r) of the configuration."""
    first, second = config.rising
    return first * np.exp(second * np.asarray(r, float))


def simulated_rates(
    parts: Sequence[tuple[str, np.ndarray]], dim: int, config: Any
) -> list[np.ndarray]:
    """d times simulated nats per step, every strategy at its best step, in one compiled program.

    Args:
      parts: pairs of "gated", "ungated" or "search", and the alignments of its directions.
      dim: of the sphere.
      config: has `runs`, `steps` and `seed`.

    Returns:
      One array for each part, shape `(len(alignments), runs)`.
    """
    laws = [LAWS[kind](alignments, dim) for kind, alignments in parts]
    operator, threshold = (
        jnp.concatenate([jnp.full(a.shape, value[kind]) for kind, a in parts])
        for value in (OPERATOR, THRESHOLD)
    )
    rho, step, rate = (
        np.concatenate(columns).astype(np.float32)
        for columns in zip(
            *((a, law.step, law.rate) for (_, a), law in zip(parts, laws, strict=True)), strict=True
        )
    )
    landscape = lumped_sphere(dim)

    def build(condition):
        operator, threshold, rho, step = condition
        reliability = Reliability(alignment=rho)
        world = World(
            landscape,
            lumped_oracle(reliability, dim),
            lumped_oracle(reliability, dim, scale=step),
            noisy_evaluator(),
        )
        return Strategy(
            optimizers.search.sequential(operator),
            optimizers.sgd(step),
            optimizers.gates.improved(threshold),
            optimizers.selectors.best(),
        ), world

    rates = sweep(
        build,
        (operator, threshold, jnp.asarray(rho), jnp.asarray(step)),
        jax.random.key(config.seed),
        steps=2 + min(config.steps, int(LARGEST_LOG_PROGRESS / rate.max())),
        runs=config.runs,
        summary=log_progress_summary(),
    )
    progress = dim * np.asarray(rates, np.float64)
    return np.split(progress, np.cumsum([a.size for _, a in parts])[:-1])


def fixed_rows(gate: str, dim: int, config: Any) -> list[dict[str, Any]]:
    """Crossovers at every price, and their elasticity between neighbouring prices."""
    predicted = np.array([predicted_crossover(gate, dim, cost) for cost in config.costs])
    alignment = predicted[:, None] * WINDOW
    parts = (gate, alignment.ravel()), ("search", np.zeros(1))
    directed, search = simulated_rates(parts, dim, config)
    directed = directed.reshape(*alignment.shape, -1)
    found = [
        locate(alignment[i], directed[i] / cost - search, seed=config.seed)
        for i, cost in enumerate(config.costs)
    ]
    shared = {"case": "fixed", "gate": gate, "dim": dim}
    rows = [
        _crossover(crossing, float(rho), cost=cost, r=float(rho) * math.sqrt(dim), **shared)
        for crossing, rho, cost in zip(found, predicted, config.costs, strict=True)
    ]
    for i, (low, high) in enumerate(zip(config.costs, config.costs[1:], strict=False)):
        change = math.log(high / low)
        # The same bootstrap samples in both: their errors are not independent.
        resampled = np.log(found[i + 1].resampled / found[i].resampled) / change
        rows.append(
            {
                "kind": "elasticity",
                "cost": math.sqrt(low * high),
                "value": math.log(found[i + 1].value / found[i].value) / change,
                "stderr": float(np.nanstd(resampled, ddof=1)),
                "predicted": math.log(predicted[i + 1] / predicted[i]) / change,
                **shared,
            }
        )
    return rows


def coupled_rows(cost: float, config: Any) -> list[dict[str, Any]]:
    """Leads over r for every coupling, and the crossover where Theorem 7 says there is one."""
    dim, rows = config.large_dim, []
    shown = np.asarray(config.scaled_alignments, float)
    cases = []
    for kappa in config.couplings:
        case = gome_theory.coupled_search_case(cost, kappa)
        near = WINDOW * case.crossings[0] if case.crossings else np.empty(0)
        cases.append((kappa, case, near, np.concatenate([shown, near])))
    every = np.concatenate([grid for *_, grid in cases])
    kappas = np.concatenate([np.full(grid.shape, kappa) for kappa, *_, grid in cases])
    rho = every / math.sqrt(dim)
    directed, search = simulated_rates((("gated", rho), ("search", kappas * rho)), dim, config)
    lead = directed / cost - search
    for kappa, case, near, grid in cases:
        mine, lead = lead[: grid.size], lead[grid.size :]
        shared = {"case": "coupled", "cost": cost, "coupling": kappa, "dim": dim, "gate": "gated"}
        rows += [
            {"kind": "lead", "r": float(r), "predicted": float(law), **_mean(values), **shared}
            for r, law, values in zip(
                shown, coupled_lead(shown, cost, kappa, dim), mine, strict=False
            )
        ]
        if case.crossings:
            exact = _exact_root(lambda r, k=kappa: coupled_lead(r, cost, k, dim), near)
            crossing = locate(near, mine[shown.size :], seed=config.seed)
            rows.append(_crossover(crossing, exact, scaled=case.crossings[0], r=exact, **shared))
        else:
            rows.append({"kind": "no crossover", "reason": case.reason, **shared})
    return rows


def rising_rows(config: Any) -> list[dict[str, Any]]:
    """Rates per cost over r at a rising price, and every crossover."""
    dim = config.large_dim
    shown = np.asarray(config.rising_alignments, float)
    case = gome_theory.rising_cost_case(lambda r: rising_price(r, config), 1.2 * float(shown[-1]))
    near = [WINDOW * crossing for crossing in case.crossings]
    grid = np.concatenate([shown, *near])
    parts = ("gated", grid / math.sqrt(dim)), ("search", np.zeros(1))
    directed, search = simulated_rates(parts, dim, config)
    per_cost = directed / rising_price(grid, config)[:, None]
    law = dim * gated_law(grid / math.sqrt(dim), dim).rate / rising_price(grid, config)
    level = dim * float(gome_theory.hill_climb_rate(dim).rate)
    shared = {"case": "rising", "dim": dim, "gate": "gated"}
    rows = [
        {"kind": "rate", "r": float(r), "predicted": float(rate), **_mean(values), **shared}
        for r, rate, values in zip(shown, law, per_cost, strict=False)
    ]
    rows.append({"kind": "search", "predicted": level, **_mean(search[0]), **shared})

    def lead(r):
        rate = dim * gated_law(np.asarray(r) / math.sqrt(dim), dim).rate
        return rate / rising_price(r, config) - level

    for i, (window, scaled) in enumerate(zip(near, case.crossings, strict=True)):
        at = slice(shown.size + i * WINDOW.size, shown.size + (i + 1) * WINDOW.size)
        crossing = locate(window, per_cost[at] - search, seed=config.seed)
        exact = _exact_root(lead, window)
        rows.append(_crossover(crossing, exact, scaled=scaled, r=exact, **shared))
    return rows


def _exact_root(lead: Callable[[Any], Any], window: np.ndarray) -> float:
    return float(root_scalar(lead, bracket=(window[0], window[-1])).root)


def _crossover(crossing: Crossing, predicted: float, **columns: Any) -> dict[str, Any]:
    return {
        "kind": "crossover",
        "value": crossing.value,
        "stderr": crossing.stderr,
        "predicted": predicted,
        **columns,
    }


def _mean(values: np.ndarray) -> dict[str, float]:
    return {
        "value": float(values.mean()),
        "stderr": float(values.std(ddof=1) / math.sqrt(values.size)),
    }
