"""Gates and incumbents that go by noisy scores (c04, c06)."""

from __future__ import annotations

import math

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    Check,
    Estimate,
    Simulation,
    mean_of,
    parameters,
    size_of,
)
from experiments.studies.verification.vectors import sphere_gains, units

_GATES = "the law's documentation: within 3 per cent at d = 100"
_QUIET = "the law's documentation: within 1 per cent at d = 100 for r = 0 and noise up to 2"
_LOUD = "the law's documentation: 3 per cent at d = 400"
_BETWEEN = "between the documented 1 per cent at r = 0 and 15 per cent at r = 1, noise 4, d = 100"


def checks() -> list[Check]:
    """Every check of this family."""
    return [
        *(
            row
            for r, noise in ((0.0, 1.0), (0.0, 2.0), (0.5, 2.0), (1.0, 4.0), (2.0, 4.0))
            for row in _bayes(r, noise)
        ),
        *(_naive(noise) for noise in (1.0, 2.0, 4.0)),
        _best_naive(3.0),
        *_stored(0.0, 1.2, 0.5, 100, 500, 400, 0.01, _QUIET),
        *_stored(0.0, 1.2, 1.0, 100, 500, 600, 0.01, _QUIET),
        *_stored(0.0, 1.2, 2.0, 100, 3000, 1500, 0.01, _QUIET),
        *_stored(0.5, 1.4, 2.0, 100, 2000, 600, 0.04, _BETWEEN),
        *_stored(1.0, 1.7, 4.0, 400, 4000, 200, 0.03, _LOUD),
    ]


def _gate(
    name: str, r: float, alpha: float, varsigma: float, threshold: float, dim: int
) -> Simulation:
    """One step in d dimensions, accepted by a measured gain; both scores are fresh."""

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        count = size_of(400_000, size)
        rho, step = float(gt.unscaled(r, dim)), float(gt.unscaled(alpha, dim))
        gain = dim * sphere_gains(rng, count, dim, rho, step)
        noise = varsigma * rng.standard_normal(count)
        accepted = gain + noise > threshold
        return {
            "progress": mean_of(np.where(accepted, gain, 0.0)),
            "acceptance": mean_of(accepted),
            "inflation": mean_of(noise[accepted]),
        }

    return Simulation(name, run)


def _terms(r: float, alpha: float, varsigma: float, threshold: float) -> float:
    """Losses and luck of the accepted steps, which cancel in the progress."""
    law = gt.noisy_gate(r, alpha, varsigma, threshold)
    losses = (2 * alpha * r - alpha**2) * float(law.acceptance)
    return abs(losses) + abs(float(law.progress) - losses)


def _bayes(r: float, varsigma: float, dim: int = 100) -> list[Check]:
    best = gt.bayes_gate(r, varsigma)
    alpha, threshold = float(best.alpha), float(best.threshold)
    told = parameters(d=dim, r=r, varsigma=varsigma)
    simulation = _gate(f"c04 {told}", r, alpha, varsigma, threshold, dim)

    def check(quantity: str, law: str, predicted, statistic: str, scale=None) -> Check:
        return Check(
            id="c04",
            kind="A",
            quantity=quantity,
            parameters=told,
            law=law,
            predicted=lambda _: float(predicted()),
            simulation=simulation,
            statistic=statistic,
            tolerance=0.03,
            because=_GATES,
            scale=scale,
        )

    def gate() -> gt.NoisyGate:
        return gt.noisy_gate(r, alpha, varsigma, threshold)

    return [
        check(
            "d x gain of a Bayes-gated step",
            "bayes_gate",
            lambda: gt.bayes_gate(r, varsigma).progress,
            "progress",
            lambda: _terms(r, alpha, varsigma, threshold),
        ),
        check(
            "acceptance of a Bayes gate",
            "bayes_gate",
            lambda: gt.bayes_gate(r, varsigma).acceptance,
            "acceptance",
        ),
        check(
            "d x winner's curse of accepted steps",
            "noisy_gate",
            lambda: gate().inflation,
            "inflation",
        ),
    ]


