"""What is asked of docker, and that no container is left, with a stand-in for its client.

The stand-in refuses a command line without one of the walls; the suites of the other files run on
it too, and on a real daemon where there is one.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gome_agent.sandbox import DockerSandbox, Limits, SandboxUnavailable, _gpus, detect
from gome_agent.sandbox._docker import LABEL, _identity
from tests.gome_agent.sandbox_world import (
    LIMITS,
    SECRET,
    World,
    make_world,
    stand_in_for_docker,
    why_not,
)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Path]:
    """Folder of a stand-in for docker: its calls and its containers."""
    if reason := why_not("docker, stand-in"):
        pytest.skip(reason)
    folder = tmp_path / "client"
    folder.mkdir()
    with stand_in_for_docker(folder):
        yield folder


@pytest.fixture
def world(client: Path, tmp_path: Path) -> World:
    return make_world(DockerSandbox("stand-in", sys.executable), tmp_path, "docker, stand-in")


def calls(client: Path, command: str) -> list[list[Any]]:
    lines = map(json.loads, (client / "calls.jsonl").read_text().splitlines())
    return [line for line in lines if line[0] == command]


def values(call: list[Any], flag: str) -> list[str]:
    return [after for word, after in itertools.pairwise(call) if word == flag]


def test_limits_reach_the_kernel(client: Path, world: World) -> None:
    assert world.run("pass").outcome == "ok"
    (call,) = calls(client, "run")
    size = str(LIMITS.memory_bytes)
    assert values(call, "--memory") == values(call, "--memory-swap") == [size]
    assert values(call, "--pids-limit") == [str(4 * LIMITS.processes + 1)]
    assert f"fsize={LIMITS.file_bytes}" in values(call, "--ulimit")
    assert "cpu=20:21" in values(call, "--ulimit")
    assert values(call, "--shm-size") == [str(LIMITS.file_bytes)]
    assert f"size={LIMITS.file_bytes}" in values(call, "--tmpfs")[0]
    assert "--gpus" not in call
    assert "NVIDIA_VISIBLE_DEVICES=void" in values(call, "--env")
    assert not values(call, "--user")[0].startswith("0:")


def test_nothing_of_our_environment_is_named(
    client: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@proxy")
    result = world.run("import os; print(dict(os.environ))")
    (call,) = calls(client, "run")
    assert SECRET not in json.dumps(call[:-1])  # the last entry is the client's own environment
    assert "'HTTPS_PROXY': ''" in result.stdout
    assert SECRET not in result.stdout


def test_gpus_are_named_to_the_daemon(
    client: Path, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_gpus, "DEVICES", tmp_path / "dev")
    (tmp_path / "dev").mkdir()
    for number in (0, 2):
        (tmp_path / "dev" / f"nvidia{number}").touch()
    result = world.run("import os; print(os.environ['CUDA_VISIBLE_DEVICES'])", gpus=(0, 2))
    assert result.stdout == "0,1\n"
    (call,) = calls(client, "run")
    assert values(call, "--gpus") == ['"device=0,2"']
    with pytest.raises(SandboxUnavailable, match="no GPU 1 here"):
        world.run("pass", gpus=(1,))


@pytest.mark.parametrize("script", ["pass", "raise ValueError", "while True: pass"])
def test_no_container_is_left(client: Path, world: World, script: str) -> None:
    world.run(script, wall_seconds=1.0)
    assert list((client / "containers").iterdir()) == []
    (run,) = calls(client, "run")
    (remove,) = calls(client, "rm")
    assert values(run, "--name") == [remove[-2]]


def test_containers_of_dead_agents_are_removed(client: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "pass"], check=True)
    assert ended.returncode == 0
    place, _, us = _identity().rpartition("/")
    number, _, born = us.partition("-")
    owners = {
        "ours": f"{place}/{us}",
        "of-a-dead-agent": f"{place}/999999999-1",
        "of-an-earlier-process": f"{place}/{number}-{int(born) + 1}",
        "of-another-machine": f"elsewhere/1/{us}0",
    }
    folder = client / "containers"
    folder.mkdir()
    for name, owner in owners.items():
        (folder / name).write_text(json.dumps({"label": f"{LABEL}={owner}", "pid": 0}))
    DockerSandbox("stand-in", sys.executable).probe()
    assert {path.name for path in folder.iterdir()} == {"ours", "of-another-machine"}


def test_a_killed_agent_leaves_no_container(client: Path, world: World) -> None:
    agent = (
        "from pathlib import Path\nfrom gome_agent.sandbox import *\n"
        f"{world.sandbox!r}.run('import time; time.sleep(60)', Path({str(world.workdir)!r}),"
        f" Path({str(world.data)!r}), Limits())"
    )
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen([sys.executable, "-c", agent], env={**os.environ, **paths})
    folder = client / "containers"

    def wait_until(number: int) -> None:
        deadline = time.monotonic() + 15.0
        while not folder.exists() or len(list(folder.iterdir())) != number:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    try:
        wait_until(1)
        time.sleep(0.3)
    finally:
        process.kill()
        process.wait()
    wait_until(0)


def test_without_client_daemon_or_image(
    client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SandboxUnavailable, match="has no image `another`"):
        detect("docker:another")
    (client / "docker").write_text("#!/bin/sh\necho 'Cannot connect to the daemon' >&2\nexit 1\n")
    with pytest.raises(SandboxUnavailable, match="Cannot connect to the daemon"):
        detect("docker:stand-in")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match="`docker` is not on this machine's PATH"):
        detect("docker:stand-in")
    with pytest.raises(SandboxUnavailable, match="docker:IMAGE"):
        detect("docker:")


def test_a_container_that_does_not_start_is_not_a_failed_program(
    client: Path, world: World
) -> None:
    (client / "docker").write_text("#!/bin/sh\necho 'no such runtime' >&2\nexit 125\n")
    with pytest.raises(SandboxUnavailable, match="no such runtime"):
        world.sandbox.run("pass", world.workdir, world.data, Limits())
    assert [path.name for path in world.workdir.iterdir()] == ["solution.py"]
