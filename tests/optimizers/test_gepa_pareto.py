"""GEPA's pool against plain Python written from its description, and against the package itself."""

from __future__ import annotations

import collections
import random
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

import optimizers
from gome_theory import Reliability
from optimizers import Operator, search
from optimizers.search._gepa_pareto import front_counts
from simulators import World, noisy_evaluator, noisy_oracle, quadratic, rollout
from tests.optimizers.test_policies import (
    STEPS,
    Result,
    asked_often,
    assert_chances,
    compiled,
    overlapping,
    seeds,
    watched,
)

DRAFT, DESCEND, IMPROVE, DEBUG, CROSSOVER = Operator
FOLDS = 5

grid = st.integers(0, 3).map(float)
fold_scores = st.lists(grid, min_size=FOLDS, max_size=FOLDS).map(tuple)
matrices = arrays(np.float32, (6, FOLDS), elements=st.integers(0, 3).map(np.float32))
"""Few different scores, so that fronts are shared."""


def result(folds, valid=True):
    return Result(float(np.mean(folds)), valid, valid, tuple(map(float, folds)))


runs = st.lists(st.builds(result, fold_scores, st.booleans()), min_size=STEPS, max_size=STEPS)


def triple(expansion):
    other = -1 if expansion.other is None else int(expansion.other)
    return int(expansion.parent), int(expansion.operator), other


# --- fronts --------------------------------------------------------------------------------------


def fronts(scores):
    return [
        {k for k, row in enumerate(scores) if row[i] == max(r[i] for r in scores)}
        for i in range(len(scores[0]))
    ]


def brute_force(scores, covered=False, among=None):
    """Number of fronts of each candidate, after removal, as the paper or the package has it."""
    on = fronts(scores)
    if among is not None:
        on = [front & among for front in on]
    candidates = set().union(*on)
    if covered:
        left = set(candidates)
        # Worst mean first; one at a time, until nothing can be removed.
        for k in sorted(candidates, key=lambda k: (sum(scores[k]), k)):
            if all(front & (left - {k}) for front in on if k in front):
                left -= {k}
    else:

        def dominates(a, b):
            pairs = list(zip(scores[a], scores[b], strict=True))
            return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)

        left = {b for b in candidates if not any(dominates(a, b) for a in candidates)}
    return [sum(k in front for front in on) if k in left else 0 for k in range(len(scores))]


count_fronts = jax.jit(front_counts, static_argnums=2)


@pytest.mark.parametrize("dominance", ["pareto", "covered"])
@given(scores=matrices, size=st.integers(1, 6))
def test_fronts_are_those_of_the_definition(dominance, scores, size):
    actual = count_fronts(jnp.array(scores), jnp.arange(6) < size, dominance)
    rows = scores[:size].tolist()
    assert actual[:size].tolist() == brute_force(rows, dominance == "covered")
    assert not actual[size:].any()


@given(scores=matrices)
def test_the_two_meanings_of_dominated_differ_only_where_scores_tie(scores):
    distinct = jnp.array(scores) + jnp.arange(6)[:, None] / 16
    one, several = (count_fronts(distinct, jnp.ones(6, bool), how) for how in ("pareto", "covered"))
    assert one.tolist() == several.tolist()


def test_fronts_by_hand():
    # Best on folds 1 to 5: {0, 2}, {0, 1}, {1, 2}, {3}, {3}. Nobody is at least as good as another
    # everywhere, so all stay. Candidate 2 has the worst mean, and 0 and 1 cover its fronts.
    scores = jnp.array(
        [[3, 3, 0, 1, 0], [0, 3, 3, 0, 1], [3, 0, 3, 0, 0], [0, 0, 0, 3, 3]], jnp.float32
    )
    pool = jnp.ones(4, bool)
    assert front_counts(scores, pool).tolist() == [2, 2, 2, 2]
    assert front_counts(scores, pool, "covered").tolist() == [2, 2, 0, 2]


def test_a_dominated_candidate_leaves_the_front_it_shares():
    scores = jnp.array([[2, 1, 0, 0, 0], [2, 3, 1, 1, 1]], jnp.float32)
    assert front_counts(scores, jnp.ones(2, bool)).tolist() == [0, 5]


