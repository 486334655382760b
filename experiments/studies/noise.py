"""What noisy scores do to search, to gates, and to the crossover.

Four ways to search when a score is noisy: compare with the incumbent's stored score; score both
afresh and believe it, or demand what a Bayes gate demands; move to the best-looking of a batch.
Directed steps without a gate do not look at scores at all.
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
    "stored": "stored score",
    "bayes": "both afresh, Bayes gate",
    "naive": "both afresh, naive gate",
    "naive_fixed": "naive, step not tuned",
    "best_of_n": "best of 5",
    "ungated": "directed, ungated",
}


@dataclass(frozen=True)
class Config:
    """What is simulated; noises are of one score, scaled: sigma d / f."""

    noises: tuple[float, ...] = tuple(np.linspace(0.25, 4.5, 10).round(4).tolist())
    families: tuple[str, ...] = ("stored", "rescored", "best_of_n", "ungated")
    gated_crossover: bool = True
    cost: float = 2.0
    """Of a directed step: in evaluations if ungated, in steps of the search if gated."""
    ungated_r: tuple[float, ...] = tuple(np.linspace(0.15, 1.05, 7).round(4).tolist())
    smallest_crossover: float = 0.1
    """Below, in r, the search all but stands still and a crossover is not looked for."""
    shown_r: float = 0.6
    dim: int = 1000
    runs: int = 256
    steps: int = 1500
    settling: int = 2500
    stalls: tuple[str, ...] = ("stored", "bayes", "naive", "naive_fixed", "ungated")
    stall_at: float = 0.1
    """Loss at which re-scored naive search stalls; runs start from 1."""
    stall_dim: int = 200
    stall_runs: int = 64
    stall_evaluations: int = 12_000
    stall_points: int = 40
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """Independent pieces: a family of searches, the gated crossover, a run into the noise."""
    rates = [{"kind": "rate", "family": name} for name in config.families]
    gated = [{"kind": "gated"}] if config.gated_crossover else []
    return [*rates, *gated, *({"kind": "stall", "strategy": name} for name in config.stalls)]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `noisy_scores` and `stalling`."""
    del scratch
    from experiments.studies import noisy_scores, stalling

    if cell["kind"] == "stall":
        return stalling.stall_rows(cell["strategy"], config)
    if cell["kind"] == "gated":
        return noisy_scores.gated_crossover_rows(config)
    if cell["family"] == "ungated":
        return noisy_scores.ungated_rate_rows(config)
    return noisy_scores.rate_rows(cell["family"], config)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Progress over noise, runs into the noise, and the crossover over noise."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure, (rates, stalls, crossovers) = plt.subplots(1, 3, figsize=(12.6, 4.2))
    _rates_panel(rates, table.query("kind == 'rate'"), config)
    _stalls_panel(stalls, table.query("kind == 'stall'"), config)
    _crossover_panel(crossovers, table.query("kind == 'crossover'"), config)
    if config.runs < Config().runs:
        mark_quick(figure)
    return figure


def _series() -> dict[str, dict]:
    from experiments.style import series_of

    return series_of(tuple(LABELS))


