"""What the commands on a grid show on a terminal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from experiments.display import CONSOLE
from experiments.mlebench import grades, grading, running, watching
from experiments.mlebench.cells import CONSOLE as CONSOLE_FILE
from experiments.mlebench.grid import Cell, Grid, GridError
from experiments.mlebench.running import Event, Runner, Subprocesses
from gome_agent.tasks.mlebench.base import BenchmarkError, Rollout

if TYPE_CHECKING:
    from experiments.mlebench.grades import Graded
    from experiments.mlebench.grading import Failure, FinalOf

_REFRESHES_PER_SECOND = 0.5
_INTERRUPTED = 130


def require_prepared(grid: Grid, rollout: Rollout) -> int:
    """Bytes of the data of a grid's competitions.

    Raises:
      GridError: some are not prepared; names all of them.
    """
    refused, total = [], 0
    for competition in grid.competitions:
        try:
            total += watching.size(rollout.info(competition).public)
        except BenchmarkError as error:
            refused.append((competition, error))
    if refused:
        names = ", ".join(name for name, _ in refused)
        raise GridError(
            f"{len(refused)} of {len(grid.competitions)} competitions cannot be run ({names}): "
            f"{refused[0][1]}"
        )
    return total


def run(
    grid: Grid, out: Path, data_bytes: int, *, dry_run: bool = False, runner: Runner | None = None
) -> int:
    """Run a grid with a table of what is at work.

    Returns:
      Exit status: 0, 1 if some run did not come to its end, 130 if it was interrupted: by Ctrl-C,
      SIGTERM, or the end of the terminal.
    """
    found = watching.ahead(grid, out)
    CONSOLE.print(escape(watching.tell_ahead(grid, found, data_bytes)))
    if dry_run:
        return 0
    board = watching.Board(grid, out)

    def on_event(event: Event) -> None:
        if line := board.on_event(event):
            _say(escape(line))

    live = Live(
        get_renderable=board.table,
        console=CONSOLE,
        refresh_per_second=_REFRESHES_PER_SECOND,
        transient=True,
    )
    try:
        with _terminated_as_interrupted(), _shown(live):
            progress = running.execute(grid, out, runner or Subprocesses(grid), on_event)
    except KeyboardInterrupt:
        _say("[yellow]interrupted[/]: what is there is kept; the same command goes on")
        return _INTERRUPTED
    left = sum(each.state != "finished" for each in progress.values())
    if left:
        CONSOLE.print(
            f"[yellow]{left} runs are not finished[/]: {CONSOLE_FILE} in their folders has what "
            "they said; the same command tries them again"
        )
        return 1
    CONSOLE.print(f"all runs are finished · next: gome mlebench grade {escape(str(out))}")
    return 0


@contextmanager
def _shown(live: Live) -> Iterator[None]:
    """As the table itself is a context, also where the terminal went away in it."""
    live.start()
    try:
        yield
    finally:
        with suppress(OSError):
            live.stop()


def _say(line: str) -> None:
    """Print, unless the terminal is gone: runs go on all the same, or end as they should."""
    with suppress(OSError):
        CONSOLE.print(line)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends a grid as Ctrl-C does, also where a shell started it with Ctrl-C ignored.

    So does the end of its terminal (SIGHUP), unless that is ignored, as under `nohup`.
    """

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def grade(out: Path, final_of: FinalOf, finished_only: bool = False) -> int:
    """Grade, with a line a run.

    Returns:
      Exit status: 0, or 1 if some run could not be graded.
    """

    def on_graded(cell: Cell, graded: Graded) -> None:
        report = graded.report
        score = "no valid submission" if report.score is None else f"{report.score:.5f}"
        CONSOLE.print(escape(f"{cell}: {score}, {grades.medal(report) or 'no medal'}"))
        if report.shipped_thresholds:
            CONSOLE.print("  not the benchmark's medal: its leaderboard is absent, ours was used")

    def on_failed(failure: Failure) -> None:
        CONSOLE.print(f"[yellow]{escape(f'{failure.cell}: {failure.sentence}')}[/]")

    count = grading.grade(
        out, final_of, finished_only=finished_only, on_graded=on_graded, on_failed=on_failed
    )
    CONSOLE.print(
        f"{count.graded} graded, {count.kept} graded before, {len(count.unfinished)} not finished "
        f"· next: gome mlebench report {escape(str(out))}"
    )
    if count.failed:
        names = "; ".join(str(failure.cell) for failure in count.failed)
        CONSOLE.print(
            f"[yellow]{len(count.failed)} could not be graded[/] and count nowhere: "
            f"{escape(names)} · the same command tries them again"
        )
    return 1 if count.failed else 0


def report(out: Path, pad_missing: bool = False) -> None:
    """Write the report and show its tables, but for that of single runs."""
    from experiments.mlebench import report

    written = report.write(out, pad_missing=pad_missing)
    for section in written.sections:
        if section.title == report.DISTANCES:
            continue
        table = Table(*map(escape, section.columns), box=None, pad_edge=False, title_justify="left")
        table.title = f"[bold]{escape(section.title)}"
        for row in section.rows:
            table.add_row(*map(escape, row))
        CONSOLE.print(table)
        for line in section.notes:
            CONSOLE.print(f"[dim]{escape(line)}")
        CONSOLE.print()
    CONSOLE.print("written: " + ", ".join(escape(str(path)) for path in written.files))


def leaderboard(out: Path, to: Path, *, hardware: str, agent: str, pad_missing: bool) -> None:
    """Write the files and say what is in them."""
    from experiments.mlebench import leaderboard

    written = leaderboard.write(out, to, hardware=hardware, agent=agent, pad_missing=pad_missing)
    for warning in written.warnings:
        CONSOLE.print(f"[yellow]{escape(warning)}[/]")
    CONSOLE.print(
        escape(f"{len(written.reports)} grading reports, {written.rows}, {written.text}"),
        soft_wrap=True,
    )
