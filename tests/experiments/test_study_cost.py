"""The cost study at small size: crossings where theory has them, none where it has none."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import studies
from experiments.studies.crossings import locate
from experiments.study import execute

LARGEST_Z = 4.0


@pytest.fixture(scope="module")
def study():
    return studies.load("cost")


@pytest.fixture(scope="module")
def table(study, tmp_path_factory):
    config = replace(study.quick, costs=(1.5, 7.0), couplings=(0.4, 0.75), runs=192, steps=50)
    out = tmp_path_factory.mktemp("cost")
    table = execute(study, config, out)
    assert (out / "figure.png").stat().st_size > 10_000
    return table


def z_scores(rows):
    return ((rows.value - rows.predicted) / rows.stderr).abs()


def test_simulation_agrees_with_the_exact_laws(table):
    rows = table[table.value.notna()]
    assert {"crossover", "elasticity", "lead", "rate", "search"} <= set(rows.kind)
    assert z_scores(rows).max() < LARGEST_Z


def test_the_gate_changes_the_elasticity_by_more_than_chance(table):
    rows = table[table.kind == "elasticity"].set_index("gate")
    assert abs(rows.value["gated"] - 0.5) > 10 * rows.stderr["gated"]
    assert abs(rows.value["ungated"] - 0.5) < 0.02


def test_a_search_that_shares_enough_is_never_overtaken(table):
    coupled = table[table.case == "coupled"]
    shared = coupled[coupled.coupling == 0.75]
    assert list(shared.kind[shared.kind != "lead"]) == ["no crossover"]
    assert (shared[shared.kind == "lead"].value < 0).all()
    half = coupled[(coupled.coupling == 0.4) & (coupled.kind == "lead")]
    assert half.value.iloc[0] < 0 < half.value.iloc[-1]


def test_a_rising_price_crosses_twice(table):
    crossings = table[(table.case == "rising") & (table.kind == "crossover")]
    assert np.isfinite(crossings.value).sum() == 2


def test_a_crossing_is_where_the_lead_is_zero_and_its_error_is_that_of_the_mean():
    rng = np.random.default_rng(0)
    x = np.linspace(0.5, 1.5, 7)
    shift = rng.normal(0.0, 0.5, 400)  # each run has its own crossing
    found = locate(x, (x[:, None] - 1.1 - shift), seed=0)
    assert abs(found.value - 1.1 - shift.mean()) < 1e-9
    assert found.stderr == pytest.approx(shift.std() / 20, rel=0.2)


def test_a_lead_that_keeps_its_sign_has_no_crossing():
    x = np.linspace(0.0, 1.0, 5)
    found = locate(x, np.ones((5, 50)) + x[:, None], seed=0)
    assert np.isnan(found.value)
    assert np.isnan(found.stderr)