@given(scores=matrices)
def test_fronts_are_those_of_the_package(scores):
    """Compared on all that it removes; equal means are removed in an order of its own."""
    package = pytest.importorskip("gepa.gepa_utils")
    rows = np.unique(scores.sum(axis=1), return_index=True)[1]
    pool = scores[rows].tolist()
    after = package.remove_dominated_programs(
        dict(enumerate(fronts(pool))), scores=[sum(row) for row in pool]
    )
    theirs = collections.Counter(k for front in after.values() for k in front)
    padded = jnp.zeros((6, FOLDS)).at[: len(rows)].set(scores[rows])
    ours = count_fronts(padded, jnp.arange(6) < len(rows), "covered")
    assert ours.tolist() == [theirs[k] for k in range(6)]


def in_pool(policy, rows):
    """State of a policy whose pool has these fold scores."""
    ask, tell = compiled(policy)
    state = policy.init(STEPS)
    for row in rows:
        expansion, state = ask(state, jax.random.key(0))
        expansion = expansion._replace(parent=jnp.int32(-1), operator=jnp.int32(DRAFT))
        state, _ = tell(state, expansion, result(row).observed(FOLDS), np.bool_(True))
    return state


POOL = [[3, 3, 0, 1, 0], [0, 3, 3, 0, 1], [3, 0, 3, 0, 0], [0, 0, 0, 3, 2], [0, 2, 2, 2, 2]]
SELECTIONS = {
    "pareto": {},
    "current_best": {"selection": "current_best"},
    "epsilon_greedy": {"selection": "epsilon_greedy", "epsilon": 0.25},
    "top_k_pareto": {"selection": "top_k_pareto", "top": 3},
    "covered": {"dominance": "covered"},
}


def chances(name):
    """Probability of each of POOL, whose means are 7/5, 7/5, 6/5, 1 and 8/5."""
    match name:
        case "current_best":
            return [0, 0, 0, 0, 1]
        case "epsilon_greedy":
            return [Fraction(1, 20)] * 4 + [Fraction(16, 20)]
        case "top_k_pareto":
            counts = brute_force(POOL, among={0, 1, 4})
        case _:
            counts = brute_force(POOL, covered=name == "covered")
    return [Fraction(count, sum(counts)) for count in counts]


@pytest.mark.parametrize("name", SELECTIONS)
def test_parents_have_the_described_probabilities(name):
    policy = search.gepa_pareto(**SELECTIONS[name])
    expected = {(k, IMPROVE, -1): float(c) for k, c in enumerate(chances(name)) if c}
    assert_chances(asked_often(policy, in_pool(policy, POOL)), expected)


def test_parents_are_drawn_as_the_package_draws_them():
    package = pytest.importorskip("gepa.gepa_utils")
    on, rng = dict(enumerate(fronts(POOL))), random.Random(0)
    means = [sum(row) / FOLDS for row in POOL]
    draw = package.select_program_candidate_from_pareto_front
    theirs = collections.Counter((draw(on, means, rng), IMPROVE, -1) for _ in range(2000))
    expected = {(k, IMPROVE, -1): float(c) for k, c in enumerate(chances("covered")) if c}
    assert_chances(theirs, expected)


# --- the pool ------------------------------------------------------------------------------------

PARETO = search.gepa_pareto()
WHOLE = search.gepa_pareto(minibatch=FOLDS)


@given(run=runs, seed=seeds)
def test_the_pool_takes_what_beats_its_parent_on_the_minibatch(run, seed):
    pool, compared, orders = [], 0, []
    for step, (expansion, slot, state) in enumerate(watched(PARETO, run, seed)):
        parent, operator, _ = triple(expansion)
        folds = run[step].folds
        if parent < 0:
            assert (operator, pool) == (DRAFT, [])
            enters = run[step].valid
        else:
            assert operator == IMPROVE
            assert brute_force(pool)[parent] > 0
            order = state.order.tolist()
            assert sorted(order) == list(range(FOLDS))
            # Two minibatches of three an epoch: the second is filled up with the first fold.
            first = compared % 2 == 0
            orders.append(order)
            assert first or orders[-2] == order
            batch = order[:3] if first else [*order[3:], order[0]]
            beats = sum(folds[i] for i in batch) > sum(pool[parent][i] for i in batch)
            enters = run[step].valid and beats
            compared += 1
        assert slot == (len(pool) if enters else -1)
        pool += [folds] if enters else []
        assert state.tree.size == len(pool)
        np.testing.assert_array_equal(state.folds[: len(pool)], np.reshape(pool, (-1, FOLDS)))


def test_epochs_are_shuffled_afresh():
    run = [result([1.0] * FOLDS)] + [result([0.0] * FOLDS)] * (STEPS - 1)
    orders = {tuple(state.order.tolist()) for _, _, state in watched(PARETO, run)}
    assert len(orders) > 3


