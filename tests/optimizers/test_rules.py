"""Algebraic laws of the named rules, and any optax transformation as a rule.

Laws are checked in double precision, so that a tolerance of 1e-9 separates a law from an accident.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import optimizers
from tests.optimizers import strategies as draw
from tests.optimizers.strategies import DIM, STEPS, unroll

RATE, DECAY, B1, B2 = 0.5, 0.8, 0.9, 0.999
RULES = {
    "sgd": optimizers.sgd(RATE),
    "momentum": optimizers.momentum(RATE, DECAY),
    "nesterov": optimizers.nesterov(RATE, DECAY),
    "ema": optimizers.ema(RATE, DECAY),
    "adam": optimizers.adam(RATE, B1, B2, eps=0.0),
    "adamw": optimizers.adamw(RATE, B1, B2, eps=0.0, weight_decay=0.25),
    "amsgrad": optimizers.amsgrad(RATE, B1, B2, eps=0.0),
    "rms": optimizers.rms(RATE, DECAY, eps=1e-300),
    "sign": optimizers.sign(RATE),
    "lion": optimizers.lion(RATE),
    "gome": optimizers.gome(RATE),
}
LINEAR = ("sgd", "momentum", "nesterov")
ROTATION_EQUIVARIANT = (*LINEAR, "gome")  # and `ema` on `Embedded`: see test_rule_embedded.py
COORDINATE_WISE = tuple(name for name in RULES if name != "gome")
DEGREE_ZERO = ("adam", "adamw", "amsgrad", "rms", "sign", "lion")
every_rule = pytest.mark.parametrize("name", RULES)
every_linear_rule = pytest.mark.parametrize("name", LINEAR)


def unroll_named(name, gradients, **extra):
    """Updates of a rule of the table, from parameters at zero."""
    return unroll(RULES[name], gradients, params=np.zeros(np.shape(gradients)[1]), **extra)


def close(actual, expected):
    assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


def test_every_named_rule_is_under_test():
    assert set(RULES) == set(optimizers.RULES)


# --- symmetries ----------------------------------------------------------------------------------


@every_rule
def test_zero_gradients_give_zero_updates(name):
    assert_array_equal(unroll_named(name, np.zeros((STEPS, DIM))), 0.0)


@every_rule
@given(gradients=draw.sequences)
def test_opposite_gradients_give_opposite_updates(name, gradients):
    assert_array_equal(unroll_named(name, -gradients), -unroll_named(name, gradients))


@every_rule
@given(gradients=draw.sequences, scale=st.floats(1e-3, 1e3))
def test_homogeneous_of_its_degree(name, gradients, scale):
    factor = 1.0 if name in DEGREE_ZERO else scale
    expected = factor * unroll_named(name, gradients)
    assert_allclose(unroll_named(name, scale * gradients), expected, rtol=1e-9, atol=1e-9 * scale)


@given(
    gradients=draw.dense_sequences,
    scales=st.lists(st.floats(1e-3, 1e3), min_size=DIM, max_size=DIM),
)
def test_adam_ignores_the_scale_of_each_slot(gradients, scales):
    close(unroll(RULES["adam"], gradients * np.array(scales)), unroll(RULES["adam"], gradients))


def test_adam_with_eps_does_not_ignore_scale():
    rule = optimizers.adam(1.0, eps=1e-2)
    small, large = unroll(rule, [[1e-2]]), unroll(rule, [[1.0]])
    assert abs(small.item()) < 0.6 * abs(large.item())


@every_linear_rule
@given(g=draw.sequences, h=draw.sequences, a=draw.EIGHTHS, b=draw.EIGHTHS)
def test_linear(name, g, h, a, b):
    rule = RULES[name]
    close(unroll(rule, a * g + b * h), a * unroll(rule, g) + b * unroll(rule, h))


@pytest.mark.parametrize("name", [*DEGREE_ZERO, "gome", "ema"])
def test_not_linear(name):
    g, h = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, -0.5], [0.5, 0.5]])
    sum_of_both = unroll_named(name, g) + unroll_named(name, h)
    assert np.abs(unroll_named(name, g + h) - sum_of_both).max() > 0.01


@pytest.mark.parametrize("name", ROTATION_EQUIVARIANT)
@given(gradients=draw.sequences, values=draw.values, rotation=draw.rotations())
def test_rotation_equivariant(name, gradients, values, rotation):
    rule = RULES[name]
    rotated = unroll(rule, gradients @ rotation.T, value=values)
    close(rotated, unroll(rule, gradients, value=values) @ rotation.T)


@pytest.mark.parametrize("name", sorted(set(RULES) - set(ROTATION_EQUIVARIANT)))
def test_not_rotation_equivariant(name):
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
    gradients = np.array([[1.0, 0.0], [0.0, 1.0]])
    turned = unroll_named(name, gradients) @ turn.T
    assert np.abs(unroll_named(name, gradients @ turn.T) - turned).max() > 0.01


def test_adam_is_not_rotation_equivariant():
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
    gradient = np.array([[1.0, 0.0]])
    close(unroll(RULES["adam"], gradient) @ turn.T, RATE * np.array([[-1, -1]]) / np.sqrt(2))
    close(unroll(RULES["adam"], gradient @ turn.T), RATE * np.array([[-1, -1]]))


@every_rule
@given(gradients=draw.sequences, values=draw.values, order=st.permutations(range(DIM)))
def test_renaming_slots_renames_the_update(name, gradients, values, order):
    renamed = unroll_named(name, gradients[:, order], value=values)
    close(renamed, unroll_named(name, gradients, value=values)[:, order])


@every_rule
@given(gradients=draw.sequences, values=draw.values)
def test_a_slot_never_mentioned_changes_nothing_and_stays_zero(name, gradients, values):
    padded = unroll_named(name, np.insert(gradients, 2, 0.0, axis=1), value=values)
    assert_array_equal(padded[:, 2], 0.0)
    close(np.delete(padded, 2, axis=1), unroll_named(name, gradients, value=values))


@every_linear_rule
@given(gradients=draw.sequences)
def test_merging_slots_commutes_with_linear_rules(name, gradients):
    merge = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    close(unroll(RULES[name], gradients @ merge), unroll(RULES[name], gradients) @ merge)


@pytest.mark.parametrize("name", [*DEGREE_ZERO, "gome", "ema"])
def test_merging_slots_does_not_commute_with_other_rules(name):
    gradients, merge = np.array([[1.0, 0.0], [0.5, 3.0]]), np.ones((2, 1))
    merged = unroll_named(name, gradients) @ merge
    assert np.abs(unroll_named(name, gradients @ merge) - merged).max() > 0.01


def test_merging_slots_does_not_commute_with_adam():
    gradients, merge = np.array([[1.0, 3.0]]), np.ones((2, 1))
    close(unroll(RULES["adam"], gradients @ merge), [[-RATE]])
    close(unroll(RULES["adam"], gradients) @ merge, [[-2 * RATE]])


# --- closed forms --------------------------------------------------------------------------------


@given(gradients=draw.sequences)
def test_momentum_is_the_decayed_sum(gradients):
    t = np.arange(STEPS)
    weights = np.where(t[:, None] >= t, DECAY ** np.maximum(t[:, None] - t, 0), 0.0)
    trace = weights @ gradients
    close(unroll(RULES["sgd"], gradients), -RATE * gradients)
    close(unroll(RULES["momentum"], gradients), -RATE * trace)
    close(unroll(RULES["nesterov"], gradients), -RATE * (gradients + DECAY * trace))


ADAM, OPTAX_ADAM = optimizers.adam(RATE), optax.adam(RATE)


@settings(max_examples=10)
@given(gradients=draw.dense_sequences)
def test_adam_equals_optax_in_single_precision(gradients):
    gradients = gradients.astype(np.float32)
    ours, theirs = ADAM, OPTAX_ADAM
    state, their_state = ours.init(gradients[0]), theirs.init(gradients[0])
    for gradient in gradients:
        update, state = ours.update(gradient, state)
        expected, their_state = theirs.update(gradient, their_state)
        assert update.dtype == jnp.float32
        assert_allclose(update, expected, rtol=1e-6)


@given(gradients=draw.gradients)
def test_first_adam_step_is_the_sign(gradients):
    close(unroll(RULES["adam"], gradients[None]), -RATE * np.sign(gradients)[None])


SIGN = optimizers.adam(RATE, b1=0.0, b2=0.0, eps=0.0)


@given(gradients=draw.sequences)
def test_adam_without_memory_is_sign_descent(gradients):
    close(unroll(SIGN, gradients), -RATE * np.sign(gradients))


def largest_adam_step(t):
    """Cauchy-Schwarz bound on Adam's update in units of the learning rate; b1^2 < b2."""
    x = B1**2 / B2
    correction = (1 - B1) * np.sqrt(1 - B2**t) / ((1 - B1**t) * np.sqrt(1 - B2))
    return correction * np.sqrt((1 - x**t) / (1 - x))


