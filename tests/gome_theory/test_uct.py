"""The gap law and the pull bound, against brute force."""

import numpy as np
import pytest
from scipy.integrate import quad

import gome_theory as gt
from tests.statistical import assert_mean


@pytest.mark.parametrize(
    ("r", "alpha", "gap"), [(0.0, 1.2, 2.0), (0.8, 1.6, 0.5), (-0.4, 0.7, 6.0)]
)
def test_gap_law_is_its_integral(r, alpha, gap):
    def improvement(z):
        gain = 2 * alpha * (r + z) - alpha**2 - gap
        return max(gain, 0.0) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    start = (gap + alpha**2) / (2 * alpha) - r
    exact = quad(improvement, start, start + 12, epsabs=1e-13)[0]
    assert gt.gap_psi(r, alpha, gap) == pytest.approx(exact, abs=1e-10)


def test_no_gap_is_the_plain_law():
    assert gt.gap_psi(0.7, 1.3, 0.0) == pytest.approx(gt.psi(0.7, 1.3))
    assert gt.gap_gain(0.1, 0.2, 40, 0.0) == pytest.approx(gt.gated_gain(0.1, 0.2, 40))
    r = np.array([0.0, 0.8])
    greedy = gt.tree_progress(r, [0.0])
    np.testing.assert_allclose(greedy.progress, gt.psi_g(r), rtol=1e-9)
    np.testing.assert_allclose(greedy.efficiency, 1.0, rtol=1e-9)


def test_exact_gap_law_tends_to_the_scaled_one():
    r, alpha, delta = 0.5, 1.2, 3.0
    errors = []
    for dim in (100.0, 1e3, 1e4):
        share = delta / dim / (1 + delta / dim)  # of the node's own f
        step = alpha / np.sqrt(dim)
        exact = dim * gt.gap_gain(r / np.sqrt(dim), step, dim, share)
        errors.append(abs(exact - gt.gap_psi(r, alpha, delta)))
    assert np.all(np.diff(errors) < 0)
    assert errors[-1] < 1e-3


def test_tree_that_expands_anything_obeys_the_exact_gap_law():
    """A tree in d dimensions that picks among its five best nodes at random; gaps are observed."""
    runs, dim, expansions, step, rho = 300, 40, 60, 0.2, 0.05
    rng = np.random.default_rng(0)
    nodes = np.zeros((runs, expansions + 1, dim))
    nodes[:, 0, 0] = 1.0
    value = np.full((runs, expansions + 1), np.inf)
    value[:, 0] = 1.0
    every, excess = np.arange(runs), []
    for t in range(expansions):
        rank = np.argsort(value, axis=1)[every, rng.integers(0, min(5, t + 1), runs)]
        parent, f = nodes[every, rank], value[every, rank]
        noise = rng.standard_normal((runs, dim))
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        distance = np.sqrt(f)[:, None]
        move = -rho * parent / distance + np.sqrt(1 - rho**2) * noise
        nodes[:, t + 1] = parent + step * distance * move
        best = value.min(1)
        value[:, t + 1] = (nodes[:, t + 1] ** 2).sum(1)
        improvement = np.maximum(best - value[:, t + 1], 0.0) / f
        excess.append(improvement - gt.gap_gain(rho, step, dim, (f - best) / f))
    # A martingale difference sequence: its terms are uncorrelated, so the plain error holds.
    excess = np.concatenate(excess)
    assert_mean(excess, 0.0)
    assert excess.std() > 0


def test_visits_enter_as_weights():
    gaps = np.array([0.0, 1.0, 7.0])
    shares = np.array([2.0, 1.0, 1.0])
    law = gt.tree_progress(0.3, gaps, shares, alpha=1.4)
    by_hand = (shares / 4 * gt.gap_psi(0.3, 1.4, gaps)).sum()
    assert law.progress == pytest.approx(by_hand)
    assert law.efficiency == pytest.approx(by_hand / gt.psi_g(0.3))
    best = gt.tree_progress(0.3, gaps, shares)
    tried = [
        gt.tree_progress(0.3, gaps, shares, alpha=a).progress for a in np.linspace(0.1, 6, 600)
    ]
    assert best.progress == pytest.approx(max(tried), rel=1e-4)
    assert law.progress <= best.progress <= gt.psi_g(0.3)


@pytest.mark.parametrize(("noise", "bernoulli"), [(0.5, True), (1.0, False)])
def test_ucb1_stays_below_its_bound(noise, bernoulli):
    runs, horizon, means = 200, 1500, np.array([0.9, 0.5, 0.2])
    rng = np.random.default_rng(0)
    pulls, total = np.zeros((runs, 3)), np.zeros((runs, 3))
    every = np.arange(runs)
    for t in range(horizon):
        if t < 3:
            arm = np.full(runs, t)
        else:
            arm = np.argmax(total / pulls + np.sqrt(8 * noise**2 * np.log(t) / pulls), axis=1)
        mean = means[arm]
        draw = rng.random(runs) < mean if bernoulli else mean + noise * rng.standard_normal(runs)
        pulls[every, arm] += 1
        total[every, arm] += draw
    bound = gt.ucb1_pull_bound(means[0] - means[1:], horizon, noise)
    measured = pulls.mean(0)[1:]
    assert np.all(measured < bound)
    assert np.all(measured > bound / 40)  # a bound of the right order, not an empty one


def test_the_textbook_form():
    expected = 8 * np.log(1000) / 0.25 + 1 + np.pi**2 / 3
    assert gt.ucb1_pull_bound(0.5, 1000) == pytest.approx(expected)
    with pytest.raises(ValueError, match="`gap` is 0"):
        gt.ucb1_pull_bound(0.0, 1000)
    with pytest.raises(ValueError, match="`gap` is -1"):
        gt.gap_psi(0.0, 1.0, -1.0)
