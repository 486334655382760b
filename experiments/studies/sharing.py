"""The simulated half of the traces study: what several diagnoses or traces are worth.

On the sphere, ungated, where the laws of bias hold. Three ways to spend K T diagnosed steps: T
steps along the mean of K diagnoses, the best of K traces of T steps, one trace of K T steps. Each
way takes its best step size, chosen on one half of the runs and reported on the other. Traces start
at one point, as the laws have it: a bias in common correlates traces only if what it is right and
wrong about is in common too. The diversity part shows both.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import gome_theory
import optimizers
from experiments.studies.biased_runs import log_losses
from gome_theory import Reliability
from simulators import Landscape, Situation, World, noisy_evaluator, noisy_oracle, simulate, sphere

WAYS = ("consensus", "best trace", "one long trace", "one short trace")
"""The last one is what K parallel diagnoses are compared with where only time counts."""


def alignment_rows(omega: float, kappa: float, config: Any) -> list[dict[str, Any]]:
    """Effective number of traces of K averaged diagnoses, measured on their mean's direction."""
    rho, dim = config.alignment, config.alignment_dim
    most = max(config.counts)
    oracle = noisy_oracle(Reliability(alignment=rho, bias_share=omega, shared_bias=kappa))
    downhill = jnp.zeros(dim).at[0].set(1.0)

    def cosines(key):
        key_common, key_own, key_error = jax.random.split(key, 3)
        own, errors = (jax.random.split(k, most) for k in (key_own, key_error))
        situation = Situation(-downhill, -downhill)

        def diagnosis(own, error):
            bias = oracle.bias(key_common, own, dim)
            return -oracle.diagnose(error, bias, situation).direction

        said = jax.vmap(diagnosis)(own, errors)
        means = jnp.cumsum(said, 0)[jnp.array(config.counts) - 1]
        return means[:, 0] / jnp.linalg.norm(means, axis=1)

    keys = jax.random.split(jax.random.key(config.seed), config.alignment_runs)
    seen = np.asarray(jax.jit(jax.vmap(cosines))(keys), np.float64)
    rows = []
    for count, values in zip(config.counts, seen.T, strict=True):
        mean, error = values.mean(), values.std(ddof=1) / math.sqrt(values.size)
        odds = float(gome_theory.odds(mean)) / float(gome_theory.odds(rho))
        rows.append(
            {
                "kind": "effective traces",
                "count": count,
                "bias_share": omega,
                "shared_bias": kappa,
                "value": odds,
                # d ln odds / d rho = 2 / (rho (1 - rho^2))
                "stderr": odds * 2 * error / (mean * (1 - mean**2)),
                "predicted": float(gome_theory.effective_traces(count, omega, kappa)),
                "alignment": float(mean),
            }
        )
    return rows


