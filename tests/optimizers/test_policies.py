"""Policies against plain-Python implementations written from the published descriptions."""

from __future__ import annotations

import collections
import functools
import random
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import optimizers
from optimizers import Operator, search
from tests.statistical import assert_estimate

STEPS = 14
DRAFT, DESCEND, IMPROVE, DEBUG, CROSSOVER = Operator


@dataclass(frozen=True)
class Result:
    """What a test world answers; few different scores, so that ties are common."""

    score: float
    valid: bool
    accepted: bool
    folds: tuple[float, ...] | None = None
    """Fold scores, for policies that ask for them; the score on each if not given."""
    params: tuple[float, ...] = (0.0,)

    def observed(self, folds=0):
        """What a policy is told of it."""
        seen = np.float32(self.score if self.valid else np.nan)
        return optimizers.Observation(
            params=np.array(self.params, np.float32),
            score=seen,
            stderr=np.float32(0),
            gain=np.float32(0),
            gain_stderr=np.float32(0),
            valid=np.bool_(self.valid),
            folds=np.array(self.folds or [seen] * folds, np.float32) if folds else None,
        )


results = st.builds(
    lambda score, valid, accepted: Result(score, valid, accepted and valid),
    st.sampled_from([-1.0, 0.0, 0.5, 2.0]),
    st.booleans(),
    st.booleans(),
)
runs = st.lists(results, min_size=STEPS, max_size=STEPS)
kept = runs.map(lambda run: [Result(r.score, r.valid, r.valid) for r in run])
"""Results under the gate `always`: accepted if and only if valid."""
seeds = st.integers(0, 2**20)


# These programs run a few hundred times: what costs is to compile them.
quickly = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


@functools.cache
def compiled(policy):
    return quickly(policy.ask), quickly(policy.tell)


def played(policy, run, seed=0, capacity=None):
    """Every (parent, operator, slot) of a policy that meets these results in turn."""
    for expansion, slot, _ in watched(policy, run, seed, capacity):
        yield int(expansion.parent), int(expansion.operator), int(slot)


def watched(policy, run, seed=0, capacity=None):
    """Every expansion and slot, with the policy's state after it."""
    ask, tell = compiled(policy)
    state = policy.init(policy.capacity(STEPS) if capacity is None else capacity)
    for i, result in enumerate(run):
        expansion, state = ask(state, jax.random.fold_in(jax.random.key(seed), i))
        observation = result.observed(policy.folds)
        state, slot = tell(state, expansion, observation, np.bool_(result.accepted))
        yield expansion, int(slot), state


def overlapping(policy, run, seed, width):
    """As `watched`, with so many in flight, told in random order."""
    ask, tell = compiled(policy)
    rng, state, flying = random.Random(seed), policy.init(policy.capacity(STEPS)), []
    for i, result in enumerate(run):
        while len(flying) < min(width, len(run) - i):
            key = jax.random.fold_in(jax.random.key(seed), i + len(flying))
            expansion, state = ask(state, key)
            flying.append(expansion)
        expansion = flying.pop(rng.randrange(len(flying)))
        accepted = np.bool_(result.accepted)
        state, slot = tell(state, expansion, result.observed(policy.folds), accepted)
        yield expansion, int(slot), state


@functools.cache
def _asked_by_many(policy):
    return quickly(jax.vmap(policy.ask, (None, 0)))


def asked_often(policy, state, draws=4000):
    """How often each (parent, operator, other) is asked for in this state, over many keys."""
    asked, _ = _asked_by_many(policy)(state, jax.random.split(jax.random.key(1), draws))
    other = np.full(draws, -1) if asked.other is None else asked.other
    triples = np.stack([asked.parent, asked.operator, other], axis=1)
    return collections.Counter(map(tuple, triples.tolist()))


def assert_chances(counts, chances):
    """Counts agree with exact probabilities, and nothing else was counted."""
    assert set(counts) <= {key for key, chance in chances.items() if chance > 0}
    draws = sum(counts.values())
    chance = np.array(list(chances.values()))
    share = np.array([counts[key] for key in chances]) / draws
    assert_estimate(share, chance, np.sqrt(chance * (1 - chance) / draws))


# --- sequential ----------------------------------------------------------------------------------

SEQUENTIAL = {operator: search.sequential(operator) for operator in (DESCEND, IMPROVE)}


