"""Who has a GPU now: one script a card, unless told otherwise, in the order of asking.

Several runs on one machine share a folder of lock files, so that threads and processes queue up
alike. Whoever dies gives back what it held: the kernel drops its locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_POLL_SECONDS = 0.05
_DIGITS = 12


class SlotsError(RuntimeError):
    """Cards cannot be shared out here: the message says why, and what to do."""


class NoSlot(Exception):
    """No card became free in time."""


def shared_folder() -> Path:
    """Where all runs of this user on this machine keep their locks.

    Not below `/tmp`, which is cleaned of old files while a run of days goes on.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "gome" / f"gpus-{platform.node()}"


@dataclass(frozen=True)
class GpuSlots:
    """Cards, and how many scripts may be on each of them at once.

    Attributes:
      gpus: numbers of the cards, as in `Limits.gpus`.
      per_card: scripts on one card.
      folder: for lock files; runs that share cards must share it. Made if missing.
    """

    gpus: tuple[int, ...]
    per_card: int = 1
    folder: Path = field(default_factory=shared_folder)

    def __post_init__(self) -> None:
        if not self.gpus or min(self.gpus) < 0 or len(set(self.gpus)) < len(self.gpus):
            raise SlotsError(f"GPUs are numbers from 0 on, each once, such as 0,1; got {self.gpus}")
        if self.per_card < 1:
            raise SlotsError(f"a card needs at least one slot, got {self.per_card}")

    @contextlib.contextmanager
    def hold(
        self,
        stop: Callable[[], bool] = lambda: False,
        seconds_left: Callable[[], float] = lambda: float("inf"),
    ) -> Iterator[int]:
        """Wait for a card, and have it until the end of the block; gives its number.

        Args:
          stop: asked while waiting whether to give up.
          seconds_left: how much longer it is worth waiting.

        Raises:
          KeyboardInterrupt: `stop` said so.
          NoSlot: no card became free in time.
          SlotsError: the folder cannot be used.
        """
        self._require_folder()
        started = time.monotonic()
        with contextlib.ExitStack() as until_served:
            ticket = until_served.enter_context(self._ticket())
            while (served := self._serve(ticket)) is None:
                if stop():
                    raise KeyboardInterrupt
                if seconds_left() <= 0:
                    waited = time.monotonic() - started
                    raise NoSlot(f"no GPU became free in {waited:.0f} s, all that was left")
                time.sleep(_POLL_SECONDS)
        card, lock = served
        try:
            yield card
        finally:
            os.close(lock)

    def _serve(self, ticket: int) -> tuple[int, int] | None:
        """A card and its lock, if it is this ticket's turn and one is free."""
        with self._queue():
            if any(number < ticket and self._waits(number) for number in self._tickets()):
                return None
            for slot in range(self.per_card):  # an empty card before a second script on one
                for card in self.gpus:
                    lock = _try_lock(self.folder / f"gpu{card}-{slot}.lock")
                    if lock is not None:
                        return card, lock
        return None

    @contextlib.contextmanager
    def _ticket(self) -> Iterator[int]:
        """A place at the end of the queue."""
        with self._queue():
            number = max(self._tickets(), default=0) + 1
            lock = _try_lock(self._path(number))
        assert lock is not None
        try:
            yield number
        finally:
            self._path(number).unlink(missing_ok=True)
            os.close(lock)

    def _waits(self, number: int) -> bool:
        """Whether somebody still waits with a ticket; that of a dead one is thrown away."""
        lock = _try_lock(self._path(number), create=False)
        if lock is None:
            return self._path(number).exists()
        self._path(number).unlink(missing_ok=True)
        os.close(lock)
        return False

    def _tickets(self) -> list[int]:
        names = (path.name.partition("-")[2] for path in self.folder.glob("ticket-*"))
        return sorted(int(name) for name in names if name.isdigit())

    def _path(self, number: int) -> Path:
        return self.folder / f"ticket-{number:0{_DIGITS}d}"

    @contextlib.contextmanager
    def _queue(self) -> Iterator[None]:
        """The queue for ourselves, for the milliseconds of one look."""
        descriptor = os.open(self.folder / "queue.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _require_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            owner = self.folder.lstat().st_uid
        except OSError as error:
            raise SlotsError(f"locks for GPUs need the folder `{self.folder}`: {error}") from error
        if owner != os.getuid():
            raise SlotsError(
                f"`{self.folder}` belongs to another user; set XDG_CACHE_HOME to a folder of yours"
            )


def _try_lock(path: Path, create: bool = True) -> int | None:
    """A locked descriptor of a file, or `None` if another holds it or it is not there."""
    flags = os.O_RDWR | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def parse_gpus(text: str) -> tuple[int, ...]:
    """Numbers of cards as they are typed; `none` is none.

    Raises:
      SlotsError: they are not numbers.

    >>> parse_gpus("0, 2"), parse_gpus("none"), parse_gpus("")
    ((0, 2), (), ())
    """
    if text.strip() in ("", "none"):
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise SlotsError(f"GPUs are given as numbers, such as 0,1; got {text!r}") from None
