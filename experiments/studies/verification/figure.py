"""The figure of the study: do the laws agree with the simulations, and how well?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {
    "E": "exact",
    "A": "asymptotic",
    "M": "mean-field",
    "B": "bound",
    "X": "outside its regime",
}
_LOOKS = {
    "E": ("directed", "o"),
    "A": ("best_of_n", "^"),
    "M": ("greedy_tree", "s"),
    "B": ("neutral", "_"),
    "X": ("hill_climb", "x"),
}


def draw(table: pd.DataFrame, beyond: float, *, quick: bool) -> Figure:
    """Predicted against simulated, z-scores of exact rows, and errors by family and kind.

    Args:
      table: rows of `check.rows`, with their family.
      beyond: |z| from which an exact row is run again.
      quick: whether to say that this is a small version.
    """
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(11, 7.2))
    grid = figure.add_gridspec(2, 2, width_ratios=(1.0, 1.25))
    _agreement(figure.add_subplot(grid[0, 0]), table)
    _scores(figure.add_subplot(grid[1, 0]), table.query("kind == 'E'"), beyond)
    _errors(figure.add_subplot(grid[:, 1]), table)
    if quick:
        figure.text(0.995, 0.985, "quick version", ha="right", fontsize=8, color="#888888")
    return figure


def _agreement(axes: Axes, table: pd.DataFrame) -> None:
    from experiments.style import COLOURS

    for kind in reversed(LABELS):
        seen = table[table.kind == kind]
        colour, marker = _LOOKS[kind]
        axes.plot(
            seen.predicted,
            seen.simulated,
            marker,
            ms=4,
            mew=0.9,
            alpha=0.8,
            color=COLOURS[colour],
            fillstyle="none" if kind != "E" else "full",
        )
    line = np.array([-3.0, 3000.0])
    axes.plot(line, line, color="black", lw=0.7, zorder=0)
    for scale in (axes.set_xscale, axes.set_yscale):
        scale("symlog", linthresh=1e-3, linscale=0.5)
    ticks = [-1.0, -0.01, 0.0, 0.01, 1.0, 100.0]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlim=(-3, 3000), ylim=(-3, 3000), xlabel="predicted", ylabel="simulated")
    axes.set_title(f"{len(table)} numbers: predicted and simulated")
    axes.annotate(
        "bounds: the law is\nan upper limit",
        (1.28, 0.08),
        xytext=(3.0, 2e-3),
        fontsize=8,
        va="center",
        color=COLOURS["neutral"],
        arrowprops={"arrowstyle": "-", "color": COLOURS["neutral"]},
    )


def _scores(axes: Axes, exact: pd.DataFrame, beyond: float) -> None:
    """Ordered z-scores against normal quantiles, with the band of one in a hundred samples."""
    from scipy import stats

    from experiments.style import COLOURS

    z = np.sort(exact.first_z.dropna().to_numpy())
    ranks = np.arange(1, z.size + 1)
    expected = stats.norm.ppf((ranks - 0.5) / z.size)
    low, high = (
        stats.norm.ppf(stats.beta.ppf(p, ranks, z.size + 1 - ranks)) for p in (0.005, 0.995)
    )
    axes.fill_between(
        expected, low, high, color="#DDDDDD", lw=0, label="99% of each order statistic"
    )
    axes.plot(expected, expected, color="black", lw=0.7)
    axes.plot(expected, z, "o", ms=3.2, color=COLOURS["directed"])
    for sign in (-1, 1):
        axes.axhline(sign * beyond, color=COLOURS["hill_climb"], lw=1.0, ls="--")
    axes.annotate(
        f"|z| = {beyond:.2f}: run again",
        (0.98, beyond),
        xycoords=("axes fraction", "data"),
        xytext=(0, -3),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8,
        color=COLOURS["hill_climb"],
    )
    largest = beyond + 0.6
    axes.set_ylim(min(-largest, 1.05 * z.min()), max(largest, 1.05 * z.max()))
    axes.legend(loc="upper left", fontsize=7.5, bbox_to_anchor=(0.0, 0.93))
    axes.set(xlabel="quantile of the standard normal", ylabel="z")
    again = int((exact.runs > 1).sum())
    axes.set_title(
        f"Exact laws: z of {len(exact)} rows, {again} run again, {int(exact.out.sum())} out"
    )


def _errors(axes: Axes, table: pd.DataFrame) -> None:
    """Relative errors, a row a family, kinds side by side within it."""
    from experiments.style import COLOURS

    rows = table.query("kind != 'B'").dropna(subset="scaled_error")
    names = list(dict.fromkeys(rows.family))
    ids = {name: sorted(set(rows.id[rows.family == name])) for name in names}
    shifts = {"E": 0.27, "A": 0.09, "M": -0.09, "X": -0.27}
    floor, ceiling = 1e-5, 3.0
    for kind, shift in shifts.items():
        seen = rows.query("kind == @kind")
        colour, marker = _LOOKS[kind]
        size = np.clip(np.abs(seen.scaled_error), floor, ceiling)
        height = np.array([len(names) - 1 - names.index(name) for name in seen.family]) + shift
        median = np.abs(seen.scaled_error).median()
        label = f"{LABELS[kind]}: {len(seen)}, median {median:.2%}" if len(seen) else LABELS[kind]
        axes.plot(
            size,
            height,
            marker,
            ms=4.5,
            mew=0.9,
            alpha=0.85,
            color=COLOURS[colour],
            fillstyle="none" if kind != "E" else "full",
            ls="none",
            label=label,
        )
        out = seen.out.to_numpy(bool)
        axes.plot(size[out], height[out], "o", ms=10, mew=1.2, mfc="none", color="black")
    if rows.out.any():
        axes.plot([], [], "o", ms=8, mew=1.2, mfc="none", color="black", label="out")
    axes.set_yticks(
        range(len(names))[::-1], [f"{name}\n{' '.join(ids[name])}" for name in names], fontsize=8
    )
    for height in range(len(names) - 1):
        axes.axhline(height + 0.5, color="#CCCCCC", lw=0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xscale("log")
    axes.set_xlim(floor / 1.5, ceiling * 1.5)
    ticks = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    axes.set_xticks(ticks, ["0.001%", "0.01%", "0.1%", "1%", "10%", "100%"])
    axes.minorticks_off()
    axes.set_ylim(-0.6, len(names) + 0.9)
    axes.legend(loc="upper left", ncols=2, fontsize=8)
    axes.set_xlabel(
        "|simulated - predicted|, relative, sampling noise included; larger ones at the edge"
    )
    axes.set_title("Errors by family of laws")
