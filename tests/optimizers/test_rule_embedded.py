"""Parameters in an arbitrary basis: who may act on them, and that the basis does not matter."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal

import optimizers
from optimizers import BasisError, Embedded
from tests.optimizers import strategies as draw
from tests.optimizers.strategies import DIM, STEPS, float64, unroll

EQUIVARIANT = {
    "sgd": optimizers.sgd(0.5),
    "momentum": optimizers.momentum(0.5, 0.8),
    "nesterov": optimizers.nesterov(0.5, 0.8),
    "ema": optimizers.ema(0.5, 0.8),
    "gome": optimizers.gome(0.5),
    "gome_sampled": optimizers.gome(0.5, draws=3),
    "clipped": optimizers.clipped(optimizers.momentum(0.5), 0.7),
    "scheduled": optimizers.scheduled(optimizers.sgd(0.5), "cosine", 10),
    "accumulated": optimizers.accumulated(optimizers.momentum(0.5), 2),
    "reused": optimizers.reused(optimizers.ema(0.5), 3),
    "lookahead": optimizers.lookahead(optimizers.momentum(0.5), 3),
    "consensus_mean": optimizers.consensus(optimizers.ema(0.5)),
    "consensus_weighted": optimizers.consensus(optimizers.sgd(0.5), "weighted"),
}
COORDINATE_WISE = {
    **{
        name: optimizers.RULES[name]()
        for name in ("adam", "adamw", "amsgrad", "rms", "sign", "lion")
    },
    "clipped_adam": optimizers.clipped(optimizers.adam()),
    "accumulated_sign": optimizers.accumulated(optimizers.sign()),
    "consensus_median": optimizers.consensus(optimizers.sgd(), "median"),
    "consensus_sign_vote": optimizers.consensus(optimizers.sgd(), "sign_vote"),
}
START = np.full(DIM, 0.3)


def test_every_named_rule_is_on_one_side():
    assert set(optimizers.RULES) <= {*EQUIVARIANT, *COORDINATE_WISE}


def unroll_embedded(rule, gradients, start, **extra):
    with float64():
        return np.asarray(_compiled(rule)(Embedded(gradients), Embedded(start), extra).vector)


_cache = {}


def _compiled(rule):
    """`unroll` for `Embedded` parameters; compiled once a rule."""

    @jax.jit
    def run(gradients, start, extra):
        def step(carry, inputs):
            state, params = carry
            gradient, extra = inputs
            update, state = rule.update(gradient, state, params, **extra)
            return (state, optax.apply_updates(params, update)), update

        return jax.lax.scan(step, (rule.init(start), start), (gradients, extra))[1]

    return _cache.setdefault(rule, run)


def extras(values):
    return {"value": values, "key": np.asarray(jax.random.split(jax.random.PRNGKey(0), STEPS))}


@pytest.mark.parametrize("name", EQUIVARIANT)
@settings(max_examples=10)
@given(gradients=draw.sequences, values=draw.values, rotation=draw.rotations())
def test_rotating_the_embedding_rotates_the_updates(name, gradients, values, rotation):
    """Also where coordinates are first mentioned at different times."""
    rule = EQUIVARIANT[name]
    plain = unroll_embedded(rule, gradients, START, **extras(values))
    rotated = unroll_embedded(rule, gradients @ rotation.T, rotation @ START, **extras(values))
    assert_allclose(rotated, plain @ rotation.T, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", EQUIVARIANT)
@settings(max_examples=10)
@given(gradients=draw.dense_sequences, values=draw.values)
def test_equals_the_plain_vector(name, gradients, values):
    rule = EQUIVARIANT[name]
    embedded = unroll_embedded(rule, gradients, START, **extras(values))
    plain = unroll(rule, gradients, params=START, **extras(values))
    assert_allclose(embedded, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", COORDINATE_WISE)
def test_coordinate_wise_rules_refuse_an_embedding_also_deep_inside(name):
    params = {"directives": np.zeros(3), "text": [Embedded(np.zeros(2))]}
    with pytest.raises(BasisError, match="rotating the embedding would change the step") as error:
        COORDINATE_WISE[name].init(params)
    assert "`momentum`" in str(error.value)
    assert isinstance(error.value, TypeError)
    COORDINATE_WISE[name].init({"directives": np.zeros(3)})


def test_the_message_names_the_rule():
    with pytest.raises(BasisError, match="`lion` works coordinate by coordinate"):
        optimizers.lion().init(Embedded(np.zeros(2)))


def test_an_embedding_is_carried_out_whole_or_not_at_all():
    """A step that happens to leave one coordinate of an embedding in place was not partial."""
    rule = optimizers.scale_by_success_memory()
    start, gradient = Embedded(np.zeros(2)), Embedded(np.array([3.0, 4.0]))
    _, state = rule.update(gradient, rule.init(start), start)
    _, state = rule.update(gradient, state, Embedded(np.array([1.0, 0.0])))
    assert_allclose(state.memory.direction[0], [0.6, 0.8], rtol=1e-6)
    assert_array_equal(state.memory.exists[:2], [True, False])


# --- a run in an embedding ------------------------------------------------------------------------


def embedded_run(rule):
    strategy = optimizers.directed(rule, gate=optimizers.gates.always())
    return strategy, optimizers.init(
        strategy, Embedded(jax.numpy.zeros(DIM)), jax.random.key(0), steps=4
    )


def test_steps_are_proposed_and_committed_in_an_embedding():
    strategy, run = embedded_run(optimizers.momentum(0.5))
    for gradient in (np.zeros(DIM), np.ones(DIM), np.ones(DIM)):
        expansion, run = optimizers.ask(strategy, run)
        proposal = optimizers.propose(strategy, run, expansion, Embedded(jax.numpy.array(gradient)))
        seen = optimizers.observe(run, expansion, proposal.params, 1.0)
        run, decision = optimizers.settle(strategy, run, proposal, seen)
        assert decision.accepted
    assert_allclose(run.params.vector[0], -0.5 * (1 + 1.9) * np.ones(DIM), rtol=1e-6)


@pytest.mark.parametrize("rule", [optax.adam(0.1), optax.rmsprop(0.1), optax.sign_sgd(0.1)])
def test_a_foreign_rule_is_measured_before_it_runs_in_an_embedding(rule):
    with pytest.raises(BasisError, match="axes"):
        embedded_run(rule)


@pytest.mark.parametrize("rule", [optax.sgd(0.1, 0.9), optax.normalize_by_update_norm()])
def test_a_foreign_rule_that_needs_no_basis_may_run(rule):
    _, run = embedded_run(rule)
    assert isinstance(run.params, Embedded)
