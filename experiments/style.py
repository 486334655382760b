"""One visual language for every figure: colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl

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
