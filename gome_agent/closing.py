"""Proof that runs are over: held while something is done with them that an open run must not see.

A run is over when its journal says that it finished, was not interrupted and was not gone on with.
Its lock is held all the while, so that no process can go on with it in the meantime.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from gome_agent.events import INTERRUPTED
from gome_agent.holding import held
from gome_agent.journal import JOURNAL as JOURNAL, Journal


class RunOpen(RuntimeError):
    """A run is not over, or nothing proves that it is; the message says what to do."""


class Closed:
    """Runs that are over, for as long as this is entered: a context manager that yields itself.

    It proves nothing before it is entered and after it was left, and cannot be entered while one
    of the runs is open.
    """

    def __init__(self, folders: tuple[Path, ...], file: Path | None = None) -> None:
        """
        Args:
          folders: of the runs.
          file: one more file that is covered, though it lies in none of them.
        """
        self._folders = tuple(dict.fromkeys(folder.resolve() for folder in folders))
        self._file = None if file is None else file.resolve()
        self._holding: contextlib.ExitStack | None = None

    def __enter__(self) -> Closed:
        """
        Raises:
          RunOpen: one of the runs can be gone on with.
          RunHeld: a process is at work on one of them.
          JournalError: one of the folders is not a run's.
        """
        with contextlib.ExitStack() as stack:
            for folder in self._folders:
                # The journal first: no lock is left in a folder that is not a run's.
                _require_over(folder)
                stack.enter_context(held(folder))
                _require_over(folder)
            self._holding = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._holding is not None:
            self._holding.close()
            self._holding = None

    def require(self, file: Path) -> Path:
        """The file's real path, if it is of one of the runs.

        Raises:
          RunOpen: the runs are no longer held, or the file is not theirs.
        """
        if self._holding is None:
            raise RunOpen(
                f"`{file}` cannot be graded: its run is no longer held closed; grade within "
                "`with closed(FOLDER) as proof:`"
            )
        real = file.resolve()
        if real != self._file and not any(real.is_relative_to(run) for run in self._folders):
            runs = ", ".join(f"`{folder}`" for folder in self._folders) or "none"
            raise RunOpen(
                f"`{file}` cannot be graded: it is really `{real}`, which is not a file of the "
                f"runs that are closed ({runs})"
            )
        return real


def closed(*folders: Path) -> Closed:
    """Hold runs that are over: `with closed(folder) as proof: ...`; see `Closed`."""
    return Closed(folders)


def closed_around(file: Path) -> Closed:
    """Hold whatever run a file lies in, at any depth: it must be over; there need not be one.

    For files that are named by hand. It cannot know of a copy that was taken out of an open run.
    """
    runs = [folder for folder in file.resolve().parents if (folder / JOURNAL).is_file()]
    return Closed(tuple(runs), file)


def is_over(journal: Journal) -> bool:
    """Whether a run finished, was not interrupted and was not gone on with since."""
    end, resumed = journal.last("finished"), journal.last("resumed")
    gone_on = end is not None and resumed is not None and resumed.id > end.id
    return end is not None and not gone_on and end.payload["ended_by"] != INTERRUPTED


def _require_over(folder: Path) -> None:
    with Journal.open(folder / JOURNAL) as journal:
        over = is_over(journal)
    if not over:
        raise RunOpen(
            f"the run in `{folder}` is not over: bring it to its end by `gome resume {folder}`; "
            "until then nothing of it may be graded"
        )