def _rates_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.studies.noisy_scores import FAMILIES, NAIVE_STALL
    from experiments.style import label_at, predicted, simulated

    fine = np.linspace(min(config.noises) / 2, max(config.noises), 120)
    laws = {name: law for family in FAMILIES.values() for name, law in family.members.items()}
    places = {
        "stored": (1.0, (6, 5)),
        "best_of_n": (0.3, (2, 10)),
        "ungated": (3.4, (0, 9)),
        "naive_fixed": (3.0, (8, 2)),
        "bayes": (3.3, (2, 30)),
        "naive": (1.9, (-62, -42)),
    }
    for name, series in _series().items():
        seen = rows.query(f"strategy == '{name}'")
        if seen.empty:
            continue
        x = fine if name in laws else seen.noise
        law = laws[name](fine).rate if name in laws else seen.predicted
        predicted(axes, x, law, series)
        simulated(axes, seen.noise, seen.value, seen.stderr, series)
        at, offset = places[name]
        if name not in ("bayes", "naive"):
            label_at(axes, x, law, at, LABELS[name], series["color"], offset)
            continue
        pointed = int(np.argmin(np.abs(fine - at)))
        axes.annotate(
            LABELS[name].replace(", ", ",\n"),
            (fine[pointed], law[pointed]),
            xytext=offset,
            textcoords="offset points",
            color=series["color"],
            fontsize=8,
            arrowprops={"arrowstyle": "-", "color": series["color"], "lw": 0.7},
        )
    axes.axhline(0.0, color="black", lw=0.8)
    axes.axvline(NAIVE_STALL, color="#888888", lw=0.8, ls=":")
    axes.annotate(
        "naive gate: no step\ngains from here on",
        (NAIVE_STALL, 0.98),
        xycoords=("data", "axes fraction"),
        xytext=(4, 0),
        textcoords="offset points",
        fontsize=8,
        color="#555555",
        va="top",
    )
    axes.set_xlabel(r"scaled noise of one score $\sigma d / f$")
    axes.set_ylabel("d x nats per evaluation")
    axes.set_title("a  Progress under noise")


def _stalls_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import label_at, simulated

    places = {
        "naive_fixed": (9.0, (0, 9)),
        "naive": (9.0, (0, -13)),
        "bayes": (7.0, (0, 10)),
        "stored": (7.0, (-20, -13)),
        "ungated": (3.55, (10, 4)),
    }
    for name, series in _series().items():
        seen = rows.query(f"strategy == '{name}'")
        if seen.empty:
            continue
        x = seen.evaluations / 1000
        axes.plot(x, seen.predicted, color="black", ls=":", lw=1.0, zorder=3)
        simulated(axes, x, seen.value, seen.stderr, series, band=True)
        label_at(
            axes, x, seen.value, places[name][0], LABELS[name], series["color"], places[name][1]
        )
    axes.axhline(0.0, color="black", lw=0.8)
    ticks = np.array([0.25, 0.5, 1.0, 2.0, 5.0, 10.0])
    axes.set_yticks(np.log(ticks), [f"{tick:g}" for tick in ticks])
    axes.set_ylim(np.log(0.25), np.log(1.1 / config.stall_at))
    axes.set_xlabel("thousands of evaluations")
    axes.set_ylabel(r"loss, in units of $f_{\mathrm{stall}} = \sigma_\Delta d / 4$")
    axes.set_title("b  Noise of fixed size (dotted: laws)")


def _crossover_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.style import label_at, predicted, simulated

    series = _series()
    pairs = {
        "ungated vs stored": ("stored score", series["stored"], 1.2, (6, 5)),
        "ungated vs bayes": ("Bayes", series["bayes"], 1.2, (7, 5)),
        "ungated vs naive": ("naive gate", series["naive"], 2.1, (-56, -9)),
        "ungated vs best_of_n": ("best of 5", series["best_of_n"], 0.3, (2, 9)),
        "gated vs bayes": ("both Bayes-gated", series["ungated"], 0.3, (-6, -36)),
    }
    for name, (label, style, at, offset) in pairs.items():
        seen = rows.query(f"strategy == '{name}'")
        if not seen.empty:
            predicted(axes, seen.noise, seen.predicted, style)
            simulated(axes, seen.noise, seen.value, seen.stderr, style)
            label_at(axes, seen.noise, seen.predicted, at, label, style["color"], offset)
    axes.set_ylim(0.0)
    axes.set_xlabel(r"scaled noise of one score $\sigma d / f$")
    axes.set_ylabel(r"crossover $r^* = \rho^* \sqrt{d}$")
    axes.set_title("c  Where directed steps draw level")


STUDY = Study(
    name="noise",
    question="What does noise of the scores do to searches, and where does it move the crossover?",
    full=Config(),
    quick=Config(
        noises=(0.5, 2.0, 4.0),
        families=("rescored",),
        gated_crossover=False,
        runs=32,
        steps=300,
        settling=600,
        stalls=("naive",),
        stall_runs=16,
        stall_evaluations=6000,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
