"""What a task is: public data an agent may see, and a grader it may not.

The layout is MLE-bench's. The public folder holds `description.md`, `train.csv`, `test.csv` and
`sample_submission.csv`; the answers stay with the task object and are only read by `grade`.
Scores here are in the task's own units (RMSE, accuracy, ...); `Metric.utility` turns them into the
higher-is-better numbers used everywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np

Kind = Literal["regression", "binary", "multiclass", "multilabel", "other"]
Medal = Literal["gold", "silver", "bronze", "none"]
Predicts = Literal["value", "label", "probability", "text"]


@dataclass(frozen=True)
class Metric:
    """A score of predictions against answers, and which way is better."""

    name: str
    """As it is written in descriptions and scripts, e.g. `"rmse"`."""
    higher_is_better: bool
    function: Callable[[np.ndarray, np.ndarray], float]
    """`(answers, predictions) -> score`, rows in the same order.

    With one probability column a class, `predictions` is `(n, classes)` and `answers` holds column
    positions; otherwise both are `(n,)`, in the units of the train file.
    """
    predicts: Predicts = "value"
    """What a submission holds: numbers, class labels as in the train file, probabilities, or text
    that can only be compared."""
    bounds: tuple[float, float] = (-math.inf, math.inf)
    """Smallest and largest prediction that can be scored; not used for labels."""

    def utility(self, score: float) -> float:
        """Score in higher-is-better units: `score` or `-score`."""
        return score if self.higher_is_better else -score


@dataclass(frozen=True)
class TaskFacts:
    """What may be told about a task: to a reasoner, in a prompt, on the command line."""

    name: str
    title: str
    kind: Kind
    metric: Metric
    id_column: str
    target: str
    """Name of the column to predict, as in `train.csv`."""
    prediction_columns: tuple[str, ...]
    """Columns of a submission that are scored: the target, or one probability column a class."""
    classes: tuple[str, ...] = ()
    """Labels of a classification task, as text; empty for regression.

    In the order of `prediction_columns` where there is one a class. With a single probability
    column there are two, and the column is the probability of the second.
    """
    source: str = ""
    """Where the data come from, and their licence."""
    independent_folds: bool = False
    """Whether the scores that are averaged have independent errors, as those of separate examples
    do; the folds of a cross-validation share training rows and do not."""
    modality: str = "tabular"
    """What the data are, in a word or two: `tabular`, `image`, `text and tabular`, ..."""
    notes: tuple[str, ...] = ()
    """What a reasoner must mind beyond the description, a sentence each; shown in prompts."""
    columns: tuple[str, ...] = ()
    """All columns of a submission in order, if they are not the id and then the predictions."""
    rows_sum_to_one: bool = True
    """Whether several probability columns are one distribution, and not one answer each."""

    @property
    def submission_columns(self) -> tuple[str, ...]:
        """The header of a submission."""
        return self.columns or (self.id_column, *self.prediction_columns)


@dataclass(frozen=True)
class Grade:
    """Held-out result of one submission."""

    score: float
    """In the metric's own units."""
    medal: Medal
    thresholds: dict[str, float]
    """`gold`, `silver`, `bronze`, `median`: score needed, in the metric's own units."""
    above_median: bool
    rank: int
    """Position the submission would take on the leaderboard, 1 is first; 0 if that is not told."""
    teams: int


class InvalidSubmission(ValueError):
    """A submission that cannot be graded; the message says which column or row, and why."""


@runtime_checkable
class Task(Protocol):
    """One ML-engineering problem with public data and a private grader."""

    @property
    def facts(self) -> TaskFacts: ...

    @property
    def description(self) -> str:
        """The text of `description.md`."""
        ...

    @property
    def sealed(self) -> tuple[Path, ...]:
        """Paths that hold the answers: a sandbox must hide them from any script it runs."""
        ...

    def prepare(self, public: Path) -> None:
        """Write the public files into the folder `public` (created if missing; idempotent)."""
        ...

    def check(self, submission: Path) -> None:
        """Check format only (columns, order, ids, finite, range). No answers are read.

        Raises:
          InvalidSubmission: with one sentence that says what is wrong and what was expected.
        """
        ...

    def grade(self, submission: Path) -> Grade:
        """Score a submission against the private answers.

        Raises:
          InvalidSubmission: as `check`.
        """
        ...


@runtime_checkable
class Repairs(Protocol):
    """A task that can mend a submission whose predictions are right and whose form is not."""

    def repair(self, submission: Path) -> tuple[str, ...]:
        """Replace the file by one that fits; the original is kept beside it.

        Returns:
          What was done or is to be said, a sentence each.

        Raises:
          InvalidSubmission: it cannot be mended; the file is as it was.
        """
        ...
