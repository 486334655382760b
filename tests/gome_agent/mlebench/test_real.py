"""The real benchmark: its own `prepare`, `validate_submission` and graders, on made-up raw data.

Set GOME_MLEBENCH_SOURCE to a clone, and GOME_MLEBENCH_PYTHON to a Python with the packages of
`requirements-mlebench.txt`, or they are skipped. The clone is copied, since its leaderboards may
be pointers and get made-up tables here.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gome_agent.closing import closed_around
from gome_agent.tasks.mlebench.base import BenchmarkError
from gome_agent.tasks.mlebench.benchmark import Benchmark, shipped_split
from gome_agent.tasks.mlebench.client import environment
from gome_agent.tasks.mlebench.environment import pins
from gome_agent.tasks.mlebench.preflight import preflight
from tests.gome_agent.mlebench import raw_data

SOURCE = os.environ.get("GOME_MLEBENCH_SOURCE", "")
PYTHON = os.environ.get("GOME_MLEBENCH_PYTHON", "")
pytestmark = [
    pytest.mark.mlebench,
    pytest.mark.skipif(
        not (SOURCE and PYTHON), reason="GOME_MLEBENCH_SOURCE and GOME_MLEBENCH_PYTHON are not set"
    ),
]

SPOOKY, LEAF = "spooky-author-identification", "leaf-classification"
TABULAR, PIZZA = "tabular-playground-series-may-2022", "random-acts-of-pizza"
NOMAD = "nomad2018-predict-transparent-conductors"
INSULTS = "detecting-insults-in-social-commentary"
WORDS = "text-normalization-challenge-english-language"
RAW = {
    SPOOKY: raw_data.write_spooky,
    TABULAR: raw_data.write_tabular,
    PIZZA: raw_data.write_pizza,
    NOMAD: raw_data.write_nomad,
    INSULTS: raw_data.write_insults,
    WORDS: raw_data.write_words,
}
LOWER = (SPOOKY, NOMAD, LEAF)
PREPARE = """
import sys
from pathlib import Path
from mlebench.registry import registry
found = registry.set_data_dir(Path(sys.argv[1])).get_competition(sys.argv[2])
for folder in (found.public_dir, found.private_dir):
    folder.mkdir(parents=True)
