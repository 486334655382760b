"""When memory of past diagnoses helps: averages of directions, quadratics, memory of successes.

An average helps while the truth persists longer than the reasoner's error does. On a static
landscape the truth turns because the run moves, and memory is worth less; memory of what was
accepted is worth more than memory of what was said.
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


@dataclass(frozen=True)
class Config:
    """What is simulated."""

    alignment: float = 0.15
    """Of one diagnosis, where averages are tried."""
    frame_dim: int = 200
    settling: int = 100
    """Steps before an average is measured."""
    steps: int = 200
    runs: int = 48
    map_gammas: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    map_omegas: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8)
    map_decay: float = 0.2
    curves: tuple[tuple[float, float], ...] = ((0.95, 0.0), (0.95, 0.1), (0.5, 0.0), (0.3, 0.5))
    """(gamma, omega) of the curves over the decay."""
    decays: tuple[float, ...] = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95)
    raw: bool = True
    """Whether averages of diagnoses with their lengths are tried beside averages of directions."""
    quadratic_alignment: float = 0.6
    quadratic_dim: int = 256
    quadratic_settling: int = 80
    quadratic_steps: int = 40
    quadratic_runs: int = 384
    conditions: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0)
    memory_r: float = 0.5
    memory_gammas: tuple[float, ...] = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95)
    memory_dim: int = 400
    memory_settling: int = 100
    memory_steps: int = 300
    memory_runs: int = 64
    chains: int = 400
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """Independent pieces: one a panel, averages of two kinds."""
    raw = [{"kind": "decay", "raw": True}] if config.raw else []
    return [
        {"kind": "map"},
        {"kind": "decay", "raw": False},
        *raw,
        {"kind": "quadratic"},
        {"kind": "success"},
    ]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `remembering`."""
    del scratch
    from experiments.studies import remembering

    match cell["kind"]:
        case "map":
            return remembering.map_rows(config)
        case "decay":
            return remembering.decay_rows(config, raw=cell["raw"])
        case "quadratic":
            return remembering.quadratic_rows(config)
    return remembering.success_rows(config)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Where memory helps, how long it should be, what conditioning adds, what successes add."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure, axes = plt.subplots(2, 2, figsize=(11, 8))
    _map_panel(axes[0, 0], table.query("kind == 'map'"), config)
    _decay_panel(axes[0, 1], table, config)
    _quadratic_panel(axes[1, 0], table.query("kind == 'quadratic'"), config)
    _success_panel(axes[1, 1], table.query("kind == 'success'"), config)
    if config.runs < Config().runs:
        mark_quick(figure)
    return figure


def _map_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.style import COLOURS

    gamma, omega = np.meshgrid(np.linspace(0.0, 0.98, 50), np.linspace(0.0, 0.95, 50))
    best = gome_theory.best_decay(config.alignment, gamma, omega).alignment
    worth = np.square(best) / config.alignment**2
    levels = [1.02, 1.1, 1.3, 2.0, 4.0]
    lines = axes.contour(gamma, omega, worth, levels=levels, colors="#888888", linewidths=0.9)
    axes.clabel(lines, fmt=lambda level: f"x{level:g}", fontsize=7.5)
    axes.plot([0, 1], [0, 1], color="black", lw=1.4)
    sure = abs(rows.value) > 1.96 * rows.stderr
    for seen, marker, colour, face, label in (
        (rows[sure & (rows.value > 0)], "^", COLOURS["directed"], None, "a little memory helps"),
        (rows[sure & (rows.value < 0)], "v", COLOURS["hill_climb"], "white", "it hurts"),
        (rows[~sure], "o", COLOURS["neutral"], "white", "no difference seen"),
    ):
        axes.plot(
            seen.gamma, seen.omega, marker, color=colour, mfc=face or colour, ms=7, label=label
        )
    axes.annotate(
        r"theory: $\gamma = \omega$",
        (0.2, 0.225),
        rotation=35,
        fontsize=8,
        va="bottom",
        ha="center",
    )
    axes.set(xlim=(0, 1), ylim=(-0.04, 1.08))
    axes.legend(loc="upper left", ncols=3, fontsize=7.5, handletextpad=0.2, columnspacing=1.0)
    axes.set_xlabel(r"persistence of the truth $\gamma$")
    axes.set_ylabel(r"persistence of the error $\omega$")
    axes.set_title("a  Simulated sign; contours: worth of the best average")


