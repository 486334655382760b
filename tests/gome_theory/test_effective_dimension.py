"""Ill-conditioned quadratics."""

import numpy as np
import pytest

import gome_theory as gt
from tests.statistical import assert_mean


@pytest.fixture
def problem():
    """120 eigenvalues with condition number 10, and a gradient along all of them."""
    eigenvalues = np.geomspace(0.1, 1.0, 120)
    gradient = np.random.default_rng(3).standard_normal(120) * eigenvalues
    return eigenvalues, gradient, gt.curvature_of(eigenvalues, gradient)


def gains(eigenvalues, gradient, rho, tau, trials, seed):
    rng = np.random.default_rng(seed)
    norm = np.linalg.norm(gradient)
    w = rng.standard_normal((trials, eigenvalues.size))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    u = -rho * gradient / norm + np.sqrt(1 - rho**2) * w
    return -tau * u @ gradient - tau**2 / 2 * (u**2 @ eigenvalues)


def test_directed_gain_is_exact(problem):
    eigenvalues, gradient, curvature = problem
    rho, trials = 0.25, 40_000
    mean = curvature.trace / curvature.dim
    tau = rho * curvature.gradient_norm / (rho**2 * curvature.along_gradient + (1 - rho**2) * mean)
    gain = gains(eigenvalues, gradient, rho, tau, trials, 0)
    assert_mean(gain, gt.anisotropic_ungated_gain(rho, curvature))


@pytest.mark.parametrize("r", [0.0, 0.8])
def test_gated_gain(problem, r):
    """The scaled law against brute force; its own error at this d is that of the sphere's law."""
    eigenvalues, gradient, curvature = problem
    trials, dim = 40_000, curvature.dim
    alpha = gt.optimal_alpha(r)
    tau = alpha * curvature.gradient_norm * np.sqrt(dim) / curvature.trace
    kept = np.maximum(gains(eigenvalues, gradient, r / np.sqrt(dim), tau, trials, 1), 0.0)
    law = gt.anisotropic_gated_gain(r / np.sqrt(dim), curvature)
    few = curvature.participation  # the directions that count
    limit = abs(few * gt.optimal_gated_gain(r / np.sqrt(few), few).rate / gt.psi_g(r) - 1)
    assert_mean(kept, law, slack=2 * limit * law)


def test_the_sphere_is_the_isotropic_case():
    sphere = gt.curvature_of(np.full(64, 2.0), np.ones(64))
    f = sphere.gradient_norm**2 / (2 * 2.0)
    assert gt.effective_dimension(sphere) == pytest.approx(64)
    assert gt.anisotropic_ungated_gain(0.3, sphere) == pytest.approx(0.09 * f)
    assert gt.anisotropic_gated_gain(0.0, sphere) == pytest.approx(gt.psi_g(0.0) / 64 * f)


def test_no_step_against_the_gradient():
    sphere = gt.curvature_of(np.ones(64), np.ones(64))
    assert gt.anisotropic_ungated_gain(-0.3, sphere) == 0.0


def test_few_curved_directions_warn():
    spiked = gt.curvature_of([1.0] + [1e-3] * 50, np.ones(51))
    with pytest.warns(gt.RegimeWarning, match="participation"):
        gt.anisotropic_gated_gain(0.0, spiked)
    with pytest.raises(ValueError, match="`eigenvalues`"):
        gt.curvature_of([1.0, 0.0], [1.0, 1.0])
