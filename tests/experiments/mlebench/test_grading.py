"""Grading is done once, of closed runs, as the benchmark does it."""

import json
import threading

import pytest

from experiments.mlebench import grades, grading, report as reports, results
from experiments.mlebench.grid import GridError, enter
from gome_agent.holding import RunHeld, held
from gome_agent.journal import Journal
from gome_agent.tasks.mlebench.base import BenchmarkError, Report
from tests.experiments.mlebench.made_up import Final, begin, complete, finish, grid, report


def one(tmp_path, submission="0.75"):
    made = grid(competitions=("made-up-a",), strategies=("gome",), seeds=(0,))
    complete(tmp_path, made, lambda cell: submission)
    return made.cells[0].folder(tmp_path)


def test_a_grade_is_the_report_and_the_distances(tmp_path):
    folder = one(tmp_path)
    assert grading.grade(tmp_path, Final) == (1, 0, (), ())
    graded = grades.read(folder)
    assert graded is not None
    assert graded.report.bronze_medal
    assert graded.distances["bronze"].signed == pytest.approx(0.05)
    assert graded.distances["gold"].relative == pytest.approx(-0.15 / 0.4)


def test_distances_are_positive_beyond_the_threshold_whichever_way_the_metric_goes():
    told = report("a", "0.3").model_dump()
    thresholds = {"gold_threshold": 0.1, "bronze_threshold": 0.4, "median_threshold": 0.6}
    lower = Report(**{**told, **thresholds, "is_lower_better": True})
    distances = grades.distances(lower)
    assert distances["bronze"].signed == pytest.approx(0.1)
    assert distances["bronze"].relative == pytest.approx(0.2)
    assert distances["gold"].signed == pytest.approx(-0.2)
    flat = Report(**{**told, "gold_threshold": 0.5})
    assert grades.distances(flat)["gold"].relative is None


def test_what_is_missing_is_graded_as_the_benchmark_does(tmp_path):
    folder = one(tmp_path, submission=None)
    grading.grade(tmp_path, Final)
    graded = grades.read(folder)
    assert graded is not None
    assert graded.report.score is None
    assert not graded.report.submission_exists
    assert not graded.report.any_medal
    assert graded.distances == {}


def test_grading_twice_grades_once(tmp_path):
    folder = one(tmp_path)
    grading.grade(tmp_path, Final)
    before = (folder / "grading.json").read_bytes()
    assert grading.grade(tmp_path, Final) == (0, 1, (), ())
    assert (folder / "grading.json").read_bytes() == before


def test_a_grade_stays_in_the_journal_when_its_file_is_deleted_or_changed(tmp_path):
    folder = one(tmp_path)
    grading.grade(tmp_path, Final)
    before = (folder / "grading.json").read_bytes()
    (folder / "grading.json").write_text(before.decode().replace("0.75", "0.95"))
    assert results.read(tmp_path).rows[0].graded.report.score == 0.75
    (folder / "grading.json").unlink()
    assert grading.grade(tmp_path, Final) == (0, 1, (), ())
    assert (folder / "grading.json").read_bytes() == before
    with Journal.open(folder / "journal.sqlite") as journal:
        (event,) = journal.events("graded")
    assert (event.payload["score"], event.payload["medal"]) == (0.75, "bronze")


def test_a_replaced_submission_is_not_graded_again(tmp_path):
    folder = one(tmp_path)
    grading.grade(tmp_path, Final)
    (folder / "submission.csv").write_text("0.95")
    ((cell, sentence),) = grading.grade(tmp_path, Final).failed
    assert cell.folder(tmp_path) == folder
    assert "is not the file that was graded at" in sentence
    with pytest.raises(GridError, match="a run is graded once: put that file back"):
        results.read(tmp_path)
    (folder / "submission.csv").write_text("0.75")
    assert grading.grade(tmp_path, Final) == (0, 1, (), ())
    assert results.read(tmp_path).rows[0].graded.report.bronze_medal


