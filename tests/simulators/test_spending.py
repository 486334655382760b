"""What a simulated run spends in every currency, and how far a budget goes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import optimizers
from gome_theory import Reliability
from optimizers import Operator
from optimizers.budget import Budget, Spent
from simulators import (
    Prices,
    Trace,
    World,
    calls,
    noisy_evaluator,
    noisy_oracle,
    rollout,
    spending,
    sphere,
)


def drawn_trace(runs=3, steps=15):
    generator = np.random.default_rng(0)
    shape = (runs, steps)
    operator = generator.choice([int(o) for o in Operator], shape)
    descends = operator == Operator.DESCEND
    diagnosed = descends & (generator.random(shape) < 0.6)
    evaluations = np.where(descends, generator.integers(0, 4, shape), 1)
    columns = dict.fromkeys(Trace._fields, jnp.zeros(shape))
    columns |= {"operator": operator, "diagnosed": diagnosed, "evaluations": evaluations}
    columns |= {"seconds": generator.uniform(0, 3, shape).astype(np.float32)}
    return Trace(**{name: jnp.asarray(column) for name, column in columns.items()})


def test_spending_against_plain_python():
    trace, call = drawn_trace(), Spent(tokens=100, money=0.01, seconds=2.0)
    prices, diagnoses = Prices(evaluation=0.1, second=0.02, diagnosis=1.0), 3
    found = spending(trace, call=call, prices=prices, diagnoses=diagnoses)
    budget = Budget(evaluations=9, money=4.0, seconds=70.0)
    pays = budget.pays(found)
    assert pays.any()
    assert not pays.all()
    for run in range(trace.operator.shape[0]):
        paid = Spent()
        for step in range(trace.operator.shape[1]):
            seen = jax.tree.map(lambda x, at=(run, step): x[at].item(), trace)
            asked = 3 if seen.diagnosed else 0
            if seen.operator != Operator.DESCEND or seen.evaluations > 0:
                asked += 1
            money = 0.01 * asked + 0.1 * seen.evaluations + 0.02 * seen.seconds + seen.diagnosed
            seconds = 2.0 * asked + seen.seconds
            paid += Spent(seen.evaluations, asked, 100 * asked, money, seconds, 1)
            assert_allclose([amount[run, step] for amount in found], paid, rtol=1e-5)
            assert pays[run, step] == budget.pays(paid)


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [
        (optimizers.sgd(0.3), [1, 2, 2, 2, 2, 2]),
        # One diagnosis serves two steps: the second of them only has to be carried out.
        (optimizers.recipes.WRAPPERS["reused"](optimizers.sgd(0.3), 2), [1, 2, 1, 2, 1, 2]),
        # Two diagnoses are gathered for one step: the first of them leaves nothing to carry out.
        (optimizers.recipes.WRAPPERS["accumulated"](optimizers.sgd(0.3), 2), [1, 1, 2, 1, 2, 1]),
    ],
    ids=["sgd", "reused", "accumulated"],
)
def test_calls_of_rules_that_hold_or_gather_diagnoses(rule, pattern):
    oracle = noisy_oracle(Reliability(0.9))
    world = World(sphere(4), oracle, oracle, noisy_evaluator())
    strategy = optimizers.directed(rule, gate=optimizers.gates.always())
    trace, _ = rollout(strategy, world, jax.random.key(0), len(pattern))
    assert_array_equal(calls(trace), pattern)
