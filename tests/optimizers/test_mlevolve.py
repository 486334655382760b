"""MLEvolve against its description: by hand, and against objects with pointers.

The reference is given the same random numbers, and decides by itself what they mean.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from optimizers import Operator, search
from optimizers.search import _mlevolve
from optimizers.search._rollouts import no_rollouts
from tests.optimizers.test_ml_master import Flight, Node, ReferenceMlMaster, Tie, orders, seen
from tests.optimizers.test_policies import Result, compiled, results, seeds
from tests.optimizers.test_tree_policies import won
from tests.statistical import assert_estimate

DRAFT, DESCEND, IMPROVE, DEBUG, CROSSOVER = Operator
MANY = 40
runs = st.lists(results, min_size=MANY, max_size=MANY)
DEFAULT = search.mlevolve()
ONE = search.mlevolve(drafts=1, initial_drafts=1)


def asked(policy, run, seed=0, capacity=MANY):
    """Every (parent, operator, other) of a policy that meets these results in turn."""
    ask, tell = compiled(policy)
    state = policy.init(capacity)
    for i, result in enumerate(run):
        expansion, state = ask(state, jax.random.fold_in(jax.random.key(seed), i))
        observation = seen(result.score, result.valid)
        state, _ = tell(state, expansion, observation, np.bool_(result.valid))
        yield int(expansion.parent), Operator(int(expansion.operator)), int(expansion.other)


# --- by hand -------------------------------------------------------------------------------------


def test_the_first_rollouts_take_turns_and_repairs_do_not_end_them():
    run = won(0.0, None, 0.0, 1.0, 0.5, 0.0, 2.0, 1.0, 0.0, 3.0, 2.0)
    assert list(asked(DEFAULT, run)) == [
        *[(-1, DRAFT, -1)] * 3,
        *[(0, IMPROVE, -1), (1, DEBUG, -1), (2, IMPROVE, -1)],
        *[(3, IMPROVE, -1), (4, IMPROVE, -1), (5, IMPROVE, -1)],
        *[(6, IMPROVE, -1), (7, IMPROVE, -1)],
    ]


@pytest.mark.parametrize(("eighteenth", "parent"), [(10.0, 0), (None, 0), (16.0, 17), (17.0, 17)])
def test_rollouts_are_cut_short_in_mid_run(eighteenth, parent):
    """One branch of 40 steps that improves all the time; from 16 steps on every third node counts.

    The 18th node is the 18th of its branch, and 18 is divisible by 3. If it fails or is worse than
    one of the four before it, its rollout ends: UCT goes to 0, which may have two more children. If
    it is as good as they are (16.0, one failure to improve) the rollout goes on from it.
    """
    run = won(*map(float, range(17)), eighteenth, 0.0)
    assert [p for p, _, _ in asked(ONE, run)] == [*range(-1, 17), parent]


def test_no_rollout_is_cut_short_before():
    """The 15th node, although it is the third of three, comes when 15 of 40 steps are spent."""
    run = won(*map(float, range(14)), 0.0, 0.0)
    assert [p for p, _, _ in asked(ONE, run)] == list(range(-1, 15))


def test_uct_fades():
    """1 up to half of the budget, 0.2 from 0.7 of it on; (1 + 0.2) / 2 between."""
    shares = jnp.array([0.0, 0.5, 0.6, 0.7, 1.0])
    np.testing.assert_allclose(_mlevolve.uct_probability(shares), [1, 1, 0.6, 0.2, 0.2], atol=1e-6)


def forest(scores, branches, children=()):
    """A search that came to these nodes, `None` for one that failed."""
    state = no_rollouts(len(scores) + 2)
    pad = [None, None]
    tree = state.tree._replace(
        size=jnp.int32(len(scores)),
        score=jnp.array([-jnp.inf if s is None else s for s in (*scores, *pad)]),
        valid=jnp.array([s is not None for s in (*scores, *pad)]),
        children=state.tree.children.at[jnp.array(children, int)].set(10),
    )
    return state._replace(tree=tree, branch=jnp.array([*branches, 0, 0]))


FOREST = forest([5.0, 9.0, None, 8.0, 7.0, 9.0, 1.0, 2.0], [0, 0, 0, 0, 0, 0, 6, 6], [1])


def test_top_nodes_are_spread_over_branches():
    """In the order of their scores, the first of equals: 1, 5, 3, 4, 0 of branch 0; 7, 6 of 6."""
    assert _mlevolve.topk(FOREST, 5, 3).tolist() == [1, 5, 3, 7, 6]
    assert _mlevolve.topk(FOREST, 3, 2).tolist() == [1, 5, 7, -1, -1]


def test_top_nodes_are_chosen_by_rank():
    """1 has ten children: 5, 3, 7 and 6 remain, in proportion to 1/2, 1/3, 1/4 and 1/5."""
    keys, late = jax.random.split(jax.random.key(0), 4000), jnp.array(False)
    rows, more = jax.vmap(lambda key: _mlevolve._pick_top(FOREST, key, late))(keys)
    weights = np.array([1 / 2, 1 / 3, 1 / 4, 1 / 5])
    expected = 4000 * weights / weights.sum()
    counts = np.bincount(rows, minlength=8)
    assert more.all()
    assert counts.sum() == counts[[5, 3, 7, 6]].sum()
    error = np.sqrt(expected * (1 - expected / 4000))
    assert_estimate(counts[[5, 3, 7, 6]], expected, error)


def test_where_all_top_nodes_have_ten_children_one_of_them_is_chosen():
    full = forest([5.0, None, 4.0], [0, 0, 2], [0, 2])
    rows, more = jax.vmap(lambda key: _mlevolve._pick_top(full, key, jnp.array(True)))(
        jax.random.split(jax.random.key(0), 50)
    )
    assert set(rows.tolist()) == {0, 2}
    assert not more.any()


@pytest.mark.parametrize(
    ("scores", "chosen_for_score", "stagnates"),
    [
        ([3.0, 1.0, 1.0, 1.0], False, True),
        ([3.0, 1.0, 1.0, 1.0], True, False),  # The best is among the last six.
        ([3.0, None, 1.0, None, 2.0, 1.0], False, True),  # Those that failed do not count.
        ([3.0, 1.0, 1.0, 3.0], False, False),  # As good as the best.
        ([3.0, 1.0], False, False),
        ([None, 3.0], False, False),
        ([3.0, *[1.0] * 6], True, True),
    ],
)
def test_stagnation_by_hand(scores, chosen_for_score, stagnates):
    state = forest([9.0, *scores], [0, *[1] * len(scores)])
    node = jnp.int32(1 + scores.index(3.0))
    assert bool(_mlevolve._stagnates(state, node, chosen_for_score)) is stagnates


def test_the_other_parent_is_the_best_elsewhere():
    assert int(_mlevolve._partner(FOREST, jnp.int32(7))) == 1
    assert int(_mlevolve._partner(FOREST, jnp.int32(1))) == 7
    alone = forest([5.0, 9.0, None], [0, 0, 0])
    assert int(_mlevolve._partner(alone, jnp.int32(1))) == 0


@pytest.mark.parametrize(
    ("scores", "branches", "wanted"),
    [
        ([1.0, 5.0, 1.0, 1.0, 2.0, 3.0], [0, 0, 2, 2, 0, 2], True),
        ([1.0, 1.0, 1.0, 1.0, 2.0, 3.0], [0, 0, 2, 2, 0, 2], False),  # The last is a new best.
        ([1.0, 5.0, None, 1.0, 2.0, 3.0], [0, 0, 2, 2, 0, 0], False),  # Branch 2 ran once.
        ([1.0, 5.0, 1.0, 5.00005], [0, 0, 2, 2], False),  # Nothing was before the last four.
    ],
)
def test_when_to_aggregate_by_hand(scores, branches, wanted):
    assert bool(_mlevolve._wants_aggregation(forest(scores, branches), 1e-4)) is wanted


# --- against objects -----------------------------------------------------------------------------


@dataclass(eq=False)
class Grown(Node):
    branch: Grown | None = None
    exploited: int = 0


@functools.lru_cache(maxsize=4096)
def keys_of(seed, step):
    return jax.random.split(jax.random.fold_in(jax.random.key(seed), step), 3)


class ReferenceMlevolve(ReferenceMlMaster):
    """The description, one method an evaluation."""

    def __init__(self, steps, seed, initial=3, fusion=0.3, aggregations=2, **rules):
        super().__init__(steps, **rules)
        self.seed, self.initial, self.fusion = seed, initial, fusion
        self.aggregations, self.queue, self.happened = aggregations, [], Counter()

    def share(self, more=0):
        return (len(self.nodes) + more) / self.steps + 1e-9

    def good(self, branch=None):
        return [n for n in self.nodes if not n.buggy and branch in (None, n.branch)]

    def full(self, node):
        if node is self.root:
            return len(node.children) >= self.drafts and not self.aggregates()
        return len(node.children) - node.exploited >= (1 if node.buggy else self.improves)

    def aggregates(self):
        ran = [len(self.good(branch)) for branch in self.root.children]
        now = max((n.score for n in self.good()), default=-math.inf)
        before = max((n.score for n in self.nodes[:-4] if not n.buggy), default=-math.inf)
        return (
            len(self.root.children) < self.drafts + self.aggregations
            and 0.5 <= self.share() <= 10 / 12 + 2e-9
            and sum(n >= 2 for n in ran) >= 2
            and now - before <= 1e-4
        )

    def top(self):
        k, of_branch = (3, 2) if self.share() >= 0.7 else (5, 3)
        chosen = []
        for node in sorted(self.good(), key=lambda n: -n.score):
            if len(chosen) < k and sum(n.branch is node.branch for n in chosen) < of_branch:
                chosen.append(node)
        return chosen

    def pick(self, key):
        key_switch, key_rank = jax.random.split(key)
        spent = min(max((self.share() - 0.5) / 0.2, 0), 1)
        draw = float(jax.random.uniform(key_switch)) if spent > 0 else 0.0
        if math.isclose(draw, 1 - 0.8 * spent, abs_tol=1e-6):
            raise Tie
        if draw < 1 - 0.8 * spent or not self.good():
            return self.descend(self.root), False
        top = self.top()
        room = [len(node.children) < 10 for node in top]
        may = room if any(room) else [True] * len(top)
        weights = [1 / (i + 1) if allowed else 0 for i, allowed in enumerate(may)]
        with np.errstate(divide="ignore"):
            logits = np.log(np.array([*weights, *[0.0] * (5 - len(top))], np.float32))
        node = top[int(jax.random.categorical(key_rank, logits))]
        return (node if any(room) else self.descend(node)), True

    def select_for(self, key):
        node, exploits = self.pick(key)
        for retry in range(self.steps):
            if not node.terminal:
                return node, exploits
            self.end(node, 0.0)
            node, exploits = self.pick(jax.random.fold_in(key, retry))
        return (self.left(), False) if node.terminal else (node, exploits)

    def next(self):
        key_pick, key_fuse, self.key_tell = keys_of(self.seed, len(self.nodes))
        exploits = False
        if len(self.root.children) < self.initial:
            node = self.root
        elif self.queue:
            node = self.queue.pop(0)
        else:
            node, exploits = self.select_for(key_pick)
        if node is self.root:
            self.happened["aggregation"] += len(node.children) >= self.drafts
            return node, DRAFT, None
        if node.buggy:
            return node, DEBUG, None
        node.exploited += exploits
        self.happened["exploitation"] += exploits
        branch = self.good(node.branch)
        last = branch[-6:] if exploits else branch[-3:]
        stagnates = len(last) >= 2 and max(n.score for n in last) < max(n.score for n in branch)
        if not stagnates or self.share() < 0.5:
            return node, IMPROVE, None
        if float(jax.random.uniform(key_fuse)) >= self.fusion:
            return node, IMPROVE, None
        others = [n for n in self.good() if n.branch is not node.branch]
        others = others or [n for n in self.good() if n is not node]
        self.happened["fusion"] += 1
        return node, CROSSOVER, max(others, key=lambda n: n.score)

    def is_cut(self, node):
        if self.share(1) >= 0.8:
            key = jax.random.fold_in(self.key_tell, len(self.nodes))
            due = bool(jax.random.bernoulli(key, 0.5))
        else:
            count = 1 + sum(n.branch is node.branch for n in self.nodes)
            due = self.share(1) >= 0.4 and count % 3 == 0
        recent = [n.score for n in self.nodes[-4:] if not n.buggy]
        return due and not (not node.buggy and recent and node.score >= max(recent))

    def record(self, parent, result):
        node = Grown(parent, len(self.nodes), not result.valid)
        node.score = result.score if result.valid else -math.inf
        node.debug_depth = parent.debug_depth + 1 if parent.buggy else 0
        node.branch = node if parent is self.root else parent.branch
        node.best = local = None if parent is self.root else parent.best
        before = [n.score for n in self.good()]
        ends = self.is_cut(node)
        self.happened["cut"] += ends
        parent.children.append(node)
        if ends:
            if not node.buggy and (local is None or node.score > local.score):
                node.best = node
        elif node.buggy:
            ends = node.debug_depth >= 3
            node.terminal = node.debug_depth >= 20
        else:
            node.still_improving = True
            if local is None or (parent.buggy and node.score > local.score):
                node.best = node
            if local is not None:
                if node.score - local.score >= 1e-4:
                    node.best = node
                elif local.failures < self.max_failures:
                    local.failures += 1
                else:
                    ends, node.terminal, node.still_improving = True, True, False
        self.nodes.append(node)
        if not ends:
            self.queue.append(node)
            return
        reward = -1.0
        if not node.buggy:
            reward = 0.0 if parent is self.root else 1.5 if parent.buggy else 1.0
            reward += 1.5 * (self.bonus and bool(before) and node.score > max(before))
        self.end(node, reward)


REFERENCES = [
    {},
    {"drafts": 2, "initial": 1, "improves": 1, "max_failures": 0, "fusion": 1.0},
    {"drafts": 2, "initial": 2, "improves": 2, "max_failures": 1, "bonus": False, "fusion": 0.5},
]
NAMES = {"initial": "initial_drafts", "bonus": "global_best_bonus"}
POLICIES = [search.mlevolve(**{NAMES.get(k, k): v for k, v in s.items()}) for s in REFERENCES]


@pytest.mark.parametrize("i", range(len(REFERENCES)))
@given(run=runs, seed=seeds)
def test_mlevolve(i, run, seed):
    reference = ReferenceMlevolve(MANY, seed, **REFERENCES[i])
    for step, actual in enumerate(asked(POLICIES[i], run, seed)):
        try:
            node, operator, other = reference.next()
        except Tie:
            return
        assert actual == (node.number, operator, other.number if other else -1)
        reference.record(node, run[step])


def test_the_reference_does_all_that_is_described():
    """Random results without equal scores: every part acts, and ties end few comparisons."""
    happened, ended = Counter(), 0
    rng = np.random.default_rng(0)
    for seed, settings in enumerate(REFERENCES * 3):
        reference = ReferenceMlevolve(MANY, seed, **settings)
        try:
            for _ in range(MANY):
                node, _, _ = reference.next()
                valid = bool(rng.random() < 0.8)
                reference.record(node, Result(float(rng.normal()), valid, valid))
            ended += 1
        except Tie:
            pass
        happened += reference.happened
    assert ended >= 6
    assert all(happened[what] for what in ("aggregation", "exploitation", "fusion", "cut"))


# --- several in flight ---------------------------------------------------------------------------

FLYING = search.mlevolve(drafts=4, initial_drafts=2, improves=2, max_failures=1, aggregations=1)


@given(orders=orders, seed=seeds)
def test_limits_hold_with_several_in_flight(orders, seed):
    flight = Flight(FLYING, 30, seed)
    for tells, which, result in orders:
        if flight.flying and (tells or len(flight.flying) == 4):
            flight.tell(which, result)
            continue
        parent, operator = flight.ask()
        assert (parent < 0) == (operator == DRAFT)
        if parent < 0:
            assert flight.children(-1) <= 4 + 1
        else:
            exploited = int(flight.state.exploited[parent])
            assert exploited <= 10
            most = 2 + exploited if flight.valid[parent] else 1
            assert flight.children(parent) <= most


def test_a_cancelled_candidate_counts_nothing():
    flight = Flight(DEFAULT, MANY)
    for _ in range(3):
        flight.ask()
    flight.cancel(1)
    assert flight.ask() == (-1, DRAFT)


# --- schedules and errors ------------------------------------------------------------------------


def test_inert_phases_are_named():
    assert not DEFAULT.inert(500)
    assert not DEFAULT.inert(50)
    floor, cut, aggregation = DEFAULT.inert(8)
    assert "floor after 4 of 8" in floor
    assert "third node of a branch comes after 7 of 8" in cut
    assert "not complete after 7" in aggregation
    assert len(search.mlevolve(aggregations=0).inert(8)) == 2


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"drafts": 0}, "drafts=0"),
        ({"initial_drafts": 6}, "initial_drafts"),
        ({"improves": 0}, "improves=0"),
        ({"max_failures": -1}, "max_failures"),
        ({"threshold": -1.0}, "threshold"),
        ({"fusion": 1.5}, "fusion"),
        ({"aggregations": -1}, "aggregations"),
    ],
)
def test_errors_name_the_argument(settings, match):
    with pytest.raises(ValueError, match=match):
        search.mlevolve(**settings)