def test_nothing_is_graded_while_a_run_is_open(tmp_path):
    made = grid(competitions=("made-up-a", "made-up-b"), strategies=("gome",), seeds=(0,))
    enter(made, tmp_path)
    first, second = (cell.folder(tmp_path) for cell in made.cells)
    begin(first)
    finish(first)
    begin(second)

    def final_of(proof):
        raise AssertionError("the answers were opened")

    with pytest.raises(GridError, match=r"1 of 2 runs are not finished .*made-up-b, gome, seed 0"):
        grading.grade(tmp_path, final_of)
    count = grading.grade(tmp_path, Final, finished_only=True)
    assert (count.graded, count.unfinished) == (1, (made.cells[1],))
    assert not (second / "grading.json").exists()


def test_a_run_that_is_gone_on_with_is_not_graded(tmp_path):
    folder = one(tmp_path)
    with held(folder), pytest.raises(RunHeld):
        grading.grade(tmp_path, Final)
    assert grades.read(folder) is None


def test_a_report_on_another_competition_is_refused(tmp_path):
    folder = one(tmp_path)

    class Confused(Final):
        def score(self, competition, submission):
            return report("made-up-b", "0.9")

    (failure,) = grading.grade(tmp_path, Confused).failed
    assert "`made-up-b` was given for `made-up-a`" in failure.sentence
    assert grades.read(folder) is None


def test_a_submission_that_breaks_the_grader_is_named_and_the_others_are_graded(tmp_path):
    made = grid(competitions=("made-up-a", "made-up-b", "made-up-c"), strategies=("gome",))
    complete(tmp_path, made, lambda cell: "0.75")
    bad = made.cells[0]

    class Breaks(Final):
        def score(self, competition, submission):
            if submission.is_relative_to(bad.folder(tmp_path)):
                raise BenchmarkError("the benchmark's process ended by signal SIGKILL")
            return super().score(competition, submission)

    told = []
    for graded, kept in ((8, 0), (0, 8)):
        count = grading.grade(tmp_path, Breaks, on_failed=told.append)
        assert (count.graded, count.kept) == (graded, kept)
        assert count.failed == (told[-1],)
    assert told[-1] == (
        bad,
        "could not be graded: the benchmark's process ended by signal SIGKILL",
    )
    (missing,) = results.read(tmp_path).missing
    assert missing.failure == told[-1].sentence
    reports.write(tmp_path)
    assert told[-1].sentence in (tmp_path / "report.md").read_text()
    assert grading.grade(tmp_path, Final) == (1, 8, (), ())
    assert not (bad.folder(tmp_path) / "ungraded.json").exists()


def test_one_run_is_held_at_a_time(tmp_path):
    made = grid(competitions=("made-up-a",), strategies=("gome",))
    complete(tmp_path, made, lambda cell: "0.75")
    before, threads = threading.active_count(), []

    def final_of(proof):
        threads.append(threading.active_count())
        return Final(proof)

    assert grading.grade(tmp_path, final_of).graded == 3
    assert threads == [before + 1] * 3


@pytest.mark.parametrize("score", ["inf", "-inf", "nan", "1e308"])
def test_a_score_that_overflows_is_kept_and_its_files_are_json(tmp_path, score):
    folder = one(tmp_path, submission=score)
    assert grading.grade(tmp_path, Final).graded == 1
    told = json.loads((folder / "grading.json").read_text(), parse_constant=pytest.fail)
    assert str(float(told["report"]["score"])) == str(float(score))
    (row,) = results.read(tmp_path).rows
    assert row.graded is not None
    assert str(row.graded.report.score) == str(float(score))
    assert row.utility == (float("-inf") if score == "nan" else float(score))
    reports.write(tmp_path)
    assert f"| {float(score):.5f}"[:6] in (tmp_path / "report.md").read_text()


def test_a_grade_of_another_version_is_told(tmp_path):
    folder = one(tmp_path)
    with Journal.open(folder / "journal.sqlite", read_only=False) as journal:
        journal.append("graded", {"mlebench": {"schema_version": 2}})
    with pytest.raises(GridError, match="another version of gome"):
        grades.read(folder)
