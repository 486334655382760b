"""AIRA's evolutionary search against plain Python written from its description, on lists."""

from __future__ import annotations

import collections
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from optimizers import Operator, search
from tests.optimizers.test_policies import (
    STEPS,
    Result,
    asked_often,
    assert_chances,
    compiled,
    kept,
    overlapping,
    seeds,
    watched,
)

DRAFT, DESCEND, IMPROVE, DEBUG, CROSSOVER = Operator


def told(*scores):
    """Results that run, with these scores; None fails."""
    return [
        Result(0.0, False, False) if score is None else Result(score, True, True)
        for score in scores
    ]


def triple(expansion):
    return int(expansion.parent), int(expansion.operator), int(expansion.other)


# --- the reference -------------------------------------------------------------------------------


@dataclass
class Node:
    score: float
    valid: bool
    repairs: int
    home: int
    repaired: bool = False


class Reference:
    """Islands are lists of node numbers in the order in which they entered."""

    def __init__(self, individuals=5, islands=1, most=500, crossing=0.5, deepest=10, heat=(1, 1)):
        self.individuals, self.most, self.crossing = individuals, most, crossing
        self.deepest, self.heat = deepest, heat
        self.nodes: list[Node] = []
        self.islands: list[list[int]] = [[] for _ in range(islands)]
        self.finished: list[int | None] = []
        self.generation = 0
        self.seen: list[float] = []

    def fitness(self, i):
        low, high = min(self.seen), max(self.seen)
        return 0.5 if low == high else (self.nodes[i].score - low) / (high - low)

    def temperature(self):
        first, last = self.heat
        generations = math.ceil(STEPS / self.individuals)
        return first - (first - last) * self.generation / generations

    def softmax(self, values):
        weights = {key: math.exp(value / self.temperature()) for key, value in values.items()}
        return {key: weight / sum(weights.values()) for key, weight in weights.items()}

    def chances(self):
        """Probability of every (parent, operator, other) that may be asked for now."""
        for i, node in enumerate(self.nodes):
            if not node.valid and not node.repaired and node.repairs < self.deepest:
                return {(i, DEBUG, -1): 1.0}
        if self.generation == 0 or not any(self.islands):
            return {(-1, DRAFT, -1): 1.0}
        crossing = self.crossing if self.generation >= 2 else 0.0
        if max(map(len, self.islands)) < 2:
            crossing = 0.0
        chances = collections.Counter()
        for needed, share in ((1, 1 - crossing), (2, crossing)):
            populated = {k: m for k, m in enumerate(self.islands) if len(m) >= needed}
            if not share:
                continue
            means = {k: np.mean([self.fitness(i) for i in m]) for k, m in populated.items()}
            for k, of_island in self.softmax(means).items():
                one = self.softmax({i: self.fitness(i) for i in populated[k]})
                for i, of_one in one.items():
                    if needed == 1:
                        chances[i, IMPROVE, -1] += share * of_island * of_one
                        continue
                    for j in set(one) - {i}:
                        of_other = one[j] / (1 - of_one)
                        chances[i, CROSSOVER, j] += share * of_island * of_one * of_other
        return dict(chances)

    def record(self, parent, operator, result, home):
        """`home` of a draft is a matter of chance; it is told."""
        repairs = 0
        if parent >= 0:
            home = self.nodes[parent].home
        if operator == DEBUG:
            self.nodes[parent].repaired = True
            repairs = self.nodes[parent].repairs + 1
        self.nodes.append(Node(result.score, result.valid, repairs, home))
        if result.valid:
            self.finished.append(len(self.nodes) - 1)
        elif repairs >= self.deepest:
            self.finished.append(None)
        if len(self.finished) == self.individuals:
            for i in self.finished:
                if i is not None:
                    self.enter(i)
            self.finished, self.generation = [], self.generation + 1

    def enter(self, i):
        score, island = self.nodes[i].score, self.islands[self.nodes[i].home]
        scores = [self.nodes[j].score for j in island]
        if self.generation == 0 or not island or score >= np.mean(scores):
            island.append(i)
        if len(island) > self.most:
            island.sort()
            island.remove(min(island, key=lambda j: self.nodes[j].score))
        self.seen.append(score)


