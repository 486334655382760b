"""The gap study: its simulated leads are the predicted ones, and its claims can fail."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from experiments.studies.gap import STUDY
from tests.statistical import assert_estimate

CONFIG = dataclasses.replace(STUDY.quick, scaled_alignments=(0.0, 1.0, 2.0), couplings=(0.0, 0.8))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("scratch")
    rows = [STUDY.run_cell(CONFIG, cell, scratch) for cell in STUDY.cells(CONFIG)]
    return pd.DataFrame(itertools.chain.from_iterable(rows))


def test_simulated_leads_are_the_predicted_ones(table):
    assert_estimate(table.value, table.predicted, table.stderr, draws=CONFIG.runs)
    assert (table.stderr < 0.1).all()


def test_the_gap_widens_and_a_well_coupled_search_closes_it(table):
    free = table[table.coupling == 0.0].value.to_numpy()
    coupled = table[table.coupling == 0.8].value.to_numpy()
    assert np.diff(free, 2)[0] > 0
    assert free[0] < 0 < free[-1]
    assert (np.diff(coupled) < 0).all()


def test_figure_is_drawn_and_says_that_it_is_the_quick_one(table):
    figure = STUDY.figure(table, CONFIG)
    assert len(figure.axes) == 2
    assert [text.get_text() for text in figure.texts] == ["quick version"]
