"""The selectors study at small size: equal evaluations, closed forms, who gains by what."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import studies
from experiments.study import execute
from tests.statistical import assert_estimate, assert_exceeds

RUNS = 400
LOUD = 1e3
"""A noise beside which true losses do not show: every selector takes any draft."""


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    study = studies.load("selectors")
    out = tmp_path_factory.mktemp("selectors")
    noises, leaks = (0.0, 0.1, LOUD), (0.0, 0.2)
    config = replace(study.quick, noises=noises, leaks=leaks, counts=(30,), runs=RUNS)
    table = execute(study, config, out)
    assert (out / "figure.png").stat().st_size > 10_000
    return table


def rows(table, search="drafts", noise=0.1, leak=0.0):
    seen = table[(table.search == search) & (table.noise == noise) & (table.leak == leak)]
    return seen.set_index("selector")


def test_every_selector_has_the_same_number_of_evaluations(table):
    assert (table.evaluations == table["count"]).all()
    assert {"revalidated(5)", "ensemble(5)"} <= set(table.selector)


def test_without_noise_the_best_score_is_the_best_candidate(table):
    for search in ("drafts", "hill_climb"):
        seen = rows(table, search, noise=0.0)
        np.testing.assert_allclose(seen.shortfall["best"], 0.0, atol=1e-7)
        paid = seen.loc["revalidated(5)"]
        assert_exceeds(paid.shortfall, 0.0, paid.shortfall_stderr, draws=RUNS)


def test_a_bound_with_one_standard_error_for_all_is_the_best_score(table):
    for leak in (0.0, 0.2):
        seen = rows(table, leak=leak)
        assert seen.shortfall["lower_bound"] == seen.shortfall["best"]


def test_under_loud_noise_a_draft_is_any_draft_and_a_mean_is_a_mean_of_any(table):
    """Loss 1 on average; the mean of k keeps what drafts have in common and 1/k of the rest."""
    seen, alike = rows(table, noise=LOUD), studies.load("selectors").full.alike
    assert_estimate(seen.loss["best"], 1.0, seen.loss_stderr["best"], draws=RUNS)
    for members in (2, 5):
        row = seen.loc[f"ensemble({members})"]
        assert_estimate(row.loss, alike + (1 - alike) / members, row.loss_stderr, draws=RUNS)


def test_measuring_finalists_again_pays_where_measurements_leak(table):
    row = rows(table, leak=0.2).loc["revalidated(5)"]
    assert_exceeds(row.lead, 0.0, row.lead_stderr, draws=RUNS)


def test_an_average_of_drafts_is_better_than_the_best_of_them(table):
    row = rows(table, noise=0.0).loc["ensemble(2)"]
    assert_exceeds(0.0, row.shortfall, row.shortfall_stderr, draws=RUNS)
