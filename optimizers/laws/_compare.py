"""Whether two batches of updates agree, and the simplest example if they do not."""

from __future__ import annotations

import numpy as np

from optimizers.laws._character import Law

UP_TO_EPSILON = 1e-4
"""For laws of scale, which the small constants in denominators bend a little by design."""


def equal(
    name: str,
    meaning: str,
    gradients: tuple[np.ndarray, ...],
    left: np.ndarray,
    right: np.ndarray,
    said: str,
    tolerance: float,
) -> Law:
    """Whether two arrays of updates agree, relative to the largest update of the sequence so far.

    Or relative to a small part of the largest update anywhere, if that is more: rounding is not to
    be compared with an exact zero. Steps from the first number on that is not finite are left out;
    they belong to `finite`.

    Args:
      name, meaning: of the law.
      gradients: the sequences that the updates belong to, each `(rows, steps, dimension)`.
      left, right: updates, of the same shape.
      said: shows the two updates of a counter-example; has two `{}`.
      tolerance: relative difference that still counts as equal.
    """
    usable = np.logical_and.accumulate(np.isfinite(left + right).all(-1), axis=1)
    if not usable.any():
        raise ValueError("its updates are not finite numbers")
    left, right = (np.where(usable[..., None], side, 0.0) for side in (left, right))
    size = np.maximum(np.abs(left), np.abs(right)).max(-1)
    floor = min(max(1e3 * tolerance, 1e-6), 1e-2) * float(size.max())
    scale = np.maximum(np.maximum.accumulate(size, axis=1), floor)
    gap = np.abs(left - right).max(-1) / np.where(scale > 0, scale, 1.0)
    worst = float(gap.max())
    if worst <= tolerance:
        return Law(name, True, worst, None, meaning)
    row, step = simplest(gap > tolerance, gradients)
    pair = said.format(shown(left[row, step]), shown(right[row, step]))
    return Law(name, False, worst, f"{history(gradients, row, step)}: {pair}", meaning)


def simplest(failing: np.ndarray, gradients: tuple[np.ndarray, ...]) -> tuple[int, int]:
    """Row and first failing step: fewest steps, then slots, then the fewest, simplest numbers."""

    def complexity(row: int) -> tuple[int, int, int, int, float]:
        step = int(np.argmax(failing[row]))
        said = np.stack([sequences[row, : step + 1] for sequences in gradients])
        last_slot = int(np.max(np.nonzero(said)[-1], initial=0))
        broken = int(np.count_nonzero(said % 1))
        return step, last_slot, int(np.count_nonzero(said)), broken, float(np.abs(said).sum())

    row = min((int(row) for row in np.flatnonzero(failing.any(1))), key=complexity)
    return row, int(np.argmax(failing[row]))


def history(gradients: tuple[np.ndarray, ...], row: int, step: int) -> str:
    """The gradients up to a step as they are read: `g1=(1, 0), g2=(0, 1)`."""
    parts = [
        f"{letter}{t + 1}={shown(sequences[row, t])}"
        for t in range(step + 1)
        for letter, sequences in zip("gh", gradients, strict=False)
    ]
    return ", ".join(parts)


def shown(vector: np.ndarray) -> str:
    """A vector as it is read: four digits, without the zeros at its end."""
    last = max(int(np.max(np.flatnonzero(vector), initial=0)) + 1, 2)
    return "(" + ", ".join(f"{x + 0.0:.4g}" for x in vector[:last]) + ")"
