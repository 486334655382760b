"""Any-medal rates with their errors, and how far each run is from bronze."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.mlebench import results
from experiments.mlebench.results import MEASURES, Results
from experiments.style import SERIES, figure_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAME = 34
_LINEAR = 1.0
"""Distances up to this are drawn to scale, larger ones by their logarithm."""
_TICKS = (-1000, -100, -10, -1, -0.5, 0, 0.5, 1, 10, 100, 1000)
_EDGE = 0.015
"""Where runs without a score are marked, as a share of the width."""


def write(found: Results, to: Path, *, pad_missing: bool = False) -> Path:
    """Draw into a file, whose suffix decides the format."""
    import matplotlib.pyplot as plt

    with figure_style():
        drawn = draw(found, pad_missing=pad_missing)
        drawn.savefig(to)
        plt.close(drawn)
    return to


def draw(found: Results, *, pad_missing: bool = False) -> Figure:
    """The figure of a grid's results."""
    import matplotlib.pyplot as plt

    tasks = found.grid.competitions
    height = 2.2 + 0.22 * max(len(tasks), 4)
    drawn, (left, right) = plt.subplots(
        1, 2, figsize=(10.5, height), width_ratios=(1.0, 1.4), layout="constrained"
    )
    _medals(left, found, pad_missing)
    _to_bronze(right, found)
    handles, labels = left.get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
    return drawn


def _style(i: int) -> tuple[str, str]:
    series = SERIES[i % len(SERIES)]
    return series["color"], SERIES[(i + i // len(SERIES)) % len(SERIES)]["marker"]


def _medals(axes: Axes, found: Results, pad_missing: bool) -> None:
    levels, strategies = found.levels, found.grid.strategies
    step = 0.8 / len(strategies)
    for i, strategy in enumerate(strategies):
        colour, marker = _style(i)
        places, means, errors = [], [], []
        for j, level in enumerate(levels):
            rate = results.rate(found.of(strategy, level), MEASURES[0], pad_missing=pad_missing)
            if not math.isnan(rate.mean):
                places.append(j + (i - (len(strategies) - 1) / 2) * step)
                means.append(rate.mean)
                errors.append(0.0 if math.isnan(rate.sem) else rate.sem)
        axes.errorbar(
            places, means, yerr=errors, fmt=marker, color=colour, ms=6, capsize=3, label=strategy
        )
    names = []
    for level in levels:
        here, all_ = found.coverage(level)
        names.append(f"{level}\n{here}" + ("" if all_ is None else f" of {all_}"))
    axes.set_xticks(range(len(levels)), names)
    axes.set_xlim(-0.5, len(levels) - 0.5)
    axes.set_ylim(-3, 103)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("any medal, % of competitions")
    axes.set_title("mean ± standard error over seeds")


def _to_bronze(axes: Axes, found: Results) -> None:
    from matplotlib.ticker import NullLocator

    tasks, strategies = found.grid.competitions, found.grid.strategies
    step = 0.6 / len(strategies)
    for i, strategy in enumerate(strategies):
        colour, marker = _style(i)
        x, y, without = [], [], []
        for row in found.of(strategy):
            if row.graded is None:
                continue
            offset = (i - (len(strategies) - 1) / 2) * step
            place = tasks.index(row.cell.competition) + offset
            if not row.graded.distances:
                without.append(place)
            elif (relative := row.graded.distances["bronze"].relative) is not None:
                x.append(relative)
                y.append(place)
        dots = {"linestyle": "", "color": colour, "ms": 5, "alpha": 0.8}
        axes.plot(x, y, marker=marker, **dots)
        edge = axes.get_yaxis_transform()
        axes.plot([_EDGE] * len(without), without, marker="x", transform=edge, **dots)
    axes.axvline(0.0, color="#555555", lw=1)
    axes.set_xscale("symlog", linthresh=_LINEAR)
    axes.margins(x=0.1)
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in _TICKS if low <= tick <= high])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks(range(len(tasks)), [_short(name) for name in tasks])
    axes.tick_params(axis="y", labelsize=8)
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.set_xlabel("beyond bronze →   (in units of the way from median to gold)")
    axes.set_title("distance to bronze, a mark a run (×: no valid one)")


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"
