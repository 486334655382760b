"""What a grid shows: what is ahead of it, and a table of the runs while they are at work."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rich.markup import escape
from rich.table import Table

from experiments.mlebench import cells
from experiments.mlebench.cells import Progress
from experiments.mlebench.grid import Cell, Grid
from experiments.mlebench.running import Event
from gome_agent.journal import JournalError

_ELSEWHERE = "running elsewhere"
GIB = 2**30


class Ahead(NamedTuple):
    """What is left to do, and what it may take."""

    states: Mapping[str, int]
    """Cells by state."""
    seconds: float
    """At most, all jobs at work."""
    bytes_: float | None
    """On disk, by what finished runs of this grid take; `None` while none is finished."""
    free_bytes: int


def ahead(grid: Grid, out: Path) -> Ahead:
    """Look at a grid before it is run."""
    states, left, sizes = Counter(), 0.0, []
    for cell in grid.cells:
        folder = cell.folder(out)
        progress = read(folder)
        states[progress.state] += 1
        if progress.state == "finished":
            sizes.append(size(folder))
        else:
            left += max(0.0, grid.seconds - progress.seconds)
    unfinished = states.total() - states["finished"]
    needed = sum(sizes) / len(sizes) * unfinished if sizes else None
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    return Ahead(states, left / grid.jobs, needed, shutil.disk_usage(there).free)


def tell_ahead(grid: Grid, found: Ahead, data_bytes: int | None) -> str:
    """A paragraph for the terminal."""
    of = ", ".join(f"{number} {state}" for state, number in sorted(found.states.items()))
    needed = (
        "unknown until a run is finished"
        if found.bytes_ is None
        else f"about {found.bytes_ / GIB:.2f} GiB more by the runs that are finished"
    )
    data = "" if data_bytes is None else f"\ndata: {data_bytes / GIB:.2f} GiB, prepared"
    return (
        f"{len(grid.cells)} runs: {len(grid.competitions)} competitions x "
        f"{len(grid.strategies)} strategies x {len(grid.seeds)} seeds ({of})\n"
        f"time: at most {hours(found.seconds)}, {grid.jobs} at once, {hours(grid.seconds)} each\n"
        f"disk: {needed}; {found.free_bytes / GIB:.1f} GiB are free{data}"
    )


def hours(seconds: float) -> str:
    """Hours and minutes.

    >>> hours(43200), hours(90)
    ('12:00 h', '0:01 h')
    """
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} h"


def size(folder: Path) -> int:
    """Bytes of the files in a folder; what is linked is not in it."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files)


def read(folder: Path) -> Progress:
    """As `cells.read`; a journal that cannot be read is shown as open, with the reason."""
    try:
        return cells.read(folder)
    except JournalError as error:
        return Progress("open", sentence=str(error))


class Board:
    """The table of a grid; told by events, and reads the journals of what is at work."""

    def __init__(self, grid: Grid, out: Path) -> None:
        self._grid, self._out = grid, out
        self._running: dict[Cell, str] = {}
        self._counts: Counter[str] = Counter()

    def on_event(self, event: Event) -> str:
        """Take note of an event; returns a line on it, empty for what was finished before."""
        if event.what in ("begun", "resumed"):
            self._running[event.cell] = "running"
            return f"{event.what}: {event.cell}"
        if event.what == "held":
            self._running[event.cell] = _ELSEWHERE
            return f"{_ELSEWHERE}: {event.cell}; waiting for that process to end"
        self._running.pop(event.cell, None)
        state = event.progress.state
        self._counts[state] += 1
        if event.what == "kept":
            return ""
        best = event.progress.best
        shown = "" if best is None else f", best validation {best:.5g}"
        why = f": {event.progress.sentence}" if event.progress.sentence else ""
        return f"{state}: {event.cell}, {event.progress.steps} steps{shown}{why}"

    def table(self) -> Table:
        """What is at work, and how many there are of all."""
        waiting = len(self._grid.cells) - self._counts.total() - len(self._running)
        counts = [f"{number} {state}" for state, number in self._counts.items()]
        table = Table(
            *("competition", "strategy", "seed", "step", "best validation", "elapsed", "state"),
            box=None,
            pad_edge=False,
            caption=", ".join([f"{len(self._running)} running", *counts, f"{waiting} to come"]),
            caption_justify="left",
        )
        for cell, state in tuple(self._running.items()):
            progress = read(cell.folder(self._out))
            table.add_row(
                escape(cell.competition),
                escape(cell.strategy),
                str(cell.seed),
                f"{progress.steps}/{self._grid.steps}",
                "" if progress.best is None else f"{progress.best:.5g}",
                f"{hours(progress.seconds)} of {hours(self._grid.seconds)}",
                state,
            )
        return table
