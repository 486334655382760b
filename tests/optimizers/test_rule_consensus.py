"""Several diagnoses at once: algebra of the aggregates, and of rules that act on them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

import optimizers
from optimizers.rules import consensus
from tests.optimizers import strategies as draw
from tests.optimizers.strategies import DIM, STEPS, float64, unroll

K = 5
stacks = arrays(np.float64, (K, DIM), elements=draw.EIGHTHS)
counts = arrays(np.float64, K, elements=st.integers(1, 9).map(float))
every_aggregate = pytest.mark.parametrize("how", consensus.AGGREGATES)


def close(actual, expected):
    assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


def aggregate(how, stack, counts=None):
    with float64():
        return np.asarray(consensus.AGGREGATES[how]({"g": jnp.asarray(stack)}, counts)["g"])


# --- aggregates ----------------------------------------------------------------------------------


@given(stack=stacks, counts=counts)
def test_against_numpy(stack, counts):
    close(aggregate("mean", stack), stack.mean(0))
    close(aggregate("median", stack), np.median(stack, axis=0))
    close(aggregate("weighted", stack, counts), np.average(stack, axis=0, weights=counts))
    votes = (stack > 0).sum(0) - (stack < 0).sum(0)
    assert_array_equal(aggregate("sign_vote", stack), np.sign(votes))


@every_aggregate
@given(stack=stacks, counts=counts, order=st.permutations(range(K)))
def test_reasoners_are_interchangeable(how, stack, counts, order):
    close(aggregate(how, stack[order], counts[order]), aggregate(how, stack, counts))


@every_aggregate
@given(gradient=draw.gradients)
def test_one_reasoner_is_heard_as_it_is(how, gradient):
    expected = np.sign(gradient) if how == "sign_vote" else gradient
    assert_array_equal(aggregate(how, gradient[None], np.array([3.0])), expected)


@given(stack=stacks, counts=counts, cut=st.integers(1, K - 1))
def test_weighted_reduction_is_associative_over_disjoint_groups(stack, counts, cut):
    groups = slice(None, cut), slice(cut, None)
    means = np.array([aggregate("weighted", stack[g], counts[g]) for g in groups])
    totals = np.array([counts[g].sum() for g in groups])
    close(aggregate("weighted", means, totals), aggregate("weighted", stack, counts))


def test_the_median_is_not_associative():
    stack = np.array([[0.0], [0.0], [1.0], [5.0], [9.0]])
    halves = np.array([aggregate("median", stack[:2]), aggregate("median", stack[2:])])
    assert aggregate("median", halves) != aggregate("median", stack)


@given(stack=stacks, wild=st.floats(-1e6, 1e6))
def test_two_of_five_cannot_move_the_median_beyond_the_others(stack, wild):
    stack[:2] = wild
    agreed, others = aggregate("median", stack), stack[2:]
    assert (agreed <= others.max(0)).all()
    assert (agreed >= others.min(0)).all()


def test_no_counts_at_all_give_no_step():
    assert_array_equal(aggregate("weighted", np.ones((2, 3)), np.zeros(2)), 0.0)


# --- rules on them -------------------------------------------------------------------------------

EMA = optimizers.ema(0.5, 0.8)
MEAN_EMA = optimizers.consensus(EMA)
COMMUTING = {"sgd": optimizers.sgd(0.5), "momentum": optimizers.momentum(0.5), "ema": EMA}
NOT_COMMUTING = {"adam": optimizers.adam(0.5), "sign": optimizers.sign(0.5)}
tensors = arrays(np.float64, (STEPS, K, DIM), elements=draw.NONZERO_EIGHTHS)


def mean_of_updates(rule, tensor):
    return np.mean([unroll(rule, tensor[:, k]) for k in range(K)], axis=0)


@pytest.mark.parametrize("name", COMMUTING)
@given(tensor=tensors)
def test_all_reduce_commutes_with_averages(name, tensor):
    tensor[0] = abs(tensor[0])  # all speak, and do not cancel, at the first step
    rule = COMMUTING[name]
    close(unroll(rule, tensor.mean(1)), mean_of_updates(rule, tensor))


@pytest.mark.parametrize("name", NOT_COMMUTING)
def test_all_reduce_does_not_commute_with_what_rescales(name):
    tensor = np.ones((1, K, 1))
    tensor[0, 0] = -8.0
    rule = NOT_COMMUTING[name]
    assert np.abs(unroll(rule, tensor.mean(1)) - mean_of_updates(rule, tensor)).max() > 0.1


@pytest.mark.parametrize("how", consensus.AGGREGATES)
def test_a_rule_acts_on_the_consensus(how):
    tensor = np.random.default_rng(0).normal(size=(STEPS, K, DIM))
    counts = np.arange(1.0, K + 1)
    rule = optimizers.consensus(EMA, how)
    agreed = np.array([aggregate(how, stack, counts) for stack in tensor])
    with float64():
        state, updates = rule.init(jnp.zeros(DIM)), []
        advance = jax.jit(rule.update)
        for stack in tensor:
            update, state = advance(jnp.asarray(stack), state, counts=counts)
            updates.append(update)
    close(updates, unroll(EMA, agreed))


@given(gradients=draw.sequences)
def test_a_single_diagnosis_needs_no_axis(gradients):
    assert_array_equal(unroll(MEAN_EMA, gradients), unroll(EMA, gradients))


def test_leaves_of_every_rank_are_stacked():
    rule = optimizers.consensus(optimizers.sgd(1.0))
    params = {"a": jnp.zeros(()), "b": jnp.zeros((2, 3))}
    stack = {"a": jnp.array([1.0, 3.0]), "b": jnp.stack([jnp.ones((2, 3)), jnp.zeros((2, 3))])}
    update, _ = rule.update(stack, rule.init(params), params)
    assert update["a"] == -2.0
    assert_array_equal(update["b"], np.full((2, 3), -0.5))


def test_propose_takes_several_diagnoses():
    strategy = optimizers.directed(optimizers.consensus(optimizers.sgd(1.0), "median"))
    run = optimizers.init(strategy, jnp.zeros(2), jax.random.key(0), steps=3)
    for stack in (jnp.zeros((3, 2)), jnp.array([[1.0, 0.0], [2.0, 5.0], [90.0, 6.0]])):
        expansion, run = optimizers.ask(strategy, run)
        proposal = optimizers.propose(strategy, run, expansion, stack)
        observation = optimizers.observe(run, expansion, proposal.params, score=1.0)
        run, _ = optimizers.settle(strategy, run, proposal, observation)
    assert_array_equal(proposal.update, [-2.0, -5.0])


@pytest.mark.parametrize("name", optimizers.RULES)
def test_propose_refuses_several_diagnoses_that_nothing_combines(name):
    """Broadcasting would otherwise give every diagnosis a candidate of its own."""
    strategy = optimizers.directed(optimizers.RULES[name]())
    run = optimizers.init(strategy, jnp.zeros(2), jax.random.key(0), steps=3)
    expansion, run = optimizers.ask(strategy, run)
    with pytest.raises(optimizers.DiagnosesError, match="consensus"):
        optimizers.propose(strategy, run, expansion, jnp.zeros((3, 2)))
