"""The selection study at small size: the curse as the law has it, and claims that survive it."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import studies
from experiments.studies.selection import NAIVE, RERUN, SELECTED
from experiments.study import execute
from tests.statistical import assert_estimate, assert_exceeds

SEARCHES = 96


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    study = studies.load("selection")
    out = tmp_path_factory.mktemp("selection")
    config = replace(study.quick, counts=(2, 50), search_noises=(1.0,), search_runs=SEARCHES)
    table = execute(study, config, out)
    assert (out / "figure.png").stat().st_size > 10_000
    return table


def test_claims_and_truth_of_the_winner_are_those_of_the_law(table):
    rows = table[(table.kind == "claim") & (table.claim == NAIVE)]
    assert_estimate(rows.value, rows.predicted, rows.stderr)
    assert_estimate(rows.truth, rows.predicted_truth, rows.truth_stderr)


def test_only_corrected_intervals_cover(table):
    rows = table[(table.kind == "claim") & (table["count"] == 50)].set_index("claim")
    assert rows.coverage_high[NAIVE] < 0.9
    assert rows.coverage_high[SELECTED] >= 0.95
    assert rows.coverage_low[RERUN] < 0.95 < rows.coverage_high[RERUN]
    assert_estimate(rows.value[RERUN], 0.0, rows.stderr[RERUN])


def test_running_several_finalists_again_beats_one_and_none(table):
    rows = table[table.kind == "re-run"]
    none, one, three = (rows[rows.finalists == k] for k in (0, 1, 3))
    best = three.value.max()
    for other in (none, one):
        error = np.hypot(three.stderr.max(), other.stderr.max())
        assert_exceeds(best, other.value.max(), error)
    law = rows[rows.predicted.notna()]
    assert_estimate(law.value, law.predicted, law.stderr)
    # Chosen again, flattered again.
    assert_exceeds(three.optimism, 0.0, three.optimism_stderr)


def test_the_best_score_of_a_hill_climb_is_inflated_as_the_law_says(table):
    row = table[table.kind == "search"].iloc[0]
    assert row.predicted > 0.5
    assert_estimate(row.value, row.predicted, row.stderr, draws=SEARCHES)
