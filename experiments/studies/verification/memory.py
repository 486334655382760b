"""Memory of accepted directions (c20), and an agent with parts of it taken away (c24)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    Check,
    Estimate,
    Kind,
    Simulation,
    mean_of,
    of_means,
    parameters,
    size_of,
)
from experiments.studies.verification.vectors import gaussians

_LIMIT = "the process is a limit of large d: the truth in the memory and 4/d"
_DIM, _STEPS, _BURN_IN = 200, 120, 40


class Setting(NamedTuple):
    """A reasoner, its traces, and whether it remembers; bias and noise as in the laws."""

    r: float
    gamma: float
    traces: int = 1
    varsigma: float = 0.0
    omega: float = 0.0
    kappa: float = 0.0
    remembers: bool = True


_MEMORIES = (
    Setting(0.5, 0.9),
    Setting(0.5, 0.6),
    Setting(1.0, 0.8, 4, 2.0),
    Setting(0.5, 0.9, 4, 0.0, 0.3, 0.5),
)
_AGENTS = {
    "memory and two traces": Setting(0.346, 0.676, 2),
    "memory, one trace": Setting(0.346, 0.676, 1),
    "two traces, no memory": Setting(0.346, 0.676, 2, remembers=False),
    "no reasoning, no memory": Setting(-0.367, 0.676, 2, remembers=False),
    "misleading reasoning, no memory": Setting(-0.854, 0.676, 2, remembers=False),
}
"""Scaled alignments and persistence that fit published ablations of an agent; a story, not data."""


def checks() -> list[Check]:
    """Every check of this family."""
    return [
        *(check for setting in _MEMORIES for check in _memory(setting)),
        *(check for name, setting in _AGENTS.items() for check in _agent(name, setting)),
    ]


def _field(setting: Setting, dim: float = _DIM) -> gt.SuccessMemory:
    return gt.success_memory(
        setting.r,
        setting.gamma,
        traces=setting.traces,
        varsigma=setting.varsigma,
        bias_share=setting.omega,
        shared_bias=setting.kappa,
        dim=dim,
    )


def _gate(setting: Setting) -> tuple[gt.BayesGate, float]:
    """Step and threshold, and the weight of the memory in the blend."""
    if not setting.remembers:
        return gt.bayes_gate(setting.r, setting.varsigma), 0.0
    field = _field(setting)
    # Weights in proportion to alignments of unit vectors: r for the fresh direction, r_m for M/|M|.
    kept = setting.gamma**2 * setting.traces * float(field.acceptance * field.stored_alignment)
    projection = kept / (1.0 - setting.gamma**2)
    weight = float(field.memory_alignment) ** 2 / (setting.r * projection)
    return gt.bayes_gate(field.blended_alignment, setting.varsigma), weight


class Process(NamedTuple):
    """Averages per chain; progress and acceptance per trace too."""

    progress: np.ndarray
    accepted: np.ndarray
    projection: np.ndarray
    energy: np.ndarray


def remember(rng: np.random.Generator, chains: int, setting: Setting, dim: int = _DIM) -> Process:
    """Traces that blend fresh directions with a common memory, while the truth turns."""
    r, gamma, traces, varsigma, omega, kappa, _ = setting
    gate, weight = _gate(setting)
    alpha, threshold = float(gate.alpha), float(gate.threshold)
    rho = r / math.sqrt(dim)
    bias = math.sqrt(kappa) * gaussians(rng, chains, 1, dim)
    bias = bias + math.sqrt(1 - kappa) * gaussians(rng, chains, traces, dim)
    truth, memory = gaussians(rng, chains, dim), np.zeros((chains, dim), np.float32)
    sums = np.zeros((2, chains, traces)), np.zeros((2, chains))
    for time in range(_BURN_IN + _STEPS):
        error = math.sqrt(omega) * bias + math.sqrt(1 - omega) * gaussians(rng, chains, traces, dim)
        fresh = rho * truth[:, None] + math.sqrt(1 - rho**2) * error
        tried = fresh + weight * memory[:, None]
        tried /= np.linalg.norm(tried, axis=-1, keepdims=True)
        projected = (tried * truth[:, None]).sum(-1, dtype=float)
        gain = 2.0 * alpha * math.sqrt(dim) * projected - alpha**2
        accepted = gain + varsigma * rng.standard_normal(gain.shape) > threshold
        if time >= _BURN_IN:
            sums[0][:] += np.where(accepted, gain, 0.0), accepted
            sums[1][:] += (memory * truth).sum(-1), np.square(memory).sum(-1)
        memory = gamma * (memory + (fresh * accepted[..., None]).sum(1))
        truth = gamma * truth + math.sqrt(1 - gamma**2) * gaussians(rng, chains, dim)
    return Process(*(sums[0] / _STEPS), *(sums[1] / _STEPS))


def _memory(setting: Setting) -> list[Check]:
    told = parameters(
        d=_DIM,
        r=setting.r,
        gamma=setting.gamma,
        K=setting.traces,
        varsigma=setting.varsigma,
        omega=setting.omega,
        kappa=setting.kappa,
    )

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        process = remember(rng, size_of(500, size), setting)
        found = {
            "progress": mean_of(process.progress.mean(1)),
            "acceptance": mean_of(process.accepted.mean(1)),
            "alignment": of_means(
                lambda signal, energy: math.sqrt(_DIM / energy) * signal,
                process.projection,
                process.energy,
            ),
        }
        if setting.omega == 0.0:
            limit = gt.simulate_success_memory(
                setting.r,
                setting.gamma,
                traces=setting.traces,
                varsigma=setting.varsigma,
                chains=size_of(500, size),
                steps=_STEPS,
                seed=int(rng.integers(2**31)),
            )
            found["limit"] = Estimate(limit.progress, limit.progress_error)
            both = math.hypot(found["progress"].stderr, limit.progress_error)
            found["in d"] = Estimate(found["progress"].mean, both)
        return found

    simulation = Simulation(f"c20 {told}", run)

    def check(kind: Kind, quantity: str, law: str, predicted, statistic: str, **more) -> Check:
        return Check("c20", kind, quantity, told, law, predicted, simulation, statistic, **more)

    answer = [
        check(
            "M",
            "d x gain per step with success memory",
            "success_memory",
            lambda _: float(_field(setting).progress),
            "progress",
        ),
        check(
            "M",
            "scaled alignment of the memory",
            "success_memory",
            lambda _: float(_field(setting).memory_alignment),
            "alignment",
        ),
        check(
            "M",
            "acceptance with success memory",
            "success_memory",
            lambda _: float(_field(setting).acceptance),
            "acceptance",
        ),
    ]
    if setting.omega == 0.0:
        share = (4.0 + float(_field(setting, math.inf).blended_alignment) ** 2) / _DIM
        answer.append(
            check(
                "A",
                "d x gain per step, against the limit of the process",
                "simulate_success_memory",
                lambda seen: seen["limit"].mean,
                "in d",
                tolerance=share,
                because=_LIMIT,
            )
        )
    return answer


def _agent(name: str, setting: Setting) -> list[Check]:
    told = f"{parameters(d=_DIM, T=_STEPS, r=setting.r, gamma=setting.gamma)} {name}"

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        process = remember(rng, size_of(500, size), setting)
        totals = process.progress * _STEPS / _DIM
        found = {
            "progress": mean_of(process.progress.mean(1)),
            "acceptance": mean_of(process.accepted.mean(1)),
            "best": mean_of(totals.max(1)),
        }
        if setting.traces == 2:
            centred = totals - totals.mean()
            found["variance"] = mean_of(np.square(centred).mean(1))
            found["covariance"] = mean_of(centred.prod(1))
        return found

    simulation = Simulation(f"c24 {told}", run)

    def field(what: str) -> float:
        state = _field(setting) if setting.remembers else _gate(setting)[0]
        return float(getattr(state, what))

    def best(seen) -> float:
        variance = seen["variance"].mean
        totals = gt.TraceTotals(
            field("progress") * _STEPS / _DIM,
            math.sqrt(variance),
            min(1.0, max(0.0, seen["covariance"].mean / variance)),
        )
        return float(gt.best_trace(setting.traces, totals))

    law = "success_memory" if setting.remembers else "bayes_gate"
    answer = [
        Check(
            id="c24",
            kind="M",
            quantity="d x gain per step of a trace",
            parameters=told,
            law=law,
            predicted=lambda _: field("progress"),
            simulation=simulation,
            statistic="progress",
        ),
        Check(
            id="c24",
            kind="M",
            quantity="acceptance",
            parameters=told,
            law=law,
            predicted=lambda _: field("acceptance"),
            simulation=simulation,
            statistic="acceptance",
        ),
    ]
    if setting.traces == 2:
        answer.append(
            Check(
                id="c24",
                kind="M",
                quantity="progress of the better trace, given the spread",
                parameters=told,
                law="best_trace",
                predicted=best,
                simulation=simulation,
                statistic="best",
            )
        )
    return answer
