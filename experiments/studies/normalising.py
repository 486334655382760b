"""The simulated half of the study of adaptive steps: the rules themselves on noisy components.

One-step gains are measured at a fixed point: the rule sees a stream of noisy gradients, so that a
second moment can converge, and its updates are scored at the scalar step that is best for them.
Runs are on an isotropic quadratic under noise of fixed size.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import gome_theory
import optimizers
from experiments.studies.crossings import mean_and_stderr
from gome_theory import Reliability
from optimizers import UpdateRule, gates
from simulators import (
    Situation,
    World,
    component_oracle,
    noisy_evaluator,
    noisy_oracle,
    simulate,
    sphere,
)

AXES = ("noise", "signal")
"""What differs between components: noise at equal signal, or signal at equal ratio to its noise."""
_LAWS = {
    "sgd": gome_theory.sgd_gain,
    "adam": gome_theory.adam_gain,
    "adam_fast": gome_theory.adam_gain,
    "sign": gome_theory.sign_gain,
}


def rule(name: str, learning_rate: Any, config: Any) -> UpdateRule:
    """A rule of the study; Adam without first moment."""
    match name:
        case "sgd":
            return optimizers.sgd(learning_rate)
        case "sign":
            return optimizers.sign(learning_rate)
        case "adam":
            return optimizers.adam(learning_rate, b1=0.0, b2=config.slow_decay)
    return optimizers.adam(learning_rate, b1=0.0, b2=config.fast_decay)


def spread_out(decades: float, size: int) -> np.ndarray:
    """Numbers evenly spread on a log scale around 1."""
    return np.logspace(-decades / 2.0, decades / 2.0, size)


def on_axis(axis: str, decades: float, config: Any) -> tuple[np.ndarray, np.ndarray]:
    """Signal and noise of each component."""
    wide = spread_out(decades, config.dim)
    if axis == "noise":
        return np.ones(config.dim), config.noise_to_signal * wide
    return wide, config.noise_to_signal * wide


def on_map(signal_decades: float, noise_decades: float, config: Any):
    """Signal and noise that have nothing to do with each other."""
    order = np.random.default_rng(config.seed).permutation(config.dim)
    noise = config.noise_to_signal * spread_out(noise_decades, config.dim)[order]
    return spread_out(signal_decades, config.dim), noise


def one_step_gains(name: str, signal: np.ndarray, noise: np.ndarray, config: Any) -> np.ndarray:
    """Gain of one step at the best scalar step, shape `(settings, runs)`, curvatures 1."""
    oracle = component_oracle(np.ones(config.dim), relative=False)
    moving: Any = rule(name, 1.0, config)  # optax's types of updates know no arithmetic

    def one(signal, noise, key):
        params = jnp.zeros(config.dim)

        def see(state, key):
            # In units of the noise every component is alike: one oracle serves all settings.
            said = oracle.diagnose(key, (), Situation(params, signal / noise)).direction
            update, state = moving.update(noise * said, state, params)
            return state, (-jnp.sum(signal * update), jnp.sum(update**2))

        keys = jax.random.split(key, config.settling + config.draws)
        _, (slope, bend) = jax.lax.scan(see, moving.init(params), keys)
        first, second = slope[config.settling :].reshape(2, -1).mean(axis=1)
        # Not the square of one mean: its own noise would be counted as gain.
        return first * second / (2.0 * bend[config.settling :].mean())

    over_runs = jax.vmap(one, in_axes=(None, None, 0))
    compiled = jax.jit(jax.vmap(over_runs, in_axes=(0, 0, None)))
    keys = jax.random.split(jax.random.key(config.seed), config.runs)
    traced = jnp.asarray(signal, jnp.float32), jnp.asarray(noise, jnp.float32)
    return np.asarray(compiled(*traced, keys), np.float64)


def gain_rows(name: str, config: Any) -> list[dict[str, Any]]:
    """Gains of a rule on both axes and on the map, in units of the best fixed weights' (Wiener)."""
    settings = [
        *({"kind": axis, "decades": t} for axis in AXES for t in config.decades),
        *(
            {"kind": "map", "signal_decades": a, "noise_decades": b}
            for a in config.map_decades
            for b in config.map_decades
            if name in ("sgd", "adam")
        ),
    ]
    components = [
        on_map(s["signal_decades"], s["noise_decades"], config)
        if s["kind"] == "map"
        else on_axis(s["kind"], s["decades"], config)
        for s in settings
    ]
    signal, noise = (np.array(part) for part in zip(*components, strict=True))
    best = np.asarray(gome_theory.wiener_gain(signal, noise))[:, None]
    gains = one_step_gains(name, signal, noise, config) / best
    law = np.asarray(_LAWS[name](signal, noise)) / best[:, 0]
    means = zip(settings, *mean_and_stderr(gains), law, strict=True)
    return [
        {
            **setting,
            "rule": name,
            "value": float(value),
            "stderr": float(stderr),
            "predicted": float(predicted),
        }
        for setting, value, stderr, predicted in means
    ]


def run_rows(name: str, axis: str, config: Any) -> list[dict[str, Any]]:
    """Loss over steps at the learning rate that was best at the end of other runs.

    The start has loss 1; noise is that of `on_axis` at the start, and stays. SGD's mean loss is
    known exactly: E f' = (1 - a)^2 E f + a^2 sum(s^2) / 2.
    """
    signal, noise = on_axis(axis, config.run_decades, config)
    size = math.sqrt(2.0 / np.sum(signal**2))
    start, noise = jnp.asarray(signal * size, jnp.float32), noise * size
    reference = 1.0 if name == "sgd" else size
    rates = reference * np.geomspace(*config.rates)
    world = World(
        sphere(config.dim)._replace(start=lambda key: start),
        component_oracle(noise, relative=False),
        noisy_oracle(Reliability(0.0)),
        noisy_evaluator(),
    )
    trace = simulate(
        lambda rate: (optimizers.directed(rule(name, rate, config), gate=gates.always()), world),
        jnp.asarray(rates, jnp.float32),
        jax.random.key(config.seed),
        steps=config.run_steps + 2,
        runs=2 * config.run_runs,
    )
    loss = np.asarray(trace.parent_loss, np.float64)[:, :, 1:]
    choosing, shown = np.split(loss, 2, axis=1)
    chosen = int(np.argmin(choosing[:, :, -1].mean(1)))
    at = np.unique(np.linspace(0, config.run_steps, 41).astype(int))
    mean, stderr = mean_and_stderr(shown[chosen][:, at].T)
    keep, floor = (1.0 - rates[chosen]) ** 2, rates[chosen] ** 2 * np.sum(noise**2) / 2.0
    resting = floor / (1.0 - keep)
    law = resting + (1.0 - resting) * keep**at if name == "sgd" else np.full(at.shape, np.nan)
    return [
        {
            "kind": f"run {axis}",
            "rule": name,
            "rate": float(rates[chosen]),
            "inside": bool(0 < chosen < len(rates) - 1),
            "step": int(step),
            "value": float(value),
            "stderr": float(error),
            "predicted": float(predicted),
        }
        for step, value, error, predicted in zip(at, mean, stderr, law, strict=True)
    ]
