"""Simulated steps: the compiled rollout beside three loops that do the same, or the least possible.

A step draws one normal vector for the oracle's error, takes a gradient step along the diagnosis,
measures, and keeps the better point. `python` is one run after the other, its oracle in NumPy and
its update a jitted call of optax; `numpy` is all runs at once; `floor` draws the same numbers from
the same keys on the same device, adds them to the parameters, and does nothing else.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import optimizers
from gome_theory import Reliability
from simulators import (
    World,
    log_progress_summary,
    noisy_evaluator,
    noisy_oracle,
    rollout,
    sphere,
    summarize,
    world_key,
)
from simulators.sweep import program_bytes

ALIGNMENT, LEARNING_RATE = 0.5, 0.2
Draw = Callable[[int], np.ndarray]
"""From the number of a step to standard normals of shape `(runs, dim)`."""


@dataclass(frozen=True)
class Cost:
    """What a step of one run takes in one of the loops; medians over rounds."""

    device: str
    dim: int
    loop: str
    ns: float
    """CPU time on a CPU, which a busy machine stretches less; wall clock elsewhere."""
    ratio: float
    """In units of the floor, within rounds."""
    compile_seconds: float | None
    """By the same clock; None where nothing is compiled beforehand."""


@dataclass(frozen=True)
class Scaling:
    """What happens to the time of a summarised rollout when one size is multiplied."""

    size: str
    factor: int
    times: float
    """Time in units of that before, within rounds."""


@dataclass(frozen=True)
class Memory:
    """Bytes of temporaries and outputs of the compiled program, for a run."""

    steps: int
    summary: float
    trace: float


def costs(dims: tuple[int, ...], *, runs: int, steps: int, rounds: int) -> list[Cost]:
    """All loops at every dimension, on the CPU and on the accelerator if there is one."""
    devices = {device.platform: device for device in (*jax.devices("cpu"), *jax.devices())}
    return [
        cost
        for device in devices.values()
        for dim in dims
        for cost in _costs_on(device, dim, runs=runs, steps=steps, rounds=rounds)
    ]


def _costs_on(device, dim: int, *, runs: int, steps: int, rounds: int) -> list[Cost]:
    clock = time.process_time if device.platform == "cpu" else time.perf_counter
    keys = jax.device_put(jax.random.split(jax.random.key(0), runs), device)
    rng = np.random.default_rng(0)

    def host(loop, runs):
        def draw(number):
            return rng.standard_normal((runs, dim), dtype=np.float32)

        return lambda: loop(draw, runs, dim, steps)

    programs = {"floor": floor(dim, steps), "rollout": simulated(dim, steps)}
    compiled, seconds = {}, {}
    for name, program in programs.items():
        start = clock()
        compiled[name] = jax.jit(jax.vmap(program)).lower(keys).compile()
        seconds[name] = clock() - start
    acts = {
        **{name: (lambda run=run: run(keys), runs) for name, run in compiled.items()},
        "numpy": (host(numpy_loop, runs), runs),
        "python": (host(python_loop, 1), 1),
    }
    times = _interleaved({name: act for name, (act, _) in acts.items()}, rounds, clock)
    each = {name: np.array(times[name]) / (steps * acts[name][1]) for name in acts}
    return [
        Cost(
            device=device.device_kind,
            dim=dim,
            loop=name,
            ns=1e9 * float(np.median(taken)),
            ratio=float(np.median(taken / each["floor"])),
            compile_seconds=seconds.get(name),
        )
        for name, taken in each.items()
    ]


def scaling(factor: int, *, runs: int, steps: int, dim: int, rounds: int) -> list[Scaling]:
    """Time with more steps, more runs, more dimensions, in units of the time without."""
    sizes = {"runs": runs, "steps": steps, "dim": dim}
    programs = {"": sizes} | {name: {**sizes, name: factor * sizes[name]} for name in sizes}

    def act(runs, steps, dim):
        keys = jax.random.split(jax.random.key(0), runs)
        compiled = jax.jit(jax.vmap(summarised(dim, steps))).lower(keys).compile()
        return lambda: compiled(keys)

    acts = {name: act(**chosen) for name, chosen in programs.items()}
    times = _interleaved(acts, rounds, time.process_time)
    return [
        Scaling(
            name,
            factor,
            statistics.median(t / b for t, b in zip(times[name], times[""], strict=True)),
        )
        for name in sizes
    ]


def memory(lengths: tuple[int, ...], *, runs: int, dim: int) -> list[Memory]:
    """Memory of a run against its steps, of which a summary is kept, or the losses."""

    def used(program):
        keys = jax.random.split(jax.random.key(0), runs)
        return program_bytes(jax.jit(jax.vmap(program)).lower(keys).compile()) / runs

    return [
        Memory(steps, used(summarised(dim, steps)), used(simulated(dim, steps)))
        for steps in lengths
    ]


def _strategy_and_world(dim: int):
    oracle = noisy_oracle(Reliability(alignment=ALIGNMENT))
    world = World(sphere(dim), oracle, oracle, noisy_evaluator())
    return optimizers.directed(optimizers.sgd(LEARNING_RATE)), world


def simulated(dim: int, steps: int) -> Callable[[Any], Any]:
    """From a key to the loss where each step began."""
    return lambda key: rollout(*_strategy_and_world(dim), key, steps)[0].parent_loss


def summarised(dim: int, steps: int) -> Callable[[Any], Any]:
    """The same run, of which one number is kept."""
    return lambda key: summarize(*_strategy_and_world(dim), key, steps, log_progress_summary())


def floor(dim: int, steps: int) -> Callable[[Any], Any]:
    """The same random numbers, one pass over the parameters, one number a step."""

    def one_run(key):
        def step(params, number):
            params = params + jax.random.normal(world_key(key, number), (dim,))
            return params, params[0]

        return jax.lax.scan(step, jnp.zeros(dim), jnp.arange(steps))[1]

    return one_run


def numpy_loop(draw: Draw, runs: int, dim: int, steps: int) -> np.ndarray:
    """What `simulated` computes, shape `(runs, steps)`, all runs at once in NumPy."""
    params = draw(0)
    params /= np.sqrt(_loss(params))[:, None]
    loss = _loss(params)
    began = np.zeros((runs, steps), np.float32)
    for number in range(1, steps):
        began[:, number] = loss
        candidate = params - LEARNING_RATE * _diagnosis(draw(number), params)
        candidate_loss = _loss(candidate)
        better = candidate_loss < loss
        params = np.where(better[:, None], candidate, params)
        loss = np.where(better, candidate_loss, loss)
    return began


def python_loop(draw: Draw, runs: int, dim: int, steps: int) -> np.ndarray:
    """The same, one run after the other, every update a call of optax."""
    noise = [draw(number) for number in range(steps)]
    began = np.zeros((runs, steps), np.float32)
    for run in range(runs):
        params = noise[0][run]
        params = params / np.sqrt(_loss(params))
        state, loss = _RULE.init(params), _loss(params)
        for number in range(1, steps):
            began[run, number] = loss
            gradient = _diagnosis(noise[number][run], params)
            candidate, new_state = _update(gradient, state, params)
            candidate = np.asarray(candidate)
            candidate_loss = _loss(candidate)
            if candidate_loss < loss:
                params, state, loss = candidate, new_state, candidate_loss
    return began


_RULE = optax.sgd(LEARNING_RATE)


@jax.jit
def _update(gradient, state, params):
    updates, state = _RULE.update(gradient, state, params)
    return optax.apply_updates(params, updates), state


def _loss(params):
    return np.float32(0.5) * np.einsum("...i,...i->...", params, params)


def _diagnosis(noise, params):
    """A gradient estimate of the given alignment, as long as the gradient."""
    norm = np.sqrt(np.einsum("...i,...i->...", params, params))[..., None]
    error = noise / np.sqrt(np.einsum("...i,...i->...", noise, noise))[..., None]
    across = np.float32(np.sqrt(1 - ALIGNMENT**2))
    return np.float32(ALIGNMENT) * params - across * norm * error


def _interleaved(
    acts: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds of each act in each round; a round before is not counted."""
    times: dict[str, list[float]] = {name: [] for name in acts}
    for counted in range(rounds + 1):
        for name, act in acts.items():
            start = clock()
            jax.block_until_ready(act())
            if counted:
                times[name].append(clock() - start)
    return times
