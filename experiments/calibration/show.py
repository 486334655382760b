"""A calibration on a terminal: what was found, what was not, and the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.calibration.report import (
    CalibrationError,
    Report,
    TaskReport,
    calibrate_runs,
)
from gome_theory import Estimate, NotIdentified, Quantity

_FULL_TABLES = 3
_MOST_REMARKS = 12


def show(
    paths: Sequence[Path],
    *,
    baseline: Sequence[Path],
    arms: Sequence[str],
    noise_free: bool,
    first: int | None,
    cost: float,
    budget: float | None,
    as_json: bool,
    console: Console,
) -> None:
    """Calibrate and print, as tables or as JSON.

    Raises:
      CalibrationError: nothing to calibrate from, or an option does not fit.
    """
    if cost <= 0.0:
        raise CalibrationError(f"--cost is {cost:g}: a directed step has a price above 0")
    if budget is not None and budget < cost:
        raise CalibrationError(
            f"--budget is {budget:g}, less than one directed step, which costs {cost:g}"
        )
    report = calibrate_runs(
        paths,
        baseline=baseline,
        multipliers=_lengths(arms),
        noise_free=noise_free,
        first=first,
        cost=cost,
        budget=budget,
    )
    if as_json:
        print(json.dumps(report.to_json(), indent=2, allow_nan=False))
        return
    render(report, console)


def _lengths(arms: Sequence[str]) -> dict[Path, float]:
    found = {}
    for arm in arms:
        path, _, length = arm.rpartition("=")
        try:
            found[Path(path)] = float(length)
        except ValueError:
            found[Path(path)] = -1.0
        if not path or not found[Path(path)] > 0.0:
            raise CalibrationError(f"--arm is {arm!r}: give DIR=LENGTH with a length above 0")
    return found


def render(report: Report, console: Console) -> None:
    """Print a report."""
    if len(report.tasks) <= _FULL_TABLES:
        for task in report.tasks:
            _task(task, console)
    else:
        _overview(report, console)
    if report.pooled:
        console.print(f"\n[bold]over {len(report.tasks)} tasks[/]")
        _quantities(report.pooled, console)
        spread = ", ".join(f"{name} {value:.2g}" for name, value in report.spread.items())
        console.print(f"[dim]standard deviation between tasks: {escape(spread)}[/]")
    if report.missing:
        console.print("\n[bold]not read[/]")
        for word in report.missing[:_MOST_REMARKS]:
            console.print(f"  {escape(word)}")
        if len(report.missing) > _MOST_REMARKS:
            console.print(f"  and {len(report.missing) - _MOST_REMARKS} more: see --json")


def _task(task: TaskReport, console: Console) -> None:
    one = task.directed or task.search
    assert one is not None
    counts = f"{0 if task.directed is None else task.directed.steps} directed steps"
    if task.search is not None:
        counts += f", {task.search.steps} undirected"
    console.print(f"\n[bold]{escape(task.task)}[/] · {counts} · {one.traces} traces")
    _quantities(task.quantities(), console)
    for note in one.notes:
        console.print(f"[yellow]note[/] {escape(note)}")
    if task.seconds_ratio is not None:
        ratio = f"{task.seconds_ratio:.2g}"
        console.print(f"[dim]by wall clock a directed step took {ratio} times an undirected one[/]")
    _verdict(task, console)


def _quantities(found: Mapping[str, Quantity], console: Console) -> None:
    table = Table("quantity", "estimate", "95% interval", "method", box=None, pad_edge=False)
    for name, quantity in found.items():
        if isinstance(quantity, Estimate):
            interval = f"{quantity.low:.3g} to {quantity.high:.3g}"
            row = (f"{quantity.value:.3g}", interval, escape(quantity.method))
            table.add_row(f"[bold]{escape(name)}[/]", *row)
    console.print(table)
    unknown = {name: q for name, q in found.items() if isinstance(q, NotIdentified)}
    if not unknown:
        return
    console.print("[bold]not identified[/]")
    table = Table("quantity", "why", "record", box=None, pad_edge=False)
    for reason, names in _by_reason(unknown).items():
        table.add_row(escape(", ".join(names)), escape(reason.why), escape(reason.record))
    console.print(table)


def _by_reason(unknown: Mapping[str, NotIdentified]) -> dict[NotIdentified, list[str]]:
    found: dict[NotIdentified, list[str]] = {}
    for name, reason in unknown.items():
        found.setdefault(reason, []).append(name)
    return found


def _verdict(task: TaskReport, console: Console) -> None:
    found = task.verdict
    if isinstance(found, NotIdentified):
        text = f"[bold]verdict[/] none: {escape(found.why)}; record {escape(found.record)}"
        one = task.directed
        if one is not None and isinstance(one.sigma, NotIdentified):
            text += " (--noise-free takes scores at face value)"
        console.print(text)
        return
    colour = "green" if found.side == "gradient" else "yellow"
    console.print(f"[bold {colour}]verdict[/] {escape(found.text)} {escape(found.advice)}")


def _overview(report: Report, console: Console) -> None:
    heads = ("task", "steps", "traces", "valid", "improved", "r", "omega", "verdict")
    table = Table(*heads, box=None, pad_edge=False)
    for task in report.tasks:
        one = task.directed or task.search
        assert one is not None
        numbers = (one.validity, one.improvement_rate, one.r, one.omega)
        side = "?"
        if not isinstance(task.verdict, NotIdentified):
            side = f"{task.verdict.side}, {task.verdict.probability:.0%}"
        cells = (escape(task.task), str(one.steps), str(one.traces), *map(_short, numbers), side)
        table.add_row(*cells)
    console.print(table)


def _short(found: Quantity) -> str:
    if isinstance(found, NotIdentified):
        return "?"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
