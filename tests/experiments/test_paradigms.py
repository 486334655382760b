"""Leads and crossovers against closed forms, and the two studies of paradigms at small size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments import studies
from experiments.studies import dial, paradigms, paradigms_real
from experiments.studies.leads import Lead
from experiments.study import draw, execute
from tests.statistical import assert_exceeds

X = np.array([0.0, 0.5, 1.0])


def lead(mean, noise=0.0, runs=40, groups=2):
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(groups, runs, 1)) * noise
    return Lead(X, np.asarray(mean) + drawn)


# --- leads ----------------------------------------------------------------------------------------


def test_a_crossover_is_the_root_of_the_broken_line():
    assert lead([-1.0, 1.0, 2.0]).crossover() == (0.25, 0.25, 0.25)
    # Ahead at first, behind in between: what counts is from where on it stays ahead.
    assert lead([1.0, -1.0, 3.0]).crossover()[0] == pytest.approx(0.625)


def test_no_crossover_is_an_answer():
    assert lead([1.0, 1.0, 1.0]).crossover() == (0.0, 0.0, 0.0)
    assert lead([1.0, 1.0, -1.0]).crossover() == (np.inf, np.inf, np.inf)


def test_the_interval_of_the_mean_is_that_of_the_bootstrap_in_large_samples():
    found = lead([0.0, 1.0, 2.0], noise=1.0, runs=400, groups=1)
    mean, low, high = found.mean()
    error = found.runs[0, :, 0].std() / np.sqrt(400)
    np.testing.assert_allclose(mean, found.runs.mean(axis=(0, 1)))
    np.testing.assert_allclose(high - low, 2 * 1.96 * error, rtol=0.1)


def test_tasks_are_not_resampled_only_their_runs():
    """Groups that differ and runs within them that do not: nothing is uncertain."""
    runs = np.broadcast_to(np.array([-3.0, 5.0])[:, None, None], (2, 10, 3))
    mean, low, high = Lead(X, runs).mean()
    np.testing.assert_array_equal([low, high], [mean, mean])
    assert mean.tolist() == [1.0, 1.0, 1.0]


def test_ties_count_half():
    runs = np.array([[[0.0, 1.0, -1.0], [0.0, 1.0, 1.0]]])
    assert Lead(X, runs).probability_of_improvement()[0].tolist() == [0.5, 1.0, 0.5]


# --- simulated ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    study = studies.load("paradigms")
    out = tmp_path_factory.mktemp("paradigms")
    config = replace(study.quick, budgets=(50,), noises=(0.0,), lengths=(1.0,), runs=96)
    config = replace(config, searches=("hill_climb", "gepa_pareto"), shown=(50, 0.0, 0.3))
    table = execute(study, config, out)
    assert (out / "figure.png").stat().st_size > 10_000
    return config, table


def test_a_reliable_reasoner_beats_the_best_search_and_an_ignorant_one_does_not(simulated):
    config, table = simulated
    leads = table.query("kind == 'lead' and strategy == 'sgd'").set_index("r")
    half = (leads.high - leads.low) / (2 * 1.96)
    assert_exceeds(leads.value[2.0], 0.0, half[2.0], draws=config.runs)
    assert_exceeds(0.0, leads.value[0.0], half[0.0], draws=config.runs)
    crossing = table.query("kind == 'crossover' and strategy == 'sgd'").iloc[0]
    assert 0.0 < crossing.low <= crossing.value <= crossing.high < 2.0


def test_every_strategy_ends_below_its_start_and_is_on_one_side(simulated):
    config, table = simulated
    finals = table.query("kind == 'final'")
    assert set(finals.strategy) == {*config.directed, *config.searches, "cma_es"}
    assert (finals.value > 0).all()
    assert finals.query("side == 'search'").r.isna().all()
    assert finals.query("side == 'directed'").r.notna().all()


def test_lengths_are_tuned_to_what_ends_best():
    config = replace(studies.load("paradigms").quick, lengths=(1e-3, 1.0), runs=16)
    assert paradigms.tuned("hill_climb", config) == 1.0


# --- real -----------------------------------------------------------------------------------------


def made_up(config, gain):
    """Final scores in which directed runs of alignment rho are `gain * rho - 0.5` ahead."""
    rng = np.random.default_rng(1)
    rows = []
    for cell in paradigms_real.cells(config):
        luck = rng.normal(scale=0.01)
        ahead = 0.0 if cell["alignment"] is None else gain * cell["alignment"] - 0.5
        for step in range(1, config.real_steps + 1):
            value = luck + ahead * (step - 1) / (config.real_steps - 1)
            alignment, seed = cell["alignment"], cell["seed"]
            rows.append(
                {
                    "kind": "real",
                    "world": cell["task"],
                    "strategy": cell["strategy"],
                    "alignment": np.nan if alignment is None else alignment,
                    "seed": seed,
                    "evaluations": step,
                    # visits: higher is better; housing: lower is.
                    "value": -value if cell["task"] == "housing" else value,
                }
            )
    return pd.DataFrame(rows)


def test_the_real_crossover_is_found_where_it_was_put(tmp_path):
    config = replace(paradigms_real.Config(), tasks=("housing", "visits"), seeds=4)
    table = made_up(config, gain=1.0)
    utilities = paradigms_real.finals(table, config, cost=1.0)
    assert {values.shape for values in utilities.values()} == {(2, 4)}
    search = paradigms_real.best_search(utilities, config)
    found = paradigms_real.lead(utilities, "gome", search, config)
    value, low, high = found.crossover()
    assert low <= value <= high
    assert value == pytest.approx(0.5, abs=0.1)
    draw(paradigms_real.STUDY, config, table, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_a_dearer_step_is_judged_after_fewer_of_them():
    config = replace(paradigms_real.Config(), tasks=("visits",), seeds=3)
    table = made_up(config, gain=1.0)
    cheap, dear = (paradigms_real.finals(table, config, cost) for cost in (1.0, 2.0))
    spread = table.query("alignment.isna() and evaluations == 9", engine="python").value
    assert spread.nunique() == 6
    assert cheap["gome", 1.0].mean() > dear["gome", 1.0].mean()


def test_a_run_that_found_nothing_is_as_bad_as_the_worst():
    config = replace(paradigms_real.Config(), tasks=("housing",), seeds=3)
    table = made_up(config, gain=1.0)
    lost = (table.strategy == "hill_climb") & (table.seed == 1)
    table.loc[lost, "value"] = np.nan
    utilities = paradigms_real.finals(table, config, cost=1.0)
    every = np.concatenate([values.ravel() for values in utilities.values()])
    assert utilities["hill_climb", None][0, 1] == every.min()


def test_a_run_that_was_interrupted_is_not_a_cell(tmp_path, monkeypatch):
    monkeypatch.setattr(dial.runs, "execute", lambda *_, **__: {"ended_by": "interrupted"})
    with pytest.raises(KeyboardInterrupt):
        dial.dial_rows("digits", "sgd", None, 0, paradigms_real.STUDY.quick, tmp_path)
