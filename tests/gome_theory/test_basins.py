"""Which basin reasoned traces go for."""

import numpy as np
import pytest

import gome_theory as gt
from tests.statistical import assert_mean


def test_published_choices():
    choices = gt.basin_choice(
        [4, 4, 4, 8], [50, 50, 50, 200], [0.3, 0.3, 0.7, 0.5], [0, 0.5, 0.5, 0.8]
    )
    np.testing.assert_allclose(choices, [1.637, 1.491, 2.039, 2.176], atol=5.1e-4)
    with pytest.warns(gt.RegimeWarning, match="`shared_error` = 0.95"):
        assert gt.basin_choice(4, 50, 0.3, 0.95) == pytest.approx(0.8153, abs=5.1e-4)


@pytest.mark.parametrize(("zeta", "kappa"), [(0.3, 0.0), (0.3, 0.5), (0.7, 0.5), (0.5, 0.8)])
def test_choice_of_simulated_traces(zeta, kappa):
    J, K, samples = 50, 4, 10_000
    rng = np.random.default_rng(0)
    value, common = rng.standard_normal((2, samples, J, 1))
    own = rng.standard_normal((samples, J, K))
    error = np.sqrt(kappa) * common + np.sqrt(1 - kappa) * own
    forecast = zeta * value + np.sqrt(1 - zeta**2) * error
    found = np.take_along_axis(value[..., 0], forecast.argmax(1), 1).max(1)
    expected = gt.basin_choice(K, J, zeta, kappa)
    assert_mean(found, expected, slack=0.05 * expected)


def test_limits():
    assert gt.distinct_basins(5, 1e30, 0.0) == pytest.approx(5.0)
    with pytest.warns(gt.RegimeWarning):
        assert gt.distinct_basins(5, 50, 0.2, 1.0) == pytest.approx(1.0)
    assert gt.basin_choice(1, 50, 0.4) == pytest.approx(0.4 * gt.expected_max_normal(50))
    assert gt.basin_choice(5, 50, 1.0) == pytest.approx(gt.expected_max_normal(50))
    falling = gt.basin_choice(4, 50, 0.3, np.linspace(0, 0.8, 20))
    assert np.all(np.diff(falling) < 0)
    with pytest.raises(ValueError, match="`foresight` is 2"):
        gt.basin_choice(4, 50, 2)


def test_no_choice_is_worth_more_than_trying_every_basin():
    zeta = np.linspace(0.0, 1.0, 41)
    best = gt.expected_max_normal(200)
    choice = gt.basin_choice(16, 200, zeta)
    assert np.all(choice <= best)
    assert np.sum(choice == best) > 5  # the formula alone would exceed it by 15 per cent
    with pytest.warns(gt.RegimeWarning, match="ten times as many"):
        gt.basin_choice(10, 10, 0.5)
