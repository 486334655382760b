"""A task made from real data that ship inside an installed package.

The split is drawn with a fixed seed, stratified by class for classification; rows are shuffled and
get random ids, so neither order nor id carries anything. Answers live in memory only. The layout of
the public folder is MLE-bench's (Chan et al., 2024).

The digest of the split is kept in the leaderboard: when another release of a package ships other
data, grading refuses, because the medals would mean nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gome_agent.tasks import leaderboards, medals, sources
from gome_agent.tasks.base import Grade, InvalidSubmission, TaskFacts
from gome_agent.tasks.submission import read as read_submission

if TYPE_CHECKING:
    from pandas import DataFrame, Series

ID = "id"


@dataclass(frozen=True)
class Recipe:
    """How one bundled task is made."""

    facts: TaskFacts
    text: str
    """What the data are and what the columns mean, in Markdown: the body of `description.md`."""
    raw: Callable[[], DataFrame]
    """Reads the features and the target, one row a case."""
    train_rows: int
    test_rows: int
    seed: int
    """Seed of the split and of the ids."""
    ordered: dict[str, tuple[str, ...]]
    """Values of ordered categories, worst first, as far as `text` tells them."""


class Split(NamedTuple):
    """One task's data; `answers` is private."""

    train: DataFrame
    test: DataFrame
    answers: Series

    @property
    def digest(self) -> str:
        """SHA-256 of the three tables as CSV."""
        tables = (self.train, self.test, self.answers)
        text = "\n".join(table.to_csv(index=False, lineterminator="\n") for table in tables)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class BundledTask:
    """A `Task` whose data ship inside an installed package. Nothing is read before it is needed."""

    recipe: Recipe

    @property
    def facts(self) -> TaskFacts:
        """What may be told about the task, without reading its data."""
        return self.recipe.facts

    @property
    def description(self) -> str:
        """The text of `description.md`."""
        return _describe(self.recipe)

    @property
    def sealed(self) -> tuple[Path, ...]:
        """Installed folders with raw data of any bundled task."""
        return sources.sealed()

    @cached_property
    def split(self) -> Split:
        """Train, test and private answers. For the grader, and for making leaderboards."""
        return _split(self.recipe)

    @cached_property
    def leaderboard(self) -> tuple[float, ...]:
        """Scores of the committed leaderboard, best first.

        Raises:
          RuntimeError: if it was made from other data than those installed here.
        """
        board = leaderboards.read(self.facts.name)
        if board.digest != self.split.digest:
            raise RuntimeError(
                f"The leaderboard of `{self.facts.name}` was made from other data than the "
                f"installed packages hold, so its medals do not apply; make it again with "
                f"`python -m gome_agent.tasks.leaderboards.make {self.facts.name}`."
            )
        return board.scores

    def prepare(self, public: Path) -> None:
        """Write `description.md`, `train.csv`, `test.csv` and `sample_submission.csv`."""
        public.mkdir(parents=True, exist_ok=True)
        tables = {
            "train.csv": self.split.train,
            "test.csv": self.split.test,
            "sample_submission.csv": _sample(self.facts, self.split),
        }
        for name, table in tables.items():
            table.to_csv(public / name, index=False, lineterminator="\n")
        (public / "description.md").write_text(self.description, encoding="utf-8")

    def check(self, submission: Path) -> None:
        """Check the format only; see `gome_agent.tasks.submission`.

        Raises:
          InvalidSubmission: with one sentence that says what is wrong and what was expected.
        """
        self.read(submission)

    def grade(self, submission: Path) -> Grade:
        """Score a submission against the private answers and place it on the leaderboard.

        Raises:
          InvalidSubmission: as `check`, and if the score overflows.
          RuntimeError: if the leaderboard was made from other data.
        """
        score = self.score(self.read(submission))
        if not np.isfinite(score):
            raise InvalidSubmission(
                f"The {self.facts.metric.name} is {score}: some predictions are too large to score."
            )
        return medals.judge(published(score), self.leaderboard, self.facts.metric)

    def read(self, submission: Path) -> np.ndarray:
        """Predictions of a submission in the right format, as `submission.read` returns them.

        Raises:
          InvalidSubmission: as `check`.
        """
        ids = self.split.test[ID].astype(str).tolist()
        return read_submission(submission, self.facts, ids)

    def score(self, predictions: np.ndarray) -> float:
        """Metric of predictions for the test rows, in the metric's own units. Reads the answers.

        Args:
          predictions: as `read` returns them.
        """
        return measure(self.facts, self.split.answers.to_numpy(), predictions)


