"""The study of adaptive steps: its quick version agrees with the laws, and its claim can fail."""

import numpy as np
import pytest

from experiments import studies
from experiments.study import execute
from tests.statistical import assert_estimate, assert_exceeds, assert_not_below

STUDY = studies.load("adaptive")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adaptive")
    table = execute(STUDY, STUDY.quick, folder)
    assert (folder / "figure.png").stat().st_size > 10_000
    return table


def test_gains_of_the_rules_are_those_of_theory(table):
    """Adam's law is for a second moment that has converged; here it saw about 500 gradients."""
    seen = table[table.kind.isin(["noise", "signal", "map"])]
    assert_estimate(seen.value, seen.predicted, seen.stderr, slack=0.005)
    fixed = seen[seen.rule != "sign"]
    assert_not_below(1.0, fixed.value, fixed.stderr)


def test_adam_wins_where_noise_differs_and_sgd_where_signal_does(table):
    by = table.set_index(["kind", "rule", "decades"])
    for kind, winner, loser in (("noise", "adam", "sgd"), ("signal", "sgd", "adam")):
        best, other = by.loc[(kind, winner, 3.0)], by.loc[(kind, loser, 3.0)]
        assert_exceeds(best.value, other.value, np.hypot(best.stderr, other.stderr))


def test_runs_end_as_single_steps_suggest(table):
    runs = table[table.kind.str.startswith("run")]
    end = runs.sort_values("step").groupby(["kind", "rule"]).last()
    assert end.inside.astype(bool).all()
    assert end.value["run noise", "adam"] < end.value["run noise", "sgd"]
    assert end.value["run signal", "sgd"] < end.value["run signal", "adam"]
    sgd = runs[runs.rule == "sgd"]
    assert_estimate(sgd.value, sgd.predicted, sgd.stderr, slack=1e-6)
