"""The simulated half of the study of momentum: averages of directions, and memory of successes.

Averages are tried where the truth turns by itself (a moving frame) and where it turns because the
run moves (a quadratic). Steps are the ones that theory finds best for each setting.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import gome_theory
import optimizers
from experiments.studies.crossings import mean_and_stderr
from gome_theory import Reliability
from optimizers import UpdateRule, gates
from optimizers.rules.success_memory import scale_by_success_memory
from simulators import (
    Landscape,
    Trace,
    World,
    moving_frame,
    noisy_evaluator,
    noisy_oracle,
    simulate,
    sphere,
)

_RESAMPLES = 200


def simulate_average(gamma, omega, decay, config: Any, *, raw: bool = False) -> np.ndarray:
    """Gains per step along the average diagnosis, shape `(settings, runs)`.

    The best step a for an average of alignment rho_b and signal S = (1-b)/(1-b gamma) is
    rho_b^2 / (rho S); its gain is rho_b^2 for large d.

    Args:
      gamma: persistence of the truth, shape `(settings,)`.
      omega: bias share.
      decay: of the average.
      config: has `alignment`, `frame_dim`, `settling`, `steps`, `runs` and `seed`.
      raw: average diagnoses with their lengths, as a rule does, instead of directions.
    """
    rho, dim = config.alignment, config.frame_dim
    aligned = np.asarray(gome_theory.ema_alignment(rho, gamma, decay, omega))
    step = aligned**2 * (1.0 - decay * gamma) / (rho * (1.0 - decay))

    def build(condition):
        gamma, omega, decay, step = condition
        world = World(
            sphere(dim),
            noisy_oracle(Reliability(rho, bias_share=omega)),
            noisy_oracle(Reliability(0.0)),
            noisy_evaluator(),
            frame=moving_frame(gamma),
        )
        rule = optimizers.ema(step, decay)
        return optimizers.directed(
            rule if raw else _of_directions(rule), gate=gates.always()
        ), world

    trace = _simulate(
        build, (gamma, omega, decay, step), config, config.settling + config.steps, config.runs
    )
    return _gains(trace, 1 + config.settling).mean(-1)


def _gains(trace: Trace, first: int) -> np.ndarray:
    """Relative gains of all steps from `first` on, 0 for a rejected one."""
    loss, parent = (np.asarray(x, np.float64)[..., first:] for x in (trace.loss, trace.parent_loss))
    return np.where(np.asarray(trace.accepted)[..., first:], 1.0 - loss / parent, 0.0)


def map_rows(config: Any) -> list[dict[str, Any]]:
    """What a short memory adds, over persistence and bias: its sign is that of gamma - omega."""
    gamma, omega = (g.ravel() for g in np.meshgrid(config.map_gammas, config.map_omegas))
    decay = np.full(gamma.shape, config.map_decay)
    both = np.concatenate([decay, np.zeros_like(decay)])
    gains = simulate_average(np.tile(gamma, 2), np.tile(omega, 2), both, config)
    remembering, forgetting = np.split(gains / config.alignment**2, 2)
    law = np.asarray(gome_theory.ema_alignment(config.alignment, gamma, decay, omega))
    predicted = law**2 / config.alignment**2 - 1.0
    means = zip(*mean_and_stderr(remembering - forgetting), predicted, strict=True)
    return [
        _row("map", {"gamma": float(gamma[i]), "omega": float(omega[i])}, *values)
        for i, values in enumerate(means)
    ]


def decay_rows(config: Any, *, raw: bool) -> list[dict[str, Any]]:
    """Squared alignment of the average over its decay, in units of that of one diagnosis."""
    pairs, decays = np.array(config.curves), np.array(config.decays)
    gamma, omega = (np.repeat(column, decays.size) for column in pairs.T)
    decay = np.tile(decays, len(pairs))
    gains = simulate_average(gamma, omega, decay, config, raw=raw) / config.alignment**2
    law = np.asarray(gome_theory.ema_alignment(config.alignment, gamma, decay, omega))
    columns = zip(gamma, omega, decay, strict=True)
    means = zip(*mean_and_stderr(gains), law**2 / config.alignment**2, strict=True)
    kind = "raw decay" if raw else "decay"
    return [
        _row(kind, {"gamma": float(g), "omega": float(o), "decay": float(b)}, *values)
        for (g, o, b), values in zip(columns, means, strict=True)
    ]


def quadratic_rows(config: Any) -> list[dict[str, Any]]:
    """Decrease of ln E f per step on two blocks of curvature, without memory and with the best.

    Predicted by the map of second moments over the same steps, which is exact in every dimension.
    """
    dim, rho = config.quadratic_dim, config.quadratic_alignment
    start, end = config.quadratic_settling, config.quadratic_settling + config.quadratic_steps
    settings = []
    for condition in config.conditions:
        blocks = np.array([1.0, 1.0 / condition])
        sgd = gome_theory.best_quadratic_step(rho, 0.0, blocks)
        best = gome_theory.best_quadratic_momentum(rho, blocks)
        settings += [
            (condition, "none", 0.0, float(sgd.step), float(sgd.rate)),
            (condition, "best", float(best.decay), float(best.step), float(best.rate)),
        ]
    conditions = tuple(np.array([s[i] for s in settings]) for i in (0, 2, 3))

    def build(setting):
        condition, decay, step = setting
        small = jnp.where(jnp.arange(dim) < dim // 2, 1.0, 1.0 / condition)
        rule = optax.chain(optax.ema(decay, debias=False), optax.scale(-step))
        oracle = noisy_oracle(Reliability(rho))
        world = World(_blocks(dim, small), oracle, oracle, noisy_evaluator())
        return optimizers.directed(rule, gate=gates.always()), world

    trace = _simulate(build, conditions, config, end + 1, config.quadratic_runs)
    loss = np.asarray(trace.parent_loss, np.float64)[..., [1 + start, 1 + end]]
    rng = np.random.default_rng(config.seed)
    picks = rng.integers(loss.shape[1], size=(_RESAMPLES, loss.shape[1]))
    rows = []
    for (condition, memory, decay, step, asymptotic), losses in zip(settings, loss, strict=True):
        resampled = [_rate(losses[pick], config.quadratic_steps) for pick in picks]
        moments = _moments(rho, step, decay, condition, end)
        predicted = (math.log(moments[start]) - math.log(moments[end])) / config.quadratic_steps
        common = {
            "condition": condition,
            "memory": memory,
            "decay": decay,
            "asymptotic": asymptotic,
        }
        value = _rate(losses, config.quadratic_steps)
        rows.append(_row("quadratic", common, value, np.std(resampled, ddof=1), predicted))
    return rows


def _rate(losses: np.ndarray, steps: int) -> float:
    first, last = losses.mean(axis=0)
    return (math.log(first) - math.log(last)) / steps


def _moments(rho: float, step: float, decay: float, condition: float, steps: int) -> np.ndarray:
    """E f after each step, from coordinates that start with equal variances."""
    curvatures = np.array([1.0, 1.0 / condition])
    matrix = gome_theory.second_moment_map(rho, step, decay, curvatures)
    moments = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    energies = []
    for _ in range(steps + 1):
        energies.append(curvatures @ moments[:2])
        moments = matrix @ moments
    return np.array(energies)


def _blocks(dim: int, curvatures: Any) -> Landscape:
    """`simulators.quadratic` with curvatures that may be traced; the largest is 1."""

    def loss(x):
        return 0.5 * jnp.sum(curvatures * x**2)

    def start(key):  # Of loss 1 on average only: the map of moments knows no conditioning.
        return jax.random.normal(key, (dim,)) * jnp.sqrt(2.0 / curvatures.sum())

    return Landscape(dim, loss, start, 1.0)


def success_rows(config: Any) -> list[dict[str, Any]]:
    """d times the gain of gated steps that remember successes, over the persistence of the truth.

    The rule of the agent (`optimizers.rules.success_memory`, with a flat kernel) in d dimensions;
    the process that theory says it is for large d, as it is and with the memory vector normalised;
    predicted is the mean-field law.
    """
    gamma, dim, r = np.array(config.memory_gammas), config.memory_dim, config.memory_r
    law = gome_theory.success_memory(r, gamma)
    weight, field = np.asarray(law.stored_alignment) / r, np.asarray(law.progress)
    step = np.asarray(law.alpha) / math.sqrt(dim)

    def build(condition):
        gamma, weight, step = condition
        remembered = scale_by_success_memory(gamma, weight, similarity=0.0, gain=0.0)
        rule = optax.chain(_of_the_same_length(remembered), optax.scale(-step))
        world = World(
            sphere(dim),
            noisy_oracle(Reliability(r / math.sqrt(dim))),
            noisy_oracle(Reliability(0.0)),
            noisy_evaluator(),
            frame=moving_frame(gamma),
        )
        return optimizers.directed(rule), world

    steps = config.memory_settling + config.memory_steps
    trace = _simulate(build, (gamma, weight, step), config, steps, config.memory_runs)
    gains = dim * _gains(trace, 1 + config.memory_settling).mean(-1)
    rows = []
    for i, values in enumerate(zip(*mean_and_stderr(gains), field, strict=True)):
        common = {"gamma": float(gamma[i]), "r": r}
        rows.append(_row("success", common | {"memory": "rule"}, *values))
        for memory in ("process", "normalised"):
            process = gome_theory.simulate_success_memory(
                r,
                float(gamma[i]),
                normalised=memory == "normalised",
                chains=config.chains,
                seed=config.seed,
            )
            found = process.progress, process.progress_error, field[i]
            rows.append(_row("success", common | {"memory": memory}, *found))
    return rows


def _of_directions(rule: UpdateRule) -> UpdateRule:
    """The rule applied to unit directions, its update in units of the length of the diagnosis."""

    def update(updates, state, params=None, **extra_args):
        length = jnp.linalg.norm(updates)
        moved, state = rule.update(updates / length, state, params, **extra_args)
        return length * moved, state

    return UpdateRule(rule.init, update)


def _of_the_same_length(rule: optax.GradientTransformation) -> UpdateRule:
    """The rule's direction with the length of the diagnosis: theory steps a fixed length."""
    rule = optax.with_extra_args_support(rule)

    def update(updates, state, params=None, **extra_args):
        blended, state = rule.update(updates, state, params, **extra_args)
        length = jnp.linalg.norm(blended)
        return blended * jnp.linalg.norm(updates) / jnp.where(length > 0, length, 1.0), state

    return UpdateRule(rule.init, update)


def _simulate(build, conditions, config: Any, steps: int, runs: int):
    traced = tuple(jnp.asarray(c, jnp.float32) for c in conditions)
    return simulate(build, traced, jax.random.key(config.seed), steps=1 + steps, runs=runs)


def _row(kind: str, common: dict[str, Any], value, stderr, predicted) -> dict[str, Any]:
    numbers = {"value": float(value), "stderr": float(stderr), "predicted": float(predicted)}
    return {"kind": kind, **common, **numbers}
