"""The vocabulary that everything else is written in.

A run of any strategy, synthetic or real, is the repetition of three pure functions:

    expansion, run = ask(strategy, run)                      # which node, which operator
    proposal       = propose(strategy, run, expansion, direction)
    run, decision  = settle(strategy, run, proposal, observation)

Between them the world does its part: it answers `ask` with a `direction` (a gradient estimate from
a diagnosis, or an undirected move) and `propose` with an `Observation` (where the candidate ended
up and how it scored). A simulator does that inside `lax.scan`; the agent does it with a reasoner
and a sandbox. Both call the same functions on the same `Strategy`.

Scores are higher-is-better. Gradients follow optax: they point where the *loss* grows.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

UpdateRule = optax.GradientTransformationExtraArgs
"""From a gradient to an update: any optax transformation is an update rule.

`propose` passes the extra arguments `value` (loss of the parent, i.e. minus its score), `step`
(evaluations so far) and `key`; a rule takes what it needs by keyword and ignores the rest.
"""

Params = PyTree[Array]
Scalar = Float[Array, ""]


class Operator(enum.IntEnum):
    """How a candidate is made from its parent."""

    DRAFT = 0
    """A fresh start, without a parent."""
    DESCEND = 1
    """A step of the update rule along a diagnosed direction."""
    IMPROVE = 2
    """An undirected change of the parent: what tree searches call "improve"."""
    DEBUG = 3
    """A repair of a parent that failed."""


class Expansion(NamedTuple):
    """What to do next: expand node `parent` (-1: none) with an operator."""

    parent: Int[Array, ""]
    operator: Int[Array, ""]


class Proposal(NamedTuple):
    """A candidate before it is tried, with the moments that go with it."""

    expansion: Expansion
    update: Params
    """What the rule wants added to the parent's parameters."""
    params: Params
    """Parent's parameters plus `update`."""
    rule_state: Any
    """State of the rule if the candidate is committed."""


class Observation(NamedTuple):
    """What the world saw. Build it with `observe`, which compares with the stored parent."""

    params: Params
    """Where the candidate really ended up; a retraction may realise part of an update."""
    score: Scalar
    stderr: Scalar
    """Standard error of `score`."""
    gain: Scalar
    """Score minus the parent's; +inf for a draft."""
    gain_stderr: Scalar
    """Standard error of `gain`: smaller than the scores' when folds are paired."""
    valid: Bool[Array, ""]


class Decision(NamedTuple):
    """What became of a candidate."""

    accepted: Bool[Array, ""]
    slot: Int[Array, ""]
    """Node under which it is stored, -1 if it is not kept."""


class Gate(NamedTuple):
    """Whether to accept, apart from which way to go. `decide` never sees failed candidates."""

    init: Callable[[], Any]
    decide: Callable[[Any, Observation], tuple[Bool[Array, ""], Any]]


class Policy(NamedTuple):
    """Which node to leave from and with which operator; pure, of fixed capacity, jittable."""

    capacity: Callable[[int], int]
    """Number of nodes to keep for a run of so many evaluations."""
    init: Callable[[int], Any]
    """State for that capacity."""
    ask: Callable[[Any, Key[Array, ""]], tuple[Expansion, Any]]
    tell: Callable[[Any, Expansion, Observation, Bool[Array, ""]], tuple[Any, Int[Array, ""]]]
    """`(state, expansion, observation, accepted) -> (state, slot to store the candidate in)`."""


class History(NamedTuple):
    """Every evaluated candidate of a run in order; arrays of shape `(steps,)`."""

    score: Float[Array, " steps"]
    stderr: Float[Array, " steps"]
    valid: Bool[Array, " steps"]
    accepted: Bool[Array, " steps"]


class Selector(Protocol):
    """What to submit at the end."""

    def __call__(self, history: History) -> Int[Array, ""]:
        """Index of the chosen candidate, -1 if none is valid."""
        ...


class Strategy(NamedTuple):
    """Everything that decides: comparisons between agents are comparisons of these values."""

    policy: Policy
    rule: UpdateRule
    gate: Gate
    selector: Selector


