"""The study that tests the theory: that it passes, and above all that it can fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

import gome_theory
from experiments import studies
from experiments.cli import app
from experiments.spec import SpecError
from experiments.studies import verify_theory
from experiments.studies.verification import checks_of
from experiments.studies.verification.check import (
    Check,
    Estimate,
    Simulation,
    exact_quantile,
    false_alarm_rate,
    mean_of,
    of_estimates,
    of_means,
    rows,
    scaled_tolerance,
    size_of,
)
from experiments.study import execute

QUANTILE = 4.0


def test_the_quick_study_passes(tmp_path):
    study = studies.load("verify_theory")
    table = execute(study, study.quick, tmp_path)
    assert study.verdict is not None
    assert study.verdict(table, study.quick) is None
    assert len(table) == len(verify_theory.checks(study.quick))
    assert table.simulated.notna().all()
    assert (table.stderr > 0).all()
    exact = table.query("kind == 'E'")
    assert not exact.out.any()
    # The z-scores are those of standard normals: neither too large nor suspiciously small. They
    # are correlated where rows share samples, so that only gross misfits are errors.
    assert 0.6 < exact.first_z.std() < 1.4
    assert (tmp_path / "figure.svg").read_text().startswith("<?xml")


def test_the_document_is_covered():
    """Every family of the theory's table of predictions, and at least as many rows."""
    checks = verify_theory.checks(verify_theory.STUDY.full)
    assert len(checks) >= 241
    wanted = {f"c{number:02}" for number in range(1, 27)} - {"c19", "c25"}
    assert wanted <= {check.id for check in checks}
    told = [(c.id, c.kind, c.quantity, c.parameters) for c in checks]
    assert len(set(told)) == len(told)
    for check in checks:
        assert hasattr(gome_theory, check.law), check.law
        assert (check.kind != "A") or (0.0 < check.tolerance <= 0.25 and check.because)


@pytest.mark.parametrize(
    ("family", "law", "wrong"),
    [
        ("search", "expected_max_projection", lambda n, dim, *_: 1.03 * _EXPECTED(n, dim)),
        ("bits", "flip_rate", lambda *a, **k: 0.95 * _FLIPS(*a, **k)),
    ],
)
def test_a_wrong_law_fails_the_study(family, law, wrong, monkeypatch, tmp_path):
    """Laws off by 3 and 5 per cent, at a tenth of the full study's size."""
    config = verify_theory.Config(size=0.1, families=(family,))
    monkeypatch.setattr(gome_theory, law, wrong)
    checks_of.cache_clear()
    try:
        table = execute(verify_theory.STUDY, config, tmp_path)
        message = verify_theory.verdict(table, config)
    finally:
        checks_of.cache_clear()
    assert message is not None
    assert law in message
    assert set(table.law[table.out & (table.kind == "E")]) == {law}
    assert (table.runs[table.out & (table.kind == "E")] == 2).all()


_EXPECTED, _FLIPS = gome_theory.expected_max_projection, gome_theory.flip_rate


def test_the_command_fails_with_the_study(monkeypatch, tmp_path):
    command = ["study", "verify_theory", "--set", "families=('bits',)", "--set", "size=0.02"]
    assert CliRunner().invoke(app, [*command, "--out", str(tmp_path / "right")]).exit_code == 0
    monkeypatch.setattr(gome_theory, "expected_runtime", lambda *_: 1.0)
    checks_of.cache_clear()
    try:
        answer = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "wrong")])
    finally:
        checks_of.cache_clear()
    assert answer.exit_code == 1
    assert "n02" in answer.stdout
    with pytest.raises(SpecError, match="Did you mean `bits`"):
        verify_theory.cells(verify_theory.Config(families=("bit",)))


def a_check(kind, predicted, draw, **more) -> Check:
    simulation = Simulation(f"toy {predicted}", lambda rng, size: {"x": mean_of(draw(rng))})
    return Check("t", kind, "x", "", "psi", lambda _: predicted, simulation, "x", **more)


