"""The winner's curse of final choices: what is claimed, what is true, and what a re-run buys.

A search ends with many scored candidates and submits the one that looks best. Its score is too
high, the more so the more candidates there were. Claims can be corrected, or part of the budget can
be kept to run the top k again, m times each: the multi-seed re-run of published agents.
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

NAIVE, SELECTED, RERUN = "score of the winner", "`selected`", "re-run, `fresh`"


@dataclass(frozen=True)
class Config:
    """What is simulated; the spread of true values is the unit."""

    counts: tuple[int, ...] = (2, 5, 10, 20, 50, 100)
    noises: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Standard deviations of the noise of one score."""
    shown_noise: float = 1.0
    runs: int = 2000
    budget: int = 60
    """Scores that may be paid, re-runs included."""
    finalists: tuple[int, ...] = (1, 2, 3, 5, 8)
    replicates: tuple[int, ...] = (2, 3, 5, 10)
    rerun_noises: tuple[float, ...] = (0.5, 1.0, 2.0)
    rerun_runs: int = 20_000
    search_dim: int = 100
    search_noises: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
    """Scaled noise of one score in hill climbing, relative to the loss."""
    search_steps: int = 300
    search_runs: int = 512
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """Claims under a noise; re-runs under a noise; a search that stores its scores."""
    return [
        *({"kind": "claims", "noise": noise} for noise in config.noises),
        *({"kind": "re-run", "noise": noise} for noise in config.rerun_noises),
        {"kind": "search"},
    ]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `choosing`."""
    del scratch
    from experiments.studies import choosing

    match cell["kind"]:
        case "claims":
            return choosing.claim_rows(cell["noise"], config)
        case "re-run":
            return choosing.rerun_rows(cell["noise"], config)
    return choosing.search_rows(config)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Claim and truth, coverage, what a re-run buys, and the curse inside a search."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure, axes = plt.subplots(2, 2, figsize=(10.5, 7.6))
    claims = table.query("kind == 'claim'")
    _claims(axes[0, 0], claims.query("noise == @config.shown_noise"), config)
    _coverage(axes[0, 1], claims, config)
    _reruns(axes[1, 0], table.query("kind == 're-run'"), config)
    _search(axes[1, 1], table.query("kind == 'search'"), config)
    if config != Config():
        mark_quick(figure)
    return figure


def _claims(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.style import SERIES, label_end, simulated

    fine = np.geomspace(min(config.counts), max(config.counts), 40)
    law = gome_theory.select_best(fine, 1.0, config.shown_noise)
    naive = rows.query("claim == @NAIVE")
    for style, label, column, line in (
        (SERIES[1], "claimed: its score", "claimed", law.value + law.optimism),
        (SERIES[0], "true value", "truth", law.value),
    ):
        axes.plot(fine, line, color=style["color"], ls=style["linestyle"])
        simulated(axes, naive["count"], naive[column], naive[f"{column}_stderr"], style)
        label_end(axes, fine, line, label, style["color"])
    shrunk, style = rows.query("claim == @SELECTED"), SERIES[2]
    axes.plot(shrunk["count"], shrunk.claimed, color=style["color"], ls=":", lw=0.9)
    simulated(axes, 1.03 * shrunk["count"], shrunk.claimed, shrunk.claimed_stderr, style)
    label_end(axes, shrunk["count"], shrunk.claimed, "claimed: `selected`", style["color"], -9)
    axes.set(xscale="log", xlabel="candidates N that were compared")
    axes.set_xticks(config.counts, [str(count) for count in config.counts])
    axes.minorticks_off()
    axes.set_ylabel("above the mean candidate, in sd of true values")
    axes.set_title(f"The winner's curse (noise {config.shown_noise:g} sd): law and simulation")


def _coverage(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import SERIES, label_end

    for style, claim in zip(SERIES[1:], (NAIVE, SELECTED, RERUN), strict=False):
        for noise, alpha in zip(config.noises, (0.45, 0.7, 1.0), strict=False):
            seen = rows.query("claim == @claim and noise == @noise")
            error = [seen.coverage - seen.coverage_low, seen.coverage_high - seen.coverage]
            axes.errorbar(
                seen["count"], seen.coverage, yerr=np.clip(error, 0, None), color=style["color"],
                marker=style["marker"], ls=style["linestyle"], ms=3.5, lw=1.1, alpha=alpha,
            )  # fmt: skip
            if claim == NAIVE:
                label_end(axes, seen["count"], seen.coverage, f"naive, noise {noise:g}",
                          style["color"])  # fmt: skip
        if claim != NAIVE:
            dy = -12 if claim == RERUN else 4
            label_end(axes, seen["count"], seen.coverage, claim, style["color"], dy)
    axes.axhline(0.95, color="#555555", lw=0.9, ls=":")
    axes.set(xscale="log", ylim=(0.0, 1.03), xlabel="candidates N that were compared")
    axes.set_xticks(config.counts, [str(count) for count in config.counts])
    axes.minorticks_off()
    axes.set_ylabel("truth inside the 95 % interval")
    axes.set_title("Which intervals survive the choice")


def _reruns(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import label_end, series_of

    styles = series_of([f"{noise:g}" for noise in config.rerun_noises])
    for noise, style in zip(config.rerun_noises, styles.values(), strict=True):
        seen = rows.query("noise == @noise and finalists > 0")
        best = seen.loc[seen.groupby("finalists").value.idxmax()].sort_values("finalists")
        never = rows.query("noise == @noise and finalists == 0").iloc[0]
        x = np.array([0, *best.finalists])
        y = np.array([never.value, *best.value])
        half = 1.96 * np.array([never.stderr, *best.stderr])
        axes.plot(x, y, color=style["color"], ls=style["linestyle"], marker=style["marker"], ms=4)
        axes.fill_between(x, y - half, y + half, color=style["color"], alpha=0.18, lw=0)
        axes.plot(0, never.predicted, "_", ms=16, mew=1.5, color="black")
        label_end(axes, x, y, f"noise {noise:g}", style["color"])
        for k, m, value in zip(best.finalists, best.replicates, best.value, strict=True):
            axes.annotate(f"{m:g}x", (k, value), xytext=(0, 6), textcoords="offset points",
                          ha="center", fontsize=7, color=style["color"])  # fmt: skip
    axes.set_xlabel("finalists k that are run again (0: none); best number of re-runs above")
    axes.set_ylabel("true value of the submission")
    axes.set_title(f"Re-running the top k within {config.budget} scores")


def _search(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.style import SERIES, label_end, predicted, simulated

    fine = np.linspace(min(config.search_noises), max(config.search_noises), 30)
    alpha = float(gome_theory.optimal_alpha(0.0))
    law = gome_theory.stored_incumbent(0.0, fine, alpha).inflation
    predicted(axes, fine, law, SERIES[0], "law of a stored\nscore, settled")
    simulated(axes, rows.noise, rows.value, rows.stderr, SERIES[1])
    label_end(axes, rows.noise, rows.value, "simulated", SERIES[1]["color"], dy=-12)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(r"scaled noise $\varsigma$ of one score, relative to the loss")
    axes.set_ylabel(r"claimed less true, $d \times$ share of the loss")
    axes.set_title(f"The same inside a hill climb of {config.search_steps} steps")


STUDY = Study(
    name="selection",
    question="What is the final choice of a search worth, and what may be claimed of it?",
    full=Config(),
    quick=Config(
        counts=(2, 10, 50),
        noises=(1.0,),
        runs=300,
        finalists=(1, 3, 8),
        replicates=(2, 5),
        rerun_noises=(1.0,),
        rerun_runs=4000,
        search_noises=(0.5, 1.0),
        search_steps=150,
        search_runs=128,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
