"""The simulated half of the study of noise: searches and directed steps that see noisy scores.

Everything runs on the lumped sphere, which is exact in any dimension. Noise is that of *one* score
in units of what is left to gain, scaled by the dimension; a search that scores its incumbent afresh
compares two of them and pays two evaluations a step. Rates are d times nats per evaluation.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import gome_theory
import optimizers
from experiments.studies.crossings import locate, mean_and_stderr
from gome_theory import RegimeWarning, Reliability
from optimizers import Strategy, gates
from simulators import (
    World,
    log_progress_summary,
    lumped_oracle,
    lumped_sphere,
    noisy_evaluator,
    sweep,
)

BATCH = 5
NAIVE_STALL = 4.0 / math.sqrt(2.0)
"""Scaled noise of one score from which on re-scored naive search makes no progress."""
NOISE_FREE_STEP = float(gome_theory.optimal_alpha(0.0))


class Tuning(NamedTuple):
    """How a search is set at each noise, and its rate there by theory; arrays of one shape."""

    alpha: np.ndarray
    """Scaled step."""
    z: np.ndarray
    """Standard errors of a measured gain that the gate demands; negative is lenient."""
    rate: np.ndarray
    """d times the gain per evaluation."""


class Family(NamedTuple):
    """Searches that are one program with other numbers."""

    strategy: Callable[[Any], Strategy]
    """From the gate's z (traced)."""
    members: Mapping[str, Callable[[np.ndarray], Tuning]]
    """From the scaled noise of one score to a tuning."""
    remeasures: bool = False
    round: int = 1
    """Steps between two moves."""
    settles: bool = False
    """Whether it forgets its start slowly: the error of a stored score does."""


def bayes(noise: np.ndarray, r: np.ndarray | float = 0.0) -> Tuning:
    """The best threshold: theta / varsigma standard errors of a gain, at the best step for it."""
    varsigma = math.sqrt(2.0) * noise
    gate = gome_theory.bayes_gate(r, varsigma)
    z = np.asarray(gate.threshold) / np.where(varsigma > 0, varsigma, 1.0)
    return Tuning(np.asarray(gate.alpha), z, np.asarray(gate.progress) / 2.0)


def naive(noise: np.ndarray) -> Tuning:
    """Threshold 0, the best step for each noise; no step where every step loses."""
    gate = gome_theory.naive_gate(0.0, math.sqrt(2.0) * noise)
    alpha = np.asarray(gate.alpha)
    return Tuning(alpha, np.zeros_like(alpha), np.asarray(gate.progress) / 2.0)


def naive_fixed(noise: np.ndarray) -> Tuning:
    """Threshold 0, the step that is best without noise."""
    gate = gome_theory.noisy_gate(0.0, NOISE_FREE_STEP, math.sqrt(2.0) * noise)
    alpha = np.full_like(noise, NOISE_FREE_STEP)
    return Tuning(alpha, np.zeros_like(alpha), np.asarray(gate.progress) / 2.0)


def stored(noise: np.ndarray) -> Tuning:
    """Against the stored score of the incumbent, the best step for each noise."""
    with warnings.catch_warnings():  # The study asks how the law fares outside its regime too.
        warnings.simplefilter("ignore", RegimeWarning)
        law = gome_theory.stored_incumbent(0.0, noise)
    alpha = np.asarray(law.alpha)
    return Tuning(alpha, np.zeros_like(alpha), np.asarray(law.progress))


def best_of_n(noise: np.ndarray) -> Tuning:
    """Rounds of `BATCH` candidates; the best-looking one is moved to."""
    law = gome_theory.noisy_best_of_n(BATCH, 0.0, noise)
    alpha = np.asarray(law.alpha)
    return Tuning(alpha, np.zeros_like(alpha), np.asarray(law.efficiency))


def _hill_climb(z: Any) -> Strategy:
    return optimizers.hill_climb(gate=gates.improved_beyond_noise(z))


FAMILIES: dict[str, Family] = {
    "stored": Family(_hill_climb, {"stored": stored}, settles=True),
    "rescored": Family(
        _hill_climb,
        {"bayes": bayes, "naive": naive, "naive_fixed": naive_fixed},
        remeasures=True,
    ),
    "best_of_n": Family(
        lambda z: optimizers.undirected(optimizers.search.best_of_n(BATCH)),
        {"best_of_n": best_of_n},
        round=BATCH,
    ),
}


def simulate_family(name: str, noise: np.ndarray, config: Any) -> dict[str, np.ndarray]:
    """Rates per evaluation of each member, shape `(len(noise), runs)`, after it has settled."""
    family = FAMILIES[name]
    tunings = [tuning(noise) for tuning in family.members.values()]
    dim, root = config.dim, math.sqrt(config.dim)

    def build(condition):
        sigma, step, z = condition
        return family.strategy(z), _world(dim, 0.0, step, sigma, family.remeasures)

    conditions = (
        np.tile(noise, len(tunings)) / dim,
        np.concatenate([tuning.alpha for tuning in tunings]) / root,
        np.concatenate([tuning.z for tuning in tunings]),
    )
    settling = config.settling if family.settles else family.round
    rates = _log_rates(build, conditions, config, settling, family.round * config.steps)
    per_evaluation = dim * rates / (2.0 if family.remeasures else 1.0)
    return dict(zip(family.members, np.split(per_evaluation, len(tunings)), strict=True))


