"""The AutoML study's baselines and statistics, the reliability study's, and small runs of both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.studies import automl, reliability
from experiments.study import draw, execute
from gome_agent.tasks import registry

CONFIG = automl.Config(
    tasks=("digits",), strategies=("gome",), seeds=2, steps=2, install=False,
    baselines=("hgb", "random_search", "flaml"),
)  # fmt: skip


def _table(scores: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"task": "housing", "seed": seed, "method": method, "score": score}
        for method, known in scores.items()
        for seed, score in enumerate(known)
    ]
    return pd.DataFrame(rows)


def test_a_cell_serves_other_tasks_and_more_seeds_but_no_other_budget():
    def key(**changes):
        return automl.STUDY.decides(replace(CONFIG, **changes), {"task": "digits", "seed": 0})

    assert key(tasks=("digits", "cut"), seeds=5) == key()
    assert key(steps=3) != key()
    assert automl.STUDY.decides(CONFIG, {"task": "digits", "seed": 1}) != key()


def test_a_lead_is_paired_and_in_units_of_the_tasks_spread():
    """By hand: rmsle, lower is better; the other is worse by 0.1, 0.2 and 0.3."""
    table = _table({"gome": [0.1, 0.2, 0.3], "hgb": [0.2, 0.4, 0.6]})
    spread = np.std([0.1, 0.2, 0.3, 0.2, 0.4, 0.6], ddof=1)
    (row,) = automl.leads(table, replace(CONFIG, tasks=("housing",))).to_dict("records")
    assert row["method"] == "hgb"
    assert row["lead"] == pytest.approx(0.2 / spread)
    half = 4.302653 * 0.1 / np.sqrt(3)  # Student's 0.975 quantile with 2 degrees of freedom
    assert (row["high"] - row["low"]) / 2 == pytest.approx(half / spread, rel=1e-6)
    assert row["ahead"] == 1.0


def test_no_score_is_as_bad_as_the_worst_but_a_skipped_method_is_left_out():
    table = _table(
        {"gome": [0.1, 0.2], "hgb": [0.3, None], "flaml": [None, None]}  # type: ignore[list-item]
    )
    known = automl.utilities(table, CONFIG)
    assert set(known.method) == {"gome", "hgb"}
    failed = known.query("method == 'hgb' and seed == 1").utility
    assert failed.item() == known.utility.min()


@pytest.mark.parametrize("task", ["digits", "housing", "visits", "cut"])
def test_baselines_write_what_the_task_can_grade(task, tmp_path):
    made = registry.load(task)
    made.prepare(tmp_path / "public")
    row = automl._baseline(made, "hgb", sys.executable, 0, 1.0, tmp_path)
    assert row["note"] == ""
    constant = made.grade(tmp_path / "public" / "sample_submission.csv").score
    utility = made.facts.metric.utility
    assert utility(row["score"]) > utility(constant)


def test_a_baseline_that_fails_says_why(tmp_path):
    made = registry.load("digits")
    (tmp_path / "public").mkdir()
    row = automl._baseline(made, "hgb", sys.executable, 0, 1.0, tmp_path)
    assert row["score"] is None
    assert "train.csv" in row["note"]


def test_the_random_search_stops_in_time_and_repeats_itself(tmp_path):
    """A budget of nothing still gives one draw, and the driver needs nothing of ours."""
    made = registry.load("housing")
    made.prepare(tmp_path / "public")
    facts = made.facts
    problem = {
        "id_column": facts.id_column, "target": facts.target, "kind": facts.kind,
        "metric": facts.metric.name, "predicts": facts.metric.predicts,
        "columns": list(facts.prediction_columns), "classes": [], "seed": 3, "seconds": 0.0,
    }  # fmt: skip
    told = []
    for name in ("one.csv", "two.csv"):
        done = subprocess.run(
            [sys.executable, "-P", str(automl.DRIVER), "random_search", "public", name],
            input=json.dumps(problem), cwd=tmp_path, check=True, capture_output=True, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        told.append(json.loads(done.stdout.splitlines()[-1]))
    assert told[0] == told[1]
    assert told[0]["evaluations"] == 1
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert made.grade(tmp_path / "one.csv").score < 1.0


def test_a_small_study_compares_and_says_what_it_skipped(tmp_path):
    config = replace(CONFIG, seeds=1)
    table = execute(automl.STUDY, config, tmp_path / "study")
    rows = table.set_index("method")
    assert set(rows.index) == {"gome", "draft", "hgb", "random_search", "flaml"}
    if rows.loc["flaml"].isna()["score"]:
        assert "flaml" in rows.loc["flaml", "note"]
    assert rows.loc["gome", "evaluations"] == 2
    assert rows.loc["gome", "validation"] >= rows.loc["draft", "validation"]
    assert (tmp_path / "study" / "figure.png").stat().st_size > 0


def test_seeds_are_other_splits(tmp_path):
    """The draft is the same script for every seed; its validation is not."""
    config = replace(CONFIG, baselines=(), steps=1)
    table = execute(automl.STUDY, config, tmp_path)
    drafts = table.query("method == 'draft'")
    assert drafts.score.nunique() == 1
    assert drafts.validation.nunique() == 2


# Reliability ------------------------------------------------------------------------------------


def test_agreement_by_hand():
    told, gain = np.array([3.0, 2.0, 1.0]), np.array([4.0, 0.0, 3.0])
    found = reliability.agreement(told, gain)
    assert found["cosine"] == pytest.approx(15 / (14**0.5 * 5))
    assert found["rank"] == pytest.approx(0.5)
    assert found["cosine_low"] <= found["cosine"] <= found["cosine_high"]
    assert reliability.agreement(told, -told)["cosine"] == pytest.approx(-1.0)


@pytest.mark.slow
def test_a_small_reliability_study_runs(tmp_path):
    config = reliability.Config(tasks=("digits",), depths=(0, 1), top=2, others=1)
    table = execute(reliability.STUDY, config, tmp_path)
    assert list(table.groupby("depth").size()) == [3, 3]
    state = table.query("depth == 0")
    assert state.told.is_monotonic_decreasing
    assert state.gain.notna().all()
    draw(reliability.STUDY, config, table, tmp_path)
