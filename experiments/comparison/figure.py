"""Progress curves, and the probability of improvement on the baseline as a forest plot."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.comparison.summary import Analysis, analyse
from experiments.style import SERIES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.comparison.compare import Comparison

_WIDTH = 22
# Losses that fall by more than this are drawn on a logarithmic scale.
_MANY_TIMES = 10.0
_AXES = {
    "evaluations": "evaluations (repairs and replicates included)",
    "calls": "calls of the reasoner",
    "tokens": "tokens",
    "money": "money",
    "seconds": "seconds",
}


def draw(table: pd.DataFrame, config: Comparison) -> Figure:
    """The figure of a comparison."""
    import matplotlib.pyplot as plt

    analysis = analyse(table, config)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9.6, 4.4), width_ratios=(1.25, 1.0), layout="constrained"
    )
    styles = {name: _style(i) for i, name in enumerate(config.strategies)}
    _progress(left, analysis, config, styles)
    _forest(right, analysis, config, styles)
    figure.suptitle(config.target, x=0.01, ha="left", fontsize=10, fontweight="bold")
    columns = 4 if max(map(len, config.strategies)) <= _WIDTH else 2
    figure.legend(loc="outside lower center", ncols=min(columns, len(config.strategies)))
    return figure


def _style(i: int) -> dict[str, Any]:
    """Colours repeat after six strategies, with other lines."""
    series = SERIES[i % len(SERIES)]
    return series | {"linestyle": SERIES[(i + i // len(SERIES)) % len(SERIES)]["linestyle"]}


def _progress(axes: Axes, analysis: Analysis, config: Comparison, styles) -> None:
    lowest, highest = np.inf, -np.inf
    for name, curve in analysis.curves.items():
        style = styles[name]
        label = name + (" (baseline)" if name == config.baseline else "")
        line = {"color": style["color"], "linestyle": style["linestyle"], "label": label}
        axes.plot(analysis.places, curve.mean, drawstyle="steps-post", **line)
        last = {"color": style["color"], "marker": style["marker"], "ms": 5, "clip_on": False}
        axes.plot(analysis.places[-1:], curve.mean[-1:], **last)
        band = {"color": style["color"], "alpha": 0.16, "lw": 0, "step": "post"}
        axes.fill_between(analysis.places, curve.low, curve.high, **band)
        if np.isfinite(curve.mean).any():
            lowest = min(lowest, np.nanmin(curve.low))
            highest = max(highest, np.nanmax(curve.high))
    if not config.is_task and lowest > 0 and highest > _MANY_TIMES * lowest:
        axes.set_yscale("log")
    metric, higher = config.metric
    axes.set_xlabel(_AXES[analysis.unit])
    axes.set_ylabel(f"{metric}, {'higher' if higher else 'lower'} is better")
    runs = int(analysis.table.runs.iloc[0])
    axes.set_title(f"mean of {runs} runs, 95 % band")
    axes.set_xlim(0, analysis.places[-1])


def _forest(axes: Axes, analysis: Analysis, config: Comparison, styles) -> None:
    rows = analysis.table.to_dict("records")
    rivals = [row for row in rows if row["strategy"] != config.baseline]
    for place, row in enumerate(rivals):
        style = styles[row["strategy"]]
        ends = [row["improvement_low"], row["improvement_high"]]
        axes.plot(ends, [place, place], color=style["color"], lw=2)
        dot = {"color": style["color"], "marker": style["marker"], "ms": 6, "clip_on": False}
        axes.plot([row["improvement"]], [place], **dot)
        axes.annotate(
            f"p = {row['p_holm']:.2g}",
            (1.0, place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color="#555555",
            annotation_clip=False,
        )
    axes.axvline(0.5, color="#555555", lw=1, ls=":")
    axes.set_yticks(range(len(rivals)), [_wrapped(row["strategy"]) for row in rivals])
    axes.set_ylim(len(rivals) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("P(better final value than the baseline), 95 %")
    axes.set_title("probability of improvement (p by Holm)")


def _wrapped(text: str) -> str:
    return "\n".join(wrap(text, _WIDTH))
