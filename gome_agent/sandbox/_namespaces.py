"""Linux namespaces through util-linux `unshare`, for machines without bubblewrap.

The same file system view as bubblewrap's, built by the warden itself in a mount namespace, with
process, network, IPC and host-name namespaces around it, and every capability dropped before the
script starts. Prefer bubblewrap where it is installed: it does the same with many more readers.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gome_agent.sandbox import _gaps
from gome_agent.sandbox._probe import probe
from gome_agent.sandbox._supervise import Plan, environment, supervise
from gome_agent.sandbox._view import INPUT, JOB, scratch, script_view
from gome_agent.sandbox._workdir import SCRIPT, prepared
from gome_agent.sandbox.base import Execution, Limits, SandboxUnavailable
from gome_agent.sandbox.interpreter import Interpreter, ours

_UNSHARE = (
    *("--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts"),
    *("--fork", "--kill-child=SIGKILL", "--"),
)
# The new root is mounted over a folder that every Linux has and that no script needs.
_NEW_ROOT = "/sys"


@dataclass(frozen=True)
class NamespaceSandbox:
    """Runs a script that sees only Python, its work folder (`/job`) and the data (read-only).

    Covers what `BubblewrapSandbox` covers. The script believes that it is root, without any
    capability. Needs user namespaces and Linux 5.12 (`mount_setattr`).
    """

    python: Interpreter = field(default_factory=ours)
    """What runs the scripts; its folders are visible, read-only."""

    @property
    def name(self) -> str:
        return "namespaces"

    @property
    def not_covered(self) -> tuple[str, ...]:
        return _gaps.WALLS

    def run(
        self,
        script: str,
        workdir: Path,
        data: Path,
        limits: Limits,
        sealed: Sequence[Path] = (),
    ) -> Execution:
        """Run a script; see `Sandbox.run`. A sealed file cannot be opened, a folder is closed."""
        unshare = shutil.which("unshare")
        if unshare is None or sys.platform != "linux":
            raise SandboxUnavailable(
                "`unshare` is not on this machine's PATH; install the package `util-linux`"
                " (Linux only), or choose another sandbox"
            )
        with prepared(script, workdir, data, sealed, "mount"):
            plan = Plan(
                script=f"{JOB}/{SCRIPT}",
                folder=JOB,
                python=self.python.executable,
                environment=environment(JOB, "/tmp", limits, self.python),
                skip=INPUT,
                scratch=scratch(limits),
                root=_NEW_ROOT,
                mounts=script_view(workdir, data, sealed, limits, self.python),
            )
            return supervise([unshare, *_UNSHARE], plan, limits)

    def probe(self) -> None:
        """Run a trivial script once.

        Raises:
          SandboxUnavailable: `unshare` is missing, or user namespaces are forbidden here.
        """
        probe(self)
