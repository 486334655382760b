"""Competitions as tasks, over a tiny benchmark of our own in the same format."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from experiments.runs import RunConfig
from gome_agent import sandbox
from gome_agent.ensembling import CannotAverage, write_average
from gome_agent.evaluator import SandboxEvaluator, step_folder
from gome_agent.reasoners.base import Brief, NoEdit
from gome_agent.reasoners.expert import Expert
from gome_agent.sandbox.base import Limits
from gome_agent.tasks import registry, sampling
from gome_agent.tasks.base import InvalidSubmission, Repairs, Task
from gome_agent.tasks.mlebench import data_only
from gome_agent.tasks.mlebench.base import BenchmarkError
from gome_agent.tasks.mlebench.task import MleBenchTask
from tests.gome_agent.mlebench.fake import (
    COVER,
    INSULTS,
    LEAF,
    NOMAD,
    PIZZA,
    ROWS,
    SAMPLES,
    TOXIC,
    Fake,
    sample_of,
    task_of,
    write,
)


@pytest.mark.parametrize("competition", SAMPLES)
def test_every_competition_is_a_task_that_repairs_and_cannot_grade(fake, competition, tmp_path):
    task = task_of(fake, competition)
    assert isinstance(task, Task)
    assert isinstance(task, Repairs)
    assert not hasattr(task, "score")
    facts = task.facts
    assert facts.name == f"mlebench:{competition}"
    assert list(facts.submission_columns) == SAMPLES[competition][1]
    assert set(facts.prediction_columns) < set(facts.submission_columns)
    right = write(tmp_path / "submission.csv", sample_of(competition))
    assert task.repair(right) == ()
    task.check(right)
    assert fake.told == [right]
    with pytest.raises(BenchmarkError, match="only after the run is closed: `gome mlebench grade`"):
        task.grade(right)
    with pytest.raises(BenchmarkError, match="after a run is closed"):
        facts.metric.function(np.zeros(2), np.zeros(2))
    assert [path.name for path in task.sealed] == ["private"]


def test_facts_become_what_a_reasoner_is_told(fake):
    leaf, pizza, unknown = (task_of(fake, name).facts for name in (LEAF, PIZZA, "AI4Code"))
    assert leaf.classes == leaf.prediction_columns == ("Acer", "Quercus", "Tilia")
    assert (leaf.kind, leaf.metric.name, leaf.metric.bounds) == ("multiclass", "log_loss", (0, 1))
    assert not leaf.metric.higher_is_better
    assert any("giver_username_if_known" in note and "Do not use" in note for note in pizza.notes)
    assert (unknown.kind, unknown.metric.name, unknown.metric.predicts) == (
        "other",
        "score",
        "text",
    )
    assert unknown.metric.higher_is_better


def test_the_benchmark_may_not_contradict_the_direction(fake):
    fake.lower_is_better = True
    assert not task_of(fake, LEAF).facts.metric.higher_is_better
    with pytest.raises(BenchmarkError, match="says that lower scores are better, which is wrong"):
        _ = task_of(fake, PIZZA).facts


def test_public_data_are_linked_not_copied(fake, tmp_path):
    task, public = task_of(fake, LEAF), tmp_path / "run" / "public"
    task.prepare(public)
    task.prepare(public)
    assert public.is_symlink()
    assert public.resolve() == task.info.public.resolve()
    with pytest.raises(BenchmarkError, match="is not a link to the data"):
        task_of(fake, PIZZA).prepare(public)
    public.unlink()
    public.symlink_to(tmp_path / "gone")
    task.prepare(public)
    assert public.resolve() == task.info.public.resolve()


def test_a_sample_among_the_answers_is_not_shown(fake):
    class Careless(Fake):
        def info(self, competition):
            info = super().info(competition)
            return replace(info, sample=write(info.sealed[0] / "sample.csv", sample_of(LEAF)))

    with pytest.raises(BenchmarkError, match="not in the public data"):
        _ = task_of(Careless(fake.data), LEAF).facts


def test_data_that_are_not_prepared_are_named(fake):
    with pytest.raises(BenchmarkError, match="not prepared"):
        _ = task_of(fake, "dog-breed-identification").facts
    public = task_of(fake, LEAF).info.public
    (public / "sample_submission.csv").unlink()
    with pytest.raises(BenchmarkError, match="no one sample submission"):
        _ = task_of(fake, LEAF).facts


def test_a_repair_is_in_place_and_keeps_the_original(fake, tmp_path):
    task, right = task_of(fake, TOXIC), sample_of(TOXIC)
    wrong = right.iloc[::-1][[*right.columns[1:], "id"]]
    path = write(tmp_path / "submission.csv", wrong)
    before = path.read_bytes()
    notes = task.repair(path)
    assert len(notes) == 2
    assert (tmp_path / "submission.original.csv").read_bytes() == before
    pd.testing.assert_frame_equal(pd.read_csv(path), right)
    assert sorted(file.name for file in tmp_path.glob("*.csv")) == [
        "submission.csv", "submission.original.csv",
    ]  # fmt: skip


def test_the_benchmark_is_asked_last_and_its_outage_is_a_warning(fake, tmp_path):
    task = task_of(fake, PIZZA)
    right = write(tmp_path / "right.csv", sample_of(PIZZA))
    wrong = write(tmp_path / "wrong.csv", sample_of(PIZZA).iloc[:5])
    with pytest.raises(InvalidSubmission, match="5 rows; expected 12"):
        task.check(wrong)
    assert fake.told == []
    fake.broken = True
    with pytest.warns(RuntimeWarning, match="not validated by the benchmark: the worker died"):
        task.check(right)
    many = pd.concat([sample_of(PIZZA), sample_of(PIZZA).assign(request_id=range(50, 62))])
    write(task.sample, many)
    fake.broken = False
    with pytest.raises(InvalidSubmission, match="The benchmark refuses it: no more than 12"):
        task.check(write(tmp_path / "many.csv", many))


@pytest.mark.parametrize("competition", [TOXIC, NOMAD, LEAF])
def test_several_columns_are_averaged_by_id(fake, competition, tmp_path):
    rng, table = np.random.default_rng(0), sample_of(competition)
    columns = list(table.columns[1:])
    drawn = [rng.dirichlet(np.ones(len(columns)), ROWS) for _ in range(3)]
    paths = [
        write(tmp_path / f"{i}.csv", table.assign(**dict(zip(columns, values.T, strict=True))))
        for i, values in enumerate(drawn)
    ]
    write_average(task_of(fake, competition), paths, tmp_path / "mean.csv")
    found = pd.read_csv(tmp_path / "mean.csv")
    assert list(found.columns) == list(table.columns)
    assert found.iloc[:, 0].tolist() == table.iloc[:, 0].tolist()
    np.testing.assert_allclose(found[columns], np.mean(drawn, axis=0), rtol=1e-12)


def test_values_that_are_no_distribution_are_not_scaled(fake, tmp_path):
    table = sample_of(NOMAD)
    columns = list(table.columns[1:])
    paths = [
        write(tmp_path / f"{x}.csv", table.assign(**dict.fromkeys(columns, x))) for x in (2, 5)
    ]
    write_average(task_of(fake, NOMAD), paths, tmp_path / "mean.csv")
    assert (pd.read_csv(tmp_path / "mean.csv")[columns] == 3.5).all(axis=None)


def test_columns_that_are_carried_stay_and_text_has_no_average(fake, tmp_path):
    table = sample_of(INSULTS)
    paths = [write(tmp_path / f"{x}.csv", table.assign(Insult=x)) for x in (0.25, 0.75)]
    write_average(task_of(fake, INSULTS), paths, tmp_path / "mean.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "mean.csv"), table.assign(Insult=0.5))
    odd = table.assign(Comment=[f"{i}\ra" for i in range(ROWS)])
    odd.to_csv(task_of(fake, INSULTS).sample, index=False, quoting=csv.QUOTE_ALL)
    for path in paths:
        odd.assign(Insult=0.25).to_csv(path, index=False, quoting=csv.QUOTE_ALL)
    write_average(task_of(fake, INSULTS), paths, tmp_path / "odd.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "odd.csv"), odd.assign(Insult=0.25))
    with pytest.raises(CannotAverage, match="text have no average"):
        write_average(task_of(fake, "AI4Code"), paths, tmp_path / "text.csv")


@pytest.mark.parametrize(
    ("competition", "why"),
    [
        (TOXIC, "of the kind `multilabel`"),
        (NOMAD, "has 2 targets"),
        (INSULTS, "the data of .* are `text`"),
        (PIZZA, "has no `train.csv`"),
        ("AI4Code", "of the kind `other`"),
    ],
)
def test_the_expert_says_what_it_cannot_do(fake, competition, why):
    task = task_of(fake, competition)
    brief = Brief(task.facts, task.description, task.info.public, 3, 10.0)
    with pytest.raises(NoEdit, match=rf"one table with one target, and .*{why}.*: use a model"):
        Expert().draft(brief, np.random.default_rng(0))


def test_large_folders_are_not_sampled(fake, tmp_path, monkeypatch):
    public = _tables(fake)
    assert sampling.sample(public, tmp_path / "small", 5)
    monkeypatch.setattr(sampling, "MAX_BYTES", 1000)
    (public / "images").mkdir()
    (public / "images" / "1.png").write_bytes(bytes(2000))
    assert not sampling.sample(public, tmp_path / "large", 5)
    assert not (tmp_path / "large").exists()


def _tables(fake: Fake) -> Path:
    """A small table task in the public folder of one that is known."""
    public, rng = fake.data / COVER / "prepared" / "public", np.random.default_rng(0)
    for name, rows, ids in (("train", 90, range(100, 190)), ("test", ROWS, sample_of(COVER)["Id"])):
        table = pd.DataFrame({"Id": ids, "a": rng.normal(size=rows), "b": rng.normal(size=rows)})
        if name == "train":
            table["Cover_Type"] = 1 + (table.a > 0) + (table.b > 0)
        write(public / f"{name}.csv", table)
    return public


SHUFFLED = """
import json
import pandas as pd
sample = pd.read_csv("input/sample_submission.csv")
sample["Cover_Type"] = 2.0
sample.iloc[::-1].to_csv("submission.csv")
print(json.dumps({"metric": "accuracy", "folds": [0.4, 0.6], "told": 1}))
"""


def evaluator(task: MleBenchTask, folder: Path) -> SandboxEvaluator:
    task.prepare(folder / "public")
    limits = Limits(wall_seconds=60.0, cpu_seconds=60.0)
    return SandboxEvaluator(task, sandbox.detect(None), limits, folder / "public", folder / "steps")


def test_a_script_in_the_sandbox_is_repaired_and_its_reasoner_told(fake, tmp_path):
    _tables(fake)
    runs = evaluator(task_of(fake, COVER), tmp_path)
    solution = runs.evaluate(SHUFFLED, 1, 60.0)
    assert solution.valid, solution.failure
    kept = step_folder(tmp_path / "steps", 1)
    expected = sample_of(COVER).assign(Cover_Type=2)
    pd.testing.assert_frame_equal(pd.read_csv(kept / "submission.csv"), expected)
    assert (kept / "submission.original.csv").read_text().startswith(",Id,Cover_Type")
    assert solution.feedback["told"] == 1
    assert len(solution.feedback["submission"]) == 3
    assert "submission.csv: The rows are not in the order" in solution.log
    (kept / "submission.csv").unlink()
    runs.keep(SHUFFLED, 1)
    pd.testing.assert_frame_equal(pd.read_csv(kept / "submission.csv"), expected)


def test_the_expert_works_on_a_competition_of_tables(fake, tmp_path):
    _tables(fake)
    task = task_of(fake, COVER)
    runs = evaluator(task, tmp_path)
    brief = Brief(task.facts, task.description, tmp_path / "public", 3, 60.0)
    edit = Expert().draft(brief, np.random.default_rng(0))
    solution = runs.evaluate(edit.script, 1, 60.0)
    assert solution.valid, solution.failure
    assert solution.score > 0.4
    assert fake.told


def test_registry_knows_competitions_of_an_installation(fake, monkeypatch, tmp_path):
    homes: list[Path | None] = []

    def load(home: Path | None = None):
        homes.append(home)
        return SimpleNamespace(rollout=lambda: fake)

    monkeypatch.setattr(data_only.Benchmark, "load", load)
    task = registry.load(f"mlebench:{LEAF}", tmp_path)
    assert isinstance(task, MleBenchTask)
    assert task.facts.metric.name == "log_loss"
    assert task.facts.notes
    bare = registry.load(f"mlebench:{LEAF}", told=False)
    assert bare.facts.notes == ()
    assert "Training data" not in bare.description
    with pytest.raises(registry.UnknownTask, match=r"Did you mean `mlebench:leaf-classification`"):
        registry.load("mlebench:leaf-clasification")
    assert homes == [tmp_path, None, None]
    with pytest.raises(
        registry.UnknownTask, match=r"`mlebench:COMPETITION` for those of MLE-bench"
    ):
        registry.load("leaf-classification")


def test_runs_remember_the_installation_and_older_journals_load():
    config = RunConfig(task="mlebench:x", benchmark="/somewhere")
    assert json.loads(json.dumps(config.__dict__, default=str))["benchmark"] == "/somewhere"
    older = RunConfig(task="digits")
    assert (older.benchmark, older.data_dir, older.facts) == ("", "", True)
