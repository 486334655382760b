"""The budget study at small size: which way crossovers move, and laws where they are in regime."""

from dataclasses import replace

import numpy as np
import pytest

import gome_theory
from experiments import studies
from experiments.studies.biased_runs import log_losses
from experiments.study import execute
from tests.statistical import assert_estimate, assert_exceeds

QUICK = replace(studies.load("budget").quick, runs=128)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    out = tmp_path_factory.mktemp("budget")
    config = replace(QUICK, budgets=(1.0, 4.0), bias_shares=(0.1,), biased_steps=24)
    table = execute(studies.load("budget"), config, out)
    assert (out / "figure.png").stat().st_size > 10_000
    return table


def test_a_re_scored_search_obeys_its_law_at_every_budget(table):
    rows = table[(table.kind == "log loss") & (table.search == "rescored")]
    assert_estimate(rows.value, rows.predicted, rows.stderr, draws=QUICK.runs)


def test_crossovers_move_left_with_the_budget_and_follow_the_law(table):
    rows = table[table.kind == "crossover"]
    assert_estimate(rows.value, rows.predicted, rows.stderr, draws=QUICK.runs)
    first, last = (
        rows[(rows.search == "stored") & (rows.directed == "ungated") & (rows.budget == budget)]
        for budget in (1.0, 4.0)
    )
    error = np.hypot(first.stderr.iloc[0], last.stderr.iloc[0])
    assert_exceeds(first.value.iloc[0], last.value.iloc[0], error, draws=QUICK.runs)


def test_a_biased_run_leads_and_loses_its_lead(table):
    lead = table[table.kind == "lead"].sort_values("step")
    assert_exceeds(lead.value.max(), 0.0, lead.stderr.iloc[lead.value.argmax()])
    assert_exceeds(0.0, lead.value.iloc[-1], lead.stderr.iloc[-1])
    lost = table[table.kind == "lead lost"].iloc[0]
    assert_estimate(lost.value, lost.mean_field, lost.stderr)


def test_the_path_into_the_trap_ends_in_the_trap():
    path = log_losses([0.3, 0.5], [0.05, 0.1], [0.2, 0.4], 400)
    trap = gome_theory.bias_trap([0.3, 0.5], [0.05, 0.1], [0.2, 0.4])
    np.testing.assert_allclose(path[-2] - path[-1], trap.rate, rtol=1e-9)
    averaged = log_losses(0.3, 0.1, 0.3, 400, traces=4, shared_bias=0.3)
    trap = gome_theory.bias_trap(0.3, 0.1, 0.3, traces=4, shared_bias=0.3)
    np.testing.assert_allclose(averaged[-2] - averaged[-1], trap.rate, rtol=1e-9)


def test_the_path_starts_as_the_early_law_says():
    r, alpha, dim, steps = 1.5, 1.2, 1e6, 6
    path = log_losses(r / dim**0.5, 0.1, alpha / dim**0.5, steps)
    early = gome_theory.trace_totals(steps, r, alpha, dim, 0.1).mean
    np.testing.assert_allclose(-path[-1], early, rtol=5e-3)
