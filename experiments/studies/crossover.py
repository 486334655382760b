"""When does directed reasoning beat search? Predicted, simulated, and on real tasks.

Progress per unit of cost over the reliability of the reasoner: on the sphere, where theory is
exact, and with the dial on a bundled task, where scripts are trained for real. One evaluation of an
undirected candidate costs 1; a diagnosed step costs c, diagnosis and evaluation together.
"""

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

LABELS = {
    "directed": "directed, gated",
    "directed_ungated": "directed, ungated",
    "hill_climb": "hill climbing",
    "greedy_tree": "greedy tree",
    "best_of_n": "best of 5",
}


@dataclass(frozen=True)
class Config:
    """What is simulated and what is run for real."""

    dims: tuple[int, ...] = (10, 30, 100)
    costs: tuple[float, ...] = (1.5, 2.0, 3.0, 5.0)
    scaled_alignments: tuple[float, ...] = tuple(np.linspace(0.0, 2.2, 12).round(4).tolist())
    """Values of r = rho sqrt(d) on the x axis."""
    shown_cost: float = 2.0
    runs: int = 512
    crossover_runs: int = 2048
    steps: int = 200
    seed: int = 0
    real_task: str = "diamonds"
    real_alignments: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    real_strategies: tuple[str, ...] = ("sgd", "hill_climb")
    """A directed one and an undirected one."""
    real_seeds: int = 6
    real_steps: int = 9


