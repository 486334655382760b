"""Single steps on the sphere (c01, c07): a simulated reasoner's moves against the exact laws."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    SCALED,
    Check,
    Estimate,
    Simulation,
    expect,
    mean_of,
    parameters,
    scaled_tolerance,
    size_of,
)

_SAMPLES = 200_000


def checks() -> list[Check]:
    """Every check of this family."""
    return [
        *_plain(16, 0.3, 0.3),
        *_plain(64, 0.1, 0.2),
        *_plain(8, 0.6, 0.6),
        *_plain(5, 0.4, 0.5),
        *_plain(200, 0.08, 0.1),
        *_hallucinated(1.0, 0.3, 0.0),
        *_hallucinated(2.0, 0.3, 0.0),
        *_hallucinated(2.0, 0.3, -1.0),
        *_hallucinated(1.5, 0.6, 0.5),
    ]


@functools.cache
def _moves(dim: int) -> Callable[..., Any]:
    """Compiled: gains of one move each, from random starting points of the simulators' sphere."""
    import jax

    from simulators import Situation, noisy_oracle, sphere

    landscape = sphere(dim)

    def gain(key, fields, step):
        key_start, key_oracle = jax.random.split(key)
        x = landscape.start(key_start)
        oracle = noisy_oracle(gt.Reliability(*fields))
        situation = Situation(x, jax.grad(landscape.loss)(x))
        after = x - step * oracle.diagnose(key_oracle, (), situation).direction
        return 1.0 - landscape.loss(after) / landscape.loss(x)

    return jax.jit(jax.vmap(gain, in_axes=(0, None, None)))


def _gains(
    rng: np.random.Generator, count: int, dim: int, reliability: gt.Reliability, step: float
) -> np.ndarray:
    import jax

    key = jax.random.key(int(rng.integers(2**31)))
    fields = tuple(np.float32(value) for value in reliability[:3])
    return np.asarray(_moves(dim)(jax.random.split(key, count), fields, np.float32(step)), float)


def _plain(dim: int, rho: float, step: float) -> list[Check]:
    told = parameters(d=dim, rho=rho, a=step)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        gain = _gains(rng, size_of(_SAMPLES, size), dim, gt.Reliability(rho), step)
        kept = np.maximum(gain, 0.0)
        return {
            "ungated": mean_of(gain),
            "gated": mean_of(kept),
            "accepted": mean_of(gain > 0.0),
            "ungated log": mean_of(-np.log1p(-gain)),
            "gated log": mean_of(-np.log1p(-kept)),
            "scaled": mean_of(dim * kept),
        }

    simulation = Simulation(f"c01 {told}", run)

    def exact(
        quantity: str, statistic: str, law: Callable[..., object], *arguments: float
    ) -> Check:
        prediction = expect(law, rho, step, *arguments)
        return Check("c01", "E", quantity, told, law.__name__, prediction, simulation, statistic)

    scaled = gt.scaled(rho, dim), gt.scaled(step, dim)
    return [
        exact("mean gain, ungated", "ungated", gt.ungated_gain),
        exact("mean gain, gated", "gated", gt.gated_gain, dim),
        exact("acceptance", "accepted", gt.gated_acceptance, dim),
        exact("log rate, ungated", "ungated log", gt.ungated_log_rate, dim),
        exact("log rate, gated", "gated log", gt.gated_log_rate, dim),
        Check(
            id="c01",
            kind="A",
            quantity="d x mean gain, gated, scaled",
            parameters=told,
            law="psi",
            predicted=expect(gt.psi, *scaled),
            simulation=simulation,
            statistic="scaled",
            tolerance=scaled_tolerance(dim),
            because=SCALED,
        ),
    ]


def _hallucinated(r: float, share: float, r_h: float, dim: int = 100) -> list[Check]:
    rho, rho_h = float(gt.unscaled(r, dim)), float(gt.unscaled(r_h, dim))
    reliability = gt.Reliability(rho, share, rho_h)
    mixed = {"hallucination": share, "hallucination_alignment": rho_h}
    best = gt.optimal_gated_gain(rho, dim, **mixed)
    mean = float(gt.mean_alignment(reliability))
    told = parameters(d=dim, r=r, h=share, r_h=r_h)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        count = size_of(_SAMPLES // 2, size)
        gain = _gains(rng, count, dim, reliability, float(best.step))
        return {
            "gated": mean_of(dim * np.maximum(gain, 0.0)),
            "accepted": mean_of(gain > 0.0),
            "ungated": mean_of(dim * _gains(rng, count, dim, reliability, mean)),
        }

    simulation = Simulation(f"c07 {told}", run)

    def check(kind, quantity, law, predicted, statistic, tolerance=0.0) -> Check:
        because = SCALED if kind == "A" else ""
        return Check(
            "c07", kind, quantity, told, law, predicted, simulation, statistic, tolerance, because
        )

    best_ungated = gt.optimal_ungated_gain(rho, **mixed).rate
    return [
        check(
            "A",
            "d x gain of a hallucinating reasoner, gated, scaled",
            "hallucinated_psi_g",
            expect(gt.hallucinated_psi_g, r, share, r_h),
            "gated",
            scaled_tolerance(dim),
        ),
        check(
            "E",
            "d x gain of a hallucinating reasoner, gated",
            "optimal_gated_gain",
            lambda _: dim * float(best.rate),
            "gated",
        ),
        check(
            "E",
            "acceptance of a hallucinating reasoner",
            "gated_acceptance",
            lambda _: float(best.acceptance),
            "accepted",
        ),
        check(
            "E",
            "d x gain of a hallucinating reasoner, ungated",
            "optimal_ungated_gain",
            lambda _: dim * float(best_ungated),
            "ungated",
        ),
    ]
