"""What a selector leaves behind: submissions of bundled tasks, summaries, grades, pages."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments import cli, runs
from experiments.report import read_run, write_report
from experiments.runs import RunConfig
from gome_agent.choosing import SelectorError
from gome_agent.evaluator import step_folder
from gome_agent.reasoners import MalformedReply
from gome_agent.schemas import Edit
from gome_agent.tasks import registry
from gome_agent.tasks.base import InvalidSubmission
from gome_agent.tasks.bundled import BundledTask

SCRIPT = """
import csv, json
NUMBER, METRIC, CLASSES = {number}, {metric!r}, {classes!r}
SCORE = {scores!r}[int(open("replicate").read()) > 0][NUMBER]
with open("input/sample_submission.csv", newline="") as file:
    header, *rows = csv.reader(file)
for i, row in enumerate(rows):
    if len(header) > 2:
        odds = [1 + (i + j) % (NUMBER + 2) for j in range(len(header) - 1)]
        row[1:] = [repr(odd / sum(odds)) for odd in odds]
    elif METRIC == "accuracy":
        row[1] = CLASSES[i % (NUMBER + 2)]
    else:
        row[1] = repr(1 / (2 + NUMBER + i % 7))
with open("submission.csv", "w", newline="") as file:
    csv.writer(file).writerows([header, *rows])