SETTINGS = {
    "as released": ({}, {}),
    "small generations that cool": (
        {
            "individuals": 2,
            "max_debug_depth": 1,
            "initial_temperature": 2.0,
            "final_temperature": 0.1,
        },
        {"individuals": 2, "deepest": 1, "heat": (2.0, 0.1)},
    ),
    "no repairs, small island": (
        {"individuals": 3, "max_debug_depth": 0, "max_island_size": 2, "crossover_probability": 1},
        {"individuals": 3, "deepest": 0, "most": 2, "crossing": 1},
    ),
    "three islands": (
        {"individuals": 2, "islands": 3, "max_debug_depth": 0, "crossover_probability": 0.3},
        {"individuals": 2, "islands": 3, "deepest": 0, "crossing": 0.3},
    ),
}
POLICIES = {name: search.aira_evo(**ours) for name, (ours, _) in SETTINGS.items()}


@pytest.mark.parametrize("name", SETTINGS)
@given(run=kept, seed=seeds)
def test_every_choice_is_one_of_the_described_ones(name, run, seed):
    reference = Reference(**SETTINGS[name][1])
    for step, (expansion, slot, state) in enumerate(watched(POLICIES[name], run, seed)):
        assert slot == step
        assert triple(expansion) in reference.chances()
        parent, operator, _ = triple(expansion)
        reference.record(parent, operator, run[step], int(state.home[step]))
        population = {i for i in range(STEPS) if state.member[i]}
        assert population == {i for island in reference.islands for i in island}
        assert int(state.generation) == reference.generation


@pytest.mark.parametrize(
    ("name", "scores"),
    [
        ("small generations that cool", (1.0, 3.0, None, 2.5, 2.0)),
        ("three islands", (1.0, 3.0, None, 2.5, 2.0, 4.0)),
    ],
)
def test_choices_have_the_described_probabilities(name, scores):
    reference, policy, run = Reference(**SETTINGS[name][1]), POLICIES[name], told(*scores)
    for result, (expansion, slot, state) in zip(run, watched(policy, run, 5), strict=True):
        parent, operator, _ = triple(expansion)
        reference.record(parent, operator, result, int(state.home[slot]))
    chances = reference.chances()
    assert {operator for _, operator, _ in chances} == {IMPROVE, CROSSOVER}
    assert_chances(asked_often(policy, state), chances)


# --- worked by hand ------------------------------------------------------------------------------


def test_by_hand():
    # A cold softmax takes the best, and then the second best; from generation 2 on it crosses.
    policy = search.aira_evo(
        individuals=2,
        crossover_probability=1.0,
        initial_temperature=1e-3,
        final_temperature=1e-3,
        max_debug_depth=1,
    )
    run = told(0.0, None, 4.0, 1.0, 3.0, None, None, 2.0, 8.0, 3.75, 0.0)
    seen = list(watched(policy, run))
    assert np.flatnonzero(seen[-1][2].member).tolist() == [0, 2, 4, 8, 9]
    assert [triple(expansion) for expansion, *_ in seen] == [
        (-1, DRAFT, -1),
        (-1, DRAFT, -1),
        (1, DEBUG, -1),  # Generation 0: 0 and 4, of mean 2.
        (2, IMPROVE, -1),
        (2, IMPROVE, -1),  # 1 is below the mean and stays out; 3 enters.
        (2, CROSSOVER, 4),
        (5, DEBUG, -1),  # Not mended by the one repair allowed: dropped.
        (2, CROSSOVER, 4),  # 2 is below (0 + 4 + 3) / 3 = 7/3.
        (2, CROSSOVER, 4),  # 8 enters; the mean is then 15 / 4 = 3.75,
        (2, CROSSOVER, 4),  # which is enough to enter.
        (8, CROSSOVER, 2),
    ]


