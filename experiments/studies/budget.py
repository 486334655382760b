"""Crossovers move with the budget: with absolute noise to the left, with a bias to the right.

The noise of a score does not shrink with the loss, so a search that lives by scores slows down and
the reliability that reasoning needs falls as the budget grows. A bias that persists does the
opposite: a memoryless directed run leads early and loses its lead for good.
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

LABELS = {
    ("stored", "ungated"): "ungated, against\nstored scores",
    ("rescored", "ungated"): "ungated, against\nre-scored incumbent",
    ("stored", "gated"): "gated, stored scores\non both sides",
}


@dataclass(frozen=True)
class Config:
    """What is simulated."""

    dim: int = 200
    pairs: tuple[tuple[str, str], ...] = (
        ("stored", "ungated"),
        ("rescored", "ungated"),
        ("stored", "gated"),
    )
    """How the search knows its incumbent's score, and the directed run it is compared with."""
    price: float = 2.0
    """Of a directed step, in steps of a search that stores its scores."""
    noises: tuple[float, ...] = (0.5, 1.0)
    """Scaled noise sigma d / f of one score at the start; sigma stays."""
    shown_noise: float = 0.5
    budgets: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
    """In evaluations over d."""
    scaled_alignments: tuple[float, ...] = tuple(np.linspace(0.1, 1.0, 13).round(4).tolist())
    runs: int = 192
    biased_dim: int = 200
    biased_r: float = 1.5
    biased_alpha: float = 1.2
    bias_shares: tuple[float, ...] = (0.03, 0.05, 0.1, 0.2)
    biased_steps: int = 60
    biased_runs: int = 4096
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """A pair under a noise, and the runs with a bias."""
    noisy = [
        {"kind": "noise", "search": search, "noise": noise}
        for noise in config.noises
        for search in dict(config.pairs)
    ]
    return [*noisy, {"kind": "bias"}]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `spending`."""
    del scratch
    from experiments.studies import spending

    if cell["kind"] == "bias":
        return spending.bias_rows(config)
    return spending.noise_rows(cell["search"], cell["noise"], config)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Losses and crossovers under absolute noise; leads of biased runs, and where they end."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure, axes = plt.subplots(2, 2, figsize=(10.5, 7.4))
    noisy = table.query("noise == @config.shown_noise")
    _losses(axes[0, 0], noisy.query("kind == 'log loss'"), config)
    _crossovers(axes[0, 1], noisy.query("kind == 'crossover'"), config)
    _leads(axes[1, 0], table.query("kind == 'lead'"), config)
    _lost(axes[1, 1], table.query("kind == 'lead lost'"), config)
    if config != Config():
        mark_quick(figure)
    return figure


def _losses(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.studies.spending import best_alpha, predicted_log_loss
    from experiments.style import SERIES, label_end, predicted, simulated

    budgets = np.linspace(0.0, max(config.budgets), 60)
    alpha, noise, dim = best_alpha("gated", 0.0), config.shown_noise, config.dim
    for style, (search, step_cost, label) in zip(
        SERIES, (("stored", 1, "stored scores"), ("rescored", 2, "re-scored")), strict=False
    ):
        law = predicted_log_loss(search, 0.0, alpha, noise, dim, budgets * dim / step_cost)
        predicted(axes, budgets, law, style)
        seen = rows.query("search == @search")
        simulated(axes, seen.budget, seen.value, seen.stderr, style)
        label_end(axes, budgets, law, f"search,\n{label}", style["color"])
    quiet = -budgets * float(gome_theory.psi_g(0.0))
    axes.plot(budgets, quiet, color="#555555", lw=1.0, ls=":")
    label_end(axes, budgets, quiet, "search,\nno noise", "#555555")
    stall = np.log(float(gome_theory.stall_suboptimality(np.sqrt(2) * noise / dim, dim)))
    axes.axhline(stall, color="#555555", lw=0.8, ls=(0, (1, 3)))
    axes.text(0.0, stall, "re-scored search stalls", va="top", fontsize=8, color="#555555")
    axes.set_xlabel("budget, in evaluations / d")
    axes.set_ylabel("log loss")
    axes.set_title(f"Absolute noise slows a search ($\\varsigma_0$ = {noise:g}, d = {dim})")


def _crossovers(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.style import SERIES, label_end, simulated

    for style, pair in zip(SERIES, config.pairs, strict=False):
        seen = rows.query("search == @pair[0] and directed == @pair[1]")
        axes.plot(seen.budget, seen.predicted, color=style["color"], ls=style["linestyle"])
        simulated(axes, seen.budget, seen.value, seen.stderr, style)
        label_end(axes, seen.budget, seen.predicted, LABELS[pair], style["color"])
    scale = np.sqrt(config.dim)
    quiet = {
        "ungated": scale * float(gome_theory.ungated_vs_hill_climb(config.dim, config.price)[0]),
        "gated": scale * float(gome_theory.gated_vs_gated(config.dim, config.price)[0]),
    }
    for name, level in quiet.items():
        axes.axhline(level, color="#555555", lw=0.9, ls=":")
        axes.text(0.0, level + 0.01, f"{name}, no noise", fontsize=8, color="#555555")
    axes.set_xlim(left=0.0)
    axes.set_xlabel("budget, in evaluations / d")
    axes.set_ylabel(r"crossover $r^* = \rho^*\sqrt{d}$")
    axes.set_ylim(0.0, 1.0)
    axes.set_title("The more budget, the less reliability is needed")


def _leads(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import label_end, series_of, simulated

    styles = series_of([f"{omega:g}" for omega in config.bias_shares])
    for omega, style in zip(config.bias_shares, styles.values(), strict=True):
        seen = rows.query("bias_share == @omega")
        simulated(axes, seen.step, seen.value, seen.stderr, style, band=True)
        axes.plot(seen.step, seen.predicted, color=style["color"], lw=0.9, ls=(0, (1, 2)))
        shown = seen.query("value > -0.47")
        label_end(axes, shown.step, shown.value, rf"$\omega$ = {omega:g}", style["color"])
    axes.axhline(0.0, color="#555555", lw=0.8)
    axes.set_ylim(-0.5, 0.12)
    axes.set_xlabel("directed steps T")
    axes.set_ylabel("lead over search at equal cost, nats")
    axes.set_title("A bias that persists: leads early, loses later (dots: early law)")


def _lost(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.style import SERIES, label_end, simulated

    simulated(axes, rows.bias_share, rows.value, rows.stderr, {**SERIES[0], "color": "black"})
    label_end(axes, rows.bias_share, rows.value, "simulated", "black", dy=9)
    fine = np.geomspace(min(config.bias_shares), max(config.bias_shares), 40)
    law = gome_theory.lead_lost_after(config.biased_r, config.biased_alpha, config.price, fine)
    axes.plot(fine, law, color=SERIES[1]["color"], ls=SERIES[1]["linestyle"])
    label_end(axes, fine, law, "early law", SERIES[1]["color"], dy=-9)
    axes.plot(rows.bias_share, rows.mean_field, color=SERIES[0]["color"])
    label_end(axes, rows.bias_share, rows.mean_field, "mean-field path", SERIES[0]["color"])
    axes.set(xscale="log", yscale="log", xlabel=r"share $\omega$ of the error that persists")
    axes.set_xticks(config.bias_shares, [f"{omega:g}" for omega in config.bias_shares])
    axes.set_yticks((5, 10, 20, 40), ("5", "10", "20", "40"))
    axes.minorticks_off()
    axes.set_ylabel("steps until the lead is lost")
    axes.set_title(
        f"Crossover in budget (r = {config.biased_r:g}, $\\alpha$ = {config.biased_alpha:g}, "
        f"c = {config.price:g})"
    )


STUDY = Study(
    name="budget",
    question="How does the crossover move with the budget?",
    full=Config(),
    quick=Config(
        dim=100,
        noises=(0.5,),
        budgets=(1.0, 2.0, 4.0),
        scaled_alignments=tuple(np.linspace(0.2, 1.0, 7).round(4).tolist()),
        runs=96,
        bias_shares=(0.05, 0.2),
        biased_steps=40,
        biased_runs=512,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
