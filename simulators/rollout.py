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
from optimizers import History, Operator, Run, Strategy
from simulators.evaluators import Evaluator, Measurement
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
    diagnoses: int = 1
    """Diagnoses of one step; several arrive stacked and need a rule that combines them."""


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
    diagnosed: Bool[Array, " steps"]
    """Whether the gradient oracle was needed."""
    evaluations: Int[Array, " steps"]
    """Measurements spent: 0 for a withheld step, 1, and 2 for each replicate a gate asked for."""

    @property
    def history(self) -> History:
        """What a selector may see of it; a withheld step is its parent again."""
        return History(self.score, self.stderr, self.valid & (self.evaluations > 0), self.accepted)


class Recording(NamedTuple):
    """The world's side of a run, enough to replay it elsewhere."""

    direction: Float[Array, "steps *diagnoses dim"]
    """With an axis of diagnoses if the world gives several."""
    params: Float[Array, "steps dim"]
    candidate: Measurement
    """Every measurement of the candidate; arrays of shape `(steps, replicates)`."""
    parent: Measurement
    """Measured again beside it; the first column holds the stored score."""


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
    _, recorded = advance(strategy, world, run, world_keys(key, steps))
    return recorded


def world_keys(key: Key[Array, ""], steps: int) -> Key[Array, " steps"]:
    """What the world draws from at each step of the run with that key."""
    return jax.random.split(jax.random.fold_in(key, _WORLD), steps)


def advance(
    strategy: Strategy, world: World, run: Run, keys: Key[Array, " steps"]
) -> tuple[Run, tuple[Trace, Recording]]:
    """Continue a run: `rollout` in pieces, from a state that may have been on disk in between.

    Args:
      strategy: what decides.
      world: landscape, oracles and evaluator.
      run: from `optimizers.init`, or from a previous call.
      keys: the slice of `world_keys` that belongs to these steps.

    Returns:
      The run after those steps, and what was recorded on the way.
    """
    return jax.lax.scan(partial(_step, strategy, world), run, keys)


def _step(strategy: Strategy, world: World, run, key):
    key_start, key_oracle, key_evaluator = jax.random.split(key, 3)
    expansion, run = optimizers.ask(strategy, run)
    operator, diagnosed = expansion.operator, optimizers.needs_diagnosis(run, expansion)
    drafts = operator == Operator.DRAFT

    base = optimizers.parent_params(run, expansion)
    gradient = jax.grad(world.landscape.loss)(base)
    direction = jnp.where(
        operator == Operator.IMPROVE,
        world.proposer.diagnose(key_oracle, gradient),
        _diagnose(world, key_oracle, gradient),
    )
    proposal = optimizers.propose(strategy, run, expansion, direction)
    candidate = jnp.where(drafts, world.landscape.start(key_start), proposal.params)
    observation, *measured = _observe(strategy, world, run, expansion, candidate, key_evaluator)
    withheld = optimizers.withholds(proposal)
    observation = jax.tree.map(
        partial(jnp.where, withheld), optimizers.unchanged(run, expansion), observation
    )
    run, decision = optimizers.settle(strategy, run, proposal, observation)
    trace = Trace(
        operator=operator,
        parent=expansion.parent,
        parent_loss=world.landscape.loss(base),
        loss=world.landscape.loss(candidate),
        score=observation.score,
        stderr=observation.stderr,
        valid=observation.valid,
        accepted=decision.accepted,
        slot=decision.slot,
        diagnosed=diagnosed,
        evaluations=jnp.where(withheld, 0, 2 * observation.replicates - 1),
    )
    return run, (trace, Recording(direction, candidate, *measured))


def _diagnose(world: World, key, gradient):
    if world.diagnoses == 1:
        return world.reasoner.diagnose(key, gradient)
    keys = jax.random.split(key, world.diagnoses)
    return jax.vmap(world.reasoner.diagnose, in_axes=(0, None))(keys, gradient)


def _observe(strategy: Strategy, world: World, run, expansion, candidate, key):
    """Measure the candidate, and it and its parent again for as long as the gate is undecided.

    Returns:
      The pooled observation; measurements of the candidate and of its parent, one a replicate.
    """
    gate = strategy.gate
    loss = world.landscape.loss(candidate)
    parent_loss = world.landscape.loss(optimizers.parent_params(run, expansion))
    stored = Measurement(
        run.score[expansion.parent], run.stderr[expansion.parent], jnp.ones((), bool)
    )
    first = world.evaluator.measure(key, loss, expansion.operator)
    observation = optimizers.observe(
        run, expansion, candidate, first.score, stderr=first.stderr, valid=first.valid
    )
    measured = jax.tree.map(
        lambda x: jnp.zeros(gate.replicates, jnp.asarray(x).dtype).at[0].set(x), (first, stored)
    )
    if gate.replicates == 1:
        return observation, *measured

    def wanted(carry):
        observation, _ = carry
        more = observation.replicates < gate.replicates
        return more & observation.valid & gate.undecided(run.gate, observation)

    def measure_again(carry):
        observation, measured = carry
        key_child, key_parent = jax.random.split(jax.random.fold_in(key, observation.replicates))
        child = world.evaluator.measure(key_child, loss, expansion.operator)
        parent = world.evaluator.measure(key_parent, parent_loss, expansion.operator)
        parent = parent._replace(valid=jnp.ones((), bool))  # It ran before and runs again.
        again = optimizers.observe(
            run,
            expansion,
            candidate,
            child.score,
            stderr=child.stderr,
            valid=child.valid,
            gain=child.score - parent.score,
            gain_stderr=jnp.hypot(child.stderr, parent.stderr),
        )
        measured = jax.tree.map(
            lambda kept, new: kept.at[observation.replicates].set(new), measured, (child, parent)
        )
        return optimizers.pool(observation, again), measured

    observation, measured = jax.lax.while_loop(wanted, measure_again, (observation, measured))
    return observation, *measured


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
