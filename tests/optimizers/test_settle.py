"""`init`, `ask`, `propose`, `observe` and `settle`: a step happens whole or not at all."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import optimizers
from optimizers import Expansion, Gate, Operator, gates, search
from tests.optimizers import strategies as draw

DIM = 3
ORIGIN = jnp.array([0.5, -1.0, 0.0])
GRADIENTS = jnp.array([[1.0, 0.0, -2.0], [0.5, 0.5, 0.0], [0.0, -1.0, 1.0]])


def counting(gate: Gate) -> Gate:
    """The gate, with a state that counts its decisions."""

    def decide(state, observation):
        inner, count = state
        verdict, inner = gate.decide(inner, observation)
        return verdict, (inner, count + 1)

    return Gate(init=lambda: (gate.init(), jnp.zeros((), jnp.int32)), decide=decide)


RULES = {name: make(0.25) for name, make in optimizers.RULES.items()}
GATES = {name: counting(make()) for name, make in optimizers.GATES.items()}
every_rule = pytest.mark.parametrize("rule", RULES)
every_rule_and_gate = pytest.mark.parametrize(
    ("rule", "gate"),
    [*((rule, "improved") for rule in RULES), *(("momentum", gate) for gate in GATES)],
)
STATELESS = ("sgd", "sign")


@functools.cache
def stepper(strategy):
    """One jitted step of a world that gives this direction, score and verdict."""

    @jax.jit
    def step(run, direction, score, valid):
        expansion, run = optimizers.ask(strategy, run)
        proposal = optimizers.propose(strategy, run, expansion, direction)
        observation = optimizers.observe(
            run, expansion, proposal.params, score, stderr=0.1, valid=valid
        )
        run, decision = optimizers.settle(strategy, run, proposal, observation)
        return run, proposal, decision

    return step


def step(strategy, run, direction, score, valid=True):
    return stepper(strategy)(run, jnp.asarray(direction), jnp.float32(score), jnp.bool_(valid))


@functools.cache
def directed(rule, gate):
    return optimizers.directed(RULES[rule], gate=GATES[gate])


@functools.cache
def started(strategy):
    """A run with a draft and one accepted step behind it."""
    run = optimizers.init(strategy, ORIGIN, jax.random.key(0), steps=20)
    for direction, score in ((GRADIENTS[0], 0.0), (GRADIENTS[1], 1.0)):
        run, _, decision = step(strategy, run, direction, score)
        assert decision.accepted
    return run


def same(one, other):
    """Bitwise equality of two trees."""
    jax.tree.map(assert_array_equal, one, other)


def differ(one, other) -> bool:
    return not all(
        np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )


def solution(run):
    """What a rejected step may not touch."""
    return run.origin, run.params, run.rule_state, run.score, run.stderr, run.policy


# --- transactions --------------------------------------------------------------------------------


@every_rule
@pytest.mark.parametrize("gate", ["improved", "improved_beyond_noise"])
@settings(max_examples=10)
@given(direction=st.sampled_from(GRADIENTS.tolist()), score=st.floats(-1e3, 1.0, width=32))
def test_a_rejected_step_changes_nothing_but_the_clock(rule, gate, direction, score):
    strategy = directed(rule, gate)
    run = started(strategy)
    after, _, decision = step(strategy, run, direction, score)
    assert not decision.accepted
    assert decision.slot == -1
    same(solution(after), solution(run))
    assert after.step == run.step + 1
    assert after.gate[1] == run.gate[1] + 1


@every_rule_and_gate
def test_an_accepted_step_commits_solution_and_moments_together(rule, gate):
    strategy = directed(rule, gate)
    run = started(strategy)
    after, proposal, decision = step(strategy, run, GRADIENTS[2], 5.0)
    assert decision.accepted
    assert decision.slot == 0
    same(after.params[0], proposal.params)
    same(jax.tree.map(lambda rows: rows[0], after.rule_state), proposal.rule_state)
    assert after.score[0] == 5.0
    assert after.stderr[0] == np.float32(0.1)
    assert differ(after.params, run.params)
    assert (rule in STATELESS) or differ(after.rule_state, run.rule_state)


@every_rule_and_gate
@pytest.mark.parametrize(
    ("score", "valid"), [(9.0, False), (np.nan, True), (np.inf, True), (-np.inf, True)]
)
def test_failures_are_never_accepted_and_never_reach_the_gate(rule, gate, score, valid):
    strategy = directed(rule, gate)
    run = started(strategy)
    after, _, decision = step(strategy, run, GRADIENTS[2], score, valid)
    assert not decision.accepted
    same(solution(after), solution(run))
    same(after.gate, run.gate)


def test_a_failed_node_of_a_tree_is_stored_without_a_score():
    strategy = optimizers.undirected(search.aide(drafts=1, debug_probability=1.0))
    run = optimizers.init(strategy, ORIGIN, jax.random.key(0), 4)
    run, _, decision = step(strategy, run, GRADIENTS[0], 7.0, valid=False)
    assert not decision.accepted
    assert decision.slot == 0
    assert run.score[0] == -np.inf
    expansion, _ = jax.jit(functools.partial(optimizers.ask, strategy))(run)
    assert (expansion.parent, expansion.operator) == (0, Operator.DEBUG)
    repaired = optimizers.observe(run, expansion, ORIGIN, 3.0)
    assert repaired.gain == np.inf
    assert repaired.gain_stderr == 0.0


# --- learning from rejections --------------------------------------------------------------------


@every_rule
def test_a_rule_that_learns_from_rejections_advances_its_state_only(rule):
    strategy = optimizers.directed(optimizers.learns_from_rejections(RULES[rule]))
    run = started(strategy)
    after, proposal, decision = step(strategy, run, GRADIENTS[2], -5.0)
    assert not decision.accepted
    same(jax.tree.map(lambda rows: rows[0], after.rule_state), proposal.rule_state)
    assert (rule in STATELESS) or differ(after.rule_state, run.rule_state)
    same(after.params, run.params)
    same(after.score, run.score)


def test_within_a_chain_only_the_marked_part_learns_from_rejections():
    rule = optax.chain(optimizers.learns_from_rejections(optax.trace(0.9)), optax.scale_by_adam())
    strategy = optimizers.directed(rule)
    run = started(strategy)
    after, proposal, _ = step(strategy, run, GRADIENTS[2], -5.0)
    same(jax.tree.map(lambda rows: rows[0], after.rule_state[0]), proposal.rule_state[0])
    assert differ(after.rule_state[0], run.rule_state[0])
    same(after.rule_state[1], run.rule_state[1])
    accepted, proposal, _ = step(strategy, run, GRADIENTS[2], 5.0)
    same(jax.tree.map(lambda rows: rows[0], accepted.rule_state), proposal.rule_state)


@given(gradients=draw.sequences)
def test_learning_from_rejections_proposes_the_same_updates(gradients):
    plain, marked = MOMENTUM_PAIR
    assert_array_equal(draw.unroll(marked, gradients), draw.unroll(plain, gradients))


MOMENTUM_PAIR = (RULES["momentum"], optimizers.learns_from_rejections(RULES["momentum"]))


def test_a_rejected_draft_teaches_no_node():
    rule = optimizers.learns_from_rejections(optax.trace(0.9))
    strategy = optimizers.directed(rule)
    run = optimizers.init(strategy, ORIGIN, jax.random.key(0), 5)
    after, _, _ = step(strategy, run, GRADIENTS[0], 0.0, valid=False)
    same(after.rule_state, run.rule_state)


@pytest.mark.parametrize("valid", [True, False])
def test_in_a_tree_a_parent_learns_from_a_failed_child_only(valid):
    rule = optimizers.learns_from_rejections(optax.trace(0.9))
    strategy = optimizers.undirected(
        search.aide(drafts=1, debug_probability=0.0, operator=Operator.DESCEND), rule=rule
    )
    run = optimizers.init(strategy, ORIGIN, jax.random.key(0), 3)
    run, _, _ = step(strategy, run, GRADIENTS[0], 0.0)
    after, proposal, decision = step(strategy, run, GRADIENTS[1], 1.0, valid)
    parent, child = (jax.tree.map(lambda rows, i=i: rows[i], after.rule_state) for i in (0, 1))
    before = jax.tree.map(lambda rows: rows[0], run.rule_state)
    assert decision.slot == 1
    same(child, proposal.rule_state)
    same(parent, before if valid else proposal.rule_state)


# --- propose -------------------------------------------------------------------------------------


def expand(parent, operator):
    return Expansion(jnp.int32(parent), jnp.int32(operator))


@every_rule
def test_descent_is_the_rule_of_the_parents_moments(rule):
    strategy = directed(rule, "improved")
    run = started(strategy)
    moments = jax.tree.map(lambda rows: rows[0], run.rule_state)
    proposal = optimizers.propose(strategy, run, expand(0, Operator.DESCEND), GRADIENTS[2])
    update, state = RULES[rule].update(
        GRADIENTS[2], moments, run.params[0], value=-run.score[0], step=run.step
    )
    assert_allclose(proposal.update, update, rtol=1e-6)
    assert_allclose(proposal.params, run.params[0] + update, rtol=1e-6)
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-6), proposal.rule_state, state)


@every_rule
@pytest.mark.parametrize("operator", [Operator.DRAFT, Operator.DEBUG, Operator.IMPROVE])
def test_only_descent_goes_through_the_rule(rule, operator):
    strategy = directed(rule, "improved")
    run = started(strategy)
    parent = -1 if operator == Operator.DRAFT else 0
    proposal = optimizers.propose(strategy, run, expand(parent, operator), GRADIENTS[2])
    base = run.origin if parent < 0 else run.params[0]
    move = -GRADIENTS[2] if operator == Operator.IMPROVE else jnp.zeros(DIM)
    same(proposal.update, move)
    same(proposal.params, base + move)
    fresh = RULES[rule].init(ORIGIN)
    moments = jax.tree.map(lambda rows: rows[0], run.rule_state)
    same(proposal.rule_state, fresh if parent < 0 else moments)


@every_rule
def test_expanding_nothing_starts_at_the_origin_with_fresh_moments(rule):
    strategy = directed(rule, "improved")
    run = started(strategy)
    proposal = optimizers.propose(strategy, run, expand(-1, Operator.DESCEND), GRADIENTS[2])
    update, state = RULES[rule].update(GRADIENTS[2], RULES[rule].init(ORIGIN), ORIGIN, value=0.0)
    assert_allclose(proposal.params, ORIGIN + update, rtol=1e-6)
    assert jax.tree.structure(proposal.rule_state) == jax.tree.structure(state)
    same(optimizers.parent_params(run, expand(-1, Operator.DRAFT)), ORIGIN)
    same(optimizers.parent_params(run, expand(0, Operator.DEBUG)), run.params[0])


def test_rules_are_told_value_step_and_a_fresh_key():
    told = []

    def update(updates, state, params=None, *, value, step, key, **others):
        assert not others
        told.append((float(value), int(step), tuple(jax.random.key_data(key).tolist())))
        return updates, state

    rule = optimizers.UpdateRule(lambda params: (), update)
    strategy = optimizers.directed(rule, gate=gates.always())
    run = optimizers.init(strategy, ORIGIN, jax.random.key(0), 5)
    for score in (2.0, -3.0, 4.0):
        expansion, run = optimizers.ask(strategy, run)
        proposal = optimizers.propose(strategy, run, expansion, GRADIENTS[0])
        observation = optimizers.observe(run, expansion, proposal.params, score)
        run, _ = optimizers.settle(strategy, run, proposal, observation)
    values, steps, keys = zip(*told, strict=True)
    assert values[1:] == (-2.0, 3.0)  # the draft has no parent to value
    assert steps == (0, 1, 2)
    assert len(set(keys)) == 3


# --- observe -------------------------------------------------------------------------------------


def test_observe_compares_with_the_stored_parent():
    run = started(directed("sgd", "improved"))._replace(
        score=jnp.array([2.0]), stderr=jnp.array([0.3])
    )
    seen = optimizers.observe(run, expand(0, Operator.DESCEND), ORIGIN, 3.5, stderr=0.4)
    assert (seen.score, seen.gain) == (3.5, 1.5)
    assert_allclose([seen.stderr, seen.gain_stderr], [0.4, 0.5], rtol=1e-6)
    assert seen.valid


def test_observe_takes_a_paired_gain():
    run = started(directed("sgd", "improved"))
    seen = optimizers.observe(
        run, expand(0, Operator.DESCEND), ORIGIN, 3.5, stderr=0.4, gain=0.2, gain_stderr=0.05
    )
    assert_allclose([seen.gain, seen.gain_stderr], [0.2, 0.05], rtol=1e-6)
    draft = optimizers.observe(
        run, expand(-1, Operator.DRAFT), ORIGIN, 3.5, gain=0.2, gain_stderr=0.05
    )
    assert (draft.gain, draft.gain_stderr) == (np.inf, 0.0)


@pytest.mark.parametrize("half", [{"gain": 0.1}, {"gain_stderr": 0.1}])
def test_observe_wants_a_gain_with_its_standard_error(half):
    run = started(directed("sgd", "improved"))
    with pytest.raises(ValueError, match="together"):
        optimizers.observe(run, expand(0, Operator.DESCEND), ORIGIN, 1.0, **half)


@pytest.mark.parametrize(
    ("score", "valid", "expected"),
    [(1.0, True, True), (1.0, False, False), (np.nan, True, False), (-np.inf, True, False)],
)
def test_a_score_that_is_no_number_is_a_failure(score, valid, expected):
    run = started(directed("sgd", "improved"))
    seen = optimizers.observe(run, expand(0, Operator.DESCEND), ORIGIN, score, valid=valid)
    assert bool(seen.valid) == expected


@pytest.mark.parametrize("steps", [0, -3])
def test_a_run_needs_a_step(steps):
    with pytest.raises(ValueError, match=f"steps={steps}"):
        optimizers.init(directed("sgd", "improved"), ORIGIN, jax.random.key(0), steps)


# --- as a program --------------------------------------------------------------------------------

STRATEGIES = {
    "gome": optimizers.directed(optimizers.gome(0.1), gate=gates.improved_beyond_noise()),
    "hill_climb": optimizers.hill_climb(),
    "best_of_n": optimizers.undirected(search.best_of_n(3)),
    "aide": optimizers.undirected(
        search.aide(2, operator=Operator.DESCEND), rule=optimizers.momentum(0.1)
    ),
}
every_strategy = pytest.mark.parametrize("name", STRATEGIES)
LENGTH = 12


def noisy_step(strategy, run):
    """A step of a noisy sphere that fails one time in four."""
    key = jax.random.fold_in(jax.random.fold_in(run.key, 99), run.step)
    key_direction, key_score, key_failure = jax.random.split(key, 3)
    expansion, run = optimizers.ask(strategy, run)
    at = optimizers.parent_params(run, expansion)
    direction = at + 0.3 * jax.random.normal(key_direction, (DIM,))
    proposal = optimizers.propose(strategy, run, expansion, direction)
    score = -(proposal.params**2).sum() + 0.1 * jax.random.normal(key_score)
    valid = jax.random.uniform(key_failure) > 0.25
    observation = optimizers.observe(
        run, expansion, proposal.params, score, stderr=0.1, valid=valid
    )
    run, decision = optimizers.settle(strategy, run, proposal, observation)
    return run, (expansion, decision, observation.score)


def fresh(name, key=0):
    return optimizers.init(STRATEGIES[name], ORIGIN, jax.random.key(key), LENGTH)


@functools.cache
def scanned(name):
    """The whole run as one program."""

    @jax.jit
    def scan(run):
        return jax.lax.scan(lambda r, _: noisy_step(STRATEGIES[name], r), run, length=LENGTH)

    return scan


def bits(run):
    """The run with its key as plain numbers, so that it can be compared."""
    return run._replace(key=jax.random.key_data(run.key))


@every_strategy
def test_a_step_compiles_once_and_repeats_itself(name):
    traces = []

    def step(run):
        traces.append(None)
        return noisy_step(STRATEGIES[name], run)

    compiled = jax.jit(step)
    run, trail = fresh(name), []
    for _ in range(LENGTH):
        run, seen = compiled(run)
        trail.append(seen)
    assert len(traces) == 1
    again = fresh(name)
    for _ in range(LENGTH):
        again, _ = compiled(again)
    same(bits(again), bits(run))

    whole, stacked = scanned(name)(fresh(name))
    trail = jax.tree.map(lambda *leaves: np.stack(leaves), *trail)
    same(stacked[:2], trail[:2])  # expansions and decisions
    assert_allclose(stacked[2], trail[2], rtol=1e-5)
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-5, atol=1e-6), bits(whole), bits(run))


def test_compiled_or_not_a_run_is_the_same():
    _, (_, decisions, scores) = scanned("gome")(fresh("gome"))
    eager = fresh("gome")
    for i in range(3):
        eager, (_, decision, score) = noisy_step(STRATEGIES["gome"], eager)
        same(decision, jax.tree.map(lambda rows, i=i: rows[i], decisions))
        assert_allclose(score, scores[i], rtol=1e-5)


@pytest.mark.parametrize("name", ["gome", "aide"])
def test_a_batch_of_runs_is_each_run(name):
    keys = jax.random.split(jax.random.key(4), 3)
    runs = jax.vmap(lambda key: optimizers.init(STRATEGIES[name], ORIGIN, key, LENGTH))(keys)
    batch, (expansions, decisions, scores) = jax.jit(jax.vmap(scanned(name)))(runs)
    for i, key in enumerate(keys):
        run = optimizers.init(STRATEGIES[name], ORIGIN, key, LENGTH)
        run, (expansion, decision, score) = scanned(name)(run)
        same((expansion, decision), jax.tree.map(lambda x, i=i: x[i], (expansions, decisions)))
        assert_allclose(scores[i], score, rtol=1e-5)
        assert_allclose(batch.params[i], run.params, rtol=1e-5, atol=1e-6)
    assert len(np.unique(scores)) == scores.size  # different keys, different runs


@every_strategy
def test_nodes_keep_the_score_of_what_they_hold(name):
    """Replaying decisions on the host gives the score rows, and the incumbent never gets worse."""
    run, (expansions, decisions, scores) = scanned(name)(fresh(name, key=2))
    rows = np.full(run.score.shape, -np.inf, np.float32)
    kept = np.asarray(decisions.slot) >= 0
    for slot, accepted, score in zip(
        decisions.slot[kept], decisions.accepted[kept], scores[kept], strict=True
    ):
        rows[slot] = score if accepted else -np.inf
    assert_array_equal(run.score, rows)
    accepted = np.asarray(scores)[np.asarray(decisions.accepted)]
    if name in ("gome", "hill_climb"):
        assert (np.diff(accepted) > 0).all()
    assert run.step == LENGTH
    assert (np.asarray(expansions.parent) < run.score.shape[0]).all()