def test_by_hand():
    run = [
        result([9] * 5, valid=False),  # A draft that fails, and another.
        result([1, 1, 1, 1, 1]),
        result([2, 0, 1, 1, 1]),  # The same sum: not strictly greater.
        result([9, 9, 9, 9, 9], valid=False),
        result([4, 0, 1, 1, 0]),  # 6 > 5: enters as 1, best on the first fold.
        result([3, 3, 3, 3, 3]),  # Whichever its parent, greater: dominates 0 but not 1.
        result([3, 3, 3, 3, 3]),  # Greater than 1, and not greater than 2.
    ]
    seen = list(watched(WHOLE, run, seed=0))
    assert [triple(e)[:2] for e, *_ in seen[:5]] == [(-1, DRAFT)] * 2 + [(0, IMPROVE)] * 3
    assert [slot for _, slot, _ in seen[:6]] == [-1, 0, -1, -1, 1, 2]
    parent, slot = int(seen[6][0].parent), seen[6][1]
    assert (parent, slot) in {(1, 3), (2, -1)}
    # Fronts: {1} on the first fold; {2}, or {2, 3}, on the others.
    counts = front_counts(seen[-1][2].folds, seen[-1][2].tree.good).tolist()
    assert counts[:4] == [0, 1, 4, 4 if slot == 3 else 0]


def test_a_withheld_step_is_not_a_new_candidate():
    """It is its parent with the mean on every fold, which may be more than on the minibatch."""
    state = in_pool(WHOLE, [[0, 0, 0, 0, 5]])
    for policy in (PARETO, WHOLE):
        expansion, asked = policy.ask(state, jax.random.key(0))
        twin = result([1.5] * 5).observed(FOLDS)._replace(replicates=np.int32(0))
        assert int(policy.tell(asked, expansion, twin, np.bool_(True))[1]) == -1
        assert int(policy.tell(asked, expansion, twin._replace(replicates=1), True)[1]) == 1


# --- merges --------------------------------------------------------------------------------------

MERGING = search.gepa_pareto(minibatch=FOLDS, merges=2)


def test_a_merge_by_hand():
    # 1 is a child of 0; a second child, 2, makes a pair with the ancestor 0, which is no better.
    # The merge of 1 and 2 enters if no worse than both. All other pairs are related.
    state = in_pool(MERGING, [[1, 1, 1, 1, 1]])
    _, tell = compiled(MERGING)

    def child(state, folds, parent, other=-1):
        how = IMPROVE if other < 0 else CROSSOVER
        expansion = optimizers.Expansion(*map(jnp.int32, (parent, how, other)))
        return tell(state, expansion, result(folds).observed(FOLDS), np.bool_(True))

    state, _ = child(state, [5, 2, 1, 1, 1], 0)
    assert not {op for _, op, _ in asked_often(MERGING, state)} - {IMPROVE}
    state, slot = child(state, [1, 1, 1, 5, 3], 0)
    assert slot == 2
    assert set(asked_often(MERGING, state)) == {(1, CROSSOVER, 2)}
    expansion, asked = MERGING.ask(state, jax.random.key(0))
    assert triple(expansion) == (1, CROSSOVER, 2)
    # Means 2 and 2.2: a merge with 2.2 enters, with 2.1 not; a child of both ancestors' lines.
    assert child(asked, [2, 2, 2, 2, 2.5], 1, 2)[1] == -1
    merged, slot = child(asked, [2, 2, 2, 2, 3], 1, 2)
    assert slot == 3
    assert np.flatnonzero(merged.family.above[3]).tolist() == [0, 1, 2]
    assert int(merged.compared) == int(asked.compared), "a merge takes no minibatch"
    # 3 entered, but no unrelated pair is left.
    assert CROSSOVER not in {op for _, op, _ in asked_often(MERGING, merged)}


def test_no_merge_below_an_ancestor_that_is_better():
    state = in_pool(MERGING, [[3, 3, 3, 3, 3]])
    _, tell = compiled(MERGING)
    for folds in ([4, 3, 3, 3, 3], [3, 4, 3, 3, 3]):
        expansion = optimizers.Expansion(jnp.int32(0), jnp.int32(IMPROVE), jnp.int32(-1))
        state, _ = tell(state, expansion, result(folds).observed(FOLDS), np.bool_(True))
    assert CROSSOVER in {op for _, op, _ in asked_often(MERGING, state)}
    better = state._replace(folds=state.folds.at[0].set(jnp.array([0.0, 0, 9, 9, 0])))
    assert CROSSOVER not in {op for _, op, _ in asked_often(MERGING, better)}


