"""The traces study at small size: laws in their regime, and where each way of spending wins."""

from dataclasses import replace

import pytest

from experiments import studies
from experiments.study import execute


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    study = studies.load("traces")
    out = tmp_path_factory.mktemp("traces")
    table = execute(study, replace(study.quick, diverse_steps=8), out)
    assert (out / "figure.png").stat().st_size > 10_000
    return table


def close(rows):
    return ((rows.value - rows.predicted).abs() < 4 * rows.stderr).all()


def test_averaged_diagnoses_have_the_odds_of_the_effective_number(table):
    rows = table[table.kind == "effective traces"]
    assert close(rows)
    shared = rows[(rows.shared_bias == 1.0) & (rows["count"] == 16)].iloc[0]
    assert shared.value < 4  # the claim could fail: 16 independent ones would be worth 16


def progress(table, way, omega, kappa):
    rows = table[(table.kind == "progress") & (table.way == way)]
    return rows[(rows.bias_share == omega) & (rows.shared_bias == kappa)].iloc[0]


def clearly_ahead(first, second):
    return first.value - second.value > 3 * (first.stderr**2 + second.stderr**2) ** 0.5


def test_averaging_pays_exactly_where_errors_persist_and_differ(table):
    assert clearly_ahead(
        progress(table, "one long trace", 0.0, 0.0), progress(table, "consensus", 0.0, 0.0)
    )
    assert clearly_ahead(
        progress(table, "consensus", 0.1, 0.0), progress(table, "one long trace", 0.1, 0.0)
    )
    assert clearly_ahead(
        progress(table, "consensus", 0.1, 0.0), progress(table, "consensus", 0.1, 1.0)
    )


def test_a_bias_in_common_counts_only_where_the_start_is_in_common(table):
    rows = table[table.kind == "diversity"]
    assert close(rows[rows.start == "common"])
    scattered = rows[rows.start == "scattered"]
    assert ((scattered.value - scattered.predicted) > 4 * scattered.stderr).iloc[-3:].all()