@pytest.mark.parametrize("operator", SEQUENTIAL)
@given(run=runs)
def test_sequential(operator, run):
    started = False
    for result, actual in zip(run, played(SEQUENTIAL[operator], run), strict=True):
        slot = 0 if result.accepted else -1
        assert actual == ((0, operator, slot) if started else (-1, DRAFT, slot))
        started |= result.accepted


# --- best of n -----------------------------------------------------------------------------------

BEST_OF = {n: search.best_of_n(n) for n in (1, 3, None)}


@pytest.mark.parametrize("n", BEST_OF)
@given(run=runs)
def test_best_of_n(n, run):
    """Rounds of n children of one node, whose best accepted child is the next node."""
    parent, parent_slot, children = None, 0, []
    for step, actual in enumerate(played(BEST_OF[n], run)):
        result = run[step]
        best = max((c.score for c in children if c.accepted), default=-np.inf)
        slot = 1 - parent_slot if result.accepted and result.score > best else -1
        assert actual == ((-1, DRAFT, slot) if parent is None else (parent_slot, IMPROVE, slot))
        children.append(result)
        if n is not None and len(children) == n:
            winners = [c for c in children if c.accepted]
            if winners:
                parent, parent_slot = max(winners, key=lambda c: c.score), 1 - parent_slot
            children = []


@given(run=kept, seed=seeds)
def test_best_of_n_stores_the_best_draft(run, seed):
    stored = None
    for result, (_, _, slot) in zip(run, played(BEST_OF[None], run, seed), strict=True):
        stored = result.score if slot >= 0 else stored
    assert stored == max((r.score for r in run if r.valid), default=None)


def test_best_of_n_by_hand():
    # Three drafts; the second is best and takes slot 1 over from the first. Then
    # three children of it; the last is best, though worse than its parent: comma selection.
    scores = [1.0, 3.0, 2.0, 0.0, 0.5, 2.5, 4.0]
    run = [Result(score, True, True) for score in scores]
    assert list(played(BEST_OF[3], run)) == [
        (-1, DRAFT, 1),
        (-1, DRAFT, 1),
        (-1, DRAFT, -1),
        (1, IMPROVE, 0),
        (1, IMPROVE, 0),
        (1, IMPROVE, 0),
        (0, IMPROVE, 1),
    ]


def test_sequential_by_hand():
    # A draft that fails, one that is rejected, one that is accepted; then the incumbent for ever.
    run = [
        Result(0.0, False, False),
        Result(0.0, True, False),
        Result(0.0, True, True),
        Result(9.0, True, False),
        Result(1.0, True, True),
        Result(0.0, True, False),
    ]
    assert list(played(SEQUENTIAL[DESCEND], run)) == [
        (-1, DRAFT, -1),
        (-1, DRAFT, -1),
        (-1, DRAFT, 0),
        (0, DESCEND, -1),
        (0, DESCEND, 0),
        (0, DESCEND, -1),
    ]


# --- aide ----------------------------------------------------------------------------------------


@dataclass
class Node:
    """A node of the reference tree."""

    parent: int
    operator: int
    score: float
    buggy: bool


class ReferenceTree:
    """AIDE as published: which expansions are allowed after these nodes."""

    def __init__(self, drafts, debug_probability, max_debug_depth):
        self.settings = drafts, debug_probability, max_debug_depth
        self.nodes: list[Node] = []

    def is_leaf(self, i):
        return all(node.parent != i for node in self.nodes)

    def debug_depth(self, i):
        depth = 0
        while self.nodes[i].operator == DEBUG:
            depth, i = depth + 1, self.nodes[i].parent
        return depth

    def repairable(self):
        deepest = self.settings[2]
        return {
            i
            for i, node in enumerate(self.nodes)
            if node.buggy and self.is_leaf(i) and self.debug_depth(i) <= deepest
        }

    def allowed(self):
        drafts, probability, _ = self.settings
        if sum(node.operator == DRAFT for node in self.nodes) < drafts:
            return {(-1, DRAFT)}
        good = [i for i, node in enumerate(self.nodes) if not node.buggy]
        best = max(good, key=lambda i: self.nodes[i].score, default=-1)
        otherwise = {(best, IMPROVE if good else DRAFT)}
        repairs = {(i, DEBUG) for i in self.repairable()} if probability > 0 else set()
        return repairs if repairs and probability == 1 else repairs | otherwise


