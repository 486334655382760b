"""Laws of the unbiased average, and of momentum and averages in time."""

from __future__ import annotations

import numpy as np
import optax
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import optimizers
from tests.optimizers import strategies as draw
from tests.optimizers.strategies import DIM, STEPS, unroll

B = 0.8
EMA = optimizers.scale_by_slot_ema(B)
IDENTITY = optimizers.scale_by_slot_ema(0.0)
RAW = optax.ema(B, debias=False)
TRACE = optax.trace(B)
MOMENTUM = optimizers.momentum(0.5, B)
NESTEROV = optimizers.nesterov(0.5, B)


def close(actual, expected):
    assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


def weights(steps):
    """Row `t` holds the uncorrected weight `(1-b) b^(t-s)` of each gradient `s`."""
    age = np.subtract.outer(np.arange(steps), np.arange(steps))
    return np.where(age >= 0, (1 - B) * B ** np.maximum(age, 0), 0.0)


@given(gradients=draw.dense_sequences)
def test_closed_form(gradients):
    total = 1 - B ** np.arange(1, STEPS + 1)[:, None]
    close(unroll(EMA, gradients), weights(STEPS) @ gradients / total)
    close(unroll(RAW, gradients), weights(STEPS) @ gradients)


def test_weights_sum_to_one_minus_b_to_the_t_and_corrected_to_one():
    """Read off the rule: gradient `s` is one at slot `s` after a first word from every slot."""
    impulses = np.eye(STEPS)
    sums = unroll(RAW, impulses).sum(axis=1)
    close(sums, 1 - B ** np.arange(1, STEPS + 1))
    close(unroll(EMA, np.ones((STEPS, 1)))[:, 0], 1.0)
    # A slot whose later gradients are zero keeps the corrected weight of its first.
    t = np.arange(1, STEPS + 1)
    corrected = (1 - B) * B ** (t - 1) / (1 - B**t)
    close(unroll(EMA, np.eye(STEPS)[:, :1])[:, 0], corrected)


@given(gradient=draw.gradients)
def test_exact_on_constants(gradient):
    close(unroll(EMA, np.tile(gradient, (STEPS, 1))), np.tile(gradient, (STEPS, 1)))


@given(gradients=draw.dense_sequences)
def test_between_the_smallest_and_the_largest_so_far(gradients):
    average = unroll(EMA, gradients)
    assert (average <= np.maximum.accumulate(gradients) + 1e-12).all()
    assert (average >= np.minimum.accumulate(gradients) - 1e-12).all()


@given(gradients=draw.sequences)
def test_no_decay_is_the_identity(gradients):
    assert_array_equal(unroll(IDENTITY, gradients), gradients)


@given(gradients=draw.sequences)
def test_uncorrected_it_is_the_momentum_buffer_scaled(gradients):
    close(unroll(RAW, gradients), (1 - B) * unroll(TRACE, gradients))
    total = 1 - B ** np.arange(1, STEPS + 1)[:, None]
    born_at_once = gradients + np.where(gradients[:1] == 0, 4.0, 0.0)
    close(unroll(EMA, born_at_once) * total, (1 - B) * unroll(TRACE, born_at_once))


@given(s=st.integers(0, 9), t=st.integers(0, 9))
def test_decay_is_a_semigroup(s, t):
    """Silence of `s + t` steps is silence of `s` and then of `t`: the buffer loses b^(s+t)."""

    def left(silent):
        impulse = np.zeros((silent + 1, 1))
        impulse[0] = 1.0
        return unroll(TRACE, impulse)[-1, 0]

    close(left(s + t), left(s) * left(t))
    close(left(s), B**s)


@given(g=draw.dense_sequences, h=draw.dense_sequences, a=st.sampled_from([0.5, 1.0, 3.0]))
def test_linear_where_all_slots_start_together(g, h, a):
    h[0] = np.sign(g[0]) * abs(h[0])  # so that the sum speaks at the first step too
    close(unroll(EMA, a * g + h), a * unroll(EMA, g) + unroll(EMA, h))


@given(gradients=draw.dense_sequences, rotation=draw.rotations())
def test_isometries_commute_where_all_slots_start_together(gradients, rotation):
    close(unroll(EMA, gradients @ rotation.T), unroll(EMA, gradients) @ rotation.T)


def test_a_late_birth_breaks_rotations_on_plain_vectors():
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
    gradients = np.eye(2)
    turned = unroll(EMA, gradients) @ turn.T
    assert np.abs(unroll(EMA, gradients @ turn.T) - turned).max() > 0.1


@pytest.mark.parametrize("rule", [EMA, MOMENTUM, NESTEROV, TRACE])
@given(gradients=draw.sequences, shift=st.integers(1, 5))
def test_invariant_to_shifts_in_time(rule, gradients, shift):
    late = np.vstack([np.zeros((5, DIM)), gradients])[5 - shift :]
    later = unroll(rule, np.vstack([late, np.zeros((5 - shift, DIM))]))
    assert_array_equal(later[:shift], 0.0)
    close(later[shift : shift + STEPS], unroll(rule, gradients))


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan")])
def test_errors_name_the_decay(decay):
    for build in (optimizers.ema, optimizers.momentum, optimizers.nesterov, optimizers.rms):
        with pytest.raises(ValueError, match=r"`decay` .* \[0, 1\)"):
            build(decay=decay)
