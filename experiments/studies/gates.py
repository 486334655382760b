"""How often do gates decide wrongly, and what is a claimed score worth?

Two halves: rates of false accepts and false rejects of every gate on simulated measurements
(`error_rates`), and the score that a whole search reports against the truth (`claimed`).
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
    """How much is simulated."""

    candidates: int = 100_000
    """Per gate, noise and gain."""
    gains: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    """True gains, in standard deviations of a measured one."""
    runs: int = 10_000
    """Searches per protocol and world."""
    budget: int = 1000
    """Metric calls of a search, final claim included."""
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """Independent pieces: a gate under one kind of noise, or a protocol in one world."""
    from experiments.studies.claimed import PROTOCOLS, WORLDS
    from experiments.studies.error_rates import CONTENDERS, FOR_FOLDS, NOISES

    rates = [
        {"kind": "rate", "gate": gate, "noise": noise}
        for gate in CONTENDERS
        for noise in NOISES
        if noise == "folds" or gate not in FOR_FOLDS
    ]
    claims = [
        {"kind": "claim", "protocol": protocol, "world": world}
        for world in WORLDS
        for protocol in PROTOCOLS
    ]
    return [*rates, *claims]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `error_rates` and `claimed`."""
    del scratch
    from experiments.studies import claimed, error_rates

    if cell["kind"] == "rate":
        return error_rates.rate_rows(cell["gate"], cell["noise"], config)
    return claimed.claim_rows(cell["protocol"], cell["world"], config)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """False accepts, false rejects, and claims against truth in both worlds."""
    import matplotlib.pyplot as plt

    from experiments.studies.claimed import WORLDS

    figure = plt.figure(figsize=(11, 7.6))
    grid = figure.add_gridspec(2, 2, height_ratios=(1.2, 1.0))
    rates = table.query("kind == 'rate'")
    _false_accepts(figure.add_subplot(grid[0, 0]), rates.query("gain == 0"))
    _false_rejects(figure.add_subplot(grid[0, 1]), rates.query("gain > 0 and noise == 'known'"))
    claims = table.query("kind == 'claim'")
    for column, world in enumerate(WORLDS):
        axes = figure.add_subplot(grid[1, column])
        _claims(axes, claims.query("world == @world"), world)
        if column == 0:
            axes.legend(loc="upper center", ncols=2, fontsize=7.5)
        else:
            axes.tick_params("y", labelleft=False)
    if config.runs < Config().runs:
        figure.text(0.995, 0.005, "quick version", ha="right", fontsize=8, color="#888888")
    return figure


def _false_accepts(axes: Axes, rows: pd.DataFrame) -> None:
    from experiments.studies.error_rates import CONTENDERS, NOISE_LABELS
    from experiments.style import COLOURS

    names = list(CONTENDERS)
    heights = np.arange(len(names))[::-1]
    colours = (COLOURS["directed"], COLOURS["hill_climb"], COLOURS["crossover"])
    shifts = (0.2, 0.0, -0.2)
    for (noise, label), colour, shift in zip(NOISE_LABELS.items(), colours, shifts, strict=True):
        seen = rows[rows.noise == noise].set_index("gate")
        at = [
            height + shift
            for name, height in zip(names, heights, strict=True)
            if name in seen.index
        ]
        seen = seen.loc[[name for name in names if name in seen.index]]
        error = [seen.rate - seen.low, seen.high - seen.rate]
        axes.errorbar(seen.rate, at, xerr=error, fmt="o", ms=3.6, lw=1.0, color=colour, label=label)
    for name, height in zip(names, heights, strict=True):
        nominal = CONTENDERS[name].false_accept
        axes.plot([nominal] * 2, [height - 0.38, height + 0.38], color="black", lw=1.1)
    axes.plot([], [], color="black", lw=1.1, label="documented")
    axes.set_xscale("log")
    axes.set_xlim(0.012, 1.25)
    axes.set_xticks([0.02, 0.05, 0.1, 0.2, 0.5, 1.0], ["2%", "5%", "10%", "20%", "50%", "100%"])
    axes.minorticks_off()
    axes.set_yticks(heights, [CONTENDERS[name].label for name in names], family="monospace")
    axes.tick_params("y", labelsize=7.5)
    axes.set_ylim(-0.6, len(names) + 0.9)
    axes.legend(loc="upper left", fontsize=7)
    axes.set_title("Accepting a candidate that is no better")


def _false_rejects(axes: Axes, rows: pd.DataFrame) -> None:
    from experiments.studies.error_rates import CONTENDERS
    from experiments.style import COLOURS

    styles = {
        "improved": ("hill_climb", "-"),
        "beyond_1": ("directed_ungated", "-"),
        "beyond_2": ("directed", "-"),
        "sequential": ("crossover", "-"),
        "sequential_32": ("crossover", "--"),
        "bayes_learned": ("greedy_tree", "-"),
    }
    for name, (colour, line) in styles.items():
        seen = rows.query("gate == @name").sort_values(by="gain")
        cost = "/".join(f"{n:.1f}" for n in seen.measurements)
        label = CONTENDERS[name].label
        if seen.measurements.max() > 1:
            label += f": {cost} measurements"
        axes.plot(
            seen.gain, seen.rate, line, marker="o", ms=3.6, color=COLOURS[colour], label=label
        )
    axes.set_ylim(0, 1.42)
    axes.set_yticks(np.arange(0, 1.01, 0.25), [f"{p:.0%}" for p in np.arange(0, 1.01, 0.25)])
    axes.set_xticks(sorted(rows.gain.unique()))
    axes.set_xlabel("true gain, in standard deviations of one measured gain")
    axes.legend(loc="upper right", fontsize=7)
    axes.set_title("Rejecting a better one (known standard error)")


def _claims(axes: Axes, rows: pd.DataFrame, world: str) -> None:
    from experiments.studies.claimed import PROTOCOLS, WORLD_LABELS
    from experiments.style import COLOURS

    rows = rows.set_index("protocol").loc[list(PROTOCOLS)]
    heights = np.arange(len(rows))[::-1]
    for what, marker, colour, shift in (
        ("truth", "D", COLOURS["neutral"], 0.14),
        ("claimed", "o", COLOURS["hill_climb"], -0.14),
    ):
        axes.errorbar(
            rows[what],
            heights + shift,
            xerr=rows[f"{what}_sd"],
            fmt=marker,
            ms=4.5,
            lw=1.0,
            color=colour,
            label=what,
        )
    for height, coverage in zip(heights, rows.coverage, strict=True):
        axes.annotate(
            f"{coverage:.1%}",
            (0.995, height),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="center",
            fontsize=8,
            color=COLOURS["neutral"] if coverage >= 0.94 else COLOURS["hill_climb"],
        )
    axes.annotate(
        "truth in the\n95% interval",
        (0.995, 0.985),
        xycoords="axes fraction",
        ha="right",
        va="top",
        fontsize=7,
        color=COLOURS["neutral"],
    )
    axes.set_ylim(-0.5, len(rows) + 0.1)
    axes.set_xlim(0.4, 1.12)
    axes.set_xticks(np.arange(0.4, 1.01, 0.1))
    axes.set_yticks(heights, [PROTOCOLS[name].label for name in rows.index], fontsize=7.5)
    axes.set_xlabel("probability of passing an item (mean and sd over searches)")
    axes.set_title(f"Claimed score and truth: {WORLD_LABELS[world]}")


STUDY = Study(
    name="gates",
    question="How often do gates decide wrongly, and what is a claimed score worth?",
    full=Config(),
    quick=Config(candidates=5_000, runs=400),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
