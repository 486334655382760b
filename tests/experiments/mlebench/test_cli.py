"""`gome mlebench`: one JSON object on standard output, one line of an error, three statuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import cli
from gome_agent.closing import JOURNAL
from gome_agent.journal import Journal
from gome_agent.tasks.mlebench.data_only import NOT_CHECKED
from tests.gome_agent.mlebench import minibench

PERFECT = "id,value\n8,4\n9,4.5\n10,5\n11,5.5\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A home folder with a record, and a submission."""
    root = tmp_path_factory.mktemp("installed")
    benchmark = minibench.benchmark(root, ("coins",))
    benchmark.save()
    (root / "submission.csv").write_text(PERFECT)
    return root


@pytest.fixture
def gome(installed, monkeypatch, capfd):
    """The command as it is typed; returns its status, its output and its errors."""

    def run(*arguments: str, home: bool = True):
        options = ["--home", str(installed / "home")] if home else []
        monkeypatch.setattr(sys, "argv", ["gome", "mlebench", *map(str, arguments), *options])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capfd.readouterr()
        return ended.value.code or 0, told.out, told.err

    return run


def test_info(gome, installed):
    status, out, err = gome("info", "coins")
    told = json.loads(out)
    assert (status, err) == (0, "")
    assert told["sample"] == str(installed / "data/coins/prepared/public/sample_submission.csv")
    assert told["teams"] == 150


def test_validate_and_score(gome, installed, tmp_path):
    file, bad = installed / "submission.csv", tmp_path / "bad.csv"
    bad.write_text("id,value\n")
    status, out, _ = gome("validate", "coins", file)
    assert (status, json.loads(out)["message"]) == (0, "Submission is valid.")
    status, out, _ = gome("score", "coins", file)
    assert (status, json.loads(out)["score"], json.loads(out)["gold_medal"]) == (0, 0.0, True)
    status, out, _ = gome("validate", "coins", bad)
    assert (status, json.loads(out)["message"]) == (1, "0 rows, not 4")
    status, out, _ = gome("score", "coins", bad)
    assert (status, json.loads(out)["score"]) == (1, None)


def test_an_open_run_is_not_scored(gome, tmp_path):
    file = tmp_path / "run" / "steps" / "0" / "submission.csv"
    file.parent.mkdir(parents=True)
    file.write_text(PERFECT)
    with Journal.create(tmp_path / "run" / JOURNAL) as journal:
        journal.append("started", {})
    status, out, err = gome("score", "coins", file)
    assert (status, out) == (2, "")
    assert err.startswith("gome: the run in")
    assert err.count("\n") == 1
    assert "0.0" not in err


def test_a_clone_without_an_installation(gome, installed):
    where = ["--source", installed / "clone", "--data-dir", installed / "data"]
    status, out, _ = gome("info", "coins", *where, "--python", sys.executable, home=False)
    assert (status, json.loads(out)["id"]) == (0, "coins")
    status, out, _ = gome("info", "coins", *where)  # with the Python of the installation
    assert (status, json.loads(out)["id"]) == (0, "coins")


def test_prepared_data_without_an_installation(gome, installed, tmp_path):
    where = ["--home", tmp_path, "--data-dir", installed / "data"]
    status, out, _ = gome("info", "coins", *where, home=False)
    assert (status, json.loads(out)["teams"]) == (0, 0)
    told = gome("validate", "coins", installed / "submission.csv", *where, home=False)
    assert (told[0], json.loads(told[1])["message"]) == (0, NOT_CHECKED)
    status, _, err = gome("score", "coins", installed / "submission.csv", *where, home=False)
    assert (status, "MLE-bench is not installed" in err) == (2, True)


def test_errors_are_one_line(gome, installed, tmp_path):
    for arguments in (
        ("info", "coin"),
        ("info", "words"),
        ("info", "coins", "--data-dir", tmp_path),
        ("info", "coins", "--source", tmp_path),
    ):
        status, out, err = gome(*arguments)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("gome: ")
    status, _, err = gome("info", "coins", "--home", tmp_path, home=False)
    assert status == 2
    assert "MLE-bench is not installed" in err


def test_preflight_and_prepare(gome, tmp_path):
    status, out, _ = gome("preflight", "coins", "--json")
    found = {finding["check"]: finding for finding in json.loads(out)["findings"]}
    assert found["data"]["ok"]
    assert status == (0 if all(finding["ok"] for finding in found.values()) else 1)
    status, out, _ = gome("preflight", "--split", "dev")
    assert status == 1
    assert "problem leaderboards: those of passages are Git LFS pointers" in out
    names = tmp_path / "names.txt"
    names.write_text("coins\ncoins")
    status, out, err = gome("prepare", "--list", names)
    assert (status, json.loads(out)["coins"]["outcome"], err) == (0, "already", "")


def test_the_command_of_an_installation(installed, tmp_path):
    """In a process of its own: nothing but the object on standard output."""
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "experiments.cli", "mlebench", "install"]
    done = subprocess.run(
        [*command, installed / "python", "--home", tmp_path],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gome: `")
    assert "is not a clone of MLE-bench" in done.stderr
