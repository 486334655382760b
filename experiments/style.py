"""One visual language for every figure: colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

# Okabe and Ito (2008), a palette for all colour visions.
COLOURS = {
    "directed": "#0072B2",
    "directed_ungated": "#56B4E9",
    "hill_climb": "#D55E00",
    "best_of_n": "#E69F00",
    "greedy_tree": "#CC79A7",
    "crossover": "#009E73",
    "neutral": "#555555",
}

# For series without a colour of their own: told apart in grey by line and marker as well.
SERIES: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#D55E00", "linestyle": "--", "marker": "s"},
    {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    {"color": "#CC79A7", "linestyle": ":", "marker": "D"},
    {"color": "#E69F00", "linestyle": (0, (5, 1, 1, 1)), "marker": "v"},
    {"color": "#56B4E9", "linestyle": (0, (3, 1)), "marker": "P"},
)

_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "svg.hashsalt": "gome",
    "figure.constrained_layout.use": True,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Figures made inside look like the others; nothing global changes."""
    with mpl.rc_context(_SETTINGS):
        yield


def predicted(
    axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, series: dict[str, Any], label: str = ""
) -> None:
    """A law: a line without markers, named at its right end."""
    axes.plot(x, y, color=series["color"], linestyle=series["linestyle"], lw=1.5)
    if label:
        label_end(axes, x, y, label, series["color"])


def simulated(
    axes: Axes,
    x: npt.ArrayLike,
    mean: npt.ArrayLike,
    stderr: npt.ArrayLike,
    series: dict[str, Any],
    label: str = "",
    *,
    band: bool = False,
) -> None:
    """Simulated means with 95 % confidence: points with bars, or a line with a band."""
    mean, half = np.asarray(mean, float), 1.96 * np.asarray(stderr, float)
    if band:
        axes.plot(x, mean, color=series["color"], linestyle=series["linestyle"], lw=1.5)
        axes.fill_between(x, mean - half, mean + half, color=series["color"], alpha=0.18, lw=0)
    else:
        axes.errorbar(x, mean, yerr=half, fmt=series["marker"], color=series["color"], ms=4, lw=1.0)
    if label:
        label_end(axes, x, mean, label, series["color"])


def label_end(
    axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, label: str, colour: str, dy: float = 0.0
) -> None:
    """Write a name beside the last finite point of a series, `dy` points higher."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if finite.size:
        last = finite[-1]
        axes.annotate(
            label,
            (x[last], y[last]),
            xytext=(5, dy),
            textcoords="offset points",
            color=colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
        )


def mark_quick(figure: Any) -> None:
    """Say on a figure that it shows the small version of its study."""
    figure.text(0.005, 0.005, "quick version", ha="left", fontsize=8, color="#888888")


def series_of(labels: Sequence[Any]) -> dict[Any, dict[str, Any]]:
    """A series style for each label, in order."""
    return dict(zip(labels, SERIES, strict=False))


def label_at(
    axes: Axes,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    at: float,
    label: str,
    colour: str,
    offset: tuple[float, float] = (4, 4),
    ha: str = "left",
) -> None:
    """Write a name beside a series where x is nearest to `at`, `offset` points away."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if finite.size:
        nearest = finite[np.argmin(np.abs(x[finite] - at))]
        axes.annotate(
            label,
            (x[nearest], y[nearest]),
            xytext=offset,
            textcoords="offset points",
            color=colour,
            fontsize=8,
            ha=ha,
            va="center",
            annotation_clip=False,
        )
