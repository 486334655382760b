"""What the benchmark's process answers, and what it cannot be made to answer."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path

import pytest

from gome_agent.closing import JOURNAL, RunOpen, closed, closed_around
from gome_agent.journal import Journal
from gome_agent.tasks.mlebench import _worker
from gome_agent.tasks.mlebench.base import BenchmarkError, Final, Report, Rollout, Validity
from gome_agent.tasks.mlebench.benchmark import Benchmark
from gome_agent.tasks.mlebench.client import Worker
from tests.gome_agent.mlebench import minibench

PERFECT = "id,value\n8,4\n9,4.5\n10,5\n11,5.5\n"


@pytest.fixture(scope="module")
def rollout(mini):
    with mini.rollout() as rollout:
        yield rollout


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def make_run(folder: Path, ended_by: str | None) -> Path:
    folder.mkdir()
    with Journal.create(folder / JOURNAL) as journal:
        journal.append("started", {})
        if ended_by:
            journal.append("finished", {"ended_by": ended_by})
    write(folder / "submission.csv", PERFECT)
    return folder


def test_the_two_capabilities_are_what_was_agreed(mini, tmp_path):
    rollout: Rollout = mini.rollout()
    final: Final = mini.final(closed())
    assert not hasattr(rollout, "score")
    assert not hasattr(final, "validate")


def test_splits(rollout):
    assert rollout.competitions() == ("coins", "passages", "words")
    assert rollout.competitions("lite") == rollout.competitions("low") == ("coins", "words")
    with pytest.raises(BenchmarkError, match=r"no split `../low`: there are all, lite, dev, low"):
        rollout.competitions("../low")


def test_without_the_lists_of_splits_the_shipped_ones_serve(tmp_path):
    clone = minibench.build(tmp_path / "clone")
    (clone / "experiments" / "splits").rename(tmp_path / "splits")
    benchmark = Benchmark(tmp_path, Path(sys.executable), str(clone), "", tmp_path)
    with benchmark.rollout() as rollout:
        assert len(rollout.competitions("lite")) == 22
        assert len(rollout.competitions("split75")) == 75
        assert rollout.competitions() == ("coins", "passages", "words")
        with pytest.raises(BenchmarkError, match="no split `hard`"):
            rollout.competitions("hard")


def test_info_has_the_registrys_paths_and_the_leaderboards_direction(rollout, mini):
    folder = mini.data_dir / "coins"
    found = rollout.info("coins")
    assert found.public == folder / "prepared" / "public"
    assert found.sample == found.public / "sample_submission.csv"
    assert found.sealed == (folder / "prepared" / "private", folder / "raw", folder / "coins.zip")
    assert (found.teams, found.lower_is_better) == (150, True)
    assert (found.name, found.description) == ("Coins", "# coins\n\nPredict them.\n")


def test_a_private_sample_is_replaced_by_the_published_copy(rollout):
    found = rollout.info("words")
    assert found.sample == found.public / "en_sample_submission_2.csv.zip"
    assert (found.teams, found.lower_is_better) == (20, False)


def test_a_private_sample_without_a_published_copy_is_not_told(tmp_path):
    benchmark = minibench.benchmark(tmp_path, ("words",))
    public = benchmark.data_dir / "words" / "prepared" / "public"
    (public / "en_sample_submission_2.csv.zip").rename(public / "test.csv.zip")
    with benchmark.rollout() as rollout:
        assert rollout.info("words").sample is None


def test_a_leaderboard_that_is_not_materialised_tells_nothing(rollout):
    found = rollout.info("passages")
    assert (found.teams, found.lower_is_better) == (0, None)


def test_what_is_not_there_is_told(tmp_path, rollout):
    with pytest.raises(BenchmarkError, match="no competition `coin`, did you mean `coins`"):
        rollout.info("coin")
    with pytest.raises(BenchmarkError, match=r"no competition `../coins`"):
        rollout.info("../coins")
    benchmark = minibench.benchmark(tmp_path, ("coins",))
    (benchmark.data_dir / "coins" / "prepared" / "private" / "test.csv").unlink()
    with benchmark.rollout() as asked:
        with pytest.raises(BenchmarkError, match="its private folder is empty"):
            asked.info("coins")
        with pytest.raises(BenchmarkError, match=r"public folder is missing .*gome mlebench prep"):
            asked.validate("words", tmp_path / "x.csv")


def test_validity_is_the_benchmarks(rollout, tmp_path):
    assert rollout.validate("coins", write(tmp_path / "a.csv", PERFECT)).valid
    few = rollout.validate("coins", write(tmp_path / "b.csv", "id,value\n8,4\n"))
    assert few == Validity(False, "1 rows, not 4")
    long = rollout.validate("coins", write(tmp_path / "c.csv", "id,worth\n8,4\n"))
    assert long.message.startswith("columns are id worthxxx")
    assert len(long.message) == 300
    assert "\n" not in long.message
    assert "must be a CSV" in rollout.validate("coins", write(tmp_path / "d.txt", "")).message
    assert "does not exist" in rollout.validate("coins", tmp_path / "none.csv").message
    assert not rollout.validate("coins", write(tmp_path / "e.csv", "\0\xff")).valid


def test_answers_in_json_lines_are_read_as_such(rollout, tmp_path):
    file = write(tmp_path / "a.csv", "id,answer\n1,yes\n2,no\n")
    assert rollout.validate("passages", file) == Validity(True, "Submission is valid.")
    file = write(tmp_path / "b.csv", "id,answer\n1,yes\n")
    assert rollout.validate("passages", file) == Validity(False, "rows differ")
    assert "does not exist" in rollout.validate("passages", tmp_path / "c.csv").message


def test_a_link_to_the_answers_is_no_submission(rollout, mini, tmp_path):
    link = tmp_path / "submission.csv"
    link.symlink_to(mini.data_dir / "coins" / "prepared" / "private" / "test.csv")
    assert rollout.validate("coins", link) == Validity(
        False, "The submission is a link, not a file."
    )


def test_validation_says_the_same_of_good_and_bad_submissions(mini, tmp_path):
    """Nothing in the raw reply tells how well a valid submission does."""
    good = write(tmp_path / "good.csv", PERFECT)
    bad = write(tmp_path / "bad.csv", "id,value\n8,9\n9,9\n10,9\n11,9\n")
    with Worker(mini.python, "rollout", mini.data_dir, mini.source) as worker:
        told = [
            worker.ask("validate", competition="coins", submission=str(file))
            for file in (good, bad)
        ]
    assert told[0] == told[1] == {"valid": True, "message": "Submission is valid."}


@pytest.mark.parametrize("capability", ["rollout", "doctor"])
def test_an_open_runs_process_cannot_score_however_it_is_asked(mini, tmp_path, capability):
    file = write(tmp_path / "a.csv", PERFECT)
    with Worker(mini.python, capability, mini.data_dir, mini.source) as worker:
        for name in ("score", "score_unranked", "grade_csv", "final.score", "__class__"):
            with pytest.raises(BenchmarkError, match=f"knows no `{name}`"):
                worker.ask(name, competition="coins", submission=str(file))
        with pytest.raises(BenchmarkError, match="TypeError"):
            worker.ask("competitions", split="all", capability="final")
    assert not {"score", "score_unranked"} & {*_worker.OPERATIONS[capability]}
    assert set(_worker.OPERATIONS["final"]) == {"score", "score_unranked", "absent"}


def test_a_closed_run_is_graded(mini, tmp_path):
    run = make_run(tmp_path / "run", "all steps are used")
    with closed(run) as proof, mini.final(proof) as final:
        report = final.score("coins", run / "submission.csv")
        assert (report.score, report.gold_medal, report.is_lower_better) == (0.0, True, True)
        assert report.submission_path == str(run / "submission.csv")
        missing = final.score("coins", run / "none.csv")
        assert (missing.score, missing.submission_exists) == (None, False)
        invalid = final.score("coins", write(run / "bad.csv", "id\n"))
        assert (invalid.score, invalid.valid_submission) == (None, False)
    with pytest.raises(RunOpen, match="no longer held"):
        final.score("coins", run / "submission.csv")


@pytest.mark.parametrize("ended_by", [None, "interrupted"])
def test_nothing_of_an_open_run_is_graded(mini, tmp_path, ended_by):
    run = make_run(tmp_path / "run", ended_by)
    over = make_run(tmp_path / "over", "all steps are used")
    file = run / "submission.csv"
    with pytest.raises(RunOpen), closed(run) as proof:
        mini.final(proof).score("coins", file)
    with pytest.raises(RunOpen, match="no longer held"):
        mini.final(closed(run)).score("coins", file)
    with pytest.raises(RunOpen), closed_around(file) as proof:
        mini.final(proof).score("coins", file)
    (over / "theirs.csv").symlink_to(file)
    with closed(over) as proof:
        for path in (file, over / "theirs.csv", over / ".." / "run" / "submission.csv"):
            with pytest.raises(RunOpen, match="not a file of the runs"):
                mini.final(proof).score("coins", path)


def test_grading_needs_the_leaderboard_and_the_answers(mini, tmp_path):
    file = write(tmp_path / "a.csv", "id,answer\n1,yes\n2,no\n")
    with closed_around(file) as proof, mini.final(proof) as final:
        with pytest.raises(BenchmarkError, match="`passages` is a Git LFS pointer"):
            final.score("passages", file)
        elsewhere = dataclasses.replace(mini, data_dir=tmp_path).final(proof)
        with elsewhere, pytest.raises(BenchmarkError, match="not prepared"):
            elsewhere.score("coins", file)


def test_shipped_thresholds_judge_only_where_a_leaderboard_is_absent(tmp_path):
    name = "random-acts-of-pizza"  # higher is better; bronze from 0.6921
    benchmark = minibench.benchmark(tmp_path, ("passages", "words"))
    competitions = tmp_path / "clone" / "mlebench" / "competitions"
    (benchmark.data_dir / "passages").rename(benchmark.data_dir / name)
    (competitions / "passages").rename(competitions / name)
    config = competitions / name / "config.yaml"
    config.write_text(config.read_text().replace("passages", name).replace(f".{name}.", ".p."))
    (competitions / "p").symlink_to(name)
    right = write(tmp_path / "a.csv", "id,answer\n1,yes\n2,yes\n")
    words = write(tmp_path / "w.csv", "id,after\n0_0,one\n0_1,two\n")
    none = tmp_path / "none.csv"
    for file, score, gold in ((right, 1.0, True), (none, None, False)):
        with closed_around(file) as proof, benchmark.final(proof, shipped_thresholds=True) as final:
            report = final.score(name, file)
        assert (report.score, report.gold_medal, report.any_medal) == (score, gold, gold)
        assert (report.submission_exists, report.valid_submission) == (gold, gold)
        assert (report.bronze_threshold, report.is_lower_better) == (0.6921, False)
        assert report.model_dump(mode="json")["shipped_thresholds"] is True
        assert Report.model_validate_json(report.model_dump_json()) == report
    with closed_around(words) as proof, benchmark.final(proof, shipped_thresholds=True) as final:
        ranked = final.score("words", words)
    assert not ranked.shipped_thresholds
    assert "shipped_thresholds" not in ranked.model_dump(mode="json")
    refused = pytest.raises(BenchmarkError, match="is a Git LFS pointer")
    with closed_around(right) as proof, benchmark.final(proof) as final, refused:
        final.score(name, right)


def test_a_score_that_is_no_number_is_no_medal_and_can_be_written(tmp_path):
    benchmark = minibench.benchmark(tmp_path, ("coins",))
    answers = benchmark.data_dir / "coins" / "prepared" / "private" / "test.csv"
    answers.write_text("id,value\n8,nan\n9,nan\n10,nan\n11,nan\n")
    file = write(tmp_path / "a.csv", PERFECT)
    with closed_around(file) as proof, benchmark.final(proof) as final:
        report = final.score("coins", file)
    assert math.isnan(report.score)
    assert not report.any_medal
    assert json.loads(report.model_dump_json())["score"] == "nan"


def test_a_process_that_dies_is_an_error_with_its_last_words_and_starts_again(mini, tmp_path):
    deadly = write(tmp_path / "a.csv", "id,value\n" + "1,666\n" * 4)
    with mini.rollout() as rollout:
        with pytest.raises(
            BenchmarkError, match=r"(?s)by signal SIGKILL at `validate`: .*standard"
        ):
            rollout.validate("coins", deadly)
        assert rollout.validate("coins", write(tmp_path / "b.csv", PERFECT)).valid


def test_a_process_that_says_nothing_is_given_up(tmp_path):
    silent = write(tmp_path / "python", "#!/bin/sh\nsleep 60\n")
    silent.chmod(0o755)
    refused = pytest.raises(BenchmarkError, match=r"no answer to `competitions` in 0\.2 s")
    with Worker(silent, "rollout", tmp_path, seconds=0.2) as worker, refused:
        worker.ask("competitions", split="all")


def test_a_python_that_is_not_there_is_told(tmp_path):
    refused = pytest.raises(BenchmarkError, match=r"python` cannot be started.*gome mlebench inst")
    with Worker(tmp_path / "python", "rollout", tmp_path) as worker, refused:
        worker.ask("competitions", split="all")


def test_nothing_is_left_where_it_was_asked(mini, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("SECRET_API_KEY", "hunter2")
    with mini.rollout() as rollout:
        rollout.info("coins")
        (scratch,) = tmp_path.iterdir()
        assert (scratch / "cache").is_dir()
        pid = rollout._worker._running.process.pid
        assert b"hunter2" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert not list(tmp_path.iterdir())


def test_a_process_that_nobody_closed_ends_with_who_asked_it(mini, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rollout = mini.rollout()
    rollout.competitions()
    pid = rollout._worker._running.process.pid
    del rollout
    assert not Path(f"/proc/{pid}").exists()
    assert not list(tmp_path.iterdir())


def test_the_record_of_an_installation(tmp_path):
    with pytest.raises(BenchmarkError, match=r"not installed in .*gome mlebench install"):
        Benchmark.load(tmp_path)
    saved = Benchmark(tmp_path, Path("/usr/bin/python"), "/clone", "abc", Path("/data"))
    saved.save()
    assert Benchmark.load(tmp_path) == saved
    path = tmp_path / "installation.json"
    path.write_text(path.read_text().replace("commit", "comit"))
    with pytest.raises(BenchmarkError, match=r"damaged \(.*comm?it"):
        Benchmark.load(tmp_path)
