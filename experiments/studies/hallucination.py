"""What hallucinated replies cost, with and without a gate, beside replies that cannot be read.

A hallucinated direction is taken for a sound one. Without a gate it counts twice: a step is wasted,
and all steps must be shorter; a gate leaves the first half of that. A malformed reply costs its
diagnosis and changes nothing. Behind a gate a hallucinated one is still a random step that may be
lucky, so that where most replies are bad it is the malformed ones that cost more.
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


@dataclass(frozen=True)
class Config:
    """What is simulated."""

    dim: int = 100
    cost: float = 2.0
    scaled_alignments: tuple[float, ...] = (0.5, 1.0, 4.0)
    """r of sound replies."""
    shown_r: float = 1.0
    shares: tuple[float, ...] = (0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8)
    """h, or the share of malformed replies."""
    crossover_shares: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    crossover_gates: tuple[str, ...] = ("gated", "ungated")
    largest_crossover: float = 0.35
    """Above, in rho, a run of so many steps would leave the range of numbers."""
    steps: int = 150
    runs: int = 512
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """Independent pieces: replies and crossovers of each gate."""
    replies = [{"kind": "replies", "gate": gate} for gate in ("gated", "ungated")]
    return [*replies, *({"kind": "crossover", "gate": gate} for gate in config.crossover_gates)]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `bad_replies`."""
    del scratch
    from experiments.studies import bad_replies

    if cell["kind"] == "replies":
        return bad_replies.reply_rows(cell["gate"], config)
    return bad_replies.crossover_rows(cell["gate"], config)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Progress, what is left of it, progress per cost and the crossover, over bad replies."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure, axes = plt.subplots(2, 2, figsize=(10.4, 8))
    progress = table.query("kind == 'progress'")
    _progress_panel(axes[0, 0], progress.query("r == @config.shown_r"), config)
    _penalty_panel(axes[0, 1], progress.query("wrong_r == 0"), config)
    _cost_panel(axes[1, 0], table.query("kind == 'cost'"), config)
    if config.crossover_gates:
        _crossover_panel(axes[1, 1], table.query("kind == 'crossover'"), config)
    if config.runs < Config().runs:
        mark_quick(figure)
    return figure


def _styles() -> dict[str, dict]:
    from experiments.style import COLOURS

    return {
        "gated": {"color": COLOURS["directed"], "linestyle": "-", "marker": "o"},
        "ungated": {"color": COLOURS["hill_climb"], "linestyle": "--", "marker": "s"},
    }


def _hollow(axes: Axes) -> None:
    axes.lines[-1].set_markerfacecolor("white")


def _progress_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.studies.bad_replies import best
    from experiments.style import label_at, predicted, simulated

    fine, root = np.linspace(0.0, max(config.shares), 60), np.sqrt(config.dim)
    places = {
        ("gated", False): (0.3, (4, 8)),
        ("ungated", False): (0.3, (6, 9)),
        ("gated", True): (0.35, (-96, -8)),
        ("ungated", True): (0.25, (-96, -12)),
    }
    for gate, style in _styles().items():
        for adversarial in (False, True):
            wrong = -config.shown_r if adversarial else 0.0
            line = style | ({"linestyle": ":"} if adversarial else {})
            law = config.dim * best(gate, config.shown_r / root, config.dim, fine, wrong / root)[1]
            predicted(axes, fine, law, line)
            seen = rows[(rows.gate == gate) & (rows.wrong_r == wrong)]
            simulated(axes, seen.share, seen.value, seen.stderr, line)
            if adversarial:
                _hollow(axes)
            at, offset = places[gate, adversarial]
            name = f"{gate}, adversarial" if adversarial else gate
            label_at(axes, fine, law, at, name, style["color"], offset)
    axes.set_ylim(0.0)
    axes.set_xlabel("share h of hallucinated replies")
    axes.set_ylabel("d x nats per step")
    axes.set_title(rf"a  Progress at $r$ = {config.shown_r:g}, $d$ = {config.dim}")


