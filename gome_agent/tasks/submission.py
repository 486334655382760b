"""The format of a submission: read a CSV that nobody trusts, or say in one sentence what is wrong.

Columns and ids must equal the sample's, in the same order: graders disagree on whether they join by
id or by position, and a file that is right for both is right for all. The text is compared as text,
so an id written as `12.0` is not `12`. Nothing is sorted, joined, rounded or rescaled here.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gome_agent.tasks.base import InvalidSubmission, TaskFacts

MAX_BYTES = 64 * 2**20
SUM_TOLERANCE = 1e-6
"""How far from 1 the probabilities of a row may sum."""


def read(path: Path, facts: TaskFacts, ids: Sequence[str]) -> np.ndarray:
    """Predictions of a submission, after every check that needs no answers.

    Args:
      path: the CSV file.
      facts: the task; gives the columns, the classes and what values can be scored.
      ids: the ids of the test file, as text, in its order.

    Returns:
      Labels as strings `(n,)`, numbers `(n,)`, or probabilities `(n, classes)`.

    Raises:
      InvalidSubmission: with one sentence that names the column or row and what was expected.
    """
    header, rows = _table(_text(path))
    _check_header(header, [facts.id_column, *facts.prediction_columns])
    _check_shape(rows, len(header), len(ids))
    _check_ids([row[0] for row in rows], ids, facts.id_column)
    if facts.metric.predicts == "label":
        return _labels([row[1] for row in rows], facts)
    numbers = [_numbers([row[1 + j] for row in rows], facts, j) for j in range(len(header) - 1)]
    if len(numbers) == 1:
        return numbers[0]
    return _distributions(np.stack(numbers, axis=1))


def _text(path: Path) -> str:
    if not path.is_file():
        raise InvalidSubmission(f"There is no submission file `{path.name}`.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InvalidSubmission(
            f"The submission has {size} bytes; at most {MAX_BYTES} are read, and a right one is "
            f"far smaller."
        )
    data = path.read_bytes()
    if not data.strip():
        raise InvalidSubmission("The submission is empty; expected a header and one row an id.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSubmission(
            f"The submission is not UTF-8 text (byte {error.start}); expected a CSV file."
        ) from None
    if "\0" in text:
        raise InvalidSubmission("The submission holds a zero byte; expected a CSV text file.")
    return text


def _table(text: str) -> tuple[list[str], list[list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [row for row in reader if row]
    except csv.Error as error:
        raise InvalidSubmission(
            f"The submission is not a CSV file: {error} (line {reader.line_num})."
        ) from None
    if not rows:
        raise InvalidSubmission("The submission has no header; expected one.")
    return rows[0], rows[1:]


def _check_header(header: list[str], expected: list[str]) -> None:
    if header == expected:
        return
    found = short(",".join(header))
    wanted = ",".join(expected)
    if sorted(header) == sorted(expected):
        raise InvalidSubmission(f"The columns are in the order `{found}`; expected `{wanted}`.")
    missing = [name for name in expected if name not in header]
    if missing:
        raise InvalidSubmission(
            f"Column `{missing[0]}` is missing: found `{found}`, expected exactly `{wanted}`."
        )
    repeated = [name for name in expected if header.count(name) > 1]
    if repeated:
        raise InvalidSubmission(
            f"Column `{repeated[0]}` appears {header.count(repeated[0])} times; expected once."
        )
    extra = next(name for name in header if name not in expected)
    hint = " (an index: write with `index=False`)" if extra in ("", "Unnamed: 0", "index") else ""
    raise InvalidSubmission(
        f"Column `{short(extra)}` is not expected{hint}; the columns are exactly `{wanted}`."
    )


def _check_shape(rows: list[list[str]], width: int, expected: int) -> None:
    ragged = next((i for i, row in enumerate(rows) if len(row) != width), None)
    if ragged is not None:
        raise InvalidSubmission(
            f"Row {ragged + 1} has {len(rows[ragged])} fields; expected {width}, as in the header."
        )
    if len(rows) != expected:
        raise InvalidSubmission(
            f"The submission has {len(rows)} rows; expected {expected}, one for each test id."
        )


def _check_ids(found: list[str], expected: Sequence[str], column: str) -> None:
    wrong = next(
        (i for i, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1]), None
    )
    if wrong is None:
        return
    where = f"Row {wrong + 1} has `{column}` = `{short(found[wrong])}`; expected"
    if sorted(found) == sorted(expected):
        raise InvalidSubmission(
            f"{where} `{expected[wrong]}`: the ids are right but not in the order of the test file."
        )
    raise InvalidSubmission(f"{where} `{expected[wrong]}`, exactly as in the test file.")


def _labels(texts: list[str], facts: TaskFacts) -> np.ndarray:
    known = set(facts.classes)
    wrong = next((i for i, text in enumerate(texts) if text not in known), None)
    if wrong is not None:
        raise InvalidSubmission(
            f"Row {wrong + 1} has `{facts.prediction_columns[0]}` = `{short(texts[wrong])}`; "
            f"expected one of {', '.join(facts.classes)}."
        )
    return np.array(texts, dtype=str)


def _numbers(texts: list[str], facts: TaskFacts, column: int) -> np.ndarray:
    name = facts.prediction_columns[column]
    low, high = facts.metric.bounds
    values = np.empty(len(texts))
    for i, text in enumerate(texts):
        value = _number(text)
        if value is None or not math.isfinite(value):
            found = "is missing" if not text.strip() else f"is `{short(text)}`"
            raise InvalidSubmission(f"Row {i + 1}: `{name}` {found}; expected a finite number.")
        if not low <= value <= high:
            raise InvalidSubmission(
                f"Row {i + 1}: `{name}` is {value:g}; `{facts.metric.name}` needs a number "
                + (f"from {low:g} to {high:g}." if math.isfinite(high) else f"of at least {low:g}.")
            )
        values[i] = value
    return values


def _number(text: str) -> float | None:
    if "_" in text:  # `float` reads `1_000`; no CSV reader does.
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _distributions(probabilities: np.ndarray) -> np.ndarray:
    sums = probabilities.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
    if wrong.size:
        raise InvalidSubmission(
            f"Row {wrong[0] + 1}: the probabilities sum to {sums[wrong[0]]:.9g}; expected 1 within "
            f"{SUM_TOLERANCE:g} (divide each row by its sum in float64, write all digits)."
        )
    return probabilities


def short(text: str, limit: int = 60) -> str:
    """Untrusted text, escaped and cut to fit one line of a message."""
    line = repr(text[: limit + 1])[1:-1]
    return line if len(line) <= limit else f"{line[:limit]}..."
