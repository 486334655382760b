"""A script is tried on a sample first: small tables of the same form."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from gome_agent import sandbox
from gome_agent.evaluator import SandboxEvaluator
from gome_agent.sandbox.base import Limits
from gome_agent.tasks import registry
from gome_agent.tasks.sampling import same_rows, sample

SCRIPT = """
import json
import pandas as pd
train, test = pd.read_csv("input/train.csv"), pd.read_csv("input/test.csv")
answer = pd.read_csv("input/sample_submission.csv")
assert len(train) <= 60, "all of the data"
{change}
answer.to_csv("submission.csv", index=False)
print(json.dumps({{"metric": "{metric}", "folds": [0.5]}}))
"""


@pytest.mark.parametrize("name", registry.names())
def test_a_sample_has_fewer_rows_and_is_otherwise_the_same(name, tmp_path):
    task = registry.load(name)
    task.prepare(tmp_path / "public")
    assert sample(tmp_path / "public", tmp_path / "small", 50)
    for file in (tmp_path / "public").iterdir():
        small = tmp_path / "small" / file.name
        if file.suffix != ".csv":
            assert small.read_bytes() == file.read_bytes()
            continue
        whole, part = pd.read_csv(file), pd.read_csv(small)
        assert len(part) == 50
        pd.testing.assert_index_equal(part.columns, whole.columns)
        key = whole.columns[0]
        rows = whole.set_index(key).loc[part[key]].reset_index()
        pd.testing.assert_frame_equal(part, rows, check_dtype=False)
    test, answer = (
        pd.read_csv(tmp_path / "small" / f) for f in ("test.csv", "sample_submission.csv")
    )
    assert test.iloc[:, 0].tolist() == answer.iloc[:, 0].tolist()


def test_what_is_no_table_task_has_no_sample(tmp_path):
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "train.csv").write_text("a\n1\n")
    assert not sample(tmp_path / "public", tmp_path / "small", 50)
    assert not (tmp_path / "small").exists()


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("", ""),
        ("test['no such column']", "exit"),
        ("answer = answer.head(3)", "it has 3 rows"),
        ("answer = answer.rename(columns=str.upper)", "its columns are"),
    ],
)
def test_a_rehearsal_finds_what_would_fail_in_full(change, wrong, tmp_path):
    task = registry.load("digits")
    task.prepare(tmp_path / "public")
    limits = Limits(wall_seconds=60.0, memory_bytes=2**30)
    evaluator = SandboxEvaluator(
        task, sandbox.detect(), limits, tmp_path / "public", tmp_path / "steps", 50
    )
    script = SCRIPT.format(change=change, metric=task.facts.metric.name)
    tried = evaluator.rehearse(script, 0, 60.0)
    assert tried is not None
    assert tried.valid == (not wrong), tried.failure
    assert wrong in tried.failure
    assert replace(evaluator, sample_rows=0).rehearse(script, 0, 60.0) is None


def test_a_submission_that_is_no_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"id\xff\n")
    (tmp_path / "b.csv").write_text("id\n")
    assert same_rows(tmp_path / "a.csv", tmp_path / "b.csv").startswith("it is no table")
