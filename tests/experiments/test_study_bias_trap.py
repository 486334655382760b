"""The study of the bias trap: its quick version agrees with the laws, and its claim can fail."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import studies
from experiments.studies import biased
from experiments.study import execute
from tests.statistical import assert_estimate, assert_exceeds

STUDY = studies.load("bias_trap")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bias_trap")
    table = execute(STUDY, STUDY.quick, folder)
    assert (folder / "figure.png").stat().st_size > 10_000
    return table


def test_settled_runs_are_those_of_theory(table):
    """The law is for large d: at d = 100 its rates are 1 / d off, in units of rho^2."""
    cosines = table[table.kind == "cosine"]
    assert_estimate(cosines.value, cosines.predicted, cosines.stderr, slack=0.01)
    rates = table[table.kind == "rate"]
    slack = 5 / 100 * rates.alignment**2
    assert_estimate(rates.value, rates.predicted, rates.stderr, slack=slack)


def test_progress_lasts_above_the_threshold_only_and_a_gate_stalls_below(table):
    rates = table[table.kind == "rate"].set_index("bias_share")
    gated = table[table.kind == "gated rate"].set_index("bias_share")
    above = rates.alignment**2 > rates.index / (1 + rates.index)
    assert set(above) == {True, False}
    assert_exceeds(rates.value[above], 0.0, rates.stderr[above])
    assert_exceeds(0.0, rates.value[~above], rates.stderr[~above])
    assert (gated.value >= 0).all()
    assert (gated.value[~above] < 0.5 * rates.alignment[~above] ** 2).all()


def test_the_early_lead_is_lost(table):
    runs = table[table.kind == "trajectory"].pivot_table(
        index="spent", columns="strategy", values=["value", "stderr"]
    )

    def lead(spent):
        rows = {
            name: table[(table.kind == "trajectory") & (table.strategy == name)]
            for name in ("ungated", "hill_climb")
        }
        at = {n: np.interp(spent, r.spent, r.value) for n, r in rows.items()}
        error = [np.interp(spent, r.spent, r.stderr) for r in rows.values()]
        return (at["ungated"] - at["hill_climb"]) / np.hypot(*error)

    assert runs.index.max() >= 600
    assert lead(60.0) > 2
    assert lead(600.0) < -5


def test_biases_of_their_own_cancel_and_a_shared_one_does_not():
    config = replace(
        STUDY.quick,
        shared_biases=(0.0, 1.0),
        bias_shares=(0.2,),
        consensus_dim=60,
        consensus_runs=4,
        settling=300,
    )
    rows = {row["shared_bias"]: row for row in biased.consensus_rows(config)}
    assert rows[0.0]["value"] > rows[1.0]["value"] + 4 * rows[0.0]["stderr"]
    assert rows[1.0]["value"] < 0
    for row in rows.values():
        assert abs(row["value"] - row["predicted"]) < 4 * row["stderr"] + 0.005