def published(score: float) -> float:
    """A score to six significant digits, as on the leaderboard, so that equal scores tie.

    >>> published(0.98117942283563)
    0.981179
    """
    return float(f"{score:.6g}")


def measure(facts: TaskFacts, answers: np.ndarray, predictions: np.ndarray) -> float:
    """Metric of predictions, in the metric's own units; infinite if it overflows.

    Args:
      facts: the task.
      answers: values of the target, `(n,)`, as in the train file.
      predictions: `(n,)`, or probabilities `(n, classes)` in the order of `facts.classes`.
    """
    if facts.metric.predicts == "label":
        answers = answers.astype(str)
    if len(facts.prediction_columns) > 1:
        column = {label: j for j, label in enumerate(facts.classes)}
        answers = np.array([column[str(label)] for label in answers])
    with np.errstate(over="ignore"):
        return facts.metric.function(answers, predictions)


def _split(recipe: Recipe) -> Split:
    facts = recipe.facts
    table = recipe.raw().reset_index(drop=True)
    train_rows, test_rows = recipe.train_rows, recipe.test_rows
    if len(table) < train_rows + test_rows:
        raise RuntimeError(
            f"The data of `{facts.name}` have {len(table)} rows; {train_rows + test_rows} are "
            f"needed, so the installed package ships other data than expected."
        )
    # RandomState, unlike Generator, promises the same stream in every NumPy release.
    rng = np.random.RandomState(recipe.seed)
    strata = np.zeros(len(table)) if facts.kind == "regression" else table[facts.target].to_numpy()
    kept = _evenly(rng.permutation(len(table)), strata, train_rows + test_rows)
    test = _evenly(rng.permutation(kept), strata, test_rows)
    train = np.setdiff1d(kept, test)
    ids = rng.permutation(900_000)[: len(kept)] + 100_000
    table = table.loc[np.concatenate([rng.permutation(train), rng.permutation(test)])]
    table = table.reset_index(drop=True)
    table.insert(0, ID, ids)
    rest = table[train_rows:].reset_index(drop=True)
    return Split(
        train=table[:train_rows],
        test=rest.drop(columns=facts.target),
        answers=rest[facts.target],
    )


def _evenly(shuffled: np.ndarray, strata: np.ndarray, size: int) -> np.ndarray:
    """`size` of the shuffled rows, with every stratum's share kept to within one row."""
    by_stratum = shuffled[np.argsort(strata[shuffled], kind="stable")]
    return by_stratum[np.arange(size) * len(shuffled) // size]


def _sample(facts: TaskFacts, split: Split) -> DataFrame:
    """The same prediction in every row, from the train file only."""
    constant = _constant(facts, split.train[facts.target].to_numpy())
    columns = dict.fromkeys(facts.prediction_columns, constant)
    return split.test.filter([ID]).assign(**columns)


def _constant(facts: TaskFacts, target: np.ndarray) -> Any:
    if facts.metric.predicts == "label":
        labels, counts = np.unique(target, return_counts=True)
        return labels[counts.argmax()]
    if facts.metric.predicts == "probability":
        return 1 / len(facts.classes)
    return np.median(target)


def _describe(recipe: Recipe) -> str:
    facts = recipe.facts
    better = "higher" if facts.metric.higher_is_better else "lower"
    columns = ",".join((facts.id_column, *facts.prediction_columns))
    return f"""# {facts.title}

{recipe.text.strip()}

## Task

Predict `{facts.target}` for each row of `test.csv`.

## Metric

{_METRICS[facts.metric.name]} ({facts.metric.name}; {better} is better).

## Files

- `train.csv`: {recipe.train_rows} rows, with `{facts.target}`.
- `test.csv`: {recipe.test_rows} rows, without it.
- `sample_submission.csv`: a submission in the right format, with one and the same prediction in
  each row.

## Submission

A CSV file with the header `{columns}` and one row for each row of `test.csv`, in the same order.
{_submission_note(facts)}
"""


_METRICS = {
    "accuracy": "Share of rows with the right label",
    "auc": "Area under the ROC curve",
    "log_loss": "Mean negative log-probability of the right class",
    "rmse": "Root mean squared error",
    "rmsle": "Root mean squared error of log(1 + value)",
}


def _submission_note(facts: TaskFacts) -> str:
    if facts.metric.predicts == "label":
        return f"`{facts.target}` is one of {', '.join(facts.classes)}."
    if len(facts.prediction_columns) > 1:
        return "The other columns are probabilities of the classes; each row must sum to 1."
    if facts.metric.predicts == "probability":
        return f"`{facts.target}` is the probability of class {facts.classes[1]}."
    return f"`{facts.target}` is a number."
