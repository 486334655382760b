"""Finished chunks of a sweep on disk: written whole or not at all, recomputed if damaged."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np


class Checkpoint(NamedTuple):
    """Where a sweep keeps its finished chunks."""

    folder: Path
    """Created when the first chunk is written."""
    identity: str
    """What `build` and `summary` compute, in words or as a version: functions have no identity that
    outlasts the process. Everything else that decides the numbers is added to it."""

    def digest(self, arguments: Any) -> str:
        """Name of a sweep: of the identity and of arguments, a pytree of arrays and words."""
        leaves, structure = jax.tree.flatten(arguments)
        name = hashlib.sha256(repr((self.identity, str(structure))).encode())
        for leaf in map(np.asarray, leaves):
            name.update(repr((leaf.dtype.str, leaf.shape)).encode())
            name.update(np.ascontiguousarray(leaf).tobytes())
        return name.hexdigest()[:16]


def save(path: Path, leaves: Sequence[np.ndarray]) -> None:
    """Write a chunk so that a crash or a full disk leaves a whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    try:
        with draft.open("wb") as file:
            np.savez(file, *leaves)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def load(path: Path, like: Sequence[tuple[tuple[int, ...], np.dtype]]) -> list[np.ndarray] | None:
    """Read a chunk.

    Args:
      path: as given to `save`.
      like: shape and type of each array.

    Returns:
      The arrays; None if there is no file, or not a whole one with these arrays.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            leaves = [arrays[f"arr_{i}"] for i in range(len(like))]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        return None
    whole = [(leaf.shape, leaf.dtype) for leaf in leaves] == list(like)
    return leaves if whole else None
