"""Several traces: average their diagnoses, keep the best of them, or spend it all on one trace?"""

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


LABEL_SHIFTS = {
    "bias_share": {"best trace": 9},
    "shared_bias": {"consensus": 12, "one long trace": 4, "best trace": -5, "one short trace": -14},
}
"""Points by which labels of neighbouring series make room for each other."""


@dataclass(frozen=True)
class Config:
    """What is simulated."""

    dim: int = 200
    # What averaging does to the direction.
    alignment: float = 0.2
    alignment_dim: int = 2000
    counts: tuple[int, ...] = (1, 2, 4, 8, 16)
    kinds: tuple[tuple[float, float], ...] = ((0.5, 0.0), (0.5, 0.25), (0.5, 1.0))
    """Pairs of omega and kappa."""
    alignment_runs: int = 400
    # Three ways to spend as many diagnosed steps.
    traces: int = 4
    steps: int = 32
    rho: float = 0.3
    shown_bias: float = 0.1
    shared_biases: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    bias_shares: tuple[float, ...] = (0.0, 0.02, 0.05, 0.1, 0.2)
    shown_shared: tuple[float, ...] = (0.0,)
    relative_steps: tuple[float, ...] = (0.25, 0.5, 1.0, 1.7, 2.6)
    """Step sizes that are tried, in units of rho."""
    runs: int = 96
    # What a diversity of biases adds to the best trace.
    diverse_traces: int = 8
    diverse_bias: float = 0.3
    diverse_cases: tuple[tuple[float, str], ...] = (
        (0.0, "common"),
        (0.5, "common"),
        (0.5, "scattered"),
    )
    """Pairs of kappa and where traces start."""
    diverse_alpha: float = 0.3
    diverse_r: float = 0.6
    diverse_steps: int = 14
    diverse_runs: int = 2048
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """Each kind of bias for the alignment; the three ways; the value of diversity."""
    alignments = [
        {"kind": "alignment", "bias_share": omega, "shared_bias": kappa}
        for omega, kappa in config.kinds
    ]
    return [*alignments, {"kind": "progress"}, {"kind": "diversity"}]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `sharing`."""
    del scratch
    from experiments.studies import sharing

    match cell["kind"]:
        case "alignment":
            return sharing.alignment_rows(cell["bias_share"], cell["shared_bias"], config)
        case "progress":
            return sharing.progress_rows(config)
    return sharing.diversity_rows(config)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Effective traces; progress over the bias and its shared part; the value of diversity."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure, axes = plt.subplots(2, 2, figsize=(10.5, 7.4))
    _effective(axes[0, 0], table.query("kind == 'effective traces'"), config)
    progress = table.query("kind == 'progress'")
    kappa = config.shown_shared[0]
    K, T = config.traces, config.steps
    _ways(axes[0, 1], progress.query("shared_bias == @kappa"), "bias_share")
    axes[0, 1].set_xlabel(rf"share $\omega$ of the error that persists ($\kappa$ = {kappa:g})")
    axes[0, 1].set_title(f"{K * T} diagnosed steps, spent in three ways (K = {K})")
    _ways(axes[1, 0], progress.query("bias_share == @config.shown_bias"), "shared_bias")
    axes[1, 0].set_xlabel(
        rf"share $\kappa$ of the bias in common ($\omega$ = {config.shown_bias:g})"
    )
    axes[1, 0].set_title("Averaging pays where errors persist and differ")
    _diversity(axes[1, 1], table.query("kind == 'diversity'"), config)
    if config != Config():
        mark_quick(figure)
    return figure


def _effective(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.style import SERIES, predicted, simulated

    fine = np.geomspace(1, max(config.counts), 40)
    for style, (omega, kappa) in zip(SERIES, config.kinds, strict=False):
        law = gome_theory.effective_traces(fine, omega, kappa)
        predicted(axes, fine, law, style, rf"$\omega\kappa$ = {omega * kappa:g}")
        seen = rows.query("bias_share == @omega and shared_bias == @kappa")
        simulated(axes, seen["count"], seen.value, seen.stderr, style)
    axes.set(xscale="log", yscale="log", xlabel="diagnoses K that are averaged")
    axes.set_xticks(config.counts, [str(count) for count in config.counts])
    axes.set_yticks((1, 2, 4, 8, 16), ("1", "2", "4", "8", "16"))
    axes.minorticks_off()
    axes.set_ylabel(r"effective number $K_{\mathrm{eff}}$ of diagnoses")
    axes.set_title(r"At most $1/(\omega\kappa)$ diagnoses' worth of evidence")


def _ways(axes: Axes, rows: pd.DataFrame, x: str) -> None:
    from experiments.studies.sharing import WAYS
    from experiments.style import SERIES, label_end, simulated

    for style, way in zip(SERIES, WAYS, strict=False):
        seen = rows.query("way == @way").sort_values(x)
        simulated(axes, seen[x], seen.value, seen.stderr, style)
        has_law = seen.predicted.notna().all()
        line = seen.predicted if has_law else seen.value
        width, alpha = (1.5, 1.0) if has_law else (0.8, 0.5)
        axes.plot(seen[x], line, color=style["color"], ls=style["linestyle"], lw=width, alpha=alpha)
        label_end(axes, seen[x], seen.value, way, style["color"], LABEL_SHIFTS[x].get(way, 0))
    axes.axhline(0.0, color="#555555", lw=0.8)
    axes.set_ylabel("log progress, nats (lines: mean-field)")


def _diversity(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.style import SERIES, label_end, simulated

    for style, (kappa, start) in zip(SERIES, config.diverse_cases, strict=False):
        seen = rows.query("shared_bias == @kappa and start == @start")
        if start == "common":
            axes.plot(seen.steps, seen.predicted, color=style["color"], ls=style["linestyle"])
        simulated(axes, seen.steps, seen.value, seen.stderr, style)
        label = rf"$\kappa$ = {kappa:g}," + f"\n{start} start"
        dy = 16 if start == "scattered" else -10
        label_end(axes, seen.steps, seen.value, label, style["color"], dy)
    longest = float(
        gome_theory.longest_diverse_run(
            config.diverse_traces, config.diverse_alpha, config.diverse_bias
        )
    )
    axes.axhline(0.0, color="#555555", lw=0.8)
    axes.axvline(longest, color="#555555", lw=0.9, ls=":")
    axes.text(
        longest, axes.get_ylim()[1], f" law: pays up to T = {longest:.1f}", va="top", fontsize=8
    )
    axes.set_xlabel("steps T of each trace")
    axes.set_ylabel(r"best of K with bias less without, $d \times$ nats")
    axes.set_title(
        rf"Diverse biases help a short best-of-{config.diverse_traces} "
        rf"($\omega$ = {config.diverse_bias:g}, $\alpha$ = {config.diverse_alpha:g})"
    )


STUDY = Study(
    name="traces",
    question="What are several diagnoses or several traces worth, and where does sharing pay?",
    full=Config(),
    quick=Config(
        dim=100,
        counts=(1, 4, 16),
        kinds=((0.5, 0.0), (0.5, 1.0)),
        alignment_runs=100,
        steps=16,
        shared_biases=(0.0, 1.0),
        bias_shares=(0.0, 0.1),
        relative_steps=(0.5, 1.0, 2.0),
        runs=48,
        diverse_steps=10,
        diverse_runs=512,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
