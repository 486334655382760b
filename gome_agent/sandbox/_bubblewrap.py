"""Bubblewrap: a file system of the script's own, no network, no other processes.

`bwrap` (Alexander Larsson and others, https://github.com/containers/bubblewrap) builds the view
of `_view` out of user, mount, process, network, IPC and host-name namespaces and drops every
capability. It works as root and, where the kernel lets users make namespaces, as any user.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gome_agent.sandbox import _gaps
from gome_agent.sandbox._probe import probe
from gome_agent.sandbox._supervise import Plan, environment, supervise
from gome_agent.sandbox._view import INPUT, JOB, Mount, scratch, script_view
from gome_agent.sandbox._workdir import SCRIPT, prepared
from gome_agent.sandbox.base import Execution, Limits, SandboxUnavailable
from gome_agent.sandbox.interpreter import Interpreter, ours


@dataclass(frozen=True)
class BubblewrapSandbox:
    """Runs a script that sees only Python, its work folder (`/job`) and the data (read-only).

    Covered, beyond `ProcessSandbox`: network, home folders and every other file, sealed paths,
    writing outside the work folder (but for a private, bounded `/tmp` and `/dev/shm`), seeing or
    signalling other processes, new user namespaces.
    """

    python: Interpreter = field(default_factory=ours)
    """What runs the scripts; its folders are visible, read-only."""

    @property
    def name(self) -> str:
        return "bubblewrap"

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
        program = _find("bwrap", "bubblewrap")
        with prepared(script, workdir, data, sealed, "mount"):
            launcher = [program, *_NAMESPACES]
            for mount in script_view(workdir, data, sealed, limits, self.python):
                launcher += _arguments(mount)
            launcher += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", JOB, "--"]
            plan = Plan(
                script=f"{JOB}/{SCRIPT}",
                folder=JOB,
                python=self.python.executable,
                environment=environment(JOB, "/tmp", limits, self.python),
                skip=INPUT,
                scratch=scratch(limits),
            )
            return supervise(launcher, plan, limits)

    def probe(self) -> None:
        """Run a trivial script once.

        Raises:
          SandboxUnavailable: `bwrap` is missing, too old, or namespaces are forbidden here.
        """
        probe(self)


# `--clearenv` is not needed: `bwrap` itself is started with the script's environment only.
_NAMESPACES = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"),
    *("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"),
)


def _arguments(mount: Mount) -> list[str]:
    """One mount in the words of `bwrap`."""
    match mount.kind:
        case "read":
            return ["--ro-bind", mount.source, mount.target]
        case "write":
            return ["--bind", mount.source, mount.target]
        case "link":
            return ["--symlink", mount.source, mount.target]
        case "scratch":
            return ["--size", str(mount.size), "--perms", "1777", "--tmpfs", mount.target]
        case "device":
            return ["--dev-bind", mount.source, mount.target]
        case "devices":
            return ["--dev", mount.target]
        case "processes":
            # The host's root owns /proc/sys even without capabilities, and `bwrap` covers it only
            # where the folder itself is writable; `core_pattern` there would be a way out.
            return ["--proc", mount.target, "--remount-ro", mount.target]
        case "hide_folder":
            sealed = ["--perms", "0000", "--size", "4096", "--tmpfs", mount.target]
            return [*sealed, "--remount-ro", mount.target]
        case "hide_file":  # mounts carry no devices: opening it fails
            return ["--ro-bind", "/dev/null", mount.target]


def _find(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise SandboxUnavailable(
            f"`{program}` is not on this machine's PATH; install the package `{package}`,"
            " or choose another sandbox"
        )
    return path
