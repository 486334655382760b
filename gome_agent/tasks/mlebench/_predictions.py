"""The predictions of a submission: labels, numbers, distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gome_agent.tasks.base import InvalidSubmission
from gome_agent.tasks.mlebench._mended import Mended, listed, plain, short
from gome_agent.tasks.mlebench.facts import CompetitionFacts

ROUNDING = 1e-6
"""How far beyond its bounds a number is taken for one that was rounded, and clipped."""
_LAST_DIGITS = 1e-12
"""Closer than this, different numbers may be the same one computed in two ways."""
SUM_BAND = 0.05
"""How far from 1 a row of probabilities may sum and be scaled: rounding to 4 decimals or float16
shifts 120 classes by less; what is farther off is no distribution."""
_FEW_DECIMALS, _ENOUGH_VALUES = 4, 20


def mend_labels(mended: Mended, name: str, classes: Sequence[str]) -> None:
    """Accept labels, or any text if there are no classes.

    Raises:
      InvalidSubmission: one is unknown.
    """
    if not classes:
        return
    column = mended.table[name]
    written = column.where(column.isin(classes), column.map(plain))
    wrong = np.flatnonzero(~written.isin(classes))
    if wrong.size:
        raise InvalidSubmission(
            f"{wrong.size} rows have a `{name}` that is none of {listed(classes)}, first row "
            f"{wrong[0] + 1}: `{short(column.iloc[wrong[0]])}`."
        )
    if not written.equals(column):
        mended.did(f"Labels in `{name}` are written like `1.0` for `1`", "written as whole numbers")
        mended.table = mended.table.assign(**{name: written})


def mend_numbers(mended: Mended, names: Sequence[str], facts: CompetitionFacts) -> None:
    """Accept finite numbers that the grader can score; clip, rank or scale where that is safe.

    Raises:
      InvalidSubmission: a number is missing or beyond its bounds, or a row is no distribution.
    """
    columns = list(names)
    kept = np.column_stack([_numbers(mended, name) for name in columns])
    values = _scaled(mended, _bounded(mended, kept, columns, facts), facts)
    few = np.array_equal(np.round(kept, _FEW_DECIMALS), kept)
    if facts.predicts == "probability" and few and len(np.unique(kept)) > _ENOUGH_VALUES:
        mended.remarks.append(
            f"The probabilities have at most {_FEW_DECIMALS} decimals; they are kept as they are, "
            f"but ties and rounding cost score: write all digits."
        )
    if not np.array_equal(values, kept):
        mended.table = mended.table.assign(**dict(zip(columns, values.T, strict=True)))


def _numbers(mended: Mended, name: str) -> np.ndarray:
    column = mended.table[name]
    if column.isin(["True", "False"]).all():
        mended.did(f"`{name}` holds True and False", "written as 1 and 0")
        column = column.map({"True": "1", "False": "0"})
        mended.table = mended.table.assign(**{name: column})
    texts = column.to_numpy(object)
    try:
        values = texts.astype(np.float64)
    except ValueError:
        values = np.array([_number(text) for text in texts])
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise InvalidSubmission(
            f"{wrong.size} values of `{name}` are missing or no finite numbers, first in row "
            f"{wrong[0] + 1}: `{short(texts[wrong[0]])}`."
        )
    return values


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _bounded(
    mended: Mended, values: np.ndarray, names: Sequence[str], facts: CompetitionFacts
) -> np.ndarray:
    low, high = facts.bounds or (None, None)
    inside = np.clip(values, low, high) if facts.bounds else values
    beyond = np.abs(values - inside)
    row, column = divmod(int(beyond.argmax()), len(names))
    if not beyond[row, column]:
        return values
    where = f"`{names[column]}` is {values[row, column]:g} in row {row + 1}"
    if facts.by_rank:
        clips = [_clips(values[:, j], inside[:, j]) for j in range(len(names))]
    else:
        clips = [beyond[row, column] <= ROUNDING]
    if all(clips):
        mended.did(f"Some numbers are beyond their bounds by {beyond[row, column]:.1g}", "clipped")
        return inside
    if facts.by_rank:
        mended.did(
            f"{where}, and must lie in [0, 1]",
            "replaced by its column's ranks, scaled to [0, 1], which have the same AUC",
        )
        mixed = [inside[:, j] if clip else _ranks(values[:, j]) for j, clip in enumerate(clips)]
        return np.column_stack(mixed)
    if high is None:
        raise InvalidSubmission(f"{where}; `{facts.metric}` needs at least {low:g}.")
    raise InvalidSubmission(
        f"{where}; `{facts.metric}` needs probabilities from {low:g} to {high:g}. If these are "
        f"logits, write their sigmoid or softmax."
    )


def _clips(column: np.ndarray, inside: np.ndarray) -> bool:
    """Whether clipping a column leaves its order, but for the last digits."""
    beyond = np.abs(column - inside).max()
    if beyond <= _LAST_DIGITS:
        # A column that is all within the last digits holds nothing else.
        return bool(np.ptp(column) > _LAST_DIGITS or not beyond)
    return bool(beyond <= ROUNDING and len(np.unique(inside)) == len(np.unique(column)))


def _ranks(column: np.ndarray) -> np.ndarray:
    """Ranks in [0, 1]: the same order, and ties where there are ties, exactly."""
    distinct, rank = np.unique(column, return_inverse=True)
    return rank / max(len(distinct) - 1, 1)


def _scaled(mended: Mended, values: np.ndarray, facts: CompetitionFacts) -> np.ndarray:
    if facts.row_sum_tolerance is None:
        return values
    sums = values.sum(axis=1)
    off = np.abs(sums - 1)
    row = int(off.argmax())
    if off[row] <= facts.row_sum_tolerance:
        return values
    if off[row] > SUM_BAND:
        raise InvalidSubmission(
            f"The probabilities of row {row + 1} sum to {sums[row]:.6g}, not to 1: divide each "
            f"row by its sum, in float64."
        )
    mended.did(f"Rows sum to 1 only within {off[row]:.1g}", "divided by their sums, in float64")
    return values / sums[:, None]
