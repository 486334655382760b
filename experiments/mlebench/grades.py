"""The grade of a run as it is kept: an event of its journal, and a copy to look at.

A run is graded once. Its journal only grows, so it tells when that was and of which submission;
`grading.json` says the same beside it, decides nothing, and is written again where it is gone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, FiniteFloat, ValidationError

from experiments.lenient import mapping
from experiments.mlebench.grid import GridError
from experiments.submitting import write_json
from gome_agent.journal import JOURNAL, Journal
from gome_agent.secrets import redaction
from gome_agent.tasks.mlebench.base import Report

COPY = "grading.json"
FAILURE = "ungraded.json"
SUBMISSION = "submission.csv"
THRESHOLDS = ("gold", "silver", "bronze", "median")
_MEDALS = THRESHOLDS[:3]
_KEY = "mlebench"
"""Of the whole grade within its event; the rest is told as `gome grade` does of other tasks."""


class Distance(BaseModel):
    """How far a score is beyond a threshold; positive is better, whichever way the metric goes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signed: FiniteFloat
    """In the metric's own units."""
    relative: FiniteFloat | None
    """In units of the leaderboard's way from median to gold; `None` where that tells nothing."""


class Graded(BaseModel):
    """The grade of one run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    report: Report
    distances: dict[str, Distance]
    """By threshold; empty without a finite score."""
    submission_sha256: str | None
    """Of the file that was graded; `None` if there was none."""
    graded_at: AwareDatetime


def distances(report: Report) -> dict[str, Distance]:
    """From a score to each threshold of its leaderboard."""
    if report.score is None or not math.isfinite(report.score):
        return {}
    sign = -1.0 if report.is_lower_better else 1.0
    way = abs(report.gold_threshold - report.median_threshold)
    found = {}
    for name in THRESHOLDS:
        signed = sign * (report.score - getattr(report, f"{name}_threshold"))
        relative = signed / way if way > 0 else math.inf
        found[name] = Distance(
            signed=signed, relative=relative if math.isfinite(relative) else None
        )
    return found


def medal(report: Report) -> str:
    """Name of the medal; empty without one."""
    return next((name for name in _MEDALS if getattr(report, f"{name}_medal")), "")


def read(folder: Path) -> Graded | None:
    """The grade of a run; `None` if it has none.

    Raises:
      GridError: the submission was replaced since, or the grade cannot be read.
    """
    if not (folder / JOURNAL).is_file():
        return None
    with Journal.open(folder / JOURNAL) as journal:
        kept = next((e.payload[_KEY] for e in journal.events("graded") if _KEY in e.payload), None)
    if kept is None:
        return None
    try:
        graded = Graded.model_validate(kept)
    except ValidationError as error:
        raise GridError(
            f"the grade in `{folder / JOURNAL}` cannot be read ({error.error_count()} errors): it "
            "is of another version of gome, use that one"
        ) from error
    if digest(folder / SUBMISSION) != graded.submission_sha256:
        raise GridError(
            f"`{folder / SUBMISSION}` is not the file that was graded at {graded.graded_at:%F %T} "
            "UTC, and a run is graded once: put that file back (its SHA-256 is "
            f"{graded.submission_sha256 or 'that of no file'})"
        )
    return graded


def keep(folder: Path, graded: Graded) -> None:
    """Add a grade to the journal of a run that is held, and write its copy."""
    report = graded.report
    told = {
        "score": report.score,
        "medal": medal(report) or "none",
        "thresholds": {name: getattr(report, f"{name}_threshold") for name in THRESHOLDS},
        "above_median": report.above_median,
        _KEY: graded.model_dump(mode="json"),
    }
    path, redact = folder / JOURNAL, redaction(os.environ)
    with Journal.open(path, read_only=False, redact=redact) as journal:
        journal.append("graded", told)
    copy(folder, graded)


def copy(folder: Path, graded: Graded) -> None:
    """Write `grading.json`, and drop what is known of earlier attempts."""
    write_json(folder / COPY, graded.model_dump(mode="json"))
    (folder / FAILURE).unlink(missing_ok=True)


def fail(folder: Path, sentence: str) -> None:
    """Keep why a run could not be graded."""
    write_json(folder / FAILURE, {"schema_version": 1, "sentence": sentence})


def failure(folder: Path) -> str:
    """Why a run could not be graded; empty if nobody tried in vain."""
    with contextlib.suppress(OSError, ValueError):
        told: Any = json.loads((folder / FAILURE).read_text(encoding="utf-8"))
        return str(mapping(told).get("sentence", ""))
    return ""


def known_at(folder: Path) -> list[datetime]:
    """When a grade of this run became known, by its journal."""
    if not (folder / JOURNAL).is_file():
        return []
    with Journal.open(folder / JOURNAL) as journal:
        return [datetime.fromtimestamp(event.time, UTC) for event in journal.events("graded")]


def digest(path: Path) -> str | None:
    """SHA-256 of a file; `None` if there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
