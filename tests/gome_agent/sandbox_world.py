"""What the tests of sandboxes share: the backends that can be tried here, and a task to attack."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gome_agent.sandbox import (
    BubblewrapSandbox,
    DockerSandbox,
    Execution,
    Limits,
    NamespaceSandbox,
    ProcessSandbox,
    Sandbox,
)

LIMITS = Limits(
    wall_seconds=20.0,
    cpu_seconds=20.0,
    memory_bytes=2**30,
    file_bytes=2**20,
    disk_bytes=2**24,
    output_bytes=2**16,
    processes=16,
)
SECRET = "planted-key-2718281828"
# Forks twice, leaves its session and writes to `heart` for two seconds.
DAEMON = """
import os, time
print('said before the end')
def daemon():
    if os.fork(): return
    os.setsid()
    if os.fork(): os._exit(0)
    for fd in range(3): os.close(fd)
    for _ in range(100):
        open('heart', 'a').write('.')
        time.sleep(0.02)
    os._exit(0)
daemon()
while not os.path.exists('heart'): time.sleep(0.01)
"""

STAND_IN = Path(__file__).with_name("docker_stand_in.py")
IMAGE_VARIABLE = "GOME_TEST_DOCKER_IMAGE"
"""Name of an image with Python and NumPy: with it, all tests also run on a real docker daemon."""

BACKENDS: dict[str, Sandbox] = {
    "bubblewrap": BubblewrapSandbox(),
    "namespaces": NamespaceSandbox(),
    "process": ProcessSandbox(),
    "docker, stand-in": DockerSandbox("stand-in", sys.executable),
    "docker": DockerSandbox(os.environ.get(IMAGE_VARIABLE, "")),
}


@dataclass(frozen=True)
class World:
    """One sandbox, a task with a secret in it, and something outside the task."""

    sandbox: Sandbox
    root: Path
    kind: str
    """Key of `BACKENDS`."""

    @property
    def workdir(self) -> Path:
        return self.root / "run"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def diary(self) -> Path:
        return self.root / "outside" / "diary.txt"

    @property
    def sealed(self) -> tuple[Path, ...]:
        return (self.data / "answers.csv", self.data / "private")

    @property
    def walls(self) -> bool:
        return self.kind != "process"

    def run(self, script: str, **limits: Any) -> Execution:
        allowed = replace(LIMITS, **limits)
        text = textwrap.dedent(script)
        return self.sandbox.run(text, self.workdir, self.data, allowed, self.sealed)

    def file(self, name: str) -> bytes:
        """A file in the work folder, as an observer sees it; empty when there is none."""
        path = self.workdir / name
        return path.read_bytes() if path.is_file() else b""


def make_world(sandbox: Sandbox, root: Path, kind: str) -> World:
    made = World(sandbox, root, kind)
    (made.data / "private").mkdir(parents=True)
    (made.data / "train.csv").write_text("x,y\n1,2\n")
    (made.data / "answers.csv").write_text(SECRET)
    (made.data / "private" / "grades.csv").write_text(SECRET)
    made.diary.parent.mkdir()
    made.diary.write_text(SECRET)
    return made


@contextlib.contextmanager
def stand_in_for_docker(folder: Path) -> Iterator[None]:
    """Put a program named `docker` that needs no daemon first on the PATH."""
    client = folder / "docker"
    client.write_text(f'#!/bin/sh\nexec {sys.executable} -I {STAND_IN} {folder} "$@"\n')
    client.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def why_not(kind: str) -> str:
    """Why a backend cannot be tried at all on this machine; empty where `probe` shall tell."""
    if kind == "docker":
        if not os.environ.get(IMAGE_VARIABLE):
            return f"no image is named in {IMAGE_VARIABLE}"
        if shutil.which("docker") is None:
            return "there is no docker client"
        if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
            return "no docker daemon answers"
    if kind == "docker, stand-in" and shutil.which("bwrap") is None:
        return "the stand-in for docker needs bubblewrap"
    return ""