def simulate_ungated(r: np.ndarray, config: Any) -> np.ndarray:
    """d times nats per step of ungated directed steps, shape `(len(r), runs)`; scores play no part.

    The step is the best one, a = rho.
    """
    dim = config.dim
    rho = r / math.sqrt(dim)

    def build(condition):
        (alignment,) = condition
        strategy = optimizers.directed(optimizers.sgd(alignment), gate=gates.always())
        return strategy, _world(dim, alignment, 1.0, 0.0, False)

    return dim * _log_rates(build, (rho,), config, 1, config.steps)


def simulate_bayes_gated(r: np.ndarray, noise: np.ndarray, config: Any) -> np.ndarray:
    """d times nats per step of directed steps behind a Bayes gate, shape `(len(r), runs)`."""
    dim, root = config.dim, math.sqrt(config.dim)
    tuning = bayes(noise, r)

    def build(condition):
        alignment, sigma, step, z = condition
        gate = gates.improved_beyond_noise(z)
        strategy = optimizers.directed(optimizers.sgd(step), gate=gate)
        return strategy, _world(dim, alignment, 1.0, sigma, True)

    conditions = r / root, noise / dim, tuning.alpha / root, tuning.z
    return dim * _log_rates(build, conditions, config, 1, config.steps)


def _world(dim: int, alignment: Any, step: Any, sigma: Any, remeasures: bool) -> World:
    return World(
        lumped_sphere(dim),
        lumped_oracle(Reliability(alignment), dim),
        lumped_oracle(Reliability(0.0), dim, step),
        noisy_evaluator(sigma, relative=True, remeasures=remeasures),
    )


def _log_rates(build, conditions, config: Any, settling: int, steps: int) -> np.ndarray:
    """Nats per step from step `settling` on."""
    rates = sweep(
        build,
        tuple(jnp.asarray(np.atleast_1d(c), jnp.float32) for c in conditions),
        jax.random.key(config.seed),
        steps=settling + steps + 1,
        runs=config.runs,
        summary=log_progress_summary(first=settling),
    )
    return np.asarray(rates, np.float64)


def rate_rows(family: str, config: Any) -> list[dict[str, Any]]:
    """Progress of searches over the noise, and where ungated directed steps meet each of them.

    The ungated rate is a parabola in r, so one grid of r serves every crossover.
    """
    noise, r = np.asarray(config.noises), np.asarray(config.ungated_r)
    directed = simulate_ungated(r, config) / config.cost
    rows = []
    for name, rates in simulate_family(family, noise, config).items():
        law = FAMILIES[family].members[name](noise).rate
        means = zip(noise, *mean_and_stderr(rates), law, strict=True)
        rows += [_row("rate", name, *values) for values in means]
        # A step that is not tuned is shown for what it loses; nobody would compare with it.
        tuned = name != "naive_fixed"
        predicted = np.sqrt(config.cost * np.maximum(law, 0.0))
        for at, here, expected in zip(noise, rates, predicted, strict=True):
            if tuned and expected >= config.smallest_crossover:
                found = locate(r, directed - here, seed=config.seed)
                rows.append(
                    _row("crossover", f"ungated vs {name}", at, found.value, found.stderr, expected)
                )
    return rows


def gated_crossover_rows(config: Any) -> list[dict[str, Any]]:
    """Where Bayes-gated directed steps meet Bayes-gated search, at a multiple of its step's cost.

    Theorem 5: psi(r*; varsigma) = c psi(0; varsigma), which falls with the noise.
    """
    noise = np.asarray(config.noises)
    law = gome_theory.bayes_gated_vs_bayes_gated(config.dim, config.cost, math.sqrt(2.0) * noise)
    predicted = np.asarray(law.alignment) * math.sqrt(config.dim)
    search = 2.0 * simulate_family("rescored", noise, config)["bayes"]  # per step
    grid = predicted[:, None] * np.linspace(0.6, 1.4, 5)
    noises = np.broadcast_to(noise[:, None], grid.shape)
    runs = simulate_bayes_gated(grid.ravel(), noises.ravel(), config).reshape(*grid.shape, -1)
    rows = []
    for at, r, rates, here, expected in zip(noise, grid, runs, search, predicted, strict=True):
        found = locate(r, rates / config.cost - here, seed=config.seed)
        rows.append(_row("crossover", "gated vs bayes", at, found.value, found.stderr, expected))
    return rows


def ungated_rate_rows(config: Any) -> list[dict[str, Any]]:
    """What ungated directed steps of the shown alignment make per evaluation: no noise in it."""
    rates = simulate_ungated(np.array([config.shown_r]), config)[0] / config.cost
    mean, stderr = mean_and_stderr(rates)
    rho = config.shown_r / math.sqrt(config.dim)
    law = gome_theory.optimal_ungated_log_rate(rho, config.dim)
    predicted = config.dim * float(law.rate) / config.cost
    return [_row("rate", "ungated", noise, mean, stderr, predicted) for noise in config.noises]


def _row(kind: str, name: str, noise: float, value, stderr, predicted) -> dict[str, Any]:
    return {
        "kind": kind,
        "strategy": name,
        "noise": float(noise),
        "value": float(value),
        "stderr": float(stderr),
        "predicted": float(predicted),
    }
