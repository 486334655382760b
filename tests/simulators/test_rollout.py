"""The scan driver against theory and against itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optimizers
from experiments.studies import sphere as study
from gome_theory import Reliability
from simulators import World, noisy_evaluator, noisy_oracle, rollout, simulate, sphere
from tests.statistical import assert_estimate


def a_world(rho=0.5):
    return World(
        landscape=sphere(6),
        reasoner=noisy_oracle(Reliability(alignment=rho)),
        proposer=noisy_oracle(Reliability(alignment=0.0), scale=0.3),
        evaluator=noisy_evaluator(0.01),
    )


def test_a_batch_is_the_same_as_its_runs_one_by_one():
    strategy = optimizers.directed(optimizers.momentum(0.1, 0.5))
    alignments = jnp.array([0.2, 0.7])
    batch = simulate(
        lambda rho: (strategy, a_world(rho)), alignments, jax.random.key(3), steps=12, runs=3
    )
    keys = jax.random.split(jax.random.key(3), 3)
    one = jax.jit(lambda rho, key: rollout(strategy, a_world(rho), key, 12)[0])
    for i, rho in enumerate(alignments):
        for j, key in enumerate(keys):
            alone = one(rho, key)
            assert (alone.accepted == batch.accepted[i, j]).all()
            np.testing.assert_allclose(alone.loss, batch.loss[i, j], rtol=1e-4)


def test_same_key_same_run_and_another_key_another():
    strategy = optimizers.hill_climb()
    one = jax.jit(lambda seed: rollout(strategy, a_world(), jax.random.key(seed), 10)[0])
    runs = [one(seed) for seed in (1, 1, 2)]
    assert (runs[0].score == runs[1].score).all()
    assert not (runs[0].score == runs[2].score).any()


def test_noise_free_greedy_tree_is_hill_climbing():
    def progress(name):
        return study.simulate_rates(name, 8, np.zeros(1), steps=40, runs=16, seed=0)

    np.testing.assert_allclose(progress("greedy_tree"), progress("hill_climb"), rtol=1e-4)


@pytest.mark.parametrize("dim", [10, 30])
@pytest.mark.parametrize("name", study.CONTENDERS)
def test_simulated_rates_are_the_predicted_ones(name, dim):
    alignment = np.array([0.15, 0.4]) if name.startswith("directed") else np.zeros(1)
    rates = study.simulate_rates(name, dim, alignment, steps=100, runs=256, seed=1)
    predicted = study.CONTENDERS[name].law(alignment, dim).rate
    error = rates.std(axis=1, ddof=1) / np.sqrt(rates.shape[1])
    assert_estimate(rates.mean(axis=1), predicted, error)


class Settings:
    """As in the full study."""

    steps, crossover_runs, seed = 200, 2048, 0


@pytest.mark.parametrize(("dim", "known"), [(10, 0.1607), (30, 0.0863), (100, 0.0462)])
def test_predicted_and_simulated_crossover_agree(dim, known):
    (row,) = study.crossover_rows("gated against hill climbing", dim, 2.0, Settings)
    assert row["predicted"] == pytest.approx(known, abs=5e-5)
    assert_estimate(row["value"], known, row["stderr"])
    assert abs(row["value"] / known - 1) < 0.03


def test_no_crossover_is_said_and_not_invented():
    (row,) = study.crossover_rows("gated against hill climbing", 10, 1.0, Settings)
    assert np.isnan(row["predicted"])
    assert np.isnan(row["value"])
