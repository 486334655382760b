"""Grading of a grid's finished runs: once, after they are closed, in a file beside each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, FiniteFloat, ValidationError

from experiments.mlebench import cells
from experiments.mlebench.grid import Cell, Grid, GridError, load
from gome_agent.closing import Closed, closed
from gome_agent.tasks.mlebench.base import BenchmarkError, Final, Report

FILE = "grading.json"
SUBMISSION = "submission.csv"
THRESHOLDS = ("gold", "silver", "bronze", "median")

FinalOf = Callable[[Closed], AbstractContextManager[Final]]
"""The graders, for proof that runs are over; they live as long as the context."""


class Distance(BaseModel):
    """How far a score is beyond a threshold; positive is better, whichever way the metric goes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signed: FiniteFloat
    """In the metric's own units."""
    relative: FiniteFloat | None
    """In units of the leaderboard's way from median to gold; `None` where that has no length."""


class Graded(BaseModel):
    """The grade of one run, as kept in `grading.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    report: Report
    distances: dict[str, Distance]
    """By threshold; empty without a score."""
    submission_sha256: str | None
    """Of the file that was graded; `None` if there was none."""
    graded_at: AwareDatetime


class Count(NamedTuple):
    """What grading did."""

    graded: int
    kept: int
    """Graded before, with the same submission."""
    unfinished: tuple[Cell, ...]


def grade(
    out: Path,
    final_of: FinalOf,
    *,
    finished_only: bool = False,
    on_graded: Callable[[Cell, Graded], None] = lambda cell, graded: None,
) -> Count:
    """Grade every finished run of a grid; what was graded is not graded again.

    Args:
      out: folder of the grid.
      final_of: the graders, given proof that the runs are closed.
      finished_only: grade although other runs of the grid are not finished.
      on_graded: told of each.

    Raises:
      GridError: a run is not finished and `finished_only` was not asked for.
      BenchmarkError: data or leaderboard of a competition are not there.
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
    left = [cell for cell in finished if read(cell.folder(out)) is None]
    with closed(*(cell.folder(out) for cell in left)) as proof:
        if left:
            with final_of(proof) as final:
                for cell in left:
                    on_graded(cell, _grade(cell, cell.folder(out), final))
    return Count(len(left), len(finished) - len(left), tuple(unfinished))


def read(folder: Path) -> Graded | None:
    """The grade of a run; `None` if it has none, or its submission is another one by now.

    Raises:
      GridError: the file is there and cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        graded = Graded.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise GridError(
            f"`{path}` cannot be read as a grade ({error.error_count()} errors): delete it and "
            "grade again"
        ) from error
    return graded if graded.submission_sha256 == _digest(folder / SUBMISSION) else None


def distances(report: Report) -> dict[str, Distance]:
    """From a score to each threshold of its leaderboard."""
    if report.score is None:
        return {}
    sign = -1.0 if report.is_lower_better else 1.0
    way = abs(report.gold_threshold - report.median_threshold)
    found = {}
    for name in THRESHOLDS:
        signed = sign * (report.score - getattr(report, f"{name}_threshold"))
        found[name] = Distance(signed=signed, relative=signed / way if way > 0 else None)
    return found


def _by_state(grid: Grid, out: Path) -> tuple[list[Cell], list[Cell]]:
    finished, unfinished = [], []
    for cell in grid.cells:
        state = cells.read(cell.folder(out)).state
        (finished if state == "finished" else unfinished).append(cell)
    return finished, unfinished


def _grade(cell: Cell, folder: Path, final: Final) -> Graded:
    """Score what a run left; one without a submission is graded as the benchmark does."""
    before = _digest(folder / SUBMISSION)
    report = final.score(cell.competition, folder / SUBMISSION)
    if report.competition_id != cell.competition:
        raise BenchmarkError(
            f"a report on `{report.competition_id}` was given for `{cell.competition}`"
        )
    if _digest(folder / SUBMISSION) != before:
        raise GridError(f"`{folder / SUBMISSION}` changed while it was graded: grade again")
    graded = Graded(
        report=report,
        distances=distances(report),
        submission_sha256=before,
        graded_at=datetime.now(UTC),
    )
    draft = (folder / FILE).with_suffix(".tmp")
    draft.write_text(graded.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(draft, folder / FILE)
    return graded


def _digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
