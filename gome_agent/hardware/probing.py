"""Runs the probe in the sandbox, under the interpreter that solutions get, until each part has
told of itself or brought its process down."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gome_agent.hardware._probe import MARK, PARTS
from gome_agent.sandbox.base import Execution, Limits, Sandbox

State = Literal["begun", "done", "absent", "failed"]


class Probed(BaseModel):
    """What became of one part of the probe; comes from a program, so nothing in it is trusted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: str
    state: State
    values: dict[str, Any] = {}
    reason: str = ""


def probe(
    sandbox: Sandbox, limits: Limits, parts: Sequence[str] = tuple(PARTS)
) -> dict[str, Probed]:
    """Run parts of the probe as scripts are run.

    A part that brings the process down is told as failed, with how it ended; the parts behind it
    are run in a new process.

    Args:
      sandbox: with the interpreter of the solutions.
      limits: of each process.
      parts: names of `_probe.PARTS`.

    Raises:
      SandboxUnavailable: no script can be run.
    """
    source = resources.files("gome_agent.hardware").joinpath("_probe.py").read_text("utf-8")
    found: dict[str, Probed] = {}
    with tempfile.TemporaryDirectory(prefix="gome-doctor-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        left = list(parts)
        while left:
            script = f"{source}\n\nmain({left!r})\n"
            execution = sandbox.run(script, Path(folder) / "work", data, limits)
            found |= _read(execution, left)
            left = [part for part in left if part not in found]
    return found


def _read(execution: Execution, asked: list[str]) -> dict[str, Probed]:
    """What a process told; of the part that it ended in, how. At least one part is always told."""
    told: dict[str, Probed] = {}
    for line in execution.stdout.splitlines():
        if line.startswith(MARK):
            try:
                one = Probed.model_validate(json.loads(line.removeprefix(MARK)))
            except (ValueError, ValidationError):
                continue
            if one.part in asked:
                told[one.part] = one
    ending = execution.reason or execution.stderr.strip()[-300:] or "its process ended"
    ended_in = [part for part, one in told.items() if one.state == "begun"]
    for part in ended_in or ([] if told else asked[:1]):
        told[part] = Probed(part=part, state="failed", reason=f"its process ended: {ending}")
    return told