print(json.dumps({{"metric": METRIC, "folds": [SCORE, SCORE + 0.1]}}))
"""


class Drafts:
    """Three drafts that write fast submissions: scores at first, and on another split."""

    name, draws = "drafts", False
    scores = ((0.3, 0.5, 0.4), (0.2, 0.1, 0.9))

    def draft(self, brief, rng):
        facts, number = brief.facts, len(brief.history)
        sign = 1 if facts.metric.higher_is_better else -1
        scores = [[sign * score for score in row] for row in self.scores]
        name = facts.metric.name
        filled = SCRIPT.format(number=number, metric=name, classes=facts.classes, scores=scores)
        return Edit(script=filled)

    def improve(self, brief, parent, rng):
        raise MalformedReply("three drafts are all")

    diagnose = edit = debug = crossover = improve


DRAFTS = Drafts()


def execute(task: str, selector: str, out: Path, **changes) -> dict:
    config = RunConfig(
        task,
        f"aide(drafts=3, selector={selector})",
        f"{__name__}:DRAFTS",
        **{"steps": 3, "seconds_per_run": 30.0, **changes},
    )
    return runs.execute(config, out)


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def averaged(tmp_path_factory) -> dict[str, Path]:
    """A run of each kind of task whose three candidates are averaged."""
    folders = {}
    for task in ("housing", "visits", "cut", "digits"):
        folders[task] = tmp_path_factory.mktemp(task) / "run"
        execute(task, "ensemble(members=3)", folders[task])
    return folders


@pytest.mark.parametrize("task", ["housing", "visits", "cut", "digits"])
def test_an_ensemble_is_the_average_of_its_members_and_can_be_graded(task, averaged):
    out, facts = averaged[task], registry.load(task).facts
    summary = json.loads((out / "summary.json").read_text())
    assert summary["averaged_steps"] == [1, 2, 0]
    assert (summary["best_step"], summary["selector_note"]) == (1, "")
    members = [rows_of(step_folder(out / "steps", step) / "submission.csv") for step in (1, 2, 0)]
    found = rows_of(out / "submission.csv")
    assert found[0] == members[0][0]
    for row, parts in zip(found[1:], zip(*(m[1:] for m in members), strict=True), strict=True):
        assert row[0] == parts[0][0]
        if facts.metric.predicts == "label":
            votes = Counter(part[1] for part in parts)
            most = max(votes.values())
            assert row[1] == next(part[1] for part in parts if votes[part[1]] == most)
        else:
            mean = np.mean([[float(x) for x in part[1:]] for part in parts], axis=0)
            np.testing.assert_allclose([float(x) for x in row[1:]], mean, rtol=1e-12)
    scripts = {
        name: (out / f"{name}.py").read_text() for name in ("best_solution", "member_2", "member_3")
    }
    for number, script in zip((1, 2, 0), scripts.values(), strict=True):
        assert f"NUMBER, METRIC, CLASSES = {number}," in script
    graded = runs.grade(out)
    assert graded["held_out"]["score"] == pytest.approx(
        registry.load(task).grade(out / "submission.csv").score
    )


def test_the_oracle_is_the_best_held_out_score_of_all_and_is_marked(averaged):
    out, task = averaged["cut"], registry.load("cut")
    told = runs.grade(out)["oracle_on_test"]
    scores = [
        task.grade(step_folder(out / "steps", step) / "submission.csv").score for step in range(3)
    ]
    assert told["score"] == min(scores)  # a log loss
    assert told["step"] == int(np.argmin(scores))
    assert told["note"] == "report only: chosen with the answers"
    assert "report only" in CliRunner().invoke(cli.app, ["grade", str(out)]).output
    page = write_report(out).read_text()
    assert "Chosen with the answers" in page
    assert "the average of steps" in page
    run = read_run(out)
    assert run.averaged == (1, 2, 0)
    assert run.oracle is not None
    assert (run.oracle[0], run.oracle[1].score) == (told["step"], told["score"])


def test_the_finalists_are_measured_again_and_the_better_is_submitted(tmp_path):
    out = tmp_path / "run"
    summary = execute("housing", "revalidated(candidates=2)", out)
    assert summary["evaluations"] == 5
    assert [found["step"] for found in summary["revalidation"]] == [1, 2]
    # In the metric's own units: an error of -0.9 beats one of -0.1.
    assert [found["score"] for found in summary["revalidation"]] == pytest.approx([-0.05, -0.85])
    assert summary["best_step"] == 2
    again = step_folder(out / "steps", 2) / "submission.csv"
    assert (out / "submission.csv").read_bytes() == again.read_bytes()
    run = read_run(out)
    assert run.evaluations == 5
    assert [step.replicates for step in run.steps] == [1, 1, 1]
    assert run.revalidated == ((1, pytest.approx(-0.05)), (2, pytest.approx(-0.85)))
    assert "Measured again" in write_report(out).read_text()


def test_members_that_do_not_fit_leave_the_best_and_a_note(tmp_path, monkeypatch):
    """A task that accepts every candidate and refuses their average."""
    out, check = tmp_path / "run", BundledTask.check

    def refuse(task, path):
        if path == out / "submission.csv":
            raise InvalidSubmission("no such digit")
        check(task, path)

    monkeypatch.setattr(BundledTask, "check", refuse)
    summary = execute("digits", "ensemble(members=3)", out)
    assert summary["averaged_steps"] is None
    assert "step 1 is submitted" in summary["selector_note"]
    assert "no such digit" in summary["selector_note"]
    assert summary["submission"] == "submission.csv"
    saved = step_folder(out / "steps", 1) / "submission.csv"
    assert (out / "submission.csv").read_bytes() == saved.read_bytes()
    assert not (out / "member_2.py").exists()


def test_what_was_mended_in_a_member_is_told_of_the_average(tmp_path, monkeypatch):
    """A column of ranks is averaged with probabilities only where a reader sees it."""

    def repair(task, path):
        mends.append(path)
        return ("`y` was replaced by its column's ranks.",) if len(mends) == 2 else ()

    mends: list[Path] = []
    monkeypatch.setattr(BundledTask, "repair", repair, raising=False)
    summary = execute("housing", "ensemble(members=3)", tmp_path / "run")
    assert summary["averaged_steps"] == [1, 2, 0]
    assert summary["selector_note"] == (
        "averaged after mending: step 1: `y` was replaced by its column's ranks."
    )


def test_a_selector_that_reads_the_answers_leaves_nothing(tmp_path):
    with pytest.raises(SelectorError, match="gome grade"):
        execute("digits", "oracle_on_test", tmp_path / "run")
    assert not (tmp_path / "run").exists()
