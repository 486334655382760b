"""The rugged study at small size: quenched noise, what averaging does not do, who gains."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import studies
from experiments.studies.cosines import slope_log_loss
from experiments.study import execute
from tests.statistical import assert_estimate, assert_exceeds, critical_value

RUNS = 128


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    study = studies.load("rugged")
    out = tmp_path_factory.mktemp("rugged")
    config = replace(study.quick, varsigmas=(1.0,), shown=(1.0,), runs=RUNS)
    table = execute(study, config, out)
    assert (out / "figure.png").stat().st_size > 10_000
    return table


def test_a_rugged_landscape_is_stored_noise_to_a_search(table):
    rows = table[table.kind == "difference"]
    assert_estimate(rows.value, rows.predicted, rows.stderr, draws=RUNS)
    assert (rows.stderr < 0.05 * rows.log_loss.abs()).all()  # the comparison could have failed


def test_averaging_scores_helps_against_noise_only(table):
    last = table[(table.kind == "log loss") & (table.steps == 200)].set_index("world")
    rugged, averaged = last.loc["rugged"], last.loc["mean of four scores"]
    error = np.hypot(averaged.stderr, rugged.stderr)
    assert_exceeds(rugged.value, averaged.value, error, draws=RUNS)


def test_ruggedness_moves_the_crossover_left_as_the_law_has_it(table):
    rows = table[(table.kind == "crossover") & (table.counts == "trend")].set_index("directed")
    ungated = rows.loc["ungated"]
    assert_estimate(ungated.value, ungated.predicted, ungated.stderr, draws=RUNS)
    # sqrt(c psi_g(0)) without ruggedness
    assert_exceeds(0.9, ungated.value, ungated.stderr, draws=RUNS)


def test_a_reasoner_that_sees_the_local_slope_loses_what_ruggedness_gave(table):
    leads = table[(table.kind == "lead") & (table.counts == "trend")]
    at = leads[leads.r == 0.95].set_index("directed")
    assert_exceeds(at.value["ungated"], 0.0, at.stderr["ungated"], draws=RUNS)
    assert_exceeds(0.0, at.value["slope"], at.stderr["slope"], draws=RUNS)
    # Between two reliabilities the search, whose law is only nearly in regime, cancels.
    slope = leads[leads.directed == "slope"].sort_values("r")
    gained = slope.value.iloc[-1] - slope.value.iloc[0]
    predicted = slope.predicted.iloc[-1] - slope.predicted.iloc[0]
    error = slope.stderr.max()
    assert predicted > critical_value(RUNS) * error  # the comparison could have failed
    assert_estimate(gained, predicted, error, draws=RUNS)


def test_without_ruggedness_the_slope_is_the_trend():
    study = studies.load("rugged")
    rho2 = 0.8**2 / study.quick.dim
    path = slope_log_loss(0.8, 0.0, 10, study.quick)
    assert path == pytest.approx(10 * np.log1p(-rho2))
