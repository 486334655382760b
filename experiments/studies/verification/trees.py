"""Trees that do not always expand their best node (c16), and bandits (n03)."""

from __future__ import annotations

import math

import numpy as np

import gome_theory as gt
from experiments.studies.verification.check import (
    Check,
    Estimate,
    Observed,
    Simulation,
    mean_of,
    parameters,
    size_of,
)
from experiments.studies.verification.vectors import units

_GAPS = "neglected terms of order 1/d grow with the gap, here some units of f/d: 10/d"


def checks() -> list[Check]:
    """Every check of this family."""
    settings = ((0.0, 0.0), (0.0, 0.3), (0.0, 1.0), (0.8, 0.3))
    return [check for r, constant in settings for check in _uct(r, constant)] + [
        _ucb1(0.5),
        _ucb1(1.0),
    ]


def _uct(r: float, constant: float, dim: int = 100, expansions: int = 150) -> list[Check]:
    alpha = float(gt.optimal_alpha(r))
    told = parameters(d=dim, r=r, C=constant)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        best, node, after = grow(rng, size_of(1000, size), r, alpha, constant, dim, expansions)
        progress = dim * np.maximum(best - after, 0.0) / best
        rho, step = float(gt.unscaled(r, dim)), float(gt.unscaled(alpha, dim))
        exact = dim * np.asarray(gt.gap_gain(rho, step, dim, (node - best) / node)) * node / best
        scaled = np.asarray(gt.gap_psi(r, alpha, dim * (node - best) / best))
        # The progress beyond the gap law is a martingale: its error is that of a difference.
        return {
            "progress": mean_of(progress.mean(1)),
            "beyond exact": Estimate(float(progress.mean()), mean_of(progress - exact).stderr),
            "beyond scaled": Estimate(float(progress.mean()), mean_of(progress - scaled).stderr),
            "exact": mean_of(exact.mean(1)),
            "scaled": mean_of(scaled.mean(1)),
        }

    simulation = Simulation(f"c16 {told}", run)

    def given(name: str):
        return lambda observed: observed[name].mean

    return [
        Check(
            id="c16",
            kind="E",
            quantity="d x progress of UCT, given its gaps",
            parameters=told,
            law="gap_gain",
            predicted=given("exact"),
            simulation=simulation,
            statistic="beyond exact",
        ),
        Check(
            id="c16",
            kind="A",
            quantity="d x progress of UCT, given its gaps, scaled",
            parameters=told,
            law="gap_psi",
            predicted=given("scaled"),
            simulation=simulation,
            statistic="beyond scaled",
            tolerance=10.0 / dim,
            because=_GAPS,
        ),
        Check(
            id="c16",
            kind="B",
            quantity="d x progress of UCT below that of a greedy tree",
            parameters=told,
            law="psi_g",
            predicted=lambda _: float(gt.psi_g(r)),
            simulation=simulation,
            statistic="progress",
        ),
    ]


def grow(
    rng: np.random.Generator,
    runs: int,
    r: float,
    alpha: float,
    constant: float,
    dim: int,
    expansions: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grow trees on the sphere by UCT: means of -log f are backed up, sqrt(visits) children.

    Returns:
      Per run and expansion: f of the best node before, of the expanded node, and of the new one.
    """
    rho, step = r / math.sqrt(dim), alpha / math.sqrt(dim)
    every, capacity = np.arange(runs), expansions + 1
    point = np.zeros((runs, capacity, dim), np.float32)
    point[:, 0] = units(rng, runs, dim)
    loss = np.full((runs, capacity), np.inf)
    loss[:, 0] = 1.0
    parent = np.full((runs, capacity), -1)
    visits, total = np.zeros((runs, capacity)), np.zeros((runs, capacity))
    visits[:, 0] = 1.0
    children = np.zeros((runs, capacity))
    history = []
    for new in range(1, capacity):
        node = np.zeros(runs, int)
        while True:
            full = children[every, node] >= np.ceil(np.sqrt(visits[every, node]))
            if not full.any():
                break
            spread = np.log(visits[every, node])[:, None] / np.maximum(visits, 1.0)
            index = total / np.maximum(visits, 1.0) + constant * np.sqrt(np.maximum(spread, 0.0))
            index[parent != node[:, None]] = -np.inf
            node = np.where(full, index.argmax(1), node)
        base, f = point[every, node], loss[every, node]
        move = -rho * base + math.sqrt(1 - rho**2) * np.sqrt(f)[:, None] * units(rng, runs, dim)
        point[:, new] = base + step * move
        history.append((loss.min(1), f, np.square(point[:, new]).sum(1, dtype=float)))
        loss[:, new] = history[-1][2]
        parent[:, new] = node
        children[every, node] += 1
        reward, up = -np.log(loss[:, new]), np.full(runs, new)
        while (up >= 0).any():
            alive = up >= 0
            visits[every[alive], up[alive]] += 1
            total[every[alive], up[alive]] += reward[alive]
            up = np.where(alive, parent[every, up], -1)
    best, node, after = np.stack(history, axis=-1)
    return best, node, after


def _ucb1(noise: float, horizon: int = 1500) -> Check:
    means = np.array([0.9, 0.5])
    told = parameters(sigma=noise, gap=float(means[0] - means[1]), n=horizon)

    def run(rng: np.random.Generator, size: float) -> Observed:
        runs = size_of(400, size)
        every = np.arange(runs)
        pulls, total = np.zeros((2, runs, 2))
        for time in range(horizon):
            mean = total / np.maximum(pulls, 1.0)
            bonus = np.sqrt(8 * noise**2 * np.log(max(time, 1)) / np.maximum(pulls, 1.0))
            arm = np.where(pulls == 0.0, np.inf, mean + bonus).argmax(1)
            pulls[every, arm] += 1
            total[every, arm] += means[arm] + noise * rng.standard_normal(runs)
        return {"pulls": mean_of(pulls[:, 1])}

    return Check(
        id="n03",
        kind="B",
        quantity="pulls of the inferior arm under UCB1",
        parameters=told,
        law="ucb1_pull_bound",
        predicted=lambda _: float(gt.ucb1_pull_bound(means[0] - means[1], horizon, noise)),
        simulation=Simulation(f"n03 {told}", run),
        statistic="pulls",
    )
