"""Which part of the agent matters most? The published order, and where it does not hold.

The published ablation ranks the agent without traces above the one without memory, above the one
without reasoning, above tree search. Here the same parts are taken from a simulated agent, over how
long truths persist, how reliable diagnoses are, how noisy scores are, and what is counted as cost.
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

STEPS_OF_ORDER = {
    "a": ("full", "no traces"),
    "b": ("no traces", "no memory"),
    "c": ("no memory", "no reasoning"),
    "d": ("no reasoning", "tree"),
}
"""The published order as four inequalities, better one first."""
CLEAR = 2.0
"""Standard errors by which a difference must exceed zero to be called clear."""


@dataclass(frozen=True)
class Config:
    """What is simulated."""

    dim: int = 50
    traces: int = 4
    steps: int = 48
    drafts: int = 5
    """Of the tree."""
    persistences: tuple[float, ...] = (0.0, 0.5, 0.8, 0.9, 0.95)
    scaled_alignments: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
    kinds: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.2, 0.0), (0.0, 1.0))
    """Pairs of bias share and scaled noise of a score."""
    scaled_steps: tuple[float, ...] = (0.5, 0.9, 1.5, 2.5, 4.0)
    weights: tuple[float, ...] = (0.3, 1.0, 3.0)
    """Of memory."""
    shown: tuple[tuple[str, float, float], ...] = (
        ("wall-clock", 0.95, 1.0),
        ("wall-clock", 0.8, 1.0),
        ("shared budget", 0.95, 1.0),
    )
    """Accounting, persistence and scaled alignment of the three cases in detail."""
    medal_spread: float = 6.0
    """Nats between tasks in what a medal asks for."""
    runs: int = 96
    """A third of them choose step size and weight."""
    batch: int = 48
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """Variants that one program serves, in all settings."""
    from experiments.studies.parts import GROUPS

    return [{"variants": list(group)} for group in GROUPS]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `parts`."""
    del scratch
    from experiments.studies import parts

    return parts.progress_rows(cell["variants"], config)


def setting_rows(
    table: pd.DataFrame, kind: tuple[float, float], accounting: str, gamma: float, r: float
) -> pd.DataFrame:
    """One row a variant, in one setting; variants without reasoning have no r."""
    omega, noise = kind
    same = (table.bias_share == omega) & (table.noise == noise) & (table.persistence == gamma)
    same &= (table.accounting == accounting) & ((table.r == r) | (table.r == 0))
    return table.loc[same].set_index("variant")


def inequalities(rows: pd.DataFrame) -> dict[str, float]:
    """Each inequality of the published order: difference over its standard error.

    Args:
      rows: from `setting_rows`.
    """
    return {
        step: float(
            (rows.value[better] - rows.value[worse])
            / np.hypot(rows.stderr[better], rows.stderr[worse])
        )
        for step, (better, worse) in STEPS_OF_ORDER.items()
    }


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Three cases in detail, maps of which inequality fails, traces against memory, medals."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure = plt.figure(figsize=(11.5, 10.2))
    # Each row has columns of its own: labels of one do not squeeze the others.
    grid = figure.add_gridspec(3, 1, height_ratios=(1.0, 1.0, 1.15))
    top, middle, bottom = (figure.add_subfigure(grid[row]) for row in range(3))
    for i, (axes, case) in enumerate(zip(top.subplots(1, 3), config.shown, strict=True)):
        _case(axes, table, config, *case, first=i == 0)
    plain, *others = config.kinds
    maps = [("wall-clock", plain, "wall-clock"), ("shared budget", plain, "shared budget")]
    for omega, noise in others:
        name = rf"bias $\omega$ = {omega:g}" if omega else rf"noise $\varsigma$ = {noise:g}"
        maps.append(("wall-clock", (omega, noise), f"wall-clock, {name}"))
    shown = np.atleast_1d(middle.subplots(1, len(maps)))
    for i, (axes, (accounting, kind, title)) in enumerate(zip(shown, maps, strict=True)):
        _map(axes, table, config, accounting, kind, title, first=i == 0)
    left, right = bottom.subplots(1, 2)
    _memory_or_traces(left, table, config)
    _medals(right, table, config)
    bottom.supxlabel(
        "Published order: a full > without traces, b without traces > without memory, "
        "c without memory > without reasoning, d without reasoning > tree.\n"
        "Maps: steps that clearly fail; in parentheses those within two standard errors.\n"
        "[ ]: published any-medal rates on MLE-bench (arXiv:2603.01692), for reference only.",
        fontsize=8,
    )
    if config != Config():
        mark_quick(figure)
    return figure


def _case(axes, table, config, accounting, gamma, r, *, first) -> None:
    from experiments.studies.parts import PUBLISHED, VARIANTS
    from experiments.style import SERIES

    rows = setting_rows(table, config.kinds[0], accounting, gamma, r)
    heights = dict(zip(VARIANTS, range(len(VARIANTS), 0, -1), strict=True))
    style = SERIES[0]
    for name, height in heights.items():
        row = rows.loc[name]
        axes.errorbar(
            row.value, height, xerr=1.96 * row.stderr, fmt="o", ms=5, color=style["color"]
        )
        axes.plot(row.predicted, height, "|", ms=13, mew=1.4, color="black")
    names = [f"{v.label} [{PUBLISHED[name]:g} %]" for name, v in VARIANTS.items()]
    axes.set_yticks(list(heights.values()), names if first else [])
    axes.set_ylim(0.4, len(heights) + 0.7)
    axes.set_xlim(left=0.0)
    axes.set_xlabel("log progress, nats (bar: mean-field)")
    marks = inequalities(rows)
    failed = "".join(step for step, z in marks.items() if z < -CLEAR)
    verdict = f"fails at {', '.join(failed)}" if failed else "no step fails"
    axes.set_title(rf"{accounting}, $\gamma$ = {gamma:g}, r = {r:g}: {verdict}", fontsize=9)


