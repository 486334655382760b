"""A benchmark of our own for all tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gome_agent.tasks.mlebench.benchmark import Benchmark
from tests.gome_agent.mlebench import minibench
from tests.gome_agent.mlebench.fake import Fake, filled


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return minibench.benchmark(tmp_path_factory.mktemp("minibench"))


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return filled(tmp_path / "data")
