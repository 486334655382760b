"""Start a launcher, read what it says with a cap, stop it in time, and leave nothing behind.

The launcher is nothing, `bwrap ...`, `unshare ...` or `docker run ...`; behind it always runs the
warden, which starts the script. All reading is one loop in the calling thread: no helper threads,
no global state, safe to use from several threads at once.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from gome_agent.sandbox._gpus import gpu_environment
from gome_agent.sandbox._outcome import classify, exceeded
from gome_agent.sandbox._tree import kill_descendants
from gome_agent.sandbox._view import Mount
from gome_agent.sandbox.base import Execution, Limits, SandboxUnavailable
from gome_agent.sandbox.interpreter import Interpreter

_GRACE_SECONDS = 1.0
_RELAY_SECONDS = 5.0
_POLL_SECONDS = 0.05
_STATUS_BYTES = 4096
_WARDEN = ("gome_agent.sandbox._tree", "gome_agent.sandbox._warden")
# Makes modules of texts, so that the second can import the first where neither is a file.
_BOOT = """
import sys, types
for name, text in zip(sys.argv[1::2], sys.argv[2::2]):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
module.main()
"""


@dataclass(frozen=True)
class Plan:
    """What the warden is to run, as it sees the world."""

    script: str
    """Path of a Python file."""
    folder: str
    python: str
    """Interpreter of the warden and the script."""
    environment: Mapping[str, str]
    root: str = ""
    """Folder over which the warden builds a new root from `mounts`; empty: it builds none."""
    mounts: tuple[Mount, ...] = ()
    skip: str = ""
    """Mount in `folder` that is not the script's own."""
    scratch: Mapping[str, int] = field(default_factory=dict[str, int])
    """Bytes that each file system in memory may hold, by path."""


@dataclass(frozen=True)
class Relay:
    """A launcher that is only a client: what it starts is no descendant of ours."""

    environment: Mapping[str, str]
    """Of the client; the script gets the plan's from it by its own means."""
    pipe: Path
    """Named pipe for the warden's reports, in the work folder."""


def environment(
    home: str, temporary: str, limits: Limits, python: Interpreter, own_devices: bool = True
) -> dict[str, str]:
    """Return the whole environment of a script, built from nothing.

    Nothing of the agent's own environment, where keys live, is ever copied. The script's folder
    and the user's site-packages are kept off the import path, also in Python processes that the
    script starts, so that a file it left there cannot shadow a module.

    Args:
      home: the work folder, as the script sees it.
      temporary: folder for temporary files.
      limits: give the number of threads and the GPUs.
      python: programs beside it are found first, and weights in its environment.
      own_devices: the script sees no device node of another GPU.
    """
    threads = str(limits.threads)
    pools = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
    return {
        "PATH": f"{Path(python.executable).parent}:/usr/bin:/bin",
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
        **gpu_environment(limits.gpus, own_devices),
        **python.variables,
    }


def supervise(
    launcher: Sequence[str], plan: Plan, limits: Limits, relay: Relay | None = None
) -> Execution:
    """Run a plan behind a launcher and say how it ended; kill all of it in every case.

    Raises:
      SandboxUnavailable: the script was never started; the message carries the launcher's words.
    """
    started = time.monotonic()
    if relay is None:
        status_read, status_write = os.pipe()
    else:
        status_read, status_write = os.open(relay.pipe, os.O_RDONLY | os.O_NONBLOCK), None
    try:
        process = _start(launcher, plan, limits, relay, status_write)
    except OSError as error:
        os.close(status_read)
        raise SandboxUnavailable(f"`{error.filename}` did not start: {error.strerror}") from error
    finally:
        if status_write is not None:
            os.close(status_write)
    try:
        reading = _Reading(process, status_read, limits)
        cause = reading.until(started + limits.wall_seconds, _RELAY_SECONDS if relay else 0.0)
    finally:  # also when Ctrl-C comes while we wait
        _stop(process, status_read)
    return _judge(cause, reading, limits, time.monotonic() - started)


def _start(
    launcher: Sequence[str],
    plan: Plan,
    limits: Limits,
    relay: Relay | None,
    status: int | None,
) -> subprocess.Popen[bytes]:
    """Start the launcher with the warden behind it and hand over the order."""
    package = resources.files("gome_agent.sandbox")
    modules = [
        part
        for name in _WARDEN
        for part in (name, package.joinpath(name.rpartition(".")[2] + ".py").read_text("utf-8"))
    ]
    process = subprocess.Popen(
        [*launcher, plan.python, "-I", "-S", "-c", _BOOT, *modules],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=dict(relay.environment if relay else plan.environment),
        cwd="/",
        start_new_session=True,
        pass_fds=() if status is None else (status,),
    )
    order = {
        "script": plan.script,
        "folder": plan.folder,
        "root": plan.root,
        "mounts": [asdict(mount) for mount in plan.mounts],
        "skip": plan.skip,
        "scratch": dict(plan.scratch),
        "drop_all": bool(plan.root),
        "limits": _resource_limits(limits),
        "processes": limits.processes,
        "memory": limits.memory_bytes,
        "disk": limits.disk_bytes,
        "status": f"{plan.folder}/{relay.pipe.name}" if relay else status,
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
    addresses = {} if limits.gpus else {"RLIMIT_AS": (limits.memory_bytes, limits.memory_bytes)}
    return {
        **addresses,
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
        self._process, self._status_fd = process, status
        self._stop = limits.stop or _never
        self._streams = {
            process.stdout.fileno(): (self.stdout, limits.output_bytes),
            process.stderr.fileno(): (self.stderr, limits.output_bytes),
            status: (self.status, _STATUS_BYTES),
        }

    def until(self, deadline: float, relay_seconds: float) -> Literal["ended", "timeout", "output"]:
        """Read until the warden is gone, the deadline (monotonic, seconds) or a full stream.

        Args:
          deadline: when to give up.
          relay_seconds: how long what was said before the end may be on its way to us.

        Raises:
          KeyboardInterrupt: the program is to be given up.
        """
        with selectors.DefaultSelector() as selector:
            for descriptor in self._streams:
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ)
            while self._status_fd in selector.get_map():
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return "timeout"
                if self._stop():
                    raise KeyboardInterrupt
                if self._stop is not _never:
                    remaining = min(remaining, _POLL_SECONDS)
                if len(selector.get_map()) == 1:  # a named pipe has no end if nobody opened it
                    remaining = min(remaining, _POLL_SECONDS)
                    if self._process.poll() is not None and not selector.select(0):
                        return "ended"
                if not self._read_ready(selector, remaining):
                    return "output"
            until = time.monotonic() + relay_seconds
            while selector.get_map():  # what is still in the pipes
                wait = max(0.0, until - time.monotonic())
                if not selector.select(wait):
                    break
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


def _never() -> bool:
    return False


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
            kill_descendants(process.pid)
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
    if "exceeded" in reports:
        outcome, reason = exceeded(reports["exceeded"], reports.get("detail", ""), limits)
        return Execution(outcome, None, seconds, stdout, stderr, reason)
    if "status" not in reports:
        return Execution("error", None, seconds, stdout, stderr, "its supervisor was killed")
    returncode = os.waitstatus_to_exitcode(reports["status"])
    outcome, reason = classify(returncode, reports["cpu"], stderr, limits)
    return Execution(outcome, returncode, seconds, stdout, stderr, reason)