class Run(NamedTuple):
    """State of a run: a pytree of arrays. Rows of `params` and `rule_state` belong to nodes."""

    step: Int[Array, ""]
    key: Key[Array, ""]
    origin: Params
    params: Params
    """Leading axis: node."""
    rule_state: Any
    """Leading axis: node. Moments live where the parameters live."""
    score: Float[Array, " nodes"]
    stderr: Float[Array, " nodes"]
    policy: Any
    gate: Any


class LearnsFromRejections(NamedTuple):
    """Marks the part of a rule's state that a rejected step still changes."""

    inner: Any


def learns_from_rejections(rule: optax.GradientTransformation) -> UpdateRule:
    """A rule whose state also advances when the step it proposed is rejected.

    Without it `settle` keeps the moments of a rejected step out of the run, as it keeps the
    parameters out.

    Args:
      rule: any optax transformation.

    Returns:
      The same updates; its state is wrapped in `LearnsFromRejections`.
    """
    rule = optax.with_extra_args_support(rule)

    def init(params):
        return LearnsFromRejections(rule.init(params))

    def update(updates, state, params=None, **extra_args):
        updates, inner = rule.update(updates, state.inner, params, **extra_args)
        return updates, LearnsFromRejections(inner)

    return UpdateRule(init, update)


def init(strategy: Strategy, origin: Params, key: Key[Array, ""], steps: int) -> Run:
    """A run that has not started.

    Args:
      strategy: what decides.
      origin: parameters that drafts start from.
      key: the only source of randomness of the run.
      steps: number of evaluations planned; sizes the policy's arrays.

    Returns:
      The initial state.

    Raises:
      ValueError: `steps` is not positive.
    """
    if steps < 1:
        raise ValueError(f"a run needs at least one evaluation, got steps={steps}")
    nodes = strategy.policy.capacity(steps)

    def rows(tree):
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (nodes, *jnp.shape(x))), tree)

    return Run(
        step=jnp.zeros((), jnp.int32),
        key=key,
        origin=origin,
        params=rows(origin),
        rule_state=rows(strategy.rule.init(origin)),
        score=jnp.full((nodes,), -jnp.inf),
        stderr=jnp.zeros((nodes,)),
        policy=strategy.policy.init(nodes),
        gate=strategy.gate.init(),
    )


def ask(strategy: Strategy, run: Run) -> tuple[Expansion, Run]:
    """Let the policy choose the next expansion.

    Returns:
      The expansion, and the run with the policy's own state advanced.
    """
    expansion, policy_state = strategy.policy.ask(run.policy, _step_key(run, 0))
    return expansion, run._replace(policy=policy_state)


def parent_params(run: Run, expansion: Expansion) -> Params:
    """Parameters that an expansion starts from: the parent's, or the origin for a draft."""
    return _select(expansion.parent >= 0, _row(run.params, expansion.parent), run.origin)


def propose(strategy: Strategy, run: Run, expansion: Expansion, direction: Params) -> Proposal:
    """Turn the world's answer into a candidate. Changes nothing.

    Only DESCEND goes through the update rule. IMPROVE takes `-direction` as the move itself and
    keeps the parent's moments; DRAFT and DEBUG do not move in parameter space.

    Args:
      strategy: what decides.
      run: state returned by `ask`.
      expansion: what `ask` chose.
      direction: like the parameters; the diagnosed gradient for DESCEND, minus the move for
        IMPROVE, anything finite otherwise.

    Returns:
      The candidate with the rule state to commit if it is kept.
    """
    parent = expansion.parent
    base = parent_params(run, expansion)
    moments = _select(parent >= 0, _row(run.rule_state, parent), strategy.rule.init(run.origin))
    rule_update, rule_moments = strategy.rule.update(
        direction, moments, base, value=-run.score[parent], step=run.step, key=_step_key(run, 1)
    )
    descends = expansion.operator == Operator.DESCEND
    improves = expansion.operator == Operator.IMPROVE
    undirected = jax.tree.map(lambda d: jnp.where(improves, -d, jnp.zeros_like(d)), direction)
    update = _select(descends, rule_update, undirected)
    return Proposal(
        expansion=expansion,
        update=update,
        params=optax.apply_updates(base, update),
        rule_state=_select(descends, rule_moments, moments),
    )


