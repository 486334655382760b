"""A recycled slot is as good as new, and nobody else notices."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

import optimizers
from optimizers import recycle, recycle_run
from tests.optimizers.strategies import EIGHTHS

SLOTS, PAST, FUTURE = 3, 4, 3
ORIGIN = jnp.array([0.5, -1.0, 2.0])


def full_matrix():
    """Full-matrix AdaGrad without the root: a state with two slot axes."""

    def init(params):
        return jnp.eye(len(params))

    def update(updates, state, params=None):
        del params
        return updates, state + jnp.outer(updates, updates)

    return optax.GradientTransformation(init, update)


COORDINATE_WISE = {
    "sgd": optax.sgd(0.1),
    "momentum": optax.sgd(0.1, momentum=0.9, nesterov=True),
    "adam": optax.adam(0.1),
    "adamw": optax.adamw(0.1, weight_decay=0.1),
    "lion": optax.lion(0.1),
    "rmsprop": optax.rmsprop(0.1, momentum=0.5),
    "adagrad": optax.adagrad(0.1, initial_accumulator_value=0.3),
    "accumulated": optax.MultiSteps(optax.adam(0.1), 3).gradient_transformation(),
    "masked": optax.masked(optax.adam(0.1), True),
    "injected": optax.inject_hyperparams(optax.adam)(learning_rate=0.1),
    "scheduled": optax.adam(optax.linear_schedule(0.1, 0.01, 5)),
    "chained": optax.chain(optax.clip(0.5), optax.trace(0.9), optax.scale_by_adam()),
    "schedule-free": optax.contrib.schedule_free(optax.sgd(0.1), 0.1),
    "partitioned": optax.partition({"a": optax.adam(0.1)}, "a"),
    "if finite": optax.apply_if_finite(optax.adam(0.1), 2),
    "slot adam": optimizers.adam(0.1),
    "accumulated slot adam": optimizers.accumulated(optimizers.adam(0.1), 2),
    "learns from rejections": optimizers.learns_from_rejections(optimizers.adam(0.1)),
}
COUPLED = {
    "success memory": optimizers.gome(0.1, capacity=4),
    "success memory of three": optimizers.gome(0.1, capacity=SLOTS),
    "clipped": optax.chain(optax.clip_by_global_norm(0.5), optax.adam(0.1)),
    "noisy": optax.chain(optax.add_noise(0.1, 0.5, jax.random.key(0)), optax.trace(0.9)),
    "full matrix": full_matrix(),
    "reused": optimizers.reused(optimizers.momentum(0.1), 2),
}
ALL = COORDINATE_WISE | COUPLED
past = arrays(np.float32, (PAST, SLOTS), elements=EIGHTHS)
future = arrays(np.float32, (FUTURE, SLOTS), elements=EIGHTHS)


@functools.cache
def compiled(name):
    """One step and one reset; every life goes through the same programs, so equal means equal."""
    rule = optax.with_extra_args_support(ALL[name])

    @jax.jit
    def step(gradient, state, params, value):
        update, state = rule.update(gradient, state, params, value=value)
        return state, optax.apply_updates(params, update), update

    return step, jax.jit(lambda state, slot: recycle(rule, state, slot, ORIGIN))


def unroll(name, state, params, gradients):
    step, _ = compiled(name)
    updates = []
    for value, gradient in enumerate(gradients):
        state, params, update = step(gradient, state, params, np.float32(-value))
        updates.append(np.asarray(update))
    return state, params, np.stack(updates)


def lives(name, before, after, slot):
    """States and futures of a slot: untouched, recycled, and silent from the beginning."""
    _, reset = compiled(name)
    here = np.arange(SLOTS) == slot
    start = ALL[name].init(ORIGIN)
    state, params, _ = unroll(name, start, ORIGIN, before)
    silent, silent_params, _ = unroll(name, start, ORIGIN, np.where(here, np.float32(0), before))
    fresh = reset(state, slot)
    moved = jnp.where(here, ORIGIN, params)
    unseen = jnp.where(here, ORIGIN, silent_params)  # weight decay moves silent slots too
    return (
        (state, unroll(name, state, params, after)[2]),
        (fresh, unroll(name, fresh, moved, after)[2]),
        (silent, unroll(name, silent, unseen, after)[2]),
    )


def assert_trees_equal(one, other):
    jax.tree.map(assert_array_equal, _plain(one), _plain(other))


def _plain(tree):
    def numbers(leaf):
        leaf = jnp.asarray(leaf)
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    return jax.tree.map(numbers, tree)


@pytest.mark.parametrize("name", COORDINATE_WISE)
@settings(max_examples=25)
@given(before=past, after=future, slot=st.integers(0, SLOTS - 1))
def test_a_recycled_slot_is_one_that_was_never_mentioned(name, before, after, slot):
    (_, plain), (reset, recycled), (silent, unseen) = lives(name, before, after, slot)
    assert_trees_equal(reset, silent)
    assert_array_equal(recycled, unseen)
    others = np.arange(SLOTS) != slot
    assert_array_equal(recycled[:, others], plain[:, others])


@pytest.mark.parametrize("name", ALL)
def test_exactly_the_slot_is_reset(name):
    """By brute force: compare each leaf with a fresh state, entry by entry."""
    rng = np.random.default_rng(1)
    before = rng.normal(size=(PAST, SLOTS)).astype(np.float32)
    (state, _), (reset, _), _ = lives(name, before, before[:FUTURE], 1)
    fresh = ALL[name].init(ORIGIN)
    changed = 0
    axes = slot_axes_by_hand(name, fresh)
    leaves = [jax.tree.leaves(_plain(tree)) for tree in (state, reset, fresh)]
    for old, new, first, axis in zip(*leaves, axes, strict=True):
        belongs = np.zeros(old.shape, bool)
        for a in axis:
            np.moveaxis(belongs, a, 0)[1] = True
        assert_array_equal(new, np.where(belongs, first, old))
        changed += (new != old).sum()
    assert changed > 0 or name == "sgd"


def slot_axes_by_hand(name, fresh):
    """Axes of length 3, but those that a look at the rule's documentation tells apart."""
    axes = []
    for path, leaf in jax.tree.leaves_with_path(_plain(fresh)):
        found = tuple(a for a, n in enumerate(leaf.shape) if n == SLOTS)
        if name == "success memory of three" and ".memory." in jax.tree_util.keystr(path):
            found = found[1:]  # the first axis counts memories
        axes.append(found)
    return axes


