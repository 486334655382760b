"""The simulated half of the budget study: log losses when a budget is spent.

Everything on the sphere by its sufficient statistic. The laws for noisy search integrate
d ln f / dt = -psi(sigma d / f) / d: the scaled noise grows as the loss falls.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicSpline

import gome_theory
import optimizers
from experiments.studies.biased_runs import log_losses
from experiments.studies.crossings import locate
from gome_theory import RegimeWarning, Reliability
from optimizers import Operator, Strategy
from simulators import (
    Prices,
    World,
    loss_within,
    lumped_oracle,
    lumped_sphere,
    noisy_evaluator,
    rollout,
)

LOUDEST = 7.0
"""Scaled noise up to which the law of a stored incumbent is tabulated."""
NEAREST = 5
"""Simulated alignments that a crossing is fitted through."""


def log_loss_within(
    build: Callable[[Any], tuple[Strategy, World, Prices]],
    conditions: Any,
    budgets: np.ndarray,
    *,
    steps: int,
    runs: int,
    seed: int,
) -> np.ndarray:
    """Log losses at budgets, shape `(conditions, runs, budgets)`; as `simulate`, without traces."""

    def one(condition, key):
        strategy, world, prices = build(condition)
        trace, _ = rollout(strategy, world, key, steps)
        return jnp.log(loss_within(trace, prices, jnp.asarray(budgets, jnp.float32)))

    over_runs = jax.vmap(one, in_axes=(None, 0))
    every = jax.jit(jax.vmap(over_runs, in_axes=(0, None)))
    found = every(conditions, jax.random.split(jax.random.key(seed), runs))
    return np.asarray(found, np.float64)


def progress_law(kind: str, r: float, alpha: float) -> Callable[[np.ndarray], np.ndarray]:
    """d times the progress a step at a given scaled noise of one score [asymptotic].

    Args:
      kind: "stored", "rescored" or "ungated".
      r: scaled alignment.
      alpha: scaled step.
    """
    if kind == "ungated":
        return lambda noise: np.full_like(noise, 2 * alpha * r - alpha**2)
    if kind == "rescored":
        return lambda noise: np.asarray(
            gome_theory.noisy_gate(r, alpha, math.sqrt(2) * noise).progress
        )
    grid = np.linspace(0.0, min(LOUDEST, 5.9 * alpha), 48)
    with warnings.catch_warnings():
        # The figure shows on purpose what the stationary law says where it is not stationary.
        warnings.simplefilter("ignore", RegimeWarning)
        progress = np.asarray(gome_theory.stored_incumbent(r, grid, alpha).progress)
    return lambda noise: np.interp(noise, grid, progress)


def predicted_log_loss(
    kind: str, r: float, alpha: float, noise: float, dim: int, steps: np.ndarray
) -> np.ndarray:
    """Log loss after so many steps, with scaled noise `noise` at the start."""
    law, log_loss = progress_law(kind, r, alpha), np.zeros(1)
    path = [0.0]
    for _ in range(int(steps.max()) + 1):
        log_loss = log_loss - law(noise * np.exp(-log_loss)) / dim
        path.append(float(log_loss[0]))
    return np.interp(steps, np.arange(len(path)), path)


STEP_COST = {"stored": 1.0, "rescored": 2.0}
"""Evaluations of a search step, by how the incumbent's score is known."""


def best_alpha(kind: str, r: float) -> float:
    """Best scaled step without noise."""
    return float(r if kind == "ungated" else gome_theory.optimal_alpha(r))


def noise_rows(search: str, noise: float, config: Any) -> list[dict[str, Any]]:
    """Log losses over the budget, and the crossover in alignment at each budget.

    Args:
      search: "stored" or "rescored".
      noise: scaled noise sigma d / f of one score at the start.
      config: of the study.
    """
    dim, price = config.dim, config.price
    budgets = np.asarray(config.budgets, float)
    rs = np.asarray(config.scaled_alignments, float)
    directed = [kind for name, kind in config.pairs if name == search]
    kinds = [search if kind == "gated" else kind for kind in directed]
    alphas = np.array([[best_alpha(kind, r) for r in rs] for kind in kinds])
    landscape, search_alpha = lumped_sphere(dim), best_alpha("gated", 0.0)

    def build(condition):
        operator, threshold, rho, step, cost = condition
        world = World(
            landscape,
            lumped_oracle(Reliability(alignment=rho), dim),
            lumped_oracle(Reliability(alignment=0.0), dim, scale=step),
            noisy_evaluator(noise / dim, remeasures=search == "rescored"),
        )
        # Prices are of whole steps: whether the incumbent is scored again is in `cost`.
        return _strategy(operator, threshold, step), world, Prices(cost / STEP_COST[search])

    each = len(directed) * rs.size
    bars = np.repeat([-np.inf if kind == "ungated" else 0.0 for kind in directed], rs.size)
    conditions = (
        jnp.array([Operator.IMPROVE] + [Operator.DESCEND] * each),
        jnp.array([0.0, *bars], jnp.float32),
        jnp.array([0.0, *np.tile(rs, len(directed)) / math.sqrt(dim)], jnp.float32),
        jnp.array([search_alpha, *alphas.ravel()], jnp.float32) / math.sqrt(dim),
        jnp.array([STEP_COST[search]] + [price] * each, jnp.float32),
    )
    found = log_loss_within(
        build,
        conditions,
        budgets * dim,
        steps=2 + math.ceil(budgets.max() * dim / min(STEP_COST[search], price)),
        runs=config.runs,
        seed=config.seed,
    )
    steps = budgets * dim / STEP_COST[search]
    law = predicted_log_loss(search, 0.0, search_alpha, noise, dim, steps)
    rows = [
        {
            "kind": "log loss",
            "search": search,
            "noise": noise,
            "budget": float(budget),
            "predicted": float(level),
            **_mean(values),
        }
        for budget, values, level in zip(budgets, found[0].T, law, strict=True)
    ]
    per_kind = found[1:].reshape(len(directed), rs.size, *found.shape[1:])
    for name, kind, losses, best in zip(directed, kinds, per_kind, alphas, strict=True):
        paths = [
            predicted_log_loss(kind, r, alpha, noise, dim, budgets * dim / price)
            for r, alpha in zip(rs, best, strict=True)
        ]
        for i, budget in enumerate(budgets):
            predicted = crossing_of(rs, law[i] - np.array(paths)[:, i])
            near = np.sort(np.argsort(np.abs(rs - predicted))[:NEAREST])
            lead = found[0, :, i] - losses[near, :, i]
            crossing = locate(rs[near], lead, seed=config.seed)
            rows.append(
                {
                    "kind": "crossover",
                    "search": search,
                    "directed": name,
                    "noise": noise,
                    "budget": float(budget),
                    "value": crossing.value,
                    "stderr": crossing.stderr,
                    "predicted": predicted,
                }
            )
    return rows


