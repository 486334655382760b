"""Preparing data by the benchmark's own command: what is there is kept, what fails is told."""

from __future__ import annotations

import pytest

from gome_agent.tasks.mlebench import preparing, sizes
from gome_agent.tasks.mlebench.base import BenchmarkError
from gome_agent.tasks.mlebench.preparing import prepare
from tests.gome_agent.mlebench import minibench


@pytest.fixture
def added(monkeypatch):
    """Packages that would be installed."""
    added: list[str] = []
    monkeypatch.setattr(preparing, "add", lambda benchmark, packages, told: added.extend(packages))
    return added


def test_one_failure_stops_no_other_and_the_next_time_goes_on(tmp_path, added):
    benchmark = minibench.benchmark(tmp_path, prepared=("words",))
    minibench.put_archive(benchmark.data_dir, "coins")
    lines: list[str] = []
    ids = ("passages", "coins", "words")
    first = prepare(benchmark, ids, told=lines.append)
    assert [(result.competition, result.outcome) for result in first] == [
        ("passages", "failed"),
        ("coins", "prepared"),
        ("words", "already"),
    ]
    assert first[0].message == (
        "accept the competition's rules at https://www.kaggle.com/c/passages/rules first, then "
        "prepare again"
    )
    assert first[0].log is not None
    assert "Traceback" in first[0].log.read_text()
    assert lines[0].startswith("2 to prepare, 0.00 GB to download; ")
    assert added == [preparing.KAGGLE]
    with benchmark.rollout() as rollout:
        assert rollout.info("coins").sample is not None
    minibench.put_archive(benchmark.data_dir, "passages")
    again = prepare(benchmark, ids)
    assert [result.outcome for result in again] == ["prepared", "already", "already"]


def test_a_preparation_that_ends_well_without_data_failed(tmp_path, added):
    benchmark = minibench.benchmark(tmp_path, prepared=())
    minibench.put_archive(benchmark.data_dir, "passages")
    (tmp_path / "clone" / "mlebench" / "competitions" / "passages" / "prepare.py").write_text(
        "def prepare(raw, public, private):\n    pass\n"
    )
    (result,) = prepare(benchmark, ["passages"])
    assert result.outcome == "failed"
    assert "it ended well, but its private folder is empty" in result.message


def test_nothing_is_begun_without_room_or_for_what_does_not_exist(tmp_path, added, monkeypatch):
    benchmark = minibench.benchmark(tmp_path, prepared=())
    monkeypatch.setattr(sizes, "gigabytes", {"coins": 1e9}.get)
    with pytest.raises(BenchmarkError, match=r"too little room: .* or give --anyway"):
        prepare(benchmark, ["coins"])
    with pytest.raises(BenchmarkError, match="no competition `coin`"):
        prepare(benchmark, ["coins", "coin"])
    assert not list(tmp_path.glob("data/*"))
    assert not added
    minibench.put_archive(benchmark.data_dir, "coins")
    assert prepare(benchmark, ["coins"], anyway=True)[0].outcome == "prepared"
