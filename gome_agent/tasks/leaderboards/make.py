"""Make the leaderboards: `python -m gome_agent.tasks.leaderboards.make [TASK...]`.

Each entry is a pipeline drawn at random (see `pipelines`), fitted on the public train file; its
predictions for the public test file are written as a submission, checked, and scored with the
private answers. The last fifth are blends: equal averages of two to four of the sixth of entries
that are best on a hold-out part of the train file, which is all a team can see.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import tempfile
import time
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone

from gome_agent.tasks.base import TaskFacts
from gome_agent.tasks.bundled import BundledTask, Recipe, measure, published
from gome_agent.tasks.catalogue import RECIPES
from gome_agent.tasks.leaderboards.pipelines import Entry, draw

TEAMS = 60
SEED = 20260101


class Fitted(NamedTuple):
    """A fitted entry."""

    text: str
    outputs: np.ndarray
    """Predictions for the test file: numbers, or probabilities in `facts.classes` order."""
    holdout: float
    """Utility on a third of the train file, when fitted on another third."""


def make(task: BundledTask, teams: int = TEAMS, seed: int = SEED) -> list[tuple[float, str]]:
    """Scores and pipelines of `teams` entries, best first.

    Args:
      task: the task, whose answers are read to score.
      teams: number of entries; one in five is a blend.
      seed: of all draws.
    """
    blends = teams // 5
    with tempfile.TemporaryDirectory() as folder:
        public = Path(folder)
        task.prepare(public)
        train, test = pd.read_csv(public / "train.csv"), pd.read_csv(public / "test.csv")
        features = train.drop(columns=[task.facts.id_column, task.facts.target])
        drawn = entries(task.recipe, features, teams - blends, seed)
        single = [_fitted(task.facts, entry, train, test) for entry in drawn]
        rows = {entry.text: entry.outputs for entry in single}
        rng = np.random.default_rng([seed, 1])
        while len(rows) < teams:
            text, outputs = _blend(rng, single)
            rows[text] = outputs
        path = public / "submission.csv"
        scored = [(submit(task, test, outputs, path), text) for text, outputs in rows.items()]
    return sorted(scored, key=lambda row: task.facts.metric.utility(row[0]), reverse=True)


def entries(recipe: Recipe, features: pd.DataFrame, count: int, seed: int) -> list[Entry]:
    """`count` different pipelines.

    Args:
      recipe: the task.
      features: of the public train file, without id and target.
      count: how many.
      seed: of the draws.
    """
    rng = np.random.default_rng([seed, 0])
    drawn: dict[str, Entry] = {}
    while len(drawn) < count:
        entry = draw(rng, recipe, features)
        drawn.setdefault(entry.text, entry)
    return list(drawn.values())


def _fitted(facts: TaskFacts, entry: Entry, train: pd.DataFrame, test: pd.DataFrame) -> Fitted:
    start = time.perf_counter()
    third = len(train) // 3  # The train file is shuffled.
    held = train.iloc[third : 2 * third]
    guesses = _submitted(facts, fit_predict(facts, entry, train.iloc[:third], held))
    score = measure(facts, held[facts.target].to_numpy(), guesses)
    outputs = fit_predict(facts, entry, train, test)
    print(f"{facts.name} {time.perf_counter() - start:6.1f} s {score:.5g} {entry.text}", flush=True)
    return Fitted(entry.text, outputs, facts.metric.utility(score))


def fit_predict(
    facts: TaskFacts, entry: Entry, train: pd.DataFrame, test: pd.DataFrame
) -> np.ndarray:
    """Predictions of a pipeline: numbers, or probabilities in the order of `facts.classes`.

    Args:
      facts: the task.
      entry: the pipeline; it is not changed.
      train: rows with the target.
      test: rows to predict.
    """
    model: Any = clone(entry.model)
    inputs = test.drop(columns=[facts.id_column, facts.target], errors="ignore")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Weak entries do not converge; teams submit them anyway.
        model.fit(train.drop(columns=[facts.id_column, facts.target]), train[facts.target])
        if facts.kind == "regression":
            return model.predict(inputs)
        order = [list(map(str, model.classes_)).index(label) for label in facts.classes]
        return model.predict_proba(inputs)[:, order]


def _blend(rng: np.random.Generator, single: Sequence[Fitted]) -> tuple[str, np.ndarray]:
    best = sorted(single, key=lambda entry: entry.holdout, reverse=True)[: len(single) // 6]
    drawn = sorted(rng.choice(len(best), size=int(rng.integers(2, 5)), replace=False))
    members = [best[i] for i in drawn]
    text = "blend of " + " + ".join(f"({member.text})" for member in members)
    return text, np.mean([member.outputs for member in members], axis=0)


def submit(task: BundledTask, test: pd.DataFrame, outputs: np.ndarray, path: Path) -> float:
    """Score of predictions, written to `path` as a submission, read back and checked.

    Args:
      task: the task, whose answers are read.
      test: the public test file.
      outputs: as `fit_predict` returns them.
      path: file to write.
    """
    facts = task.facts
    table = pd.DataFrame(_submitted(facts, outputs), columns=list(facts.prediction_columns))
    table.insert(0, facts.id_column, test[facts.id_column])
    table.to_csv(path, index=False)
    return task.score(task.read(path))


def _submitted(facts: TaskFacts, outputs: np.ndarray) -> np.ndarray:
    if facts.metric.predicts == "label":
        return np.array(facts.classes)[outputs.argmax(axis=1)]
    if len(facts.prediction_columns) > 1:
        return outputs / outputs.sum(axis=1, keepdims=True)
    values = outputs if outputs.ndim == 1 else outputs[:, 1]
    values = np.nan_to_num(values, posinf=1e12)  # A linear model of the logarithm may overflow.
    return np.clip(values, *facts.metric.bounds)


def write(task: BundledTask, rows: Sequence[tuple[float, str]], seconds: float, path: Path) -> None:
    """Write a leaderboard file with the facts of its making as comment lines."""
    made = {
        "data": task.split.digest,
        "metric": task.facts.metric.name,
        "teams": len(rows),
        "seed": SEED,
        "date": datetime.date.today().isoformat(),
        "seconds": round(seconds),
        "versions": " ".join(f"{name}={version(name)}" for name in ("scikit-learn", "numpy")),
    }
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in made.items())
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["rank", "score", "pipeline"])
        table.writerows([i + 1, published(row[0]), row[1]] for i, row in enumerate(rows))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: make the leaderboards of the named tasks, or of all."""
    parser = argparse.ArgumentParser(description="Make the leaderboards of bundled tasks.")
    parser.add_argument("tasks", nargs="*", choices=[[], *RECIPES], help="default: all")
    for name in parser.parse_args(arguments).tasks or RECIPES:
        start = time.perf_counter()
        task = BundledTask(RECIPES[name])
        rows = make(task)
        write(task, rows, time.perf_counter() - start, Path(__file__).parent / f"{name}.csv")


if __name__ == "__main__":
    main()
