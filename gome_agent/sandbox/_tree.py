"""The processes and files of one script: find them, measure what they hold, kill them.

Part of the warden (see `_warden`), so self-contained: nothing of this package is visible inside a
sandbox. All numbers come from `/proc` and `stat`; the kernel enforces none of them. A script can
hold memory where no process maps it; what is done about it is said at `Meter.memory`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import time

TYPE_CHECKING = False  # importing `typing` costs 7 ms a run
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

CHECK_SECONDS = 0.1
WALK_PAUSE, WALK_SLICE, LAST_WALK_SECONDS = 0.2, 0.01, 5.0
# What a file costs at least: an empty one uses no block, but an entry and an inode.
ENTRY_BYTES = 4096
PAGE = os.sysconf("SC_PAGE_SIZE")


def descendants(ancestor: int) -> dict[int, tuple[int, int]]:
    """Return process group and resident bytes of every living descendant, by process id."""
    parents: dict[int, int] = {}
    facts: dict[int, tuple[int, int]] = {}
    with contextlib.suppress(FileNotFoundError):  # no /proc outside Linux
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The command's name may hold anything, also ")": cut behind the last one.
                fields = file.read().rpartition(b")")[2].split()
                parents[int(name)] = int(fields[1])
                facts[int(name)] = int(fields[2]), int(fields[21]) * PAGE
    found: dict[int, tuple[int, int]] = {}
    layer = {ancestor}
    while layer:
        layer = {pid for pid, parent in parents.items() if parent in layer and pid not in found}
        found.update((pid, facts[pid]) for pid in layer)
    return found


def kill_descendants(ancestor: int) -> None:
    """Send SIGKILL once to everything below a process, whole groups first."""
    found = descendants(ancestor)
    groups = {group for group, _ in found.values()}
    for group in groups - {os.getpgrp(), ancestor}:
        with contextlib.suppress(OSError):  # a group is killed in one step: it cannot outfork us
            os.killpg(group, signal.SIGKILL)
    for pid in found:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def proportional_bytes(pid: int, resident: int) -> int:
    """Memory of a process with shared pages divided among their users; resident where hidden."""
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return resident


def nameless_files(pids: dict[int, Any]) -> dict[tuple[int, int], int]:
    """Bytes of open files that no folder holds (`memfd`, deleted ones), by device and inode."""
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):  # ended, or hidden (`PR_SET_DUMPABLE`)
            for name in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    status = os.stat(f"/proc/{pid}/fd/{name}")
                    if status.st_nlink == 0 and stat.S_ISREG(status.st_mode):
                        found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return found


class Unmeasurable(Exception):
    """A folder cannot be listed, so what lies in it is not known."""


def folder_bytes(folder: str, skip: str) -> Iterator[int]:
    """Yield the bytes below a folder as they are counted; the last value is the sum.

    Args:
      folder: not counted itself.
      skip: a path in it that is not entered.

    Raises:
      Unmeasurable: a folder in it cannot be listed.
    """
    total, linked = 0, set()
    stack = [folder]
    while stack:
        path = stack.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if stat.S_ISDIR(status.st_mode):
                        if entry.path != skip:
                            stack.append(entry.path)
                    elif status.st_nlink > 1:
                        if (status.st_dev, status.st_ino) in linked:
                            continue
                        linked.add((status.st_dev, status.st_ino))
                    total += max(ENTRY_BYTES, status.st_blocks * 512)
                    yield total
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):  # removed while we look
                raise Unmeasurable(os.strerror(error.errno or 0)) from error
    yield total


class Meter:
    """Compares what a script holds with what it may hold."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._folder: str = config["folder"]
        self._skip: str = config["skip"]
        self._scratch: dict[str, int] = config["scratch"]
        """Size of each bounded file system in memory, by path."""
        self._processes: int = config["processes"]
        self._memory: int = config["memory"]
        self._disk: int = config["disk"]
        self._device = os.stat(self._folder).st_dev
        self._bounded = {os.stat(path).st_dev for path in self._scratch}
        self._walk: Iterator[int] = iter(())
        self._walked = 0
        self._next_walk = 0.0

    def check(self, ancestor: int) -> dict[str, Any] | None:
        """Return what is exceeded below a process, or None; takes about 10 ms at most."""
        below = descendants(ancestor)
        if len(below) > self._processes:
            return {"exceeded": "processes"}
        nameless = nameless_files(below)
        if self.memory(below, nameless) > self._memory:
            return {"exceeded": "memory"}
        deleted = sum(size for (device, _), size in nameless.items() if device == self._device)
        return self._inodes() or self._step(deleted, time.monotonic() + WALK_SLICE)

    def memory(self, below: dict[int, tuple[int, int]], nameless: dict[Any, int]) -> int:
        """Bytes of memory that processes hold together.

        Pages that several processes share count once. A `memfd` counts while a process has it
        open and does not hide it. Not counted: the bounded file systems in memory, what waits in
        sockets and pipes, page tables and other memory of the kernel.
        """
        files = sum(
            size
            for (device, _), size in nameless.items()
            if device != self._device and device not in self._bounded
        )
        resident = files + sum(size for _, size in below.values())
        if resident <= self._memory:  # an upper bound, and cheap
            return resident
        return files + sum(proportional_bytes(pid, size) for pid, (_, size) in below.items())

    def last_check(self) -> dict[str, Any] | None:
        """Measure the work folder once more, when all processes are gone."""
        self._walk, self._next_walk = iter(()), 0.0
        return self._step(0, time.monotonic() + LAST_WALK_SECONDS)

    def _inodes(self) -> dict[str, Any] | None:
        """Empty files use no space but the kernel's memory: so many fit and no more."""
        for path, size in self._scratch.items():
            with contextlib.suppress(OSError):
                status = os.statvfs(path)
                if (status.f_files - status.f_ffree) * ENTRY_BYTES > size + ENTRY_BYTES:
                    return {"exceeded": "disk", "detail": f"too many files in {path}"}
        return None

    def _step(self, deleted: int, until: float) -> dict[str, Any] | None:
        """Go on measuring the work folder for a while, so that a large one cannot stop us."""
        if time.monotonic() >= self._next_walk:
            self._walk, self._walked = folder_bytes(self._folder, self._skip), 0
            self._next_walk = float("inf")
        try:
            for count, walked in enumerate(self._walk):
                self._walked = walked
                if walked > self._disk:
                    break
                if count % 64 == 63 and time.monotonic() >= until:
                    break
            else:
                if self._next_walk == float("inf"):
                    self._next_walk = time.monotonic() + WALK_PAUSE
        except Unmeasurable as error:
            return {"exceeded": "disk", "detail": f"a folder that cannot be measured: {error}"}
        return {"exceeded": "disk"} if self._walked + deleted > self._disk else None
