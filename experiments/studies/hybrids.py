"""May one leave the choice between search and gradient to the run itself?

Hybrids against the better of the two pure strategies, at equal cost, over the whole range of
reliability: a hand-over at half the budget, a bandit over the two sides, and `auto`, which
calibrates while it runs. Regret is the share of the better side's progress (nats of log loss) that
is missing. Fails if `auto` loses more than a tenth anywhere on the noise-free sphere.

`auto` and its constants were chosen at dimension 50 with other seeds; nothing was chosen on what is
reported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.study import Cell, Rows, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {
    "directed": "always directed",
    "hill_climb": "always search",
    "hand_over": "hand-over at half the budget",
    "bandit": "bandit",
    "auto": "auto",
}


@dataclass(frozen=True)
class Config:
    """What is simulated."""

    worlds: tuple[str, ...] = (
        "sphere, d = 30",
        "sphere, d = 100",
        "directed steps half as long",
        "noisy scores, crashes",
        "ill-conditioned",
        "persistent bias",
    )
    """Names of `regrets.SETTINGS`, spheres first."""
    costs: tuple[float, ...] = (1.5, 2.0, 4.0)
    """Of a directed step, in undirected ones."""
    budgets: tuple[float, ...] = (50.0, 100.0, 200.0, 400.0)
    """In undirected steps; the verdict is made at the last one."""
    scaled_alignments: tuple[float, ...] = tuple(np.linspace(0.0, 2.5, 11).round(4).tolist())
    """Values of r = rho sqrt(d)."""
    shown_cost: float = 2.0
    runs: int = 1024
    other_runs: int = 512
    """In worlds other than the noise-free sphere."""
    most_regret: float = 0.1
    seed: int = 2026


def cells(config: Config) -> Sequence[Cell]:
    """One cell a world."""
    return [{"world": world} for world in config.worlds]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one world; see `regrets`."""
    del scratch
    from experiments.studies import regrets

    return regrets.regret_rows(cell["world"], config)


def verdict(table: pd.DataFrame, config: Config) -> str | None:
    """Where `auto` loses more than it may on the noise-free sphere, beyond its 95 % interval."""
    from experiments.studies.regrets import NOISE_FREE

    rows = _only(table, strategy="auto", budget=config.budgets[-1]).query(
        "world in @noise_free", local_dict={"noise_free": NOISE_FREE}
    )
    over = rows.query("regret - 1.96 * regret_stderr > @config.most_regret")
    if over.empty:
        return None
    worst = over.loc[over.regret.idxmax()]
    return (
        f"auto loses more than {config.most_regret:.0%} of the better side's progress at "
        f"{len(over)} of {len(rows)} points, most at {worst.world}, cost {worst.cost:g}, "
        f"r = {worst.r:g}: {worst.regret:.1%} +- {1.96 * worst.regret_stderr:.1%}"
    )


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Regret over reliability at each cost; over the budget; in other worlds; the side taken."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure, axes = plt.subplots(2, 3, figsize=(11.5, 7.2))
    at_last = _only(table, budget=config.budgets[-1])
    shown = _only(at_last, world=config.worlds[0])
    for panel, cost in zip(axes[0], config.costs, strict=False):
        _regrets(panel, _only(shown, cost=cost), cost, config)
    for panel in axes[0, len(config.costs) :]:
        panel.set_axis_off()
    axes[0, 0].set_ylabel("regret, share of the better side's progress")
    _over_budget(axes[1, 0], _only(table, strategy="auto"), config)
    _other_worlds(axes[1, 1], _only(at_last, strategy="auto"), config)
    _sides(axes[1, 2], _only(shown, strategy="auto"), config)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    if config != Config():
        mark_quick(figure)
    return figure