def _strategy(operator: Any, threshold: Any, step: Any) -> Strategy:
    return Strategy(
        optimizers.search.sequential(operator),
        optimizers.sgd(step),
        optimizers.gates.improved(threshold),
        optimizers.selectors.best(),
    )


def _mean(values: np.ndarray) -> dict[str, float]:
    return {
        "value": float(values.mean()),
        "stderr": float(values.std(ddof=1) / math.sqrt(values.size)),
    }


def crossing_of(grid: np.ndarray, excess: np.ndarray) -> float:
    """Where a smooth curve through simulated alignments, or just beyond, crosses zero."""
    roots = CubicSpline(grid, excess).roots()
    beyond = (grid[-1] - grid[0]) / 4
    inside = roots[(roots > grid[0] - beyond) & (roots < grid[-1] + beyond)]
    return float(inside[0]) if inside.size else math.nan


def bias_rows(config: Any) -> list[dict[str, Any]]:
    """Lead of an ungated run with a persistent bias over hill climbing, and where it is lost."""
    dim, price, r, alpha = config.biased_dim, config.price, config.biased_r, config.biased_alpha
    steps = np.arange(1, config.biased_steps + 1)
    shares = np.asarray(config.bias_shares, float)
    landscape = lumped_sphere(dim)
    hill_climb = gome_theory.hill_climb_rate(dim)

    def build(condition):
        operator, threshold, omega, step, diagnosis = condition
        rho = r / math.sqrt(dim)
        world = World(
            landscape,
            lumped_oracle(Reliability(alignment=rho, bias_share=omega), dim),
            lumped_oracle(Reliability(alignment=0.0), dim, scale=step),
            noisy_evaluator(),
        )
        return _strategy(operator, threshold, step), world, Prices(diagnosis=diagnosis)

    many = [1] * shares.size
    conditions = (
        jnp.array([Operator.IMPROVE] + [Operator.DESCEND * i for i in many]),
        jnp.array([0.0] + [-np.inf * i for i in many], jnp.float32),
        jnp.array([0.0, *shares], jnp.float32),
        jnp.array([hill_climb.step, *[alpha / math.sqrt(dim)] * shares.size], jnp.float32),
        jnp.array([0.0] + [(price - 1.0) * i for i in many], jnp.float32),
    )
    found = log_loss_within(
        build,
        conditions,
        1 + price * steps,
        steps=3 + math.ceil(price * steps[-1]),
        runs=config.biased_runs,
        seed=config.seed + 1,
    )
    rows = []
    for omega, losses in zip(shares, found[1:], strict=True):
        lead = (found[0] - losses).T
        search = price * steps * float(hill_climb.rate)
        path = -log_losses(r / math.sqrt(dim), omega, alpha / math.sqrt(dim), int(steps[-1]))[1:]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RegimeWarning)
            early = gome_theory.trace_totals(steps, r, alpha, dim, omega).mean
        rows += [
            {
                "kind": "lead",
                "bias_share": float(omega),
                "step": int(step),
                "predicted": float(early_lead),
                "mean_field": float(path_lead),
                **_mean(values),
            }
            for step, values, early_lead, path_lead in zip(
                steps, lead, np.asarray(early) - search, path - search, strict=True
            )
        ]
        level = _crossing_step(steps, path - search)
        near = np.abs(steps - level) <= max(2.0, 0.3 * level)
        crossing = locate(steps[near].astype(float), lead[near], seed=config.seed)
        rows.append(
            {
                "kind": "lead lost",
                "bias_share": float(omega),
                "value": crossing.value,
                "stderr": crossing.stderr,
                "predicted": float(gome_theory.lead_lost_after(r, alpha, price, omega)),
                "mean_field": level,
            }
        )
    return rows


def _crossing_step(steps: np.ndarray, lead: np.ndarray) -> float:
    """First step at which a lead is lost, interpolated."""
    lost = np.flatnonzero(lead < 0)
    if not lost.size:
        return math.nan
    i = lost[0]
    if i == 0:
        return float(steps[0])
    return float(steps[i - 1] + lead[i - 1] / (lead[i - 1] - lead[i]))
