"""Steps and directions as vectors in d dimensions: no law of projections is assumed."""

from __future__ import annotations

import math

import numpy as np

_CHUNK = 2_000_000  # numbers drawn at once


def gaussians(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Vectors of mean squared length 1 along the last axis, uniform in direction."""
    return rng.standard_normal(shape, dtype=np.float32) / np.float32(math.sqrt(shape[-1]))


def units(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Unit vectors along the last axis, uniform in direction."""
    vectors = rng.standard_normal(shape, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def chunks(count: int, numbers: int) -> list[int]:
    """Split `count` samples of so many numbers each into pieces that fit the cache."""
    piece = max(1, _CHUNK // numbers)
    return [min(piece, count - start) for start in range(0, count, piece)]


def steps_from(
    rng: np.random.Generator, alignment: float | np.ndarray, step: float, shape: tuple[int, ...]
) -> np.ndarray:
    """Where steps along fresh directions end that start from the first unit vector.

    Args:
      rng: source of the directions' errors.
      alignment: rho, a number or an array of shape `shape[:-1]`.
      step: a, in units of the distance to the optimum, which is the origin.
      shape: of the answer, dimension last.
    """
    rho = np.asarray(alignment, np.float32)[..., None]
    moved = np.float32(step) * np.sqrt(1 - rho**2) * units(rng, *shape)
    moved[..., 0] += 1.0 - np.float32(step) * rho[..., 0]
    return moved


def sphere_gains(
    rng: np.random.Generator, count: int, dim: int, alignment: float, step: float
) -> np.ndarray:
    """Relative gains of `count` independent steps on the sphere."""
    gains = [
        1.0 - np.square(steps_from(rng, alignment, step, (piece, dim)), dtype=float).sum(1)
        for piece in chunks(count, dim)
    ]
    return np.concatenate(gains)


def aligned(average: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Projection of each vector on its truth, and its squared length."""
    return (average * truth).sum(-1, dtype=float), np.square(average).sum(-1, dtype=float)


def squared_alignment(signal: float, energy: float) -> float:
    """Squared alignment from mean projection and mean squared length."""
    return signal**2 / energy
