"""A benchmark of our own for all tests that only read it."""

from __future__ import annotations

import pytest

from gome_agent.tasks.mlebench.benchmark import Benchmark
from tests.gome_agent.mlebench import minibench


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return minibench.benchmark(tmp_path_factory.mktemp("minibench"))
