"""The study of gates: its simulations against closed forms, and the study end to end."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from experiments import studies
from experiments.studies import claimed, error_rates
from experiments.study import execute
from optimizers.claims import clopper_pearson
from tests.statistical import assert_estimate, assert_mean

BUDGET, RUNS = 1000, 2000
SMALL = replace(studies.load("gates").quick, candidates=4000, runs=800)


@pytest.fixture(scope="module")
def null_searches():
    rng = np.random.default_rng(0)
    return claimed.accept_if_greater(rng, claimed.Proposals(0.0, 0.0), RUNS, BUDGET)


def test_accept_if_greater_on_a_null_oracle(null_searches):
    """The best validation score is the largest of as many binomials as were accepted, plus one."""
    below = binom.cdf(np.arange(20), 20, 0.5)
    candidates = np.arange(claimed.most_validated(BUDGET) + 1)
    expected = (1 - below[None] ** candidates[:, None]).sum(1) / 20
    best = np.nanmax(null_searches.validation, axis=1)
    difference = best - expected[null_searches.accepted + 1]
    assert_mean(difference, 0.0)
    assert best.mean() > 0.7


def test_accept_if_greater_spends_its_budget_and_no_more_than_an_iteration_over(null_searches):
    calls = null_searches.calls
    assert (calls >= BUDGET).all()
    assert (calls < BUDGET + 2 * claimed.MINIBATCH + claimed.VALIDATION).all()
    assert (np.isfinite(null_searches.validation).sum(1) == null_searches.accepted + 1).all()


def test_accept_if_greater_accepts_as_often_as_two_minibatches_differ(null_searches):
    law = binom.pmf(np.arange(4), 3, 0.5)
    greater = sum(law[a] * law[b] for a in range(3) for b in range(4) if b > a)
    # Renewal theory: calls an iteration takes on average, of which the last may be partly spent.
    calls = 3 + 3 * (1 - law[3]) + 20 * greater
    bounds = (BUDGET - 20) * greater / calls, (BUDGET - 20 + 25) * greater / calls
    error = null_searches.accepted.std() / math.sqrt(RUNS)
    middle, half = sum(bounds) / 2, (bounds[1] - bounds[0]) / 2
    assert_estimate(null_searches.accepted.mean(), middle, error, slack=half)


@pytest.mark.parametrize("world", claimed.WORLDS)
@pytest.mark.parametrize("name", claimed.PROTOCOLS)
def test_only_the_best_validation_score_overstates(name, world):
    (row,) = claimed.claim_rows(name, world, SMALL)
    bias = row["claimed"] - row["truth"]
    error = row["error_sd"] / math.sqrt(row["runs"])
    if name == "greedy":
        assert bias > 0.1
        assert row["coverage_high"] < 0.9
    else:
        assert row["coverage_high"] >= 0.95
    if claimed.PROTOCOLS[name].claim is claimed.fresh:
        assert_estimate(bias, 0.0, error)
        assert row["calls"] <= BUDGET


@pytest.mark.parametrize("noise", error_rates.NOISES)
def test_noise_has_the_deviation_that_it_reports(noise):
    rng = np.random.default_rng(1)
    gain, stderr = error_rates.NOISES[noise](rng, np.zeros(100_000))
    variance = gain.var()
    assert abs(gain.mean()) < 4 / math.sqrt(gain.size)
    assert abs(variance - 1) < 4 * math.sqrt(2 / gain.size)
    # The smoothed binomial error is not exactly unbiased.
    assert abs((stderr**2).mean() - variance) < 0.03


@pytest.mark.parametrize(
    "name",
    [name for name, c in error_rates.CONTENDERS.items() if name not in error_rates.FOR_FOLDS],
)
def test_documented_rates_hold_for_known_noise(name):
    level = 1 - 1e-4
    for row in error_rates.rate_rows(name, "known", SMALL):
        wrong = round(row["rate"] * row["candidates"])
        low, high = clopper_pearson(wrong, row["candidates"], level)
        if name.startswith("sequential"):
            assert not low > row["nominal"]  # bounds, and NaN where nothing is promised
        elif name == "bayes_learned" or math.isnan(row["nominal"]):
            assert 0.0 < row["rate"] < 1.0
        else:
            assert low <= row["nominal"] <= high
        assert 1.0 <= row["measurements"] <= error_rates.CONTENDERS[name].gate().replicates


def test_the_study_end_to_end_at_small_size(tmp_path):
    study = studies.load("gates")
    table = execute(study, SMALL, tmp_path)
    assert len(table) == 4 * len(study.cells(SMALL)) - 3 * len(table.query("kind == 'claim'"))
    assert set(table.kind) == {"rate", "claim"}
    rates = table.query("kind == 'rate'")
    assert rates.rate.between(rates.low, rates.high).all()
    assert (tmp_path / "figure.svg").read_text().startswith("<?xml")