def test_a_generation_without_survivors_drafts_again():
    policy = search.aira_evo(individuals=2, max_debug_depth=0)
    run = told(None, None, None, 1.0, None)
    # Two generations of failures, of which the second ends with the first candidate that runs.
    operators = [int(expansion.operator) for expansion, *_ in watched(policy, run)]
    assert operators == [DRAFT, DRAFT, DRAFT, DRAFT, IMPROVE]


def test_crossover_without_a_second_member_is_improvement():
    policy = search.aira_evo(individuals=1, crossover_probability=1.0, max_debug_depth=0)
    run = told(1.0, 0.0, 0.0, 2.0, 0.0)
    operators = [int(expansion.operator) for expansion, *_ in watched(policy, run)]
    assert operators == [DRAFT, IMPROVE, IMPROVE, IMPROVE, CROSSOVER]


# --- migration -----------------------------------------------------------------------------------


def outcomes(islands, fitness, weaker):
    """Every result of a reset, with its probability: FunSearch's islands as lists of nodes."""
    best = [max(fitness[i] for i in island) for island in islands]
    order = sorted(range(len(islands)), key=lambda k: best[k] if weaker else -best[k])
    half = len(islands) // 2
    results = {tuple(map(frozenset, islands)): 1.0}
    for reset in order[:half]:
        after = collections.Counter()
        for state, chance in results.items():
            state = list(state)
            state[reset] = frozenset([max(sorted(state[reset]), key=lambda i: fitness[i])])
            founders = [k for k in order[half:] if len(state[k]) > 1]
            for founder in founders:
                donors = [i for i in state[founder] if fitness[i] != best[founder]]
                total = sum(math.exp(fitness[i]) for i in donors)
                for i in donors:
                    moved = list(state)
                    moved[founder] -= {i}
                    moved[reset] |= {i}
                    share = math.exp(fitness[i]) / total / len(founders)
                    after[tuple(moved)] += chance * share
            if not founders:
                after[tuple(state)] += chance
        results = after
    return dict(results)


@pytest.mark.parametrize("resets", ["weaker", "fitter"])
def test_migration_resets_half_of_the_islands(resets):
    """Islands of scores {8, 0, 4}, {6}, {5, 1, 2}; one reset, by many keys."""
    policy = search.aira_evo(islands=3, migration_probability=1.0, resets=resets)
    scores = [8.0, 0.0, 4.0, 6.0, 5.0, 1.0, 2.0, 0.0]
    home = [0, 0, 0, 1, 2, 2, 2, 0]
    _, tell = compiled(policy)
    state = policy.init(STEPS)
    ask = compiled(policy)[0]
    for score in scores[:7]:
        expansion, state = ask(state, jax.random.key(0))
        state, _ = tell(state, expansion, told(score)[0].observed(), np.bool_(True))
    state = state._replace(
        home=jnp.array(home + [0] * 6, jnp.int32),
        member=jnp.arange(STEPS) < 7,
        generation=jnp.int32(1),
        finished=jnp.int32(4),
        offspring=jnp.full(5, -1, jnp.int32),
        low=jnp.float32(0.0),
        high=jnp.float32(8.0),
    )
    draws = 3000
    # The last individual of the generation has score 0 < 4, the mean, and stays out.
    expansion = expansion._replace(parent=np.int32(0), operator=np.int32(IMPROVE))
    finish = jax.vmap(
        lambda seed: policy.tell(
            state._replace(seed=seed), expansion, told(0.0)[0].observed(), np.bool_(True)
        )[0]
    )
    after = jax.jit(finish)(np.arange(draws, dtype=np.uint32))
    counts = collections.Counter(
        tuple(frozenset(np.flatnonzero(member & (homes == k)).tolist()) for k in range(3))
        for member, homes in zip(np.asarray(after.member), np.asarray(after.home), strict=True)
    )
    fitness = {i: score / 8 for i, score in enumerate(scores)}
    chances = outcomes([[0, 1, 2], [3], [4, 5, 6]], fitness, resets == "weaker")
    # Weaker: {5, 1, 2} keeps 5, and {8, 0, 4} gives 0 or 4 (8 is its best, {6} cannot give).
    # Fitter: {8, 0, 4} keeps 8, and {5, 1, 2} gives 1 or 2.
    kept_best = {2: {4}} if resets == "weaker" else {0: {0}}
    for outcome in chances:
        assert all(best < set(outcome[k]) for k, best in kept_best.items())
    assert len(chances) == 2
    assert_chances(counts, chances)


