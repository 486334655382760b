"""When should every component of a step be normalised? SGD, Adam and sign descent under noise.

Normalising is right where the noise differs between components and wrong where the signal does. The
bound for all rules with fixed weights is Wiener's, which nobody can know.
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

LABELS = {"sgd": "SGD", "adam": "Adam", "sign": "sign", "adam_fast": "Adam, short memory"}


@dataclass(frozen=True)
class Config:
    """What is simulated."""

    dim: int = 64
    noise_to_signal: float = 3.0
    """Of the middle component."""
    decades: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
    """Between the largest and the smallest component."""
    map_decades: tuple[float, ...] = (0.0, 0.75, 1.5, 2.25, 3.0)
    rules: tuple[str, ...] = ("sgd", "adam", "sign", "adam_fast")
    slow_decay: float = 0.999
    fast_decay: float = 0.9
    settling: int = 1000
    draws: int = 1000
    runs: int = 24
    run_rules: tuple[str, ...] = ("sgd", "adam", "sign")
    run_decades: float = 2.0
    run_steps: int = 300
    run_runs: int = 64
    """Runs that choose the learning rate, and as many others that are shown."""
    rates: tuple[float, float, int] = (0.003, 1.0, 16)
    """Learning rates tried: lowest, highest, how many."""
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """Independent pieces: one-step gains of a rule, runs of a rule in a world."""
    from experiments.studies.normalising import AXES

    return [
        *({"kind": "gain", "rule": name} for name in config.rules),
        *(
            {"kind": "run", "rule": name, "axis": axis}
            for axis in AXES
            for name in config.run_rules
        ),
    ]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `normalising`."""
    del scratch
    from experiments.studies import normalising

    if cell["kind"] == "gain":
        return normalising.gain_rows(cell["rule"], config)
    return normalising.run_rows(cell["rule"], cell["axis"], config)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Gains where noise differs, where signal differs, which wins where, and two runs."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure = plt.figure(figsize=(12, 7.6))
    grid = figure.add_gridspec(2, 6, height_ratios=(1.15, 1.0))
    top = [figure.add_subplot(grid[0, 2 * i : 2 * i + 2]) for i in range(3)]
    _gains_panel(top[0], table.query("kind == 'noise'"), "noise", config)
    _gains_panel(top[1], table.query("kind == 'signal'"), "signal", config)
    _map_panel(top[2], table.query("kind == 'map'"), config)
    _run_panel(figure.add_subplot(grid[1, :3]), table.query("kind == 'run noise'"), "d", config)
    _run_panel(figure.add_subplot(grid[1, 3:]), table.query("kind == 'run signal'"), "e", config)
    if config.runs < Config().runs:
        mark_quick(figure)
    return figure


def _series() -> dict[str, dict]:
    from experiments.style import series_of

    return series_of(tuple(LABELS))


def _gains_panel(axes: Axes, rows: pd.DataFrame, axis: str, config: Config) -> None:
    import gome_theory
    from experiments.studies.normalising import on_axis
    from experiments.style import label_at, predicted, simulated

    fine = np.linspace(0.0, max(config.decades), 50)
    signal, noise = (
        np.array(part)
        for part in zip(*(on_axis(axis, decades, config) for decades in fine), strict=True)
    )
    bound = np.asarray(gome_theory.wiener_gain(signal, noise))
    laws = {
        "sgd": gome_theory.sgd_gain,
        "adam": gome_theory.adam_gain,
        "sign": gome_theory.sign_gain,
    }
    places = {
        "noise": {
            "sgd": (0.9, (8, 4)),
            "adam": (0.8, (8, 6)),
            "sign": (1.2, (-26, -14)),
            "adam_fast": (1.6, (2, 14)),
        },
        "signal": {
            "sgd": (1.5, (0, -11)),
            "adam": (1.2, (10, 6)),
            "sign": (2.0, (-24, -12)),
            "adam_fast": (1.6, (8, 7)),
        },
    }
    axes.axhline(1.0, color="black", lw=1.0)
    axes.annotate(
        "Wiener's bound",
        (max(config.decades), 1.0),
        xytext=(0, 4),
        ha="right",
        textcoords="offset points",
        fontsize=8,
    )
    for name, style in _series().items():
        seen = rows.query(f"rule == '{name}'")
        if seen.empty:
            continue
        if name in laws:
            curve = np.asarray(laws[name](signal, noise)) / bound
            predicted(axes, fine, curve, style)
        else:
            curve = np.interp(fine, seen.decades, seen.value)
            axes.plot(fine, curve, color=style["color"], lw=0.8, ls=":")
        simulated(axes, seen.decades, seen.value, seen.stderr, style)
        at, offset = places[axis][name]
        label_at(axes, fine, curve, at, LABELS[name], style["color"], offset)
    axes.set_ylim(0.0, 1.12)
    axes.set_xlabel(f"decades between components' {axis}")
    if axis == "noise":
        axes.set_ylabel("gain of one step, in units of the bound")
    titles = {"noise": "a  The noise differs", "signal": "b  The signal differs (noise with it)"}
    axes.set_title(titles[axis])


