"""Does a backend really work on this machine? Ask it, once, with a trivial script."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gome_agent.sandbox.base import Limits, Sandbox, SandboxUnavailable

_SCRIPT = "import os; print(sorted(os.listdir('input')))"


def probe(sandbox: Sandbox) -> None:
    """Run a script that lists its data and compare what it says.

    Raises:
      SandboxUnavailable: it did not start, or did not see what it should.
    """
    with tempfile.TemporaryDirectory(prefix="gome-probe-") as name:
        data = Path(name) / "data"
        data.mkdir()
        (data / "present").touch()
        result = sandbox.run(_SCRIPT, Path(name) / "work", data, Limits(wall_seconds=30.0))
    if result.outcome != "ok" or result.stdout.strip() != "['present']":
        words = result.stderr.strip()[-400:] or result.reason or result.stdout.strip()[:200]
        raise SandboxUnavailable(f"`{sandbox.name}` ran a trivial script, which failed: {words}")
