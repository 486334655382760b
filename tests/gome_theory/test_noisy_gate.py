"""Noisy gates: the law, the naive gate's stall, and the tail of the Bayes gate."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.integrate import quad
from scipy.special import ndtr

import gome_theory as gt
from tests.statistical import assert_exceeds, assert_mean


@pytest.mark.parametrize(
    ("r", "alpha", "varsigma", "threshold"),
    [(0.0, 0.8, 4.0, 0.0), (0.5, 1.4, 2.0, 0.4), (1.0, 1.7, 4.0, -0.9), (-0.5, 1.0, 0.0, 0.2)],
)
def test_noisy_gate_is_its_integral(r, alpha, varsigma, threshold):
    def passes(gain):
        if varsigma == 0.0:
            return float(gain > threshold)
        return ndtr((gain - threshold) / varsigma)

    def moment(power):
        def integrand(z):
            gain = 2 * alpha * (r + z) - alpha**2
            return gain**power * passes(gain) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

        kink = (threshold + alpha**2) / (2 * alpha) - r
        return quad(integrand, -12, 12, points=[kink], epsabs=1e-12, limit=200)[0]

    gate = gt.noisy_gate(r, alpha, varsigma, threshold)
    assert gate.progress == pytest.approx(moment(1), abs=1e-9)
    assert gate.acceptance == pytest.approx(moment(0), abs=1e-9)


def test_winners_curse_of_an_accepted_step():
    r, alpha, varsigma, threshold = 0.3, 1.2, 2.0, 0.5
    rng = np.random.default_rng(0)
    gain = 2 * alpha * (r + rng.standard_normal(400_000)) - alpha**2
    score = gain + varsigma * rng.standard_normal(gain.size)
    flattered = (score - gain)[score > threshold]
    expected = gt.noisy_gate(r, alpha, varsigma, threshold).inflation
    assert_mean(flattered, expected)


def test_published_rows():
    naive = gt.noisy_gate(0.0, 0.8, [1.0, 2.0, 4.0]).progress
    np.testing.assert_allclose(naive, [0.276, 0.1296, -0.04775], atol=5e-5)
    best = gt.naive_gate(0.0, [3.5, 3.8]).progress
    np.testing.assert_allclose(best, [0.0153, 0.00019], atol=5e-5)
    for r, varsigma, accepted, inflation in [
        (0.0, 1.0, 0.2312, 0.4481),
        (0.0, 2.0, 0.1715, 1.565),
        (0.5, 2.0, 0.3538, 1.094),
        (1.0, 4.0, 0.6167, 1.921),
        (2.0, 4.0, 0.8801, 0.6044),
    ]:
        bayes = gt.bayes_gate(r, varsigma)
        gate = gt.noisy_gate(r, bayes.alpha, varsigma, bayes.threshold)
        assert gate.progress == pytest.approx(bayes.progress, rel=1e-12)
        assert gate.acceptance == pytest.approx(accepted, abs=6e-4)
        assert gate.inflation == pytest.approx(inflation, abs=2e-3)


@settings(deadline=None)
@given(st.floats(-3.0, 0.0), st.floats(4.0, 12.0), st.floats(-3.0, 1.5))
def test_naive_gate_stalls_from_four_on_at_every_step(r, varsigma, log_alpha):
    # Exactly 0 where phi and Phi underflow.
    assert gt.noisy_gate(r, 10.0**log_alpha, varsigma).progress <= 0.0
    assert not gt.naive_gate_can_progress(r, varsigma)


@pytest.mark.parametrize(("r", "varsigma"), [(0.0, 3.9), (-0.5, 3.5), (-1.0, 3.0), (0.2, 9.0)])
def test_naive_gate_progresses_below_four_or_with_aligned_proposals(r, varsigma):
    assert gt.naive_gate_can_progress(r, varsigma)
    best = gt.naive_gate(r, varsigma)
    assert best.progress > 0.0
    assert gt.noisy_gate(r, best.alpha, varsigma).progress == pytest.approx(best.progress)


@settings(deadline=None)
@given(st.floats(-2.0, -0.01), st.floats(0.2, 8.0), st.floats(0.1, 3.99))
def test_progress_of_a_losing_proposal_needs_little_noise(r, alpha, varsigma):
    if gt.noisy_gate(r, alpha, varsigma).progress > 0.0:
        assert varsigma < 4 * alpha / (alpha - 2 * r)


def test_small_steps_stall_earlier():
    for varsigma, sign in [
        (gt.SMALL_STEP_STALL_NOISE - 0.02, 1),
        (gt.SMALL_STEP_STALL_NOISE + 0.02, -1),
    ]:
        assert np.sign(gt.noisy_gate(0.0, 1e-3, varsigma).progress) == sign


def test_naive_gate_limits_and_bounds():
    noise = np.array([0.0, 1.0, 2.0, 3.0])
    np.testing.assert_allclose(gt.naive_gate([0.0, 1.0], 0.0).progress, gt.psi_g([0.0, 1.0]))
    assert np.all(gt.naive_gate(0.0, noise).progress <= gt.bayes_gated_psi(0.0, noise) + 1e-12)
    stalled = gt.naive_gate(0.0, 5.0)
    assert (stalled.progress, stalled.alpha, stalled.acceptance) == (0.0, 0.0, 0.0)


def test_naive_search_on_the_sphere_stops_near_f_stall():
    """Above f_stall steps gain, below they lose, in d dimensions with a fixed step of alpha = 2."""
    dim, sigma, trials = 200, 1e-3, 100_000
    rng = np.random.default_rng(1)
    stall = gt.stall_suboptimality(sigma, dim)
    assert stall == pytest.approx(0.05)
    w = rng.standard_normal((trials, 2))
    w = w[:, 0] / np.sqrt(w[:, 0] ** 2 + rng.chisquare(dim - 1, trials))

    def gain(f, alpha=2.0):
        a = alpha / np.sqrt(dim)
        true = f * (2 * a * w - a**2)
        kept = np.where(true + sigma * rng.standard_normal(trials) > 0, true, 0.0)
        return kept.mean(), kept.std() / np.sqrt(trials)

    mean, error = gain(0.7 * stall)
    assert_exceeds(-mean, 0.0, error)
    mean, error = gain(2.0 * stall)
    assert_exceeds(mean, 0.0, error)


def test_bayes_gate_tail_is_approached():
    noise = np.array([15.0, 20.0, 40.0, 80.0])
    ratio = gt.bayes_gate_tail(noise) / gt.bayes_gated_psi(0.0, noise)
    assert np.all(np.diff(np.abs(ratio - 1)) < 0)
    assert ratio[-1] == pytest.approx(1.0, abs=100 / noise[-1] ** 2)


def test_impossible_noise_is_refused():
    with pytest.raises(ValueError, match="`varsigma` is -1"):
        gt.noisy_gate(0.0, 1.0, -1.0)