@given(gradients=draw.dense_sequences)
def test_adam_step_is_bounded(gradients):
    bound = RATE * largest_adam_step(np.arange(1, STEPS + 1))
    assert (np.abs(unroll(RULES["adam"], gradients)) <= bound[:, None] * (1 + 1e-9)).all()


def test_adam_bound_is_attained_and_is_not_the_popular_one():
    steps = 6000
    gradients = (B1 / B2) ** np.arange(steps)[::-1, None]
    last = -unroll(RULES["adam"], gradients)[-1, 0] / RATE
    assert_allclose(last, largest_adam_step(steps), rtol=1e-6)
    assert_allclose(largest_adam_step(10**6), 7.27, atol=0.005)
    assert last > 2 * (1 - B1) / np.sqrt(1 - B2)


# --- birth and silence ---------------------------------------------------------------------------


def first_step_of_newborn(rule, born):
    """First update of a slot born at step `born`, over that of the slot born at step 0."""
    gradients = np.ones((born + 1, 2))
    gradients[:born, 1] = 0.0
    updates = unroll(rule, gradients, params=np.zeros(2))
    return updates[born, 1] / updates[0, 0]


@pytest.mark.parametrize("born", [1, 10, 1000])
@pytest.mark.parametrize("name", COORDINATE_WISE)
def test_newborn_slots_take_the_step_of_the_firstborn(name, born):
    assert_allclose(first_step_of_newborn(RULES[name], born), 1.0, rtol=1e-9)


