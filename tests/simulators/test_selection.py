"""What selectors submit, against plain Python on the same traces."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optimizers
from gome_theory import Reliability
from optimizers import recipes, selectors
from simulators import (
    World,
    lumped_sphere,
    noisy_evaluator,
    noisy_oracle,
    plans,
    quadratic,
    rollout,
    submitted,
)
from simulators.frames import moving_frame

STEPS, RUNS = 12, 16
SMOOTH = quadratic(np.geomspace(1.0, 0.2, 6))._replace(
    start=lambda key: jax.random.normal(key, (6,))
)
MOVES = noisy_oracle(Reliability(alignment=0.0), scale=0.3)


def world(noise, **changes) -> World:
    evaluator = noisy_evaluator(noise, crash_rate=0.3, folds=3)
    return World(SMOOTH, MOVES, MOVES, evaluator)._replace(**changes)


Z = 3.0
"""Standard errors of the lower bound."""


@pytest.fixture(scope="module")
def searched():
    """Traces and recordings of independent drafts, some of which crash."""
    strategy = optimizers.undirected(optimizers.search.best_of_n(n=None))
    keys = jax.random.split(jax.random.key(3), RUNS)
    run = jax.jit(jax.vmap(partial(rollout, strategy, world(0.2), steps=STEPS)))
    trace, recording = run(keys)
    assert 0.1 < 1 - trace.valid.mean() < 0.5
    return trace, recording


def each(selector, searched, chosen_world=None):
    keys = jax.random.split(jax.random.key(8), RUNS)
    submit = partial(submitted, selector, chosen_world or world(0.2))
    loss, extra = jax.jit(jax.vmap(submit))(*searched, keys)
    return np.asarray(loss), np.asarray(extra)


def ranked(trace, run, value):
    """Valid candidates of a run, best first."""
    valid = np.flatnonzero(np.asarray(trace.history.valid[run]))
    return sorted(valid, key=lambda i: -float(value[run, i]))


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        (selectors.best(), lambda trace: trace.score),
        (selectors.lower_bound(Z), lambda trace: trace.score - Z * trace.stderr),
        (selectors.maximin(), lambda trace: trace.folds.min(axis=-1)),
        (selectors.oracle_on_test(), lambda trace: -trace.loss),
    ],
    ids=["best", "lower_bound", "maximin", "oracle"],
)
def test_the_first_in_rank_is_submitted_at_no_cost(selector, value, searched):
    trace, _ = searched
    loss, extra = each(selector, searched)
    expected = [trace.loss[run, ranked(trace, run, value(trace))[0]] for run in range(RUNS)]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    assert (extra == 0).all()


@pytest.mark.parametrize("finalists", [1, 4, 40])
def test_a_fresh_measurement_without_noise_finds_the_best_finalist(finalists, searched):
    trace, _ = searched
    loss, extra = each(selectors.revalidated(finalists), searched, world(0.0))
    for run in range(RUNS):
        first = ranked(trace, run, trace.score)[:finalists]
        np.testing.assert_allclose(loss[run], trace.loss[run, first].min(), rtol=1e-6)
        assert extra[run] == len(first)


def test_a_noisy_fresh_measurement_submits_some_finalist_and_not_always_the_best(searched):
    trace, _ = searched
    loss, _ = each(selectors.revalidated(3), searched, world(0.5))
    places = set()
    for run in range(RUNS):
        finalists = np.sort(trace.loss[run, ranked(trace, run, trace.score)[:3]])
        places.add(int(np.argmin(np.abs(finalists - loss[run]))))
        assert np.isclose(finalists, loss[run], rtol=1e-6).any()
    assert places == {0, 1, 2}


@pytest.mark.parametrize("members", [2, 5, 40])
def test_an_ensemble_is_the_mean_of_its_members_parameters(members, searched):
    trace, recording = searched
    loss, extra = each(selectors.ensemble(members), searched)
    for run in range(RUNS):
        first = ranked(trace, run, trace.score)[:members]
        mean = np.mean(np.asarray(recording.params[run])[first], axis=0)
        np.testing.assert_allclose(loss[run], SMOOTH.loss(jnp.asarray(mean)), rtol=1e-5)
    assert (extra == 0).all()


def test_finalists_may_be_averaged(searched):
    trace, recording = searched
    selector = selectors.revalidated(5)._replace(averages=2)
    loss, _ = each(selector, searched, world(0.0))
    for run in range(RUNS):
        first = ranked(trace, run, trace.score)[:5]
        two = sorted(first, key=lambda i: float(trace.loss[run, i]))[:2]
        mean = np.mean(np.asarray(recording.params[run])[two], axis=0)
        np.testing.assert_allclose(loss[run], SMOOTH.loss(jnp.asarray(mean)), rtol=1e-5)


@pytest.mark.parametrize("name", ["best", "revalidated", "ensemble"])
def test_without_a_valid_candidate_the_loss_is_infinite(name, searched):
    trace, recording = jax.tree.map(lambda x: x[0], searched)
    trace = trace._replace(valid=jnp.zeros(STEPS, bool))
    selector = recipes.SELECTORS[name]()
    loss, extra = submitted(selector, world(0.2), trace, recording, jax.random.key(0))
    assert (float(loss), int(extra)) == (np.inf, 0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"landscape": plans(6)}, "discrete"),
        ({"landscape": lumped_sphere(6)}, "lumped"),
        ({"frame": moving_frame(0.9)}, "turns by itself"),
    ],
)
def test_what_has_no_mean_is_refused(changes, told, searched):
    trace, recording = jax.tree.map(lambda x: x[0], searched)
    odd, key = world(0.2, **changes), jax.random.key(0)
    with pytest.raises(ValueError, match=told):
        submitted(selectors.ensemble(), odd, trace, recording, key)
    submitted(selectors.best(), odd, trace, recording, key)


def test_folds_are_needed_where_they_are_compared(searched):
    trace, recording = jax.tree.map(lambda x: x[0], searched)
    with pytest.raises(ValueError, match="noisy_evaluator"):
        submitted(selectors.maximin(), world(0.2), trace._replace(folds=None), recording,
                  jax.random.key(0))  # fmt: skip
