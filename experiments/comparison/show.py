"""A comparison on a terminal."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from experiments import display
from experiments.comparison.compare import Comparison, comparison
from experiments.comparison.summary import Analysis, analyse
from optimizers.budget import CURRENCIES


def show(config: Comparison, out: Path) -> int:
    """Run what is left of a comparison, write its files, print its table.

    Returns:
      Exit status: 0, or 130 if it was interrupted.
    """
    table = display.follow(comparison(config), config, out)
    if table is None:
        return 130
    analysis = analyse(table, config)
    analysis.table.to_csv(out / "summary.csv", index=False)
    metric, higher = config.metric
    better = "higher is better" if higher else "lower is better"
    display.CONSOLE.print(
        f"[bold]{escape(config.target)}[/] · {metric}, {better} · "
        f"{int(analysis.table.runs.iloc[0])} paired runs · {_limits(config)}",
        soft_wrap=True,
    )
    display.CONSOLE.print(_results(analysis, config))
    display.CONSOLE.print("[dim]spent on average[/]")
    display.CONSOLE.print(_spending(analysis))
    for note in notes(analysis, config):
        display.CONSOLE.print(f"[dim]{escape(note)}[/]", soft_wrap=True)
    display.CONSOLE.print(
        f"figure {out / 'figure.svg'} · this table {out / 'summary.csv'} · every step "
        f"{out / 'table.csv'}",
        soft_wrap=True,
    )
    return 0


def _results(analysis: Analysis, config: Comparison) -> Table:
    table = _with_strategies()
    for heading in ("final", "area", *(["any medal"] if config.is_task else []), "P(better)", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in analysis.table.to_dict("records"):
        medal = [_percent(row, "medals")] if config.is_task else []
        versus = [_percent(row, "improvement"), f"{row['p_holm']:.2g}"]
        if row["strategy"] == config.baseline:
            versus = ["baseline", ""]
        numbers = (f"{row['final']:.4g}", f"{row['area']:.4g}")
        table.add_row(_name(row), *numbers, *medal, *versus)
    return table


def _spending(analysis: Analysis) -> Table:
    paid = [name for name in CURRENCIES if np.any(analysis.table[name] > 0)]
    table = _with_strategies()
    for name in paid:
        table.add_column(name, justify="right", no_wrap=True)
    for row in analysis.table.to_dict("records"):
        table.add_row(_name(row), *(_amount(row[name]) for name in paid))
    return table


def _with_strategies() -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("strategy", overflow="fold", min_width=12)
    return table


def _name(row: dict[str, Any]) -> str:
    return f"[bold]{escape(row['strategy'])}"


def notes(analysis: Analysis, config: Comparison) -> list[str]:
    """What a reader of the tables has to know."""
    end = _amount(float(analysis.places[-1]))
    told = [
        f"final: mean; area: mean height of the progress curve up to {end} {analysis.unit}; "
        f"P(better): of a better final value than {config.baseline} in the same run, with 95 % "
        "interval; p: sign test, Holm over strategies."
    ]
    for row in analysis.table.to_dict("records"):
        if row["without"]:
            told.append(
                f"{row['strategy']}: {row['without']} of {row['runs']} runs had nothing valid; "
                "for means they are as bad as the worst value shown."
            )
        if row["unspent"]:
            told.append(
                f"{row['strategy']}: {row['unspent']} of {row['runs']} runs took all "
                f"{config.steps} steps with budget left; --steps allows more."
            )
    least, most = analysis.table.evaluations.min(), analysis.table.evaluations.max()
    if len(config.limits.limits) == 1 and most > 1.05 * least:
        told.append(
            f"With as many steps, strategies spent {least:.4g} to {most:.4g} evaluations; "
            f"--budget evaluations={math.floor(least)} compares them at equal cost."
        )
    return told


def _limits(config: Comparison) -> str:
    return ", ".join(f"{limit:g} {name}" for name, limit in config.limits.limits.items())


def _percent(row: dict[str, Any], name: str) -> str:
    value, low, high = (100 * row[name + end] for end in ("", "_low", "_high"))
    return escape(f"{value:.0f} % [{low:.0f}, {high:.0f}]")


def _amount(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
