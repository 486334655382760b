"""How a run moves forward: three pure functions, called by every driver.

A run of any strategy, synthetic or real, is the repetition of

    expansion, run = ask(strategy, run)                      # which node, which operator
    proposal       = propose(strategy, run, expansion, direction)
    run, decision  = settle(strategy, run, proposal, observation)

Between them the world does its part: it answers `ask` with a `direction` (a gradient estimate from
a diagnosis, or an undirected move) and `propose` with an `Observation` (where the candidate ended
up and how it scored). A simulator does that inside `lax.scan`; the agent does it with a reasoner
and a sandbox. Both call the same functions on the same `Strategy`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from optimizers._rows import row, select, set_row
from optimizers.base import (
    Decision,
    Expansion,
    HeldDiagnosis,
    LearnsFromRejections,
    Observation,
    Operator,
    Params,
    Policy,
    Proposal,
    Run,
    Scalar,
    Strategy,
)
from optimizers.rules._basis import is_embedded, require_one_diagnosis
from optimizers.sharing import read_together
from optimizers.textual._dense import assert_rotation_equivariant


class InertSchedule(UserWarning):
    """A part of a policy's schedule cannot act in a run as short as this one."""


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
      BasisError: the origin is `Embedded` and the rule depends on the basis; with what was
        measured.

    Warns:
      InertSchedule: what of the policy's schedule cannot act in so few evaluations.
    """
    if steps < 1:
        raise ValueError(f"a run needs at least one evaluation, got steps={steps}")
    for reason in strategy.policy.inert(steps):
        warnings.warn(reason, InertSchedule, stacklevel=2)
    for node in jax.tree.leaves(origin, is_leaf=is_embedded):
        if is_embedded(node):
            assert_rotation_equivariant(strategy.rule, node)
    nodes = strategy.policy.capacity(steps)

    def rows(tree):
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (nodes, *jnp.shape(x))), tree)

    return Run(
        step=jnp.zeros((), jnp.int32),
        key=key,
        origin=origin,
        params=rows(origin),
        rule_state=rows(strategy.rule.init(origin)),
        score=jnp.full((nodes,), -jnp.inf, float),
        stderr=jnp.zeros((nodes,)),
        policy=strategy.policy.init(nodes),
        gate=strategy.gate.init(),
    )


def ask(
    strategy: Strategy, run: Run, number: Int[Array, ""] | int | None = None
) -> tuple[Expansion, Run]:
    """Let the policy choose the next expansion.

    Args:
      strategy: what decides.
      run: between steps.
      number: of the expansion, counted from 0; `run.step` if not given, which is right unless
        others are in flight. Randomness is drawn by it.

    Returns:
      The expansion, and the run with the policy's own state advanced.
    """
    expansion, policy_state = strategy.policy.ask(run.policy, _step_key(run, 0, number))
    return expansion, run._replace(policy=policy_state)


def require_in_flight(policy: Policy, number: int) -> None:
    """Refuse more expansions at once than a policy can have.

    Raises:
      ValueError: says how many it can have, and what to use.
    """
    if number < 1:
        raise ValueError(f"a run needs at least one step at a time, got in_flight={number}")
    if policy.in_flight is not None and number > policy.in_flight:
        raise ValueError(
            f"{number} steps are to be under way at once, and this policy can have "
            f"{policy.in_flight}: use `traces(count={number})` or a tree search, or fewer"
        )


def other_params(run: Run, expansion: Expansion) -> Params:
    """Parameters of the second parent of a CROSSOVER; meaningless for other operators."""
    return row(run.params, expansion.other)


def parent_params(run: Run, expansion: Expansion) -> Params:
    """Parameters that an expansion starts from: the parent's, or the origin for a draft."""
    return select(expansion.parent >= 0, row(run.params, expansion.parent), run.origin)


def propose(
    strategy: Strategy,
    run: Run,
    expansion: Expansion,
    direction: Params,
    number: Int[Array, ""] | int | None = None,
) -> Proposal:
    """Turn the world's answer into a candidate. Changes nothing.

    Only DESCEND goes through the update rule. IMPROVE takes `-direction` as the move itself and
    keeps the parent's moments; DRAFT, DEBUG and CROSSOVER do not move: the world says where their
    candidate ended up, and it keeps the moments of its first parent.

    Args:
      strategy: what decides.
      run: state returned by `ask`.
      expansion: what `ask` chose.
      direction: like the parameters; the diagnosed gradient for DESCEND, minus the move for
        IMPROVE, anything finite otherwise. For a rule that aggregates, leaves may have a leading
        axis of several diagnoses; IMPROVE takes the first.
      number: of the expansion, as for `ask`; the rule sees it as `step`.

    Returns:
      The candidate with the rule state to commit if it is kept.

    Raises:
      DiagnosesError: there are several diagnoses, and the rule does not aggregate.
    """
    base = parent_params(run, expansion)
    moments = _moments(strategy, run, expansion)
    if strategy.policy.shares:
        moments = read_together(run.rule_state, moments)
    rule_update, rule_moments = strategy.rule.update(
        direction,
        moments,
        base,
        value=-run.score[expansion.parent],
        step=run.step if number is None else jnp.asarray(number, jnp.int32),
        key=_step_key(run, 1, number),
    )
    require_one_diagnosis(rule_update, base, "the rule")
    descends = expansion.operator == Operator.DESCEND
    improves = expansion.operator == Operator.IMPROVE
    move = jax.tree.map(lambda d, p: d if d.ndim == p.ndim else d[0], direction, base)
    undirected = jax.tree.map(lambda d: jnp.where(improves, -d, jnp.zeros_like(d)), move)
    update = select(descends, rule_update, undirected)
    return Proposal(
        expansion=expansion,
        update=update,
        params=optax.apply_updates(base, update),
        rule_state=select(descends, rule_moments, moments),
    )


