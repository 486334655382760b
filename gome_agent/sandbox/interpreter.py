"""Which Python runs the scripts: ours, or that of an environment made for solutions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gome_agent.sandbox.base import SandboxUnavailable

_LEAST = (3, 9)
_SECONDS = 60.0
# Without `-S`: the prefix of a virtual environment is set by `site`.
_ASK = (
    "import json, sys; print(json.dumps([list(sys.version_info[:3]), sys.prefix,"
    " sys.base_prefix, sys.base_exec_prefix]))"
)


@dataclass(frozen=True)
class Interpreter:
    """A Python and the folders that it needs."""

    executable: str
    """Absolute path, links not followed: a virtual environment is known by it."""
    prefixes: tuple[str, ...]
    """Its environment and the installation behind that, which a sandbox shows, read-only; nothing
    is known of those of an image."""
    version: tuple[int, ...] = ()

    @property
    def weights(self) -> Path | None:
        """Folder of pretrained weights that scripts see, read-only, if there is one."""
        folder = Path(self.prefixes[0], "weights") if self.prefixes else None
        return folder if folder is not None and folder.is_dir() else None

    @property
    def variables(self) -> dict[str, str]:
        """By which libraries find those weights; there is no network to fetch others."""
        if self.weights is None:
            return {}
        hub, torch = self.weights / "huggingface", self.weights / "torch"
        return {"HF_HOME": str(hub), "TORCH_HOME": str(torch), "HF_HUB_OFFLINE": "1"}


def ours() -> Interpreter:
    """The interpreter that runs this program."""
    prefixes = (sys.prefix, sys.base_prefix, sys.base_exec_prefix)
    return Interpreter(sys.executable, prefixes, tuple(sys.version_info[:3]))


def interpreter(python: Path | str | None) -> Interpreter:
    """Ask an interpreter where it lives; `None` is ours.

    Args:
      python: path of a program such as `DIR/bin/python`. It is run once, outside of any sandbox:
        an environment is trusted by whoever names it.

    Raises:
      SandboxUnavailable: there is no such program, it is not Python, or it is too old.
    """
    if python is None:
        return ours()
    executable = os.path.abspath(os.path.expanduser(python))
    try:
        asked = subprocess.run(
            [executable, "-I", "-c", _ASK],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
        version, *prefixes = json.loads(asked.stdout.splitlines()[-1])
        found = Interpreter(executable, tuple(map(str, prefixes)), tuple(map(int, version)))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError, TypeError) as error:
        raise SandboxUnavailable(
            f"`{executable}` does not run as Python ({error}); name the `bin/python` of an"
            " environment, e.g. one that `gome solutions install` made"
        ) from error
    if found.version < _LEAST:
        have, need = (".".join(map(str, version)) for version in (found.version, _LEAST))
        raise SandboxUnavailable(f"`{executable}` is Python {have}; scripts need {need} or later")
    return found
