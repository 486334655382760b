"""Does the lead of directed updates over search grow with the reliability of the reasoner?

Lead: progress per cost of gated directed steps less that of gated undirected ones, on the sphere.
Search whose proposals do not depend on the reasoner is one case; search whose proposals have a
share of the reasoner's alignment ("coupled") is the other (Theorems 6 and 7).
"""

from __future__ import annotations

import math
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


@dataclass(frozen=True)
class Config:
    """What is compared; alignments are scaled, r = rho sqrt(d)."""

    dim: int = 100
    cost: float = 2.0
    """Of a directed step; an undirected candidate costs 1."""
    scaled_alignments: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
    couplings: tuple[float, ...] = (0.0, 0.4, 0.8)
    """Alignment of an undirected proposal over that of a diagnosis."""
    runs: int = 1024
    steps: int = 100
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """One for each coupling."""
    return [{"coupling": coupling} for coupling in config.couplings]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Simulated and predicted lead at every alignment; runs are paired by their keys."""
    del scratch
    scaled = np.asarray(config.scaled_alignments)
    coupling = cell["coupling"]
    directed = _rates(config, scaled) / config.cost
    search = _rates(config, coupling * scaled)
    lead = config.dim * (directed - search)
    law = _predicted(config, scaled, coupling)
    return [
        {
            "coupling": coupling,
            "scaled_alignment": float(r),
            "value": float(lead[i].mean()),
            "stderr": float(lead[i].std(ddof=1) / math.sqrt(config.runs)),
            "predicted": float(law[i]),
        }
        for i, r in enumerate(scaled)
    ]


def _rates(config: Config, scaled: np.ndarray) -> np.ndarray:
    """Log progress per step of gated directed steps, shape `(alignments, runs)`."""
    from experiments.studies.sphere import simulate_rates

    return simulate_rates(
        "directed",
        config.dim,
        scaled / math.sqrt(config.dim),
        steps=config.steps,
        runs=config.runs,
        seed=config.seed,
    )


def _predicted(config: Config, scaled: np.ndarray, coupling: float) -> np.ndarray:
    import gome_theory

    def rate(r: np.ndarray) -> Any:
        return gome_theory.optimal_gated_log_rate(r / math.sqrt(config.dim), config.dim).rate

    return config.dim * (rate(scaled) / config.cost - rate(coupling * scaled))


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """The lead over the reliability, and how steeply it grows."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    fine = np.linspace(0.0, max(config.scaled_alignments), 60)
    _lead_panel(left, table, config, fine)
    _slope_panel(right, config, fine)
    for axes in (left, right):
        axes.axhline(0.0, color="#555555", lw=0.8)
        axes.set_xlabel(r"scaled alignment of the diagnosis $r = \rho\sqrt{d}$")
        axes.margins(x=0.2)
    if config.runs < Config().runs:
        mark_quick(figure)
    return figure


def _lead_panel(axes: Axes, table: pd.DataFrame, config: Config, fine: np.ndarray) -> None:
    from experiments.style import predicted, series_of, simulated

    for coupling, series in series_of(config.couplings).items():
        rows = table[table.coupling == coupling]
        predicted(axes, fine, _predicted(config, fine, coupling), series, f"coupling {coupling:g}")
        simulated(axes, rows.scaled_alignment, rows.value, rows.stderr, series)
    axes.set_ylabel("lead, d x nats per unit of cost")
    axes.set_title(f"Lead of directed steps that cost {config.cost:g} (d = {config.dim})")


def _slope_panel(axes: Axes, config: Config, fine: np.ndarray) -> None:
    from experiments.style import predicted, series_of

    for coupling, series in series_of(config.couplings).items():
        slope = np.gradient(_predicted(config, fine, coupling), fine)
        predicted(axes, fine[1:-1], slope[1:-1], series, f"coupling {coupling:g}")
    axes.set_ylabel("slope of the lead")
    axes.set_title("How fast the lead grows with reliability")


STUDY = Study(
    name="gap",
    question="Does the lead of directed updates grow with the reliability of the reasoner?",
    full=Config(),
    quick=Config(scaled_alignments=(0.0, 0.5, 1.0, 2.0, 3.0), runs=128, steps=50),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
