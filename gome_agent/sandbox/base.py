"""What it means to run a program nobody trusts.

A sandbox runs one Python script in a work folder with the task's public data read-only at
`./input`. That a program failed is an `Execution`, a value; that the sandbox itself could not
work is a `SandboxUnavailable`, an error. The two are never mixed up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

Outcome = Literal["ok", "error", "timeout", "memory", "disk", "processes", "output", "interrupted"]


@dataclass(frozen=True)
class Limits:
    """What one execution may use."""

    wall_seconds: float = 300.0
    cpu_seconds: float = 600.0
    memory_bytes: int = 4 * 2**30
    """Memory of all processes together, and address space of each.

    With a GPU only the former: its driver reserves far more addresses than it uses.
    """
    file_bytes: int = 512 * 2**20
    """Size of any one file that is written; also of all in `/tmp` and of all in `/dev/shm`, which
    are memory of the machine, where a sandbox has its own."""
    disk_bytes: int = 4 * 2**30
    """Space of all files in the work folder together; each file and folder counts 4 KiB or more."""
    output_bytes: int = 2**20
    """Standard output and error, each; what comes after that ends the program."""
    processes: int = 64
    """Processes at once, threads not counted."""
    threads: int = 1
    """Given to OpenMP and BLAS by environment variables: a request, not an enforced limit."""
    gpus: tuple[int, ...] = ()
    """Numbers of the NVIDIA GPUs that the program may use, as in `/dev/nvidia0`."""
    stop: Callable[[], bool] | None = None
    """Asked several times a second whether the program is to be given up; it then ends like by
    Ctrl-C: `KeyboardInterrupt` is raised."""


@dataclass(frozen=True)
class Execution:
    """What happened to one program."""

    outcome: Outcome
    returncode: int | None
    """Exit code, minus the signal's number, or None when the sandbox itself ended the program."""
    seconds: float
    """Wall time, the sandbox's own included."""
    stdout: str
    """At most `Limits.output_bytes`, decoded with replacement characters."""
    stderr: str
    reason: str = ""
    """One sentence when the outcome is not `ok`: which limit, which signal, which exit code."""


class SandboxUnavailable(RuntimeError):
    """This backend cannot run here; the message says what is missing and what to do."""


@runtime_checkable
class Sandbox(Protocol):
    """Runs scripts; every backend says what it does not cover."""

    @property
    def name(self) -> str: ...

    @property
    def not_covered(self) -> tuple[str, ...]:
        """One sentence for each protection that this backend does not give."""
        ...

    def run(
        self,
        script: str,
        workdir: Path,
        data: Path,
        limits: Limits,
        sealed: Sequence[Path] = (),
    ) -> Execution:
        """Run Python source `script` with `workdir` as current folder and `data` at `./input`.

        The script is saved as `workdir/solution.py`; that file and `workdir/input` are replaced,
        and `input` is gone afterwards. `sealed` paths must not be readable by it. Nothing the
        program started outlives the call. A failing program never raises.

        Args:
          script: Python source.
          workdir: made if missing, writable by the script, kept.
          data: folder with the public data, outside `workdir`.
          limits: what the program may use.
          sealed: existing files or folders, such as the answers of the test set.

        Raises:
          SandboxUnavailable: the backend itself cannot work here, or there is no such GPU.
          ValueError: a path makes no sense: no data folder, data in `workdir`, a missing seal.
        """
        ...
