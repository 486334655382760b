"""From the command line to the benchmark's own graders and back, on a small benchmark."""

import json
import signal
import threading

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.mlebench.grid import GridError, load
from experiments.mlebench.running import Subprocesses, beginning
from gome_agent.tasks.mlebench.base import BenchmarkError
from tests.experiments.mlebench.made_up import begin, finish
from tests.gome_agent.mlebench import minibench

PERFECT = "id,value\n8,4\n9,4.5\n10,5\n11,5.5\n"
KILLS = "id,value\n8,666\n9,666\n10,666\n11,666\n"
WRONG = "id,value\n8,400\n9,4\n10,5\n11,5\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """An installation whose middle and high splits are as the real ones' files."""
    root = tmp_path_factory.mktemp("benchmark")
    benchmark = minibench.benchmark(root, ("coins",))
    splits = root / "clone" / "experiments" / "splits"
    (splits / "medium.txt").write_text("passages")
    (splits / "high.txt").write_text("")
    benchmark.save()
    return benchmark.home


def gome(*words):
    return CliRunner().invoke(app, ["mlebench", *map(str, words)], catch_exceptions=False)


def grid(home, out, *more):
    told = ("--competitions", "coins", "--strategy", "gome;aide", "--seeds", 2, "--steps", 3)
    return gome("run", *told, "--home", home, "--out", out, *more)


@pytest.fixture
def runs(monkeypatch):
    """Runs that write a submission and end, in place of processes."""
    done = []

    def run(self, cell, folder, *, resume):
        done.append(cell)
        begin(folder)
        finish(folder, PERFECT if cell.strategy == "gome" else WRONG)
        return 0

    monkeypatch.setattr(Subprocesses, "run", run)
    return done


def test_run_grade_report_leaderboard(home, tmp_path, runs):
    out = tmp_path / "out"
    told = grid(home, out, "--dry-run")
    assert "4 runs: 1 competitions x 2 strategies x 2 seeds (4 not begun)" in told.output
    assert not out.exists()
    told = grid(home, out)
    assert told.exit_code == 0
    assert f"gome mlebench grade {out}" in told.output.replace("\n", "")
    assert [(cell.strategy, cell.seed) for cell in runs] == [
        ("gome", 0),
        ("aide", 0),
        ("gome", 1),
        ("aide", 1),
    ]
    saved = json.loads((out / "grid.json").read_text())
    assert saved["splits"] == {"low": ["coins", "words"], "medium": ["passages"], "high": []}

    told = gome("grade", out)
    assert "coins, gome, seed 0: 0.00000, gold" in told.output
    assert "4 graded, 0 graded before, 0 not finished" in told.output
    told = gome("report", out)
    assert "100.00 ± 0.00" in told.output
    assert "low: 1 of the split's 2 competitions were run" in told.output.replace("\n", " ")
    to = tmp_path / "files"
    told = gome("leaderboard", out, "--to", to, "--hardware", "1 V100 GPU")
    assert told.exit_code == 0
    assert len(list((to / "runs").glob("*/*_grading_report.json"))) == 4


def test_data_without_an_installation_and_no_facts(home, tmp_path, runs):
    data, name = tmp_path / "data", "random-acts-of-pizza"
    minibench.fill(data, "coins")
    (data / "coins").rename(data / name)
    (data / name / "prepared" / "public" / "sampleSubmission.csv").touch()
    out, told = tmp_path / "out", ("--competitions", name, "--seeds", 1, "--steps", 3)
    where = ("--home", tmp_path / "none", "--data-dir", data, "--out", out)
    assert gome("run", *told, *where, "--no-facts").exit_code == 0
    made = load(out)
    assert (made.data_dir, made.facts) == (str(data), False)
    line = beginning(made, made.cells[0], out)
    assert line[line.index("--data-dir") + 1] == str(data)
    assert line[-1] == "--no-facts"
    with pytest.raises(BenchmarkError, match="not installed"):
        gome("grade", out)


def test_what_is_not_prepared_or_not_known_is_refused_before_anything_runs(home, tmp_path, runs):
    with pytest.raises(GridError, match="1 of 2 competitions cannot be run \\(words\\)"):
        gome("run", "--split", "lite", "--home", home, "--out", tmp_path / "out")
    with pytest.raises(BenchmarkError, match="not installed"):
        gome("run", "--split", "lite", "--home", tmp_path, "--out", tmp_path / "out")
    told = CliRunner().invoke(app, ["mlebench", "run", "--out", str(tmp_path / "out")])
    assert "give --split or --competitions" in told.output
    assert not runs
    assert not (tmp_path / "out").exists()


def test_runs_that_fail_are_counted_in_the_status(home, tmp_path, monkeypatch):
    def run(self, cell, folder, *, resume):
        (folder / "console.log").write_text("gome: the key is refused\n")
        return 2

    monkeypatch.setattr(Subprocesses, "run", run)
    told = grid(home, tmp_path / "out")
    assert told.exit_code == 1
    assert "failed: coins, gome, seed 0, 0 steps: the key is refused" in told.output
    assert "4 runs are not finished" in told.output
    with pytest.raises(GridError, match="4 of 4 runs are not finished"):
        gome("grade", tmp_path / "out")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_is_told_and_has_its_own_status(home, tmp_path, monkeypatch, number):
    def run(self, cell, folder, *, resume):
        signal.pthread_kill(threading.main_thread().ident, number)
        assert stopped.wait(20)
        return 130

    stopped = threading.Event()
    monkeypatch.setattr(Subprocesses, "run", run)
    monkeypatch.setattr(Subprocesses, "interrupt", lambda self: stopped.set())
    told = grid(home, tmp_path / "out")
    assert told.exit_code == 130
    assert "the same command goes on" in told.output


def test_a_grid_under_nohup_outlives_its_terminal(home, tmp_path, monkeypatch):
    def run(self, cell, folder, *, resume):
        signal.raise_signal(signal.SIGHUP)
        begin(folder)
        finish(folder, PERFECT)
        return 0

    monkeypatch.setattr(Subprocesses, "run", run)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert grid(home, tmp_path / "out").exit_code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_submission_that_kills_the_grader_stops_nothing(home, tmp_path, monkeypatch):
    def run(self, cell, folder, *, resume):
        begin(folder)
        finish(folder, KILLS if cell.strategy == "gome" and cell.seed == 0 else PERFECT)
        return 0

    monkeypatch.setattr(Subprocesses, "run", run)
    out = tmp_path / "out"
    assert grid(home, out).exit_code == 0
    told = gome("grade", out)
    assert told.exit_code == 1
    text = " ".join(told.output.split())
    assert "coins, gome, seed 0: could not be graded: the benchmark's process ended by" in text
    assert "3 graded, 0 graded before, 0 not finished" in text
    assert "1 could not be graded and count nowhere: coins, gome, seed 0" in text
    assert gome("report", out).exit_code == 0
    assert "could not be graded" in (out / "report.md").read_text()
