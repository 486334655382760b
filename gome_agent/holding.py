"""One process a run: its folder is held, and its clock kept, while it is at work.

The lock is the kernel's and goes with the process, however that ends. The clock in the lock's file
is renewed every second, so that a run that was killed knows what it had used.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_EVERY_SECONDS = 1.0
_WIDTH = 20


class RunHeld(RuntimeError):
    """Another process is at work on this run."""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[float]:
    """Hold the folder of a run, which exists.

    Yields:
      Seconds of the clock that earlier processes have used.

    Raises:
      RunHeld: another process holds it.
    """
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunHeld(
                f"another process is at work on `{folder}`: wait for it to end, or look at it by "
                f"`gome report {folder}`"
            ) from None
        before = _read(file)
        over = threading.Event()
        beat = threading.Thread(target=_beat, args=(file, before, over), daemon=True)
        beat.start()
        try:
            yield before
        finally:
            over.set()
            beat.join()
    finally:
        os.close(file)


def _read(file: int) -> float:
    with contextlib.suppress(ValueError):
        return float(os.pread(file, _WIDTH, 0) or b"0")
    return 0.0


def _beat(file: int, before: float, over: threading.Event) -> None:
    started = time.monotonic()
    while True:
        used = before + time.monotonic() - started
        with contextlib.suppress(OSError):  # a full disk ends the run elsewhere, with a sentence
            os.pwrite(file, f"{used:<{_WIDTH}.3f}".encode(), 0)
        if over.wait(_EVERY_SECONDS):
            return
