"""Runs under noise of fixed size: the nearer the optimum, the larger it is against what is left.

The scaled noise of one score is sigma d / f, so it grows as f falls. Every search knows it and
takes the step and the threshold that theory finds best for it; what differs is what it compares.
The laws are integrated as d ln f = -rate(sigma d / f) / d per evaluation.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

import gome_theory
import optimizers
from experiments.studies.crossings import mean_and_stderr
from experiments.studies.noisy_scores import FAMILIES, Tuning
from gome_theory import Reliability
from optimizers import Gate, Strategy, gates
from simulators import Oracle, World, lumped_oracle, lumped_sphere, noisy_evaluator, simulate

SEARCHES = {"stored": "stored", "bayes": "rescored", "naive": "rescored", "naive_fixed": "rescored"}
"""Searches that move as they are tuned at every step, and their families."""
_NOISES = np.linspace(0.02, 8.0, 48)
"""Where a tuning is tabulated; a run stops at some f, and its noise with it."""


@functools.cache
def tabulated(name: str) -> Tuning:
    """Step, threshold and rate of a search over `_NOISES`."""
    return FAMILIES[SEARCHES[name]].members[name](_NOISES)


def sigma_of(config: Any) -> float:
    """Noise of one score, in units of the loss at the start, that puts the stall where asked."""
    per_unit = float(gome_theory.stall_suboptimality(math.sqrt(2.0), config.stall_dim))
    return config.stall_at / per_unit


def stall_rows(name: str, config: Any) -> list[dict[str, Any]]:
    """Log loss over evaluations, against the loss at which re-scored naive search stalls."""
    dim, sigma = config.stall_dim, sigma_of(config)
    remeasures = name != "ungated" and FAMILIES[SEARCHES[name]].remeasures
    per_step = config.cost if name == "ungated" else 2.0 if remeasures else 1.0
    strategy, proposer = _strategy(name, dim, sigma, config)
    reasoner = lumped_oracle(Reliability(config.shown_r / math.sqrt(dim)), dim)
    evaluator = noisy_evaluator(sigma, remeasures=remeasures)
    world = World(lumped_sphere(dim), reasoner, proposer, evaluator)
    steps = int(config.stall_evaluations / per_step)
    trace = simulate(
        lambda unused: (strategy, world),
        jnp.zeros(1),
        jax.random.key(config.seed),
        steps=steps + 2,
        runs=config.stall_runs,
    )
    log_loss = np.log(np.asarray(trace.parent_loss[0, :, 1:], np.float64))
    at = np.unique(np.linspace(0, steps, config.stall_points).astype(int))
    mean, stderr = mean_and_stderr(log_loss[:, at].T)
    predicted = _predicted(name, at * per_step, dim, sigma, config)
    return [
        {
            "kind": "stall",
            "strategy": name,
            "evaluations": float(n * per_step),
            "value": float(value - math.log(config.stall_at)),
            "stderr": float(error),
            "predicted": float(law - math.log(config.stall_at)),
        }
        for n, value, error, law in zip(at, mean, stderr, predicted, strict=True)
    ]


def _predicted(
    name: str, evaluations: np.ndarray, dim: int, sigma: float, config: Any
) -> np.ndarray:
    """The law integrated from loss 1."""
    if name == "ungated":
        rate = gome_theory.optimal_ungated_log_rate(config.shown_r / math.sqrt(dim), dim).rate
        return -float(rate) / config.cost * evaluations
    rates = tabulated(name).rate

    def slope(_, log_loss):
        noise = sigma * dim * np.exp(-log_loss)
        return -np.interp(noise, _NOISES, rates) / dim

    solved = solve_ivp(
        slope, (0.0, evaluations[-1]), [0.0], t_eval=evaluations, rtol=1e-6, max_step=50.0
    )
    return solved.y[0]


def _strategy(name: str, dim: int, sigma: float, config: Any) -> tuple[Strategy, Oracle]:
    """The strategy, and a proposer whose step is tuned to the noise where it stands."""
    if name == "ungated":
        step = config.shown_r / math.sqrt(dim)
        directed = optimizers.directed(optimizers.sgd(step), gate=gates.always())
        return directed, lumped_oracle(Reliability(0.0), dim)
    tuning, undirected = tabulated(name), lumped_oracle(Reliability(0.0), dim)
    noises = jnp.asarray(_NOISES)

    def noise_at(params):
        return sigma * dim / (0.5 * jnp.sum(params**2))

    def diagnose(key, bias, situation):
        alpha = jnp.interp(noise_at(situation.params), noises, jnp.asarray(tuning.alpha))
        answer = undirected.diagnose(key, bias, situation)
        return answer._replace(direction=alpha / math.sqrt(dim) * answer.direction)

    def decide(state, observation):
        # At the candidate instead of its parent: in large dimension they have the same noise.
        z = jnp.interp(noise_at(observation.params), noises, jnp.asarray(tuning.z))
        return observation.gain > z * observation.gain_stderr, state

    return optimizers.hill_climb(gate=Gate(init=tuple, decide=decide)), Oracle(diagnose)
