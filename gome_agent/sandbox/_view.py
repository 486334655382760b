"""Which part of the file system a script may see: one list of mounts for two backends.

A script sees the system's programs and libraries, the interpreter and its packages, its work
folder at `/job`, the data at `/job/input`, and nothing else: no home folder, no other project,
no file of the agent. Packages installed "editable" are therefore missing, and links in the data
folder that point outside it lead nowhere. The neutral path keeps the names of the host's folders
out of tracebacks; a determined script can still read them in `/proc/self/mountinfo`.

Not covered: a second hard link to a sealed file at a visible place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gome_agent.sandbox._gpus import gpu_nodes
from gome_agent.sandbox.base import Limits
from gome_agent.sandbox.interpreter import Interpreter

JOB = "/job"
INPUT = f"{JOB}/input"

Kind = Literal[
    "read",
    "write",
    "link",
    "scratch",
    "devices",
    "device",
    "processes",
    "hide_folder",
    "hide_file",
]

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# The dynamic linker, alternatives of system libraries, fonts, time zone; no accounts, no keys.
_SETTINGS = tuple(
    f"/etc/{name}"
    for name in ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts")
)
_TIME_ZONE = "/etc/localtime"


@dataclass(frozen=True)
class Mount:
    """One step in building the script's file system."""

    kind: Kind
    target: str
    source: str = ""
    size: int = 0
    """Bytes, for `scratch` only."""


def script_view(
    workdir: Path, data: Path, sealed: Sequence[Path], limits: Limits, python: Interpreter
) -> tuple[Mount, ...]:
    """Return the mounts in the order in which they must be made.

    Raises:
      ValueError: a sealed path is itself something the script must see.
      SandboxUnavailable: a GPU that is asked for is not there.
    """
    visible = (
        *_system(),
        Mount("scratch", "/tmp", size=scratch(limits)["/tmp"]),
        Mount("processes", "/proc"),
        Mount("devices", "/dev"),
        *(Mount("device", target, source) for source, target in gpu_nodes(limits.gpus)),
        Mount("scratch", "/dev/shm", size=scratch(limits)["/dev/shm"]),
        *_interpreter(python),
        Mount("write", JOB, str(workdir.resolve())),
        Mount("read", INPUT, str(data.resolve())),
    )
    return (*visible, *hidden(visible, sealed))


def scratch(limits: Limits) -> dict[str, int]:
    """Size in bytes of each file system in memory that a script gets."""
    return {"/tmp": limits.file_bytes, "/dev/shm": limits.file_bytes}


def _system() -> Iterator[Mount]:
    for name in (*_SYSTEM, *_SETTINGS):
        path = Path(name)
        if path.is_symlink():
            yield Mount("link", name, os.readlink(path))
        elif path.exists():
            yield Mount("read", name, name)
    if Path(_TIME_ZONE).exists():
        yield Mount("read", _TIME_ZONE, os.path.realpath(_TIME_ZONE))


def _interpreter(python: Interpreter) -> Iterator[Mount]:
    """Folders of the interpreter, each under every name by which it may be asked for."""
    wanted = {Path(prefix) for prefix in python.prefixes}
    wanted |= {path.resolve() for path in wanted}
    seen: list[Path] = [Path("/usr")]
    for folder in sorted(wanted, key=lambda path: len(path.parts)):
        if not any(folder.is_relative_to(parent) for parent in seen):
            seen.append(folder)
            yield Mount("read", str(folder), str(folder.resolve()))
    for hop in _links(Path(python.executable)):
        if not any(hop.is_relative_to(parent) for parent in seen):
            yield Mount("read", str(hop), str(hop.resolve()))


def _links(path: Path) -> Iterator[Path]:
    """A path and what it points to, link by link."""
    for _ in range(40):  # the kernel's own bound
        yield path
        if not path.is_symlink():
            return
        path = Path(os.path.normpath(path.parent / os.readlink(path)))


def hidden(visible: Sequence[Mount], sealed: Sequence[Path]) -> Iterator[Mount]:
    """What covers the sealed paths, wherever a mount shows them."""
    for path in sealed:
        real = path.resolve()
        for mount in visible:
            if mount.kind not in ("read", "write") or not real.is_relative_to(mount.source):
                continue
            if real == Path(mount.source):
                raise ValueError(
                    f"the sealed path `{path}` is what the script sees as `{mount.target}`;"
                    " seal a part of it, or pass other data"
                )
            target = os.path.join(mount.target, real.relative_to(mount.source))
            yield Mount("hide_folder" if real.is_dir() else "hide_file", target)
