"""The ablation study at small size: where the published order holds and where it does not."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import studies
from experiments.studies.ablation import CLEAR, inequalities, setting_rows
from experiments.studies.parts import chance_of_order, persistence_for_order
from experiments.study import execute
from tests.statistical import assert_estimate

PLAIN = (0.0, 0.0)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    study = studies.load("ablation")
    out = tmp_path_factory.mktemp("ablation")
    table = execute(study, replace(study.quick, scaled_alignments=(1.0,), weights=(1.0,)), out)
    assert (out / "figure.png").stat().st_size > 10_000
    return table


def test_the_published_order_needs_persistent_truths_and_free_parallel_traces(table):
    lasting = inequalities(setting_rows(table, PLAIN, "wall-clock", 0.95, 1.0))
    assert min(lasting.values()) > CLEAR
    turning = inequalities(setting_rows(table, PLAIN, "wall-clock", 0.5, 1.0))
    assert turning["b"] < -CLEAR
    shared = inequalities(setting_rows(table, PLAIN, "shared budget", 0.95, 1.0))
    assert shared["a"] < -CLEAR


def test_without_memory_the_law_holds_within_its_own_accuracy(table):
    """Consensus and psi_g are limits for large d: 10 per cent at d = 32, beside chance."""
    rows = table[table.variant == "no memory"]
    assert len(rows) == 4
    reported = 2 * studies.load("ablation").quick.runs // 3  # the other third chose the step size
    slack = 0.1 * rows.predicted
    assert_estimate(rows.value, rows.predicted, rows.stderr, draws=reported, slack=slack)


def test_memory_and_traces_are_level_where_their_odds_are():
    gamma = persistence_for_order(4)
    assert 1 / (1 - gamma**2) == pytest.approx(4)
    assert persistence_for_order(4, bias_share=0.5) == gamma  # without a bias in common


def test_small_samples_of_tasks_rarely_show_a_true_order():
    rates = np.array([0.351, 0.324, 0.289, 0.258, 0.240])
    few, many = (chance_of_order(rates, tasks, 4000, seed=0) for tasks in (75, 20_000))
    assert few < 0.3
    assert many > 0.95
