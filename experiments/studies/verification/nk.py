"""NK landscapes (c15): neighbours of a point in real tables, and screening them in the head."""

from __future__ import annotations

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    Check,
    Estimate,
    Simulation,
    expect,
    mean_of,
    parameters,
    size_of,
)
from experiments.studies.verification.vectors import chunks

_NORMAL = "the law's documentation: gains are treated as normal, 2 to 7 per cent high at N = 24"


def checks() -> list[Check]:
    """Every check of this family."""
    settings = ((24, 2, 0.0), (24, 2, 1.5), (24, 8, 1.5), (40, 4, 2.5))
    return [check for setting in settings for check in _nk(*setting)]


def neighbour_gains(
    rng: np.random.Generator, count: int, loci: int, epistasis: int, z: float, *, adjacent: bool
) -> np.ndarray:
    """Fitness gains of all one-flip neighbours of a point of fitness z, one landscape a row.

    Only the table entries that are looked up are drawn: independent normals, of which those of the
    point are shifted to the given fitness, which is their conditional distribution.
    """
    here = rng.standard_normal((count, loci))
    here += z / np.sqrt(loci) - here.mean(1, keepdims=True)
    locus = np.arange(loci)
    if adjacent:
        depends = ((locus[None, :] - locus[:, None]) % loci <= epistasis)[None]
    else:
        order = rng.random((count, loci, loci))
        order[:, locus, locus] = -1.0
        depends = order <= np.partition(order, epistasis, axis=2)[..., epistasis, None]
    fresh = rng.standard_normal((count, loci, loci))
    return (depends * (fresh - here[:, :, None])).sum(1) / np.sqrt(loci)


def _nk(loci: int, epistasis: int, z: float) -> list[Check]:
    told = parameters(N=loci, K=epistasis, z=z)
    spread = float(gt.neighbour_spread(loci, epistasis))

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        count = size_of(16_000, size)
        rings = _in_pieces(rng, count // 2, loci, epistasis, z, adjacent=True)
        gains = _in_pieces(rng, count, loci, epistasis, z, adjacent=False)
        found = {
            "adjacent": mean_of((rings > 0).mean(1)),
            "random": mean_of((gains > 0).mean(1)),
            "variance": mean_of(rings.var(1, ddof=1)),
            "random variance": mean_of(gains.var(1, ddof=1)),
            "eight": mean_of(gains[:, :8].max(1)),
        }
        for rho in (0.3, 0.8):
            guess = rho * gains / spread
            guess += np.sqrt(1 - rho**2) * rng.standard_normal(gains.shape)
            found[f"screened {rho}"] = mean_of(gains[np.arange(count), guess.argmax(1)])
        return found

    simulation = Simulation(f"c15 {told}", run)

    def exact(quantity: str, law: str, predicted, statistic: str) -> Check:
        return Check(
            "c15", "E", quantity, told, law, lambda _: float(predicted()), simulation, statistic
        )

    def screened(quantity: str, rho: float, m: int, statistic: str) -> Check:
        return Check(
            id="c15",
            kind="A",
            quantity=quantity,
            parameters=told,
            law="screened_gain",
            predicted=expect(gt.screened_gain, z, loci, epistasis, m, rho),
            simulation=simulation,
            statistic=statistic,
            tolerance=0.07,
            because=_NORMAL,
            scale=lambda: float(gt.screened_gain(0.0, loci, epistasis, m, rho)),
        )

    return [
        exact(
            "P(a flip improves), adjacent neighbourhoods",
            "nk_improvement_probability",
            lambda: gt.nk_improvement_probability(z, loci, epistasis),
            "adjacent",
        ),
        exact(
            "P(a flip improves), random neighbourhoods",
            "nk_improvement_probability",
            lambda: gt.nk_improvement_probability(z, loci, epistasis, neighbourhood="random"),
            "random",
        ),
        exact(
            "variance of gains among neighbours, adjacent",
            "neighbour_spread",
            lambda: gt.neighbour_spread(loci, epistasis) ** 2,
            "variance",
        ),
        # With random neighbourhoods loci differ in how much they touch, which the law leaves out.
        Check(
            id="c15",
            kind="M",
            quantity="variance of gains among neighbours, random",
            parameters=told,
            law="neighbour_spread",
            predicted=lambda _: float(gt.neighbour_spread(loci, epistasis)) ** 2,
            simulation=simulation,
            statistic="random variance",
        ),
        screened("gain of screening all neighbours, rho_p = 0.3", 0.3, loci, "screened 0.3"),
        screened("gain of screening all neighbours, rho_p = 0.8", 0.8, loci, "screened 0.8"),
        screened("gain of the best of 8 evaluated", 1.0, 8, "eight"),
    ]


def _in_pieces(
    rng: np.random.Generator, count: int, loci: int, k: int, z: float, *, adjacent: bool
):
    pieces = chunks(count, 2 * loci**2)
    return np.concatenate([neighbour_gains(rng, n, loci, k, z, adjacent=adjacent) for n in pieces])
