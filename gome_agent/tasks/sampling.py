"""A small copy of a table task, on which a script can be tried in a fraction of the time."""

from __future__ import annotations

import csv
import shutil
from itertools import islice
from pathlib import Path

import numpy as np

_TABLES = ("train.csv", "test.csv", "sample_submission.csv")
MAX_BYTES = 256 * 2**20
"""Size of a public folder that is copied; tables are read whole, and the rest is not sampled."""


def sample(public: Path, to: Path, rows: int, seed: int = 0) -> bool:
    """Copy a public folder with fewer rows: some of the training rows, the first of the test rows.

    Args:
      public: prepared public data.
      to: folder, made anew.
      rows: of each table, at most.
      seed: of the draw of training rows; their order is kept.

    Returns:
      Whether it could be done: there are the three tables, test rows and sample submission have
      the same order, and the folder has at most `MAX_BYTES`.
    """
    if not all((public / name).is_file() for name in _TABLES) or not _is_small(public):
        return False
    train, test, answer = (_read(public / name) for name in _TABLES)
    if [row[:1] for row in test] != [[test[0][0]], *(row[:1] for row in answer[1:])]:
        return False
    shutil.rmtree(to, ignore_errors=True)
    ignored = shutil.ignore_patterns(*_TABLES)
    shutil.copytree(public, to, ignore=ignored)
    body = train[1:]
    number = min(rows, len(body))
    kept = np.sort(np.random.default_rng(seed).choice(len(body), number, replace=False))
    _write(to / "train.csv", [train[0], *(body[i] for i in kept)])
    for name, table in (("test.csv", test), ("sample_submission.csv", answer)):
        _write(to / name, islice(table, rows + 1))
    return True


def _is_small(folder: Path) -> bool:
    left = MAX_BYTES
    for path in folder.rglob("*"):
        left -= path.lstat().st_size
        if left < 0:
            return False
    return True


def same_rows(submission: Path, example: Path) -> str:
    """What is wrong with a submission beside an example; empty if rows and columns are the same."""
    try:
        found, wanted = _read(submission), _read(example)
    except (csv.Error, UnicodeDecodeError) as error:
        return f"it is no table: {error}"
    if found[:1] != wanted[:1]:
        return f"its columns are {found[:1]}, not {wanted[:1]}"
    if [row[:1] for row in found] != [row[:1] for row in wanted]:
        return f"it has {len(found) - 1} rows, or other ids, where {len(wanted) - 1} are asked for"
    return ""


def _read(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def _write(path: Path, rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
