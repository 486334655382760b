"""Batches of rollouts over conditions and seeds, in one compiled call that returns whole traces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from optimizers import Strategy
from simulators.rollout import Trace, World, rollout

# A batch of rollouts usually runs for less time than it compiles: level 1 takes two thirds of the
# time to compile and a fifth more to run (CPU, CPU time). `sweep` is for what runs longer.
_FAST_COMPILATION = {"xla_backend_optimization_level": 1}


def simulate(
    build: Callable[[Any], tuple[Strategy, World]],
    conditions: PyTree[Array],
    key: Key[Array, ""],
    *,
    steps: int,
    runs: int,
    traces: int | None = None,
) -> Trace:
    """Many runs under many conditions in one compiled call.

    Run `i` has the same key under every condition: comparisons between conditions are paired.

    Args:
      build: from one condition (a slice of `conditions`, traced) to a strategy and a world.
      conditions: pytree of arrays with a common leading axis `conditions`.
      key: split into one key a run.
      steps: evaluations per run.
      runs: runs per condition.
      traces: independent traces per run, which share the common part of their reasoner's bias and
        nothing else; one if not given.

    Returns:
      The trace with leading axes `(conditions, runs)`, and `(conditions, runs, traces)` if `traces`
      is given.
    """

    def one(condition, key, common):
        strategy, world = build(condition)
        trace, _ = rollout(strategy, world, key, steps, common)
        return trace

    over_runs = jax.vmap(one_run(one, traces), in_axes=(None, 0))
    over_conditions = jax.vmap(over_runs, in_axes=(0, None))
    compiled = jax.jit(over_conditions, compiler_options=_FAST_COMPILATION)
    return compiled(conditions, jax.random.split(key, runs))


def one_run(one: Callable[[Any, Any, Any], Any], traces: int | None) -> Callable[[Any, Any], Any]:
    """From `(condition, key, common) -> result` of a trace to `(condition, key) -> results`."""
    if traces is None:
        return lambda condition, key: one(condition, key, None)
    over_traces = jax.vmap(one, in_axes=(None, 0, None))
    return lambda condition, key: over_traces(condition, jax.random.split(key, traces), key)


def log_progress(trace: Trace, first: int = 1) -> Float[Array, "..."]:
    """Mean decrease of log loss per evaluation from evaluation `first` to the last one.

    Measured where the strategy would continue from (`parent_loss`), so it is the same quantity for
    a gradient method, a hill climber and a tree.

    Args:
      trace: with steps on the last axis.
      first: index of the first evaluation that has a parent in every run.

    Returns:
      Nats per evaluation, one number a run.
    """
    steps = trace.parent_loss.shape[-1] - 1 - first
    start, end = trace.parent_loss[..., first], trace.parent_loss[..., -1]
    return (jnp.log(start) - jnp.log(end)) / steps
