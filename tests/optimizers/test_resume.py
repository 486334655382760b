"""A run that stops, is saved, and goes on elsewhere is the run that never stopped, bit for bit."""

import functools
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optimizers
from optimizers import Operator, recipes
from optimizers.serialization import dumps, loads, restore, save
from tests.optimizers.test_serialization import same

pytestmark = pytest.mark.filterwarnings("ignore::optimizers.InertSchedule")
ROOT = Path(__file__).parents[2]
STEPS, FIRST = 12, 5
TARGET = np.array([1.0, -1.0, 0.5], np.float32)


def named(table, build):
    return {name: functools.partial(build, thing) for name, thing in table.items()}


def with_policy(policy):
    return optimizers.undirected(policy())


def with_gate(gate):
    return optimizers.directed(optimizers.momentum(0.3), gate=gate())


def wrapped(wrap):
    return optimizers.directed(wrap(optimizers.sgd(0.3)))


STRATEGIES = {
    **named(recipes.RULES, lambda rule: optimizers.directed(rule(0.3))),
    **named(recipes.GATES, with_gate),
    **named(recipes.POLICIES, with_policy),
    **named(getattr(recipes, "WRAPPERS", {}), wrapped),
    "descending aide": lambda: optimizers.directed(
        optimizers.adam(0.3), policy=optimizers.search.aide(2, operator=Operator.DESCEND)
    ),
    "learns from rejections": lambda: optimizers.directed(
        optimizers.learns_from_rejections(optimizers.adam(0.3))
    ),
    "key and schedule in the state": lambda: optimizers.directed(
        optax.chain(
            optax.add_noise(0.1, 0.5, jax.random.key(1)),
            optax.inject_hyperparams(optax.sgd)(optax.cosine_decay_schedule(0.3, 20), 0.5),
            optax.masked(optax.ema(0.5), True),
        )
    ),
}


def stepper(strategy, *, diagnoses=()):
    """One compiled step of a noisy quadratic, where a fifth of the candidates fail."""

    folds = strategy.policy.folds

    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def step(run):
        noise, start, oracle, fails = jax.random.split(jax.random.fold_in(run.key, run.step), 4)
        expansion, run = optimizers.ask(strategy, run)
        base = optimizers.parent_params(run, expansion)
        direction = base - TARGET + jax.random.normal(oracle, (*diagnoses, *base.shape))
        proposal = optimizers.propose(strategy, run, expansion, direction)
        drafts = expansion.operator == Operator.DRAFT
        params = jnp.where(drafts, jax.random.normal(start, base.shape), proposal.params)
        score = 0.1 * jax.random.normal(noise) - ((params - TARGET) ** 2).sum()
        observation = optimizers.observe(
            run,
            expansion,
            params,
            score,
            stderr=0.1,
            valid=jax.random.uniform(fails) > 0.2,
            folds=score + jax.random.normal(noise, (folds,)) if folds else None,
        )
        return optimizers.settle(strategy, run, proposal, observation)

    return step


def start(strategy):
    return optimizers.init(strategy, jnp.zeros(3), jax.random.key(7), STEPS)


def advance(step, run, steps):
    for _ in range(steps):
        run, _ = step(run)
    return run


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_resumed_run_is_the_uninterrupted_run(name):
    strategy = STRATEGIES[name]()
    step = stepper(strategy, diagnoses=(3,) if name == "consensus" else ())
    straight = advance(step, start(strategy), STEPS)
    assert jnp.isfinite(straight.score).any(), "nothing was accepted: the test tests nothing"

    stopped = advance(step, start(strategy), FIRST)
    data = dumps(stopped)
    expected = jax.eval_shape(lambda: start(STRATEGIES[name]()))
    resumed = loads(data, expected)
    assert same(resumed, stopped)
    assert dumps(resumed) == data
    compiled = step._cache_size()
    assert same(advance(step, resumed, STEPS - FIRST), straight)
    assert step._cache_size() == compiled, "a restored run must not compile again"


@pytest.mark.parametrize("name", recipes.RULES)
def test_a_restored_rule_takes_the_same_step(name):
    rule = recipes.RULES[name](0.3)
    update = jax.jit(rule.update, compiler_options={"xla_backend_optimization_level": 0})
    params = jnp.array([0.5, 0.0, -1.0], jnp.bfloat16)
    state = rule.init(params)
    for step in range(3):
        restored = loads(dumps(state), state)
        again = update(params, restored, params, value=0.5, step=step)
        expected = update(params, state, params, value=0.5, step=step)
        assert same(again, expected)
        _, state = expected


def test_a_run_resumes_in_another_process(tmp_path):
    """The other process reads the file, goes on and saves; the bytes are those of one process."""
    name = "descending aide"
    strategy = STRATEGIES[name]()
    step = stepper(strategy)
    save(tmp_path / "stopped.npz", advance(step, start(strategy), FIRST), note=name)
    code = f"""

from tests.optimizers.test_resume import *
strategy = STRATEGIES[{name!r}]()
run = restore({str(tmp_path / "stopped.npz")!r}, start(strategy))
save({str(tmp_path / "ended.npz")!r}, advance(stepper(strategy), run, STEPS - FIRST), note={name!r})
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    straight = dumps(advance(step, start(strategy), STEPS), note=name)
    assert (tmp_path / "ended.npz").read_bytes() == straight
    assert same(restore(tmp_path / "ended.npz", start(strategy)), loads(straight, start(strategy)))