OPTAX_EMA = optax.ema(0.9)


@pytest.mark.parametrize(
    ("rule", "born", "ratio"),
    [
        (OPTAX_ADAM, 10, 0.48),
        (OPTAX_ADAM, 1000, 2.5),
        (OPTAX_EMA, 10, 0.15),
        (OPTAX_EMA, 1000, 0.1),
    ],
)
def test_optax_mistreats_newborns(rule, born, ratio):
    assert_allclose(first_step_of_newborn(rule, born), ratio, rtol=0.03)


@pytest.mark.parametrize("name", COORDINATE_WISE)
@given(
    gradients=draw.dense_sequences,
    births=st.lists(st.integers(0, STEPS), min_size=DIM, max_size=DIM),
)
def test_every_slot_lives_on_its_own_clock(name, gradients, births):
    """Delaying the history of one slot delays its updates and touches no other."""

    def delay(sequence):
        late = np.zeros((2 * STEPS, DIM))
        for slot, birth in enumerate(births):
            late[birth : birth + STEPS, slot] = sequence[:, slot]
        return late

    delayed = unroll_named(name, delay(gradients))
    punctual = unroll_named(name, np.vstack([gradients, np.zeros((STEPS, DIM))]))
    for slot, birth in enumerate(births):
        close(delayed[birth:, slot], punctual[: 2 * STEPS - birth, slot])


@given(gradients=draw.dense_sequences)
def test_updates_fade_when_gradients_stop(gradients):
    silent = 50
    k = np.arange(1, silent + 1)[:, None]
    gradients = np.vstack([gradients, np.zeros((silent, DIM))])
    after = {name: unroll_named(name, gradients)[STEPS - 1 :] for name in RULES}
    for name in ("sgd", "sign", "rms", "gome"):
        assert_array_equal(after[name][1:], 0.0)
    close(after["momentum"][1:], DECAY**k * after["momentum"][0])
    close(after["nesterov"][2:], DECAY ** k[:-1] * after["nesterov"][1])
    t = STEPS + k
    close(after["ema"][1:], (DECAY**k - DECAY**t) / (1 - DECAY**t) * after["ema"][0])
    first = B1**k * (1 - B1**STEPS) / (1 - B1**t)
    second = B2**k * (1 - B2**STEPS) / (1 - B2**t)
    close(after["adam"][1:], first / np.sqrt(second) * after["adam"][0])
    close(after["amsgrad"][1:], first * after["amsgrad"][0])


