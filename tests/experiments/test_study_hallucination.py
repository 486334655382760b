"""The study of hallucinations: its quick version agrees with the laws, and its claim can fail."""

import numpy as np
import pytest

from experiments import studies
from experiments.study import execute
from tests.statistical import assert_estimate, assert_exceeds

STUDY = studies.load("hallucination")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hallucination")
    table = execute(STUDY, STUDY.quick, folder)
    assert (folder / "figure.png").stat().st_size > 10_000
    return table


def test_rates_costs_and_crossovers_are_those_of_theory(table):
    """Every law here is exact at this dimension."""
    assert_estimate(table.value, table.predicted, table.stderr)
    assert set(table.kind) == {"progress", "cost", "crossover"}


def test_a_gate_turns_a_quadratic_penalty_into_a_linear_one(table):
    strong = table[(table.kind == "progress") & (table.r == 4.0) & (table.share == 0.5)]
    sound = table[(table.kind == "progress") & (table.r == 4.0) & (table.share == 0.0)]
    left = strong.set_index("gate").value / sound.set_index("gate").value
    error = (strong.stderr / strong.value).max() * left
    law = left.index.map({"gated": 0.5, "ungated": 0.25}).to_numpy()
    assert_estimate(left, law, error)


def test_malformed_replies_cost_less_than_hallucinated_ones_until_most_are_bad(table):
    costs = table[(table.kind == "cost") & (table.r == 1.0)]

    def per_cost(gate, column, share):
        other = {"share": "malformed", "malformed": "share"}[column]
        rows = costs[(costs.gate == gate) & (costs[column] == share) & (costs[other] == 0.0)]
        return rows.iloc[0]

    malformed, hallucinated = (per_cost("ungated", c, 0.5) for c in ("malformed", "share"))
    assert_exceeds(malformed.value, hallucinated.value, _error(malformed, hallucinated))
    malformed, hallucinated = (per_cost("gated", c, 0.8) for c in ("malformed", "share"))
    assert_exceeds(hallucinated.value, malformed.value, _error(malformed, hallucinated))


def _error(one, other):
    return np.hypot(one.stderr, other.stderr)
