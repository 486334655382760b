"""The simulated half of the selection study: claims and re-runs of the candidate that looks best.

True values are standard normal; scores add normal noise. In the last part the candidates are those
of a hill climb on the sphere, and the choice is that of `optimizers.selectors.best`.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import gome_theory
import optimizers
from experiments.studies.selection import NAIVE, RERUN, SELECTED
from gome_theory import Reliability
from optimizers import claims
from simulators import World, lumped_oracle, lumped_sphere, noisy_evaluator, rollout

KEPT = 5
"""Fresh scores of the winner that the re-run claim is made from."""


def claim_rows(noise: float, config: Any) -> list[dict[str, Any]]:
    """Claim and truth of the best-looking of N candidates, for three ways to claim.

    The third one pays for its fresh scores: it compares N - 5 candidates.
    """
    rows = []
    for count in config.counts:
        rng = np.random.default_rng([config.seed, count])
        truth = rng.standard_normal((config.runs, count))
        score = truth + noise * rng.standard_normal(truth.shape)
        fresh = noise * rng.standard_normal((config.runs, KEPT))
        for name in (NAIVE, SELECTED, RERUN):
            tried = count - KEPT if name == RERUN else count
            if tried < 1:
                continue
            chosen = score[:, :tried].argmax(1)
            true = np.take_along_axis(truth, chosen[:, None], 1)[:, 0]
            made = [
                _claim(name, score[i, :tried], noise, true[i] + fresh[i])
                for i in range(config.runs)
            ]
            claimed = np.array([claim.score for claim in made])
            inside = sum(
                claim.low <= value <= claim.high for claim, value in zip(made, true, strict=True)
            )
            low, high = claims.clopper_pearson(inside, config.runs)
            law = gome_theory.select_best(tried, 1.0, noise)
            rows.append(
                {
                    "kind": "claim",
                    "claim": name,
                    "noise": noise,
                    "count": count,
                    "compared": tried,
                    **_mean("claimed", claimed),
                    **_mean("truth", true),
                    **_mean("value", claimed - true, error="stderr"),
                    "predicted": float(law.optimism) if name == NAIVE else 0.0,
                    "predicted_truth": float(law.value),
                    "coverage": inside / config.runs,
                    "coverage_low": float(low),
                    "coverage_high": float(high),
                }
            )
    return rows


def _claim(name: str, score: np.ndarray, noise: float, fresh: np.ndarray) -> claims.Claim:
    if name == NAIVE:
        # The interval of a candidate that was not chosen for its score.
        return claims.selected([score.max()], [noise])
    if name == SELECTED:
        return claims.selected(score, np.full(score.size, noise))
    return claims.fresh(fresh)


def rerun_rows(noise: float, config: Any) -> list[dict[str, Any]]:
    """True value of the submission if the top k are scored m more times, the budget being fixed.

    Of the finalists the one with the best mean of all its scores is submitted; what is claimed is
    the mean of its fresh scores, which selection among the finalists still flatters.
    """
    rows = []
    for finalists, replicates in [(0, 0)] + [
        (k, m) for k in config.finalists for m in config.replicates
    ]:
        tried = config.budget - finalists * replicates
        if tried < max(finalists, 1):
            continue
        rng = np.random.default_rng([config.seed, 1])
        truth = rng.standard_normal((config.rerun_runs, tried))
        score = truth + noise * rng.standard_normal(truth.shape)
        if finalists:
            top = np.argpartition(score, -finalists, axis=1)[:, -finalists:]
            true = np.take_along_axis(truth, top, 1)
            fresh = true + noise / math.sqrt(replicates) * rng.standard_normal(true.shape)
            seen = (np.take_along_axis(score, top, 1) + replicates * fresh) / (1 + replicates)
            chosen = seen.argmax(1)[:, None]
            value, claimed = (np.take_along_axis(x, chosen, 1)[:, 0] for x in (true, fresh))
        else:
            chosen = score.argmax(1)[:, None]
            value, claimed = (np.take_along_axis(x, chosen, 1)[:, 0] for x in (truth, score))
        law = gome_theory.select_best(tried, 1.0, noise)
        rows.append(
            {
                "kind": "re-run",
                "noise": noise,
                "finalists": finalists,
                "replicates": replicates,
                "compared": tried,
                **_mean("value", value, error="stderr"),
                **_mean("optimism", claimed - value),
                # One finalist is not chosen again: the law holds, and its claim is fair.
                "predicted": float(law.value) if finalists <= 1 else math.nan,
            }
        )
    return rows


def search_rows(config: Any) -> list[dict[str, Any]]:
    """Claim and truth of the best score of a hill climb with stored noisy scores.

    Both are d times gains relative to the loss of the last incumbent; the law is the stationary
    inflation of a stored score.
    """
    dim = config.search_dim
    alpha = float(gome_theory.optimal_alpha(0.0))
    landscape = lumped_sphere(dim)

    def one(noise, key):
        world = World(
            landscape,
            lumped_oracle(Reliability(alignment=0.0), dim),
            lumped_oracle(Reliability(alignment=0.0), dim, scale=alpha / math.sqrt(dim)),
            noisy_evaluator(noise / dim, relative=True),
        )
        trace, _ = rollout(optimizers.hill_climb(), world, key, config.search_steps)
        chosen = optimizers.choose(optimizers.selectors.best(), trace.history)
        last = trace.parent_loss[-1]
        claimed, true = -trace.score[chosen], trace.loss[chosen]
        return dim * (last - claimed) / last, dim * (last - true) / last

    noises = jnp.asarray(config.search_noises, jnp.float32)
    keys = jax.random.split(jax.random.key(config.seed), config.search_runs)
    over_runs = jax.vmap(one, in_axes=(None, 0))
    claimed, true = (
        np.asarray(x, np.float64) for x in jax.jit(jax.vmap(over_runs, (0, None)))(noises, keys)
    )
    return [
        {
            "kind": "search",
            "noise": noise,
            **_mean("claimed", claimed[i]),
            **_mean("truth", true[i]),
            **_mean("value", claimed[i] - true[i], error="stderr"),
            "predicted": float(gome_theory.stored_incumbent(0.0, noise, alpha).inflation),
        }
        for i, noise in enumerate(config.search_noises)
    ]


def _mean(name: str, values: np.ndarray, error: str = "") -> dict[str, float]:
    return {
        name: float(values.mean()),
        error or f"{name}_stderr": float(values.std(ddof=1) / math.sqrt(values.size)),
    }