def test_lion_never_falls_silent():
    gradients = np.vstack([np.ones((STEPS, 1)), np.zeros((1000, 1))])
    close(unroll_named("lion", gradients), -RATE)


def test_adamw_forgets_what_is_no_longer_mentioned():
    gradients = np.vstack([np.ones((STEPS, 1)), np.zeros((300, 1))])
    params = np.cumsum(unroll_named("adamw", gradients), axis=0)
    assert abs(params[-1, 0]) < 1e-6 < abs(params[STEPS - 1, 0])


# --- types ---------------------------------------------------------------------------------------


def dtypes(tree):
    return [x.dtype for x in jax.tree.leaves(tree)]


@every_rule
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_keeps_dtype_structure_and_moves_downhill(name, dtype):
    params = {"a": jnp.ones(2, dtype), "b": [jnp.full((1, 3), -1, dtype)]}
    rule = optimizers.RULES[name](0.125)
    advance = jax.jit(rule.update)
    state = rule.init(params)
    types = dtypes(state)
    start = params
    for step in range(4):
        update, state = advance(params, state, params, value=1.0, step=step)
        assert dtypes(state) == types
        assert dtypes(update) == dtypes(params)
        params = optax.apply_updates(params, update)
    shrunk = jax.tree.map(lambda x, y: bool((abs(y) < abs(x)).all()), start, params)
    assert all(jax.tree.leaves(shrunk))


@pytest.mark.parametrize("decays", [{"b1": 1.0}, {"b2": -0.1}, {"b1": float("nan")}])
def test_adam_says_which_decay_is_wrong(decays):
    with pytest.raises(ValueError, match=next(iter(decays))):
        optimizers.adam(**decays)


# --- any optax transformation is a rule ----------------------------------------------------------

OPTAX_RULES = {
    "lion": optax.lion(0.05),
    "rmsprop": optax.rmsprop(0.05),
    "adagrad": optax.adagrad(0.3),
    "adamw_needs_params": optax.adamw(0.1),
    "clipped": optax.chain(optax.clip_by_global_norm(0.5), optax.adam(0.1)),
    "yogi": optax.yogi(0.1),
    "schedule": optax.sgd(optax.cosine_decay_schedule(0.2, 20)),
    "accumulated": optax.MultiSteps(optax.sgd(0.2), 2).gradient_transformation(),
    "injected": optax.inject_hyperparams(optax.sgd)(learning_rate=0.1, momentum=0.5),
    "noisy_with_key_in_state": optax.chain(
        optax.add_noise(0.1, 0.55, jax.random.key(1)), optax.sgd(0.1)
    ),
    "polyak_needs_value": optax.polyak_sgd(),
    "plateau_needs_value": optax.chain(optax.sgd(0.1), optax.contrib.reduce_on_plateau()),
    "schedule_free": optax.contrib.schedule_free(optax.sgd(0.1), 0.1),
    "masked": optax.masked(optax.sgd(0.1), True),
}


@pytest.mark.parametrize("name", OPTAX_RULES)
def test_any_optax_transformation_is_a_rule(name):
    """Twenty steps on a sphere: compiles, ends where it should, keeps every dtype."""
    strategy = optimizers.directed(OPTAX_RULES[name], gate=optimizers.gates.always())
    target = jnp.array([1.0, -1.0, 0.5])

    def step(run, _):
        expansion, run = optimizers.ask(strategy, run)
        direction = optimizers.parent_params(run, expansion) - target
        proposal = optimizers.propose(strategy, run, expansion, direction)
        score = -0.5 * ((proposal.params - target) ** 2).sum()
        observation = optimizers.observe(run, expansion, proposal.params, score)
        run, _ = optimizers.settle(strategy, run, proposal, observation)
        return run, score

    start = optimizers.init(strategy, jnp.zeros(3), jax.random.key(0), steps=20)
    end, scores = jax.jit(lambda run: jax.lax.scan(step, run, length=20))(start)
    assert jax.tree.map(jnp.shape, end) == jax.tree.map(jnp.shape, start)
    assert dtypes(end) == dtypes(start)
    assert np.isfinite(scores).all()
    assert scores[-1] > scores[0]
