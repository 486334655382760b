"""Rates as the benchmark has them, comparisons in pairs, and reports that hide nothing."""

import math

import pytest

from experiments.mlebench import grading, report, results
from experiments.mlebench.grid import GridError, enter
from tests.experiments.mlebench.made_up import (
    Final,
    begin,
    complete,
    finish,
    grid,
    score_of,
)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    out = tmp_path_factory.mktemp("graded")
    complete(out, grid(), score_of)
    grading.grade(out, Final)
    return out


@pytest.fixture
def with_holes(tmp_path):
    """A run that was never begun and one that is open, both of seed 1."""
    made = grid(strategies=("gome", "aide"))
    enter(made, tmp_path)
    for cell in made.cells:
        if cell.seed == 1 and cell.strategy == "aide" and cell.competition == "made-up-a":
            continue
        begin(cell.folder(tmp_path))
        if not (cell.seed == 1 and cell.competition == "made-up-b" and cell.strategy == "aide"):
            finish(cell.folder(tmp_path), score_of(cell))
    grading.grade(tmp_path, Final, finished_only=True)
    return tmp_path


def test_rates_are_percentages_by_seed_then_mean_and_standard_error(graded):
    found = results.read(graded)
    rate = results.rate(found.of("gome"), "valid_submission")
    assert rate.mean == pytest.approx((75 + 100 + 100) / 3)
    assert rate.sem == pytest.approx(25 / math.sqrt(3) / math.sqrt(3))
    assert (rate.seeds, rate.dropped) == (3, 0)
    assert results.rate(found.of("gome", "low"), "any_medal").mean == pytest.approx(100)
    assert results.rate(found.of("gome", "medium"), "any_medal").mean == 0
    one_seed = [row for row in found.of("gome") if row.cell.seed == 0]
    assert math.isnan(results.rate(one_seed, "any_medal").sem)


def test_an_incomplete_seed_is_left_out_and_padded_only_on_demand(with_holes):
    found = results.read(with_holes)
    assert [row.cell.competition for row in found.missing] == ["made-up-a", "made-up-b"]
    rate = results.rate(found.of("aide"), "any_medal")
    assert (rate.mean, rate.seeds, rate.dropped) == (25, 2, 1)
    padded = results.rate(found.of("aide"), "any_medal", pad_missing=True)
    assert padded.mean == pytest.approx(50 / 3)
    assert (padded.seeds, padded.dropped) == (3, 0)


def test_missing_runs_are_named_in_the_report(with_holes):
    report.write(with_holes)
    text = (with_holes / "report.md").read_text()
    assert "Left out, because not all their competitions are graded: aide: seed 1." in text
    assert "| made-up-a | aide | 1 | not begun |" in text
    assert "| made-up-b | aide | 1 | open |" in text
    report.write(with_holes, pad_missing=True)
    text = (with_holes / "report.md").read_text()
    assert "2 runs without a grade count as no medal." in text


def test_strategies_are_compared_by_task_and_seed(graded):
    (versus,) = results.versus(results.read(graded))
    # Aide wins on made-up-d where gome submitted nothing: one seed of three, one task of four.
    assert versus.improvement.value == pytest.approx(1 / 3 / 4)
    assert versus.medals.value == pytest.approx(-50)
    assert (versus.tasks, versus.pairs, versus.unpaired) == (4, 12, 0)
    assert versus.p == versus.p_holm == pytest.approx(2 / 2**4)


def test_pairs_without_a_partner_are_counted(with_holes):
    (versus,) = results.versus(results.read(with_holes))
    assert (versus.pairs, versus.unpaired) == (10, 2)


def test_tasks_that_all_agree_show_no_spread():
    from experiments.comparison.statistics import over_tasks

    assert math.isnan(over_tasks([0.5, 0.5]).low)
    all_won = over_tasks([1.0, 1.0, 1.0])
    assert all_won.low == pytest.approx(0.025 ** (1 / 3))
    low, high = over_tasks([1.0, 0.0, 1.0, 1.0])[1:]
    assert 0 <= low < 0.75 < high <= 1


def test_costs_are_of_finished_runs(with_holes):
    sums = results.costs(results.read(with_holes).of("aide"))
    assert (sums["runs"], sums["calls"], sums["money"]) == (10, 120, pytest.approx(2.5))


def test_a_report_has_page_tables_and_figure(graded):
    written = report.write(graded)
    assert {path.name for path in written.files} == {"report.md", "report.html", "figure.png"}
    text = (graded / "report.md").read_text()
    assert "| gome | 100.00 ± 0.00 | 0.00 ± 0.00 | 75.00 ± 0.00 | 3 |" in text
    assert "medium: 1 of the split's 2 competitions were run" in text
    assert "| made-up-d | gome | 0 | no submission | none |" in text
    page = (graded / "report.html").read_text()
    assert page.count("<table>") == len(written.sections)
    assert (graded / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_models_name_cannot_break_the_page(tmp_path):
    odd = "sgd(learning_rate=1.0)"
    made = grid(competitions=("made-up-a",), strategies=(odd,), seeds=(0,))
    complete(tmp_path, made.model_copy(update={"model": "<b>|x"}), lambda cell: "0.9")
    grading.grade(tmp_path, Final)
    report.write(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "<b>" not in page
    assert "&lt;b&gt;|x" in page


def test_without_grades_there_is_no_report(tmp_path):
    complete(tmp_path, grid(), score_of)
    with pytest.raises(GridError, match="gome mlebench grade"):
        report.write(tmp_path)