def judged(check: Check) -> dict:
    (row,) = rows([check], size=1.0, seed=0, quantile=QUANTILE)
    return row


def test_exact_rows_are_run_again_before_they_are_out():
    right = judged(a_check("E", 1.0, lambda rng: 1.0 + rng.standard_normal(1000)))
    assert (right["runs"], right["out"]) == (1, False)
    wrong = judged(a_check("E", 0.5, lambda rng: 1.0 + rng.standard_normal(1000)))
    assert (wrong["runs"], wrong["out"]) == (2, True)
    assert wrong["stderr"] == pytest.approx(1 / 100, rel=0.1)  # ten runs of a thousand

    unlucky = iter([5.0] + 10 * [0.0])  # only the first of the eleven runs is off
    row = judged(a_check("E", 1.0, lambda rng: 1.0 + next(unlucky) + rng.standard_normal(1000)))
    assert (row["runs"], row["out"]) == (2, False)
    assert abs(row["first_z"]) > QUANTILE > abs(row["z"])


def test_other_kinds_are_judged_by_what_they_claim():
    draw = lambda rng: 1.0 + 0.01 * rng.standard_normal(1000)  # noqa: E731
    near, far = (judged(a_check("A", p, draw, tolerance=0.05, because="x")) for p in (0.97, 0.9))
    assert (near["out"], far["out"]) == (False, True)
    cancelled = a_check("A", 0.9, draw, tolerance=0.05, because="x", scale=lambda: 4.0)
    assert not judged(cancelled)["out"]
    assert not judged(a_check("B", 2.0, draw))["out"]
    assert judged(a_check("B", 0.9, draw))["out"]
    for kind in ("M", "X"):
        assert not judged(a_check(kind, 7.0, draw))["out"]


def test_the_rule_s_error_rate():
    """Chance that any exact row is out: both stages beyond the Bonferroni quantile."""
    level, count = 0.01, 144
    tail = 2 * stats.norm.sf(exact_quantile(count, level))
    assert count * tail == pytest.approx(level)
    assert false_alarm_rate(count, level) == pytest.approx(count * tail**2)
    assert false_alarm_rate(count, level) < 1e-6


def test_errors_of_functions_of_means():
    """Against the spread of the estimates over many repetitions."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 500)) + 3.0
    y = x + rng.standard_normal((400, 500))
    ratios = [of_means(lambda a, b: a / b**2, *pair) for pair in zip(x, y, strict=True)]
    spread = np.std([ratio.mean for ratio in ratios])
    # The spread of 400 numbers is known to one part in sqrt(800).
    assert np.mean([r.stderr for r in ratios]) == pytest.approx(spread, rel=4 / np.sqrt(800))
    product = of_estimates(lambda a, b: a * b, Estimate(2.0, 0.1), Estimate(3.0, 0.2))
    assert product == pytest.approx((6.0, np.hypot(0.3, 0.4)))


def test_seeds_belong_to_simulations(tmp_path):
    """The same row gives the same numbers, whatever else runs and in whatever order."""
    checks = list(checks_of("nk", ()))
    some = rows(checks[6:8], size=0.01, seed=0, quantile=QUANTILE)
    backwards = rows(checks[::-1], size=0.01, seed=0, quantile=QUANTILE)
    assert some == backwards[::-1][6:8]
    assert rows(checks[6:8], size=0.01, seed=1, quantile=QUANTILE) != some


def test_tolerances_and_sizes():
    assert scaled_tolerance(400) == pytest.approx(0.01)
    assert scaled_tolerance(10) == 0.18
    assert size_of(1000, 0.5) == 500
    assert size_of(1000, 0.001) == 100


def test_a_smaller_study_has_its_own_cells():
    config = replace(verify_theory.STUDY.full, dims=(10, 30))
    cells = verify_theory.cells(config)
    assert {"family": "runs", "dim": 30} in cells
    assert len(cells) == len(verify_theory.cells(verify_theory.STUDY.full)) - 1
