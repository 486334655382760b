"""The simulated half of the ablation study: an agent without one of its parts.

A sphere whose descent direction turns by itself (`moving_frame`), so that what worked before keeps
some worth. Several traces are several diagnoses of one step (`consensus`); memory is success memory
(`gome`); without reasoning the diagnoses have alignment 0; the tree is greedy and undirected. Every
variant takes its best step size and weight of memory, chosen on a third of the runs and reported
on the others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import gome_theory
import optimizers
from gome_theory import Reliability
from simulators import World, moving_frame, noisy_evaluator, noisy_oracle, rollout, sphere

SMALLEST_R = 1e-3
"""Stands for no alignment where a law divides by it."""


class Variant(NamedTuple):
    """What of the agent is there."""

    label: str
    traces: bool = True
    memory: bool = True
    reasoning: bool = True
    tree: bool = False


VARIANTS = {
    "full": Variant("full"),
    "no traces": Variant("without traces", traces=False),
    "no memory": Variant("without memory", memory=False),
    "no reasoning": Variant("without reasoning", reasoning=False),
    "tree": Variant("tree", traces=False, memory=False, reasoning=False, tree=True),
}
"""In the published order, best first."""
PUBLISHED = {"full": 35.1, "no traces": 32.4, "no memory": 28.9, "no reasoning": 25.8, "tree": 24.0}
"""Any-medal rates in per cent on MLE-bench with GPT-5, quoted from "Reasoning as Gradient",
arXiv:2603.01692 (three seeds, 12 hours; the tree is ML-Master). Not ours, and in other units."""
ACCOUNTINGS = ("wall-clock", "shared budget")
"""K diagnoses of a step cost what one costs, or K times as much."""


class Setting(NamedTuple):
    """What is the same for all variants."""

    r: float
    persistence: float
    bias_share: float
    noise: float
    """Scaled noise of one score, relative to the loss."""


GROUPS = (("full", "no memory", "no reasoning"), ("no traces",), ("tree",))
"""Variants that one compiled program serves: without memory is a memory of weight 0."""


def progress_rows(names: Sequence[str], config: Any) -> list[dict[str, Any]]:
    """Log progress of variants in every setting and accounting, at their best tuning.

    Args:
      names: a group of `GROUPS`.
      config: of the study.
    """
    tasks = []
    for name in names:
        variant = VARIANTS[name]
        weights = config.weights if variant.memory else (0.0,)
        tunings = list(itertools.product(config.scaled_steps, weights))
        tasks += [
            (name, Setting(r, gamma, *kind), tunings)
            for kind in config.kinds
            for gamma in config.persistences
            for r in (config.scaled_alignments if variant.reasoning else (0.0,))
        ]
    columns = zip(*((*s, *t) for _, s, tunings in tasks for t in tunings), strict=True)
    conditions = tuple(jnp.asarray(column, jnp.float32) for column in columns)
    progress, accepted = _simulated(VARIANTS[names[0]], conditions, config)
    third, rows, start = config.runs // 3, [], 0
    for name, setting, tunings in tasks:
        here = slice(start, start + len(tunings))
        start += len(tunings)
        for i, accounting in enumerate(ACCOUNTINGS):
            values = progress[here, :, i]
            best = int(values[:, :third].mean(1).argmax())
            kept = values[best, third:]
            rows.append(
                {
                    "kind": "progress",
                    "variant": name,
                    "accounting": accounting,
                    **setting._asdict(),
                    "alpha": tunings[best][0],
                    "weight": tunings[best][1],
                    "value": float(kept.mean()),
                    "stderr": float(kept.std(ddof=1) / math.sqrt(kept.size)),
                    "accepted": float(accepted[here][best, third:].mean()),
                    "predicted": predicted_progress(name, setting, accounting, config),
                }
            )
    return rows


def _simulated(
    variant: Variant, conditions: tuple[Any, ...], config: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Log progress, shape `(conditions, runs, accountings)`, and shares of accepted steps."""
    dim, K = config.dim, config.traces if variant.traces else 1
    landscape = sphere(dim)

    def one(condition, key):
        r, gamma, omega, noise, alpha, weight = condition
        # The mean of K diagnoses that know little is shorter by sqrt(K).
        step = alpha * math.sqrt(K / dim)
        world = World(
            landscape,
            noisy_oracle(Reliability(alignment=r / math.sqrt(dim), bias_share=omega)),
            noisy_oracle(Reliability(alignment=0.0), scale=step),
            noisy_evaluator(noise / dim, relative=True),
            diagnoses=K,
            frame=moving_frame(gamma),
        )
        rule = optimizers.gome(step, decay=gamma, weight=weight)
        strategy = optimizers.directed(optimizers.consensus(rule) if K > 1 else rule)
        if variant.tree:
            strategy = optimizers.undirected(optimizers.search.aide(drafts=config.drafts))
        trace, _ = rollout(strategy, world, key, config.steps + 2)
        reached = jnp.array([config.steps + 1, config.steps // K + 1])
        return -jnp.log(trace.parent_loss[reached]), trace.accepted[1:].mean()

    keys = jax.random.split(jax.random.key(config.seed), config.runs)

    def all_runs(condition):
        return jax.vmap(one, in_axes=(None, 0))(condition, keys)

    # In batches: success memories of all conditions at once would not fit.
    every = jax.jit(lambda c: jax.lax.map(all_runs, c, batch_size=config.batch))
    progress, accepted = every(conditions)
    return np.asarray(progress, np.float64), np.asarray(accepted, np.float64)


def predicted_progress(name: str, setting: Setting, accounting: str, config: Any) -> float:
    """Mean-field progress without noise and bias; NaN with either, for which no law covers all.

    The consensus makes one direction of alignment rho_K, success memory acts on that.
    """
    variant, dim = VARIANTS[name], config.dim
    if setting.bias_share or setting.noise:
        return math.nan
    K = config.traces if variant.traces else 1
    rho = float(gome_theory.consensus_alignment(setting.r / math.sqrt(dim), K))
    r = rho * math.sqrt(dim)
    rate = float(gome_theory.psi_g(r))
    if variant.memory:
        rate = float(
            gome_theory.success_memory(max(r, SMALLEST_R), setting.persistence, dim=dim).progress
        )
    steps = config.steps - (config.drafts - 1 if variant.tree else 0)
    if accounting == "shared budget":
        steps /= K
    return steps * rate / dim


def persistence_for_order(traces: int, bias_share: float = 0.0) -> float:
    """gamma above which memory is worth more than traces, to first order.

    An average over time multiplies the odds of a diagnosis by 1 / (1 - gamma^2) at most, an average
    over traces by K_eff; the published order of the two single ablations needs the first to exceed
    the second [small alignment; `gome_theory.momentum` and `consensus`].
    """
    return math.sqrt(1.0 - 1.0 / float(gome_theory.effective_traces(traces, bias_share, 0.0)))


def chance_of_order(rates: np.ndarray, tasks: int, draws: int, seed: int) -> float:
    """How often independent draws of so many tasks would show the order of these rates."""
    rng = np.random.default_rng(seed)
    seen = rng.binomial(tasks, rates, size=(draws, len(rates)))
    return float((np.diff(seen, axis=1) < 0).all(1).mean())