SETTINGS = [(5, 0.5, 3), (1, 0.5, 1), (2, 1.0, 20), (2, 1.0, 0), (3, 0.0, 3), (1, 1.0, 2)]
AIDES = {settings: search.aide(*settings) for settings in SETTINGS}


@pytest.mark.parametrize("settings", SETTINGS)
@given(run=kept, seed=seeds)
def test_aide_chooses_what_the_published_rule_allows(settings, run, seed):
    tree = ReferenceTree(*settings)
    for step, (parent, operator, slot) in enumerate(played(AIDES[settings], run, seed)):
        assert (parent, operator) in tree.allowed()
        assert slot == step
        tree.nodes.append(Node(parent, operator, run[step].score, not run[step].valid))


def test_aide_repairs_as_deep_as_the_limit_inclusive():
    run = [Result(0.0, False, False)] * 6
    played_operators = [operator for _, operator, _ in played(AIDES[1, 1.0, 2], run)]
    assert played_operators == [DRAFT, DEBUG, DEBUG, DEBUG, DRAFT, DEBUG]


def test_aide_with_one_draft_is_hill_climbing_with_a_stored_incumbent():
    run = [Result(score, True, True) for score in (0.0, -1.0, 2.0, 0.5, 2.0, 3.0, 1.0)]
    parents = [parent for parent, _, _ in played(AIDES[1, 0.5, 1], run)]
    assert parents == [-1, 0, 0, 2, 2, 2, 5]


def test_aide_tosses_its_coin_and_picks_uniformly():
    policy, draws = AIDES[5, 0.5, 3], 4000
    run = [Result(0.0, valid, valid) for valid in (True, False, False, False, True)]
    ask, tell = compiled(policy)
    state = policy.init(STEPS)
    for result in run:
        expansion, state = ask(state, jax.random.key(0))
        observation = optimizers.Observation(
            jnp.zeros(1), *[jnp.float32(0)] * 4, jnp.array(result.valid)
        )
        state, _ = tell(state, expansion, observation, observation.valid)
    keys = jax.random.split(jax.random.key(3), draws)
    expansions, _ = jax.jit(jax.vmap(policy.ask, (None, 0)))(state, keys)
    counts = np.bincount(expansions.parent, minlength=5)
    expected = draws * np.array([1 / 2, 1 / 6, 1 / 6, 1 / 6, 0])
    deviation = np.sqrt(expected * (1 - expected / draws))
    assert_estimate(counts, expected, deviation)
    assert set(np.asarray(expansions.parent)[expansions.operator == DEBUG]) == {1, 2, 3}


@given(run=kept, seed=seeds)
def test_a_full_tree_keeps_its_nodes_and_goes_on(run, seed):
    capacity = STEPS // 2
    policy = AIDES[2, 1.0, 20]
    for step, (parent, _, slot) in enumerate(played(policy, run, seed, capacity)):
        assert slot == (step if step < capacity else -1)
        assert -1 <= parent < capacity


# --- every policy --------------------------------------------------------------------------------

POLICIES = {name: make() for name, make in optimizers.POLICIES.items()}


@pytest.mark.parametrize("name", POLICIES)
@given(run=runs, seed=seeds)
def test_every_policy_expands_stored_nodes_and_respects_its_capacity(name, run, seed):
    policy, filled = POLICIES[name], set()
    for parent, operator, slot in played(policy, run, seed):
        assert (parent == -1) == (operator == DRAFT)
        assert parent in filled | {-1}
        assert -1 <= slot < policy.capacity(STEPS)
        filled |= {slot} - {-1}


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_is_deterministic_given_its_key(name):
    run = [Result(float(i % 3), i % 4 > 0, i % 4 > 0) for i in range(STEPS)]
    assert list(played(POLICIES[name], run, 5)) == list(played(POLICIES[name], run, 5))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: search.aide(drafts=0), "drafts=0"),
        (lambda: search.aide(debug_probability=1.5), "debug_probability"),
        (lambda: search.aide(debug_probability=float("nan")), "debug_probability"),
        (lambda: search.best_of_n(0), "n=0"),
    ],
)
def test_errors_name_the_argument(make, match):
    with pytest.raises(ValueError, match=match):
        make()
