"""Errors that persist: the trap (c10), its gated version, and crossovers beyond it (c21)."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    Check,
    Estimate,
    Simulation,
    mean_of,
    of_estimates,
    parameters,
    size_of,
)
from experiments.studies.verification.runs import around, level
from experiments.studies.verification.vectors import chunks, gaussians, sphere_gains

_FLUCTUATES = "the cosine with the bias fluctuates, which moves means by 1/(d sqrt(omega))"
_TRAP_TIMES = 10.0  # of burn-in


class Settled(NamedTuple):
    """Per chain, averaged once settled."""

    rate: np.ndarray
    cosine: np.ndarray


def checks() -> list[Check]:
    """Every check of this family."""
    return [
        *_trap(0.3, 0.02, 0.25),
        *_trap(0.3, 0.05, 0.2),
        *_trap(0.5, 0.1, 0.4),
        *_trap(0.3, 0.2, 0.2),
        *_trap(0.6, 0.3, 0.4),
        *_trap(0.3, 0.4, 0.3, traces=4, kappa=0.3),
        _gated("M", 0.3, 0.1, 0.2, 400),
        _gated("X", 0.2, 0.2, 0.1, 400),
        _gated("X", 0.2, 0.2, 0.1, 100),
        *(_crossover(*setting) for setting in ((100, 0.05), (400, 0.05), (400, 0.02))),
    ]


def _trap(
    rho: float, omega: float, step: float, traces: int = 1, kappa: float = 1.0, dim: int = 4000
) -> list[Check]:
    told = parameters(d=dim, rho=rho, omega=omega, a=step, K=traces, kappa=kappa)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        settled = settle(rng, size_of(100, size, 16), rho, omega, step, dim, 150, traces, kappa)
        return {"rate": mean_of(settled.rate), "cosine": mean_of(settled.cosine)}

    simulation = Simulation(f"c10 {told}", run)
    shared = {"traces": traces, "shared_bias": kappa}
    tolerance = 1.0 / dim / math.sqrt(float(gt.persistent_share(omega, traces, kappa)))

    def law(field: str):
        return lambda _: float(getattr(gt.bias_trap(rho, omega, step, **shared), field))

    return [
        Check(
            id="c10",
            kind="A",
            quantity="cosine between error and bias, settled",
            parameters=told,
            law="bias_trap",
            predicted=law("error_cosine"),
            simulation=simulation,
            statistic="cosine",
            tolerance=tolerance,
            because=_FLUCTUATES,
        ),
        Check(
            id="c10",
            kind="A",
            quantity="log rate of a biased run, settled",
            parameters=told,
            law="bias_trap",
            predicted=law("rate"),
            simulation=simulation,
            statistic="rate",
            tolerance=tolerance,
            because=_FLUCTUATES,
            scale=lambda: 2 * step * rho + step**2,
        ),
    ]


def _gated(kind, rho: float, omega: float, step: float, dim: int) -> Check:
    told = parameters(d=dim, rho=rho, omega=omega, a=step)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        found = settle(rng, size_of(200, size, 16), rho, omega, step, dim, 1000, gated=True)
        return {"rate": mean_of(found.rate)}

    return Check(
        id="c10",
        kind=kind,
        quantity="log rate of a gated biased run, settled",
        parameters=told,
        law="gated_bias_trap",
        predicted=lambda _: float(gt.gated_bias_trap(rho, omega, step, dim).rate),
        simulation=Simulation(f"c10 gated {told}", run),
        statistic="rate",
    )


def _crossover(dim: int, omega: float, cost: float = 2.0) -> Check:
    told = parameters(d=dim, omega=omega, c=cost)

    @functools.cache
    def law() -> float:
        return float(gt.biased_vs_hill_climb(dim, cost, omega).alignment)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        chains, count = size_of(100, size, 16), size_of(200_000, size)
        alignments = [x * law() for x in around()]
        steps = [float(gt.bias_trap(rho, omega).step) for rho in alignments]
        directed = [
            mean_of(settle(rng, chains, rho, omega, step, dim, 1000).rate)
            for rho, step in zip(alignments, steps, strict=True)
        ]
        gain = sphere_gains(rng, count, dim, 0.0, float(gt.hill_climb_rate(dim).step))
        search = mean_of(-np.log1p(-np.maximum(gain, 0.0)))
        lead = lambda *rates: level(alignments, cost, *rates)  # noqa: E731
        return {"crossover": of_estimates(lead, *directed, search)}

    return Check(
        id="c21",
        kind="A",
        quantity="crossover of biased steps with hill climbing, settled",
        parameters=told,
        law="biased_vs_hill_climb",
        predicted=lambda _: law(),
        simulation=Simulation(f"c21 {told}", run),
        statistic="crossover",
        tolerance=1.0 / dim / math.sqrt(omega),
        because=_FLUCTUATES,
    )


def settle(
    rng: np.random.Generator,
    chains: int,
    rho: float,
    omega: float,
    step: float,
    dim: int,
    measured: int,
    traces: int = 1,
    kappa: float = 1.0,
    *,
    gated: bool = False,
) -> Settled:
    """Runs of a reasoner with persistent bias in d dimensions, after ten trap times.

    Distances are kept at 1: everything is relative to them.
    """
    burn_in = math.ceil(_TRAP_TIMES * float(gt.trap_time(rho, step, omega, traces, kappa)))
    parts = [
        _settle(rng, piece, rho, omega, step, dim, burn_in, measured, traces, kappa, gated)
        for piece in chunks(chains, dim)
    ]
    return Settled(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _settle(rng, chains, rho, omega, step, dim, burn_in, measured, traces, kappa, gated) -> Settled:
    own = gaussians(rng, chains, traces, dim) * np.float32(math.sqrt(1 - kappa))
    bias = (own + np.float32(math.sqrt(kappa)) * gaussians(rng, chains, 1, dim)).mean(1)
    direction = bias / np.linalg.norm(bias, axis=1, keepdims=True)
    remaining = gaussians(rng, chains, dim)
    remaining /= np.linalg.norm(remaining, axis=1, keepdims=True)
    lasting = bias * np.float32(math.sqrt(omega))
    fresh = np.float32(math.sqrt((1 - omega) / traces))
    pull, push = np.float32(1 - step * rho), np.float32(step * math.sqrt(1 - rho**2))
    rate, cosine = np.zeros(chains), np.zeros(chains)
    for time in range(burn_in + measured):
        after = pull * remaining - push * (lasting + fresh * gaussians(rng, chains, dim))
        length = np.sqrt(np.square(after).sum(1, dtype=float))
        if gated:
            after = np.where((length < 1.0)[:, None], after, remaining)
            length = np.minimum(length, 1.0)
        remaining = after / length.astype(np.float32)[:, None]
        if time >= burn_in:
            rate -= 2.0 * np.log(length)
            cosine += (remaining * direction).sum(1)
    return Settled(rate / measured, cosine / measured)
