"""The simulated half of the study of hallucinations: replies that mean nothing, or cannot be read.

Steps are the ones that theory finds best for the reasoner's mixture of sound and hallucinated
directions: it cannot tell them apart itself. All laws here are exact at finite dimension.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

import gome_theory
import optimizers
from experiments.studies.crossings import locate, mean_and_stderr
from gome_theory import Reliability
from optimizers import gates
from simulators import (
    Prices,
    Trace,
    World,
    log_progress,
    lumped_oracle,
    lumped_sphere,
    noisy_evaluator,
    simulate,
    spent,
)

GATES = {"gated": gates.improved, "ungated": gates.always}
_LAWS = {
    "gated": gome_theory.optimal_gated_log_rate,
    "ungated": gome_theory.optimal_ungated_log_rate,
}


def best(gate: str, rho, dim: int, share, wrong) -> tuple[np.ndarray, np.ndarray]:
    """Step and log rate of a reasoner that hallucinates a share of its directions."""
    law = _LAWS[gate](rho, dim, hallucination=share, hallucination_alignment=wrong)
    return np.asarray(law.step), np.asarray(law.rate)


def simulate_replies(gate: str, rho, share, wrong, malformed, step, config: Any) -> Trace:
    """Directed runs; arguments of shape `(conditions,)`, the trace `(conditions, runs, steps)`."""
    dim = config.dim

    def build(condition):
        rho, share, wrong, malformed, step = condition
        reasoner = lumped_oracle(Reliability(rho, share, wrong, malformed=malformed), dim)
        world = World(
            lumped_sphere(dim), reasoner, lumped_oracle(Reliability(0.0), dim), noisy_evaluator()
        )
        return optimizers.directed(optimizers.sgd(step), gate=GATES[gate]()), world

    columns = np.broadcast_arrays(rho, share, wrong, malformed, step)
    return simulate(
        build,
        tuple(jnp.asarray(c, jnp.float32) for c in columns),
        jax.random.key(config.seed),
        steps=config.steps + 2,
        runs=config.runs,
    )


def reply_rows(gate: str, config: Any) -> list[dict[str, Any]]:
    """Everything about directed steps with this gate: one program, many conditions.

    Progress per step over the share of hallucinated replies, for two kinds of them and several
    alignments; progress per cost over the share of replies that are bad, malformed or hallucinated.
    """
    root = math.sqrt(config.dim)
    settings = [
        {"kind": "progress", "r": r, "wrong_r": wrong, "share": share, "malformed": 0.0}
        for r, wrong in [
            *((r, 0.0) for r in config.scaled_alignments),
            (config.shown_r, -config.shown_r),
        ]
        for share in config.shares
    ]
    settings += [
        {"kind": "cost", "r": config.shown_r, "wrong_r": 0.0, "share": 0.0, "malformed": share}
        for share in config.shares
    ]
    columns = {
        name: np.array([s[name] for s in settings]) for name in settings[0] if name != "kind"
    }
    rho, wrong = columns["r"] / root, columns["wrong_r"] / root
    step, rate = best(gate, rho, config.dim, columns["share"], wrong)
    trace = simulate_replies(gate, rho, columns["share"], wrong, columns["malformed"], step, config)
    progress = np.asarray(log_progress(trace), np.float64) * config.steps
    prices = Prices(evaluation=1.0, diagnosis=config.cost - 1.0)
    paid = np.asarray(spent(trace, prices), np.float64)
    paid = paid[..., -2] - paid[..., 0]
    rows = []
    for i, setting in enumerate(settings):
        lost = setting["malformed"]
        per_step = config.dim * progress[i] / config.steps
        # A malformed reply costs a diagnosis and no evaluation.
        price = config.cost - lost
        common = {**setting, "gate": gate}
        if setting["kind"] == "progress":
            law = config.dim * rate[i]
            rows.append(_row(common, *mean_and_stderr(per_step), law))
        if setting["kind"] == "cost" or (setting["r"], setting["wrong_r"]) == (config.shown_r, 0):
            law = config.dim * (1.0 - lost) * rate[i] / price
            found = mean_and_stderr(config.dim * progress[i] / paid[i])
            rows.append(_row(common | {"kind": "cost"}, *found, law))
    return rows


def predicted_crossover(gate: str, share: float, wrong: float, config: Any) -> float:
    """The alignment that makes what hill climbing makes for the price, NaN if none does.

    Args:
      gate: "gated" or "ungated".
      share: h.
      wrong: alignment of hallucinated directions, in units of minus that of sound ones.
      config: has `dim` and `cost`.
    """
    target = config.cost * float(gome_theory.hill_climb_rate(config.dim).rate)

    def lead(rho: float) -> float:
        return float(best(gate, rho, config.dim, share, -wrong * rho)[1]) - target

    if lead(0.95) < 0.0:
        return math.nan
    found: Any = brentq(lead, 1e-3, 0.95, xtol=1e-8)
    return float(found)


def crossover_rows(gate: str, config: Any) -> list[dict[str, Any]]:
    """Crossover with hill climbing over the share of hallucinated replies.

    The search's side is its exact law, which the crossover study tests.
    """
    settings = [(share, wrong) for wrong in (0.0, 1.0) for share in config.crossover_shares]
    expected = [(*s, predicted_crossover(gate, *s, config)) for s in settings]
    met = [s for s in expected if math.isfinite(s[2]) and s[2] < config.largest_crossover]
    share, wrong, predicted = (np.array(column)[:, None] for column in zip(*met, strict=True))
    rho = predicted * np.linspace(0.8, 1.2, 5)
    share, wrong = (np.broadcast_to(x, rho.shape).ravel() for x in (share, wrong))
    wrong = -wrong * rho.ravel()
    step, _ = best(gate, rho.ravel(), config.dim, share, wrong)
    trace = simulate_replies(gate, rho.ravel(), share, wrong, 0.0, step, config)
    rates = np.asarray(log_progress(trace), np.float64).reshape(*rho.shape, -1) / config.cost
    search = float(gome_theory.hill_climb_rate(config.dim).rate)
    root = math.sqrt(config.dim)
    rows = []
    for (share_of, wrong_of, at), grid, runs in zip(met, rho, rates, strict=True):
        found = locate(grid, runs - search, seed=config.seed)
        common = {"kind": "crossover", "gate": gate, "share": share_of, "adversarial": wrong_of > 0}
        rows.append(_row(common, found.value * root, found.stderr * root, at * root))
    return rows


def _row(common: dict[str, Any], value, stderr, predicted) -> dict[str, Any]:
    numbers = {"value": float(value), "stderr": float(stderr), "predicted": float(predicted)}
    return {**common, **numbers}
