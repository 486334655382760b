"""Success memory against an implementation that keeps a plain Python list, and law by law."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import optimizers
from optimizers import scale_by_success_memory
from tests.optimizers import strategies as draw
from tests.optimizers.strategies import DIM, STEPS, float64, unroll
from tests.statistical import assert_estimate

CLIP, WEIGHT = 0.7, 0.3


def close(actual, expected):
    assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


# --- a reference written from the description ----------------------------------------------------


def reference(
    gradients, values, steps, *, decay, weight, similarity, gain, half_life, clip, capacity
):
    """Updates of success memory; `memory` is a list of (direction, gain, step)."""
    memory, pending, updates = [], None, []

    def weights(unit, now):
        if not memory:
            return np.zeros(0)
        scale = np.sqrt(np.mean([g**2 for _, g, _ in memory])) or 1.0
        fading = similarity * 0.5 ** (now / half_life)
        logits = [fading * (u @ unit) + gain * np.tanh(g / scale) for u, g, _ in memory]
        odds = np.exp(np.clip(logits, -clip, clip))
        age = np.array([now - then for _, _, then in memory])
        return len(memory) * odds / odds.sum() * decay**age

    for gradient, value, now in zip(gradients, values, steps, strict=True):
        if pending is not None:
            direction, value_then, then = pending
            success = (direction, value_then - value, then)
            if len(memory) < capacity:
                memory.append(success)
            else:
                memory[int(np.argmin(weights(direction, now)))] = success
        norm = np.linalg.norm(gradient)
        unit = gradient / norm if norm else gradient
        recalled = sum(
            (w * u for w, (u, _, _) in zip(weights(unit, now), memory, strict=True)),
            np.zeros_like(unit),
        )
        updates.append(norm * (unit + weight * recalled))
        pending = (unit, value, now) if norm else None
    return np.array(updates)


KERNELS = [
    {"decay": 0.9, "weight": 0.3, "similarity": 1.0, "gain": 1.0, "half_life": 30.0, "clip": 2.0},
    {"decay": 0.5, "weight": 2.0, "similarity": -3.0, "gain": 0.4, "half_life": 2.0, "clip": 0.5},
    {"decay": 1.0, "weight": 1.0, "similarity": 0.0, "gain": 5.0, "half_life": 9.0, "clip": 9.0},
]
CASES = [
    ({**kernel, "capacity": capacity}, scale_by_success_memory(**kernel, capacity=capacity))
    for kernel, capacity in zip(KERNELS, (32, 3, 1), strict=True)
]


@pytest.mark.parametrize(("kernel", "rule"), CASES)
@given(seed=draw.seeds, silent=st.sets(st.integers(0, STEPS - 1)))
def test_equals_the_reference(kernel, rule, seed, silent):
    random = np.random.default_rng(seed)
    gradients = random.normal(size=(STEPS, DIM))
    gradients[list(silent)] = 0.0
    values = random.normal(size=STEPS)
    steps = np.cumsum(random.integers(0, 4, STEPS))
    updates = unroll(rule, gradients, value=values, step=steps)
    close(updates, reference(gradients, values, steps, **kernel))


# --- laws ----------------------------------------------------------------------------------------

GOME = scale_by_success_memory(0.9, WEIGHT)
FLAT = scale_by_success_memory(0.8, WEIGHT, similarity=0.0, gain=0.0)
WEIGHTLESS = scale_by_success_memory(weight=0.0)
TIMELESS = scale_by_success_memory(1.0, WEIGHT, clip=CLIP)
SATURATED = scale_by_success_memory(1.0, WEIGHT, similarity=100.0, gain=100.0, clip=CLIP)


@given(gradients=draw.sequences, values=draw.values)
def test_without_weight_it_is_sgd(gradients, values):
    close(unroll(WEIGHTLESS, gradients, value=values), gradients)


@given(gradient=draw.gradients)
def test_empty_memory_changes_nothing(gradient):
    close(unroll(GOME, gradient[None]), gradient[None])


@given(gradients=draw.sequences, values=draw.values)
def test_a_flat_kernel_is_momentum_over_unit_innovations(gradients, values):
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    units = gradients / np.where(norms > 0, norms, 1.0)
    t = np.arange(STEPS)
    weights = np.where(t[:, None] > t, 0.8 ** np.abs(t[:, None] - t), 0.0)
    expected = norms * (units + WEIGHT * weights @ units)
    close(unroll(FLAT, gradients, value=values), expected)


@given(gradients=draw.sequences, gaps=st.lists(st.integers(0, 9), min_size=STEPS, max_size=STEPS))
def test_a_memory_fades_with_steps_not_with_updates(gradients, gaps):
    steps = np.cumsum(gaps)
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    units = gradients / np.where(norms > 0, norms, 1.0)
    t = np.arange(STEPS)
    weights = np.where(t[:, None] > t, 0.8 ** np.abs(steps[:, None] - steps), 0.0)
    expected = norms * (units + WEIGHT * weights @ units)
    close(unroll(FLAT, gradients, step=steps), expected)


@given(
    gradients=draw.sequences,
    values=draw.values,
    scale=st.floats(1e-6, 1e6),
    offset=st.floats(-10, 10),
)
def test_gains_are_free_of_units(gradients, values, scale, offset):
    plain = unroll(GOME, gradients, value=values)
    close(unroll(GOME, gradients, value=scale * values), plain)
    shifted = unroll(GOME, gradients, value=values + offset)
    assert_allclose(shifted, plain, rtol=1e-6, atol=1e-6)  # subtraction cancels digits


def remembered(rule, directions, values, probe=3):
    """Weight of memory by slot: what a unit gradient along slot `probe` recalls."""
    gradients = np.eye(DIM)[[*directions, probe]]
    last = unroll(rule, gradients, value=np.asarray(values, float))[-1]
    return (last - np.eye(DIM)[probe]) / WEIGHT


def test_a_step_that_lowered_the_loss_weighs_more_than_one_that_raised_it():
    # Loss 0, then 1 lower, then 1 higher: gains +1 and -1, root mean square 1.
    good, bad, *_ = remembered(TIMELESS, [0, 1], [0.0, -1.0, 0.0])
    assert_allclose(good / bad, np.exp(2 * min(np.tanh(1.0), CLIP)), rtol=1e-9)
    assert good > 1 > bad


def test_a_duplicate_counts_double():
    once = remembered(TIMELESS, [0, 1], [0.0, -1.0, -2.0])
    twice = remembered(TIMELESS, [0, 0, 1], [0.0, -1.0, -2.0, -3.0])
    assert_allclose(twice[0] / twice[1], 2 * once[0] / once[1], rtol=1e-9)
    assert_allclose(twice[:2], [2.0, 1.0], rtol=1e-9)


@given(
    directions=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    seed=draw.seeds,
)
def test_odds_never_exceed_the_clamp(directions, seed):
    values = np.random.default_rng(seed).normal(size=len(directions) + 1)
    weights = remembered(SATURATED, directions, values)
    weights = weights / np.maximum(np.bincount(directions, minlength=DIM), 1)
    present = weights[sorted(set(directions))]
    assert present.max() / present.min() <= np.exp(2 * CLIP) * (1 + 1e-9)
    assert (weights >= 0).all()


def test_the_clamp_on_odds_is_attained():
    good, bad, *_ = remembered(SATURATED, [0, 1], [0.0, -1.0, 0.0])
    assert_allclose(good / bad, np.exp(2 * CLIP), rtol=1e-9)


def test_a_full_memory_forgets_its_least_weight():
    aged = scale_by_success_memory(0.5, WEIGHT, similarity=0.0, gain=0.0, capacity=2)
    assert_allclose(remembered(aged, [0, 1, 2], [0.0] * 4), [0, 0.25, 0.5, 0], atol=1e-12)
    by_gain = scale_by_success_memory(1.0, WEIGHT, similarity=0.0, capacity=2)
    kept = remembered(by_gain, [0, 1, 2], [0.0, -2.0, -1.0, -2.0])
    assert (kept > 0).tolist() == [True, False, True, False]  # slot 1 had done harm


@given(gradients=draw.sequences, values=draw.values, rotation=draw.rotations())
def test_rotations_commute_also_where_steps_are_seen_to_be_carried_out(gradients, values, rotation):
    start = np.full(DIM, 0.3)
    plain = unroll(GOME, gradients, params=start, value=values)
    rotated = unroll(GOME, gradients @ rotation.T, params=rotation @ start, value=values)
    close(rotated, plain @ rotation.T)


# --- sampling ------------------------------------------------------------------------------------

KEYS = 4000
VALUES = np.array([0.0, -1.0, -1.5, 0.5])


def recalled_by_key(draws):
    """Memory vectors under many keys, and their expectation; slots 0, 1, 2 hold one memory each."""
    rule = scale_by_success_memory(0.9, WEIGHT, draws=draws)
    axes, probe = np.eye(DIM), np.full(DIM, 0.5)
    state = rule.init(axes[0])
    for axis, value in zip(axes[:3], VALUES[:3], strict=True):
        _, state = rule.update(axis, state, value=value)

    def recalled(key):
        return (rule.update(probe, state, value=VALUES[3], key=key)[0] - probe) / WEIGHT

    keys = jax.random.split(jax.random.key(0), KEYS)
    return np.asarray(jax.jit(jax.vmap(recalled))(keys)), np.asarray(recalled(None))


@pytest.mark.parametrize("draws", [1, 4])
def test_sampling_has_the_expectation_of_reading_everything(draws):
    sampled, expected = recalled_by_key(draws)
    stderr = sampled.std(axis=0)[:3] / np.sqrt(KEYS)
    assert_estimate(sampled.mean(axis=0)[:3], expected[:3], stderr)
    assert (stderr > 0).all()
    # Each draw of a memory counts 3 / draws times its fading.
    times = sampled[:, :3] / (3 / draws * 0.9 ** np.array([3, 2, 1]))
    assert_allclose(times, np.round(times), atol=1e-4)
    assert_allclose(times.sum(axis=1), draws, atol=1e-3)


def test_nothing_is_sampled_without_a_key_or_without_draws():
    _, expected = recalled_by_key(4)
    everything, same = recalled_by_key(None)
    assert_array_equal(same, expected)
    assert_allclose(everything, np.tile(expected, (KEYS, 1)), rtol=1e-6)


def test_sampling_from_an_empty_memory_changes_nothing():
    rule = scale_by_success_memory(draws=4)
    gradient = jnp.array([3.0, -4.0])
    update, _ = rule.update(gradient, rule.init(gradient), key=jax.random.key(0))
    assert_allclose(update, gradient, rtol=1e-6)


# --- through `settle` ----------------------------------------------------------------------------

STRATEGY = optimizers.directed(optimizers.gome(learning_rate=0.5))
ZERO, ONE = jnp.zeros(DIM), jnp.ones(DIM)
G1, G2 = jnp.array([0.0, -3.0, 4.0, 0.0]), jnp.array([1.0, 0.0, 0.0, 0.0])


@jax.jit
def draft(score=0.0):
    run = optimizers.init(STRATEGY, jnp.full(DIM, 0.1), jax.random.key(0), steps=9)
    expansion, run = optimizers.ask(STRATEGY, run)
    proposal = optimizers.propose(STRATEGY, run, expansion, jnp.zeros(DIM))
    observation = optimizers.observe(run, expansion, proposal.params, score)
    return optimizers.settle(STRATEGY, run, proposal, observation)[0]


@jax.jit
def step(run, gradient, score, carried_out=ONE, elsewhere=ZERO):
    """One step whose world carries out a share of the update and something else beside it."""
    expansion, run = optimizers.ask(STRATEGY, run)
    proposal = optimizers.propose(STRATEGY, run, expansion, gradient)
    params = optimizers.parent_params(run, expansion) + proposal.update * carried_out + elsewhere
    observation = optimizers.observe(run, expansion, params, score)
    return optimizers.settle(STRATEGY, run, proposal, observation)


@jax.jit
def memory_at_next_step(run):
    """The memory as the next proposal will see it."""
    expansion, run = optimizers.ask(STRATEGY, run)
    return optimizers.propose(STRATEGY, run, expansion, G2).rule_state[0].memory


def test_a_rejected_step_leaves_the_memory_bitwise_unchanged():
    run, _ = step(draft(), G1, score=1.0)
    after, decision = step(run, G2, score=0.5)
    assert not decision.accepted
    jax.tree.map(assert_array_equal, after.rule_state, run.rule_state)


def test_an_accepted_step_enters_with_its_direction_gain_and_step():
    run, decision = step(draft(score=-2.0), G1, score=1.5)
    assert decision.accepted
    run, _ = step(run, G2, score=0.0)  # rejected: time passes, nothing else
    memory = memory_at_next_step(run)
    assert memory.exists.tolist() == [True] + [False] * 31
    assert_allclose(memory.direction[0], G1 / 5.0, rtol=1e-6)
    assert memory.gain[0] == 3.5
    assert memory.step[0] == 1
    assert run.step == 3


def test_only_what_was_carried_out_is_remembered():
    run, _ = step(draft(), G1, score=1.0, carried_out=jnp.array([1.0, 1.0, 0.0, 1.0]))
    memory = memory_at_next_step(run)
    assert memory.direction[0].tolist() == [0.0, -1.0, 0.0, 0.0]


def test_a_success_that_carried_out_nothing_of_the_step_is_not_remembered():
    run, decision = step(draft(), G1, score=1.0, carried_out=ZERO, elsewhere=ONE.at[1:3].set(0.0))
    assert decision.accepted
    assert not memory_at_next_step(run).exists.any()


def test_an_accepted_step_that_changed_nothing_is_not_remembered():
    run, decision = step(draft(), G1, score=1.0, carried_out=ZERO)
    assert decision.accepted
    assert not memory_at_next_step(run).exists.any()


def test_a_crash_is_not_a_gain():
    """Repairing a failed node has no measurable gain: infinity must not enter the kernel."""
    rule = scale_by_success_memory()
    state = rule.init(jnp.zeros(2))
    _, state = rule.update(jnp.array([1.0, 0.0]), state, value=jnp.inf)
    update, state = rule.update(jnp.array([0.0, 1.0]), state, value=1.0)
    assert state.memory.gain[0] == 0.0
    assert np.isfinite(update).all()


# --- types and errors ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, jnp.float64])
def test_state_types_are_stable_in_double_precision_too(dtype):
    with float64():
        gradients = jnp.ones((5, 2), dtype)
        state = GOME.init(gradients[0])

        def body(state, gradient):
            update, state = GOME.update(gradient, state, value=jnp.float32(1.0))
            return state, update

        end, updates = jax.lax.scan(body, state, gradients)
        assert updates.dtype == dtype
        assert [x.dtype for x in jax.tree.leaves(end)] == [x.dtype for x in jax.tree.leaves(state)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"decay": 1.1},
        {"decay": -0.1},
        {"capacity": 0},
        {"half_life": 0.0},
        {"clip": -1.0},
        {"draws": 0},
    ],
)
def test_errors_name_the_argument(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        scale_by_success_memory(**wrong)
