"""Every rule against every check: a rule joins by a line in `recipes.RULES` or `WRAPPERS`.

Serialisation and resuming are checked for every rule in `tests/optimizers/test_resume.py`, both
worlds in `test_two_worlds.py`.
"""

from __future__ import annotations

import inspect
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from optimizers.recipes import RULES, WRAPPERS

NAMES = (*RULES, *(f"{name}(sgd)" for name in WRAPPERS))
every_rule = pytest.mark.parametrize("name", NAMES)

TREES = {
    "vector": jnp.array([1.0, -2.0, 0.5]),
    "scalar": jnp.array(2.0),
    "matrix": jnp.arange(6.0).reshape(2, 3),
    "nested": {"a": jnp.ones(2), "b": [jnp.ones((1, 3)), (jnp.array(1.0),)]},
    "empty array": jnp.zeros(0),
    "no leaves": {},
}
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def make(name: str, learning_rate: float = 0.1) -> optax.GradientTransformationExtraArgs:
    if name in RULES:
        return RULES[name](learning_rate=learning_rate)
    return WRAPPERS[name.removesuffix("(sgd)")](RULES["sgd"](learning_rate=learning_rate))


@cache
def the(name: str) -> tuple[optax.GradientTransformationExtraArgs, object]:
    """One object a rule with its compiled update, so that tests share compilations."""
    rule = make(name)

    def update(gradient, state, params, step):
        return rule.update(
            gradient, state, params, value=1.0 - step, step=step, key=jax.random.key(0)
        )

    return rule, compiled(update)


def extra(step=0):
    return {"value": jnp.zeros(()), "step": jnp.asarray(step), "key": jax.random.key(0)}


# --- contract, shapes, types ----------------------------------------------------------------------


@every_rule
@pytest.mark.parametrize("tree", TREES)
def test_contract_for_any_tree(name, tree):
    """Updates look like parameters, and a state looks like the one before it."""
    rule, params = make(name), TREES[tree]
    assert isinstance(rule, optax.GradientTransformation)
    state = jax.eval_shape(rule.init, params)
    updates, after = jax.eval_shape(
        lambda g, s, p: rule.update(g, s, p, **extra()), params, state, params
    )
    assert jax.tree.structure(updates) == jax.tree.structure(params)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert [u.shape for u in jax.tree.leaves(updates)] == [
        jnp.shape(p) for p in jax.tree.leaves(params)
    ]
    for old, new in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
        assert (old.shape, old.dtype) == (new.shape, new.dtype)


@every_rule
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_dtype_is_kept(name, dtype):
    with jax.enable_x64(dtype == "float64"):
        rule, params = make(name), {"a": jnp.ones(3, dtype), "b": jnp.ones((), dtype)}
        state = jax.eval_shape(rule.init, params)
        updates, after = jax.eval_shape(
            lambda g, s, p: rule.update(g, s, p, **extra()), params, state, params
        )
        assert {u.dtype for u in jax.tree.leaves(updates)} == {jnp.dtype(dtype)}
        assert [s.dtype for s in jax.tree.leaves(after)] == [
            s.dtype for s in jax.tree.leaves(state)
        ]


@every_rule
def test_unknown_extra_arguments_are_ignored(name):
    rule, params = make(name), jnp.array([1.0, -1.0, 0.5])
    with_them, _ = rule.update(params, rule.init(params), params, **extra(), unheard_of=jnp.ones(7))
    without, _ = rule.update(params, rule.init(params), params, **extra())
    assert_array_equal(with_them, without)


def parameters_are_needed(name: str) -> bool:
    return name in ("adamw", "lookahead(sgd)")


@every_rule
def test_parameters_and_extra_arguments_are_optional_or_asked_for(name):
    rule, gradient = make(name), jnp.array([1.0, -1.0, 0.5])
    if parameters_are_needed(name):
        with pytest.raises(ValueError, match="params"):
            rule.update(gradient, rule.init(gradient))
    else:
        updates, _ = rule.update(gradient, rule.init(gradient))
        assert np.isfinite(updates).all()


# --- transformations of JAX -----------------------------------------------------------------------


def gradients(steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(steps, 3)).astype(np.float32)


def unrolled(name: str, sequence: np.ndarray):
    rule, update = the(name)
    params = jnp.zeros(3)
    state, updates = rule.init(params), []
    for step, gradient in enumerate(sequence):
        moved, state = update(gradient, state, params, jnp.asarray(step))
        params = params + moved
        updates.append(moved)
    return np.stack(updates), state


def scanned(name: str, sequence):
    rule, _ = the(name)

    def one(carry, inputs):
        params, state = carry
        step, gradient = inputs
        moved, state = rule.update(
            gradient, state, params, value=1.0 - step, step=step, key=jax.random.key(0)
        )
        return (params + moved, state), moved

    params = jnp.zeros(3)
    steps = jnp.arange(len(sequence))
    return jax.lax.scan(one, (params, rule.init(params)), (steps, sequence))[1]


@every_rule
def test_compiles_once(name):
    unrolled(name, gradients(4))
    unrolled(name, 100 * gradients(4, seed=1))
    _, update = the(name)
    assert update._cache_size() == 1