@pytest.mark.parametrize("slot", [-1, SLOTS])
def test_a_slot_outside_resets_nothing(slot):
    rule = COORDINATE_WISE["adam"]
    _, state = rule.update(jnp.ones(SLOTS), rule.init(ORIGIN), ORIGIN)
    assert_trees_equal(recycle(rule, state, slot, ORIGIN), state)


@pytest.mark.parametrize(
    ("rule", "state", "params", "match"),
    [
        (optax.adam(1.0), None, {"a": jnp.zeros(3)}, "coordinates of one vector"),
        (optax.adam(1.0), None, jnp.zeros((3, 2)), "coordinates of one vector"),
        (optax.adam(1.0), optax.adam(1.0).init(jnp.zeros(4)), jnp.zeros(3), "same|made with"),
        (optax.adam(1.0), optax.sgd(1.0, 0.9).init(jnp.zeros(3)), jnp.zeros(3), "made with"),
        (
            optax.GradientTransformation(lambda p: jnp.zeros(2 * len(p)), lambda *_: None),
            jnp.zeros(6),
            jnp.zeros(3),
            "no axis of it belongs to slots",
        ),
    ],
)
def test_what_cannot_be_recycled_is_refused(rule, state, params, match):
    with pytest.raises(ValueError, match=match):
        recycle(rule, state, 0, params)


@pytest.mark.parametrize("rule", [optimizers.adam(0.1), optimizers.gome(0.1, capacity=2)])
@pytest.mark.parametrize("policy", [None, optimizers.POLICIES["best_of_n"](2)])
def test_a_recycled_run_is_reset_in_every_node(rule, policy):
    strategy = optimizers.directed(rule, policy=policy)
    run = optimizers.init(strategy, ORIGIN, jax.random.key(0), steps=6)
    rng = np.random.default_rng(0)
    run = run._replace(
        params=rng.normal(size=run.params.shape).astype(np.float32),
        rule_state=jax.tree.map(
            lambda x: rng.integers(1, 9, x.shape).astype(x.dtype), run.rule_state
        ),
    )
    slot, nodes = 2, len(run.score)
    reset = jax.jit(functools.partial(recycle_run, strategy))(run, slot)
    assert_array_equal(reset.params[:, slot], np.full(nodes, ORIGIN[slot]))
    assert_array_equal(reset.params[:, :slot], run.params[:, :slot])
    alone = jax.jit(lambda state: recycle(rule, state, slot, ORIGIN))
    expected = [alone(jax.tree.map(lambda x, i=i: x[i], run.rule_state)) for i in range(nodes)]
    assert_trees_equal(reset.rule_state, jax.tree.map(lambda *x: jnp.stack(x), *expected))
    changed = jax.tree.map(
        lambda a, b: (np.asarray(a) != b).any(), reset.rule_state, run.rule_state
    )
    assert any(jax.tree.leaves(changed))
    same = reset._replace(params=run.params, rule_state=run.rule_state, key=run.key)
    assert_trees_equal(same._replace(key=0), run._replace(key=0))


def test_a_rule_without_a_state_gives_up_the_parameter_alone():
    strategy = optimizers.directed(optimizers.sgd(0.1))
    run = optimizers.init(strategy, ORIGIN, jax.random.key(0), steps=6)
    run = run._replace(params=run.params + 3.0)
    reset = recycle_run(strategy, run, 2)
    assert_array_equal(reset.params, run.params.at[:, 2].set(ORIGIN[2]))
    assert jax.tree.structure(reset) == jax.tree.structure(run)
