"""The hybrids study at small size: pure sides obey their law, and the verdict tells them apart."""

from dataclasses import replace

import numpy as np
import pytest

import gome_theory
from experiments import studies
from experiments.study import execute
from tests.statistical import assert_estimate, assert_exceeds

STUDY = studies.load("hybrids")
CONFIG = replace(
    STUDY.quick,
    worlds=("sphere, d = 30",),
    costs=(4.0,),
    budgets=(60.0, 120.0),
    scaled_alignments=(0.0, 2.0),
    runs=96,
)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    out = tmp_path_factory.mktemp("hybrids")
    table = execute(STUDY, CONFIG, out)
    assert (out / "figure.png").stat().st_size > 10_000
    return table


def at_last(table, strategy):
    return table[(table.strategy == strategy) & (table.budget == 120.0)].sort_values("r")


def test_pure_strategies_progress_as_the_exact_law_says(table):
    search = at_last(table, "hill_climb").iloc[0]
    assert_estimate(
        search.value, 120 * gome_theory.hill_climb_rate(30).rate, search.stderr, draws=96
    )
    directed = at_last(table, "directed")
    rate = gome_theory.optimal_gated_log_rate(np.array([0.0, 2.0]) / 30**0.5, 30).rate
    assert_estimate(directed.value, 30 * rate, directed.stderr, draws=96)


def test_the_better_side_is_that_of_theory_and_has_no_regret(table):
    assert at_last(table, "auto").better.tolist() == ["hill_climb", "directed"]
    pure = table[table.strategy == table.better]
    assert (pure.regret == 0).all()
    assert (pure.regret_stderr == 0).all()


def test_auto_loses_less_than_always_taking_the_wrong_side(table):
    auto = at_last(table, "auto")
    wrong = [at_last(table, name).iloc[i] for i, name in enumerate(("directed", "hill_climb"))]
    error = np.hypot(auto.regret_stderr, [row.regret_stderr for row in wrong])
    assert_exceeds([row.regret / 2 for row in wrong], auto.regret, error, draws=96)


def test_the_verdict_is_on_auto_beyond_its_interval(table):
    auto = table.strategy == "auto"
    table = table.assign(regret=np.where(auto, 0.11, 0.9), regret_stderr=0.01)
    assert STUDY.verdict(table, CONFIG) is None
    told = STUDY.verdict(table.assign(regret_stderr=0.004), CONFIG)
    assert "2 of 2 points" in told
    assert "11.0% +- 0.8%" in told