found.prepare_fn(raw=found.raw_dir, public=found.public_dir, private=found.private_dir)
(found.public_dir / "description.md").write_text(found.description)
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The benchmark in a copy, seven tasks prepared by it."""
    root = tmp_path_factory.mktemp("real")
    clone, data = root / "clone", root / "data"
    for part in ("mlebench", "experiments/splits"):
        shutil.copytree(Path(SOURCE) / part, clone / part)
    for competition in (*RAW, LEAF):
        folder = clone / "mlebench" / "competitions" / competition
        scores = np.linspace(0.01, 0.99, 100)
        board = scores if competition in LOWER else scores[::-1]
        pd.DataFrame({"score": board}).to_csv(folder / "leaderboard.csv", index=False)
        raw, rng = data / competition / "raw", np.random.default_rng(0)
        raw.mkdir(parents=True)
        if competition == LEAF:
            raw_data.write_leaf(raw, rng, classes_of(folder))
        else:
            RAW[competition](raw, rng)
        subprocess.run(
            [PYTHON, "-c", PREPARE, data, competition],
            cwd=root,
            env=environment(str(clone)),
            check=True,
            capture_output=True,
        )
    return Benchmark(root, Path(PYTHON), str(clone), "", data)


@pytest.fixture(scope="module")
def rollout(real):
    with real.rollout() as rollout:
        yield rollout


def classes_of(folder: Path) -> list[str]:
    spec = importlib.util.spec_from_file_location("classes", folder / "classes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CLASSES


def gold(real: Benchmark, competition: str) -> pd.DataFrame:
    """The best submission that there is, from the private folder."""
    private = real.data_dir / competition / "prepared" / "private"
    names = ("gold_submission.csv", "answers.csv", "test.csv")
    return read(next(private / name for name in names if (private / name).is_file()))


def read(file: Path) -> pd.DataFrame:
    """A table in which `NA` and `None` are words."""
    return pd.read_csv(file, keep_default_na=False)


def test_all_competitions_load(real, rollout):
    assert len(rollout.competitions()) == 82
    for split in ("all", "low", "medium", "high", "dev", "split75"):
        assert rollout.competitions(split) == tuple(shipped_split(split))
    with real.doctor() as doctor:
        inventory = doctor.ask("inventory", competitions=rollout.competitions())
    assert len(inventory) == 82
    assert [name for name, told in inventory.items() if not told["lacking"]] == sorted((*RAW, LEAF))


def test_the_packages_are_those_that_are_pinned(real):
    with real.doctor() as doctor:
        versions = doctor.ask("about", packages=list(pins()))["versions"]
    assert {name: versions[name] for name in pins()} == pins()


@pytest.mark.parametrize("competition", [*RAW, LEAF])
def test_the_sample_is_valid_and_the_answers_are_perfect(real, rollout, tmp_path, competition):
    found = rollout.info(competition)
    assert found.sample is not None
    assert found.lower_is_better == (competition in LOWER)
    assert found.teams == 100
    assert set(found.sealed) == {found.public.parent / "private", found.public.parents[1] / "raw"}
    assert found.description.startswith("#")
    sample, perfect = tmp_path / "sample.csv", tmp_path / "perfect.csv"
    read(found.sample).to_csv(sample, index=False)
    gold(real, competition).to_csv(perfect, index=False)
    told = [rollout.validate(competition, file) for file in (sample, perfect)]
    assert [each.valid for each in told] == [True, True]
    assert told[0].message == told[1].message
    best = 0.0 if competition in LOWER else 1.0
    for file, is_best in ((sample, False), (perfect, True)):
        with closed_around(file) as proof, real.final(proof) as final:
            report = final.score(competition, file)
        assert report.valid_submission
        assert report.is_lower_better == (competition in LOWER)
        assert report.gold_medal == is_best
        assert (report.score == best) == is_best
        # The tenth, twentieth and fortieth of 100 teams.
        thresholds = (report.gold_threshold, report.silver_threshold, report.bronze_threshold)
        board = np.linspace(0.01, 0.99, 100)
        assert thresholds == pytest.approx(
            [(board if competition in LOWER else board[::-1])[rank - 1] for rank in (10, 20, 40)]
        )


BROKEN = {
    SPOOKY: (lambda table: table.assign(EAP=0.9), "sum to one"),
    TABULAR: (lambda table: table.assign(target=1.5), "between"),
    PIZZA: (lambda table: table.iloc[1:], ""),
    NOMAD: (lambda table: table.iloc[1:], "rows in submission"),
    INSULTS: (lambda table: table.drop(columns="Insult"), "Insult"),
    WORDS: (lambda table: table.iloc[1:], ""),
    LEAF: (lambda table: table.drop(columns="Acer_Mono"), "column for each class"),
}


@pytest.mark.parametrize("competition", BROKEN)
def test_what_the_graders_refuse(real, rollout, tmp_path, competition):
    spoil, why = BROKEN[competition]
    file = tmp_path / "submission.csv"
    sample = rollout.info(competition).sample
    assert sample is not None
    spoil(read(sample)).to_csv(file, index=False)
    told = rollout.validate(competition, file)
    assert not told.valid
    assert why in told.message
    assert len(told.message) <= 300
    assert "\n" not in told.message
    with closed_around(file) as proof, real.final(proof) as final:
        report = final.score(competition, file)
    assert (report.score, report.valid_submission, report.submission_exists) == (None, False, True)


def test_answers_in_json_lines(real, rollout, tmp_path):
    """The benchmark's own validation rejects every submission of this task (its issue 134)."""
    name = "tensorflow2-question-answering"
    public = real.data_dir / name / "prepared" / "public"
    private = public.parent / "private"
    for folder in (public, private):
        folder.mkdir(parents=True)
    none = '"annotations": [{"yes_no_answer": "NONE", "long_answer": {"start_token": -1, '
    none += '"end_token": -1, "candidate_index": -1}, "short_answers": []}]'
    (private / "test.jsonl").write_text(f'{{"example_id": "7", {none}}}\n')
    sample = public / "sample_submission.csv"
    sample.write_text("example_id,PredictionString\n7_long,\n7_short,\n")
    assert rollout.validate(name, sample).valid
    few = tmp_path / "few.csv"
    few.write_text("example_id,PredictionString\n7_long,\n")
    assert "length" in rollout.validate(name, few).message


def test_a_leaderboard_that_git_lfs_holds(real, tmp_path):
    name = "aerial-cactus-identification"
    board = Path(real.source) / "mlebench" / "competitions" / name / "leaderboard.csv"
    board.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    private = real.data_dir / name / "prepared" / "private"
    private.mkdir(parents=True)
    (private / "test.csv").write_text("id,has_cactus\na.jpg,1\n")
    file = tmp_path / "a.csv"
    file.write_text("id,has_cactus\na.jpg,1\n")
    refused = pytest.raises(BenchmarkError, match="Git LFS pointer")
    with closed_around(file) as proof, real.final(proof) as final, refused:
        final.score(name, file)
    with closed_around(file) as proof, real.final(proof, shipped_thresholds=True) as final:
        report = final.score(name, file)  # one class only: the grader refuses it
    assert (report.valid_submission, report.gold_threshold, report.any_medal) == (False, 1.0, False)
    assert report.shipped_thresholds
    found = preflight(real, [name], environ={}, user=tmp_path)
    checks = {finding.check: finding for finding in found}
    assert "Git LFS pointers" in checks["leaderboards"].message
    assert "only in part" in checks["data"].message
    assert checks["packages"].ok
    checks = {each.check: each for each in preflight(real, [PIZZA, NOMAD], {}, tmp_path)}
    assert f"differs for {PIZZA}, {NOMAD}" in checks["thresholds"].message
