"""The simulated half of the study of the bias trap: runs whose error keeps a fixed direction.

A run is brought back to length 1 between pieces: the sphere looks the same at every scale, so this
changes nothing but the range of numbers, and a run may go on until it has settled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

import gome_theory
import optimizers
from experiments.studies.crossings import locate, mean_and_stderr
from gome_theory import Reliability
from optimizers import Gate, Strategy, gates
from simulators import (
    World,
    advance,
    lumped_oracle,
    lumped_sphere,
    noisy_evaluator,
    noisy_oracle,
    simulate,
    situate,
    sphere,
    world_keys,
)

_PIECE = 10
SMALLEST_STEP = 0.2
"""In units of rho: what is stepped where every step loses, to show that it does."""


class Settled(NamedTuple):
    """Of runs that have settled; arrays of shape `(conditions, runs)`."""

    rate: np.ndarray
    """Nats per step."""
    cosine: np.ndarray
    """Between the remaining error and the bias (meaningful on the lumped sphere only)."""


def settle(
    build: Callable[[Any], tuple[Strategy, World]], conditions: Any, config: Any, runs: int
) -> Settled:
    """Long runs under each condition; what they do after `config.settling` steps.

    Args:
      build: from one condition to a strategy of one trace, and a world on the sphere.
      conditions: tuple of arrays, one entry a condition.
      config: has `settling`, `steps` and `seed`.
      runs: runs per condition, with common keys.
    """
    burn_in, pieces = config.settling // _PIECE, (config.settling + config.steps) // _PIECE

    def one(condition, key):
        strategy, world = build(condition)
        run = optimizers.init(strategy, jnp.zeros(world.landscape.dim), key, 1)
        state = run, situate(world, key)
        keys = world_keys(key, 1 + pieces * _PIECE)
        state, _ = advance(strategy, world, state, keys[:1])

        def piece(state, keys):
            start = jnp.linalg.norm(state[0].params[0])
            (run, situated), _ = advance(strategy, world, state, keys)
            place = run.params[0]  # the incumbent: one node is kept
            length = jnp.linalg.norm(place)
            rate = 2.0 * (jnp.log(start) - jnp.log(length)) / _PIECE
            scaled = run._replace(params=run.params / length, score=run.score / length**2)
            return (scaled, situated), (rate, -place[0] / length)

        _, (rates, cosines) = jax.lax.scan(piece, state, keys[1:].reshape(pieces, _PIECE))
        return rates[burn_in:].mean(), cosines[burn_in:].mean()

    over_runs = jax.vmap(one, in_axes=(None, 0))
    compiled = jax.jit(jax.vmap(over_runs, in_axes=(0, None)))
    traced = tuple(jnp.asarray(c, jnp.float32) for c in conditions)
    rate, cosine = compiled(traced, jax.random.split(jax.random.key(config.seed), runs))
    return Settled(np.asarray(rate, np.float64), np.asarray(cosine, np.float64))


def settle_lumped(rho, omega, step, dim: int, config: Any, gate: Gate | None = None) -> Settled:
    """One diagnosis a step, in any dimension; equal shapes `(conditions,)`; ungated by default."""

    def build(condition):
        rho, omega, step = condition
        oracle = lumped_oracle(Reliability(rho, bias_share=omega), dim)
        world = World(lumped_sphere(dim), oracle, oracle, noisy_evaluator())
        return optimizers.directed(optimizers.sgd(step), gate=gate or gates.always()), world

    return settle(build, (rho, omega, step), config, config.runs)


def settle_consensus(rho, omega, kappa, step, dim: int, config: Any) -> Settled:
    """Steps along the mean of `config.traces` diagnoses, each with a bias of its own."""

    def build(condition):
        rho, omega, kappa, step = condition
        oracle = noisy_oracle(Reliability(rho, bias_share=omega, shared_bias=kappa))
        world = World(
            sphere(dim), oracle, noisy_oracle(Reliability(0.0)), noisy_evaluator(), config.traces
        )
        rule = optimizers.consensus(optimizers.sgd(step))
        return optimizers.directed(rule, gate=gates.always()), world

    return settle(build, (rho, omega, kappa, step), config, config.consensus_runs)


def best_step(rho, omega, traces: int = 1, kappa: npt.ArrayLike = 1.0) -> np.ndarray:
    """The best one, but never shorter than `SMALLEST_STEP`: where nothing gains it is 0."""
    best = gome_theory.bias_trap(rho, omega, traces=traces, shared_bias=kappa)
    return np.maximum(np.asarray(best.step), SMALLEST_STEP * np.asarray(rho))


def settled_rows(dim: int, config: Any) -> list[dict[str, Any]]:
    """Rate and cosine over the bias share, for each alignment."""
    rho, omega = (g.ravel() for g in np.meshgrid(config.alignments, config.bias_shares))
    step = best_step(rho, omega)
    law = gome_theory.bias_trap(rho, omega, step)
    return _settled_rows("", rho, omega, law, settle_lumped(rho, omega, step, dim, config), dim)


def gated_rows(config: Any) -> list[dict[str, Any]]:
    """The same steps behind a gate, in the smallest dimension."""
    rho, omega = (g.ravel() for g in np.meshgrid(config.alignments, config.bias_shares))
    step, dim = best_step(rho, omega), min(config.dims)
    law = gome_theory.gated_bias_trap(rho, omega, step, dim)
    found = settle_lumped(rho, omega, step, dim, config, gates.improved())
    return _settled_rows("gated ", rho, omega, law, found, dim)


def _settled_rows(prefix: str, rho, omega, law, found: Settled, dim: int) -> list[dict[str, Any]]:
    rows = []
    for kind, runs, predicted in (
        ("rate", found.rate, law.rate),
        ("cosine", found.cosine, law.error_cosine),
    ):
        columns = zip(rho, omega, *mean_and_stderr(runs), np.asarray(predicted), strict=True)
        for alignment, share, *values in columns:
            common = {"dim": dim, "alignment": float(alignment), "bias_share": float(share)}
            rows.append(_row(prefix + kind, common, *values))
    return rows


def consensus_rows(config: Any) -> list[dict[str, Any]]:
    """Rate of the mean of several diagnoses over the bias share, for each shared bias."""
    kappa, omega = (g.ravel() for g in np.meshgrid(config.shared_biases, config.bias_shares))
    rho = np.full(kappa.shape, config.consensus_alignment)
    step = best_step(rho, omega, config.traces, kappa)
    law = gome_theory.bias_trap(rho, omega, step, traces=config.traces, shared_bias=kappa)
    found = settle_consensus(rho, omega, kappa, step, config.consensus_dim, config)
    return [
        _row(
            "consensus",
            {
                "dim": config.consensus_dim,
                "alignment": config.consensus_alignment,
                "bias_share": float(omega[i]),
                "shared_bias": float(kappa[i]),
                "traces": config.traces,
            },
            *mean_and_stderr(found.rate[i]),
            np.asarray(law.rate)[i],
        )
        for i in range(rho.size)
    ]


def trajectory_rows(name: str, config: Any) -> list[dict[str, Any]]:
    """Nats won over what was spent; directed steps cost `config.cost`.

    Predicted is the early law of biased steps, and the straight lines of the others, and of a
    gated run once it has settled.
    """
    dim, root = config.run_dim, math.sqrt(config.run_dim)
    step = config.run_r / root
    oracle = lumped_oracle(Reliability(step, bias_share=config.run_bias), dim)
    proposer_step = float(gome_theory.hill_climb_rate(dim).step)
    proposer = lumped_oracle(Reliability(0.0), dim, proposer_step)
    world = World(lumped_sphere(dim), oracle, proposer, noisy_evaluator())
    strategies = {
        "ungated": optimizers.directed(optimizers.sgd(step), gate=gates.always()),
        "gated": optimizers.directed(optimizers.sgd(step)),
        "hill_climb": optimizers.hill_climb(),
    }
    price = 1.0 if name == "hill_climb" else config.cost
    steps = int(config.run_budget / price)
    trace = simulate(
        lambda unused: (strategies[name], world),
        jnp.zeros(1),
        jax.random.key(config.seed),
        steps=steps + 2,
        runs=config.trajectory_runs,
    )
    log_loss = np.log(np.asarray(trace.parent_loss[0, :, 1:], np.float64))
    at = np.unique(np.linspace(0, steps, 41).astype(int))
    mean, stderr = mean_and_stderr((log_loss[:, :1] - log_loss[:, at]).T)
    law = _early_law(name, at, step, dim, config)
    return [
        _row("trajectory", {"strategy": name, "dim": dim, "spent": float(n * price)}, *values)
        for n, *values in zip(at, mean, stderr, law, strict=True)
    ]


def _early_law(name: str, steps: np.ndarray, step: float, dim: int, config: Any) -> np.ndarray:
    if name == "hill_climb":
        return float(gome_theory.hill_climb_rate(dim).rate) * steps
    if name == "gated":  # Early, before the bias is felt: the gated law without bias.
        return float(gome_theory.gated_log_rate(step, step, dim)) * steps
    valid = steps[(steps > 0) & (step * math.sqrt(config.run_bias) * steps < 0.5)]
    totals = gome_theory.trace_totals(valid, config.run_r, config.run_r, dim, config.run_bias)
    law = np.full(steps.shape, np.nan)
    law[np.isin(steps, valid)] = totals.mean
    return law


def crossover_rows(traces: int, dim: int, config: Any) -> list[dict[str, Any]]:
    """Where settled biased steps make what hill climbing makes for their price.

    The search's side is its exact law, which the crossover study tests.
    """
    settings = config.one_trace if traces == 1 else config.many_traces
    omega, kappa = (np.array(column) for column in zip(*settings, strict=True))
    law = gome_theory.biased_vs_hill_climb(
        dim, config.cost, omega, traces=traces, shared_bias=kappa
    )
    predicted = np.asarray(law.alignment)
    # A narrow range above the threshold: the best step vanishes there, and no parabola fits a kink.
    rho = predicted[:, None] * np.linspace(0.96, 1.04, 5)
    omegas, kappas = (
        np.broadcast_to(value[:, None], rho.shape).ravel() for value in (omega, kappa)
    )
    best = gome_theory.bias_trap(rho.ravel(), omegas, traces=traces, shared_bias=kappas)
    step = np.asarray(best.step)
    if traces == 1:
        found = settle_lumped(rho.ravel(), omegas, step, dim, config)
    else:
        found = settle_consensus(rho.ravel(), omegas, kappas, step, dim, config)
    rates = found.rate.reshape(*rho.shape, -1)
    search = float(gome_theory.hill_climb_rate(dim).rate)
    rows = []
    for i in range(len(omega)):
        met = locate(rho[i], rates[i] / config.cost - search, seed=config.seed)
        common = {
            "dim": dim,
            "bias_share": float(omega[i]),
            "shared_bias": float(kappa[i]),
            "traces": traces,
        }
        rows.append(_row("crossover", common, met.value, met.stderr, predicted[i]))
    return rows


def _row(kind: str, common: dict[str, Any], value, stderr, predicted) -> dict[str, Any]:
    numbers = {"value": float(value), "stderr": float(stderr), "predicted": float(predicted)}
    return {"kind": kind, **common, **numbers}
