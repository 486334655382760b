"""Crossovers under score noise."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import gome_theory as gt
from tests.statistical import assert_estimate

SEARCHES = ["bayes", "naive", "stored", "best_of_n"]


def test_rates_per_evaluation():
    noise = np.array([0.5, 1.0, 2.0])
    bayes = gt.noisy_search_rate("bayes", 0.0, noise)
    np.testing.assert_allclose(bayes, gt.bayes_gated_psi(0.0, np.sqrt(2) * noise) / 2)
    stored = gt.noisy_search_rate("stored", 0.0, noise)
    np.testing.assert_allclose(stored, gt.stored_incumbent(0.0, noise).progress)
    assert np.all(stored > bayes)
    assert np.all(gt.noisy_search_rate("naive", 0.0, noise) <= bayes)
    assert gt.noisy_search_rate("best_of_n", 0.0, 2.0, n=9) == pytest.approx(0.163, abs=5e-4)
    cheap = gt.noisy_search_rate("bayes", 0.0, noise, rescoring=0.0)
    np.testing.assert_allclose(cheap, 2 * bayes)


@pytest.mark.parametrize("search", SEARCHES)
def test_noise_moves_the_crossover_left(search):
    """Theorem 5 for directed steps that ignore scores; so later in a run, further left."""
    noise = np.array([0.0, 0.5, 1.0, 2.0])
    answer = gt.ungated_vs_noisy_search(1e4, 2.0, noise, search)
    assert np.all(answer.exists)
    assert np.all(np.diff(answer.alignment) < 0)


def test_quiet_limits():
    quiet = gt.ungated_vs_noisy_search(400, 2.0, 0.0, "stored").alignment
    plain = gt.ungated_vs_hill_climb(400, 2.0, law="scaled").alignment
    assert quiet == pytest.approx(plain, rel=1e-9)
    batch = gt.ungated_vs_noisy_search(400, 2.0, 0.0, "best_of_n", n=5).alignment
    assert batch == pytest.approx(gt.ungated_vs_best_of_n(400, 2.0, 5, law="scaled").alignment)
    gated = gt.bayes_gated_vs_noisy_search(400, 3.0, 0.0, "stored").alignment
    assert gated == pytest.approx(gt.gated_vs_gated(400, 3.0, law="scaled").alignment, rel=1e-6)


@pytest.mark.parametrize("search", SEARCHES)
def test_the_curves_are_level_there(search):
    dim, cost, noise = 1e4, 3.0, 1.5
    level = cost * gt.noisy_search_rate(search, 0.2, noise)
    ungated = gt.ungated_vs_noisy_search(
        dim, cost, noise, search, base_alignment=0.002, hallucination=0.25
    )
    assert dim * (0.75 * ungated.alignment) ** 2 == pytest.approx(level, rel=1e-9)
    gated = gt.bayes_gated_vs_noisy_search(dim, cost, noise, search, base_alignment=0.002)
    r = gated.alignment * np.sqrt(dim)
    assert gt.bayes_gated_psi(r, np.sqrt(2) * noise) == pytest.approx(level, rel=1e-6)


def test_a_stalled_search_is_no_rival():
    answer = gt.ungated_vs_noisy_search(100, 2.0, [1.0, 3.0], "naive")
    assert answer.exists.tolist() == [True, False]
    assert "the search makes no progress" in answer.reason[1]


@settings(deadline=None, max_examples=20)
@given(st.floats(0.05, 0.6), st.floats(1.5, 4.0))
def test_late_in_a_run_the_crossover_moves_left(f, cost):
    """The same absolute noise at a smaller f is a larger relative noise."""
    dim, sigma = 100, 5e-4
    early, late = gt.ungated_vs_noisy_search(
        dim, cost, sigma * dim / f * np.array([1, 2]), "bayes"
    ).alignment
    assert late < early


def test_simulated_sides_are_level():
    """Ungated directed steps against naive re-scored search, each simulated at its best step."""
    dim, cost, varsigma, trials = 400, 2.0, 1.0, 400_000
    rho = gt.ungated_vs_noisy_search(dim, cost, varsigma, "naive").alignment
    rng = np.random.default_rng(0)
    w = rng.standard_normal((2, trials))
    w /= np.sqrt(w**2 + rng.chisquare(dim - 1, w.shape))
    q = np.sqrt(1 - rho**2)
    directed = 2 * rho * rho - rho**2 + 2 * rho * q * (1 - rho**2) * w[0]
    a = gt.naive_gate(0.0, np.sqrt(2) * varsigma).alpha / np.sqrt(dim)
    gain = 2 * a * w[1] - a**2
    scores = varsigma / dim * rng.standard_normal((2, trials))
    search = np.where(gain + scores[0] - scores[1] > 0, gain, 0.0)
    per_cost = directed / cost, search / 2  # a proposal with its score, and a second score
    error = np.sqrt(sum(side.var() for side in per_cost) / trials)
    limit = abs(dim * gt.optimal_gated_gain(0.0, dim).rate / gt.psi_g(0.0) - 1)
    slack = 2 * limit * rho**2 / cost
    assert_estimate(per_cost[0].mean(), per_cost[1].mean(), error, slack=slack)


def test_regime_and_names():
    with pytest.warns(gt.RegimeWarning, match="`dim` = 10"):
        gt.ungated_vs_noisy_search(10, 2.0, 1.0, "bayes")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gt.ungated_vs_noisy_search(100, 2.0, 1.0, "stored")
    with pytest.raises(ValueError, match="`search` is 'greedy'"):
        gt.noisy_search_rate("greedy", 0.0, 1.0)
