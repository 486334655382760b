"""The traces study at small size: laws in their regime, and where each way of spending wins."""

from dataclasses import replace

import pytest

from experiments import studies
from experiments.study import execute
from tests.statistical import assert_estimate, assert_exceeds

QUICK = studies.load("traces").quick


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    out = tmp_path_factory.mktemp("traces")
    table = execute(studies.load("traces"), replace(QUICK, diverse_steps=8), out)
    assert (out / "figure.png").stat().st_size > 10_000
    return table


def test_averaged_diagnoses_have_the_odds_of_the_effective_number(table):
    rows = table[table.kind == "effective traces"]
    assert_estimate(rows.value, rows.predicted, rows.stderr, draws=QUICK.alignment_runs)
    shared = rows[(rows.shared_bias == 1.0) & (rows["count"] == 16)].iloc[0]
    assert shared.value < 4  # the claim could fail: 16 independent ones would be worth 16


def progress(table, way, omega, kappa):
    rows = table[(table.kind == "progress") & (table.way == way)]
    return rows[(rows.bias_share == omega) & (rows.shared_bias == kappa)].iloc[0]


def assert_ahead(first, second):
    error = (first.stderr**2 + second.stderr**2) ** 0.5
    assert_exceeds(first.value, second.value, error, draws=QUICK.runs)


def test_averaging_pays_exactly_where_errors_persist_and_differ(table):
    assert_ahead(
        progress(table, "one long trace", 0.0, 0.0), progress(table, "consensus", 0.0, 0.0)
    )
    assert_ahead(
        progress(table, "consensus", 0.1, 0.0), progress(table, "one long trace", 0.1, 0.0)
    )
    assert_ahead(progress(table, "consensus", 0.1, 0.0), progress(table, "consensus", 0.1, 1.0))


def test_a_bias_in_common_counts_only_where_the_start_is_in_common(table):
    rows = table[table.kind == "diversity"]
    common = rows[rows.start == "common"]
    assert_estimate(common.value, common.predicted, common.stderr)
    scattered = rows[rows.start == "scattered"].iloc[-3:]
    assert_exceeds(scattered.value, scattered.predicted, scattered.stderr)
