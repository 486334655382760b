"""A select that skips what no run of a batch needs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simulators.branching import where_any


def selected(needed, x, y):
    return where_any(needed, lambda: {"sum": x + y, "key": jax.random.normal(x_key(x))}, other(y))


def x_key(x):
    return jax.random.fold_in(jax.random.key(0), x.astype(jnp.uint32))


def other(y):
    return {"sum": y, "key": -jnp.ones(())}


@pytest.mark.parametrize("needed", [[[True, False, True]] * 2, [[False] * 3] * 2])
def test_it_is_a_select_under_any_batching(needed):
    needed = jnp.array(needed)
    x, y = jnp.arange(3.0), jnp.arange(2.0) * 10
    inner = jax.vmap(selected, in_axes=(0, 0, None))  # `y` is batched outside only.
    found = jax.jit(jax.vmap(inner, in_axes=(0, None, 0)))(needed, x, y)
    drawn = jax.vmap(lambda x: jax.random.normal(x_key(x)))(x)
    np.testing.assert_array_equal(
        found["sum"], jnp.where(needed, x + y[:, None], jnp.broadcast_to(y[:, None], (2, 3)))
    )
    np.testing.assert_array_equal(found["key"], jnp.where(needed, drawn, -1.0))


@pytest.mark.parametrize(
    ("needed", "times"), [([False, False], 0), ([False, True], 2), ([True, True], 2)]
)
def test_it_computes_only_if_a_run_of_the_batch_needs_it(needed, times):
    calls, x = [], jnp.array([3.0, 5.0])

    def compute(x):
        jax.debug.callback(lambda x: calls.append(float(x)), x)
        return 2 * x

    def one(needed, x):
        return where_any(needed, lambda: compute(x), x)

    found = jax.jit(jax.vmap(one))(jnp.array(needed), x)
    jax.effects_barrier()
    assert len(calls) == times
    np.testing.assert_array_equal(found, jnp.where(jnp.array(needed), 2.0, 1.0) * x)
