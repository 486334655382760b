"""The loops that are timed beside each other compute the same; what a summary keeps is constant."""

import jax
import numpy as np
import pytest

from experiments.bench import throughput
from simulators import world_key

RUNS, DIM, STEPS = 3, 12, 40
KEYS = jax.random.split(jax.random.key(0), RUNS)


def draw(number):
    """What the simulator's oracle draws at that step in every run."""
    normal = jax.vmap(lambda key: jax.random.normal(world_key(key, number), (DIM,)))
    return np.array(normal(KEYS))


@pytest.fixture(scope="module")
def began():
    return np.asarray(jax.jit(jax.vmap(throughput.simulated(DIM, STEPS)))(KEYS))


@pytest.mark.parametrize("loop", [throughput.numpy_loop, throughput.python_loop])
def test_the_loops_agree_on_the_same_random_numbers(loop, began):
    found = loop(draw, RUNS, DIM, STEPS)
    np.testing.assert_allclose(found, began, rtol=2e-4)
    assert (found[:, -1] < 0.1 * found[:, 1]).all()  # They went somewhere.
    assert len(np.unique(found)) > RUNS * STEPS / 4  # By many different steps.


def test_the_floor_draws_the_same_random_numbers():
    sums = jax.vmap(throughput.floor(DIM, STEPS))(KEYS)
    first = np.cumsum([draw(number)[:, 0] for number in range(STEPS)], axis=0).T
    np.testing.assert_allclose(sums, first, rtol=1e-4, atol=1e-5)


def test_memory_of_a_summary_is_constant_in_steps_and_that_of_a_trace_is_not():
    short, long = throughput.memory((20, 2000), runs=8, dim=DIM)
    assert long.summary == short.summary
    assert long.trace > short.trace + 4 * 1900
