"""A grid of real runs of real scripts, from the command line to the benchmark's report."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from experiments.cli import app
from tests.gome_agent.mlebench import minibench

NAME = "tabular-playground-series-may-2022"
"""The facts of this one are shipped, so that the offline expert knows what to do."""
GRADER = """
    from mlebench.utils import read_csv

    def grade(submission, answers):
        ranks = submission["target"].rank()
        positive = answers["target"] == 1
        pairs = positive.sum() * (~positive).sum()
        return float((ranks[positive].sum() - positive.sum() * (positive.sum() + 1) / 2) / pairs)
"""


def add_tables(root: Path, data: Path) -> pd.DataFrame:
    """Add a small version of that competition to the benchmark; returns its answers."""
    competitions = root / "mlebench" / "competitions"
    shutil.copytree(competitions / "coins", competitions / NAME)
    for name in ("config.yaml", "description.md"):
        file = competitions / NAME / name
        file.write_text(file.read_text().replace("coins", NAME))
    (competitions / NAME / "grade.py").write_text(dedent(GRADER).lstrip())
    scores = "".join(f"{1 - 0.003 * row:.3f}\n" for row in range(150))
    (competitions / NAME / "leaderboard.csv").write_text("score\n" + scores)
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(900, 4)), columns=list("abcd")).round(4)
    table.insert(0, "id", np.arange(900))
    table["target"] = (table.a * table.b + table.c + rng.normal(size=900) > 0).astype(int)
    public, private = (data / NAME / "prepared" / kind for kind in ("public", "private"))
    public.mkdir(parents=True)
    private.mkdir()
    (data / NAME / "raw").mkdir()
    test = table[600:]
    table[:600].to_csv(public / "train.csv", index=False)
    test.drop(columns="target").to_csv(public / "test.csv", index=False)
    test[["id"]].assign(target=0.5).to_csv(public / "sample_submission.csv", index=False)
    test[["id", "target"]].to_csv(private / "test.csv", index=False)
    return test[["id", "target"]]


def gome(*words):
    return CliRunner().invoke(app, ["mlebench", *map(str, words)], catch_exceptions=False)


@pytest.mark.slow
def test_a_grid_of_real_runs_is_graded_by_the_benchmark(tmp_path):
    benchmark = minibench.benchmark(tmp_path, ("coins",))
    benchmark.save()
    for split in ("medium", "high"):
        (Path(benchmark.source) / "experiments" / "splits" / f"{split}.txt").write_text("")
    answers = add_tables(Path(benchmark.source), benchmark.data_dir)
    out, home = tmp_path / "grid", ("--home", benchmark.home)
    told = ("--competitions", NAME, "--strategy", "gome;hill_climb", "--seeds", 1, "--steps", 2)
    ran = gome("run", *told, "--time-budget", "5m", *home, "--out", out)
    assert ran.exit_code == 0, ran.output
    cell = out / NAME / "gome" / "seed-0"
    assert not list(out.rglob("grading.json"))
    with closing(sqlite3.connect(cell / "journal.sqlite")) as journal:
        events = " ".join(str(row) for row in journal.execute("select * from events"))
    assert "private" not in events
    assert gome("grade", out, *home).exit_code == 0
    grade = json.loads((cell / "grading.json").read_text())
    submission = pd.read_csv(cell / "submission.csv")
    expected = roc_auc_score(answers.target, submission.target)
    assert json.dumps(grade).count(f"{expected:.5f}"[:6]) > 0
    assert expected > 0.7
    assert gome("report", out).exit_code == 0
    assert NAME in (out / "report.md").read_text()
