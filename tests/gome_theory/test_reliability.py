"""The definition of an unreliable reasoner."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, strategies as st

from gome_theory import Reliability, mean_alignment, scaled, scaled_noise, unscaled, validate
from tests.statistical import assert_estimate

unit = st.floats(-1.0, 1.0)
share = st.floats(0.0, 1.0)


@given(unit, share, unit)
def test_mean_alignment_lies_between_its_two_kinds(rho, h, rho_h):
    mean = mean_alignment(Reliability(rho, h, rho_h))
    assert min(rho, rho_h) - 1e-12 <= mean <= max(rho, rho_h) + 1e-12


@given(unit, st.floats(2.0, 1e6))
def test_scaling_round_trips(rho, dim):
    assert unscaled(scaled(rho, dim), dim) == pytest.approx(rho, abs=1e-12)


def test_noise_of_a_gain_counts_both_scores():
    rng = np.random.default_rng(0)
    sigma, dim, runs = 0.01, 40, 100_000
    differences = dim * sigma * (rng.standard_normal(runs) - rng.standard_normal(runs))
    error = scaled_noise(sigma, dim) / np.sqrt(2 * runs)
    assert_estimate(differences.std(), scaled_noise(sigma, dim), error)
    assert scaled_noise(sigma, dim, noisy_scores=1) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("alignment", 1.5),
        ("hallucination", -0.1),
        ("hallucination_alignment", -2.0),
        ("score_noise", -1e-3),
        ("alignment", float("nan")),
        ("hallucination", np.array([0.1, 1.2])),
        ("alignment", None),
    ],
)
def test_validate_names_the_field(field, value):
    with pytest.raises(ValueError, match=f"`{field}`"):
        validate(Reliability(alignment=0.1)._replace(**{field: value}))


def test_validate_accepts_arrays_and_returns_the_record():
    record = Reliability(np.linspace(-1, 1, 5), 0.5, -1.0, 3.0)
    assert validate(record) is record


def test_import_is_light():
    code = (
        "import sys, gome_theory;"
        "print([m for m in ('jax', 'pydantic', 'scipy.stats', 'scipy.optimize', 'matplotlib')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
