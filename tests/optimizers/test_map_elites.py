"""MAP-Elites on islands against plain Python written from its description, on dictionaries."""

from __future__ import annotations

import collections
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from optimizers import Operator, search
from optimizers.search._map_elites import SKETCH, _measured, held
from tests.optimizers.test_policies import (
    STEPS,
    Result,
    asked_often,
    assert_chances,
    overlapping,
    seeds,
    watched,
)

DRAFT, DESCEND, IMPROVE, DEBUG, CROSSOVER = Operator

runs = st.lists(
    st.builds(
        lambda score, valid, params: Result(score, valid, valid, params=params),
        st.sampled_from([-1.0, 0.0, 0.5, 2.0]),
        st.booleans(),
        st.tuples(*[st.integers(-4, 4).map(float)] * 2),
    ),
    min_size=STEPS,
    max_size=STEPS,
)


def at(score, *params):
    return Result(score, True, True, params=params)


FAILED = Result(0.0, False, False, params=(0.0, 0.0))


# --- the reference -------------------------------------------------------------------------------


class Ambiguous(Exception):
    """A feature on the edge of a bin, where float32 may round either way."""


class Reference:
    """A grid is a dictionary from cells to node numbers."""

    def __init__(self, islands=5, bins=10, archive=None, interval=None, rate=0.1, drafts=1):
        self.bins, self.rate, self.drafts = bins, rate, drafts
        self.archive = archive or min(100, max(islands, STEPS // 10))
        self.interval = interval or min(50, max(1, STEPS // (5 * islands)))
        self.nodes: list[Result] = []
        self.home: list[int] = []
        self.parents: list[int] = []
        self.grids: list[dict[tuple, int]] = [{} for _ in range(islands)]
        self.features: list[list[float]] = [[], []]
        self.generations, self.migrated = [0] * islands, 0

    def score(self, i):
        return self.nodes[i].score

    def population(self):
        return sorted({i for grid in self.grids for i in grid.values()})

    def chances(self, island):
        """Probability of each parent at this island's turn; -1 for a draft."""
        everyone = self.population()
        if sum(parent == -1 for parent in self.parents) < self.drafts or not everyone:
            return {-1: 1.0}
        local = sorted(self.grids[island].values()) or everyone
        elite = sorted(everyone, key=lambda i: (-self.score(i), i))[: self.archive]
        elite = [i for i in elite if i in local] or elite
        low, high = min(map(self.score, everyone)), max(map(self.score, everyone))
        fitness = {
            i: max((self.score(i) - low) / (high - low) if high > low else 1.0, 1e-3) for i in local
        }
        chances = collections.Counter()
        for i in local:
            chances[i] += 0.2 / len(local) + 0.1 * fitness[i] / sum(fitness.values())
        for i in elite:
            chances[i] += 0.7 / len(elite)
        return dict(chances)

    def cell(self, measured):
        place = []
        for value, seen in zip(measured, self.features, strict=True):
            low, high = min(seen), max(seen)
            x = self.bins * ((value - low) / (high - low) if high > low else 0.5)
            if abs(x - round(x)) < 1e-4 and low < value < high:
                raise Ambiguous
            place.append(min(int(x), self.bins - 1))
        return tuple(place)

    def settle(self, arrivals):
        """Pairs of (island, node), all at once, the earlier node first."""
        measured = {}
        for island, i in arrivals:
            inside = [self.nodes[j].params for j in self.grids[island].values()]
            center = np.mean(inside, axis=0) if inside else self.nodes[i].params
            novelty = math.dist(self.nodes[i].params, center)
            measured[island, i] = (math.hypot(*self.nodes[i].params), novelty)
        for values in measured.values():
            for seen, value in zip(self.features, values, strict=True):
                seen.append(value)
        for (island, i), values in sorted(measured.items()):
            cell, grid = self.cell(values), self.grids[island]
            if cell not in grid or self.score(i) > self.score(grid[cell]):
                grid[cell] = i

    def record(self, parent, result, island):
        self.parents.append(parent)
        self.nodes.append(result)
        self.home.append(island)
        self.generations[island] += 1
        if result.valid:
            self.settle([(island, len(self.nodes) - 1)])
        if max(self.generations) - self.migrated < self.interval:
            return
        self.migrated = max(self.generations)
        arrivals = set()
        for k, grid in enumerate(self.grids):
            top = sorted(grid.values(), key=lambda i: (-self.score(i), i))
            for i in top[: max(1, int(len(top) * self.rate))]:
                if self.home[i] != k:
                    continue
                for neighbor in {(k + 1) % len(self.grids), (k - 1) % len(self.grids)}:
                    if i not in self.grids[neighbor].values():
                        arrivals.add((neighbor, i))
        self.settle(sorted(arrivals))


SETTINGS = {
    "default": ({}, {}),
    "crowded": (
        {"islands": 2, "bins": 2, "archive": 2, "migration_interval": 2, "migration_rate": 0.5},
        {"islands": 2, "bins": 2, "archive": 2, "interval": 2, "rate": 0.5},
    ),
    "three drafts, coarse": (
        {"islands": 3, "bins": 3, "drafts": 3, "migration_interval": 3},
        {"islands": 3, "bins": 3, "drafts": 3, "interval": 3},
    ),
    "alone": ({"islands": 1, "bins": 3}, {"islands": 1, "bins": 3}),
}
POLICIES = {name: search.map_elites(**ours) for name, (ours, _) in SETTINGS.items()}


def follow(policy, reference, run, seed):
    """Compare step by step, up to where rounding decides; returns the last state compared."""
    state, islands = None, len(reference.grids)
    for step, (expansion, slot, after) in enumerate(watched(policy, run, seed)):
        parent, island = int(expansion.parent), step % islands
        assert expansion.other is None
        assert int(expansion.operator) == (DRAFT if parent < 0 else IMPROVE)
        assert parent in reference.chances(island)
        assert slot == step
        try:
            reference.record(parent, run[step], island)
        except Ambiguous:
            break
        state = after
        inside = np.asarray(held(state))
        for k, grid in enumerate(reference.grids):
            assert set(np.flatnonzero(inside[k])) == set(grid.values())
        assert state.generations.tolist() == reference.generations
    return state


@pytest.mark.parametrize("name", SETTINGS)
@given(run=runs, seed=seeds)
def test_grids_and_parents_are_the_described_ones(name, run, seed):
    follow(POLICIES[name], Reference(**SETTINGS[name][1]), run, seed)


def test_parents_have_the_described_probabilities():
    """Island 0, two of whose three members are in the archive of three, and island 2, empty."""
    policy = search.map_elites(3, 4, archive=3, migration_interval=20)
    reference = Reference(islands=3, bins=4, archive=3, interval=20)
    run = [
        *(at(1.0, 6.0, 0.0), at(5.0, 2.1, 0.3), FAILED),
        *(at(3.0, 0.5, 0.2), at(0.0, 0.2, 0.1), FAILED),
        *(at(4.0, 0.1, 2.5), at(2.0, -5.0, 2.0)),
    ]
    state = follow(policy, reference, run, 0)
    assert len(reference.nodes) == len(run)
    assert sorted(reference.grids[0].values()) == [0, 3, 6]
    assert sorted(reference.grids[1].values()) == [1, 4, 7]
    # Fitness 1/5, 3/5 and 4/5; the archive is 1, 6 and 3, of which 3 and 6 live here.
    here = {
        0: 0.2 / 3 + 0.1 / 8,
        3: 0.2 / 3 + 0.7 / 2 + 0.3 / 8,
        6: 0.2 / 3 + 0.7 / 2 + 0.4 / 8,
    }
    everywhere = reference.chances(2)
    assert reference.chances(0) == pytest.approx(here)
    assert set(everywhere) == {0, 1, 3, 4, 6, 7}
    assert everywhere[4] == pytest.approx(0.2 / 6 + 0.1 * 0.001 / 3.001)
    for turn, chances in ((8, everywhere), (9, here)):
        asked = asked_often(policy, state._replace(turn=jnp.int32(turn)))
        assert_chances(asked, {(i, IMPROVE, -1): chance for i, chance in chances.items()})


# --- worked by hand ------------------------------------------------------------------------------


def cells(state, bins):
    """Per island, (size bin, novelty bin) -> node."""
    return [
        {divmod(cell, bins): node for cell, node in enumerate(grid) if node >= 0}
        for grid in state.grid.tolist()
    ]


def test_by_hand():
    policy = search.map_elites(islands=2, bins=2, migration_interval=3, drafts=2)
    run = [
        at(1.0, 0.0, 0.0),
        at(2.0, 4.0, 0.0),
        at(3.0, 3.0, 0.0),
        FAILED,
        at(2.5, 2.5, 0.0),
    ]
    states = [state for _, _, state in watched(policy, run)]
    # Sizes 0: no range yet, so the middle, bin 1 of 2. Novelty 0 on an empty island, the same.
    assert cells(states[0], 2) == [{(1, 1): 0}, {}]
    # The size 4 is the largest so far: bin 1. All novelties are 0 still.
    assert cells(states[1], 2) == [{(1, 1): 0}, {(1, 1): 1}]
    # Size 3 of [0, 4]: bin 1. Distance 3 from the mean 0 is the largest: bin 1. Better than 0.
    assert cells(states[2], 2) == [{(1, 1): 2}, {(1, 1): 1}]
    assert cells(states[3], 2) == cells(states[2], 2)
    # Size 2.5: bin 1. Distance 0.5 from the mean 3, of [0, 3]: bin 0. It is the third candidate of
    # island 0: the best of each island goes to the other. 2 (3 points) has size 3 and distance 1
    # from 1: bins 1 and 0, free. 1 (2 points) has size 4 and is 4 - 2.75 = 1.25 from the mean of 2
    # and 4: bins 1 and 0, held by 4 (2.5 points).
    assert cells(states[4], 2) == [{(1, 1): 2, (1, 0): 4}, {(1, 1): 1, (1, 0): 2}]


def test_a_copy_is_not_copied_on():
    """Only the first of four islands in a ring has anything: its neighbors get it, and keep it."""
    policy = search.map_elites(4, migration_interval=1)
    *_, (_, _, state) = watched(policy, [at(1.0, 1.0, 0.0)] + [FAILED] * 12)
    assert np.asarray(held(state)).any(axis=1).tolist() == [True, True, False, True]


@given(x=st.lists(st.integers(-9, 9).map(float), min_size=SKETCH, max_size=SKETCH))
def test_the_sketch_is_exact_for_few_coordinates(x):
    size, sketch = _measured({"a": jnp.array(x[:3]), "b": jnp.array(x[3:])}, jnp.array(True))
    np.testing.assert_allclose(size, np.linalg.norm(x), rtol=1e-6)
    np.testing.assert_allclose(np.abs(sketch), np.abs(x))


def test_the_sketch_keeps_long_distances_roughly():
    difference = jax.random.normal(jax.random.key(0), (300, 200))
    _, sketch = jax.vmap(lambda x: _measured(x, jnp.array(True)))(difference)
    ratio = np.linalg.norm(sketch, axis=1) / np.linalg.norm(difference, axis=1)
    # The relative variance of the squared length is 2 / SKETCH: 18 % of the length.
    assert 0.9 < ratio.mean() < 1.1
    assert ratio.std() < 0.25


# --- several in flight ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["default", "crowded", "three drafts, coarse"])
@given(run=runs, seed=seeds, width=st.integers(2, 6))
def test_several_in_flight_share_the_turns(name, run, seed, width):
    """Every island gets the children that were asked for at its turns."""
    islands = SETTINGS[name][0].get("islands", 5)
    nodes = set()
    for step, (expansion, slot, state) in enumerate(overlapping(POLICIES[name], run, seed, width)):
        parent = int(expansion.parent)
        assert parent in nodes | {-1}
        assert slot == step
        nodes |= {slot} if run[step].valid else set()
        asked = np.bincount(np.arange(int(state.turn)) % islands, minlength=islands)
        waiting = np.asarray(state.in_flight.sum(axis=0))
        assert (waiting >= 0).all()
        assert (asked == np.asarray(state.generations) + waiting).all()
        assert set(np.flatnonzero(np.asarray(held(state)).any(axis=0))) <= nodes
    assert waiting.sum() == 0


def test_what_came_to_no_candidate_is_forgotten():
    policy = POLICIES["default"]
    expansion, state = policy.ask(policy.init(STEPS), jax.random.key(0))
    assert int(state.in_flight.sum()) == int(state.tree.drafts) == 1
    state = policy.cancel(state, expansion)
    assert int(state.in_flight.sum()) == int(state.tree.drafts) == 0


# --- what it says --------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [2, 20, 40, 200, 2000])
def test_by_default_everything_acts(steps):
    assert search.map_elites().inert(steps) == ()


@pytest.mark.parametrize(
    ("settings", "steps", "says"),
    [
        ({"migration_interval": 50}, 200, ["an island has at most 40 generations"]),
        ({"migration_interval": 50}, 246, ["`migration_interval` is 50"]),
        ({"migration_interval": 50}, 247, []),
        ({"archive": 100}, 100, ["its 100 places hold all candidates of 100 evaluations"]),
        ({"archive": 100}, 101, []),
        ({"islands": 1}, 200, ["`islands` is 1"]),
    ],
)
def test_says_what_cannot_act(settings, steps, says):
    sentences = search.map_elites(**settings).inert(steps)
    assert len(sentences) == len(says)
    assert all(part in sentence for part, sentence in zip(says, sentences, strict=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("islands", 0),
        ("bins", 0),
        ("archive", 0),
        ("migration_interval", 0),
        ("drafts", 0),
        ("migration_rate", 1.5),
        ("exploration", -0.1),
        ("exploration", 0.4),
        ("exploitation", float("nan")),
    ],
)
def test_errors_name_the_argument(name, value):
    with pytest.raises(ValueError, match=name):
        search.map_elites(**{name: value})
