"""Plain subprocess: limits, a clean environment and a sure end, but no walls.

This is not a security sandbox. It protects a run from broken programs (endless loops, floods of
output, memory without end, forgotten daemons) on every machine with Python, and keeps the agent's
environment variables away from the script. It does not protect from a program that means harm:
see `ProcessSandbox.not_covered`, which a run prints at its start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gome_agent.sandbox import _gaps
from gome_agent.sandbox._gpus import gpu_nodes
from gome_agent.sandbox._probe import probe
from gome_agent.sandbox._supervise import Plan, environment, supervise
from gome_agent.sandbox._workdir import SCRIPT, prepared, temporary_folder
from gome_agent.sandbox.base import Execution, Limits
from gome_agent.sandbox.interpreter import Interpreter, ours


@dataclass(frozen=True)
class ProcessSandbox:
    """Runs a script as an ordinary child process of the same user.

    Covered: wall time, and for each process CPU time, address space and file size; output; number
    of processes; no host environment variable; no standard input; no setuid programs; when
    started as root, no capabilities; every descendant is killed at the end, daemons included.
    """

    python: Interpreter = field(default_factory=ours)
    """What runs the scripts."""

    @property
    def name(self) -> str:
        return "process"

    @property
    def not_covered(self) -> tuple[str, ...]:
        # Dropped capabilities keep a script of root's out of the agent's `/proc` entry.
        environment_open = () if os.geteuid() == 0 else (_gaps.KEYS,)
        platform = () if sys.platform == "linux" else (_gaps.NOT_LINUX,)
        return _gaps.PLAIN_PROCESS + environment_open + platform

    def run(
        self,
        script: str,
        workdir: Path,
        data: Path,
        limits: Limits,
        sealed: Sequence[Path] = (),
    ) -> Execution:
        """Run a script; see `Sandbox.run`. `sealed` cannot be kept here, as `not_covered` says.

        `input` is a link to the data, removed afterwards.
        """
        gpu_nodes(limits.gpus)  # says which one is missing
        with (
            prepared(script, workdir, data, sealed, "link"),
            temporary_folder(workdir) as temporary,
        ):
            home = workdir.resolve()
            plan = Plan(
                script=str(home / SCRIPT),
                folder=str(home),
                python=self.python.executable,
                environment=environment(
                    str(home), str(temporary), limits, self.python, own_devices=False
                ),
            )
            return supervise((), plan, limits)

    def probe(self) -> None:
        """Run a trivial script once.

        Raises:
          SandboxUnavailable: it did not work here.
        """
        probe(self)
