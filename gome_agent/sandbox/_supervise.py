"""Start a launcher, read what it says with a cap, stop it in time, and leave nothing behind.

The launcher is nothing, `bwrap ...` or `unshare ...`; behind it always runs the warden, which
starts the script. All reading is one loop in the calling thread: no helper threads, no global
state, safe to use from several threads at once.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from gome_agent.sandbox import _warden
from gome_agent.sandbox._outcome import classify
from gome_agent.sandbox._view import Mount
from gome_agent.sandbox.base import Execution, Limits, SandboxUnavailable

_GRACE_SECONDS = 1.0
_STATUS_BYTES = 4096


@dataclass(frozen=True)
class Plan:
    """What the warden is to run, as it sees the world."""

    command: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]
    root: str = ""
    """Folder over which the warden builds a new root from `mounts`; empty: it builds none."""
    mounts: tuple[Mount, ...] = ()


def environment(home: str, temporary: str, limits: Limits) -> dict[str, str]:
    """Return the whole environment of a script, built from nothing.

    Nothing of the agent's own environment, where keys live, is ever copied. The script's folder
    and the user's site-packages are kept off the import path, also in Python processes that the
    script starts, so that a file it left there cannot shadow a module.
    """
    threads = str(limits.threads)
    pools = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": temporary,
        "USER": "script",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "MPLBACKEND": "Agg",
        **{f"{pool}_NUM_THREADS": threads for pool in pools},
        "LOKY_MAX_CPU_COUNT": threads,
    }


def supervise(launcher: Sequence[str], plan: Plan, limits: Limits) -> Execution:
    """Run a plan behind a launcher and say how it ended; kill all of it in every case.

    Raises:
      SandboxUnavailable: the script was never started; the message carries the launcher's words.
    """
    started = time.monotonic()
    status_read, status_write = os.pipe()
    try:
        process = _start(launcher, plan, limits, status_write)
    except OSError as error:
        os.close(status_read)
        raise SandboxUnavailable(f"`{error.filename}` did not start: {error.strerror}") from error
    finally:
        os.close(status_write)
    try:
        reading = _Reading(process, status_read, limits)
        cause = reading.until(started + limits.wall_seconds)
    finally:  # also when Ctrl-C comes while we wait
        _stop(process, status_read)
    return _judge(cause, reading, limits, time.monotonic() - started)


def _start(
    launcher: Sequence[str], plan: Plan, limits: Limits, status: int
) -> subprocess.Popen[bytes]:
    source = resources.files("gome_agent.sandbox").joinpath("_warden.py").read_text("utf-8")
    process = subprocess.Popen(
        [*launcher, sys.executable, "-I", "-S", "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=dict(plan.environment),
        cwd="/",
        start_new_session=True,
        pass_fds=(status,),
    )
    order = {
        "command": plan.command,
        "folder": plan.folder,
        "root": plan.root,
        "mounts": [asdict(mount) for mount in plan.mounts],
        "drop_all": bool(plan.root),
        "limits": _resource_limits(limits),
        "processes": limits.processes,
        "status": status,
    }
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # the launcher is gone already: told below
        process.stdin.write(json.dumps(order).encode() + b"\n")
    return process


def _resource_limits(limits: Limits) -> dict[str, tuple[int, int]]:
    """Soft and hard limits by the names of the `resource` module."""
    cpu = math.ceil(limits.cpu_seconds)
    # The kernel counts threads too, and all that this user runs; it does not count for root.
    tasks = _tasks_of_this_user() + 4 * limits.processes
    return {
        "RLIMIT_AS": (limits.memory_bytes, limits.memory_bytes),
        "RLIMIT_CPU": (cpu, cpu + 1),
        "RLIMIT_FSIZE": (limits.file_bytes, limits.file_bytes),
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_NPROC": (tasks, tasks),
    }


def _tasks_of_this_user() -> int:
    """Number of threads that run under this user id, zero where there is no /proc."""
    total, user = 0, os.getuid()
    with contextlib.suppress(FileNotFoundError), os.scandir("/proc") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # processes end while we look
                if entry.name.isdigit() and entry.stat().st_uid == user:
                    total += len(os.listdir(f"{entry.path}/task"))
    return total


class _Reading:
    """What has been read from a process so far: two capped streams and the warden's reports."""

    def __init__(self, process: subprocess.Popen[bytes], status: int, limits: Limits) -> None:
        assert process.stdout
        assert process.stderr
        self.stdout, self.stderr, self.status = bytearray(), bytearray(), bytearray()
        self._status_fd = status
        self._streams = {
            process.stdout.fileno(): (self.stdout, limits.output_bytes),
            process.stderr.fileno(): (self.stderr, limits.output_bytes),
            status: (self.status, _STATUS_BYTES),
        }

    def until(self, deadline: float) -> Literal["ended", "timeout", "output"]:
        """Read until the warden is gone, the deadline (monotonic, seconds) or a full stream."""
        with selectors.DefaultSelector() as selector:
            for descriptor in self._streams:
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ)
            while self._status_fd in selector.get_map():
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return "timeout"
                if not self._read_ready(selector, remaining):
                    return "output"
            while selector.get_map() and selector.select(0):  # what is still in the pipes
                if not self._read_ready(selector, 0):
                    return "output"
        return "ended"

    def _read_ready(self, selector: selectors.BaseSelector, timeout: float) -> bool:
        """Read once from each ready stream; false when one of them is past its cap."""
        for key, _ in selector.select(timeout):
            buffer, cap = self._streams[key.fd]
            chunk = os.read(key.fd, 65536)
            if not chunk:
                selector.unregister(key.fd)
            buffer += chunk[: cap - len(buffer) + 1]
            if len(buffer) > cap:
                del buffer[cap:]
                return False
        return True

    def reports(self) -> dict[str, Any]:
        """All reports of the warden as one record; empty when it never spoke."""
        merged: dict[str, Any] = {}
        for line in self.status.splitlines():
            with contextlib.suppress(ValueError, TypeError):
                merged.update(json.loads(line))
        return merged


def _stop(process: subprocess.Popen[bytes], status: int) -> None:
    """Order the warden to kill everything; where it does not obey, do it from here."""
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.close()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            _warden.kill_descendants(process.pid)
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()
        os.close(status)


def _judge(
    cause: Literal["ended", "timeout", "output"],
    reading: _Reading,
    limits: Limits,
    seconds: float,
) -> Execution:
    stdout = reading.stdout.decode("utf-8", "replace")
    stderr = reading.stderr.decode("utf-8", "replace")
    reports = reading.reports()
    if "failed" in reports or ("started" not in reports and cause == "ended"):
        words = reports.get("failed") or stderr.strip()[-600:] or "it said nothing"
        raise SandboxUnavailable(f"the sandbox could not start a script: {words}")

    if cause == "timeout":
        reason = f"still ran after {limits.wall_seconds:g} s, the limit"
        return Execution("timeout", None, seconds, stdout, stderr, reason)
    if cause == "output":
        reason = f"wrote more than {limits.output_bytes} bytes to one of its outputs"
        return Execution("output", None, seconds, stdout, stderr, reason)
    if "processes" in reports:
        reason = f"had more than {limits.processes} processes at once"
        return Execution("error", None, seconds, stdout, stderr, reason)
    if "status" not in reports:
        return Execution("error", None, seconds, stdout, stderr, "its supervisor was killed")
    returncode = os.waitstatus_to_exitcode(reports["status"])
    outcome, reason = classify(returncode, reports["cpu"], stderr, limits)
    return Execution(outcome, returncode, seconds, stdout, stderr, reason)
