"""What is submitted at the end: each selector against its definition in plain Python, and laws."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import optimizers
from gome_theory import Reliability
from optimizers import SELECTORS, History, selectors
from optimizers.selectors import choose, ranking
from simulators import noisy_evaluator, noisy_oracle, quadratic, rollout
from simulators.rollout import World
from tests.statistical import assert_mean

FOLDS = 3
numbers = st.integers(-8, 8).map(lambda i: i / 4)
candidates = st.lists(
    st.tuples(st.lists(numbers, min_size=FOLDS, max_size=FOLDS), st.booleans()),
    min_size=1,
    max_size=8,
)
"""Fold scores, and whether the candidate ran; few different numbers, so that ties are common."""


def history(run) -> History:
    folds = jnp.array([folds for folds, _ in run], jnp.float32)
    valid = jnp.array([valid for _, valid in run])
    score = jnp.where(valid, folds.mean(axis=1), jnp.nan)
    stderr = folds.std(axis=1, ddof=1) / math.sqrt(FOLDS)
    return History(score, stderr, valid, valid, folds, test=-score)


SMALL = {
    "best": selectors.best(),
    "lower_bound": selectors.lower_bound(z=1.0),
    "maximin": selectors.maximin(),
    "maximin_of_elite": selectors.maximin_of_elite(size=2, share=0.5, spread=1.0),
    "revalidated": selectors.revalidated(3),
    "ensemble": selectors.ensemble(3),
    "oracle_on_test": selectors.oracle_on_test(),
}


def mean(folds):
    return np.float32(np.float32(folds).mean())


def error(folds):
    return float(np.std(folds, ddof=1)) / math.sqrt(FOLDS)


def in_elite(i, run):
    """One of the best two, no further behind than half of the best score and than its error."""
    valid = [j for j, (_, runs) in enumerate(run) if runs]
    first = sorted(valid, key=lambda j: -mean(run[j][0]))[:2]
    leader = run[first[0]][0]
    behind = mean(leader) - mean(run[i][0])
    close = behind <= 0.5 * abs(mean(leader)) and behind <= error(leader)
    return i in first and (i == first[0] or close)


VALUE = {
    "best": lambda i, run: mean(run[i][0]),
    "lower_bound": lambda i, run: mean(run[i][0]) - error(run[i][0]),
    "maximin": lambda i, run: min(run[i][0]),
    "maximin_of_elite": lambda i, run: min(run[i][0]) if in_elite(i, run) else None,
    "revalidated": lambda i, run: mean(run[i][0]),
    "ensemble": lambda i, run: mean(run[i][0]),
    "oracle_on_test": lambda i, run: -mean(run[i][0]),
}


def test_every_selector_is_under_test():
    assert set(SELECTORS) == set(SMALL) == set(VALUE)


@pytest.mark.parametrize("name", SMALL)
@given(run=candidates, places=st.integers(1, 10))
def test_ranking_is_the_order_of_the_defined_value(name, run, places):
    value = {i: VALUE[name](i, run) for i, (_, valid) in enumerate(run) if valid}
    order = [i for i, v in sorted(value.items(), key=lambda item: -(item[1] or 0)) if v is not None]
    expected = [*order, *[-1] * places][:places]
    actual = ranking(SMALL[name], history(run), places).tolist()
    # float32 may order what is equal in exact arithmetic either way.
    same = [
        a == b or (min(a, b) >= 0 and math.isclose(value[a], value[b], abs_tol=1e-5))
        for a, b in zip(actual, expected, strict=True)
    ]
    assert all(same)
    assert len(set(actual) - {-1}) == len(order[:places])


@pytest.mark.parametrize("name", SMALL)
def test_without_a_valid_candidate_nothing_is_chosen(name):
    assert int(choose(SMALL[name], history([([1.0] * FOLDS, False)] * 2))) == -1


@given(run=candidates, more=candidates)
def test_best_so_far_never_falls(run, more):
    before, after = history(run), history([*run, *more])
    first, later = int(choose(SMALL["best"], before)), int(choose(SMALL["best"], after))
    if first >= 0:
        assert after.score[later] >= before.score[first]


@given(run=candidates, cut=st.integers(1, 8))
def test_a_smaller_budget_never_finds_more(run, cut):
    short, long = history(run[:cut]), history(run)
    found = int(choose(SMALL["best"], short))
    if found >= 0:
        assert long.score[int(choose(SMALL["best"], long))] >= short.score[found]


@given(run=candidates, shift=numbers, scale=st.sampled_from([0.5, 1.0, 4.0]))
def test_best_sees_only_the_order_of_scores(run, shift, scale):
    seen = history(run)
    moved = seen._replace(score=scale * seen.score + shift)
    assert int(choose(SMALL["best"], moved)) == int(choose(SMALL["best"], seen))


@given(run=candidates)
def test_minimising_a_loss_is_maximising_its_negative(run):
    losses = [-float(mean(folds)) for folds, valid in run if valid]
    if losses:
        chosen = int(choose(SMALL["best"], history(run)))
        assert -float(mean(run[chosen][0])) == min(losses)


def test_equal_standard_errors_make_the_lower_bound_the_best():
    seen = history([([0.0, 1.0, 2.0], True), ([5.0, 6.0, 7.0], True), ([1.0, 2.0, 3.0], True)])
    assert ranking(SMALL["lower_bound"], seen, 3).tolist() == [1, 2, 0]


def test_what_a_selector_asks_of_its_driver():
    assert selectors.revalidated(5).revalidates == 5
    assert selectors.ensemble(6).averages == 6
    assert [name for name, make in SELECTORS.items() if make().reads_test] == ["oracle_on_test"]


@pytest.mark.parametrize("name", ["maximin", "maximin_of_elite", "oracle_on_test"])
def test_scores_that_are_not_there_are_asked_for_by_name(name):
    seen = history([([0.0] * FOLDS, True)])._replace(folds=None, test=None)
    with pytest.raises(ValueError, match=name):
        choose(SELECTORS[name](), seen)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: selectors.lower_bound(-1.0), "`z`"),
        (lambda: selectors.lower_bound(float("nan")), "`z`"),
        (lambda: selectors.maximin_of_elite(size=0), "`size`"),
        (lambda: selectors.maximin_of_elite(share=-0.1), "`share`"),
        (lambda: selectors.revalidated(0), "`candidates`"),
        (lambda: selectors.ensemble(0), "`members`"),
    ],
)
def test_errors_name_the_argument(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_fold_scores_have_the_score_as_mean_and_the_fold_losses_as_expectation():
    """In a simulated run, drafts of a quadratic that each fold sees in coordinates of its own."""
    landscape, sigma, steps = quadratic(np.ones(6)), 0.1, 400
    world = World(
        landscape,
        noisy_oracle(Reliability(1.0)),
        noisy_oracle(Reliability(0.0)),
        noisy_evaluator(sigma, folds=FOLDS),
    )
    drafts = optimizers.undirected(optimizers.search.best_of_n(None))
    trace, recording = jax.jit(lambda: rollout(drafts, world, jax.random.key(0), steps))()
    np.testing.assert_allclose(trace.folds.mean(axis=-1), trace.score, atol=1e-5)
    by_fold = jax.vmap(lambda x: landscape.by_fold(x, FOLDS))(recording.params)
    np.testing.assert_allclose(by_fold.mean(axis=-1), trace.loss, rtol=1e-5)
    errors = np.asarray(trace.folds + by_fold)
    assert_mean(errors.ravel(), 0.0)
    # Independent folds whose mean has standard error sigma: sigma^2 folds each.
    assert_mean(np.square(errors).mean(axis=-1), sigma**2 * FOLDS)


def test_a_policy_that_needs_folds_says_so():
    strategy = optimizers.undirected(optimizers.search.best_of_n()._replace(folds=FOLDS))
    world = World(
        quadratic(np.ones(6)),
        noisy_oracle(Reliability(1.0)),
        noisy_oracle(Reliability(0.0)),
        noisy_evaluator(),
    )
    with pytest.raises(ValueError, match="3 folds and the world tells 0"):
        rollout(strategy, world, jax.random.key(0), 3)
