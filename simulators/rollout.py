"""The scan driver: a strategy against a synthetic world, batched over conditions and seeds.

It calls the same `ask`, `propose` and `settle` as the agent's host loop. The first evaluation of a
run is that of a draft, a random starting point of the landscape.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

import optimizers
from optimizers import History, Operator, Strategy
from simulators.evaluators import Evaluator
from simulators.landscapes import Landscape
from simulators.oracles import Oracle

# A batch of rollouts usually runs for less time than it compiles; level 1 halves the compilation
# and leaves the running time as it is (measured on CPU).
_FAST_COMPILATION = {"xla_backend_optimization_level": 1}


# The run folds its step number into the key; the world takes a number that no run reaches.
_WORLD = 2**32 - 1


class World(NamedTuple):
    """Everything outside a strategy."""

    landscape: Landscape
    reasoner: Oracle
    """Answers DESCEND with a diagnosis."""
    proposer: Oracle
    """Answers IMPROVE: its answer, negated, is the move; its `scale` is the step size."""
    evaluator: Evaluator


class Trace(NamedTuple):
    """What happened at each evaluation; arrays of shape `(steps,)` unless noted."""

    operator: Int[Array, " steps"]
    parent: Int[Array, " steps"]
    parent_loss: Float[Array, " steps"]
    """True loss where the step started from: the point the strategy would continue from."""
    loss: Float[Array, " steps"]
    """True loss of the candidate."""
    score: Float[Array, " steps"]
    stderr: Float[Array, " steps"]
    valid: Bool[Array, " steps"]
    accepted: Bool[Array, " steps"]
    slot: Int[Array, " steps"]

    @property
    def history(self) -> History:
        """What a selector may see of it."""
        return History(self.score, self.stderr, self.valid, self.accepted)


class Recording(NamedTuple):
    """The world's side of a run, enough to replay it elsewhere; shape `(steps, dim)`."""

    direction: Float[Array, "steps dim"]
    params: Float[Array, "steps dim"]


def rollout(
    strategy: Strategy, world: World, key: Key[Array, ""], steps: int
) -> tuple[Trace, Recording]:
    """Run a strategy for `steps` evaluations. Pure: jit it, vmap it.

    Args:
      strategy: what decides.
      world: landscape, oracles and evaluator.
      key: the run's key, as `optimizers.init` takes it; the world draws from it too.
      steps: evaluations, drafts included.

    Returns:
      The trace, and the recording of directions and candidates (dropped by XLA if not used).
    """
    origin = jnp.zeros(world.landscape.dim)
    run = optimizers.init(strategy, origin, key, steps)
    keys = jax.random.split(jax.random.fold_in(key, _WORLD), steps)
    _, recorded = jax.lax.scan(partial(_step, strategy, world), run, keys)
    return recorded


def _step(strategy: Strategy, world: World, run, key):
    key_start, key_oracle, key_evaluator = jax.random.split(key, 3)
    expansion, run = optimizers.ask(strategy, run)
    operator = expansion.operator
    drafts = operator == Operator.DRAFT

    base = optimizers.parent_params(run, expansion)
    gradient = jax.grad(world.landscape.loss)(base)
    direction = jnp.where(
        operator == Operator.IMPROVE,
        world.proposer.diagnose(key_oracle, gradient),
        world.reasoner.diagnose(key_oracle, gradient),
    )
    proposal = optimizers.propose(strategy, run, expansion, direction)
    candidate = jnp.where(drafts, world.landscape.start(key_start), proposal.params)
    loss = world.landscape.loss(candidate)
    seen = world.evaluator.measure(key_evaluator, loss, operator)
    observation = optimizers.observe(
        run, expansion, candidate, seen.score, stderr=seen.stderr, valid=seen.valid
    )
    run, decision = optimizers.settle(strategy, run, proposal, observation)
    trace = Trace(
        operator=operator,
        parent=expansion.parent,
        parent_loss=world.landscape.loss(base),
        loss=loss,
        score=observation.score,
        stderr=observation.stderr,
        valid=observation.valid,
        accepted=decision.accepted,
        slot=decision.slot,
    )
    return run, (trace, Recording(direction, candidate))


def simulate(
    build: Callable[[Any], tuple[Strategy, World]],
    conditions: PyTree[Array],
    key: Key[Array, ""],
    *,
    steps: int,
    runs: int,
) -> Trace:
    """Many runs under many conditions in one compiled call.

    Run `i` has the same key under every condition: comparisons between conditions are paired.

    Args:
      build: from one condition (a slice of `conditions`, traced) to a strategy and a world.
      conditions: pytree of arrays with a common leading axis `conditions`.
      key: split into one key a run.
      steps: evaluations per run.
      runs: runs per condition.

    Returns:
      The trace with leading axes `(conditions, runs)`.
    """

    def one(condition, key):
        strategy, world = build(condition)
        trace, _ = rollout(strategy, world, key, steps)
        return trace

    over_runs = jax.vmap(one, in_axes=(None, 0))
    over_conditions = jax.vmap(over_runs, in_axes=(0, None))
    compiled = jax.jit(over_conditions, compiler_options=_FAST_COMPILATION)
    return compiled(conditions, jax.random.split(key, runs))


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
