"""Findings about an installation, one for each thing that goes wrong with it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import pytest

from gome_agent.tasks.mlebench import preflight
from gome_agent.tasks.mlebench.benchmark import Benchmark, shipped_split
from gome_agent.tasks.mlebench.environment import KAGGLE, pins
from gome_agent.tasks.mlebench.preflight import (
    data,
    disk,
    free_gigabytes,
    kaggle_client,
    kaggle_credentials,
    leaderboards,
    packages,
    thresholds,
)
from gome_agent.tasks.mlebench.sizes import download, gigabytes, needed
from tests.gome_agent.mlebench import minibench


def told(leaderboard="ok", teams=100, lacking=(), begun=True) -> dict:
    return {"leaderboard": leaderboard, "teams": teams, "lacking": list(lacking), "begun": begun}


def test_packages_at_other_versions_than_scores_were_checked_with():
    wanted = pins()
    assert wanted["pandas"] == "2.2.2"
    assert packages(wanted, wanted).ok
    finding = packages({**wanted, "pandas": "3.1.1", "scikit-learn": None}, wanted)
    assert not finding.ok
    assert "pandas 3.1.1 (wanted 2.2.2), scikit-learn is missing (wanted 1.5.1)" in finding.message


def test_leaderboards_that_tell_no_medals():
    assert leaderboards({"a": told(), "b": told(teams=21)}).ok
    assert "a are Git LFS pointers" in leaderboards({"a": told("pointer", 0)}).message
    mixed = leaderboards({"a": told("pointer", 0), "b": told("missing", 0)})
    assert "missing, unreadable or LFS" in mixed.message
    short = leaderboards({"a": told(teams=20), "b": told()})
    assert not short.ok
    assert "a have 20 rows or fewer" in short.message


def test_leaderboards_are_compared_with_the_thresholds_that_are_shipped():
    pizza = {"gold": 0.97908, "silver": 0.76482, "bronze": 0.6921, "median": 0.5996}
    inventory = {
        "random-acts-of-pizza": {**told(), "thresholds": pizza},
        "leaf-classification": {**told("pointer", 0), "thresholds": None},
        "coins": {**told(), "thresholds": pizza},
    }
    finding = thresholds(inventory)
    assert finding.ok
    assert finding.message == "1 leaderboards give those that are known"
    inventory["random-acts-of-pizza"]["thresholds"] = {**pizza, "silver": 0.9}
    finding = thresholds(inventory)
    assert not finding.ok
    assert finding.message.startswith("differs for random-acts-of-pizza: ")
    assert "silver at 0.9, 0.76482 was expected" in finding.message


def test_data_that_are_not_prepared_or_in_part():
    assert data({"a": told()}).ok
    finding = data(
        {
            "a": told(lacking=["its private folder is missing"]),
            "b": told(lacking=["its public folder is missing"], begun=False),
            "c": told(),
        }
    )
    assert finding.message == (
        "2 of 3 are not prepared: a, b; a only in part: its private folder is missing"
    )


@pytest.mark.parametrize(
    ("version", "ok"),
    [(None, True), ("1.6.17", True), ("1.7.4.2", False), ("2.0", False), ("?", False)],
)
def test_kaggles_client(version, ok):
    assert kaggle_client(version, wanted=True).ok == ok
    assert kaggle_client(KAGGLE.split("==")[1], wanted=True).ok


def key_file(user: Path, text: str, mode: int = 0o600) -> Path:
    path = user / ".kaggle" / "kaggle.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_kaggles_key(tmp_path):
    def finding(**environ):
        return kaggle_credentials(environ, tmp_path, wanted=True)

    assert kaggle_credentials({}, tmp_path, wanted=False).ok
    assert "no `" in finding().message
    assert "new-style token" in finding(KAGGLE_API_TOKEN="KGAT_x").message
    assert finding(KAGGLE_USERNAME="me", KAGGLE_KEY="s3cret").ok
    good = json.dumps({"username": "me", "key": "s3cret"})
    path = key_file(tmp_path, good)
    assert finding().ok
    assert "s3cret" not in finding().message
    path.chmod(0o644)
    assert finding().fix == f"run `chmod 600 {path}`"
    key_file(tmp_path, good.replace("s3cret", "KGAT_s3cret"))
    assert "new-style token" in finding().message
    assert "KGAT" not in finding().message
    for broken in ("[1]", "{", json.dumps({"username": "me"})):
        key_file(tmp_path, broken)
        assert "not an object with username and key" in finding().message
    key_file(tmp_path, json.dumps({"username": "me", "key": ""}))
    assert "holds no key" in finding().message


def test_disk(tmp_path):
    assert disk([], 0.1).ok
    short = disk(["siim-isic-melanoma-classification", "unknown"], 200.0)
    assert not short.ok
    assert "200 GB are free, at most 348.0 GB are needed, and the unknown size of unknown" in (
        short.message
    )
    assert free_gigabytes(tmp_path / "not" / "there") == pytest.approx(
        shutil.disk_usage(tmp_path).free / 1e9, rel=0.1
    )


def test_sizes_are_those_of_lite():
    lite = shipped_split("lite")
    assert all(gigabytes(name) for name in lite)
    assert download(lite) == pytest.approx(158, abs=0.5)  # as the benchmark's README says
    assert needed(["leaf-classification"]) == pytest.approx(3 * 0.036)


def test_all_checks_on_a_benchmark_with_everything_wrong(mini, tmp_path):
    shutil.copytree(mini.data_dir, tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "coins" / "prepared" / "private")
    benchmark = dataclasses.replace(mini, data_dir=tmp_path / "data")
    ids = ("coins", "words", "passages")
    found = {
        finding.check: finding
        for finding in preflight.preflight(benchmark, ids, environ={}, user=tmp_path)
    }
    assert found["benchmark"].ok
    assert "passages are Git LFS pointers" in found["leaderboards"].message
    assert "coins only in part: its private folder is missing" in found["data"].message
    assert "no `" in found["kaggle key"].message
    for finding in found.values():
        assert finding.ok == (not finding.fix)
    assert found["thresholds"].message == "0 leaderboards give those that are known"
    only = preflight.preflight(benchmark, ["words"], environ={}, user=tmp_path)
    assert (
        "words have 20 rows" in {finding.check: finding for finding in only}["leaderboards"].message
    )


def test_a_benchmark_that_cannot_be_imported_is_the_only_finding(tmp_path):
    clone = minibench.build(tmp_path / "clone")
    (clone / "mlebench" / "grade.py").write_text("import no_such_package\n")
    benchmark = Benchmark(tmp_path, Path(sys.executable), str(clone), "", tmp_path)
    (finding,) = preflight.preflight(benchmark, ["coins"], environ={}, user=tmp_path)
    assert "No module named 'no_such_package'" in finding.message
    assert not finding.ok
