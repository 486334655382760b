"""Submissions averaged: the mean of numbers and probabilities, the majority vote of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gome_agent.tasks.base import InvalidSubmission, Task, TaskFacts


class CannotAverage(ValueError):
    """Submissions that do not fit together; the message says why."""


def write_average(task: Task, members: Sequence[Path], to: Path) -> None:
    """Average submissions into one file that the task accepts.

    Args:
      task: gives columns and what they hold; checks the result.
      members: submission files, best first; ties of votes go to the better one.
      to: the file to write; nothing is left there if it is not accepted.

    Raises:
      CannotAverage: predictions are text that is neither numbers nor labels, a file is missing or
        unreadable, columns or ids differ, or the task does not accept the average.
    """
    facts = task.facts
    if facts.metric.predicts == "text":
        raise CannotAverage("predictions that are text have no average")
    tables = [_read(path, facts) for path in members]
    for path, table in zip(members, tables, strict=True):
        if not table.index.equals(tables[0].index):
            raise CannotAverage(f"`{path}` has other ids than `{members[0]}`")
    predictions = [table.filter(list(facts.prediction_columns)) for table in tables]
    if facts.metric.predicts == "label":
        average = _vote(predictions)
    else:
        average = _mean(predictions, facts.rows_sum_to_one)
    whole = tables[0].assign(**{name: average[name].to_numpy() for name in average})
    # A field is quoted if it has a character of the line's end: a lone \r would end a row unquoted.
    table = whole.reset_index()[list(facts.submission_columns)]
    table.to_csv(to, index=False, lineterminator="\r\n")
    try:
        task.check(to)
    except InvalidSubmission as error:
        to.unlink()
        raise CannotAverage(f"their average is no valid submission: {error}") from error


def _read(path: Path, facts: TaskFacts) -> pd.DataFrame:
    """A submission as text by id, which stays as it is written."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise CannotAverage(f"`{path}` cannot be read: {error}") from error
    expected = list(facts.submission_columns)
    if list(table.columns) != expected:
        raise CannotAverage(f"`{path}` has not the columns {', '.join(expected)}")
    return table.set_index(facts.id_column)


def _vote(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The label that most members give, of equals the one of the first member that gives it."""
    labels = np.stack([table.iloc[:, 0].to_numpy() for table in tables], axis=1)
    votes = (labels[:, :, None] == labels[:, None, :]).sum(axis=2)
    winner = labels[np.arange(len(labels)), votes.argmax(axis=1)]
    return pd.DataFrame({tables[0].columns[0]: winner}, index=tables[0].index)


def _mean(tables: Sequence[pd.DataFrame], sum_to_one: bool) -> pd.DataFrame:
    """The mean; the probabilities of a row, if there is one a class, are scaled to sum to 1."""
    try:
        numbers = [table.astype(np.float64) for table in tables]
    except ValueError as error:
        raise CannotAverage(f"not every prediction is a number: {error}") from error
    mean = sum(numbers[1:], numbers[0]) / len(numbers)
    if mean.shape[1] == 1 or not sum_to_one:
        return mean
    return mean.div(mean.sum(axis=1), axis=0)
