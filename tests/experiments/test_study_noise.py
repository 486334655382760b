"""The study of noise: its quick version agrees with the laws, and its claim can fail."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import studies
from experiments.studies import stalling
from experiments.study import execute

STUDY = studies.load("noise")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    config = replace(STUDY.quick, runs=24, stalls=("naive",))
    folder = tmp_path_factory.mktemp("noise")
    table = execute(STUDY, config, folder)
    assert (folder / "figure.png").stat().st_size > 10_000
    return table


def test_rates_and_crossovers_are_those_of_theory(table):
    """Laws are for large d: at d = 1000 they are 0.5 per cent off, less than one standard error."""
    seen = table[table.kind != "stall"]
    assert (abs(seen.value - seen.predicted) <= 4 * seen.stderr + 0.005 * seen.predicted).all()


def test_a_naive_gate_stalls_where_a_bayes_gate_does_not(table):
    loud = table[(table.kind == "rate") & (table.noise == 4.0)].set_index("strategy")
    assert loud.value["naive"] == 0.0
    assert loud.value["naive_fixed"] < -4 * loud.stderr["naive_fixed"]
    assert loud.value["bayes"] > 4 * loud.stderr["bayes"]


def test_noise_moves_the_crossover_left(table):
    seen = table[table.strategy == "ungated vs bayes"].sort_values("noise")
    falls = -np.diff(seen.value)
    error = np.hypot(seen.stderr.to_numpy()[1:], seen.stderr.to_numpy()[:-1])
    assert (falls > 3 * error).all()


def test_runs_end_where_the_scaled_noise_of_a_gain_is_four(table):
    """Within a fifth above: the last stretch takes forever, and none of it is below."""
    end = table[table.kind == "stall"].sort_values("evaluations").iloc[-1]
    assert -3 * end.stderr < end.value < np.log(1.2)
    config = STUDY.quick
    stalled = np.sqrt(2) * stalling.sigma_of(config) * config.stall_dim / config.stall_at
    assert stalled == pytest.approx(4.0)
