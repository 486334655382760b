"""What the expert makes of a solution's feedback: one record of numbers, whatever was reported.

Feedback comes from a program that was run, so that every entry is checked before it is used and
falls back to a harmless value. Of the public files only the first rows of `train.csv` are looked
at, and only where nothing has been reported yet.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gome_agent.reasoners.base import Brief, Solution
from gome_agent.reasoners.expert.orders import orders
from gome_agent.tasks.base import Metric, TaskFacts


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

    early_hunger: float
    """The same with a quarter of the rows: what a steep curve has much more of."""
    clues: tuple[tuple[str, float], ...]
    """Columns, and the share of the residual's variance that each alone still explains."""
    trend: float
    """Rank correlation of residuals with predictions: the scale of the target is not met."""
    spread: float
    """Rank correlation of their size with predictions: errors that grow with the value."""
    lag: float
    """Correlation of neighbouring rows' residuals: rows that depend on each other."""
    importance: tuple[tuple[str, float], ...]
    """Columns, and what the score loses when one is shuffled."""
    sizes: tuple[tuple[str, float], ...]
    """Columns that can be crossed (categories and small whole numbers), and how many levels."""
    dates: tuple[str, ...]
    texts: tuple[str, ...]
    idle: tuple[str, ...]
    """Columns that name rows or never change."""
    torch: bool
    """Whether scripts can import torch."""
    memory: float
    """Largest memory that the script took, in MiB."""

    @property
    def clue(self) -> float:
        """The largest share of the residual's variance that one column explains."""
        return max((share for _, share in self.clues), default=0.0)

    @property
    def unused(self) -> tuple[str, ...]:
        """Columns that can be shuffled without harm, if any of the others cannot."""
        if not any(loss > 0 for _, loss in self.importance):
            return ()
        return tuple(column for column, loss in self.importance if loss <= 0)

    @property
    def crossable(self) -> tuple[tuple[str, str], ...]:
        """Up to three pairs of columns whose combined levels have rows enough, strongest first.

        A pair is as strong as its weaker column, by importance; ties go to fewer levels.
        """
        weight = dict(self.importance)
        columns = [(c, size) for c, size in self.sizes if c not in (*self.idle, *self.dates)]
        pairs = [
            (-min(weight.get(a, 0.0), weight.get(b, 0.0)), one * two, (a, b))
            for (a, one), (b, two) in itertools.combinations(columns, 2)
            if one >= 2 and two >= 2 and one * two <= max(self.rows / 5, 16)
        ]
        return tuple(pair for *_, pair in sorted(pairs)[:3])

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
    known = header(brief.public / "train.csv", facts)
    early, hunger = _hunger(told, parent, facts.metric)
    return Reading(
        facts=facts,
        rows=int(min(max(_number(told, "rows", 1000), 1.0), 1e9)),
        numeric=int(_number(told, "numeric_columns", numeric)),
        categorical=int(_number(told, "categorical_columns", categorical)),
        cardinality=int(_number(told, "cardinality", 0)),
        missing=min(max(_number(told, "missing_share", 0.0), 0.0), 1.0),
        skew=_number(told, "skew", 0.0),
        target_skew=_number(told, "target_skew", 0.0),
        target_min=_number(told, "target_min", -1.0),
        imbalance=max(shares) * len(shares) if shares else 1.0,
        gap=_relative(error - train_error, error),
        hunger=hunger,
        noise=_relative(parent.stderr, error),
        class_spread=_relative(max(errors), sum(errors) / len(errors)) if errors else 1.0,
        worst_pair=_worst_pair(told.get("worst_pair")),
        time_share=parent.seconds / max(brief.seconds_per_run, 1e-9),
        orders=orders(told.get("levels"), brief.description),
        early_hunger=early,
        clues=_pairs(told.get("residual_columns"), known),
        trend=_number(told, "residual_trend", 0.0),
        spread=_number(told, "residual_spread", 0.0),
        lag=_number(told, "residual_order", 0.0),
        importance=_pairs(told.get("importance"), known),
        sizes=_pairs(told.get("sizes"), known),
        dates=_columns(told.get("dates"), known),
        texts=_columns(told.get("texts"), known),
        idle=_columns(told.get("names"), known) + _columns(told.get("constants"), known),
        torch=told.get("torch") is True,
        memory=max(_number(told, "memory_mib", 0.0), 0.0),
    )


def header(train: Path, facts: TaskFacts) -> frozenset[str]:
    """Names of the columns of a CSV file but for id and target; empty if it cannot be read."""
    try:
        with train.open(newline="") as file:
            names = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        names = []
    return frozenset(names) - {facts.id_column, facts.target}


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


def _columns(values: object, known: frozenset[str]) -> tuple[str, ...]:
    """Those of the values that name a column of the table."""
    listed = values if isinstance(values, (list, tuple)) else ()
    return tuple(v for v in dict.fromkeys(map(str, listed)) if v in known)


def _pairs(values: object, known: frozenset[str]) -> tuple[tuple[str, float], ...]:
    """The entries that give a column of the table a finite number."""
    if not isinstance(values, Mapping):
        return ()
    return tuple(
        (str(column), found[0])
        for column, value in values.items()
        if column in known and (found := _numbers([value]))
    )


def _hunger(told: Mapping[str, Any], parent: Solution, metric: Metric) -> tuple[float, float]:
    """How much larger the last fold's error is with a quarter and with half of the rows."""
    last = _mean_error(parent.folds[-1:], metric)
    points = told.get("learning_curve")
    curve = [_numbers(point) for point in points] if isinstance(points, (list, tuple)) else []
    scores = {point[0]: point[1] for point in curve if len(point) == 2}
    if half := _numbers([told.get("half_fold")]):
        scores.setdefault(0.5, half[0])
    errors = (_mean_error((scores.get(share, math.nan),), metric) for share in (0.25, 0.5))
    early, late = (_relative(e - last, last) if math.isfinite(e) else 0.0 for e in errors)
    return early, late


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