def _naive(varsigma: float, alpha: float = 0.8, dim: int = 100) -> Check:
    told = parameters(d=dim, r=0.0, varsigma=varsigma, alpha=alpha)
    return Check(
        id="c04",
        kind="A",
        quantity="d x gain behind a naive gate",
        parameters=told,
        law="noisy_gate",
        predicted=lambda _: float(gt.noisy_gate(0.0, alpha, varsigma).progress),
        simulation=_gate(f"c04 naive {told}", 0.0, alpha, varsigma, 0.0, dim),
        statistic="progress",
        tolerance=0.03,
        because=_GATES,
        scale=lambda: _terms(0.0, alpha, varsigma, 0.0),
    )


def _best_naive(varsigma: float, dim: int = 100) -> Check:
    alpha = float(gt.naive_gate(0.0, varsigma).alpha)
    told = parameters(d=dim, r=0.0, varsigma=varsigma)
    return Check(
        id="c04",
        kind="A",
        quantity="d x gain behind a naive gate at its best step",
        parameters=told,
        law="naive_gate",
        predicted=lambda _: float(gt.naive_gate(0.0, varsigma).progress),
        simulation=_gate(f"c04 best naive {told}", 0.0, alpha, varsigma, 0.0, dim),
        statistic="progress",
        tolerance=0.03,
        because=_GATES,
        scale=lambda: _terms(0.0, alpha, varsigma, 0.0),
    )


def _stored(
    r: float,
    alpha: float,
    varsigma: float,
    dim: int,
    burn_in: int,
    runs: int,
    tolerance: float,
    because: str,
) -> list[Check]:
    told = parameters(d=dim, r=r, alpha=alpha, varsigma=varsigma)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        sums = greedy_search(rng, size_of(runs, size, 30), r, alpha, varsigma, dim, burn_in)
        return {name: mean_of(values) for name, values in sums.items()}

    simulation = Simulation(f"c06 {told}", run)

    def law(field: str):
        return lambda _: float(getattr(gt.stored_incumbent(r, varsigma, alpha), field))

    return [
        Check(
            id="c06",
            kind="A",
            quantity=quantity,
            parameters=told,
            law="stored_incumbent",
            predicted=law(field),
            simulation=simulation,
            statistic=field,
            tolerance=tolerance,
            because=because,
        )
        for quantity, field in (
            ("d x gain of greedy search with stored scores", "progress"),
            ("acceptance of greedy search with stored scores", "acceptance"),
            ("d x inflation of the stored score", "inflation"),
        )
    ]


def greedy_search(
    rng: np.random.Generator,
    runs: int,
    r: float,
    alpha: float,
    varsigma: float,
    dim: int,
    burn_in: int,
    measured: int = 500,
) -> dict[str, np.ndarray]:
    """Greedy search that scores each candidate once, by its loss with noise in proportion to it.

    Returns:
      Averages over the measured steps, one number a run.
    """
    step, rho = np.float32(alpha / math.sqrt(dim)), np.float32(r / math.sqrt(dim))
    x = units(rng, runs, dim)
    loss = np.ones(runs)
    stored = loss.copy()
    sums = np.zeros((3, runs))
    for time in range(burn_in + measured):
        distance = np.sqrt(loss).astype(np.float32)[:, None]
        error = np.sqrt(1 - rho**2) * units(rng, runs, dim)
        candidate = x * (1 - step * rho) + step * distance * error
        value = np.square(candidate).sum(1, dtype=float)
        score = value * (1.0 + varsigma / dim * rng.standard_normal(runs))
        accepted = score < stored
        if time >= burn_in:
            gain = np.where(accepted, 1.0 - value / loss, 0.0)
            sums += dim * gain, accepted, dim * (1.0 - stored / loss)
        x = np.where(accepted[:, None], candidate, x)
        loss = np.where(accepted, value, loss)
        stored = np.where(accepted, score, stored)
    return dict(zip(("progress", "acceptance", "inflation"), sums / measured, strict=True))
