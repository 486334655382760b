"""What oracles say, counted: errors that persist, noise by component, edits that are named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import optimizers
from gome_theory import Reliability, nk_improvement_probability
from simulators import (
    Situation,
    World,
    component_oracle,
    lumped_naming_oracle,
    lumped_plans,
    naming_oracle,
    nk,
    nk_fitness,
    noisy_evaluator,
    noisy_oracle,
    plans,
    rollout,
    screening_oracle,
    simulate,
    situate,
    sphere,
)

DRAWS = 6000


def near(samples, expected, sigmas=4.0):
    """Whether a mean is within so many of its own standard errors, however many there are."""
    samples = np.asarray(samples, np.float64)
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return bool(np.all(np.abs(samples.mean(axis=0) - expected) <= sigmas * error + 1e-7))


@pytest.mark.parametrize(("omega", "kappa"), [(0.0, 1.0), (0.4, 1.0), (0.4, 0.3), (1.0, 0.0)])
def test_errors_persist_in_a_trace_and_are_shared_between_traces(omega, kappa):
    rho, dim = 0.6, 12
    oracle = noisy_oracle(Reliability(rho, bias_share=omega, shared_bias=kappa))
    situation = Situation(jnp.ones(dim), jnp.ones(dim))

    def three_answers(key):
        common, one, other, *keys = jax.random.split(key, 6)
        mine, yours = oracle.bias(common, one, dim), oracle.bias(common, other, dim)
        return [
            oracle.diagnose(k, bias, situation).direction / -jnp.sqrt(dim)
            for k, bias in zip(keys, (mine, mine, yours), strict=True)
        ]

    first, later, elsewhere = jax.vmap(three_answers)(jax.random.split(jax.random.key(0), DRAWS))
    error = 1 - rho**2
    assert near((first * later).sum(axis=1), rho**2 + error * omega)
    assert near((first * elsewhere).sum(axis=1), rho**2 + error * omega * kappa)
    assert near((first**2).sum(axis=1), 1.0)


def test_malformed_replies_come_at_their_rate():
    oracle = noisy_oracle(Reliability(0.5, malformed=0.2))
    situation = Situation(jnp.ones(3), jnp.ones(3))
    keys = jax.random.split(jax.random.key(1), DRAWS)
    usable = jax.vmap(lambda key: oracle.diagnose(key, (), situation).usable)(keys)
    assert near(usable, 0.8)


@pytest.mark.parametrize("relative", [False, True])
def test_components_have_noise_of_their_own(relative):
    gradient, noise = jnp.array([1.0, -2.0, 2.0]), np.array([0.0, 0.5, 2.0])
    oracle = component_oracle(noise, relative=relative)
    situation = Situation(gradient, gradient)
    keys = jax.random.split(jax.random.key(2), DRAWS)
    said = jax.vmap(lambda key: oracle.diagnose(key, (), situation).direction)(keys)
    unit = np.sqrt(3.0) if relative else 1.0  # |g| / sqrt(3) with |g| = 3.
    assert near(said, gradient)
    assert near((said - gradient) ** 2, (unit * noise) ** 2)


EDITS = jnp.array([1.0, -1.0, 0.0, 1.0, -1.0, 1.0])
# Edits 0 and 1 improve; edit 2 is impossible; the others make it worse.
GRADIENT = jnp.array([-0.5, 0.3, -9.0, 0.2, -0.4, 0.1])


def named(oracle, edits=EDITS, gradient=GRADIENT, biases=None):
    situation = Situation(jnp.zeros(6), gradient, edits)
    keys = jax.random.split(jax.random.key(3), DRAWS)
    biases = jnp.zeros(DRAWS, jnp.int32) if biases is None else biases
    ask = jax.vmap(lambda key, bias: oracle.diagnose(key, bias, situation))
    answers, usable = ask(keys, biases)
    which = np.asarray(jnp.abs(answers).argmax(axis=1))
    expected = -np.eye(6)[which] * np.asarray(edits)
    assert (np.asarray(answers) == expected).all()  # One-hot, minus the sign of the edit.
    return which, usable


@pytest.mark.parametrize("rho", [0.0, 0.35, 1.0])
def test_what_is_known_is_named_and_what_is_not_is_guessed(rho):
    which, usable = named(naming_oracle(Reliability(rho)))
    chances = (1 - rho) / 5 + rho * np.array([0.5, 0.5, 0, 0, 0, 0])
    chances[2] = 0.0
    assert near(np.eye(6)[which], chances)
    assert usable is None  # No reply of this reasoner is malformed.


def test_names_hallucinate_and_are_malformed():
    reliability = Reliability(0.9, hallucination=0.4, hallucination_alignment=0.1, malformed=0.25)
    which, usable = named(naming_oracle(reliability))
    rho = 0.6 * 0.9 + 0.4 * 0.1
    assert near(which < 2, rho + (1 - rho) * 0.4)
    assert near(usable, 0.75)


def test_where_nothing_improves_any_edit_is_named():
    which, _ = named(naming_oracle(Reliability(1.0)), gradient=-GRADIENT * EDITS * 0 + EDITS)
    assert near(np.eye(6)[which], np.array([0.2, 0.2, 0.0, 0.2, 0.2, 0.2]))


def test_a_favourite_is_insisted_on_while_it_is_possible():
    oracle = naming_oracle(Reliability(0.5, bias_share=0.6))
    which, _ = named(oracle, biases=jnp.full(DRAWS, 4))
    assert near(which == 4, 0.5 * (0.6 + 0.4 / 5))
    which, _ = named(oracle, biases=jnp.full(DRAWS, 2))
    assert near(which == 4, 0.5 / 5)


@pytest.mark.parametrize("kappa", [0.0, 0.3, 1.0])
def test_favourites_are_shared_between_traces_at_their_rate(kappa):
    oracle = naming_oracle(Reliability(0.5, bias_share=0.6, shared_bias=kappa))

    def of_two_traces(key):
        common, one, other = jax.random.split(key, 3)
        return oracle.bias(common, one, 10), oracle.bias(common, other, 10)

    mine, yours = jax.vmap(of_two_traces)(jax.random.split(jax.random.key(4), DRAWS))
    # Both take the common one with probability kappa^2; otherwise they agree by chance.
    assert near(mine == yours, kappa**2 + (1 - kappa**2) / 10)
    assert near(np.eye(10)[np.asarray(mine)], 0.1)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.95])
def test_screening_two_names_the_better_looking_one(rho):
    which, _ = named(screening_oracle(rho, 2))
    gains = -np.asarray(EDITS * GRADIENT, np.float64)
    possible = np.flatnonzero(EDITS)
    truth = (gains[possible] - gains[possible].mean()) / gains[possible].std()
    beats = stats.norm.cdf(rho * (truth[:, None] - truth) / np.sqrt(2 * (1 - rho**2)))
    np.fill_diagonal(beats, 0.0)
    chances = np.zeros(6)
    chances[possible] = beats.sum(axis=1) * 2 / 20  # Of 20 ordered pairs.
    assert near(np.eye(6)[which], chances)


def test_screening_everything_perfectly_names_the_best():
    which, _ = named(screening_oracle(1.0, 99))
    assert (which == 0).all()


def test_naming_needs_edits():
    for oracle in (naming_oracle(Reliability(0.5)), screening_oracle(0.5, 3)):
        with pytest.raises(ValueError, match="not discrete"):
            oracle.diagnose(jax.random.key(0), (), Situation(jnp.ones(2), jnp.ones(2)))


@pytest.mark.parametrize("neighbourhood", ["adjacent", "random"])
def test_flips_improve_nk_as_often_as_predicted(neighbourhood):
    loci, epistasis, surplus = 14, 3, []
    for seed in range(60):
        landscape = nk(loci, epistasis, seed, neighbourhood=neighbourhood)
        fitness = nk_fitness(loci, epistasis, seed, neighbourhood=neighbourhood)
        points = jax.vmap(landscape.start)(jax.random.split(jax.random.key(seed), 200))
        z = np.asarray(jax.vmap(fitness)(points), np.float64)
        improves = jax.vmap(lambda x: landscape.gradient(x) * landscape.edits(x) < 0)(points)  # noqa: B023
        predicted = nk_improvement_probability(z, loci, epistasis, neighbourhood=neighbourhood)
        excess = np.asarray(improves, np.float64).mean(axis=1) - predicted
        regions = (z < -0.7, np.abs(z) <= 0.7, z > 0.7)
        surplus.append([(excess * region).mean() for region in regions])
    assert near(np.array(surplus), 0.0)


def test_traces_of_a_run_share_the_common_bias_and_nothing_else():
    oracle = noisy_oracle(Reliability(0.5, bias_share=0.3, shared_bias=0.6))
    world = World(sphere(8), oracle, noisy_oracle(Reliability(0.0)), noisy_evaluator())

    def biases(key):
        keys = jax.random.split(key)
        own = jax.vmap(lambda k: situate(world, k, key).reasoner)(keys)
        apart = jax.vmap(lambda k: situate(world, k).reasoner)(keys)
        return own.prod(axis=0).sum(), apart.prod(axis=0).sum()

    shared, apart = jax.vmap(biases)(jax.random.split(jax.random.key(5), DRAWS))
    assert near(shared, 0.6)
    assert near(apart, 0.0)

    strategy = optimizers.directed(optimizers.sgd(0.5))
    batch = simulate(
        lambda _: (strategy, world), jnp.zeros(1), jax.random.key(6), steps=5, runs=2, traces=3
    )
    assert batch.loss.shape == (1, 2, 3, 5)
    assert np.unique(batch.loss[0, :, :, 2]).size == 6
    key = jax.random.split(jax.random.key(6), 2)[1]
    own = jax.random.split(key, 3)[2]
    alone, _ = jax.jit(lambda own, common: rollout(strategy, world, own, 5, common))(own, key)
    np.testing.assert_allclose(alone.loss, batch.loss[0, 1, 2], rtol=1e-5)


def test_lumped_names_have_the_chances_of_full_ones():
    full, lumped = plans(10, 0.3), lumped_plans(10, 0.3)
    reliability = Reliability(0.4, hallucination=0.5, hallucination_alignment=0.1)
    keys = jax.random.split(jax.random.key(7), DRAWS)

    def mends(landscape, oracle):
        x = landscape.start(jax.random.key(0))
        gradient = (landscape.gradient or jax.grad(landscape.loss))(x)
        situation = Situation(x, gradient, landscape.edits(x))

        def one(key):
            said = oracle.diagnose(key, (), situation).direction
            return landscape.loss(landscape.retract(x, -said)) < 1

        return jax.vmap(one)(keys)

    rho = 0.5 * 0.4 + 0.5 * 0.1
    assert near(mends(full, naming_oracle(reliability)), rho + (1 - rho) * 0.3)
    assert near(mends(lumped, lumped_naming_oracle(reliability)), rho + (1 - rho) * 0.3)