def _only(rows: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """The rows with these values."""
    for name, value in columns.items():
        rows = rows.query(f"{name} == @value", local_dict={"value": value})
    return rows


def _styles() -> dict[str, dict[str, Any]]:
    from experiments.style import COLOURS

    return {
        "directed": {"color": COLOURS["directed"], "linestyle": ":", "marker": ""},
        "hill_climb": {"color": COLOURS["hill_climb"], "linestyle": ":", "marker": ""},
        "hand_over": {"color": COLOURS["best_of_n"], "linestyle": "-.", "marker": ""},
        "bandit": {"color": COLOURS["greedy_tree"], "linestyle": "--", "marker": "s"},
        "auto": {"color": COLOURS["crossover"], "linestyle": "-", "marker": "o"},
    }


def _regrets(axes: Axes, rows: pd.DataFrame, cost: float, config: Config) -> None:
    dim = _dim(config)
    for name, style in _styles().items():
        _curve(axes, _only(rows, strategy=name), style, LABELS[name])
    _allowed(axes, config)
    _mark_crossover(axes, dim, cost)
    axes.set(ylim=(-0.02, 0.5), xlabel=r"scaled alignment $r = \rho\sqrt{d}$")
    axes.set_title(f"a directed step costs {cost:g} (d = {dim})")


def _curve(axes: Axes, rows: pd.DataFrame, style: dict[str, Any], label: str | None = None) -> None:
    axes.plot(rows.r, rows.regret, ms=3.5, lw=1.5, label=label, **style)
    half = 1.96 * rows.regret_stderr
    axes.fill_between(
        rows.r, rows.regret - half, rows.regret + half, color=style["color"], alpha=0.18, lw=0
    )


def _over_budget(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    """The worst of all alignments, for each sphere and cost."""
    from experiments.style import SERIES

    for style, cost in zip(SERIES, config.costs, strict=False):
        for world, line in zip(_spheres(config), ("-", ":"), strict=False):
            seen = _only(rows, cost=cost, world=world)
            worst = seen.groupby("budget").regret.max()
            label = f"c = {cost:g}" if line == "-" else None
            axes.plot(
                worst.index, worst, line, color=style["color"], marker="o", ms=3.5, label=label
            )
    _allowed(axes, config)
    axes.set_xscale("log")
    axes.set_xticks(config.budgets, [f"{budget:g}" for budget in config.budgets])
    axes.minorticks_off()
    axes.set(ylim=(0, None), xlabel="budget, in undirected steps", ylabel="largest regret over r")
    axes.legend()
    axes.set_title("auto: worst alignment" + _lines(config))


def _other_worlds(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import series_of

    rows = _only(rows, cost=config.shown_cost)
    others = [world for world in rows.world.unique() if world not in _spheres(config)]
    for world, style in series_of(others).items():
        _curve(axes, _only(rows, world=world), style, world)
    _allowed(axes, config)
    axes.axhline(0.0, color="#555555", lw=0.8)
    axes.margins(y=0.15)
    axes.set(xlabel=r"scaled alignment $r$", ylabel="regret of auto")
    if others:
        axes.legend(fontsize=7.5, loc="upper right")
    axes.set_title(f"auto in other worlds (c = {config.shown_cost:g})")


def _sides(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import SERIES

    for style, cost in zip(SERIES, config.costs, strict=False):
        seen = _only(rows, cost=cost)
        axes.plot(
            seen.r, seen.directed, marker="o", ms=3.5, color=style["color"], label=f"c = {cost:g}"
        )
        _mark_crossover(axes, _dim(config), cost, style["color"])
    axes.set(ylim=(0, 1), xlabel=r"scaled alignment $r$", ylabel="share of directed steps")
    axes.legend(loc="lower right")
    axes.set_title("auto changes sides near the crossover")


def _mark_crossover(axes: Axes, dim: int, cost: float, colour: str = "#555555") -> None:
    import gome_theory

    crossing = gome_theory.gated_vs_gated(dim, cost)
    if crossing.exists:
        axes.axvline(float(crossing.alignment) * dim**0.5, color=colour, ls=(0, (1, 3)), lw=1.0)


def _allowed(axes: Axes, config: Config) -> None:
    axes.axhline(config.most_regret, color="#555555", lw=0.9, ls=(0, (4, 3)))


def _spheres(config: Config) -> list[str]:
    from experiments.studies.regrets import NOISE_FREE

    return [world for world in config.worlds if world in NOISE_FREE]


def _dim(config: Config) -> int:
    from experiments.studies.regrets import SETTINGS

    return SETTINGS[config.worlds[0]].dim


def _lines(config: Config) -> str:
    dims = [world.split(" = ")[1] for world in _spheres(config)]
    return f" (d = {dims[0]}; dotted: {dims[1]})" if len(dims) > 1 else ""


STUDY = Study(
    name="hybrids",
    question="Can a run find out by itself which side of the crossover it is on?",
    full=Config(),
    quick=Config(
        worlds=("sphere, d = 30", "noisy scores, crashes"),
        costs=(2.0,),
        budgets=(50.0, 200.0),
        scaled_alignments=(0.0, 0.5, 1.0, 2.0),
        runs=128,
        other_runs=64,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
    verdict=verdict,
)
