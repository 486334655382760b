"""`report.md`, `report.html` and a figure about the graded runs of a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from experiments.mlebench import grades, results
from experiments.mlebench.grades import THRESHOLDS
from experiments.mlebench.grid import GridError
from experiments.mlebench.results import MEASURES, Rate, Results, Row
from experiments.mlebench.watching import hours

FIGURE = "figure.png"
DISTANCES = "Distance to thresholds"
"""Title of the section with a row a run."""


@dataclass(frozen=True)
class Section:
    """A table with a heading and what is to be said of it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


class Written(NamedTuple):
    """What a report came to."""

    sections: tuple[Section, ...]
    files: tuple[Path, ...]


def write(out: Path, *, pad_missing: bool = False) -> Written:
    """Write the report of a grid into its folder.

    Args:
      out: folder of the grid.
      pad_missing: runs without a grade count as no medal, and the report says so.

    Raises:
      GridError: no run is graded.
    """
    found = results.read(out)
    if len(found.missing) == len(found.rows):
        raise GridError(f"no run in `{out}` is graded: first `gome mlebench grade {out}`")
    sections = tuple(_sections(found, pad_missing))
    from experiments.mlebench import figure, page

    written = (figure.write(found, out / FIGURE, pad_missing=pad_missing),)
    return Written(sections, (*page.write(found.grid, sections, out), *written))


def _sections(found: Results, pad_missing: bool) -> list[Section]:
    sections = [_rates(found, pad_missing), _details(found, pad_missing), _distances(found)]
    if len(found.grid.strategies) > 1:
        sections.append(_versus(found))
    sections.append(_costs(found))
    if found.missing:
        sections.append(_missing(found, pad_missing))
    return sections


def _rates(found: Results, pad_missing: bool) -> Section:
    levels = found.levels
    rows = []
    for strategy in found.grid.strategies:
        rates = [
            results.rate(found.of(strategy, level), MEASURES[0], pad_missing=pad_missing)
            for level in levels
        ]
        seeds = "/".join(dict.fromkeys(str(each.seeds) for each in rates))
        rows.append((strategy, *map(shown, rates), seeds))
    notes = [
        "Percentage of competitions with a medal: mean ± standard error over seeds; a single seed "
        "shows no error (?)."
    ]
    for level in levels:
        here, all_ = found.coverage(level)
        if all_ is not None and here < all_:
            notes.append(
                f"{level}: {here} of the split's {all_} competitions were run; not comparable with "
                "numbers of the whole split."
            )
    graded = [row.graded.report for row in found.rows if row.graded is not None]
    if ours := sum(report.shipped_thresholds for report in graded):
        notes.append(
            f"Medals of {ours} runs were judged by thresholds that come with gome, not by the "
            "benchmark, whose leaderboards were absent."
        )
    if pad_missing and found.missing:
        notes.append(f"{len(found.missing)} runs without a grade count as no medal.")
    elif dropped := _incomplete(found):
        notes.append(f"Left out, because not all their competitions are graded: {dropped}.")
    return Section("Any medal", ("strategy", *levels, "seeds"), tuple(rows), tuple(notes))


def _incomplete(found: Results) -> str:
    told = []
    for strategy in found.grid.strategies:
        seeds = {row.cell.seed for row in found.of(strategy) if row.graded is None}
        if seeds:
            told.append(f"{strategy}: seed {', '.join(map(str, sorted(seeds)))}")
    return "; ".join(told)


def _details(found: Results, pad_missing: bool) -> Section:
    rows = []
    for strategy in found.grid.strategies:
        mine = found.of(strategy)
        rates = [results.rate(mine, measure, pad_missing=pad_missing) for measure in MEASURES]
        rows.append((strategy, *map(shown, rates)))
    columns = tuple(name.replace("_", " ") for name in MEASURES)
    return Section("All competitions of the grid, %", ("strategy", *columns), tuple(rows))


