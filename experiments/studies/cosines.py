"""The simulated half of the rugged study: hill climbing and directed steps on a rugged landscape.

`f(x) = |x|^2 / 2 + A sum_i (1 - cos(2 pi x_i / l))` with a period far below a step. Scores are of
the whole; the reasoner sees the gradient of the trend `|x|^2 / 2`, or the slope of the whole.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import gome_theory
import optimizers
from experiments.studies.crossings import locate
from experiments.studies.spending import NEAREST, best_alpha, crossing_of, predicted_log_loss
from gome_theory import Reliability
from optimizers import Operator, Strategy
from simulators import Landscape, World, noisy_evaluator, noisy_oracle, rollout, sphere


def rugged_landscape(dim: int, amplitude: Any, period: float, slope: Any = False) -> Landscape:
    """A sphere with cosines on it.

    Args:
      dim: number of coordinates.
      amplitude: A, may be traced.
      period: l.
      slope: whether the reasoner sees the slope of the whole, or else that of the sphere.
    """
    trend = sphere(dim)

    def whole(x):
        return trend.loss(x) + 2.0 * amplitude * jnp.sum(jnp.sin(jnp.pi * x / period) ** 2)

    def gradient(x):
        return jnp.where(slope, jax.grad(whole)(x), jax.grad(trend.loss)(x))

    return trend._replace(loss=whole, gradient=gradient)


def roughness(amplitude: float, config: Any) -> float:
    """Mean square of the cosines' slope over that of the trend's, where the trend is 1."""
    return (2 * math.pi * amplitude / config.period) ** 2 * config.dim / 4


def slope_log_loss(r: float, amplitude: float, steps: int, config: Any) -> float:
    """Log trend after ungated steps along diagnoses of the local slope [mean-field].

    The slope has cosine g with that of the trend, 1/g^2 = 1 + roughness / f, and is longer by 1/g:
    a step a gains 2 a rho - a^2/g^2. The best one at the start, a = rho g_0^2, gains nothing once
    g^2 = g_0^2 / 2: the run stalls where the trend has fallen to less than a half.
    """
    rho, log_loss = r / math.sqrt(config.dim), 0.0
    rough = roughness(amplitude, config)
    step = rho / (1 + rough)
    for _ in range(steps):
        gain = 2 * step * rho - step**2 * (1 + rough * math.exp(-log_loss))
        log_loss += math.log1p(-gain)
    return log_loss


def log_losses(conditions: tuple[Any, ...], counts: np.ndarray, config: Any) -> np.ndarray:
    """Log of the incumbent's trend, and of the best whole loss seen, after numbers of steps.

    Args:
      conditions: arrays operator, threshold of the gate, rho, step, amplitude, noise of a
        score, and whether the reasoner sees the slope of the whole.
      counts: numbers of steps after the draft.
      config: of the study.

    Returns:
      Shape `(conditions, runs, counts, 2)`.
    """
    dim = config.dim
    at = jnp.asarray(counts)

    def one(condition, key):
        operator, threshold, rho, step, amplitude, noise, slope = condition
        world = World(
            rugged_landscape(dim, amplitude, config.period, slope),
            noisy_oracle(Reliability(alignment=rho)),
            noisy_oracle(Reliability(alignment=0.0), scale=step),
            noisy_evaluator(noise),
        )
        strategy = Strategy(
            optimizers.search.sequential(operator),
            optimizers.sgd(step),
            optimizers.gates.improved(threshold),
            optimizers.selectors.best(),
        )
        trace, recorded = rollout(strategy, world, key, int(counts.max()) + 1)
        trend = 0.5 * jnp.sum(recorded.params**2, axis=-1)
        order = jnp.arange(trend.size)
        incumbent = jax.lax.cummax(jnp.where(trace.accepted, order, 0))
        best = jax.lax.cummin(trace.loss)
        return jnp.log(jnp.stack([trend[incumbent[at]], best[at]], axis=-1))

    keys = jax.random.split(jax.random.key(config.seed), config.runs)

    def all_runs(condition):
        return jax.vmap(one, in_axes=(None, 0))(condition, keys)

    # In batches: every candidate of every run at once would not fit.
    every = jax.jit(lambda c: jax.lax.map(all_runs, c, batch_size=4))
    return np.asarray(every(conditions), np.float64)


def rugged_rows(varsigma: float, config: Any) -> list[dict[str, Any]]:
    """All rows at one ruggedness A sqrt(d/2) d / f of the start.

    Search on the rugged landscape, on a sphere with stored noise of that size, and with the mean of
    four scores of such noise; directed steps on the rugged landscape, gated and not.
    """
    dim, price = config.dim, config.price
    counts = np.unique(np.append(config.counts, config.steps // int(price)))
    last, priced = (int(np.flatnonzero(counts == n)[0]) for n in (config.steps, config.steps // 2))
    amplitude = varsigma / dim / math.sqrt(dim / 2)
    noise = float(gome_theory.rugged_noise(amplitude, dim))
    rs = np.asarray(config.scaled_alignments, float)
    alpha = best_alpha("gated", 0.0)
    flatter = 1 / (1 + roughness(amplitude, config))
    rows_of = [
        (Operator.IMPROVE, 0.0, 0.0, alpha, amplitude, 0.0, False),
        (Operator.IMPROVE, 0.0, 0.0, alpha, 0.0, noise, False),
        (Operator.IMPROVE, 0.0, 0.0, alpha, 0.0, noise / 2, False),
        *((Operator.DESCEND, -np.inf, r, r, amplitude, 0.0, False) for r in rs),
        *((Operator.DESCEND, 0.0, r, best_alpha("gated", r), amplitude, 0.0, False) for r in rs),
        *((Operator.DESCEND, -np.inf, r, r * flatter, amplitude, 0.0, True) for r in rs),
    ]
    operator, threshold, r, step, amplitudes, noises, slopes = (
        np.array(column) for column in zip(*rows_of, strict=True)
    )
    scale = math.sqrt(dim)
    conditions = (
        jnp.asarray(operator),
        *(jnp.asarray(x, jnp.float32) for x in (threshold, r / scale, step / scale)),
        jnp.asarray(amplitudes, jnp.float32),
        jnp.asarray(noises, jnp.float32),
        jnp.asarray(slopes),
    )
    found = log_losses(conditions, counts, config)
    law = predicted_log_loss("stored", 0.0, alpha, varsigma, dim, counts.astype(float))
    rows = []
    for name, losses in zip(("rugged", "stored noise", "mean of four scores"), found, strict=False):
        for i, count in enumerate(counts):
            values = losses[:, i, 0]
            rows.append(
                {
                    "kind": "log loss",
                    "world": name,
                    "varsigma": varsigma,
                    "steps": int(count),
                    **_mean(values),
                    "predicted": float(law[i]) if name != "mean of four scores" else math.nan,
                }
            )
    gap = found[0, :, :, 0] - found[1, :, :, 0]
    rows += [
        {
            "kind": "difference",
            "varsigma": varsigma,
            "steps": int(count),
            **_mean(gap[:, i]),
            "predicted": 0.0,
            "log_loss": float(found[1, :, i, 0].mean()),
        }
        for i, count in enumerate(counts)
    ]
    search = found[0, :, last]
    every = zip(("ungated", "gated", "slope"), np.split(found[3:], 3), strict=True)
    for directed, losses in every:
        paths = np.array([_directed_law(directed, r, varsigma, counts[priced], config) for r in rs])
        predicted = crossing_of(rs, law[last] - paths)
        near = np.sort(np.argsort(np.abs(rs - np.nan_to_num(predicted, nan=rs[-1])))[:NEAREST])
        for what, index in (("trend", 0), ("best whole", 1)):
            lead = search[:, index] - losses[:, :, priced, index]
            crossing = locate(rs[near], lead[near], seed=config.seed)
            shared = {"directed": directed, "counts": what, "varsigma": varsigma}
            rows.append(
                {
                    "kind": "crossover",
                    "value": crossing.value,
                    "stderr": crossing.stderr,
                    "predicted": predicted if what == "trend" else math.nan,
                    **shared,
                }
            )
            rows += [
                {
                    "kind": "lead",
                    "r": float(r),
                    **_mean(values),
                    "predicted": float(law[last] - path) if what == "trend" else math.nan,
                    **shared,
                }
                for r, values, path in zip(rs, lead, paths, strict=True)
            ]
    return rows


def _directed_law(directed: str, r: float, varsigma: float, steps: int, config: Any) -> float:
    """Log trend after directed steps."""
    dim = config.dim
    if directed == "slope":
        amplitude = varsigma / dim / math.sqrt(dim / 2)
        return slope_log_loss(r, amplitude, int(steps), config)
    kind = "ungated" if directed == "ungated" else "stored"
    at = np.array([float(steps)])
    return float(predicted_log_loss(kind, r, best_alpha(directed, r), varsigma, dim, at)[0])


def _mean(values: np.ndarray) -> dict[str, float]:
    return {
        "value": float(values.mean()),
        "stderr": float(values.std(ddof=1) / math.sqrt(values.size)),
    }
