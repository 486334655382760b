"""ML-Master's rollouts against the description: by hand, and against objects with pointers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import optimizers
from optimizers import Operator, search
from optimizers.search._rollout_rules import Rules, exploration_constant
from tests.optimizers.test_policies import STEPS, Result, compiled, played, results, seeds
from tests.optimizers.test_tree_policies import moves, won

DRAFT, DESCEND, IMPROVE, DEBUG, CROSSOVER = Operator
MANY = 40
kept_for_long = st.lists(results, min_size=MANY, max_size=MANY)


# --- by hand -------------------------------------------------------------------------------------


def test_rollouts_by_hand():
    """One draft, two children a node, a rollout survives one failure; 14 steps.

    0  draft, 0.0            the local best of its branch
    1  improves 0, 1.0       a gain of 1: the new local best; goes on
    2  improves 1, 1.0       no gain, the first failure of 1; goes on from 2
    3  improves 2, 0.5       no gain over 1, one failure too many: terminal, reward 1 for 3, 2, 1, 0
    4  improves 0, 0.5       UCT: 0 is not full, and the last rollout below it had given up.
                             0 is its local best, a gain of 0.5; goes on
    5  improves 4, fails     goes on
    6  repairs 5, 2.0        a repair that works: ends with 1, and 1 more for a new best
    7                        0 is full: 1 has 1/1 and 4 has 2/1, with the same bonus for one visit.
                             4, 5 and 6 were still improving: down to 6, which has no child
    """
    run = won(0.0, 1.0, 1.0, 0.5, 0.5, None, 2.0, *[0.0] * 7)
    start = [(-1, DRAFT), (0, IMPROVE), (1, IMPROVE), (2, IMPROVE), (0, IMPROVE), (4, IMPROVE)]
    start.append((5, DEBUG))
    settings = {"drafts": 1, "improves": 2, "max_failures": 1}
    assert moves(search.ml_master(**settings), run)[:8] == [*start, (6, IMPROVE)]
    # Without the bonus both have 1/1: the first of equals, which is not full, and had given up.
    released = search.ml_master(**settings, global_best_bonus=False)
    assert moves(released, run)[:8] == [*start, (1, IMPROVE)]


def test_the_first_rollouts_are_the_drafts():
    """Each goes on until the fourth failure to improve on its draft, then the next one starts."""
    chains = [[(-1, DRAFT), *((i + k, IMPROVE) for k in range(4))] for i in (0, 5)]
    assert moves(search.ml_master(), won(*[0.0] * 14))[:10] == [*chains[0], *chains[1]]


def test_failed_nodes_end_a_rollout_and_later_stay_failed():
    """Depths 0 to 3 are one rollout; 4 and 5 one each, and depth 5 is the last: nothing is left.

    Then the rule would never end. Here it drafts again, although there is only one draft to be.
    """
    policy = search.ml_master(drafts=1, max_debug_depth=5)
    chain = [(-1, DRAFT), *((i, DEBUG) for i in range(5))]
    again = [(-1, DRAFT), *((6 + i, DEBUG) for i in range(5))]
    assert moves(policy, won(*[None] * 14))[:12] == [*chain, *again]


def test_a_terminal_node_is_visited_for_nothing():
    """Two drafts, one child a node, no failure survived.

    0, 1   a draft, and a child that is no better: terminal, reward 1
    2 - 7  a draft, an improvement, and four that fail: -1
    8      C = 0.5 after 8 of 14 steps (1.414 - 500 / 14 * 0.01 * 6 is less). UCT has 1 for 0, whose
           child is terminal: visits without reward, until 0's mean has sunk. It sinks to 1 / 15 in
           14 of them, far above -1 + 0.5 sqrt(ln 16): then what is left to be expanded, 7.
    """
    policy = search.ml_master(drafts=2, improves=1, max_failures=0)
    run = won(0.0, 0.0, 0.0, 5.0, None, None, None, None, *[0.0] * 6)
    assert moves(policy, run)[8] == (7, DEBUG)
    ask, tell = compiled(policy)
    state = policy.init(STEPS)
    for step in range(8):
        expansion, state = ask(state, jax.random.key(step))
        state, _ = tell(state, expansion, seen(run[step].score, run[step].valid), True)
    _, state = ask(state, jax.random.key(8))
    assert state.visits[0] == 1 + 14
    assert state.total[0] == 1
    assert state.ended == 2 + 14


def seen(score, valid=True):
    return optimizers.Observation(
        params=np.zeros(1, np.float32),
        score=np.float32(score if valid else np.nan),
        stderr=np.float32(0),
        gain=np.float32(0),
        gain_stderr=np.float32(0),
        valid=np.bool_(valid),
    )


def test_the_threshold_may_be_relative():
    """A gain of 0.5 on 100 is an improvement, but not one of one percent."""
    run = won(100.0, 100.5, 101.0, 100.5, 0.0)
    settings = {"drafts": 1, "max_failures": 0, "threshold": 0.01}
    absolute = moves(search.ml_master(**settings), run)
    assert absolute == [(-1, DRAFT), (0, IMPROVE), (1, IMPROVE), (2, IMPROVE), (0, IMPROVE)]
    relative = moves(search.ml_master(**settings, relative=True), run)
    # 100.5 and 100.5 are no improvements on 100: terminal children of 0; 101 is: 1 >= 0.01 * 100.
    assert relative == [(-1, DRAFT), (0, IMPROVE), (0, IMPROVE), (2, IMPROVE), (0, IMPROVE)]


# --- against objects -----------------------------------------------------------------------------


class Tie(Exception):
    """Float32 cannot tell two values apart: either choice is right, and later ones depend on it."""


@dataclass(eq=False)
class Node:
    parent: Node | None
    number: int
    buggy: bool = False
    score: float = -math.inf
    debug_depth: int = 0
    children: list[Node] = field(default_factory=list)
    visits: int = 0
    reward: float = 0.0
    best: Node | None = None
    failures: int = 0
    terminal: bool = False
    still_improving: bool = False

    def path(self):
        node = self
        while node:
            yield node
            node = node.parent


class ReferenceMlMaster:
    """The description, one method an evaluation."""

    def __init__(self, steps, drafts=5, improves=3, max_failures=3, back=3, deepest=20, bonus=True):
        self.steps, self.drafts, self.improves = steps, drafts, improves
        self.max_failures, self.back, self.deepest, self.bonus = max_failures, back, deepest, bonus
        self.root = Node(None, -1)
        self.nodes: list[Node] = []
        self.current: Node | None = None

    def constant(self):
        t, start = len(self.nodes), min(self.drafts * self.improves**2, 0.3 * self.steps)
        if t < start:
            return 1.414
        if t <= 0.7 * self.steps:
            return max(1.414 - 0.01 * 500 / self.steps * (t - start), 0.5)
        return 0.5

    def full(self, node):
        if node is self.root:
            return len(node.children) >= self.drafts
        return len(node.children) >= (1 if node.buggy else self.improves)

    def best_child(self, node):
        def uct(child):
            if child.visits == 0:
                return math.inf
            bonus = math.sqrt(math.log(node.visits) / child.visits)
            return child.reward / child.visits + self.constant() * bonus

        chosen = max(node.children, key=uct)
        for child in node.children:
            alike = (child.visits, child.reward) == (chosen.visits, chosen.reward)
            if not alike and math.isclose(uct(child), uct(chosen), abs_tol=1e-5):
                raise Tie
        return chosen

    def descend(self, node):
        while not node.terminal:
            goes_through = node is not self.root and node.still_improving and node.children
            if not self.full(node) and not goes_through:
                return node
            node = self.best_child(node)
        return node

    def left(self):
        """What may be expanded, best first; the root if nothing may."""
        may = [n for n in self.nodes if not n.terminal and not self.full(n)]
        return max(may, key=lambda n: n.score, default=self.root)

    def select(self):
        for _ in range(self.steps):
            node = self.descend(self.root)
            if not node.terminal:
                return node
            self.end(node, 0.0)
        node = self.descend(self.root)
        return self.left() if node.terminal else node

    def next(self):
        node = self.current or self.select()
        return node, DRAFT if node is self.root else DEBUG if node.buggy else IMPROVE

    def end(self, node, reward):
        for above in node.path():
            above.visits += 1
            above.reward += reward
            above.failures = 0
            above.still_improving = node.still_improving

    def record(self, parent, result):
        node = Node(parent, len(self.nodes), not result.valid)
        node.score = result.score if result.valid else -math.inf
        node.debug_depth = parent.debug_depth + 1 if parent.buggy else 0
        node.best = None if parent is self.root else parent.best
        before = [n.score for n in self.nodes if not n.buggy]
        parent.children.append(node)
        self.nodes.append(node)
        ends = False
        if node.buggy:
            ends = node.debug_depth >= self.back
            node.terminal = ends and node.debug_depth >= self.deepest
        else:
            ends = parent.buggy
            node.still_improving = True
            local = node.best
            if local is None or node.score - local.score >= 1e-4:
                node.best = node
            elif local.failures < self.max_failures:
                local.failures += 1
            else:
                ends, node.terminal, node.still_improving = True, True, False
        self.current = None if ends else node
        if ends:
            new_best = bool(before) and node.score > max(before)
            self.end(node, -1.0 if node.buggy else 1.0 + (self.bonus and new_best))


REFERENCES = [
    {},
    {"drafts": 1, "improves": 2, "max_failures": 1},
    {"drafts": 2, "improves": 1, "max_failures": 0, "back": 0, "deepest": 1},
    {"drafts": 2, "improves": 2, "max_failures": 1, "back": 1, "deepest": 2, "bonus": False},
    {"drafts": 3, "improves": 3, "max_failures": 2, "back": 2, "deepest": 2},
]
NAMES = {"back": "back_debug_depth", "deepest": "max_debug_depth", "bonus": "global_best_bonus"}
ML_MASTERS = [search.ml_master(**{NAMES.get(k, k): v for k, v in s.items()}) for s in REFERENCES]


def follow(reference, policy, run):
    for step, actual in enumerate(played(policy, run, capacity=len(run))):
        try:
            node, operator = reference.next()
        except Tie:
            return
        assert actual == (node.number, operator, step)
        reference.record(node, run[step])


@pytest.mark.parametrize("i", range(len(REFERENCES)))
@given(run=kept_for_long)
def test_ml_master(i, run):
    follow(ReferenceMlMaster(MANY, **REFERENCES[i]), ML_MASTERS[i], run)


def test_the_references_are_followed_far():
    """Ties end a comparison: most runs without equal scores reach the end."""
    rng, ended = np.random.default_rng(0), 0
    for settings in REFERENCES:
        reference = ReferenceMlMaster(MANY, **settings)
        try:
            for _ in range(MANY):
                node, _ = reference.next()
                valid = bool(rng.random() < 0.7)
                reference.record(node, Result(float(rng.normal()), valid, valid))
            ended += 1
        except Tie:
            pass
    assert ended >= len(REFERENCES) - 1


# --- several in flight ---------------------------------------------------------------------------


class Flight:
    """A policy with several candidates in flight, and the tree that came of it."""

    def __init__(self, policy, capacity, seed=0):
        self.ask_policy, self.tell_policy = compiled(policy)
        self.cancel_policy = policy.cancel
        self.state, self.key, self.asked = policy.init(capacity), jax.random.key(seed), 0
        self.flying, self.parents, self.valid = [], {}, {}

    def ask(self):
        key = jax.random.fold_in(self.key, self.asked)
        expansion, self.state = self.ask_policy(self.state, key)
        self.asked += 1
        self.flying.append(expansion)
        return int(expansion.parent), Operator(int(expansion.operator))

    def tell(self, which, result):
        expansion = self.flying.pop(which % len(self.flying))
        observation = seen(result.score, result.valid)
        self.state, slot = self.tell_policy(
            self.state, expansion, observation, np.bool_(result.valid)
        )
        self.parents[int(slot)], self.valid[int(slot)] = int(expansion.parent), result.valid

    def cancel(self, which):
        expansion = self.flying.pop(which % len(self.flying))
        self.state = self.cancel_policy(self.state, expansion)

    def children(self, node):
        """Those in flight included."""
        flying = sum(int(e.parent) == node for e in self.flying)
        return flying + sum(parent == node for parent in self.parents.values())

    def branch(self, node):
        while self.parents[node] >= 0:
            node = self.parents[node]
        return node


orders = st.lists(st.tuples(st.booleans(), st.integers(0, 5), results), min_size=30, max_size=30)
FLYING = search.ml_master(drafts=4, improves=2, max_failures=1)


@given(orders=orders, seed=seeds)
def test_limits_hold_with_several_in_flight(orders, seed):
    flight = Flight(FLYING, MANY, seed)
    for tells, which, result in orders:
        if flight.flying and (tells or len(flight.flying) == 4):
            flight.tell(which, result)
            continue
        parent, _ = flight.ask()
        if parent < 0:
            assert flight.children(-1) <= 4
        else:
            assert flight.children(parent) <= (2 if flight.valid[parent] else 1)
        branches = [flight.branch(int(e.parent)) for e in flight.flying if e.parent >= 0]
        assert len(branches) == len(set(branches)), "four workers, four branches: one in each"


def test_a_rollout_goes_on_where_its_last_candidate_was_told():
    flight = Flight(search.ml_master(), MANY)
    assert [flight.ask() for _ in range(3)] == [(-1, DRAFT)] * 3
    good = won(1.0)[0]
    flight.tell(2, good)  # node 0
    flight.tell(0, good)  # node 1
    assert [flight.ask(), flight.ask()] == [(0, IMPROVE), (1, IMPROVE)]
    # The third rollout has nothing to go on from yet; the fourth starts.
    assert flight.ask() == (-1, DRAFT)


def test_locked_branches_are_skipped_until_a_rollout_ends_there():
    """Two drafts that were mended: both rollouts ended. One is picked, then the other."""
    policy = search.ml_master(drafts=2)
    flight = Flight(policy, MANY)
    for result in won(None, 1.0, None, 1.0):
        flight.ask()
        flight.tell(0, result)
    # Both repairs are reached through their failed drafts, 0 -> 1 and 2 -> 3.
    assert [flight.ask(), flight.ask()] == [(1, IMPROVE), (3, IMPROVE)]
    # All are locked. What may be expanded: 1 and 3, equally good.
    assert flight.ask() == (1, IMPROVE)
    # Two that come to nothing: the first branch is free again.
    flight.cancel(2)
    flight.cancel(0)
    assert flight.ask() == (1, IMPROVE)


def test_a_cancelled_candidate_ends_its_rollout_and_counts_nothing():
    flight = Flight(search.ml_master(drafts=1), MANY)
    flight.ask()
    flight.tell(0, won(1.0)[0])
    before = flight.state
    assert flight.ask() == (0, IMPROVE)
    flight.cancel(0)
    assert not flight.state.goes_on.any()
    assert not flight.state.locked.any()
    assert flight.state.ended == before.ended == 0
    assert flight.ask() == (0, IMPROVE)  # Through UCT, where it counts as unvisited.


# --- schedules -----------------------------------------------------------------------------------


def test_exploration_at_500_steps_is_the_published_one():
    """T1 = 45, T2 = 350; 1.414 falls by 0.01 a step to 0.5 in 91.4 steps, at t = 136.4."""
    t = jnp.array([0, 44, 45, 46, 100, 136, 137, 350, 351, 499])
    expected = [1.414, 1.414, 1.414, 1.404, 0.864, 0.504, 0.5, 0.5, 0.5, 0.5]
    np.testing.assert_allclose(exploration_constant(t, 500, Rules()), expected, atol=1e-6)


def test_exploration_at_100_steps_jumps_unless_it_is_rescaled():
    """T1 = 30, T2 = 70. Published: 1.414 - 0.01 * 40 = 1.014 at 70, 0.5 at 71.

    Rescaled by 5: 0.05 a step, 0.5 after 18.28 steps, at t = 48.28.
    """
    t = jnp.array([30, 31, 48, 49, 70, 71])
    released = [1.414, 1.404, 1.234, 1.224, 1.014, 0.5]
    rules = Rules(rescaled=False)
    np.testing.assert_allclose(exploration_constant(t, 100, rules), released, atol=1e-6)
    rescaled = [1.414, 1.364, 0.514, 0.5, 0.5, 0.5]
    np.testing.assert_allclose(exploration_constant(t, 100, Rules()), rescaled, atol=1e-6)


def test_inert_schedules_are_named():
    assert not search.ml_master().inert(500)
    assert not search.ml_master().inert(100)
    (jump,) = search.ml_master(rescaled=False).inert(100)
    assert "1.01 to 0.5 after 70 of 100" in jump
    # 0.3 * 20 + 0.914 / 0.25 = 9.7: before five drafts with one more node each.
    (floor,) = search.ml_master().inert(20)
    assert "floor after 10 of 20" in floor
    (never,) = search.ml_master().inert(10)
    assert "never chooses by UCT in 10 evaluations" in never


def test_a_short_run_warns():
    strategy = optimizers.undirected(search.ml_master())
    with pytest.warns(optimizers.InertSchedule, match="never chooses by UCT"):
        optimizers.init(strategy, jnp.zeros(1), jax.random.key(0), 8)


DEFAULT = search.ml_master()


@given(scores=st.lists(results, min_size=10, max_size=10))
def test_uct_does_not_choose_before_it_is_said_to(scores):
    """In ten evaluations every rollout of five drafts starts with a draft."""
    for step, (parent, _, _) in enumerate(played(DEFAULT, scores, capacity=10)):
        assert parent in (-1, step - 1)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"drafts": 0}, "drafts=0"),
        ({"improves": 0}, "improves=0"),
        ({"max_failures": -1}, "max_failures"),
        ({"threshold": float("nan")}, "threshold"),
        ({"back_debug_depth": -1}, "back_debug_depth"),
        ({"max_debug_depth": -1}, "max_debug_depth"),
    ],
)
def test_errors_name_the_argument(settings, match):
    with pytest.raises(ValueError, match=match):
        search.ml_master(**settings)