@given(run=runs, seed=seeds)
def test_merges_are_few_and_of_separate_descendants(run, seed):
    ancestors, merged = {}, []
    for expansion, slot, _ in watched(MERGING, run, seed):
        parent, operator, other = triple(expansion)
        assert (operator == CROSSOVER) == (other >= 0)
        own = set()
        for i in {parent, other} - {-1}:
            own |= {i} | ancestors[i]
        if operator == CROSSOVER:
            assert parent not in ancestors[other]
            assert other not in ancestors[parent]
            assert ancestors[parent] & ancestors[other]
            merged.append((parent, other))
        if slot >= 0:
            ancestors[slot] = own
    assert len(merged) == len(set(merged)) <= 2


# --- in a world, in flight -----------------------------------------------------------------------


@pytest.mark.parametrize("policy", [PARETO, MERGING], ids=["pareto", "merging"])
@given(run=runs, seed=seeds, width=st.integers(2, 5))
def test_several_in_flight_respect_the_limits(policy, run, seed, width):
    """Every answer is compared with its own parent, whatever came between."""
    pool, merges = [], 0
    for step, (expansion, slot, state) in enumerate(overlapping(policy, run, seed, width)):
        parent, operator, _ = triple(expansion)
        assert parent < len(pool)
        merges += operator == CROSSOVER
        if slot >= 0:
            assert run[step].valid
            assert slot == len(pool)
            pool.append(run[step].folds)
        if slot >= 0 and operator == IMPROVE and policy is MERGING:
            assert sum(pool[slot]) > sum(pool[parent])
        assert state.tree.size == len(pool)
    assert merges <= 2


def test_what_came_to_no_candidate_is_forgotten():
    expansion, state = PARETO.ask(PARETO.init(STEPS), jax.random.key(0))
    assert int(state.tree.drafts) == 1
    assert int(PARETO.cancel(state, expansion).tree.drafts) == 0


def test_it_keeps_specialists_of_folds_in_a_simulation():
    """Folds that see coordinates of their own: the pool's best of each fold is on a front."""
    strategy = optimizers.undirected(PARETO)
    world = World(
        quadratic(np.ones(10)),
        noisy_oracle(Reliability(1.0)),
        noisy_oracle(Reliability(0.0), scale=0.3),
        noisy_evaluator(folds=FOLDS),
    )
    trace, _ = jax.jit(lambda: rollout(strategy, world, jax.random.key(0), 60))()
    stored = np.asarray(trace.slot) >= 0
    assert 5 < stored.sum() < 60
    pool = np.asarray(trace.folds)[stored].tolist()
    counts = brute_force(pool)
    # No parent was off the fronts of its time.
    for step in np.flatnonzero(np.asarray(trace.parent) >= 0):
        then = pool[: int(stored[:step].sum())]
        assert brute_force(then)[int(trace.parent[step])] > 0
    assert sum(counts) == FOLDS
    assert float(trace.loss.min()) < 0.7 * float(trace.loss[0])


# --- what it says --------------------------------------------------------------------------------


def test_says_what_cannot_act():
    assert search.gepa_pareto().inert(1) == ()
    assert search.gepa_pareto(merges=5).inert(4) == ()
    (sentence,) = search.gepa_pareto(merges=5).inert(3)
    assert "never merges: 3 evaluations" in sentence


def test_folds_that_are_not_told_are_asked_for():
    expansion, state = PARETO.ask(PARETO.init(STEPS), jax.random.key(0))
    with pytest.raises(ValueError, match="compares candidates on 5 folds"):
        PARETO.tell(state, expansion, result([0.0] * 5).observed(), np.bool_(True))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"folds": 0}, "folds=0"),
        ({"minibatch": 0}, "`minibatch`"),
        ({"folds": 2}, "`minibatch` must lie between 1 and folds=2"),
        ({"selection": "best"}, "`selection`"),
        ({"dominance": "strict"}, "`dominance`"),
        ({"epsilon": 1.5}, "`epsilon`"),
        ({"top": 0}, "`top`"),
        ({"drafts": 0}, "`drafts`"),
        ({"merges": -1}, "`merges`"),
    ],
)
def test_errors_name_the_argument(settings, match):
    with pytest.raises(ValueError, match=match):
        search.gepa_pareto(**settings)
