"""Rollouts on prepared data where the benchmark is not installed."""

from __future__ import annotations

import pytest

from gome_agent.tasks.mlebench import data_only
from gome_agent.tasks.mlebench.base import BenchmarkError, Rollout
from gome_agent.tasks.mlebench.benchmark import NotInstalled, Rollouts
from gome_agent.tasks.mlebench.data_only import NOT_CHECKED, DataOnly
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
    name, sample = "random-acts-of-pizza", "sampleSubmission.csv"
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
    assert set(rollout.competitions("lite")) < set(rollout.competitions("all"))


def test_nothing_is_checked(rollout, tmp_path):
    file = tmp_path / "submission.csv"
    assert not rollout.validate("coins", file).valid
    file.touch()
    assert rollout.validate("coins", file).message == NOT_CHECKED
    assert not hasattr(rollout, "final")


def test_data_serve_where_nothing_is_installed(rollout, mini, tmp_path):
    with pytest.raises(NotInstalled, match=r"gome mlebench install .*--data-dir"):
        data_only.rollout(tmp_path / "none")
    found = data_only.rollout(tmp_path / "none", tmp_path)
    assert isinstance(found, DataOnly)
    assert found.info("coins").public.is_relative_to(tmp_path)
    mini.save()
    with data_only.rollout(mini.home, tmp_path) as found:
        assert isinstance(found, Rollouts)
        assert found.info("coins").public.is_relative_to(tmp_path)
    (mini.home / "installation.json").write_text("{}")
    with pytest.raises(BenchmarkError, match="damaged"):
        data_only.rollout(mini.home, tmp_path)


@pytest.mark.parametrize("name", ["words", "../coins", "", "."])
def test_what_is_not_prepared_is_told(rollout, name):
    with pytest.raises(BenchmarkError, match="no prepared data"):
        rollout.info(name)
