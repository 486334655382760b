"""The scan driver: a strategy against a synthetic world.

It calls the same `ask`, `propose` and `settle` as the agent's host loop. The first evaluation of a
run is that of a draft, a random starting point of the landscape.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

import optimizers
from optimizers import History, Operator, Run, Strategy
from simulators.branching import where_any
from simulators.evaluators import Evaluator, Measurement, fold_scores
from simulators.frames import Frame
from simulators.landscapes import Landscape, Vector
from simulators.oracles import Diagnosis, Oracle, Situation

# The run folds its step number into the key; the world takes numbers that no run reaches.
_WORLD = 2**32 - 1
_SITUATION = 2**32 - 2
# The key of a step serves the start or the answer, whichever is wanted; the rest folds these in.
_EVALUATION = 2**32 - 3
_TURN = 2**32 - 4
# The key of an evaluation serves the first measurement; what is beside it folds these in.
_PARENT = 2**32 - 5
_JUDGE = 2**32 - 6
_FOLDS = 2**32 - 7
_CROSSOVER = 2**32 - 8
_REPLICATES = 2**31


class World(NamedTuple):
    """Everything outside a strategy."""

    landscape: Landscape
    reasoner: Oracle
    """Answers DESCEND with a diagnosis."""
    proposer: Oracle
    """Answers IMPROVE: its answer, negated, is the move; its `scale` is the step size."""
    evaluator: Evaluator
    diagnoses: int = 1
    """Diagnoses of one step, each by a reasoner with a bias of its own; several arrive stacked and
    need a rule that combines them."""
    frame: Frame | None = None
    """For a truth that turns by itself."""


class Situated(NamedTuple):
    """The world's own state during a run."""

    reasoner: Any
    """Persistent errors, with a leading axis if the world gives several diagnoses."""
    proposer: Any
    direction: Vector | None
    """The true descent direction, if the world has a frame."""


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
    """Measurements spent: 0 for a withheld step, 1 for a candidate, 1 more for a parent that is
    scored afresh beside it, 2 more for each replicate that the gate asked for."""
    seconds: Float[Array, " steps"]
    """What these measurements took; 1 each, unless the landscape says otherwise."""
    folds: Float[Array, "steps folds"] | None = None
    """Fold scores, if the world tells them."""

    @property
    def history(self) -> History:
        """What a selector may see of it; a withheld step is its parent again."""
        measured = self.valid & (self.evaluations > 0)
        return History(self.score, self.stderr, measured, self.accepted, self.folds)


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
    strategy: Strategy,
    world: World,
    key: Key[Array, ""],
    steps: int,
    common: Key[Array, ""] | None = None,
) -> tuple[Trace, Recording]:
    """Run a strategy for `steps` evaluations. Pure: jit it, vmap it.

    Args:
      strategy: what decides.
      world: landscape, oracles, evaluator and frame.
      key: the run's key, as `optimizers.init` takes it; the world draws from it too.
      steps: evaluations, drafts included.
      common: what traces of the same reasoner share: the source of the bias common to them. Of the
        run's own if not given.

    Returns:
      The trace, and the recording of directions and candidates (dropped by XLA if not used).
    """
    origin = jnp.zeros(world.landscape.dim)
    run = optimizers.init(strategy, origin, key, steps)
    _, recorded = advance(
        strategy, world, (run, situate(world, key, common)), world_keys(key, steps)
    )
    return recorded


def situate(world: World, key: Key[Array, ""], common: Key[Array, ""] | None = None) -> Situated:
    """The world's state at the start of the run with that key; `common` as for `rollout`."""
    dim = world.landscape.dim
    own, frame_key, of_the_run = jax.random.split(jax.random.fold_in(key, _SITUATION), 3)
    shared = of_the_run if common is None else common

    def bias_of(oracle: Oracle, purpose: int):
        return lambda k: oracle.bias(
            jax.random.fold_in(shared, purpose), jax.random.fold_in(k, purpose), dim
        )

    reasoner = bias_of(world.reasoner, 0)
    return Situated(
        reasoner(own)
        if world.diagnoses == 1
        else jax.vmap(reasoner)(jax.random.split(own, world.diagnoses)),
        bias_of(world.proposer, 1)(own),
        None if world.frame is None else world.frame.init(frame_key, dim),
    )


def world_keys(key: Key[Array, ""], steps: int) -> Key[Array, " steps"]:
    """What the world draws from at each step of the run with that key."""
    return jax.vmap(partial(world_key, key))(jnp.arange(steps))


