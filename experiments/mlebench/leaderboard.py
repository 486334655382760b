"""The files that the benchmark's leaderboard asks for, from the graded runs of a grid.

One run group a strategy and seed, with one report each in the format of the benchmark's own
`aggregate_reports`; the rows that name them; and a text with what a declaration has to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from experiments.mlebench import declaration, padding, results
from experiments.mlebench.grid import Grid, GridError, slug
from experiments.mlebench.results import Results
from gome_agent.tasks.mlebench.base import Report

ROWS = "run_group_experiments.csv"
_TIME = "%Y-%m-%dT%H-%M-%S-UTC"


class Written(NamedTuple):
    """What was written."""

    reports: tuple[Path, ...]
    rows: Path
    text: Path
    warnings: tuple[str, ...]
    """What a reader of the leaderboard would object to."""


def write(
    out: Path,
    to: Path,
    *,
    hardware: str,
    agent: str = "gome",
    pad_missing: bool = False,
    now: datetime | None = None,
) -> Written:
    """Write `runs/GROUP/TIME_grading_report.json`, the CSV rows and `DECLARATION.md` into a folder.

    Args:
      out: folder of the grid.
      to: folder, created; must not hold anything.
      hardware: of the runs, as it is to be declared, e.g. "12 vCPUs, 220GB of RAM, and 1 V100 GPU".
      agent: begins the names of run groups and experiments.
      pad_missing: report runs without a grade as runs without a submission. The benchmark's own
        script pads, too, but at the end: it would pair runs of different seeds.
      now: when, in UTC.

    Raises:
      GridError: runs are missing and `pad_missing` is not asked for, or cannot be padded; or `to`
        is not empty.
    """
    found = results.read(out)
    _require(found, to, pad_missing)
    now = now or datetime.now(UTC)
    time = now.strftime(_TIME)
    zeros = padding.reports(found, now)
    names = {name: experiment_id(agent, name, found.grid) for name in found.grid.strategies}
    reports, lines = [], ["experiment_id,run_group"]
    for strategy in found.grid.strategies:
        for seed in found.grid.seeds:
            rows = [row for row in found.of(strategy) if row.cell.seed == seed]
            reported = [
                zeros[row.cell.competition] if row.graded is None else row.graded.report
                for row in rows
            ]
            group = f"{time}_run-group_{names[strategy]}_seed-{seed:04d}"
            path = to / "runs" / group / f"{time}_grading_report.json"
            path.parent.mkdir(parents=True)
            path.write_text(_text(aggregate(reported)), encoding="utf-8")
            reports.append(path)
            lines.append(f"{names[strategy]},{group}")
    table = to / "runs" / ROWS
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    warnings = tuple(declaration.warnings(found, pad_missing))
    text = to / "DECLARATION.md"
    words = declaration.text(found, out, names, hardware, pad_missing=pad_missing)
    text.write_text(words, encoding="utf-8")
    return Written(tuple(reports), table, text, warnings)


def experiment_id(agent: str, strategy: str, grid: Grid) -> str:
    """The benchmark's name for a strategy with its model: letters, digits, `.` and `-`."""
    model = re.sub(r"[^\w.-]+", "-", grid.model or grid.reasoner).strip("-")
    return "-".join([model[:40], agent, slug(strategy)])


def aggregate(reports: Sequence[Report]) -> dict[str, Any]:
    """Reports as the benchmark adds them up; paths are names, not those of this machine."""

    def total(flag: str) -> int:
        return sum(getattr(report, flag) for report in reports)

    return {
        "total_runs": len(reports),
        "total_runs_with_submissions": total("submission_exists"),
        "total_valid_submissions": total("valid_submission"),
        "total_medals": total("any_medal"),
        "total_gold_medals": total("gold_medal"),
        "total_silver_medals": total("silver_medal"),
        "total_bronze_medals": total("bronze_medal"),
        "total_above_median": total("above_median"),
        "competition_reports": [_as_written(report) for report in reports],
    }


def _as_written(report: Report) -> dict[str, Any]:
    name = f"{report.competition_id}/submission.csv"
    created = report.created_at.isoformat()
    return {**report.model_dump(mode="json"), "created_at": created, "submission_path": name}


def _text(told: dict[str, Any]) -> str:
    return json.dumps(told, indent=2, allow_nan=False) + "\n"


def _require(found: Results, to: Path, pad_missing: bool) -> None:
    if found.missing and not pad_missing:
        raise GridError(
            f"{len(found.missing)} of {len(found.rows)} runs have no grade (first: "
            f"{found.missing[0].cell}): run and grade them, or declare them as padded by "
            "--pad-missing"
        )
    if len(found.missing) == len(found.rows):
        raise GridError("no run is graded: there is nothing to declare")
    graded = [row.graded.report for row in found.rows if row.graded is not None]
    if ours := [report.competition_id for report in graded if report.shipped_thresholds]:
        raise GridError(
            f"{len(ours)} grades (first: {ours[0]}) are by shipped thresholds, not by the "
            "benchmark: fetch its leaderboards (git lfs pull), delete the grades and grade again"
        )
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise GridError(f"`{to}` is not empty: the benchmark wants one report a run group")
