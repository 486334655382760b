"""An environment for solutions, apart from ours: what a profile pins, in a venv of its own.

What is installed later in it, by whomever, is held to what was installed first: the environment's
own pip settings name a file of constraints. An upgrade of torch, CUDA or cuDNN beyond what a card
supports is therefore refused.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from gome_agent.hardware.profiles import Profile

CONSTRAINTS = "constraints.txt"
_ERROR_CHARACTERS = 2000


class SolutionsError(RuntimeError):
    """An environment could not be made: why, and what to do."""


@dataclass(frozen=True)
class Environment:
    """What was installed."""

    python: Path
    packages: tuple[str, ...]
    """`name==version`, in alphabetical order."""


def requirements(hardware: Profile) -> str:
    """The pins of a profile, in the format of pip."""
    folder = resources.files("gome_agent.hardware") / "requirements"
    return (folder / f"{hardware.requirements}.txt").read_text(encoding="utf-8")


def pins(hardware: Profile) -> dict[str, str]:
    """Versions by name of package.

    >>> from gome_agent.hardware.profiles import profile
    >>> pins(profile("v100"))["torch"]
    '2.10.0'
    """
    lines = (line.partition("#")[0].strip() for line in requirements(hardware).splitlines())
    return dict(line.split("==") for line in lines if line)


def install(hardware: Profile, folder: Path, python: str = sys.executable) -> Environment:
    """Make the environment of a profile: some minutes and, with a GPU, some gigabytes.

    Args:
      hardware: whose pins.
      folder: for the environment; missing or empty.
      python: interpreter that it is made from.

    Raises:
      SolutionsError: the folder is in use, or pip failed; a half-made environment is left as it is.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SolutionsError(f"`{folder}` is not empty: name a new folder, or remove it first")
    made = _make(folder.resolve(), python)
    pinned = folder.resolve() / "requirements.txt"
    pinned.write_text(requirements(hardware), encoding="utf-8")
    _pip(made, "install", "--requirement", str(pinned), constraint=pinned)
    frozen = _pip(made, "freeze", "--all").splitlines()
    # pip itself may be renewed.
    packages = tuple(sorted(line for line in frozen if "==" in line and line[:5] != "pip=="))
    constraints = folder.resolve() / CONSTRAINTS
    constraints.write_text("\n".join(packages) + "\n", encoding="utf-8")
    # The settings of an environment, which pip reads whoever calls it.
    settings = f"[install]\nconstraint = {constraints}\n"
    (folder / "pip.conf").write_text(settings, encoding="utf-8")
    return Environment(made, packages)


def resolve(hardware: Profile, python: str = sys.executable) -> tuple[str, ...]:
    """What the pins of a profile come to, says the registry; nothing is installed.

    Raises:
      SolutionsError: they do not, or the registry cannot be asked.
    """
    with tempfile.TemporaryDirectory(prefix="gome-solutions-") as name:
        made = _make(Path(name) / "env", python)
        pinned, report = Path(name) / "requirements.txt", Path(name) / "report.json"
        pinned.write_text(requirements(hardware), encoding="utf-8")
        dry = ("--dry-run", "--ignore-installed", "--report", str(report))
        _pip(made, "install", *dry, "--requirement", str(pinned), constraint=pinned)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    told = (package["metadata"] for package in found)
    return tuple(sorted(f"{one['name']}=={one['version']}" for one in told))


def _make(folder: Path, python: str) -> Path:
    _run([python, "-m", "venv", str(folder)], {})
    return folder / "bin" / "python"


def _pip(python: Path, command: str, *arguments: str, constraint: Path | None = None) -> str:
    settings = {} if constraint is None else {"PIP_CONSTRAINT": str(constraint)}
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    return _run([str(python), "-m", "pip", *quiet, command, *arguments], settings)


def _run(line: list[str], settings: dict[str, str]) -> str:
    """Raises `SolutionsError` with the last words of a program that failed."""
    try:
        done = subprocess.run(
            line, capture_output=True, text=True, env={**os.environ, **settings}, check=False
        )
    except OSError as error:
        raise SolutionsError(f"`{line[0]}` did not start: {error}") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-_ERROR_CHARACTERS:]
        raise SolutionsError(f"`{' '.join(line[:5])} ...` failed:\n{words}")
    return done.stdout