def progress_rows(config: Any) -> list[dict[str, Any]]:
    """Log progress of each way, for every bias share and share of it in common."""
    K, T, rho = config.traces, config.steps, config.rho
    biases = sorted(
        {(config.shown_bias, kappa) for kappa in config.shared_biases}
        | {(omega, kappa) for omega in config.bias_shares for kappa in config.shown_shared}
    )
    grid = rho * np.asarray(config.relative_steps, float)
    omega, kappa, step = (
        jnp.asarray(column, jnp.float32)
        for column in zip(*((*bias, a) for bias in biases for a in grid), strict=True)
    )
    landscape = _from_one_point(config.dim)

    def build_with(diagnoses: int):
        def build(condition):
            omega, kappa, step = condition
            reasoner = noisy_oracle(Reliability(alignment=rho, bias_share=omega, shared_bias=kappa))
            world = World(landscape, reasoner, reasoner, noisy_evaluator(), diagnoses=diagnoses)
            rule = optimizers.sgd(step)
            if diagnoses > 1:
                rule = optimizers.consensus(rule)
            return optimizers.directed(rule, gate=optimizers.gates.always()), world

        return build

    key, conditions = jax.random.key(config.seed + 1), (omega, kappa, step)
    together = simulate(build_with(K), conditions, key, steps=T + 2, runs=config.runs)
    apart = simulate(build_with(1), conditions, key, steps=K * T + 2, runs=config.runs, traces=K)
    progress = {
        "consensus": -_log_loss(together.parent_loss[..., T + 1]),
        "best trace": -_log_loss(apart.parent_loss[..., T + 1].min(-1)),
        "one long trace": -_log_loss(apart.parent_loss[..., 0, K * T + 1]),
        "one short trace": -_log_loss(apart.parent_loss[..., 0, T + 1]),
    }
    law_steps = {"consensus": (K, T), "one long trace": (1, K * T), "one short trace": (1, T)}
    rows = []
    for way, values in progress.items():
        values = values.reshape(len(biases), grid.size, -1)
        half = values.shape[-1] // 2
        chosen = values[..., :half].mean(-1).argmax(-1)
        for (omega_, kappa_), per_step, best in zip(biases, values, chosen, strict=True):
            kept = per_step[best, half:]
            predicted = math.nan
            if way in law_steps:
                count, steps = law_steps[way]
                sharing = {"traces": count, "shared_bias": kappa_}
                path = log_losses(rho, omega_, grid, steps, **sharing)
                predicted = float(-path[-1].min())
            rows.append(
                {
                    "kind": "progress",
                    "way": way,
                    "bias_share": omega_,
                    "shared_bias": kappa_,
                    "step": float(grid[best]),
                    "value": float(kept.mean()),
                    "stderr": float(kept.std(ddof=1) / math.sqrt(kept.size)),
                    "predicted": predicted,
                }
            )
    return rows


def _from_one_point(dim: int) -> Landscape:
    return sphere(dim)._replace(start=lambda key: jnp.zeros(dim).at[0].set(math.sqrt(2)))


def _log_loss(losses: Any) -> np.ndarray:
    return np.log(np.asarray(losses, np.float64))


def diversity_rows(config: Any) -> list[dict[str, Any]]:
    """d times what bias adds to the best of K traces, after every number of steps."""
    K, dim, alpha = config.diverse_traces, config.dim, config.diverse_alpha
    omega, cases = config.diverse_bias, config.diverse_cases
    steps = np.arange(1, config.diverse_steps + 1)
    apart, together = sphere(dim), _from_one_point(dim)
    rho = config.diverse_r / math.sqrt(dim)

    def build(condition):
        omega, kappa, scattered = condition
        reasoner = noisy_oracle(Reliability(alignment=rho, bias_share=omega, shared_bias=kappa))
        landscape = apart._replace(
            start=lambda key: jnp.where(scattered, apart.start(key), together.start(key))
        )
        world = World(landscape, reasoner, reasoner, noisy_evaluator())
        rule = optimizers.sgd(alpha / math.sqrt(dim))
        return optimizers.directed(rule, gate=optimizers.gates.always()), world

    conditions = (
        jnp.array([0.0] + [omega] * len(cases), jnp.float32),
        jnp.array([0.0, *(kappa for kappa, _ in cases)], jnp.float32),
        jnp.array([False, *(start == "scattered" for _, start in cases)]),
    )
    trace = simulate(
        build,
        conditions,
        jax.random.key(config.seed + 2),
        steps=int(steps[-1]) + 2,
        runs=config.diverse_runs,
        traces=K,
    )
    best = dim * -_log_loss(trace.parent_loss[..., 2:].min(-2))  # (conditions, runs, steps)
    rows = []
    for (kappa, start), values in zip(cases, best[1:], strict=True):
        gained = values - best[0]
        law = gome_theory.diversity_value(steps, K, alpha, omega, kappa)
        rows += [
            {
                "kind": "diversity",
                "steps": int(count),
                "bias_share": omega,
                "shared_bias": kappa,
                "start": start,
                "value": float(gain.mean()),
                "stderr": float(gain.std(ddof=1) / math.sqrt(gain.size)),
                "predicted": float(predicted),
            }
            for count, gain, predicted in zip(steps, gained.T, np.asarray(law), strict=True)
        ]
    return rows
