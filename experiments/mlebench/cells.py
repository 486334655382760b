"""How far each run of a grid is, read from its folder and nothing else."""

from __future__ import annotations

import contextlib
import fcntl
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from experiments.lenient import mapping, number
from experiments.submitting import write_json
from gome_agent.closing import is_over
from gome_agent.journal import JOURNAL, Journal, JournalError

NOTE = "cell.json"
CONSOLE = "console.log"
_STAGED = ("", "-wal", "-shm")
"""Files of a SQLite database in write-ahead mode."""

State = Literal["not begun", "failed", "open", "finished"]
"""`failed`: it could not even begin; `open`: it began and can be resumed."""


@dataclass(frozen=True)
class Progress:
    """What a run's folder tells of it."""

    state: State
    steps: int = 0
    best: float | None = None
    """Best validation score so far, in the metric's own units."""
    seconds: float = 0.0
    """Of its clock."""
    sentence: str = ""
    """Why the last attempt stopped, if it did not end by itself."""


def read(folder: Path) -> Progress:
    """Look at a run; writes nothing, and may be asked while it is at work.

    Raises:
      JournalError: its journal cannot be read.
    """
    sentence = _sentence(folder)
    path = folder / JOURNAL
    if not path.is_file():
        return Progress("failed" if sentence else "not begun", sentence=sentence)
    with Journal.open(path) as journal:
        started = journal.last("started")
        if started is None:
            return Progress("failed" if sentence else "not begun", sentence=sentence)
        settled = [event.payload for event in journal.events("settled")]
        over = is_over(journal)
    state: State = "open"
    if over and summary(folder):
        state, sentence = "finished", ""
    scores = [number(step.get("score")) for step in settled]
    best = max((score for score in scores if score is not None), default=None)
    if best is not None and not started.payload["higher_is_better"]:
        best = -best
    return Progress(state, len(settled), best, clock(folder), sentence)


def clock(folder: Path) -> float:
    """Seconds that a run has used, as it keeps them in its lock's file."""
    with contextlib.suppress(OSError, ValueError):
        return float((folder / "lock").read_text(encoding="ascii"))
    return 0.0


def is_held(folder: Path) -> bool:
    """Whether some process is at work on a run."""
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def note(folder: Path, sentence: str, status: int) -> None:
    """Keep why a run stopped."""
    write_json(folder / NOTE, {"schema_version": 1, "sentence": sentence, "status": status})


def forget(folder: Path) -> None:
    """Drop what an earlier attempt left that never began: a note, and a journal without a run.

    Raises:
      JournalError: there is a run in it.
    """
    (folder / NOTE).unlink(missing_ok=True)
    path = folder / JOURNAL
    if path.is_file():
        with Journal.open(path) as journal:
            if journal.last("started") is not None:
                raise JournalError(f"`{path}` holds a run")
        for ending in _STAGED:
            path.with_name(JOURNAL + ending).unlink(missing_ok=True)


def summary(folder: Path) -> dict[str, Any]:
    """The summary of a finished run; empty if it is not there or not readable."""
    with contextlib.suppress(OSError, ValueError):
        return dict(mapping(json.loads((folder / "summary.json").read_text(encoding="utf-8"))))
    return {}


def _sentence(folder: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        told = mapping(json.loads((folder / NOTE).read_text(encoding="utf-8")))
        return str(told.get("sentence", ""))
    return ""