def _decay_panel(axes: Axes, table: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.style import label_at, predicted, series_of, simulated

    fine = np.linspace(0.0, 0.98, 100)
    series = series_of([f"{pair}" for pair in config.curves])
    places = ((0.75, (-92, 4)), (0.5, (-92, 10)), (0.45, (-10, 10)), (0.3, (-20, -14)))
    for (gamma, omega), style, (at, offset) in zip(
        config.curves, series.values(), places, strict=True
    ):
        law = gome_theory.ema_alignment(config.alignment, gamma, fine, omega)
        curve = np.square(law) / config.alignment**2
        predicted(axes, fine, curve, style)
        for kind in ("decay", "raw decay"):
            seen = table[(table.kind == kind) & (table.gamma == gamma) & (table.omega == omega)]
            simulated(axes, seen.decay, seen.value, seen.stderr, style)
            if kind == "raw decay" and len(seen):
                axes.lines[-1].set_markerfacecolor("white")
                axes.plot(seen.decay, seen.value, color=style["color"], lw=0.6, ls=":")
        name = rf"$\gamma$ = {gamma:g}, $\omega$ = {omega:g}"
        label_at(axes, fine, curve, at, name, style["color"], offset)
        if 0 < omega < gamma:
            ceiling = float(gome_theory.alignment_ceiling(config.alignment, omega))
            axes.axhline(ceiling**2 / config.alignment**2, color=style["color"], lw=0.8, ls=":")
            axes.annotate(
                "no average exceeds this at that bias",
                (0.01, ceiling**2 / config.alignment**2),
                xytext=(0, 3),
                textcoords="offset points",
                fontsize=7.5,
                color=style["color"],
            )
    axes.axhline(1.0, color="black", lw=0.8)
    axes.set_ylim(0.0)
    axes.set_xlabel(r"decay $\beta$ of the average")
    axes.set_ylabel(r"gain per step, in units of $\rho^2$")
    axes.set_title("b  Full: averages of directions (law: lines). Open: of raw diagnoses")


def _quadratic_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import COLOURS, label_at, predicted, simulated

    looks = {
        "none": ("no memory", COLOURS["hill_climb"], "--", "s", (-58, -12), 8.0),
        "best": ("best decay and step", COLOURS["directed"], "-", "o", (6, 10), 8.0),
    }
    for memory, (label, colour, line, marker, offset, at) in looks.items():
        seen = rows.query(f"memory == '{memory}'").sort_values("condition")
        style = {"color": colour, "linestyle": line, "marker": marker}
        predicted(axes, seen.condition, seen.predicted, style)
        simulated(axes, seen.condition, seen.value, seen.stderr, style)
        label_at(axes, seen.condition, seen.predicted, at, label, colour, offset)
    by = {memory: rows.query(f"memory == '{memory}'").set_index("condition") for memory in looks}
    best, none, decays = by["best"].asymptotic, by["none"].asymptotic, by["best"].decay
    axes.set(xscale="log", yscale="log")
    axes.set_ylim(rows.value.min() / 3.0)
    for condition in config.conditions:
        axes.annotate(
            rf"$\beta$ = {max(decays[condition], 0.0):.2f}"
            f"\n{best[condition] / none[condition] - 1:+.0%}",
            (condition, 0.02),
            xycoords=("data", "axes fraction"),
            ha="center",
            fontsize=7.5,
            color=COLOURS["directed"],
        )
    axes.set_xticks(config.conditions, [f"{c:g}" for c in config.conditions])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("condition number of two blocks")
    first, last = config.quadratic_settling, config.quadratic_settling + config.quadratic_steps
    axes.set_ylabel(f"nats of the mean loss per step, {first} to {last}")
    axes.annotate(
        "best decay, and what it adds in the long run:",
        (0.02, 0.115),
        xycoords="axes fraction",
        fontsize=7.5,
        color=COLOURS["directed"],
    )
    axes.set_title(
        rf"c  On a quadratic, $\rho$ = {config.quadratic_alignment:g}: nothing on the sphere"
    )


def _success_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.style import SERIES, label_at, predicted, simulated

    fine = np.linspace(0.0, max(config.memory_gammas), 60)
    law = gome_theory.success_memory(config.memory_r, fine).progress
    axes.plot(fine, law, color="black", lw=1.2)
    label_at(axes, fine, law, 0.82, "mean-field", "black", (-52, 6))
    labels = {
        "process": ("process of large d", SERIES[0], (6, 0), 1.0),
        "rule": ("the agent's rule", SERIES[1], None, 0.0),
        "normalised": ("memory of unit length", SERIES[2], (6, 0), 1.0),
    }
    for memory, (label, style, offset, at) in labels.items():
        seen = rows.query(f"memory == '{memory}'").sort_values("gamma")
        if memory != "rule":
            predicted(axes, seen.gamma, seen.value, style)
        simulated(axes, seen.gamma, seen.value, seen.stderr, style)
        if offset:
            label_at(axes, seen.gamma, seen.value, at, label, style["color"], offset, "left")
        else:
            axes.annotate(
                f"squares: {label}, d = {config.memory_dim}",
                (0.02, 0.93),
                xycoords="axes fraction",
                color=style["color"],
                fontsize=8,
            )
    axes.axhline(float(gome_theory.psi_g(config.memory_r)), color="#888888", lw=0.8)
    axes.annotate(
        "no memory",
        (0.02, float(gome_theory.psi_g(config.memory_r))),
        xytext=(0, -10),
        textcoords="offset points",
        fontsize=8,
        color="#555555",
    )
    axes.set_xlabel(r"persistence of the truth $\gamma$")
    axes.set_ylabel("d x gain per step")
    axes.set_title(rf"d  Memory of accepted directions, gated, $r$ = {config.memory_r:g}")


STUDY = Study(
    name="momentum",
    question="When does memory of past diagnoses help, and how much?",
    full=Config(),
    quick=Config(
        steps=100,
        runs=8,
        map_gammas=(0.1, 0.5, 0.9),
        map_omegas=(0.0, 0.4, 0.8),
        curves=((0.95, 0.0), (0.95, 0.1), (0.5, 0.0), (0.3, 0.5)),
        decays=(0.0, 0.6, 0.9),
        raw=False,
        quadratic_runs=128,
        conditions=(1.0, 10.0, 100.0),
        memory_gammas=(0.0, 0.9),
        memory_settling=60,
        memory_steps=120,
        memory_runs=16,
        chains=100,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