def test_migration_waits_for_its_generation():
    policy = search.aira_evo(individuals=2, islands=2, migration_probability=1.0, migration_from=3)
    left, before = [], set()
    for _, _, state in watched(policy, told(*range(STEPS)), 3):
        now = set(np.flatnonzero(state.member))
        if before - now:
            left.append(int(state.generation) - 1)
        before = now
    # Scores only grow: everyone enters, and only a reset makes anyone leave.
    assert left
    assert min(left) >= 3


# --- several in flight ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["small generations that cool", "three islands"])
@given(run=kept, seed=seeds, width=st.integers(2, 6))
def test_several_in_flight_respect_the_limits(name, run, seed, width):
    deepest = SETTINGS[name][0].get("max_debug_depth", 10)
    individuals = SETTINGS[name][0].get("individuals", 5)
    repaired, depth, valid, over = set(), {}, {}, 0
    for step, (expansion, slot, state) in enumerate(overlapping(POLICIES[name], run, seed, width)):
        parent, operator, other = triple(expansion)
        assert slot == step
        assert parent < step
        assert other < step
        assert (operator == CROSSOVER) == (other >= 0)
        depth[slot], valid[slot] = 0, run[step].valid
        if operator == DEBUG:
            assert not valid[parent]
            assert parent not in repaired, "one repair of a failed individual at a time"
            repaired.add(parent)
            depth[slot] = depth[parent] + 1
        elif parent >= 0:
            assert valid[parent]
        assert depth[slot] <= deepest
        over += run[step].valid or depth[slot] >= deepest
        assert int(state.generation) == over // individuals


def test_what_came_to_no_candidate_is_forgotten():
    policy = POLICIES["as released"]
    before = policy.init(STEPS)
    expansion, state = policy.ask(before, jax.random.key(0))
    assert int(state.tree.drafts) == 1
    assert int(policy.cancel(state, expansion).tree.drafts) == 0


# --- what it says --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "steps", "says"),
    [
        ({}, 10, ["never crosses: 10 evaluations are at most 2 generations of 5"]),
        ({}, 11, []),
        ({"crossover_probability": 0.0}, 5, []),
        ({"crossover_from": 4}, 20, ["`crossover_from` is 4"]),
        ({"crossover_from": 3}, 20, []),
        ({"final_temperature": 0.1}, 10, ["never crosses", "temperature of aira_evo never"]),
        ({"final_temperature": 0.1}, 11, []),
        ({"migration_probability": 0.1}, 200, ["never migrates: `islands` is 1"]),
        ({"migration_probability": 0.1, "islands": 2}, 10, ["never crosses", "never migrates"]),
        ({"migration_probability": 0.1, "islands": 2}, 11, []),
        (
            {"migration_probability": 0.1, "islands": 2, "migration_from": 999},
            200,
            ["`migration_from` is 999"],
        ),
    ],
)
def test_says_what_cannot_act(settings, steps, says):
    sentences = search.aira_evo(**settings).inert(steps)
    assert len(sentences) == len(says)
    assert all(part in sentence for part, sentence in zip(says, sentences, strict=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("individuals", 0),
        ("islands", 0),
        ("max_island_size", 0),
        ("crossover_from", -1),
        ("max_debug_depth", -1),
        ("migration_from", -1),
        ("crossover_probability", 1.1),
        ("migration_probability", float("nan")),
        ("initial_temperature", 0.0),
        ("final_temperature", -1.0),
        ("resets", "both"),
    ],
)
def test_errors_name_the_argument(name, value):
    with pytest.raises(ValueError, match=name):
        search.aira_evo(**{name: value})
