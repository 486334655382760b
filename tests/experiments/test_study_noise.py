"""The study of noise: its quick version agrees with the laws, and its claim can fail."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import studies
from experiments.studies import stalling
from experiments.study import execute
from tests.statistical import assert_estimate, assert_exceeds, assert_not_below

STUDY = studies.load("noise")
RUNS = 24


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    config = replace(STUDY.quick, runs=RUNS, stalls=("naive",))
    folder = tmp_path_factory.mktemp("noise")
    table = execute(STUDY, config, folder)
    assert (folder / "figure.png").stat().st_size > 10_000
    return table


def test_rates_and_crossovers_are_those_of_theory(table):
    """Laws are for large d: at d = 1000 they are 0.5 per cent off, less than one standard error."""
    seen = table[table.kind != "stall"]
    slack = 0.005 * seen.predicted
    assert_estimate(seen.value, seen.predicted, seen.stderr, draws=RUNS, slack=slack)


def test_a_naive_gate_stalls_where_a_bayes_gate_does_not(table):
    loud = table[(table.kind == "rate") & (table.noise == 4.0)].set_index("strategy")
    assert loud.value["naive"] == 0.0
    assert_exceeds(0.0, loud.value["naive_fixed"], loud.stderr["naive_fixed"], draws=RUNS)
    assert_exceeds(loud.value["bayes"], 0.0, loud.stderr["bayes"], draws=RUNS)


def test_noise_moves_the_crossover_left(table):
    seen = table[table.strategy == "ungated vs bayes"].sort_values("noise")
    value, stderr = seen.value.to_numpy(), seen.stderr.to_numpy()
    assert_exceeds(value[:-1], value[1:], np.hypot(stderr[1:], stderr[:-1]), draws=RUNS)


def test_runs_end_where_the_scaled_noise_of_a_gain_is_four(table):
    """Within a fifth above: the last stretch takes forever, and none of it is below."""
    end = table[table.kind == "stall"].sort_values("evaluations").iloc[-1]
    config = STUDY.quick
    assert_not_below(end.value, 0.0, end.stderr, draws=config.stall_runs)
    assert end.value < np.log(1.2)
    stalled = np.sqrt(2) * stalling.sigma_of(config) * config.stall_dim / config.stall_at
    assert stalled == pytest.approx(4.0)