def world_key(key: Key[Array, ""], number: Int[Array, ""]) -> Key[Array, ""]:
    """What the world draws from at one step, counted from 0, of the run with that key."""
    return jax.random.fold_in(jax.random.fold_in(key, _WORLD), number)


def advance(
    strategy: Strategy,
    world: World,
    state: tuple[Run, Situated],
    keys: Key[Array, " steps"],
) -> tuple[tuple[Run, Situated], tuple[Trace, Recording]]:
    """Continue a run: `rollout` in pieces, from a state that may have been on disk in between.

    Args:
      strategy: what decides.
      world: landscape, oracles, evaluator and frame.
      state: the run and the world's state, from `optimizers.init` and `situate` or from a previous
        call.
      keys: the slice of `world_keys` that belongs to these steps.

    Returns:
      The state after those steps, and what was recorded on the way.
    """
    return jax.lax.scan(partial(step, strategy, world), state, keys)


def step(
    strategy: Strategy, world: World, state: tuple[Run, Situated], key: Key[Array, ""]
) -> tuple[tuple[Run, Situated], tuple[Trace, Recording]]:
    """One evaluation: what `advance` repeats, with the `world_key` of that step."""
    run, situated = state
    if world.frame is not None and situated.direction is not None:
        turned = world.frame.turn(jax.random.fold_in(key, _TURN), situated.direction)
        situated = situated._replace(direction=turned)
        run = run._replace(params=world.frame.place(turned, run.params))
    expansion, run = optimizers.ask(strategy, run)
    operator, diagnosed = expansion.operator, optimizers.needs_diagnosis(run, expansion)

    base = optimizers.parent_params(run, expansion)
    answer = _answer(world, situated, key, operator, diagnosed, base)
    proposal = optimizers.propose(strategy, run, expansion, answer.direction)
    if answer.usable is not None:
        proposal = _select(
            answer.usable | ~diagnosed, proposal, optimizers.stay(strategy, run, expansion)
        )
    candidate = _candidate(world.landscape, operator, base, proposal, key)
    if expansion.other is not None:
        crosses = operator == Operator.CROSSOVER
        other = optimizers.other_params(run, expansion)
        candidate = where_any(crosses, lambda: uniform_crossover(key, base, other), candidate)
    key_evaluation = jax.random.fold_in(key, _EVALUATION)
    observation, *measured = _observe(strategy, world, run, expansion, candidate, key_evaluation)
    withheld = optimizers.withholds(proposal)
    unchanged = optimizers.unchanged(run, expansion, world.evaluator.folds)
    observation = _select(withheld, unchanged, observation)
    run, decision = optimizers.settle(strategy, run, proposal, observation)
    beside = world.evaluator.remeasures & (expansion.parent >= 0)
    of_candidate = observation.replicates
    of_parent = jnp.where(withheld, 0, of_candidate - 1 + beside)
    evaluations = of_candidate + of_parent
    takes = world.landscape.seconds
    seconds = (
        1.0 * evaluations
        if takes is None
        else takes(candidate) * of_candidate + takes(base) * of_parent
    )
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
        evaluations=evaluations,
        seconds=seconds,
        folds=observation.folds,
    )
    return (run, situated), (trace, Recording(answer.direction, candidate, *measured))


def _answer(world: World, situated: Situated, key, operator, diagnosed, base) -> Diagnosis:
    """The reasoner's for DESCEND, the proposer's for IMPROVE; zeros where nobody is asked."""
    landscape = world.landscape

    def situation():
        gradient = (landscape.gradient or jax.grad(landscape.loss))(base)
        return Situation(base, gradient, None if landscape.edits is None else landscape.edits(base))

    def diagnosis():
        if world.diagnoses == 1:
            said, usable = world.reasoner.diagnose(key, situated.reasoner, situation())
        else:
            keys = jax.random.split(key, world.diagnoses)
            ask_all = jax.vmap(world.reasoner.diagnose, in_axes=(0, 0, None))
            said, usable = ask_all(keys, situated.reasoner, situation())
        if usable is not None:
            said = jnp.where(usable[..., None], said, 0.0)  # One malformed among several is silent.
            usable = usable.any()
        return Diagnosis(said, usable)

    def move():
        moved = world.proposer.diagnose(key, situated.proposer, situation()).direction
        return jnp.broadcast_to(moved, said.shape)

    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(diagnosis))
    said, usable = where_any(diagnosed, diagnosis, nothing)
    return Diagnosis(where_any(operator == Operator.IMPROVE, move, said), usable)


