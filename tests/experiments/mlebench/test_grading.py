"""Grading is done once, of closed runs, as the benchmark does it."""

import json

import pytest

from experiments.mlebench import grading
from experiments.mlebench.grid import GridError, enter
from gome_agent.holding import RunHeld, held
from gome_agent.tasks.mlebench.base import BenchmarkError
from tests.experiments.mlebench.made_up import Final, begin, complete, finish, grid, report


def one(tmp_path, submission="0.75"):
    made = grid(competitions=("made-up-a",), strategies=("gome",), seeds=(0,))
    complete(tmp_path, made, lambda cell: submission)
    return made.cells[0].folder(tmp_path)


def test_a_grade_is_the_report_and_the_distances(tmp_path):
    folder = one(tmp_path)
    assert grading.grade(tmp_path, Final) == (1, 0, ())
    graded = grading.read(folder)
    assert graded is not None
    assert graded.report.bronze_medal
    assert graded.distances["bronze"].signed == pytest.approx(0.05)
    assert graded.distances["gold"].relative == pytest.approx(-0.15 / 0.4)


def test_distances_are_positive_beyond_the_threshold_whichever_way_the_metric_goes():
    told = report("a", "0.3").model_dump()
    thresholds = {"gold_threshold": 0.1, "bronze_threshold": 0.4, "median_threshold": 0.6}
    lower = grading.Report(**{**told, **thresholds, "is_lower_better": True})
    distances = grading.distances(lower)
    assert distances["bronze"].signed == pytest.approx(0.1)
    assert distances["bronze"].relative == pytest.approx(0.2)
    assert distances["gold"].signed == pytest.approx(-0.2)
    flat = grading.Report(**{**told, "gold_threshold": 0.5})
    assert grading.distances(flat)["gold"].relative is None


def test_what_is_missing_is_graded_as_the_benchmark_does(tmp_path):
    folder = one(tmp_path, submission=None)
    grading.grade(tmp_path, Final)
    graded = grading.read(folder)
    assert graded is not None
    assert graded.report.score is None
    assert not graded.report.submission_exists
    assert not graded.report.any_medal
    assert graded.distances == {}


def test_grading_twice_grades_once_unless_the_submission_is_another(tmp_path):
    folder = one(tmp_path)
    grading.grade(tmp_path, Final)
    before = (folder / "grading.json").read_bytes()
    assert grading.grade(tmp_path, Final) == (0, 1, ())
    assert (folder / "grading.json").read_bytes() == before
    (folder / "submission.csv").write_text("0.95")
    assert grading.read(folder) is None
    assert grading.grade(tmp_path, Final).graded == 1
    assert grading.read(folder).report.gold_medal


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
    assert grading.read(folder) is None


def test_a_report_on_another_competition_is_refused(tmp_path):
    folder = one(tmp_path)

    class Confused(Final):
        def score(self, competition, submission):
            return report("made-up-b", "0.9")

    with pytest.raises(BenchmarkError, match="`made-up-b` was given for `made-up-a`"):
        grading.grade(tmp_path, Confused)
    assert not (folder / "grading.json").exists()


def test_a_damaged_grade_is_told(tmp_path):
    folder = one(tmp_path)
    grading.grade(tmp_path, Final)
    told = json.loads((folder / "grading.json").read_text())
    (folder / "grading.json").write_text(json.dumps({**told, "report": {}}))
    with pytest.raises(GridError, match="delete it and grade again"):
        grading.read(folder)
