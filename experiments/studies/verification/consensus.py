"""What several diagnoses are worth together (c12, c18)."""

from __future__ import annotations

import math

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    Check,
    Estimate,
    Simulation,
    of_means,
    parameters,
    size_of,
)
from experiments.studies.verification.vectors import (
    aligned,
    chunks,
    gaussians,
    squared_alignment,
)

_ORTHOGONAL = "errors are orthogonal to the truth and to each other up to 1/d"


def checks() -> list[Check]:
    """Every check of this family."""
    settings = ((4, 0.0, 0.0), (4, 0.5, 0.0), (4, 0.5, 0.5), (4, 0.5, 1.0), (16, 0.3, 0.3))
    return [
        *(_mean(*setting) for setting in settings),
        _blend(0.15, 0.3),
        _blend(0.4, 0.2),
    ]


def _mean(K: int, omega: float, kappa: float, rho: float = 0.2, dim: int = 300) -> Check:
    told = parameters(d=dim, rho=rho, K=K, omega=omega, kappa=kappa)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        moments = []
        for count in chunks(size_of(8000, size), K * dim):
            truth = gaussians(rng, count, dim)
            common = math.sqrt(kappa) * gaussians(rng, count, 1, dim)
            bias = common + math.sqrt(1 - kappa) * gaussians(rng, count, K, dim)
            error = math.sqrt(omega) * bias + math.sqrt(1 - omega) * gaussians(rng, count, K, dim)
            said = rho * truth[:, None] + math.sqrt(1 - rho**2) * error
            moments.append(np.stack(aligned(said.mean(1), truth)))
        return {"alignment": of_means(squared_alignment, *np.concatenate(moments, axis=1))}

    return Check(
        id="c12",
        kind="A",
        quantity="squared alignment of the mean of K diagnoses",
        parameters=told,
        law="consensus_alignment",
        predicted=lambda _: float(gt.consensus_alignment(rho, K, omega, kappa)) ** 2,
        simulation=Simulation(f"c12 {told}", run),
        statistic="alignment",
        tolerance=1.0 / dim,
        because=_ORTHOGONAL,
    )


def _blend(rho_1: float, rho_2: float, dim: int = 300) -> Check:
    """Two independent directions, blended with the weights that are best for them (c18)."""
    told = parameters(d=dim, rho_1=rho_1, rho_2=rho_2)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        moments = []
        for count in chunks(size_of(30_000, size), dim):
            truth, blend = gaussians(rng, count, dim), np.zeros((count, dim), np.float32)
            for rho in (rho_1, rho_2):
                said = rho * truth + math.sqrt(1 - rho**2) * gaussians(rng, count, dim)
                blend += np.float32(rho / (1 - rho**2)) * said
            moments.append(np.stack(aligned(blend, truth)))
        return {"alignment": of_means(squared_alignment, *np.concatenate(moments, axis=1))}

    return Check(
        id="c18",
        kind="A",
        quantity="squared alignment of the best blend of two",
        parameters=told,
        law="combine_alignments",
        predicted=lambda _: float(gt.combine_alignments(rho_1, rho_2)) ** 2,
        simulation=Simulation(f"c18 blend {told}", run),
        statistic="alignment",
        tolerance=1.0 / dim,
        because=_ORTHOGONAL,
    )