@every_rule
def test_scan_and_vmap_equal_the_loop(name):
    batch = np.stack([gradients(6, seed=1), 10 * gradients(6, seed=2)])
    together = compiled(jax.vmap(partial(scanned, name)))(batch)
    for sequence, updates in zip(batch, together, strict=True):
        assert_allclose(unrolled(name, sequence)[0], updates, rtol=1e-5, atol=1e-6)


# --- optax's wrappers -----------------------------------------------------------------------------


@every_rule
def test_masked_acts_on_its_part_and_leaves_the_rest(name):
    params = {"acts": jnp.array([1.0, -2.0, 0.5]), "rests": jnp.ones(2)}
    rule, masked = make(name), optax.masked(make(name), {"acts": True, "rests": False})
    state, alone = masked.init(params), rule.init(params["acts"])
    for step in range(2):
        updates, state = masked.update(params, state, params, **extra(step))
        expected, alone = rule.update(params["acts"], alone, params["acts"], **extra(step))
        assert_array_equal(updates["acts"], expected)
        assert_array_equal(updates["rests"], params["rests"])


@every_rule
def test_inject_hyperparams(name):
    """The learning rate can be read, changed and traced through the state."""
    if name in RULES:
        others = [p for p in inspect.signature(RULES[name]).parameters if p != "learning_rate"]
        injected = optax.inject_hyperparams(RULES[name], static_args=others)(learning_rate=0.1)
    else:
        inner = optax.inject_hyperparams(RULES["sgd"])(learning_rate=0.1)
        injected = WRAPPERS[name.removesuffix("(sgd)")](inner)
    plain, params = make(name), jnp.array([1.0, -2.0, 0.5])
    state, expected_state = injected.init(params), plain.init(params)
    for step in range(2):
        updates, state = injected.update(params, state, params, **extra(step))
        expected, expected_state = plain.update(params, expected_state, params, **extra(step))
        assert_allclose(updates, expected, rtol=1e-6)
    assert_allclose(optax.tree.get(state, "learning_rate"), 0.1)
    stopped = optax.tree.set(state, learning_rate=0.0)
    params = jnp.zeros(3)  # nothing for weight decay or slow weights to pull at
    for _ in range(2):
        updates, stopped = injected.update(jnp.ones(3), stopped, params, **extra(5))
        if not name.startswith("lookahead"):
            assert_allclose(updates, 0.0, atol=1e-7)


# --- convergence ----------------------------------------------------------------------------------


def parabola(x):
    return ((x - jnp.array([1.0, -1.0, 1.0])) ** 2).sum()


def rosenbrock(x):
    return (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2


PROBLEMS = {
    "parabola": (parabola, np.array([-1.0, 10.0, 1.0]), np.array([1.0, -1.0, 1.0])),
    "rosenbrock": (rosenbrock, np.zeros(2), np.ones(2)),
}
STEPS = 10_000
DIAGNOSES_PER_STEP = {"accumulated(sgd)": 2}
RATES = {
    "parabola": {"default": 0.03, "momentum": 3e-3, "nesterov": 3e-3, "sign": 8e-3, "lion": 2e-3},
    "rosenbrock": {
        "default": 2e-3,
        "momentum": 2e-4,
        "nesterov": 2e-4,
        "adam": 5e-3,
        "adamw": 5e-3,
        "amsgrad": 5e-3,
        "rms": 1e-3,
        "sign": 5e-3,
        "lion": 1e-3,
        "gome": 1e-3,
        "reused(sgd)": 1e-3,
        "lookahead(sgd)": 2e-3,
        "scheduled(sgd)": 2e-3,
    },
}
CONSTRUCTED = {
    # A schedule of the whole run; no pull towards zero.
    "scheduled(sgd)": lambda rate: WRAPPERS["scheduled"](RULES["sgd"](rate), steps=2 * STEPS),
    # Signs of constant length bounce between the walls of the valley.
    "sign": lambda rate: WRAPPERS["scheduled"](RULES["sign"](rate), "exponential", steps=STEPS),
    "adamw": lambda rate: RULES["adamw"](rate, weight_decay=0.0),
}


@every_rule
@pytest.mark.parametrize("problem", PROBLEMS)
def test_converges(name, problem):
    """optax's own test problems, step count and tolerance."""
    loss, start, target = PROBLEMS[problem]
    rate = RATES[problem].get(name, RATES[problem]["default"])
    rule = CONSTRUCTED.get(name, partial(make, name))(rate)

    @compiled
    def descend(params):
        def one(carry, step):
            params, state = carry
            value, gradient = jax.value_and_grad(loss)(params)
            key = jax.random.fold_in(jax.random.key(0), step)
            updates, state = rule.update(gradient, state, params, value=value, step=step, key=key)
            return (params + updates, state), None

        diagnoses = jnp.arange(STEPS * DIAGNOSES_PER_STEP.get(name, 1))
        (params, _), _ = jax.lax.scan(one, (params, rule.init(params)), diagnoses)
        return params

    assert_allclose(descend(jnp.asarray(start, jnp.float32)), target, rtol=3e-2, atol=3e-2)
