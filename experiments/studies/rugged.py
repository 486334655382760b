"""Ruggedness is noise that no re-run averages away: what it does to search and to reasoning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.study import Cell, Rows, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Config:
    """What is simulated."""

    dim: int = 50
    period: float = 0.02
    """Of the cosines; steps must be several of it to draw a fresh phase."""
    varsigmas: tuple[float, ...] = (0.25, 0.5, 1.0, 1.5)
    """Ruggedness A sqrt(d/2) d / f at the start."""
    shown: tuple[float, ...] = (0.25, 0.5, 1.5)
    price: float = 2.0
    """Of a directed step, in evaluations."""
    counts: tuple[int, ...] = (20, 50, 100, 150, 200, 300, 400)
    """Numbers of steps at which losses are kept."""
    steps: int = 400
    """Evaluations of the search at which it is compared with directed steps."""
    scaled_alignments: tuple[float, ...] = (0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
    runs: int = 192
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """One ruggedness each."""
    return [{"varsigma": varsigma} for varsigma in config.varsigmas]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `cosines`."""
    del scratch
    from experiments.studies import cosines

    return cosines.rugged_rows(cell["varsigma"], config)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Losses over steps, rugged less noisy, crossovers, and leads by what counts in the end."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure, axes = plt.subplots(2, 2, figsize=(10.5, 7.4))
    _losses(axes[0, 0], table.query("kind == 'log loss'"), config)
    _differences(axes[0, 1], table.query("kind == 'difference'"), config)
    _crossovers(axes[1, 0], table.query("kind == 'crossover'"), config)
    _leads(axes[1, 1], table.query("kind == 'lead' and counts == 'trend'"), config)
    if config != Config():
        mark_quick(figure)
    return figure


def _losses(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.studies.spending import best_alpha, predicted_log_loss
    from experiments.style import SERIES, label_end, simulated

    fine = np.linspace(0, config.steps, 60)
    for style, varsigma in zip(SERIES, config.shown, strict=False):
        same = rows.query("varsigma == @varsigma")
        noisy, rough = (same.query("world == @w") for w in ("stored noise", "rugged"))
        simulated(axes, noisy.steps, noisy.value, noisy.stderr, style, band=True)
        simulated(axes, rough.steps, rough.value, rough.stderr, style)
        law = predicted_log_loss(
            "stored", 0.0, best_alpha("gated", 0.0), varsigma, config.dim, fine
        )
        axes.plot(fine, law, color=style["color"], lw=0.9, ls=(0, (1, 2)))
        name = rf"$\varsigma_0$ = {varsigma:g}"
        label_end(axes, rough.steps, rough.value, name, style["color"])
    loudest = config.shown[-1]
    averaged = rows.query("varsigma == @loudest and world == 'mean of four scores'")
    axes.plot(averaged.steps, averaged.value, color="#555555", lw=1.0, ls="--")
    label_end(axes, averaged.steps, averaged.value, f"noise {loudest:g},\nmean of four\nscores",
              "#555555")  # fmt: skip
    axes.set_xlabel("evaluations (of groups of four for the mean)")
    axes.set_ylabel("log of the trend")
    axes.set_title("Search: rugged (points), stored noise (bands), settled law (dots)", fontsize=9)


def _differences(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import label_end, series_of, simulated

    styles = series_of([f"{v:g}" for v in config.varsigmas])
    width = (max(config.counts) - min(config.counts)) / 120
    for i, (varsigma, style) in enumerate(zip(config.varsigmas, styles.values(), strict=True)):
        seen = rows.query("varsigma == @varsigma")
        x = seen.steps + (i - len(config.varsigmas) / 2) * width
        simulated(axes, x, seen.value, seen.stderr, style)
        label_end(axes, x, seen.value, rf"$\varsigma_0$ = {varsigma:g}", style["color"], 9 * i - 13)
        if varsigma == max(config.varsigmas):
            band = 0.02 * seen.log_loss.abs()
            axes.fill_between(seen.steps, -band, band, color="#999999", alpha=0.25, lw=0)
    axes.axhline(0.0, color="#555555", lw=0.8)
    axes.set_xlabel("evaluations")
    axes.set_ylabel("log trend, rugged less noisy")
    axes.set_title(f"The difference (grey: 2 % at $\\varsigma_0$ = {max(config.varsigmas):g})")


def _crossovers(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import SERIES, label_end, simulated

    for style, directed in zip(SERIES, ("ungated", "gated"), strict=False):
        seen = rows.query("directed == @directed and counts == 'trend'")
        simulated(axes, seen.varsigma, seen.value, seen.stderr, style)
        axes.plot(seen.varsigma, seen.predicted, color=style["color"], ls=style["linestyle"])
        label_end(axes, seen.varsigma, seen.value, directed, style["color"])
    axes.set_ylim(0.0, 1.0)
    axes.set_xlabel(r"ruggedness $\varsigma_0 = A\sqrt{d/2}\, d / f_0$")
    axes.set_ylabel(r"crossover $r^* = \rho^*\sqrt{d}$")
    axes.set_title(f"After {config.steps} evaluations (c = {config.price:g}): lines are the law")


def _leads(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import SERIES, label_end, simulated

    largest = config.scaled_alignments[-1]
    cases = {
        "ungated": "ungated,\nsees the trend",
        "gated": "gated,\nsees the trend",
        "slope": "ungated, sees\nthe local slope",
    }
    for style, (directed, label) in zip(SERIES, cases.items(), strict=False):
        seen = rows.loc[(rows.directed == directed) & (rows.r == largest)]
        simulated(axes, seen.varsigma, seen.value, seen.stderr, style)
        axes.plot(seen.varsigma, seen.predicted, color=style["color"], ls=style["linestyle"])
        label_end(axes, seen.varsigma, seen.value, label, style["color"])
    axes.axhline(0.0, color="#555555", lw=0.8)
    axes.set_xlabel(r"ruggedness $\varsigma_0$")
    axes.set_ylabel("lead over search at equal cost, nats")
    axes.set_title(f"Who gains depends on what the reasoner sees (r = {largest:g})")


STUDY = Study(
    name="rugged",
    question="What does ruggedness do to search, and when does reasoning gain by it?",
    full=Config(),
    quick=Config(
        varsigmas=(0.5, 1.5),
        shown=(0.5, 1.5),
        counts=(50, 100, 200),
        steps=200,
        scaled_alignments=(0.15, 0.35, 0.55, 0.75, 0.95),
        runs=96,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
