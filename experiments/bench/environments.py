"""One virtual environment a peer, made when it is first needed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PINS = Path(__file__).parent / "peers.txt"
INSTALL_SECONDS = 600.0


@dataclass(frozen=True)
class Environment:
    """Where a peer runs."""

    requirement: str
    """As pinned, e.g. `gepa==0.1.4`."""
    python: Path
    missing: str = ""
    """One sentence if it cannot be used."""

    @property
    def name(self) -> str:
        return self.requirement.partition("==")[0]


def pinned(*names: str) -> tuple[str, ...]:
    """The requirements of these peers; of all without a name.

    >>> [requirement.partition("==")[0] for requirement in pinned()]
    ['textgrad', 'trace-opt', 'gepa', 'treequest']
    """
    lines = PINS.read_text(encoding="utf-8").splitlines()
    pins = (line.strip() for line in lines if line.strip() and not line.startswith("#"))
    return tuple(pin for pin in pins if not names or pin.partition("==")[0] in names)


def environment(requirement: str, root: Path, *, install: bool = True) -> Environment:
    """The environment of one peer, made with pip if there is none yet.

    A peer that cannot be installed is a result, not an error: `missing` says why.

    Args:
      requirement: from `pinned`.
      root: folder of the environments, one folder a peer.
      install: whether to make what is missing; needs the network.
    """
    name = requirement.partition("==")[0]
    home = root / name
    python, ready = home / "bin" / "python", home / ".installed"
    if ready.is_file() and ready.read_text(encoding="utf-8") == requirement:
        return Environment(requirement, python)
    if not install:
        return Environment(requirement, python, f"{requirement} is not installed in `{home}`")
    try:
        _run([sys.executable, "-m", "venv", "--clear", str(home)])
        _run([str(python), "-m", "pip", "install", "--quiet", requirement])
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        return Environment(requirement, python, f"pip could not install {requirement}: {last}")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Environment(requirement, python, f"{requirement} could not be installed: {error}")
    ready.write_text(requirement, encoding="utf-8")
    return Environment(requirement, python)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