def stay(strategy: Strategy, run: Run, expansion: Expansion) -> Proposal:
    """The candidate that is its parent, moments included: for answers that cannot be used.

    After a malformed reply nothing was diagnosed, so no rule may learn from it, not even one that
    learns from rejections.
    """
    base = parent_params(run, expansion)
    nowhere = jax.tree.map(jnp.zeros_like, base)
    return Proposal(expansion, nowhere, base, _moments(strategy, run, expansion))


def needs_diagnosis(run: Run, expansion: Expansion) -> Bool[Array, ""]:
    """Whether the step needs an answer of the gradient oracle.

    Only DESCEND does, and not while the parent's rule state holds a diagnosis for use again
    (`HeldDiagnosis`); whatever is passed to `propose` as the direction is then ignored.
    """
    held = [
        node.remaining[expansion.parent] > 0
        for node in jax.tree.leaves(run.rule_state, is_leaf=_is(HeldDiagnosis))
        if _is(HeldDiagnosis)(node)
    ]
    reuses = (expansion.parent >= 0) & jnp.array(held, bool).any()
    return (expansion.operator == Operator.DESCEND) & ~reuses


def withholds(proposal: Proposal) -> Bool[Array, ""]:
    """Whether a DESCEND step has a zero update: the candidate would be its parent.

    Rules that gather several diagnoses before they act do that between their actions. There is
    nothing to evaluate; settle such a step with the observation `unchanged`.
    """
    moves = [jnp.any(leaf != 0) for leaf in jax.tree.leaves(proposal.update)]
    descends = proposal.expansion.operator == Operator.DESCEND
    return descends & ~jnp.array(moves, bool).any()


def unchanged(run: Run, expansion: Expansion, folds: int = 0) -> Observation:
    """What is known of a candidate that is its parent, without measuring anything.

    Args:
      run: state the candidate was proposed from.
      expansion: as passed to `propose`.
      folds: how many fold scores the world tells; each is then the mean, for want of better.
    """
    parent = expansion.parent
    zero = jnp.zeros_like(run.score[parent])
    return Observation(
        params=parent_params(run, expansion),
        score=run.score[parent],
        stderr=run.stderr[parent],
        gain=zero,
        gain_stderr=zero,
        valid=(parent >= 0) & jnp.isfinite(run.score[parent]),
        replicates=jnp.zeros((), jnp.int32),
        folds=jnp.broadcast_to(run.score[parent], (folds,)) if folds else None,
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
    folds: Float[Array, " folds"] | None = None,
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
      folds: scores on parts of the validation data.

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
        replicates=jnp.ones((), jnp.int32),
        folds=folds,
    )


def pool(observation: Observation, again: Observation) -> Observation:
    """The mean of an observation and one more measurement of the same candidate.

    Every replicate counts alike and standard errors add as independent ones do, so measure the
    parent again too when the gain should sharpen. A candidate is valid if every run of it was.
    """
    n = observation.replicates

    def mean(old, new):
        return (n * old + new) / (n + 1)

    def error(old, new):
        return jnp.sqrt((n * old) ** 2 + new**2) / (n + 1)

    return Observation(
        params=observation.params,
        score=mean(observation.score, again.score),
        stderr=error(observation.stderr, again.stderr),
        gain=mean(observation.gain, again.gain),
        gain_stderr=error(observation.gain_stderr, again.gain_stderr),
        valid=observation.valid & again.valid,
        replicates=n + 1,
        folds=None if observation.folds is None else mean(observation.folds, again.folds),
        preferred=observation.preferred,
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
    gate_state = select(observation.valid, gate_state, run.gate)
    _require_folds(strategy.policy, observation)
    policy_state, slot = strategy.policy.tell(run.policy, expansion, observation, accepted)

    learner = jnp.where(accepted, -1, expansion.parent)
    lessons = _rejected(row(run.rule_state, expansion.parent), proposal.rule_state)
    rule_state = set_row(run.rule_state, learner, lessons)
    failed_score = jnp.where(observation.valid, observation.score, -jnp.inf)
    return (
        run._replace(
            step=run.step + 1,
            params=set_row(run.params, slot, observation.params),
            rule_state=set_row(rule_state, slot, proposal.rule_state),
            score=set_row(run.score, slot, failed_score),
            stderr=set_row(run.stderr, slot, observation.stderr),
            policy=policy_state,
            gate=gate_state,
        ),
        Decision(accepted=accepted, slot=slot),
    )


def _require_folds(policy: Policy, observation: Observation) -> None:
    told = 0 if observation.folds is None else observation.folds.shape[-1]
    if policy.folds not in (0, told):
        raise ValueError(
            f"the policy compares candidates on {policy.folds} folds and the world tells {told}: "
            f"give both the same number; in a simulation, `noisy_evaluator(folds={policy.folds})`"
        )


def _step_key(run: Run, purpose: int, number: Int[Array, ""] | int | None = None) -> Key[Array, ""]:
    number = run.step if number is None else number
    return jax.random.fold_in(jax.random.fold_in(run.key, number), purpose)


def _moments(strategy: Strategy, run: Run, expansion: Expansion):
    """Rule state that a step starts from: the parent's, or a fresh one for a draft."""
    parent = expansion.parent
    return select(parent >= 0, row(run.rule_state, parent), strategy.rule.init(run.origin))


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda node: isinstance(node, kind)


def _rejected(kept, proposed):
    """State after a rejection: the old one, except where the rule learns from rejections."""
    marked = _is(LearnsFromRejections)
    return jax.tree.map(lambda k, p: p if marked(p) else k, kept, proposed, is_leaf=marked)