def _penalty_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.studies.bad_replies import best
    from experiments.style import label_at, predicted, series_of, simulated

    fine, root = np.linspace(0.0, max(config.shares), 60), np.sqrt(config.dim)
    series = series_of([f"{r}" for r in config.scaled_alignments])
    for r, style in zip(config.scaled_alignments, series.values(), strict=True):
        for gate in ("gated", "ungated"):
            law = best(gate, r / root, config.dim, fine, 0.0)[1]
            if gate == "gated":
                predicted(axes, fine, law / law[0], style)
            seen = rows.query("gate == @gate and r == @r").sort_values(by="share")
            # Both are simulated with the same keys, but the law's denominator has no noise.
            unit = config.dim * law[0]
            simulated(axes, seen.share, seen.value / unit, seen.stderr / unit, style)
            if gate == "ungated":
                _hollow(axes)
            else:
                offset = (5, 7) if r < 2 else (-44, -12)
                label_at(axes, fine, law / law[0], 0.55, rf"$r$ = {r:g}", style["color"], offset)
    for power, name, at, offset in (
        (1, "1 - h", 0.75, (-34, -10)),
        (2, "(1 - h)²", 0.5, (-46, -10)),
    ):
        axes.plot(fine, (1.0 - fine) ** power, color="black", lw=1.0, ls=(0, (1, 1)))
        label_at(axes, fine, (1.0 - fine) ** power, at, name, "black", offset)
    axes.set_ylim(0.0)
    axes.set_xlabel("share h of hallucinated replies")
    axes.set_ylabel("share of the progress that is left")
    axes.set_title("b  What a gate saves (full: gated, open: ungated)")


def _cost_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.style import COLOURS, label_at, predicted, simulated

    places = {
        ("gated", "malformed"): (0.2, (4, 9)),
        ("gated", "hallucinated"): (0.2, (-74, -14)),
        ("ungated", "malformed"): (0.1, (8, 9)),
        ("ungated", "hallucinated"): (0.35, (-96, -10)),
    }
    for gate, style in _styles().items():
        for what, column in (("malformed", "malformed"), ("hallucinated", "share")):
            other = {"malformed": "share", "share": "malformed"}[column]
            seen = rows.query(f"gate == '{gate}' and {other} == 0")
            seen = seen.drop_duplicates(column).sort_values(by=column)
            line = style | ({"linestyle": ":"} if what == "hallucinated" else {})
            predicted(axes, seen[column], seen.predicted, line)
            simulated(axes, seen[column], seen.value, seen.stderr, line)
            if what == "hallucinated":
                _hollow(axes)
            at, offset = places[gate, what]
            label_at(
                axes, seen[column], seen.predicted, at, f"{gate}, {what}", style["color"], offset
            )
    level = config.dim * float(gome_theory.hill_climb_rate(config.dim).rate)
    axes.axhline(level, color=COLOURS["neutral"], lw=0.9)
    axes.annotate(
        "hill climbing",
        (max(config.shares), level),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=COLOURS["neutral"],
    )
    axes.set_ylim(0.0)
    axes.set_xlabel("share of bad replies")
    axes.set_ylabel("d x nats per evaluation's worth")
    axes.set_title(
        rf"c  Malformed or hallucinated: $r$ = {config.shown_r:g}, $c$ = {config.cost:g}"
    )


def _crossover_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.studies.bad_replies import predicted_crossover
    from experiments.style import label_at, predicted, simulated

    fine, root = np.linspace(0.0, max(config.crossover_shares), 25), np.sqrt(config.dim)
    highest = config.largest_crossover * root
    for gate, style in _styles().items():
        for adversarial in (False, True):
            law = root * np.array(
                [predicted_crossover(gate, h, float(adversarial), config) for h in fine]
            )
            law[law > highest] = np.nan
            line = style | ({"linestyle": ":"} if adversarial else {})
            predicted(axes, fine, law, line)
            seen = rows[(rows.gate == gate) & (rows.adversarial == adversarial)]
            simulated(axes, seen.share, seen.value, seen.stderr, line)
            if adversarial:
                _hollow(axes)
            name = f"{gate}, adversarial" if adversarial else gate
            at = 0.36 if gate == "gated" else 0.12 if adversarial else 0.36
            offset = (-66, 12) if adversarial else (0, -12)
            label_at(axes, fine, law, at, name, style["color"], offset)
    axes.set_ylim(0.0, highest)
    axes.set_xlabel("share h of hallucinated replies")
    axes.set_ylabel(r"crossover $r^* = \rho^* \sqrt{d}$ with hill climbing")
    axes.set_title(rf"d  Directed steps win above, $c$ = {config.cost:g}")


STUDY = Study(
    name="hallucination",
    question="What do hallucinated replies cost, and what does a gate save of it?",
    full=Config(),
    quick=Config(
        shares=(0.0, 0.2, 0.5, 0.8),
        crossover_shares=(0.0, 0.3),
        crossover_gates=("ungated",),
        steps=100,
        runs=96,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
