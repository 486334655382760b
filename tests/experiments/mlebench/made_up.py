"""Grids of runs that never were: made-up journals, scores and graders, for tests only."""

from __future__ import annotations

import functools
import json
import tempfile
from datetime import datetime
from pathlib import Path

from experiments.mlebench import grid as grids
from experiments.mlebench.grid import Cell, Grid
from gome_agent.closing import Closed
from gome_agent.journal import Journal
from gome_agent.tasks.mlebench.base import Report

COMPETITIONS = ("made-up-a", "made-up-b", "made-up-c", "made-up-d")
SPLITS = {"low": COMPETITIONS[:3], "medium": (COMPETITIONS[3], "made-up-e"), "high": ()}


def grid(**changes) -> Grid:
    settings = {
        "competitions": COMPETITIONS,
        "strategies": ("gome", "aide(drafts=5)"),
        "seeds": (0, 1, 2),
        "splits": SPLITS,
        "reasoner": "expert",
        "steps": 5,
    }
    return grids.make(**{**settings, **changes})


def begin(folder: Path, scores=(0.5, 0.8, 0.7), *, higher_is_better: bool = True) -> None:
    """A run that is open."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journal.sqlite").write_bytes(_journal(scores, higher_is_better, None))
    (folder / "lock").write_text("3725.0".ljust(20))


def finish(folder: Path, submission: str | None = "0.5", ended_by: str = "all steps") -> None:
    """End a run that began, with the journal of one that goes upwards."""
    summary = {"ended_by": ended_by, "calls": 12, "tokens": 3400, "money": 0.25}
    summary |= {"wall_seconds": 3725.0, "submission": None if submission is None else "it"}
    (folder / "summary.json").write_text(json.dumps(summary))
    if submission is not None:
        (folder / "submission.csv").write_text(submission)
    for stale in folder.glob("journal.sqlite-*"):
        stale.unlink()
    (folder / "journal.sqlite").write_bytes(_journal((0.5, 0.8, 0.7), True, ended_by))


@functools.cache
def _journal(scores: tuple[float, ...], higher_is_better: bool, ended_by: str | None) -> bytes:
    """A journal's file: made once, since syncing to disk is what takes time."""
    sign = 1.0 if higher_is_better else -1.0
    box = {"name": "made-up-box", "not_covered": ["Nothing is real."]}
    started = {"config": {}, "higher_is_better": higher_is_better, "sandbox": box}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "journal.sqlite"
        with Journal.create(path) as journal:
            journal.append("started", started)
            for step, score in enumerate(scores):
                journal.append("settled", {"score": sign * score}, step)
            if ended_by is not None:
                journal.append("finished", {"ended_by": ended_by})
        return path.read_bytes()


def complete(out: Path, what: Grid, score_of) -> None:
    """Save a grid and finish all its runs; `score_of(cell)` is a text, or `None`."""
    out.mkdir(parents=True, exist_ok=True)
    grids.enter(what, out)
    for cell in what.cells:
        begin(cell.folder(out))
        finish(cell.folder(out), score_of(cell))


class Final:
    """Grades a file that holds its own score; gold from 0.9, silver 0.8, bronze 0.7, median 0.5."""

    def __init__(self, proof: Closed) -> None:
        self._proof = proof

    def __enter__(self) -> Final:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def score(self, competition: str, submission: Path) -> Report:
        assert self._proof.require(submission)
        text = submission.read_text() if submission.is_file() else "none"
        return report(competition, text, submission)


def report(competition: str, text: str, submission: Path | str = "submission.csv") -> Report:
    """A report on a text that is a score, `invalid`, or `none` for no file."""
    score = None if text in ("invalid", "none") else float(text)
    reached = score if score is not None else -1.0
    steps = (("gold", 0.9), ("silver", 0.8), ("bronze", 0.7))
    medal = next((name for name, needed in steps if reached >= needed), "")
    return Report(
        competition_id=competition,
        score=score,
        gold_threshold=0.9,
        silver_threshold=0.8,
        bronze_threshold=0.7,
        median_threshold=0.5,
        any_medal=bool(medal),
        gold_medal=medal == "gold",
        silver_medal=medal == "silver",
        bronze_medal=medal == "bronze",
        above_median=reached > 0.5,
        submission_exists=text != "none",
        valid_submission=score is not None,
        is_lower_better=False,
        created_at=datetime(2026, 1, 2, 3, 4, 5),
        submission_path=str(submission),
    )


def score_of(cell: Cell) -> str | None:
    """Gome has a medal but on the last competition; aide on the first only."""
    place = COMPETITIONS.index(cell.competition)
    if cell.strategy == "gome":
        return None if place == 3 and cell.seed == 0 else f"{0.95 - 0.1 * place + 0.01 * cell.seed}"
    return "invalid" if place == 2 else f"{0.75 - 0.15 * place - 0.01 * cell.seed}"
