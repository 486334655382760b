"""Rollouts on prepared data where the benchmark is not installed."""

from __future__ import annotations

import pytest

from gome_agent.tasks.mlebench.base import BenchmarkError, Rollout
from gome_agent.tasks.mlebench.data_only import NOT_CHECKED, SAMPLES, DataOnly
from tests.gome_agent.mlebench import minibench


@pytest.fixture
def rollout(tmp_path):
    minibench.fill(tmp_path, "coins")
    return DataOnly(tmp_path)


def test_it_finds_what_the_benchmark_would(rollout: Rollout, mini, tmp_path):
    found = rollout.info("coins")
    with mini.rollout() as real:
        expected = real.info("coins")
    assert found.sample is not None
    assert found.sample.relative_to(tmp_path) == expected.sample.relative_to(mini.data_dir)
    assert [path.relative_to(tmp_path) for path in found.sealed] == [
        path.relative_to(mini.data_dir) for path in expected.sealed
    ]
    assert (found.teams, found.lower_is_better) == (0, None)


def test_samples_of_other_names_and_none_at_all(tmp_path):
    name, sample = next(iter(SAMPLES.items()))
    (tmp_path / "coins").mkdir()
    minibench.fill(tmp_path / "other", "coins")
    (tmp_path / "other" / "coins").rename(tmp_path / name)
    assert DataOnly(tmp_path).info(name).sample is None
    public = tmp_path / name / "prepared" / "public"
    (public / sample).touch()
    assert DataOnly(tmp_path).info(name).sample == public / sample


def test_splits_are_those_that_are_shipped(rollout):
    assert len(rollout.competitions("lite")) == 22
    assert len(rollout.competitions()) == 82
    assert set(SAMPLES) < set(rollout.competitions("lite")) < set(rollout.competitions("all"))


def test_nothing_is_checked_or_graded(rollout, tmp_path):
    file = tmp_path / "submission.csv"
    assert not rollout.validate("coins", file).valid
    file.touch()
    assert rollout.validate("coins", file).message == NOT_CHECKED
    with pytest.raises(BenchmarkError, match="gome mlebench install"):
        rollout.final()


@pytest.mark.parametrize("name", ["words", "../coins", "", "."])
def test_what_is_not_prepared_is_told(rollout, name):
    with pytest.raises(BenchmarkError, match="no prepared data"):
        rollout.info(name)
