"""What the expert makes of a solution's feedback: one record of numbers, whatever was reported.

Feedback comes from a program that was run, so that every entry is checked before it is used and
falls back to a harmless value. Of the public files only the first rows of `train.csv` are looked
at, and only where nothing has been reported yet.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gome_agent.reasoners.base import Brief, Solution
from gome_agent.tasks.base import Metric, TaskFacts

_ORDER_WORDS = re.compile(
    r"<|\b(order|ordered|worst|best|lowest|highest|least|most|increasing|ascending|rank\w*|from)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reading:
    """One solution's feedback, read."""

    facts: TaskFacts
    rows: int
    numeric: int
    """Number of numeric columns."""
    categorical: int
    cardinality: int
    """Levels of the richest categorical column."""
    missing: float
    """Share of missing values in the worst column."""
    skew: float
    """Largest absolute skewness of a numeric column."""
    target_skew: float
    target_min: float
    imbalance: float
    """Share of the most common class times the number of classes: 1 is balanced."""
    gap: float
    """(validation error - training error) / validation error: 0 underfits, 1 memorises."""
    hunger: float
    """(error with half of the rows - error) / error: how much more rows still help."""
    noise: float
    """Standard error of the mean over folds, relative to the error."""
    class_spread: float
    """Largest error of a class, relative to the mean over classes."""
    worst_pair: str
    """The two classes that are most often confused, in words; empty if not known."""
    time_share: float
    """Seconds that the script took, relative to the limit."""
    orders: tuple[tuple[str, tuple[str, ...]], ...]
    """Categorical columns whose order the description gives, levels from lowest to highest."""

    @property
    def homogeneous(self) -> bool:
        """Many numeric columns and no other: pixels, spectra, sensor grids."""
        return self.numeric >= 30 and self.categorical == 0


def read(brief: Brief, parent: Solution) -> Reading:
    """Read a solution's feedback, filling what it does not say with harmless values."""
    told = parent.feedback
    facts = brief.facts
    numeric, categorical = sniff(brief.public / "train.csv", facts)
    shares = _numbers(told.get("class_shares"))
    errors = _numbers(told.get("class_errors"))
    error = _mean_error(parent.folds, facts.metric)
    train_error = _mean_error(parent.train_folds, facts.metric)
    half = _numbers([told.get("half_fold")])
    last = _mean_error(parent.folds[-1:], facts.metric)
    return Reading(
        facts=facts,
        rows=int(_number(told, "rows", 1000)),
        numeric=int(_number(told, "numeric_columns", numeric)),
        categorical=int(_number(told, "categorical_columns", categorical)),
        cardinality=int(_number(told, "cardinality", 0)),
        missing=min(max(_number(told, "missing_share", 0.0), 0.0), 1.0),
        skew=_number(told, "skew", 0.0),
        target_skew=_number(told, "target_skew", 0.0),
        target_min=_number(told, "target_min", -1.0),
        imbalance=max(shares) * len(shares) if shares else 1.0,
        gap=_relative(error - train_error, error),
        hunger=_relative(_mean_error(half, facts.metric) - last, last) if half else 0.0,
        noise=_relative(parent.stderr, error),
        class_spread=_relative(max(errors), sum(errors) / len(errors)) if errors else 1.0,
        worst_pair=_worst_pair(told.get("worst_pair")),
        time_share=parent.seconds / max(brief.seconds_per_run, 1e-9),
        orders=_orders(told.get("levels"), brief.description),
    )


def sniff(train: Path, facts: TaskFacts, rows: int = 100) -> tuple[int, int]:
    """Count numeric and other columns of a CSV file from its first rows.

    A file that is not there, or not a CSV file, counts as one numeric column: the feedback of the
    first run tells.
    """
    try:
        with train.open(newline="") as file:
            head = list(itertools.islice(csv.DictReader(file), rows))
    except (OSError, UnicodeDecodeError, csv.Error):
        head = []
    if not head:
        return 1, 0
    names = [name for name in head[0] if name not in (facts.id_column, facts.target, None)]
    numeric = sum(all(_is_number(row[name]) for row in head) for name in names)
    return numeric, len(names) - numeric


def _is_number(text: str | None) -> bool:
    if not text:
        return True  # missing values say nothing about the column
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(told: Mapping[str, Any], key: str, default: float) -> float:
    found = _numbers([told.get(key)])
    return found[0] if found else default


def _numbers(values: object) -> tuple[float, ...]:
    """The values if all are finite numbers, otherwise nothing."""
    if not isinstance(values, (list, tuple)):
        return ()
    good = all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in values
    )
    return tuple(float(v) for v in values) if good else ()


def _mean_error(scores: tuple[float, ...], metric: Metric) -> float:
    """Mean of scores as an error, 0 for perfect: `1 - score` where higher is better."""
    if not scores:
        return 0.0
    mean = sum(scores) / len(scores)
    return 1.0 - mean if metric.higher_is_better else mean


def _relative(part: float, whole: float) -> float:
    return min(max(part / whole, -1.0), 10.0) if whole > 0 else 0.0


def _worst_pair(value: object) -> str:
    match value:
        case [str() as truth, str() as taken, int() as rows]:
            return f"{rows} rows of class {truth!r} are taken for {taken!r}"
        case _:
            return ""


def _orders(levels: object, description: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Columns whose levels the description lists, on one line that speaks of an order."""
    if not isinstance(levels, Mapping):
        return ()
    lines = description.splitlines()
    found = ((str(c), _listed(str(c), _texts(known), lines)) for c, known in levels.items())
    return tuple((column, order) for column, order in found if order)


def _texts(values: object) -> tuple[str, ...]:
    return tuple(map(str, values)) if isinstance(values, (list, tuple)) else ()


def _listed(column: str, levels: tuple[str, ...], lines: list[str]) -> tuple[str, ...]:
    """The levels in the order in which a line about the column lists all of them, or nothing."""
    if not 3 <= len(levels) <= 12:
        return ()
    about = re.compile(rf"(?<!\w){re.escape(column)}(?!\w)", re.IGNORECASE)
    for line in lines:
        if not (about.search(line) and _ORDER_WORDS.search(line)):
            continue
        spots = _spots(line, levels)
        if len(spots) == len(levels):
            return tuple(sorted(levels, key=spots.__getitem__))
    return ()


def _spots(line: str, levels: tuple[str, ...]) -> dict[str, int]:
    """Where each level stands in a line; long levels first, so that "Good" is not "Very Good"."""
    spots: dict[str, int] = {}
    for level in sorted(levels, key=len, reverse=True):
        match = re.search(rf"(?<!\w){re.escape(level)}(?!\w)", line)
        if match is None:
            return {}
        spots[level] = match.start()
        line = line[: match.start()] + "\0" * len(level) + line[match.end() :]
    return spots
