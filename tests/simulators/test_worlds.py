"""Landscapes, oracles and evaluators are what they say, by closed form and by counting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from gome_theory import Reliability
from optimizers import Operator
from simulators import Situation, noisy_evaluator, noisy_oracle, quadratic, sphere

DRAWS = 20_000


def diagnoses(reliability: Reliability, gradient, scale=1.0):
    """Many answers to the same gradient, shape `(DRAWS, dim)`."""
    oracle = noisy_oracle(reliability, scale)
    keys = jax.random.split(jax.random.key(0), DRAWS)
    situation = Situation(params=gradient, gradient=gradient)
    answers = jax.vmap(oracle.diagnose, in_axes=(0, None, None))(keys, (), situation)
    return np.asarray(answers.direction, np.float64)


def within(samples: np.ndarray, expected: float, sigmas: float = 4.0) -> bool:
    """Whether a sample mean is within so many of its own standard errors."""
    return abs(samples.mean() - expected) <= sigmas * samples.std(ddof=1) / np.sqrt(samples.size)


@given(st.integers(2, 12), st.integers(0, 2**31 - 1))
def test_a_start_has_loss_one_and_the_optimum_has_loss_zero(dim, seed):
    landscape = quadratic(np.geomspace(1.0, 0.05, dim))
    assert float(landscape.loss(landscape.start(jax.random.key(seed)))) == pytest.approx(1, 1e-5)
    assert float(landscape.loss(jnp.zeros(dim))) == 0.0


def test_gradient_of_a_quadratic_is_the_curvature_times_the_point():
    curvatures = np.array([3.0, 1.0, 0.25])
    landscape, point = quadratic(curvatures), jnp.array([1.0, -2.0, 4.0])
    np.testing.assert_allclose(jax.grad(landscape.loss)(point), curvatures * point, rtol=1e-6)
    assert landscape.smoothness == 3.0


def test_landscapes_refuse_what_has_no_known_optimum():
    with pytest.raises(ValueError, match="at least 2"):
        sphere(1)
    for curvatures in ([1.0, 0.0], [1.0, -1.0], [[1.0, 1.0], [1.0, 1.0]], [1.0, np.nan]):
        with pytest.raises(ValueError, match="positive"):
            quadratic(curvatures)


@pytest.mark.parametrize("dim", [3, 10, 40])
@pytest.mark.parametrize("rho", [-0.3, 0.0, 0.5, 0.9, 1.0])
def test_alignment_is_rho_and_length_is_that_of_lemma_one(rho, dim):
    gradient = jnp.arange(1.0, dim + 1)
    norm = float(jnp.linalg.norm(gradient))
    answers = diagnoses(Reliability(alignment=rho), gradient) / norm
    projection = answers @ np.asarray(gradient, np.float64) / norm
    assert within(projection, rho) or np.allclose(projection, rho, atol=1e-6)
    # |u|^2 = 1 + 2 rho q w with w the projection of the error, so it follows from the alignment.
    q = np.sqrt(1 - rho**2)
    expected = 1 + 2 * rho * (projection - rho)
    np.testing.assert_allclose((answers**2).sum(axis=1), expected, atol=2e-4)
    if q > 0:
        error = (projection - rho) / q
        assert within(error**2, 1 / dim)


def test_hallucination_mixes_alignments():
    gradient = jnp.ones(10)
    reliability = Reliability(alignment=0.8, hallucination=0.25, hallucination_alignment=-0.2)
    answers = diagnoses(reliability, gradient, scale=0.5)
    projection = answers @ np.ones(10) / np.sqrt(10) / (0.5 * np.sqrt(10))
    assert within(projection, 0.75 * 0.8 + 0.25 * -0.2)


def test_no_gradient_no_direction():
    nowhere = Situation(jnp.zeros(4), jnp.zeros(4))
    answer = noisy_oracle(Reliability(0.5)).diagnose(jax.random.key(0), (), nowhere)
    assert not answer.direction.any()


@pytest.mark.parametrize(("relative", "sd"), [(False, 0.2), (True, 0.6)])
def test_scores_are_minus_the_loss_with_the_stated_noise(relative, sd):
    evaluator = noisy_evaluator(0.2, relative=relative)
    keys = jax.random.split(jax.random.key(1), DRAWS)
    seen = jax.vmap(lambda key: evaluator.measure(key, jnp.array(3.0), Operator.IMPROVE))(keys)
    score = np.asarray(seen.score, np.float64)
    assert within(score, -3.0)
    assert within((score + 3.0) ** 2, sd**2)
    assert np.allclose(seen.stderr, sd)
    assert seen.valid.all()


@pytest.mark.parametrize(
    ("operator", "rate"), [(Operator.IMPROVE, 0.7), (Operator.DRAFT, 0.7), (Operator.DEBUG, 0.9)]
)
def test_crashes_happen_at_their_rate_and_repairs_at_theirs(operator, rate):
    evaluator = noisy_evaluator(crash_rate=0.3, repair_rate=0.9)
    keys = jax.random.split(jax.random.key(2), DRAWS)
    seen = jax.vmap(lambda key: evaluator.measure(key, jnp.array(1.0), operator))(keys)
    assert within(np.asarray(seen.valid, np.float64), rate)
