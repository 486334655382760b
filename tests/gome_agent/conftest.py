"""Fixtures of the tests that run hostile programs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gome_agent.sandbox import Sandbox, SandboxUnavailable
from tests.gome_agent.sandbox_world import (
    BACKENDS,
    World,
    make_world,
    stand_in_for_docker,
    why_not,
)


@pytest.fixture(scope="module", params=BACKENDS)
def working(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Sandbox]]:
    """Name and object of each backend that works on this machine."""
    kind: str = request.param
    if reason := why_not(kind):
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        if kind == "docker, stand-in":
            stack.enter_context(stand_in_for_docker(tmp_path_factory.mktemp("docker")))
        sandbox = BACKENDS[kind]
        try:
            sandbox.probe()  # type: ignore[attr-defined]
        except SandboxUnavailable as refusal:
            if kind == "process":
                raise  # this one must work wherever the project is tested
            pytest.skip(f"{kind} does not work on this machine: {refusal}")
        yield kind, sandbox


@pytest.fixture
def world(working: tuple[str, Sandbox], tmp_path: Path) -> World:
    """A task with a secret in it, to be attacked from each backend."""
    kind, sandbox = working
    return make_world(sandbox, tmp_path, kind)
