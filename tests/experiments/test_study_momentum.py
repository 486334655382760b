"""The study of memory: its quick version agrees with the laws, and its claim can fail."""

import pytest

from experiments import studies
from experiments.study import execute
from tests.statistical import assert_estimate, assert_exceeds

STUDY = studies.load("momentum")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("momentum")
    table = execute(STUDY, STUDY.quick, folder)
    assert (folder / "figure.png").stat().st_size > 10_000
    return table


def test_averages_are_aligned_as_theory_says(table):
    """Laws are for large d, a few per cent off at d = 200 where an average is long."""
    seen = table[table.kind.isin(["map", "decay"])]
    assert_estimate(seen.value, seen.predicted, seen.stderr, slack=0.02)


def test_memory_helps_where_the_truth_outlasts_the_error(table):
    seen = table[(table.kind == "map") & (abs(table.gamma - table.omega) > 0.15)]
    helps = seen.gamma > seen.omega
    assert (seen.value[helps] > 2 * seen.stderr[helps]).all()
    assert (seen.value[~helps] < -2 * seen.stderr[~helps]).all()


def test_quadratics_obey_the_map_of_second_moments(table):
    seen = table[table.kind == "quadratic"]
    assert_estimate(seen.value, seen.predicted, seen.stderr)
    by = seen.set_index(["condition", "memory"]).value
    assert by[1.0, "best"] == pytest.approx(by[1.0, "none"], rel=1e-3)
    assert by[100.0, "best"] > 1.3 * by[100.0, "none"]


def test_the_agents_rule_is_the_process_of_theory(table):
    by = table[table.kind == "success"].set_index(["gamma", "memory"])
    for gamma in (0.0, 0.9):
        rule, process = by.loc[(gamma, "rule")], by.loc[(gamma, "process")]
        error = (rule.stderr**2 + process.stderr**2) ** 0.5
        assert_estimate(rule.value, process.value, error)
    for better, worse in (((0.9, "process"), (0.9, "normalised")), ((0.9, "rule"), (0.0, "rule"))):
        one, other = by.loc[better], by.loc[worse]
        assert_exceeds(one.value, other.value, (one.stderr**2 + other.stderr**2) ** 0.5)
