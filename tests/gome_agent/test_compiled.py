"""The compiled steps: the same as the plain ones, and small enough to run in the calling thread."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import optimizers
from gome_agent.compiled import Compiled, Seen

SLOTS = 128
STRATEGIES = {
    "sgd": optimizers.directed(optimizers.sgd()),
    "gome": optimizers.directed(optimizers.gome()),
    "reused": optimizers.directed(optimizers.reused(optimizers.sgd(), 2)),
    "tree": optimizers.directed(optimizers.sgd(), policy=optimizers.POLICIES["aide"]()),
}


def begin(strategy):
    run = optimizers.init(strategy, jnp.zeros(SLOTS), jax.random.key(3), 12)
    return Compiled(strategy), run


def seen(rng, base):
    return Seen(base, np.array([rng.normal(), 0.1, rng.random() < 0.8, rng.normal(), 0.1], "f4"))


def same(one, other):
    jax.tree.map(assert_array_equal, one._replace(key=0), other._replace(key=0))


def close(one, other):
    """Equal up to the rounding of a sum over slots."""
    allowed = SLOTS * np.finfo(np.float32).eps * np.linalg.norm(other)
    assert np.linalg.norm(one - other) <= allowed


@pytest.mark.parametrize("name", STRATEGIES)
def test_steps_are_those_of_the_optimizer(name):
    """A run step by step, asked for beforehand and read from reports, beside the plain functions.

    What was settled is taken over, since compiled arithmetic differs in the last digit.
    """
    strategy = STRATEGIES[name]
    compiled, run = begin(strategy)
    rng = np.random.default_rng(0)
    asked = compiled.ask(run, 0)
    for step in range(8):
        expansion, began = optimizers.ask(strategy, run)
        assert (asked.parent, asked.operator) == (int(expansion.parent), int(expansion.operator))
        assert asked.needs_diagnosis == bool(optimizers.needs_diagnosis(began, expansion))
        same(run._replace(policy=asked.policy), began)

        if asked.operator == optimizers.Operator.DESCEND:
            gradient = rng.normal(size=SLOTS).astype(np.float32)
            proposed = compiled.propose(began, expansion, gradient, step)
            plain = optimizers.propose(strategy, began, expansion, gradient)
            close(proposed.update, plain.update)
            close(proposed.proposal.params, plain.params)
            assert_array_equal(proposed.base, optimizers.parent_params(began, expansion))
            assert proposed.finite
            assert proposed.withheld == bool(optimizers.withholds(plain))
            proposal = proposed.proposal
        else:
            proposal = compiled.stay(began, expansion)
        settled = compiled.conclude(began, proposal, seen(rng, np.asarray(proposal.params)))
        run, asked = settled.run, settled.next


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_update_that_is_not_finite_is_reported(bad):
    compiled, run = begin(STRATEGIES["sgd"])
    expansion = optimizers.Expansion(jnp.int32(-1), jnp.int32(optimizers.Operator.DESCEND))
    gradient = np.zeros(SLOTS, np.float32)
    assert compiled.propose(run, expansion, gradient, 0).withheld
    gradient[7] = bad
    proposed = compiled.propose(run, expansion, gradient, 0)
    assert not proposed.finite
    assert not proposed.withheld


def test_a_step_of_the_agent_s_size_wakes_no_thread():
    """Less than 1000 operations; beyond 8 kernels, no buffer of more than 512 bytes."""
    compiled, run = begin(STRATEGIES["sgd"])
    asked = compiled.ask(run, 0)
    gradient = np.zeros(SLOTS, np.float32)
    proposed = compiled.propose(run, asked.expansion, gradient, 0)
    numbers = np.zeros(5, np.float32)
    propose = compiled._propose.lower(run, asked.expansion, gradient, 0).compile()
    conclude = compiled._conclude.lower(run, proposed.proposal, gradient, numbers).compile()
    for step in (propose, conclude):
        assert step.cost_analysis()["flops"] < 1000
    sizes = [leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(conclude.out_info)]
    assert max(sizes) <= 512
    assert propose.as_text().count(" fusion(") <= 8


@pytest.mark.parametrize("preferred", [None, False, True])
@pytest.mark.parametrize(("gain", "tied", "by_score"), [(0.5, 0, 1), (0.05, 1, 0), (-0.5, 0, 0)])
def test_a_preference_decides_a_tie_and_nothing_else(gain, tied, by_score, preferred):
    strategy = optimizers.directed(optimizers.sgd(), gate=optimizers.gates.hierarchical(1.0))
    compiled, run = begin(strategy)
    expansion = optimizers.ask(strategy, run)[0]
    first = optimizers.propose(strategy, run, expansion, jnp.zeros(SLOTS))
    draft = Seen(np.zeros(SLOTS, "f4"), np.array([1.0, 0.1, 1.0, 0.0, 0.0], "f4"))
    settled = compiled.conclude(run, first, draft)
    assert settled.accepted
    asked = settled.next.expansion
    proposal = compiled.propose(settled.run, asked, np.ones(SLOTS, "f4"), 1).proposal
    measured = Seen(np.ones(SLOTS, "f4"), np.array([1.0 + gain, 0.1, 1.0, gain, 0.1], "f4"))
    observation = compiled.observe(settled.run, proposal, measured)
    assert strategy.gate.compares
    assert bool(compiled.tied(settled.run.gate, observation)) == bool(tied)
    if preferred is not None:
        observation = observation._replace(preferred=np.bool_(preferred))
    decided = compiled.settle(settled.run, proposal, observation)
    assert decided.accepted == bool(preferred if tied else by_score)