def cells(config: Config) -> Sequence[Cell]:
    """Independent pieces: a contender and dimension, a crossover, or one real run."""
    from experiments.studies.sphere import CONTENDERS, PAIRS

    directed, search = config.real_strategies
    simulated = [
        {"kind": "rate", "strategy": name, "dim": dim} for name in CONTENDERS for dim in config.dims
    ]
    crossovers = [
        {"kind": "crossover", "pair": pair, "dim": dim, "cost": cost}
        for pair in PAIRS
        for dim in config.dims
        for cost in config.costs
    ]
    real = [
        {"kind": "real", "strategy": strategy, "alignment": alignment, "seed": seed}
        for strategy, alignments in ((directed, config.real_alignments), (search, (None,)))
        for alignment in alignments
        for seed in range(config.real_seeds)
    ]
    return [*simulated, *crossovers, *real]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `sphere` and `dial`."""
    from experiments.studies import dial, sphere

    match cell["kind"]:
        case "rate":
            return sphere.rate_rows(cell["strategy"], cell["dim"], config)
        case "crossover":
            return sphere.crossover_rows(cell["pair"], cell["dim"], cell["cost"], config)
    return dial.dial_rows(
        config.real_task, cell["strategy"], cell["alignment"], cell["seed"], config, scratch
    )


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Three panels of progress per cost, the crossover over dimension, and the real dial."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(11, 6.4))
    grid = figure.add_gridspec(2, 6)
    rates = table.query("kind == 'rate'")
    for column, dim in enumerate(config.dims[:3]):
        axes = figure.add_subplot(grid[0, 2 * column : 2 * column + 2])
        _progress_panel(axes, rates.query("dim == @dim"), int(dim), config)
        if column == 0:
            axes.set_ylabel("d x nats per unit of cost")
            axes.legend(loc="upper left", bbox_to_anchor=(0.24, 1.0), fontsize=7.5)
    _crossover_panel(figure.add_subplot(grid[1, :3]), table.query("kind == 'crossover'"), config)
    _real_panel(figure.add_subplot(grid[1, 3:]), table.query("kind == 'real'"), config)
    if config.runs < Config().runs:
        figure.text(0.995, 0.005, "quick version", ha="right", fontsize=8, color="#888888")
    return figure


def _progress_panel(axes: Axes, rates: pd.DataFrame, dim: int, config: Config) -> None:
    import gome_theory
    from experiments.studies.sphere import CONTENDERS
    from experiments.style import COLOURS

    largest = max(config.scaled_alignments) / np.sqrt(dim)
    fine = np.linspace(0.0, largest, 80)
    for name, contender in CONTENDERS.items():
        directed = name.startswith("directed")
        cost = config.shown_cost if directed else 1.0
        rows, colour = rates[rates.strategy == name], COLOURS[name]
        if name != "greedy_tree":
            axes.plot(fine, dim * contender.law(fine, dim).rate / cost, color=colour, lw=1.4)
        axes.errorbar(
            rows.alignment if directed else [largest * (0.97 if name == "greedy_tree" else 1.0)],
            dim * rows.value / cost,
            yerr=1.96 * dim * rows.stderr / cost,
            fmt="o" if name != "greedy_tree" else "s",
            ms=3.2,
            lw=1.0,
            color=colour,
            label=LABELS[name] + (f" (c = {cost:g})" if directed else ""),
        )
    crossing = gome_theory.gated_vs_gated(dim, config.shown_cost)
    if crossing.exists:
        rho = float(crossing.alignment)
        axes.axvline(rho, color=COLOURS["crossover"], ls="--", lw=1.1)
        axes.annotate(
            f"crossover {rho:.3f}",
            (rho, 0.97 if dim != config.dims[0] else 0.42),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            color=COLOURS["crossover"],
            fontsize=8,
        )
    axes.set_title(f"d = {dim}")
    axes.set_xlabel(r"alignment of the diagnosis $\rho$")


def _crossover_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import matplotlib as mpl
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    from experiments.studies.sphere import PAIRS

    dims = np.geomspace(min(config.dims) / 1.3, max(config.dims) * 1.3, 12).round().astype(int)
    shades = mpl.colormaps["viridis"](np.linspace(0.1, 0.8, len(config.costs)))
    for pair, style, marker in zip(PAIRS, ("-", ":"), ("o", "^"), strict=True):
        for cost, shade in zip(config.costs, shades, strict=True):
            predicted = [PAIRS[pair].predicted(int(dim), cost) for dim in dims]
            axes.plot(dims, predicted, style, color=shade, lw=1.3)
            seen = rows[(rows.strategy == pair) & (rows.cost == cost)]
            axes.errorbar(
                seen.dim, seen.value, yerr=1.96 * seen.stderr, fmt=marker, ms=4, color=shade
            )
    for cost, shade in zip(config.costs, shades, strict=True):
        axes.plot([], [], color=shade, label=f"c = {cost:g}")
    axes.plot([], [], "k-o", ms=4, label="gated")
    axes.plot([], [], "k:^", ms=4, label="ungated")
    axes.set(xscale="log", yscale="log", xlabel="dimension d", ylabel=r"crossover $\rho^*$")
    axes.set_xticks(config.dims)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    axes.set_yticks([0.05, 0.1, 0.2, 0.5])
    axes.legend(ncols=2, loc="lower left")
    axes.set_title("Directed steps win above the line: predicted (lines), simulated (points)")


def _real_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import COLOURS
    from gome_agent.tasks import registry

    directed, search = config.real_strategies
    metric = registry.load(config.real_task).facts.metric
    budget = config.real_steps
    colours = (COLOURS["directed"], COLOURS["directed_ungated"])
    for cost, colour in zip((1.0, config.shown_cost), colours, strict=True):
        affordable = 1 + int((budget - 1) // cost)
        seen = rows[(rows.strategy == directed) & (rows.evaluations == affordable)]
        by = seen.groupby("alignment").value.agg(["mean", "sem"])
        axes.errorbar(
            by.index,
            by["mean"],
            yerr=1.96 * by["sem"],
            fmt="-o",
            ms=4,
            color=colour,
            label=f"{directed}, c = {cost:g}",
        )
    seen = rows[(rows.strategy == search) & (rows.evaluations == budget)].value
    axes.axhline(seen.mean(), color=COLOURS["hill_climb"], label="hill climbing")
    half = 1.96 * seen.sem()
    axes.axhspan(seen.mean() - half, seen.mean() + half, color=COLOURS["hill_climb"], alpha=0.15)
    draft = rows[rows.evaluations == 1].value.mean()
    axes.axhline(draft, color=COLOURS["neutral"], ls=":", lw=1.0, label="first draft")
    if not metric.higher_is_better:
        axes.invert_yaxis()
    axes.set_xlabel(r"alignment with the expert $\rho$")
    axes.set_ylabel(f"held-out {metric.name}")
    axes.legend(loc="best")
    axes.set_title(
        f"Real runs: {config.real_task}, a budget of {budget - 1} after the draft, "
        f"{config.real_seeds} seeds"
    )


STUDY = Study(
    name="crossover",
    question="How reliable must a reasoner be for directed updates to beat search at equal cost?",
    full=Config(),
    quick=Config(
        costs=(2.0,),
        scaled_alignments=tuple(np.linspace(0.0, 2.2, 7).round(4).tolist()),
        runs=128,
        crossover_runs=512,
        steps=100,
        real_task="digits",
        real_alignments=(0.0, 0.5, 1.0),
        real_seeds=2,
        real_steps=5,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
