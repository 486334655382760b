"""Averages of submissions, against plain Python."""

from __future__ import annotations

import csv
import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from gome_agent.ensembling import CannotAverage, write_average
from gome_agent.tasks import registry, submission
from gome_agent.tasks.base import TaskFacts

IDS = ("07", "1e3", "NA", "12.0")
"""Ids that a reader of numbers would change."""
DIGITS, CUT, HOUSING, VISITS = (
    registry.load(name).facts for name in ("digits", "cut", "housing", "visits")
)


@dataclass(frozen=True)
class Checker:
    """The part of a task that an average needs."""

    facts: TaskFacts

    def check(self, path: Path) -> None:
        submission.read(path, self.facts, IDS)


def write(path: Path, facts: TaskFacts, rows, ids=IDS) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([facts.id_column, *facts.prediction_columns])
        writer.writerows([id_, *row] for id_, row in zip(ids, rows, strict=True))
    return path


def average(folder: Path, facts: TaskFacts, members) -> list[list[str]]:
    paths = [write(folder / f"{i}.csv", facts, rows) for i, rows in enumerate(members)]
    write_average(Checker(facts), paths, folder / "out.csv")
    with (folder / "out.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == [facts.id_column, *facts.prediction_columns]
    assert tuple(row[0] for row in rows) == IDS
    return [row[1:] for row in rows]


@given(
    members=st.lists(
        st.lists(st.sampled_from(DIGITS.classes[:3]), min_size=4, max_size=4),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_labels_are_the_majority_and_of_equals_the_better_ranked(tmp_path_factory, members):
    folder = tmp_path_factory.mktemp("labels")
    found = average(folder, DIGITS, [[[label] for label in member] for member in members])
    for row, votes in enumerate(zip(*members, strict=True)):
        counts = Counter(votes)
        winner = next(label for label in votes if counts[label] == max(counts.values()))
        assert found[row] == [winner]


finite = st.floats(0, 1e6)


@given(members=st.lists(st.lists(finite, min_size=4, max_size=4), min_size=1, max_size=5))
def test_numbers_are_averaged(tmp_path_factory, members):
    folder = tmp_path_factory.mktemp("numbers")
    found = average(folder, HOUSING, [[[x] for x in member] for member in members])
    for row, values in enumerate(zip(*members, strict=True)):
        assert float(found[row][0]) == pytest.approx(math.fsum(values) / len(values))


def test_probabilities_of_a_row_sum_to_one_and_one_column_is_left_as_it_is(tmp_path):
    rng = np.random.default_rng(0)
    members = rng.dirichlet(np.ones(len(CUT.classes)), size=(3, 4))
    members *= 1 + 5e-7  # as far off as a task accepts
    found = np.array(average(tmp_path, CUT, members), float)
    np.testing.assert_allclose(found, members.mean(0) / (1 + 5e-7), rtol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)
    chances = [[[0.25], [1.0], [0.0], [0.5]], [[0.75], [0.0], [0.0], [1.0]]]
    assert average(tmp_path, VISITS, chances) == [["0.5"], ["0.5"], ["0.0"], ["0.75"]]


def test_what_does_not_fit_together_is_refused_and_nothing_is_left(tmp_path):
    ones = [[1.0]] * 4
    good = write(tmp_path / "good.csv", HOUSING, ones)
    other_ids = write(tmp_path / "ids.csv", HOUSING, ones, ids=IDS[::-1])
    renamed = replace(HOUSING, prediction_columns=("price",))
    other_column = write(tmp_path / "column.csv", renamed, ones)
    words = write(tmp_path / "words.csv", HOUSING, [["one"]] * 4)
    out, task = tmp_path / "out.csv", Checker(HOUSING)
    for bad, told in (
        (other_ids, "other ids"),
        (other_column, "not the columns"),
        (words, "not every prediction is a number"),
        (tmp_path / "missing.csv", "cannot be read"),
    ):
        with pytest.raises(CannotAverage, match=told):
            write_average(task, [good, bad], out)
    huge = write(tmp_path / "huge.csv", HOUSING, [["1.7e308"]] * 4)
    with pytest.raises(CannotAverage, match="no valid submission"), np.errstate(over="ignore"):
        write_average(task, [huge, huge], out)
    assert not out.exists()
