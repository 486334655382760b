"""Facts of the competitions: their form, their medals, and what a clone of the benchmark says."""

from __future__ import annotations

import json
import os
import re
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from gome_agent.tasks import medals
from gome_agent.tasks.base import Metric
from gome_agent.tasks.mlebench import facts
from gome_agent.tasks.mlebench.facts import CompetitionFacts
from gome_agent.tasks.mlebench.task import DESCRIPTION, cut

SOURCE = os.environ.get("GOME_MLEBENCH_SOURCE", "")
with_source = pytest.mark.skipif(
    not SOURCE, reason="GOME_MLEBENCH_SOURCE names no clone of the benchmark"
)
ALL = tuple(
    json.loads((resources.files("gome_agent.tasks.mlebench") / "data/thresholds.json").read_text())
)
_CLASSES_OF_THE_SAMPLE = {"dog-breed-identification", "leaf-classification"}


def told(competition: str) -> CompetitionFacts:
    found = facts.load(competition)
    assert found is not None
    return found


@pytest.mark.parametrize("competition", facts.known())
def test_facts_fit_together(competition):
    one = told(competition)
    shipped = facts.thresholds(competition)
    assert shipped is not None
    assert one.lower_is_better == shipped.lower_is_better
    assert bool(one.predictions) == (competition not in _CLASSES_OF_THE_SAMPLE)
    assert len(one.classes) == {"binary": 2}.get(one.kind, len(one.classes))
    if one.row_sum_tolerance is not None:
        assert (one.metric, one.kind, one.bounds) == ("log_loss", "multiclass", (0.0, 1.0))
    if one.by_rank:
        assert one.predicts == "probability"
        assert not one.lower_is_better
    for sentence in (*one.traps, *one.leaks):
        assert sentence.endswith(".")
        assert len(sentence) < 320


@pytest.mark.parametrize("competition", ALL)
def test_thresholds_are_ordered_and_say_where_they_come_from(competition):
    one = facts.thresholds(competition)
    assert one is not None
    sign = -1 if one.lower_is_better else 1
    steps = [sign * getattr(one, name) for name in ("gold", "silver", "bronze", "median")]
    assert steps == sorted(steps, reverse=True)
    assert (one.teams is None) == (one.provenance == "single_source")
    expected = {"median_differs": {"median"}, "differs": {"gold", "silver", "bronze", "median"}}
    assert set(one.recomputed) == expected.get(one.provenance, set())


def test_there_are_82_competitions_of_which_nothing_else_is_known():
    assert len(ALL) == 82
    assert set(facts.known()) < set(ALL)
    assert facts.load("AI4Code") is None
    assert facts.load("nothing") is facts.thresholds("nothing") is None


def test_facts_are_frozen_and_strict():
    one = told("leaf-classification")
    with pytest.raises(ValidationError, match="frozen"):
        one.metric = "auc"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        CompetitionFacts(**one.model_dump(), folds=3)


@given(competition=st.sampled_from(ALL), data=st.data())
def test_medals_are_those_of_a_leaderboard_with_the_same_thresholds(competition, data):
    one = facts.thresholds(competition)
    assert one is not None
    names = ("gold", "silver", "bronze", "median")
    edges = st.sampled_from([getattr(one, name) for name in names])
    score = data.draw(edges | st.floats(-10, 10))
    metric = Metric("m", not one.lower_is_better, lambda answers, predictions: 0.0)
    # Ten teams: 1, 2 and 4 are the last to earn medals, and 5 and 6 make the median.
    board = [one.gold, one.silver, one.bronze, one.bronze, *[one.median] * 6]
    grade = medals.judge(score, board, metric)
    found = facts.judge_by_thresholds(competition, score)
    assert found.medal == grade.medal
    assert found.above_median == grade.above_median


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_scores_that_are_not_finite_earn_nothing(score):
    with pytest.raises(ValueError, match="finite"):
        facts.judge_by_thresholds("AI4Code", score)
    with pytest.raises(ValueError, match="No medal thresholds"):
        facts.judge_by_thresholds("nothing", 1.0)


def test_a_leaderboard_may_agree_with_either_source():
    one = facts.thresholds("mlsp-2013-birds")
    assert one is not None
    assert one.provenance == "differs"
    shipped = (one.gold, one.silver, one.bronze, one.median)
    assert facts.cross_check("mlsp-2013-birds", *shipped) == []
    assert facts.cross_check("mlsp-2013-birds", *one.recomputed.values()) == []
    (wrong,) = facts.cross_check("mlsp-2013-birds", 0.9, *shipped[1:])
    assert "gold at 0.9, 0.93527 or 0.93759" in wrong
    assert "nothing to compare" in facts.cross_check("nothing", 1, 2, 3, 4)[0]


@with_source
@pytest.mark.parametrize("competition", facts.known())
def test_facts_are_those_of_the_clone(competition):
    one = told(competition)
    folder = Path(SOURCE) / "mlebench" / "competitions" / competition
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.py")}
    grader, preparer, code = texts["grade.py"], texts["prepare.py"], "\n".join(texts.values())
    shared = (folder.parent / "utils.py").read_text(encoding="utf-8")
    for name in (one.key, *one.predictions, *one.carried):
        assert f'"{name}"' in code or f"'{name}'" in code
    assert one.sample.removesuffix(".zip") in preparer
    for name in one.train_files:
        for part in name.removesuffix(".zip").strip("/").split("/"):
            assert part in preparer, name
    if one.row_sum_tolerance is not None:
        assert "tolerance = 1e-6" in grader
        assert "sum to one" in grader
    else:
        assert "isclose" not in grader
    inside = "between 0 and 1" in grader or (
        "prepare_for_auroc_metric" in grader and "between 0 and 1 inclusive" in shared
    )
    assert (one.bounds == (0.0, 1.0)) == inside
    assert one.by_rank == ("roc_auc_score" in grader)
    sorts = r"sort_values|sort_index|prepare_for_\w+_metric|one_hot_dfs_to_log_loss"
    assert one.rows_by_position == (re.search(sorts, grader) is None)
    assert one.columns_by_position == ("submission.to_numpy()" in grader)
    strict = ("set(submission.columns) !=", "submission.shape != (", "submission.to_numpy()")
    assert one.refuses_extra_columns == any(sign in grader for sign in strict)


@with_source
def test_no_description_of_lite_is_cut_and_the_data_of_none_are_lost():
    longer = 0
    for folder in (Path(SOURCE) / "mlebench" / "competitions").iterdir():
        if not (folder / "description.md").is_file():
            continue
        whole = (folder / "description.md").read_text(encoding="utf-8").strip()
        text = cut(whole)
        if text == whole:
            continue
        longer += 1
        assert folder.name not in facts.known()
        assert len(text) < DESCRIPTION + 100
        for heading in re.findall(r"^#+ .*(?:[Dd]ataset|[Ff]iles).*$", whole, re.MULTILINE):
            assert heading in text or whole.index(heading) < whole.rindex("# Dataset"), folder.name
    assert longer == 5


@with_source
def test_the_lite_split_is_what_is_known_and_leaks_are_the_readmes():
    split = Path(SOURCE) / "experiments" / "splits"
    assert set((split / "low.txt").read_text().split()) == set(facts.known())
    assert {path.name for path in (split.parents[1] / "mlebench/competitions").iterdir()} >= {*ALL}
    readme = (Path(SOURCE) / "README.md").read_text(encoding="utf-8")
    assert "giver_username_if_known" in readme
    assert any("giver_username_if_known" in said for said in told("random-acts-of-pizza").leaks)
