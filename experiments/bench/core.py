"""The optimizer core by itself: a step on the host, and steps in batches beside bare optax.

The batched harness is `vmap` over runs of `scan` over steps, on the quadratic sum of squares with
a noisy gradient. Three bodies are compared: optax alone (update, apply); ask, propose, observe and
settle of a whole strategy, on the same gradients; and the simulator's rollout, which adds
oracles, evaluators and traces.
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

DIM = 64
HOST_DIM = 128
"""Slots of the agent's lexicon."""
LEARNING_RATE = 0.05


@dataclass(frozen=True)
class HostStep:
    """One ask, propose, observe and settle, each a compiled call of its own."""

    rule: str
    ms: float


@dataclass(frozen=True)
class Throughput:
    """Steps a second of one body in the batched harness."""

    rule: str
    body: str
    steps_per_second: float
    ratio: float
    """Seconds in units of bare optax's, within a repetition."""


def host_steps(rules: tuple[str, ...], repetitions: int) -> list[HostStep]:
    """Milliseconds of the core per step of a host driver, compiled as the agent compiles it."""
    steps = {rule: _host_step(rule) for rule in rules}
    times: dict[str, list[float]] = {rule: [] for rule in rules}
    for _ in range(repetitions):
        for rule, step in steps.items():
            times[rule].append(_seconds(step))
    return [HostStep(rule, 1e3 * statistics.median(taken)) for rule, taken in times.items()]


def _host_step(rule: str) -> Callable[[], Any]:
    from gome_agent.compiled import Compiled, Seen

    strategy = optimizers.directed(optimizers.RULES[rule]())
    compiled = Compiled(strategy)
    run = [optimizers.init(strategy, jnp.zeros(HOST_DIM), jax.random.key(0), 1000)]
    asked = [compiled.ask(run[0], 0)]
    gradient = np.random.default_rng(1).normal(size=HOST_DIM).astype(np.float32)
    score = [0.0]

    def step():
        began = run[0]._replace(policy=asked[0].policy)
        proposed = compiled.propose(began, asked[0].expansion, gradient, 0)
        score[0] += 0.1
        numbers = np.array([score[0], 0.1, True, 0.1, 0.1], np.float32)
        settled = compiled.conclude(began, proposed.proposal, Seen(proposed.base, numbers))
        run[0], asked[0] = settled.run, settled.next
        return settled.run

    step()
    step()
    return step


def throughput(rules: tuple[str, ...], *, runs: int, steps: int, repetitions: int):
    """Batched steps a second of optax alone, of the core, and of the simulator's rollout."""
    bodies = {
        (rule, body): _compile_body(build(rule, steps), runs)
        for rule in rules
        for body, build in BODIES.items()
    }
    times: dict[tuple[str, str], list[float]] = {name: [] for name in bodies}
    for _ in range(repetitions):
        for name, run in bodies.items():
            times[name].append(_seconds(run))
    return [
        Throughput(
            rule,
            body,
            steps_per_second=runs * steps / statistics.median(taken),
            ratio=statistics.median(
                t / b for t, b in zip(taken, times[rule, "optax"], strict=True)
            ),
        )
        for (rule, body), taken in times.items()
    ]


def _compile_body(one_run: Callable[[Any], Any], runs: int) -> Callable[[], Any]:
    keys = jax.random.split(jax.random.key(0), runs)
    compiled = jax.jit(jax.vmap(one_run)).lower(keys).compile()
    compiled(keys)
    return lambda: compiled(keys)


def _noisy_gradient(key, params):
    return params + 0.1 * jax.random.normal(key, params.shape)


def _optax(rule: str, steps: int):
    transformation = getattr(optax, rule)(LEARNING_RATE)

    def one_run(key):
        params = jnp.ones(DIM)

        def step(carry, key):
            params, state = carry
            updates, state = transformation.update(_noisy_gradient(key, params), state, params)
            return (optax.apply_updates(params, updates), state), 0.5 * (params**2).sum()

        carry = (params, transformation.init(params))
        return jax.lax.scan(step, carry, jax.random.split(key, steps))[1]

    return one_run


def _core(rule: str, steps: int):
    strategy = optimizers.directed(
        optimizers.RULES[rule](LEARNING_RATE), gate=optimizers.gates.always()
    )

    def one_run(key):
        origin = jnp.ones(DIM)

        def step(run, key):
            expansion, run = optimizers.ask(strategy, run)
            base = optimizers.parent_params(run, expansion)
            proposal = optimizers.propose(strategy, run, expansion, _noisy_gradient(key, base))
            loss = 0.5 * (proposal.params**2).sum()
            seen = optimizers.observe(run, expansion, proposal.params, -loss)
            run, _ = optimizers.settle(strategy, run, proposal, seen)
            return run, loss

        run = optimizers.init(strategy, origin, key, steps)
        return jax.lax.scan(step, run, jax.random.split(key, steps))[1]

    return one_run


def _rollout(rule: str, steps: int):
    from gome_theory import Reliability
    from simulators import World, noisy_evaluator, noisy_oracle, rollout, sphere

    strategy = optimizers.directed(optimizers.RULES[rule](LEARNING_RATE))
    oracle = noisy_oracle(Reliability(alignment=0.6))
    world = World(sphere(DIM), oracle, oracle, noisy_evaluator(0.1))

    def one_run(key):
        return rollout(strategy, world, key, steps)[0].loss

    return one_run


BODIES: dict[str, Callable[[str, int], Callable[[Any], Any]]] = {
    "optax": _optax,
    "core": _core,
    "rollout": _rollout,
}


def _seconds(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(act())
    return time.perf_counter() - start