def _distances(found: Results) -> Section:
    rows = []
    for competition in found.grid.competitions:
        for row in found.rows:
            if row.cell.competition == competition and row.graded is not None:
                rows.append((competition, row.cell.strategy, str(row.cell.seed), *_distance(row)))
    return Section(
        DISTANCES,
        ("competition", "strategy", "seed", "score", "medal", *THRESHOLDS, "to bronze, relative"),
        tuple(rows),
        (
            "In the metric's own units, positive is beyond the threshold whichever way the metric "
            "goes. Relative: in units of the way from median to gold.",
        ),
    )


def _distance(row: Row) -> tuple[str, ...]:
    assert row.graded is not None
    report, distances = row.graded.report, row.graded.distances
    if report.score is None:
        why = "invalid" if report.submission_exists else "no submission"
        return (why, "none", *("" for _ in THRESHOLDS), "")
    medal = grades.medal(report) or "none"
    if not distances:
        return (f"{report.score}", medal, *("?" for _ in THRESHOLDS), "?")
    signed = (f"{distances[name].signed:+.5g}" for name in THRESHOLDS)
    relative = distances["bronze"].relative
    return (
        f"{report.score:.5f}",
        medal,
        *signed,
        "?" if relative is None else f"{relative:+.2f}",
    )


def _versus(found: Results) -> Section:
    rows = []
    for each in results.versus(found):
        rows.append(
            (
                each.strategy,
                _interval(each.improvement, ".2f"),
                f"{each.p:.2g}",
                f"{each.p_holm:.2g}",
                _interval(each.medals, "+.1f"),
                f"{each.tasks}",
                f"{each.pairs}" + (f" ({each.unpaired} without partner)" if each.unpaired else ""),
            )
        )
    return Section(
        f"Against {found.grid.strategies[0]}",
        ("strategy", "P(better score)", "p", "p (Holm)", "any medal, points", "tasks", "pairs"),
        tuple(rows),
        (
            "Pairs of runs of one task and one seed. Each task counts once; 95 % intervals draw "
            "tasks again; p is of the sign test over tasks. A run without a valid submission loses "
            "to any that has one. (?: all tasks agree, which shows no spread.)",
        ),
    )


def _costs(found: Results) -> Section:
    rows = []
    for strategy in found.grid.strategies:
        sums = results.costs(found.of(strategy))
        runs = sums["runs"]
        each = f"{sums['wall_seconds'] / runs / 3600:.2f} h" if runs else ""
        rows.append(
            (
                strategy,
                f"{runs}",
                f"{sums['calls']:.0f}",
                f"{sums['tokens']:.0f}",
                f"{sums['money']:.2f}",
                hours(sums["wall_seconds"]),
                each,
            )
        )
    columns = ("strategy", "finished runs", "calls", "tokens", "money", "wall clock", "each")
    return Section("What it took", columns, tuple(rows))


def _missing(found: Results, pad_missing: bool) -> Section:
    rows = tuple(
        (
            row.cell.competition,
            row.cell.strategy,
            str(row.cell.seed),
            row.failure or row.state,
        )
        for row in found.missing
    )
    counted = "They count as no medal here." if pad_missing else "They count nowhere above."
    return Section("Not graded", ("competition", "strategy", "seed", "state"), rows, (counted,))


def shown(rate: Rate) -> str:
    """A rate as the benchmark's table has it.

    >>> shown(Rate(66.666, 1.516, 3, 0)), shown(Rate(50.0, float("nan"), 1, 0))
    ('66.67 ± 1.52', '50.00 ± ?')
    """
    if math.isnan(rate.mean):
        return "no complete seed"
    return f"{rate.mean:.2f} ± " + ("?" if math.isnan(rate.sem) else f"{rate.sem:.2f}")


def _interval(values: Sequence[float], form: str) -> str:
    value, low, high = values
    ends = "?" if math.isnan(low) else f"{low:{form}} to {high:{form}}"
    return f"{value:{form}} ({ends})"