def _candidate(landscape: Landscape, operator, base, proposal, key):
    landed = proposal.params
    if landscape.retract is not None:
        landed = landscape.retract(base, proposal.update)
    if landscape.repair is not None:
        landed = jnp.where(operator == Operator.DEBUG, landscape.repair(base), landed)
    return where_any(operator == Operator.DRAFT, lambda: landscape.start(key), landed)


def uniform_crossover(
    key: Key[Array, ""], one: Float[Array, " dim"], other: Float[Array, " dim"]
) -> Float[Array, " dim"]:
    """Each coordinate from either parent with probability 1/2 (Syswerda 1989)."""
    chosen = jax.random.bernoulli(jax.random.fold_in(key, _CROSSOVER), shape=one.shape)
    return jnp.where(chosen, one, other)


def _observe(strategy: Strategy, world: World, run, expansion, candidate, key):
    """Measure the candidate, and it and its parent again for as long as the gate is undecided.

    Returns:
      The pooled observation; measurements of the candidate and of its parent, one a replicate.
    """
    gate = strategy.gate
    shown = world.landscape.shown or world.landscape.loss
    loss, parent_loss = shown(candidate), shown(optimizers.parent_params(run, expansion))
    stored = Measurement(
        run.score[expansion.parent], run.stderr[expansion.parent], jnp.ones((), bool)
    )
    first = world.evaluator.measure(key, loss, expansion.operator)
    by_fold = _fold_losses(world, candidate, loss)
    if by_fold is not None:
        folds = fold_scores(jax.random.fold_in(key, _FOLDS), first, by_fold)
        first = first._replace(folds=folds)
    if world.landscape.runs is not None:
        first = first._replace(valid=first.valid & world.landscape.runs(candidate))
    gain, gain_stderr = None, None
    if world.evaluator.judge is not None:
        key_judge = jax.random.fold_in(key, _JUDGE)
        gain, gain_stderr = world.evaluator.judge(key_judge, parent_loss - loss), 0.0
    elif world.evaluator.remeasures:
        key_parent = jax.random.fold_in(key, _PARENT)
        stored = world.evaluator.measure(key_parent, parent_loss, expansion.operator)
        stored = stored._replace(valid=jnp.ones((), bool))  # It ran before and runs again.
        gain = first.score - stored.score
        gain_stderr = jnp.hypot(first.stderr, stored.stderr)
    observation = optimizers.observe(
        run,
        expansion,
        candidate,
        first.score,
        stderr=first.stderr,
        valid=first.valid,
        gain=gain,
        gain_stderr=gain_stderr,
        folds=first.folds,
    )
    measured = jax.tree.map(partial(_first_of, gate.replicates), (first, stored))
    if gate.replicates == 1:
        return observation, *measured

    def wanted(carry):
        observation, _ = carry
        more = observation.replicates < gate.replicates
        return more & observation.valid & gate.undecided(run.gate, observation)

    def measure_again(carry):
        observation, measured = carry
        number = jnp.uint32(_REPLICATES) + observation.replicates.astype(jnp.uint32)
        key_child, key_parent = jax.random.split(jax.random.fold_in(key, number))
        child = world.evaluator.measure(key_child, loss, expansion.operator)
        parent = world.evaluator.measure(key_parent, parent_loss, expansion.operator)
        parent = parent._replace(valid=jnp.ones((), bool))
        if by_fold is not None:
            key_folds = jax.random.fold_in(key_child, _FOLDS)
            child = child._replace(folds=fold_scores(key_folds, child, by_fold))
        again = optimizers.observe(
            run,
            expansion,
            candidate,
            child.score,
            stderr=child.stderr,
            valid=child.valid,
            gain=child.score - parent.score,
            gain_stderr=jnp.hypot(child.stderr, parent.stderr),
            folds=child.folds,
        )
        measured = jax.tree.map(
            lambda kept, new: kept.at[observation.replicates].set(new), measured, (child, parent)
        )
        return optimizers.pool(observation, again), measured

    observation, measured = jax.lax.while_loop(wanted, measure_again, (observation, measured))
    return observation, *measured


def _first_of(replicates: int, value):
    value = jnp.asarray(value)
    return jnp.zeros((replicates, *value.shape), value.dtype).at[0].set(value)


def _fold_losses(world: World, candidate, loss) -> Float[Array, " folds"] | None:
    """True loss of a candidate on each fold, if the world tells fold scores."""
    folds, by_fold = world.evaluator.folds, world.landscape.by_fold
    if folds == 0:
        return None
    return jnp.broadcast_to(loss, (folds,)) if by_fold is None else by_fold(candidate, folds)


def _select(condition, if_true, if_false):
    return jax.tree.map(partial(jnp.where, condition), if_true, if_false)
