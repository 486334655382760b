"""Gates: order laws, and the false-accept rate on candidates that are no better."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm

import optimizers
from optimizers import gates

NUMBERS = st.floats(-10, 10, width=32)
SIZES = st.floats(0, 10, width=32)
GATES = {
    "always": gates.always(),
    "improved": gates.improved(),
    "improved_beyond_noise": gates.improved_beyond_noise(),
}


def observation(gain, gain_stderr=0.0):
    return optimizers.Observation(
        params=jnp.zeros(1),
        score=jnp.float32(0.0),
        stderr=jnp.float32(0.0),
        gain=jnp.float32(gain),
        gain_stderr=jnp.float32(gain_stderr),
        valid=jnp.array(True),
    )


def accepts(gate, gain, gain_stderr=0.0) -> bool:
    return bool(gate.decide(gate.init(), observation(gain, gain_stderr))[0])


def test_every_named_gate_is_under_test():
    assert set(GATES) == set(optimizers.GATES)


@pytest.mark.parametrize("name", GATES)
@given(low=NUMBERS, high=NUMBERS, stderr=SIZES)
def test_monotone_in_the_gain(name, low, high, stderr):
    low, high = sorted((low, high))
    assert accepts(GATES[name], low, stderr) <= accepts(GATES[name], high, stderr)


@given(gain=NUMBERS, stderr=SIZES, low=NUMBERS, high=NUMBERS, z=SIZES)
def test_antitone_in_the_threshold(gain, stderr, low, high, z):
    low, high = sorted((low, high))
    for gate in (gates.improved, lambda t: gates.improved_beyond_noise(z, t)):
        assert accepts(gate(high), gain, stderr) <= accepts(gate(low), gain, stderr)


@given(gain=NUMBERS, stderr=SIZES, low=SIZES, high=SIZES)
def test_antitone_in_z(gain, stderr, low, high):
    low, high = sorted((low, high))
    strict, loose = gates.improved_beyond_noise(high), gates.improved_beyond_noise(low)
    assert accepts(strict, gain, stderr) <= accepts(loose, gain, stderr)


@given(gain=NUMBERS, stderr=SIZES, threshold=NUMBERS)
def test_zero_standard_errors_is_the_naive_gate(gain, stderr, threshold):
    wary, naive = gates.improved_beyond_noise(0.0, threshold), gates.improved(threshold)
    assert accepts(wary, gain, stderr) == accepts(naive, gain, stderr)


@given(gain=NUMBERS)
def test_thresholds_at_infinity(gain):
    assert accepts(gates.improved(-np.inf), gain)
    assert not accepts(gates.improved(np.inf), gain)


def test_an_equal_score_is_no_improvement():
    assert not accepts(gates.improved(), 0.0)
    assert not accepts(gates.improved_beyond_noise(), 0.0)


@pytest.mark.parametrize("name", GATES)
def test_drafts_pass_and_unknown_gains_do_not(name):
    assert accepts(GATES[name], np.inf, 0.0)
    if name != "always":
        assert not accepts(GATES[name], np.nan, 0.1)


@given(gain=NUMBERS | st.just(np.nan), stderr=SIZES)
def test_always_accepts(gain, stderr):
    assert accepts(gates.always(), gain, stderr)


RUNS = 100_000


@functools.cache
def null_candidates():
    """Observations of candidates as good as their parents; both have known Gaussian noise."""
    return jax.jit(jax.vmap(null_candidate))(jax.random.split(jax.random.key(7), RUNS))


def null_candidate(key):
    strategy = optimizers.undirected(optimizers.search.sequential())
    run = optimizers.init(strategy, jnp.zeros(1), key, steps=1)
    key_parent, key_child, key_size = jax.random.split(key, 3)
    stderr = jax.random.uniform(key_size, (2,), minval=0.1, maxval=2.0)
    run = run._replace(
        score=3.0 + stderr[:1] * jax.random.normal(key_parent, (1,)), stderr=stderr[:1]
    )
    return optimizers.observe(
        run,
        optimizers.Expansion(jnp.int32(0), jnp.int32(optimizers.Operator.IMPROVE)),
        jnp.zeros(1),
        3.0 + stderr[1] * jax.random.normal(key_child),
        stderr=stderr[1],
    )


@pytest.mark.parametrize("z", [0.0, 0.5, 1.0, 2.0])
def test_false_accept_rate_is_the_gaussian_tail(z):
    gate = gates.improved_beyond_noise(z)
    accepted, _ = jax.vmap(gate.decide, (None, 0))(gate.init(), null_candidates())
    rate = norm.sf(z)
    standard_error = np.sqrt(rate * (1 - rate) / RUNS)
    assert abs(accepted.mean() - rate) < 4 * standard_error
