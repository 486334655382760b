"""The files for the benchmark's leaderboard, read by the benchmark's own script."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from experiments.mlebench import grading, leaderboard, report
from experiments.mlebench.grid import Cell, GridError, enter
from gome_agent.journal import Journal
from gome_agent.tasks.mlebench.base import BenchmarkError
from tests.experiments.mlebench.made_up import (
    Final,
    begin,
    complete,
    finish,
    grid,
    score_of,
)

SOURCE = os.environ.get("GOME_MLEBENCH_SOURCE", "")
PYTHON = os.environ.get("GOME_MLEBENCH_PYTHON", "")
real = pytest.mark.skipif(
    not (SOURCE and PYTHON),
    reason="set GOME_MLEBENCH_SOURCE to a clone of mle-bench and GOME_MLEBENCH_PYTHON to a Python "
    "that has what it needs",
)
HARDWARE = "12 vCPUs, 220GB of RAM, and 1 V100 GPU"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def graded(tmp_path):
    complete(tmp_path / "out", grid(), score_of)
    grading.grade(tmp_path / "out", Final)
    return tmp_path / "out"


def test_a_run_group_a_seed_with_one_report_each(graded, tmp_path):
    written = leaderboard.write(graded, tmp_path / "to", hardware=HARDWARE, now=NOW)
    lines = (tmp_path / "to" / "runs" / "run_group_experiments.csv").read_text().splitlines()
    assert lines[0] == "experiment_id,run_group"
    assert len(lines) == 7
    for line in lines[1:]:
        (report,) = (tmp_path / "to" / "runs" / line.split(",")[1]).glob("*grading_report*.json")
        assert report.name == "2026-01-02T03-04-05-UTC_grading_report.json"
    first = json.loads(written.reports[0].read_text())
    assert first["total_runs"] == 4
    assert first["total_runs_with_submissions"] == 3
    assert first["total_medals"] == 3
    assert first["competition_reports"][0]["submission_path"] == "made-up-a/submission.csv"
    assert str(tmp_path) not in "".join(path.read_text() for path in written.reports)


def test_the_declaration_says_what_is_known(graded, tmp_path):
    written = leaderboard.write(graded, tmp_path / "to", hardware=HARDWARE)
    text = written.text.read_text()
    assert "gome with `gome`, 12 hours, 12 vCPUs, 220GB of RAM, and 1 V100 GPU |" in text
    assert "| 100.00 ± 0.00 | - | - | - | 12 |" in text
    assert "medium: 1 of 2 competitions were run" in "".join(written.warnings)
    assert "No run was graded before all of them had ended." in text
    assert "Scripts ran in the sandbox `made-up-box`. Not covered by it: Nothing is real." in text
    assert "exposed to the agent during rollouts" in text


def test_hints_from_the_benchmarks_code_are_declared(tmp_path):
    for facts in (True, False):
        out = tmp_path / f"out-{facts}"
        complete(out, grid(seeds=(0,), facts=facts), score_of)
        grading.grade(out, Final)
        written = leaderboard.write(out, tmp_path / f"to-{facts}", hardware=HARDWARE)
        assert ("hints from the benchmark's code" in written.text.read_text()) == facts


def test_grades_by_shipped_thresholds_are_not_declared(tmp_path):
    class Ours(Final):
        def score(self, competition, submission):
            report = super().score(competition, submission)
            return report.model_copy(update={"shipped_thresholds": True})

    out = tmp_path / "out"
    complete(out, grid(seeds=(0,)), score_of)
    grading.grade(out, Ours)
    with pytest.raises(GridError, match=r"8 grades \(first: made-up-a\) are by shipped thresholds"):
        leaderboard.write(out, tmp_path / "to", hardware=HARDWARE)
    notes = " ".join(report.write(out).sections[0].notes)
    assert "Medals of 8 runs were judged by thresholds that come with gome" in notes


def test_runs_after_the_first_grade_are_declared(graded, tmp_path):
    larger = grid(seeds=(0, 1, 2, 3))
    enter(larger, graded)
    for cell in larger.cells:
        if cell.seed == 3:
            begin(cell.folder(graded))
            finish(cell.folder(graded), score_of(cell))
            path = cell.folder(graded) / "journal.sqlite"
            with Journal.open(path, read_only=False) as journal:
                journal.append("finished", {"ended_by": "now"})
    grading.grade(graded, Final)
    text = leaderboard.write(graded, tmp_path / "to", hardware=HARDWARE).text.read_text()
    assert "8 runs ended after the first grade of this grid was known" in text


def test_missing_runs_are_refused_or_declared(tmp_path):
    made = grid(seeds=(0, 1))
    complete(tmp_path / "out", made, score_of)
    gone = made.cells[0].folder(tmp_path / "out")
    (gone / "summary.json").unlink()
    grading.grade(tmp_path / "out", Final, finished_only=True)
    with pytest.raises(GridError, match=r"1 of 16 runs have no grade .*made-up-a, gome, seed 0"):
        leaderboard.write(tmp_path / "out", tmp_path / "to", hardware=HARDWARE)
    written = leaderboard.write(
        tmp_path / "out", tmp_path / "to", hardware=HARDWARE, pad_missing=True
    )
    assert any("1 runs without a grade are padded" in warning for warning in written.warnings)
    assert any("2 seeds: the benchmark asks for 3" in warning for warning in written.warnings)


def test_missing_runs_are_written_as_runs_without_a_submission(tmp_path):
    shipped = "random-acts-of-pizza"
    made = grid(competitions=("made-up-a", shipped), strategies=("gome",), seeds=(0, 1))
    (tmp_path / "out").mkdir()
    enter(made, tmp_path / "out")
    first = made.cells[0]
    begin(first.folder(tmp_path / "out"))
    finish(first.folder(tmp_path / "out"), "0.95")
    grading.grade(tmp_path / "out", Final, finished_only=True)
    written = leaderboard.write(
        tmp_path / "out", tmp_path / "to", hardware=HARDWARE, pad_missing=True
    )
    one, two = (json.loads(path.read_text())["competition_reports"] for path in written.reports)
    assert [report["competition_id"] for report in one] == list(made.competitions)
    assert [report["competition_id"] for report in two] == list(made.competitions)
    padded = two[0]
    assert padded["score"] is None
    assert not any(padded[flag] for flag in ("any_medal", "submission_exists", "above_median"))
    assert (padded["gold_threshold"], padded["is_lower_better"]) == (0.9, False)
    assert one[1]["bronze_threshold"] == two[1]["bronze_threshold"] == 0.6921


def test_a_competition_of_unknown_thresholds_is_not_padded(tmp_path):
    made = grid(competitions=("made-up-a", "made-up-b"), strategies=("gome",), seeds=(0,))
    (tmp_path / "out").mkdir()
    enter(made, tmp_path / "out")
    begin(made.cells[0].folder(tmp_path / "out"))
    finish(made.cells[0].folder(tmp_path / "out"), "0.95")
    grading.grade(tmp_path / "out", Final, finished_only=True)
    with pytest.raises(GridError, match="no run of `made-up-b` is graded"):
        leaderboard.write(tmp_path / "out", tmp_path / "to", hardware=HARDWARE, pad_missing=True)
    assert not (tmp_path / "to").exists()


def test_a_failed_grader_and_an_endless_score_are_declared(tmp_path):
    made = grid(competitions=("made-up-a", "made-up-b"), strategies=("gome",))
    out = tmp_path / "out"
    complete(out, made, lambda cell: "inf" if cell.seed else "0.9")
    bad = made.cells[0].folder(out)

    class Breaks(Final):
        def score(self, competition, submission):
            if submission.is_relative_to(bad):
                raise BenchmarkError("no answer in 3600 s")
            return super().score(competition, submission)

    grading.grade(out, Breaks)
    written = leaderboard.write(out, tmp_path / "to", hardware=HARDWARE, pad_missing=True)
    told = "The benchmark's graders failed on 1 of them: made-up-a, gome, seed 0."
    assert told in written.warnings
    for path in written.reports:
        json.loads(path.read_text(), parse_constant=pytest.fail)
    assert json.loads(written.reports[1].read_text())["competition_reports"][0]["score"] == "inf"


def test_deleting_grades_does_not_make_them_later(graded, tmp_path):
    larger = grid(seeds=(0, 1, 2, 3))
    enter(larger, graded)
    for cell in larger.cells:
        if cell.seed == 3:
            begin(cell.folder(graded))
            finish(cell.folder(graded), score_of(cell))
            path = cell.folder(graded) / "journal.sqlite"
            with Journal.open(path, read_only=False) as journal:
                journal.append("finished", {"ended_by": "now"})
    for path in graded.rglob("grading.json"):
        path.unlink()
    grading.grade(graded, Final)
    text = leaderboard.write(graded, tmp_path / "to", hardware=HARDWARE).text.read_text()
    assert "8 runs ended after the first grade of this grid was known" in text


def test_earlier_files_are_not_mixed_with_new_ones(graded, tmp_path):
    leaderboard.write(graded, tmp_path / "to", hardware=HARDWARE)
    with pytest.raises(GridError, match="is not empty"):
        leaderboard.write(graded, tmp_path / "to", hardware=HARDWARE)


@real
@pytest.mark.parametrize("padded", [False, True])
def test_the_benchmarks_own_script_gets_our_numbers(tmp_path, padded):
    from experiments.mlebench import results

    low = tuple((Path(SOURCE) / "experiments/splits/low.txt").read_text().split())
    made = grid(competitions=low, splits={"low": low}, strategies=("gome", "aide"))
    scores = {c: f"{0.6 + 0.03 * (len(c) % 12):.4f}" for c in low}
    complete(
        tmp_path / "out", made, lambda cell: f"{float(scores[cell.competition]) - 0.02 * cell.seed}"
    )
    if padded:  # one run of another competition a seed, so that positions are not seeds
        for seed, competition in enumerate(low[:3]):
            cell = Cell(competition, "gome", seed)
            (cell.folder(tmp_path / "out") / "summary.json").unlink()
    grading.grade(tmp_path / "out", Final, finished_only=True)
    leaderboard.write(tmp_path / "out", tmp_path / "to", hardware=HARDWARE, pad_missing=padded)
    official = run_official(
        tmp_path / "to", leaderboard.experiment_id("gome", "gome", made), padded
    )
    found = results.read(tmp_path / "out")
    assert official["num_seeds_averaged"] == 3
    for measure, theirs in [
        ("any_medal", "any_medal_percentage"),
        ("gold_medal", "gold_medal_percentage"),
        ("above_median", "above_median_percentage"),
        ("valid_submission", "valid_submissions_percentage"),
    ]:
        ours = results.rate(found.of("gome"), measure, pad_missing=padded)
        assert ours.mean == pytest.approx(official["metrics"][theirs]["mean"])
        assert ours.sem == pytest.approx(official["metrics"][theirs]["standard_error"])
    assert 0 < official["metrics"]["any_medal_percentage"]["mean"] < 100


def run_official(to, experiment, padded):
    """The real aggregation, with its table of run groups and its folder of runs being ours."""
    code = f"""
import sys
from pathlib import Path
from experiments import aggregate_grading_reports as official
official.RUNS_DIR = Path(sys.argv[1])
official.RUN_GROUP_CSV = official.RUNS_DIR / "run_group_experiments.csv"
official.main(official.grading_reports_from_experiment(sys.argv[2]), -1, "low", {padded})
"""
    done = subprocess.run(
        [PYTHON, "-B", "-c", code, str(to / "runs"), experiment],
        capture_output=True,
        text=True,
        check=True,
        cwd=SOURCE,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )
    return json.loads(done.stdout.split("Average metrics across seeds:")[1])