def _map_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.studies.normalising import on_map
    from experiments.style import COLOURS

    fine = np.linspace(0.0, max(config.map_decades), 25)
    ratio = np.array(
        [
            [float(gome_theory.adam_versus_sgd(*on_map(a, b, config)).ratio) for a in fine]
            for b in fine
        ]
    )
    levels = [0.25, 0.5, 2.0, 4.0, 8.0]
    lines = axes.contour(fine, fine, ratio, levels=levels, colors="#888888", linewidths=0.9)
    axes.clabel(lines, fmt=lambda level: f"x{level:g}", fontsize=7.5)
    axes.contour(fine, fine, ratio, levels=[1.0], colors="black", linewidths=1.6)
    by = rows.pivot_table(
        index=["signal_decades", "noise_decades"], columns="rule", values=["value", "stderr"]
    )
    if not by.empty:
        lead = by["value"]["adam"] - by["value"]["sgd"]
        sure = abs(lead) > 1.96 * np.hypot(by["stderr"]["adam"], by["stderr"]["sgd"])
        for wins, marker, colour, face, label in (
            (sure & (lead > 0), "^", COLOURS["hill_climb"], None, "Adam gains more"),
            (sure & (lead < 0), "v", COLOURS["directed"], "white", "SGD gains more"),
            (~sure, "o", COLOURS["neutral"], "white", "level"),
        ):
            signal, noise = (by.index.get_level_values(i)[wins] for i in (0, 1))
            axes.plot(signal, noise, marker, color=colour, mfc=face or colour, ms=6, label=label)
        axes.legend(loc="upper center", ncols=3, fontsize=7, handletextpad=0.1, columnspacing=0.7)
    axes.set_xlim(-0.15, max(config.map_decades) + 0.15)
    axes.set_ylim(-0.15, max(config.map_decades) * 1.17)
    axes.set_xlabel("decades of signal")
    axes.set_ylabel("decades of noise")
    axes.set_title("c  Both differ: Adam against SGD")


def _run_panel(axes: Axes, rows: pd.DataFrame, letter: str, config: Config) -> None:
    from experiments.style import label_end, simulated

    for name, style in _series().items():
        seen = rows.query(f"rule == '{name}'")
        if seen.empty:
            continue
        simulated(axes, seen.step, seen.value, seen.stderr, style, band=True)
        if name == "sgd":
            axes.plot(seen.step, seen.predicted, color="black", ls=":", lw=1.0)
        label_end(axes, seen.step, seen.value, LABELS[name], style["color"])
    axes.set_yscale("log")
    ticks = [0.05, 0.1, 0.2, 0.5, 1.0]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(0.8 * rows.value.min(), 1.1)
    axes.set_xlabel("steps")
    axes.set_ylabel("mean loss")
    what = "noise" if letter == "d" else "signal"
    axes.set_title(
        f"{letter}  Runs, {config.run_decades:g} decades of {what}, best rates (dotted: SGD's law)"
    )


STUDY = Study(
    name="adaptive",
    question="When should steps be normalised per component, and when not?",
    full=Config(),
    quick=Config(
        decades=(0.0, 1.5, 3.0),
        map_decades=(0.0, 3.0),
        rules=("sgd", "adam", "sign"),
        settling=500,
        draws=300,
        runs=8,
        run_rules=("sgd", "adam"),
        run_runs=16,
        run_steps=150,
        rates=(0.003, 1.0, 8),
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