def observe(
    run: Run,
    expansion: Expansion,
    params: Params,
    score: Scalar | float,
    *,
    stderr: Scalar | float = 0.0,
    valid: Bool[Array, ""] | bool = True,
    gain: Scalar | float | None = None,
    gain_stderr: Scalar | float | None = None,
) -> Observation:
    """Record what the world saw, compared with the parent's stored score unless told otherwise.

    Args:
      run: state the candidate was proposed from.
      expansion: as passed to `propose`.
      params: where the candidate ended up.
      score: higher is better; a score that is not finite makes the candidate invalid.
      stderr: standard error of the score.
      valid: whether the candidate ran and was well-formed.
      gain: measured improvement on the parent, when it is known better than by subtraction
        (re-measured or paired comparison).
      gain_stderr: standard error of that gain; required with `gain`.

    Returns:
      The observation. Drafts have gain +inf with standard error 0.

    Raises:
      ValueError: only one of `gain` and `gain_stderr` is given.
    """
    if (gain is None) != (gain_stderr is None):
        raise ValueError("give `gain` and `gain_stderr` together: a gate needs both")
    score, stderr = jnp.asarray(score, jnp.float32), jnp.asarray(stderr, jnp.float32)
    parent = expansion.parent
    if gain is None:
        gain = score - run.score[parent]
        gain_stderr = jnp.sqrt(stderr**2 + run.stderr[parent] ** 2)
    comparable = (parent >= 0) & jnp.isfinite(run.score[parent])
    return Observation(
        params=params,
        score=score,
        stderr=stderr,
        gain=jnp.where(comparable, jnp.asarray(gain, jnp.float32), jnp.inf),
        gain_stderr=jnp.where(comparable, jnp.asarray(gain_stderr, jnp.float32), 0.0),
        valid=jnp.asarray(valid) & jnp.isfinite(score),
    )


def settle(
    strategy: Strategy, run: Run, proposal: Proposal, observation: Observation
) -> tuple[Run, Decision]:
    """Decide on a candidate and commit its parameters and moments together, or neither.

    A failed candidate is never accepted and never reaches the gate's state; a policy may still
    store it (to be debugged). Parts of the rule state marked by `learns_from_rejections` are
    written back to the parent when the candidate is rejected.

    Args:
      strategy: what decides.
      run: state the candidate was proposed from.
      proposal: from `propose`.
      observation: from `observe`.

    Returns:
      The run after the step, and the decision.
    """
    expansion = proposal.expansion
    verdict, gate_state = strategy.gate.decide(run.gate, observation)
    accepted = verdict & observation.valid
    gate_state = _select(observation.valid, gate_state, run.gate)
    policy_state, slot = strategy.policy.tell(run.policy, expansion, observation, accepted)

    learner = jnp.where(accepted, -1, expansion.parent)
    lessons = _rejected(_row(run.rule_state, expansion.parent), proposal.rule_state)
    rule_state = _set_row(run.rule_state, learner, lessons)
    failed_score = jnp.where(observation.valid, observation.score, -jnp.inf)
    return (
        run._replace(
            step=run.step + 1,
            params=_set_row(run.params, slot, observation.params),
            rule_state=_set_row(rule_state, slot, proposal.rule_state),
            score=_set_row(run.score, slot, failed_score),
            stderr=_set_row(run.stderr, slot, observation.stderr),
            policy=policy_state,
            gate=gate_state,
        ),
        Decision(accepted=accepted, slot=slot),
    )


def _step_key(run: Run, purpose: int) -> Key[Array, ""]:
    return jax.random.fold_in(jax.random.fold_in(run.key, run.step), purpose)


def _select(condition, if_true, if_false):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), if_true, if_false)


def _row(tree, index):
    return jax.tree.map(lambda rows: rows[index], tree)


def _set_row(tree, index, row):
    """Write `row` at `index`; -1 writes nowhere."""

    def write(rows, value):
        where = jnp.where(index < 0, rows.shape[0], index)
        return rows.at[where].set(value, mode="drop")

    return jax.tree.map(write, tree, row)


def _rejected(kept, proposed):
    """State after a rejection: the old one, except where the rule learns from rejections."""

    def marked(node):
        return isinstance(node, LearnsFromRejections)

    return jax.tree.map(lambda k, p: p if marked(p) else k, kept, proposed, is_leaf=marked)
