"""Grading of a grid's finished runs: each once, after it is closed, by a process of its own.

A submission on which the grader fails, hangs or dies is named and left without a grade; the others
are graded all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from experiments.mlebench import cells, grades
from experiments.mlebench.grades import SUBMISSION, Graded
from experiments.mlebench.grid import Cell, Grid, GridError, load
from gome_agent.closing import Closed, closed
from gome_agent.tasks.mlebench.base import BenchmarkError, Final

FinalOf = Callable[[Closed], AbstractContextManager[Final]]
"""The graders, for proof that a run is over; they live as long as the context."""


class Failure(NamedTuple):
    """A run that could not be graded."""

    cell: Cell
    sentence: str


class Count(NamedTuple):
    """What grading did."""

    graded: int
    kept: int
    """Graded before."""
    unfinished: tuple[Cell, ...]
    failed: tuple[Failure, ...] = ()
    """They have no grade, and are tried again next time."""


def grade(
    out: Path,
    final_of: FinalOf,
    *,
    finished_only: bool = False,
    on_graded: Callable[[Cell, Graded], None] = lambda cell, graded: None,
    on_failed: Callable[[Failure], None] = lambda failure: None,
) -> Count:
    """Grade every finished run of a grid; what was graded is not graded again.

    Args:
      out: folder of the grid.
      final_of: the graders, given proof that a run is closed; asked once a run.
      finished_only: grade although other runs of the grid are not finished.
      on_graded: told of each.
      on_failed: told of each that could not be graded.

    Raises:
      GridError: a run is not finished and `finished_only` was not asked for.
      RunOpen, RunHeld: a process goes on with one of the runs at this moment.
    """
    grid = load(out)
    finished, unfinished = _by_state(grid, out)
    if unfinished and not finished_only:
        shown = "; ".join(str(cell) for cell in unfinished[:3])
        more = f" and {len(unfinished) - 3} more" if len(unfinished) > 3 else ""
        raise GridError(
            f"{len(unfinished)} of {len(grid.cells)} runs are not finished ({shown}{more}): go on "
            "with `gome mlebench run`, or grade the others by --finished-only. Scores on the test "
            "set must not decide anything about runs that are still to come"
        )
    kept, failed = 0, []
    for cell in finished:
        folder = cell.folder(out)
        # One at a time: grids are large, and each that is held takes a file and a thread.
        with closed(folder) as proof:
            try:
                before = grades.read(folder)
                if before is not None:
                    kept += 1
                    grades.copy(folder, before)
                    continue
                graded = _graded(cell, folder, final_of, proof)
            except (BenchmarkError, GridError) as error:
                failed.append(Failure(cell, f"could not be graded: {error}"))
                grades.fail(folder, failed[-1].sentence)
                on_failed(failed[-1])
                continue
            grades.keep(folder, graded)
        on_graded(cell, graded)
    done = len(finished) - kept - len(failed)
    return Count(done, kept, tuple(unfinished), tuple(failed))


def _by_state(grid: Grid, out: Path) -> tuple[list[Cell], list[Cell]]:
    finished, unfinished = [], []
    for cell in grid.cells:
        state = cells.read(cell.folder(out)).state
        (finished if state == "finished" else unfinished).append(cell)
    return finished, unfinished


def _graded(cell: Cell, folder: Path, final_of: FinalOf, proof: Closed) -> Graded:
    """Score what a run left; one without a submission is graded as the benchmark does."""
    before = grades.digest(folder / SUBMISSION)
    with final_of(proof) as final:
        report = final.score(cell.competition, folder / SUBMISSION)
    if report.competition_id != cell.competition:
        raise BenchmarkError(
            f"a report on `{report.competition_id}` was given for `{cell.competition}`"
        )
    if grades.digest(folder / SUBMISSION) != before:
        raise GridError(f"`{folder / SUBMISSION}` changed while it was graded: grade again")
    return Graded(
        report=report,
        distances=grades.distances(report),
        submission_sha256=before,
        graded_at=datetime.now(UTC),
    )
