"""Rules made of a rule: against optax, by their laws, and through accepted and rejected steps."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import optimizers
from optimizers.rules.schedule import SCHEDULES
from tests.optimizers import strategies as draw
from tests.optimizers.strategies import DIM, STEPS, float64, unroll

START = np.array([0.5, -1.0, 2.0, 0.0])
ADAM = optimizers.adam(0.3, eps=1e-3)


def close(actual, expected):
    assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


WRAPPED = {name: wrap(optimizers.momentum(0.5)) for name, wrap in optimizers.WRAPPERS.items()}


@pytest.mark.parametrize("name", WRAPPED)
@given(gradients=draw.sequences)
def test_no_wrapper_moves_on_zero_or_prefers_a_sign(name, gradients):
    rule, origin = WRAPPED[name], np.zeros(DIM)
    assert_array_equal(unroll(rule, 0 * gradients, params=START), 0.0)
    up, down = (unroll(rule, s * gradients, params=origin) for s in (1, -1))
    assert_array_equal(up, -down)


@pytest.mark.parametrize("name", sorted(set(WRAPPED) - {"clipped"}))
@given(g=draw.sequences, h=draw.sequences, a=draw.EIGHTHS)
def test_wrappers_but_clipping_keep_a_linear_rule_linear(name, g, h, a):
    def updates(gradients):
        return unroll(WRAPPED[name], gradients, params=np.zeros(DIM))

    close(updates(a * g + h), a * updates(g) + updates(h))


# --- clipped -------------------------------------------------------------------------------------

CLIPPED_ADAM = optimizers.clipped(ADAM, 0.2)
OPTAX_CLIPPED = optax.chain(optax.adam(0.3, eps=1e-3), optax.clip_by_global_norm(0.2))
WIDE = optimizers.clipped(ADAM, 1e6)


@given(gradients=draw.dense_sequences)
def test_clipping_bounds_the_size_of_an_edit_and_keeps_its_direction(gradients):
    free, clipped = unroll(ADAM, gradients), unroll(CLIPPED_ADAM, gradients)
    norm = np.linalg.norm(free, axis=1, keepdims=True)
    close(clipped, free * np.minimum(1.0, 0.2 / norm))
    close(clipped, unroll(OPTAX_CLIPPED, gradients))
    assert_array_equal(unroll(WIDE, gradients), free)


# --- scheduled -----------------------------------------------------------------------------------

N = 20
SGD = optimizers.sgd(1.0)
NAMED = {name: optimizers.scheduled(SGD, name, N) for name in SCHEDULES}
OWN = optimizers.scheduled(SGD, lambda count: 1.0 / (count + 1))


def factors(rule, steps):
    return -unroll(rule, np.ones((steps, 1)))[:, 0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cosine", optax.cosine_decay_schedule(1.0, N)),
        ("linear", optax.linear_schedule(1.0, 0.0, N)),
        ("exponential", optax.exponential_decay(1.0, N, 0.01, end_value=0.01)),
        ("warmup_cosine", optax.warmup_cosine_decay_schedule(0.1, 1.0, N // 10, N)),
        ("warmup_linear", lambda t: np.interp(t, [0, N // 10, N], [0.1, 1.0, 0.0])),
    ],
)
def test_named_schedules_are_those_of_optax(name, expected):
    with float64():
        factor = [float(expected(t)) for t in range(N + 5)]
    assert_allclose(factors(NAMED[name], N + 5), factor, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_no_schedule_is_zero_before_its_end(name):
    """A step of zero is never accepted, so the count would stop for good."""
    factor = factors(NAMED[name], N + 1)
    assert (factor[:-1] > 0).all()
    assert factor.max() == pytest.approx(1.0, rel=1e-9)
    assert factor[-1] == pytest.approx(0.01 if name == "exponential" else 0.0, abs=1e-12)


def test_a_schedule_of_ones_own_sees_the_count():
    close(factors(OWN, 5), 1 / np.arange(1, 6))


# --- accumulated ---------------------------------------------------------------------------------

ACCUMULATED = {k: optimizers.accumulated(ADAM, k) for k in (1, 2, 3)}
MULTI_STEPS = {
    k: optax.MultiSteps(optax.adam(0.3, eps=1e-3), k).gradient_transformation() for k in (1, 2, 3)
}
BATCH = optimizers.accumulated(optimizers.momentum(0.5), STEPS)


@pytest.mark.parametrize("every", ACCUMULATED)
def test_accumulation_is_that_of_optax(every):
    gradients = np.random.default_rng(every).normal(size=(12, DIM))
    # Optax accumulates in float32.
    assert_allclose(
        unroll(ACCUMULATED[every], gradients), unroll(MULTI_STEPS[every], gradients), rtol=3e-6
    )


@given(gradients=draw.sequences, order=st.permutations(range(STEPS)))
def test_the_diagnoses_of_a_batch_come_in_any_order(gradients, order):
    updates = unroll(BATCH, gradients)
    close(updates, unroll(BATCH, gradients[order]))
    assert_array_equal(updates[:-1], 0.0)
    close(updates[-1], -0.5 * gradients.mean(0))


# --- lookahead -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("every", "slow"), [(1, 0.5), (3, 0.5), (4, 0.2), (3, 1.0)])
def test_lookahead_is_that_of_optax_on_plain_parameters(every, slow):
    gradients = np.random.default_rng(0).normal(size=(13, DIM))
    ours = unroll(optimizers.lookahead(ADAM, every, slow), gradients, params=START)
    with float64():
        theirs = optax.lookahead(optax.adam(0.3, eps=1e-3), every, slow)
        pair = optax.LookaheadParams.init_synced(jnp.asarray(START))
        state, updates = theirs.init(pair), []
        for gradient in gradients:
            update, state = theirs.update(gradient, state, pair)
            pair = optax.apply_updates(pair, update)
            updates.append(update.fast)
    assert_allclose(ours, updates, rtol=1e-10, atol=1e-10)


def test_lookahead_says_that_it_needs_the_parameters():
    rule = optimizers.lookahead(SGD)
    with pytest.raises(ValueError, match="`lookahead` needs `params`"):
        rule.update(START, rule.init(START))


def test_slow_weights_start_where_the_first_step_does():
    """A draft ends up elsewhere than the origin that its state was made for."""
    rule = optimizers.lookahead(SGD, every=2, slow_step_size=0.5)
    state, params = rule.init(jnp.zeros(1)), jnp.full(1, 10.0)
    for _ in range(2):
        update, state = rule.update(jnp.ones(1), state, params)
        params += update
    assert params[0] == 9.0


# --- reused --------------------------------------------------------------------------------------

REUSED = {k: optimizers.reused(ADAM, k) for k in (1, 2, 3)}


@pytest.mark.parametrize("every", REUSED)
@settings(max_examples=10)
@given(gradients=draw.dense_sequences)
def test_a_diagnosis_serves_several_steps(every, gradients):
    held = gradients[np.arange(STEPS) // every * every]
    close(unroll(REUSED[every], gradients), unroll(ADAM, held))


# --- through `ask`, `propose` and `settle` -------------------------------------------------------


def run_with(rule, scores):
    """One draft with score 0, then DESCEND steps that score as told; (run, proposals, needed)."""
    strategy = optimizers.directed(rule)
    run = optimizers.init(strategy, jnp.zeros(2), jax.random.key(0), steps=20)
    proposals, needed = [], []
    for i, score in enumerate([0.0, *scores]):
        expansion, run = optimizers.ask(strategy, run)
        needed.append(bool(optimizers.needs_diagnosis(run, expansion)))
        proposal = optimizers.propose(strategy, run, expansion, jnp.array([float(i), 1.0]))
        observation = optimizers.observe(run, expansion, proposal.params, score)
        run, _ = optimizers.settle(strategy, run, proposal, observation)
        proposals.append(np.asarray(proposal.update))
    return run, np.array(proposals[1:]), needed[1:]


def test_what_is_gathered_outlives_a_rejection_and_moments_do_not():
    # Steps 1, 3 and 5 gather; 2 acts and is accepted, 4 acts and is rejected, 6 acts.
    _, updates, _ = run_with(
        optimizers.accumulated(optimizers.momentum(1.0, 0.5), 2), [0, 1, 1, -1, 1, 2]
    )
    first = np.array([1.5, 1.0])
    assert_array_equal(updates[[0, 2, 4]], 0.0)
    assert_allclose(updates[1], -first)
    assert_allclose(updates[3], -(0.5 * first + [3.5, 1.0]))
    assert_allclose(updates[5], -(0.5 * first + [5.5, 1.0]))


def test_a_held_diagnosis_serves_its_steps_accepted_or_not():
    _, updates, needed = run_with(optimizers.reused(SGD, 3), [-1, -1, 1, 0, 2, 3, 4])
    assert needed == [True, False, False, True, False, False, True]
    assert_array_equal(-updates[:, 0], [1, 1, 1, 4, 4, 4, 7])


def test_a_rejected_step_does_not_use_up_a_schedule():
    _, updates, _ = run_with(optimizers.scheduled(SGD, "linear", 4), [-1, -1, 1, 2, 0])
    assert_allclose(-updates[:, 1], [1.0, 1.0, 1.0, 0.75, 0.5])


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: optimizers.clipped(SGD, 0.0), "`max_norm` must be positive"),
        (lambda: optimizers.clipped(SGD, float("nan")), "`max_norm` must be positive"),
        (lambda: optimizers.scheduled(SGD, "cosin"), "Did you mean 'cosine'"),
        (lambda: optimizers.scheduled(SGD, steps=0), "`steps` must be positive"),
        (lambda: optimizers.accumulated(SGD, 0), "`every` must be at least 1"),
        (lambda: optimizers.reused(SGD, 0), "`every` must be at least 1"),
        (lambda: optimizers.lookahead(SGD, 0), "`every` must be at least 1"),
        (lambda: optimizers.consensus(SGD, "mode"), "There are: mean, median"),
    ],
)
def test_errors_name_the_argument(build, told):
    with pytest.raises(ValueError, match=told):
        build()


@pytest.mark.parametrize("name", ["accumulated", "reused"])
def test_rules_that_keep_one_diagnosis_refuse_several(name):
    rule = optimizers.WRAPPERS[name](SGD)
    with pytest.raises(optimizers.DiagnosesError, match=rf"`{name}` .* put `consensus"):
        rule.update(jnp.ones((3, 2)), rule.init(jnp.zeros(2)), jnp.zeros(2))


def test_hyperparameters_can_live_in_the_state():
    """`inject_hyperparams` traces them, so checks must not look at traced numbers."""
    for name, wrap in optimizers.WRAPPERS.items():
        if name == "learns_from_rejections":
            continue  # has none
        plain, injected = wrap(SGD), optax.inject_hyperparams(wrap)(SGD)
        gradient = jnp.array([0.3, -2.0])
        advance = jax.jit(injected.update)
        state, plain_state = injected.init(gradient), plain.init(gradient)
        for _ in range(3):
            update, state = advance(gradient, state, gradient)
            expected, plain_state = plain.update(gradient, plain_state, gradient)
            assert_allclose(update, expected, rtol=1e-6, err_msg=name)
