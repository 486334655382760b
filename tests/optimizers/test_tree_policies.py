"""Tree policies against plain-Python implementations, and on small trees worked out by hand.

The references are written from the published descriptions, on lists of nodes, without our code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

import optimizers
from optimizers import Operator, search
from tests.optimizers.test_policies import STEPS, Result, compiled, kept, played, seeds
from tests.statistical import assert_estimate

DRAFT, DESCEND, IMPROVE, DEBUG, CROSSOVER = Operator


def won(*scores):
    """Results that run, with these scores; None fails."""
    return [
        Result(0.0, False, False) if score is None else Result(score, True, True)
        for score in scores
    ]


def moves(policy, run, seed=0):
    return [(parent, Operator(operator)) for parent, operator, _ in played(policy, run, seed)]


# --- random tree ---------------------------------------------------------------------------------

RANDOM = search.random_tree(drafts=2)


@given(run=kept, seed=seeds)
def test_random_tree_expands_what_runs(run, seed):
    good = set()
    for step, (parent, operator, slot) in enumerate(played(RANDOM, run, seed)):
        assert slot == step
        if step < 2 or not good:
            assert (parent, operator) == (-1, DRAFT)
        else:
            assert operator == IMPROVE
            assert parent in good
        good |= {step} if run[step].valid else set()


def test_random_tree_is_uniform():
    run = won(0.0, 1.0, *[None] * 12)
    parents = [moves(RANDOM, run, seed)[k][0] for seed in range(60) for k in range(2, 14)]
    share = np.mean(np.array(parents) == 0)
    assert abs(share - 0.5) < 4 * math.sqrt(0.25 / len(parents))


# --- beam ----------------------------------------------------------------------------------------

BEAMS = {shape: search.beam(*shape) for shape in ((2, 3), (1, 2), (3, 1))}


@pytest.mark.parametrize("shape", BEAMS)
@given(run=kept)
def test_beam(shape, run):
    """Levels of children; the best few that run are expanded next, in the order of their rank."""
    width, children = shape
    places, level = [-1], []
    for step, actual in enumerate(played(BEAMS[shape], run)):
        parent = places[len(level) // children]
        assert actual == (parent, DRAFT if parent < 0 else IMPROVE, step)
        level.append(step)
        if len(level) == children * len(places):
            runs = sorted((i for i in level if run[i].valid), key=lambda i: -run[i].score)
            places, level = runs[:width] or places, []


def test_beam_by_hand():
    run = won(1.0, 3.0, 2.0, 0.0, 9.0, None, 1.0, 1.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    parents = [parent for parent, _ in moves(BEAMS[2, 3], run)]
    # Three drafts; 1 and 2 have three children each, of which 4 and 8 are the best.
    assert parents == [-1, -1, -1, 1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8]


# --- aira mcts -----------------------------------------------------------------------------------


@dataclass
class MctsNode:
    parent: MctsNode | None
    buggy: bool = False
    repairs: int = 0
    children: list[MctsNode] = field(default_factory=list)
    visits: int = 0
    total: float = 0.0
    number: int = -1


class ReferenceMcts:
    """AIRA_MCTS as described, one method an evaluation."""

    def __init__(self, exploration, children, max_debug_depth):
        self.c, self.family, self.deepest = exploration, children, max_debug_depth
        self.root = MctsNode(None)
        self.nodes: list[MctsNode] = []
        self.target, self.left, self.broken = self.root, children, None

    def next(self):
        if self.broken:
            return self.broken, DEBUG
        if not self.left:
            self.target, self.left = self.select(), self.family
        return self.target, DRAFT if self.target is self.root else IMPROVE

    def select(self):
        values = [n.total / n.visits for n in self.nodes if n.visits]
        low, high = min(values, default=0), max(values, default=0)

        def uct(node):
            q = (node.total / node.visits - low) / (high - low) if high > low else 0.5
            return q + self.c * math.sqrt(math.log(node.parent.visits) / node.visits)

        node = self.root
        while live := [child for child in node.children if child.visits]:
            values = [uct(child) for child in live]
            # float32 cannot tell closer values apart: any of those is a right answer.
            self.ties = sum(value > max(values) - 1e-5 for value in values) > 1
            if self.ties:
                return None
            node = live[int(np.argmax(values))]
        return node

    def record(self, parent, operator, result):
        node = MctsNode(parent, not result.valid, number=len(self.nodes))
        node.repairs = parent.repairs + 1 if operator == DEBUG else 0
        parent.children.append(node)
        self.nodes.append(node)
        self.left -= operator != DEBUG
        self.broken = node if node.buggy and node.repairs < self.deepest else None
        while result.valid and node:
            node.visits, node.total, node = node.visits + 1, node.total + result.score, node.parent


MCTS = {s: search.aira_mcts(*s) for s in ((0.25, 2, 2), (0.0, 3, 1), (1.0, 1, 0))}


@pytest.mark.parametrize("settings", MCTS)
@given(run=kept)
def test_aira_mcts(settings, run):
    reference = ReferenceMcts(*settings)
    for step, (parent, operator, slot) in enumerate(played(MCTS[settings], run)):
        node, wanted = reference.next()
        if node is None:  # A tie: either choice is right, and later ones depend on it.
            return
        assert (parent, operator, slot) == (node.number, wanted, step)
        reference.record(node, wanted, run[step])


def test_aira_mcts_by_hand():
    run = won(0.0, 1.0, None, 0.5, 2.0, None, None, 0.0, 0.0, 0.0)
    # Two drafts. 1 is better: it gets a family, whose first child is mended at once (2, 3). Through
    # 1 now went 1.0, 0.5 and 2.0. Its second child (4) has the best mean and gets the next family;
    # that one's first child (5) cannot be mended by two repairs.
    policy = search.aira_mcts(exploration=0.25, children=2, max_debug_depth=2)
    assert moves(policy, [*run, *won(0.0, 0.0, 0.0, 0.0)])[:9] == [
        (-1, DRAFT),
        (-1, DRAFT),
        (1, IMPROVE),
        (2, DEBUG),
        (1, IMPROVE),
        (4, IMPROVE),
        (5, DEBUG),
        (6, DEBUG),
        (4, IMPROVE),
    ]


def test_aira_mcts_tries_again_where_nothing_could_be_mended():
    policy = search.aira_mcts(children=2, max_debug_depth=0)
    assert moves(policy, won(*[None] * 14)) == [(-1, DRAFT)] * 14


# --- puct ----------------------------------------------------------------------------------------

PUCTS = {s: search.puct_traces(*s) for s in ((3, 1.0), (1, 0.0), (2, 2.0, True))}


@pytest.mark.parametrize("settings", PUCTS)
@given(run=kept)
def test_puct_traces(settings, run):
    traces, c, *sized = settings
    parents, visits, total = [], [], []
    for step, (parent, operator, slot) in enumerate(played(PUCTS[settings], run)):
        good = [i for i in range(step) if run[i].valid]
        if sum(p == -1 for p in parents) < traces or not good:
            assert (parent, operator) == (-1, DRAFT)
        else:
            bonus = c / step * math.sqrt(max(1, sum(visits)))
            value = {i: total[i] / max(visits[i], 1) + bonus / (1 + visits[i]) for i in good}
            assert value[parent] > max(value.values()) - 1e-5
            assert operator == DESCEND
        assert slot == step
        worth = float(run[step].accepted)
        if sized:
            worth = math.tanh(run[step].score) if run[step].accepted else -1.0
        parents.append(parent)
        visits.append(0)
        total.append(0.0)
        while parent >= 0:
            visits[parent] += 1
            total[parent] += worth
            parent = parents[parent]


def test_puct_by_hand():
    # After two roots every value is the bonus alone, the first of equals is taken. Its child is
    # accepted: 1 + 1/3 * sqrt(1) / 2 beats 1/3 elsewhere, so 0 again, until rejections tell.
    run = [*won(0.0, 0.0, 1.0), *[Result(0.0, True, False)] * 11]
    parents = [parent for parent, _ in moves(search.puct_traces(traces=2), run)]
    assert parents[:5] == [-1, -1, 0, 0, 0]
    # 0: (1/3 + 1/5 sqrt(3) / 4 = 0.42); 1, 2, 3 and 4: 1/5 sqrt(3) = 0.35; 0 once more.
    assert parents[5] == 0


# --- ab-mcts -------------------------------------------------------------------------------------

AB = search.ab_mcts_a()


class Arm:
    """A normal-inverse-gamma posterior, observation by observation, in double precision."""

    def __init__(self, scores):
        n, mean = len(scores), np.mean(scores) if scores else 0.0
        self.kappa, self.nu = 1 + n, 1 + n
        self.mean = n * mean / self.kappa
        spread = sum((x - mean) ** 2 for x in scores) + n * mean**2 / self.kappa
        self.tau_squared = (0.1 + spread) / self.nu

    def draw(self, rng):
        variance = self.nu * self.tau_squared / rng.chisquare(self.nu)
        return rng.normal(self.mean, math.sqrt(variance / self.kappa))


def generates_from(parents, scores, rng):
    """AB-MCTS-A as described: the node below which a child is generated, -1 for the root."""
    low, high = min(s for s in scores if s is not None), max(s for s in scores if s is not None)
    mapped = [0.0 if s is None else (s - low) / (high - low) for s in scores]

    def children(node):
        return [i for i, parent in enumerate(parents) if parent == node]

    def below(node):
        return [x for i in children(node) for x in (mapped[i], *below(i))]

    node = -1
    while children(node):
        new = Arm([mapped[i] for i in children(node)])
        old = Arm([x for i in children(node) for x in below(i)])
        if new.draw(rng) >= old.draw(rng):
            return node
        node = max(children(node), key=lambda i: Arm(below(i)).draw(rng))
    return node


def test_ab_mcts_chooses_with_the_described_probabilities():
    """A tree of seven nodes, grown through `tell`; choices counted over many keys."""
    parents, scores = [-1, -1, 0, 0, 2, 1, 4], [1.0, 3.0, 2.0, None, 5.0, 2.0, 4.0]
    _, tell = compiled(AB)
    state = AB.init(STEPS)
    for parent, score in zip(parents, scores, strict=True):
        expansion = optimizers.Expansion(jnp.int32(parent), jnp.int32(IMPROVE))
        seen = optimizers.Observation(
            jnp.zeros(1),
            jnp.float32(score or 0),
            *[jnp.float32(0)] * 3,
            jnp.array(score is not None),
        )
        state, _ = tell(state, expansion, seen, seen.valid)
    draws = 4000
    keys = jax.random.split(jax.random.key(0), draws)
    asked, _ = jax.jit(jax.vmap(AB.ask, (None, 0)))(state, keys)
    rng = np.random.default_rng(0)
    reference = [generates_from(parents, scores, rng) for _ in range(draws)]
    ours = np.bincount(np.asarray(asked.parent) + 1, minlength=8)
    theirs = np.bincount(np.array(reference) + 1, minlength=8)
    error = np.sqrt(np.maximum(ours + theirs, 1.0))
    assert_estimate(ours, theirs, error)
    operators = dict(zip(np.asarray(asked.parent), np.asarray(asked.operator), strict=True))
    assert operators[-1] == DRAFT
    assert operators[3] == DEBUG
    assert operators[6] == IMPROVE


@given(run=kept, seed=seeds)
def test_ab_mcts_repairs_what_failed_and_improves_what_runs(run, seed):
    for step, (parent, operator, slot) in enumerate(played(AB, run, seed)):
        assert slot == step
        expected = DRAFT if parent < 0 else IMPROVE if run[parent].valid else DEBUG
        assert operator == expected


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: search.random_tree(drafts=0), "drafts=0"),
        (lambda: search.beam(width=0), "width"),
        (lambda: search.beam(children=0), "children"),
        (lambda: search.aira_mcts(children=0), "children=0"),
        (lambda: search.aira_mcts(exploration=float("nan")), "exploration"),
        (lambda: search.aira_mcts(max_debug_depth=-1), "max_debug_depth"),
        (lambda: search.puct_traces(traces=0), "traces=0"),
        (lambda: search.puct_traces(exploration=-1.0), "exploration"),
    ],
)
def test_errors_name_the_argument(make, match):
    with pytest.raises(ValueError, match=match):
        make()
