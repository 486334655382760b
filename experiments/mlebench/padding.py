"""What stands for a run without a grade: the benchmark's report on a run without a submission."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from experiments.mlebench.grades import THRESHOLDS
from experiments.mlebench.grid import GridError
from experiments.mlebench.results import Results
from gome_agent.tasks.mlebench import facts
from gome_agent.tasks.mlebench.base import Report


def reports(found: Results, now: datetime) -> dict[str, Report]:
    """A report without a score for each competition of which a run has no grade.

    Thresholds are those of a graded run of the competition, else the shipped ones.

    Raises:
      GridError: there are neither.
    """
    missing = dict.fromkeys(row.cell.competition for row in found.missing)
    return {competition: _report(found, competition, now) for competition in missing}


def _report(found: Results, competition: str, now: datetime) -> Report:
    thresholds, lower = _thresholds(found, competition)
    needed: Any = {f"{name}_threshold": value for name, value in thresholds.items()}
    return Report(
        competition_id=competition,
        score=None,
        **needed,
        any_medal=False,
        gold_medal=False,
        silver_medal=False,
        bronze_medal=False,
        above_median=False,
        submission_exists=False,
        valid_submission=False,
        is_lower_better=lower,
        created_at=now,
        submission_path="",
    )


def _thresholds(found: Results, competition: str) -> tuple[dict[str, float], bool]:
    for row in found.rows:
        if row.graded is not None and row.cell.competition == competition:
            report = row.graded.report
            told = {name: getattr(report, f"{name}_threshold") for name in THRESHOLDS}
            return told, report.is_lower_better
    shipped = facts.thresholds(competition)
    if shipped is None:
        raise GridError(
            f"no run of `{competition}` is graded and its thresholds are not known, so it cannot "
            "be padded: grade one of its runs"
        )
    return {name: getattr(shipped, name) for name in THRESHOLDS}, shipped.lower_is_better
