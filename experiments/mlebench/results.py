"""From graded runs to medal rates, distances and paired comparisons.

Rates are the benchmark's: for each seed the percentage over competitions, then mean and standard
error of the mean over seeds. A seed counts if all its competitions are graded; what is missing is
named, and counts as no medal only where that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.comparison import statistics
from experiments.comparison.statistics import Interval
from experiments.lenient import number
from experiments.mlebench import cells, grades
from experiments.mlebench.cells import State
from experiments.mlebench.grades import Graded
from experiments.mlebench.grid import LEVELS, Cell, Grid, load

MEASURES = (
    "any_medal",
    "gold_medal",
    "silver_medal",
    "bronze_medal",
    "above_median",
    "valid_submission",
)
"""Flags of a report of which percentages are told; the first one is the benchmark's score."""
COSTS = ("calls", "tokens", "money", "wall_seconds")


@dataclass(frozen=True)
class Row:
    """One run of a grid."""

    cell: Cell
    level: str | None
    state: State
    graded: Graded | None
    costs: dict[str, float]
    """By `COSTS`; empty unless the run is finished."""
    failure: str = ""
    """Why it could not be graded, if that was tried."""

    @property
    def utility(self) -> float:
        """Held-out score, higher is better; -inf without a valid submission."""
        report = None if self.graded is None else self.graded.report
        if report is None or report.score is None or math.isnan(report.score):
            return -math.inf
        return -report.score if report.is_lower_better else report.score


@dataclass(frozen=True)
class Results:
    """All runs of a grid, graded or not."""

    grid: Grid
    rows: tuple[Row, ...]

    @property
    def missing(self) -> tuple[Row, ...]:
        """Runs without a grade."""
        return tuple(row for row in self.rows if row.graded is None)

    def of(self, strategy: str, level: str = "all") -> list[Row]:
        """Runs of a strategy on the competitions of a complexity."""
        return [
            row
            for row in self.rows
            if row.cell.strategy == strategy and level in ("all", row.level)
        ]

    @property
    def levels(self) -> tuple[str, ...]:
        """Complexities that occur, and `all` unless that is the only one."""
        there = {row.level for row in self.rows}
        known = tuple(level for level in LEVELS if level in there)
        return known if len(there) == len(known) == 1 else (*known, "all")

    def coverage(self, level: str) -> tuple[int, int | None]:
        """How many competitions of a split are in the grid, of how many; `None`: unknown."""
        splits = self.grid.splits
        names = splits.get(level, ()) if level != "all" else sum(splits.values(), ())
        if not names:
            return len(self.grid.competitions), None
        return len(set(names) & set(self.grid.competitions)), len(names)


class Rate(NamedTuple):
    """Percentage of competitions: mean over seeds and its standard error."""

    mean: float
    sem: float
    """NaN for a single seed, which shows no spread."""
    seeds: int
    """That are complete."""
    dropped: int
    """Seeds that are not, and are left out."""


class Versus(NamedTuple):
    """A strategy against the baseline, by tasks; each task counts once, whatever its seeds."""

    strategy: str
    tasks: int
    """With at least one pair of graded runs of the same seed."""
    pairs: int
    unpaired: int
    """Runs of either whose partner has no grade."""
    improvement: Interval
    """Probability of a better held-out score on the same task and seed; ties count half."""
    medals: Interval
    """Difference of any-medal rates, in percent points."""
    p: float
    """Sign test over tasks of "either is better equally often"."""
    p_holm: float


def read(out: Path) -> Results:
    """Read the grades of a grid's runs.

    Raises:
      GridError, JournalError: something cannot be read.
    """
    grid = load(out)
    return Results(grid, tuple(_row(grid, cell, cell.folder(out)) for cell in grid.cells))


def _row(grid: Grid, cell: Cell, folder: Path) -> Row:
    state = cells.read(folder).state
    finished = state == "finished"
    costs: dict[str, float] = {}
    if finished:
        summary = cells.summary(folder)
        costs = {name: number(summary.get(name)) or 0.0 for name in COSTS}
    graded = grades.read(folder) if finished else None
    failure = "" if graded or not finished else grades.failure(folder)
    return Row(cell, grid.level(cell.competition), state, graded, costs, failure)


def rate(rows: Iterable[Row], measure: str, *, pad_missing: bool = False) -> Rate:
    """Percentage of competitions with a flag, by seeds.

    Args:
      rows: runs of one strategy.
      measure: one of `MEASURES`.
      pad_missing: a run without a grade counts as one without a submission.
    """
    by_seed: dict[int, list[Row]] = {}
    for row in rows:
        by_seed.setdefault(row.cell.seed, []).append(row)
    shares, dropped = [], 0
    for mine in by_seed.values():
        if pad_missing or all(row.graded is not None for row in mine):
            shares.append(100.0 * float(np.mean([_flag(row, measure) for row in mine])))
        else:
            dropped += 1
    if not shares:
        return Rate(math.nan, math.nan, 0, dropped)
    sem = float(np.std(shares, ddof=1) / math.sqrt(len(shares))) if len(shares) > 1 else math.nan
    return Rate(float(np.mean(shares)), sem, len(shares), dropped)


def _flag(row: Row, measure: str) -> bool:
    return row.graded is not None and bool(getattr(row.graded.report, measure))


def versus(results: Results) -> list[Versus]:
    """Every strategy against the first one, in pairs of one task and one seed.

    Tasks are what is drawn again by the bootstrap: strategies are to be compared on tasks like
    these, and seeds of one task tell of that task only.
    """
    baseline, *rivals = results.grid.strategies
    found = [_versus(results, rival, baseline) for rival in rivals]
    found = [each for each in found if each is not None]
    adjusted = statistics.holm([each.p for each in found])
    return [each._replace(p_holm=float(p)) for each, p in zip(found, adjusted, strict=True)]


def _versus(results: Results, rival: str, baseline: str) -> Versus | None:
    def graded(strategy: str) -> dict[tuple[str, int], Row]:
        rows = results.of(strategy)
        return {(r.cell.competition, r.cell.seed): r for r in rows if r.graded is not None}

    mine, base = graded(rival), graded(baseline)
    wins: dict[str, list[float]] = {}
    leads: dict[str, list[float]] = {}
    for task, seed in sorted(mine.keys() & base.keys()):
        a, b = mine[task, seed], base[task, seed]
        wins.setdefault(task, []).append(float(statistics.wins(a.utility, b.utility)))
        leads.setdefault(task, []).append(_flag(a, "any_medal") - _flag(b, "any_medal"))
    if not wins:
        return None
    by_task = np.array([np.mean(each) for each in wins.values()])
    even = np.full(by_task.shape, 0.5)
    return Versus(
        strategy=rival,
        tasks=len(wins),
        pairs=sum(map(len, wins.values())),
        unpaired=len(mine.keys() ^ base.keys()),
        improvement=statistics.over_tasks(by_task),
        medals=_difference([np.mean(each) for each in leads.values()]),
        p=statistics.sign_test(by_task, even),
        p_holm=math.nan,
    )


def _difference(leads: Iterable[Any]) -> Interval:
    """Mean of differences of rates, one a task, in percent points."""
    share = statistics.over_tasks([(1 + lead) / 2 for lead in leads])
    return Interval(*(100 * (2 * end - 1) for end in share))


def costs(rows: Iterable[Row]) -> dict[str, Any]:
    """Sums over finished runs, and their number."""
    finished = [row for row in rows if row.costs]
    sums = {name: sum(row.costs[name] for row in finished) for name in COSTS}
    return {"runs": len(finished), **sums}
