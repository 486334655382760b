"""Per-component normalisation (c11): the best gain of one step under four kinds of spread."""

from __future__ import annotations

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

_DIM = 64
_DECAY = 0.99  # of Adam's second moment, with its usual bias correction
_LEARNING = "a second moment over 1/(1 - beta_2) measurements is off by (1 - beta_2) / 2"
_SPREAD = np.geomspace(0.2, 10.0, _DIM)
_ONES = np.ones(_DIM)
SCENES: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {
    "equal g, s spread": (_ONES, 3.0 * _SPREAD, _ONES),
    "g spread, equal s": (_SPREAD, 3.0 * _ONES, _ONES),
    "g spread, s in proportion": (_SPREAD, 3.0 * _SPREAD, _ONES),
    "g spread, s against it": (_SPREAD, 3.0 * _SPREAD[::-1], _ONES),
    "equal g, s spread, curvatures spread": (_ONES, 3.0 * _SPREAD, _SPREAD[::-1]),
}
"""Signal, noise and curvature of each component."""


def checks() -> list[Check]:
    """Every check of this family."""
    return [check for scene in SCENES for check in _scene(scene)]


def _scene(scene: str) -> list[Check]:
    signal, noise, curvature = SCENES[scene]
    energy = signal**2 + noise**2
    told = parameters(d=_DIM, scene=scene)

    def run(rng: np.random.Generator, size: float) -> dict[str, Estimate]:
        measured = signal + noise * rng.standard_normal((size_of(40_000, size), _DIM))
        moves = {
            "sgd": measured,
            "adam": measured / np.sqrt(energy),
            "sign": np.sign(measured),
            "wiener": measured * signal**2 / (curvature * energy),
        }
        found = {name: _best_gain(move, signal, curvature) for name, move in moves.items()}
        found["learned adam"] = _best_gain(_learned(rng, size, signal, noise), signal, curvature)
        return found

    simulation = Simulation(f"c11 {scene}", run)

    def check(kind, quantity, law, statistic, tolerance=0.0, because="") -> Check:
        return Check(
            id="c11",
            kind=kind,
            quantity=quantity,
            parameters=told,
            law=law.__name__,
            predicted=lambda _: float(law(signal, noise, curvature)),
            simulation=simulation,
            statistic=statistic,
            tolerance=tolerance,
            because=because,
        )

    return [
        check("E", "best gain of SGD", gt.sgd_gain, "sgd"),
        check("E", "best gain of Adam, second moments known", gt.adam_gain, "adam"),
        check("E", "best gain of sign descent", gt.sign_gain, "sign"),
        check("E", "best gain of the best diagonal", gt.wiener_gain, "wiener"),
        check(
            "A",
            "best gain of Adam, second moments learned",
            gt.adam_gain,
            "learned adam",
            2.0 * (1.0 - _DECAY),
            _LEARNING,
        ),
    ]


def _best_gain(move: np.ndarray, signal: np.ndarray, curvature: np.ndarray) -> Estimate:
    """Mean decrease of f along random moves at the one step size that is best for their mean."""
    slope, bend = move @ signal, np.square(move) @ curvature
    return of_means(lambda slope, bend: slope**2 / (2.0 * bend), slope, bend)


def _learned(
    rng: np.random.Generator, size: float, signal: np.ndarray, noise: np.ndarray
) -> np.ndarray:
    """Adam's moves at a standing point, once its second moment has forgotten how it began."""
    shape = size_of(4000, size), _DIM
    second, steps = np.zeros(shape, np.float32), round(6.0 / (1.0 - _DECAY))
    for _ in range(steps):
        measured = signal + noise * rng.standard_normal(shape, dtype=np.float32)
        second = _DECAY * second + (1.0 - _DECAY) * np.square(measured)
    return measured / np.sqrt(second / (1.0 - _DECAY**steps))