def _map(axes, table, config, accounting, kind, title, *, first) -> None:
    gammas, rs = config.persistences, config.scaled_alignments
    failures = np.zeros((len(rs), len(gammas)))
    for i, r in enumerate(rs):
        for j, gamma in enumerate(gammas):
            marks = inequalities(setting_rows(table, kind, accounting, gamma, r))
            failed = "".join(step for step, z in marks.items() if z < -CLEAR)
            unclear = "".join(step for step, z in marks.items() if abs(z) <= CLEAR)
            failures[i, j] = len(failed)
            text = (failed or "") + (f"({unclear})" if unclear else "")
            axes.text(
                j, i, text or "holds", ha="center", va="center", fontsize=7.5,
                fontweight="normal" if text else "bold",
                color="white" if len(failed) > 2 else "black",
            )  # fmt: skip
    axes.imshow(failures, cmap="Greys", vmin=0, vmax=4.5, origin="lower", aspect="auto")
    axes.set_xticks(range(len(gammas)), [f"{gamma:g}" for gamma in gammas])
    axes.set_yticks(range(len(rs)), [f"{r:g}" for r in rs] if first else [])
    axes.grid(False)
    axes.set_xlabel(r"persistence $\gamma$ of the truth")
    if first:
        axes.set_ylabel(r"reliability $r = \rho\sqrt{d}$")
    axes.set_title(title, fontsize=9)


def _memory_or_traces(axes: Axes, table: pd.DataFrame, config: Config) -> None:
    from experiments.studies.parts import persistence_for_order
    from experiments.style import label_end, series_of, simulated

    styles = series_of([f"{r:g}" for r in config.scaled_alignments])
    omega, noise = config.kinds[0]
    same = (table.bias_share == omega) & (table.noise == noise)
    same &= table.accounting == "wall-clock"
    plain = table.loc[same].set_index(["r", "persistence"])
    for r, style in zip(config.scaled_alignments, styles.values(), strict=True):
        remembers = plain.loc[plain.variant == "no traces"].loc[r]
        shares = plain.loc[plain.variant == "no memory"].loc[r]
        ratio = remembers.value / shares.value
        error = ratio * np.hypot(remembers.stderr / remembers.value, shares.stderr / shares.value)
        law = remembers.predicted / shares.predicted
        simulated(axes, ratio.index, ratio, error, style)
        axes.plot(law.index, law, color=style["color"], ls=style["linestyle"])
        label_end(axes, ratio.index, ratio, f"r = {r:g}", style["color"])
    level = persistence_for_order(config.traces)
    axes.axvline(level, color="#555555", lw=0.9, ls=":")
    axes.text(level, 0.25, rf"$\sqrt{{1-1/K}}$ = {level:.2f} ", ha="right",
              va="bottom", fontsize=8, color="#555555")  # fmt: skip
    axes.axhline(1.0, color="#555555", lw=0.8)
    axes.set_yscale("log")
    axes.set_yticks((0.25, 0.5, 1, 2, 4), ("1/4", "1/2", "1", "2", "4"))
    axes.minorticks_off()
    axes.set_xlabel(r"persistence $\gamma$ of the truth")
    axes.set_ylabel("progress without traces / without memory")
    axes.set_title(f"Step b: is memory worth more than K = {config.traces} traces? (wall-clock)")


def _medals(axes: Axes, table: pd.DataFrame, config: Config) -> None:
    from scipy.stats import norm

    from experiments.studies.parts import VARIANTS, chance_of_order
    from experiments.style import SERIES

    rows = setting_rows(table, config.kinds[0], *config.shown[0])
    values = rows.value.loc[list(VARIANTS)].to_numpy()
    bars = np.linspace(values.min() - 14, values.max() + 14, 80)
    rates = norm.cdf((values[:, None] - bars) / config.medal_spread)
    for style, name, line in zip(SERIES, VARIANTS, rates, strict=False):
        axes.plot(bars, line, color=style["color"], ls=style["linestyle"])
        at = int(np.argmin(np.abs(line - 0.97 + 0.17 * list(VARIANTS).index(name))))
        axes.text(bars[at] + 0.05, line[at], VARIANTS[name].label, fontsize=8, color=style["color"],
                  bbox={"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.85})  # fmt: skip
    middle = float(np.median(values))
    shown = norm.cdf((values - middle) / config.medal_spread)
    chances = [chance_of_order(shown, tasks, 20_000, config.seed) for tasks in (75, 225)]
    axes.text(0.02, 0.03, "chance that a draw shows this order\n"
              f"(bar in the middle): 75 tasks {chances[0]:.0%}, 225 tasks {chances[1]:.0%}",
              transform=axes.transAxes, va="bottom", fontsize=8)  # fmt: skip
    spread = config.medal_spread
    axes.set_xlabel(f"log progress that a medal asks for (spread over tasks: {spread:g} nats)")
    axes.set_ylabel("medal rate")
    axes.set_title("Medals close the gap at both ends (first case)")


STUDY = Study(
    name="ablation",
    question="Which part of the agent matters most, and when does the published order hold?",
    full=Config(),
    quick=Config(
        dim=32,
        steps=24,
        persistences=(0.5, 0.95),
        scaled_alignments=(0.5, 1.0),
        kinds=((0.0, 0.0),),
        scaled_steps=(0.9, 1.8),
        weights=(0.5, 2.0),
        shown=(
            ("wall-clock", 0.95, 1.0),
            ("wall-clock", 0.5, 1.0),
            ("shared budget", 0.95, 1.0),
        ),
        runs=48,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
