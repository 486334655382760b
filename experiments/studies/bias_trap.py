"""What an error that persists does to a run: the bias trap, and what opens it.

A reasoner that is wrong in the same way every time leads early and loses later: its run moves along
the bias until the error points against it. Progress lasts only above an alignment that no dimension
and no budget changes; several reasoners with biases of their own move it.
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

    alignments: tuple[float, ...] = (0.15, 0.3, 0.5)
    bias_shares: tuple[float, ...] = (0.005, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4)
    """omega, what share of the error persists."""
    dims: tuple[int, ...] = (100, 1000)
    settling: int = 800
    """Steps before a run counts as settled."""
    steps: int = 400
    runs: int = 32
    traces: int = 4
    """K diagnoses of one step."""
    shared_biases: tuple[float, ...] = (0.0, 0.5, 1.0)
    """kappa, what share of the bias is common to them."""
    consensus_alignment: float = 0.3
    consensus_dim: int = 200
    consensus_runs: int = 6
    cost: float = 2.0
    run_dim: int = 400
    run_r: float = 1.2
    """Scaled alignment and scaled step of the shown runs."""
    run_bias: float = 0.005
    run_budget: int = 1000
    trajectories: tuple[str, ...] = ("ungated", "gated", "hill_climb")
    trajectory_runs: int = 256
    one_trace: tuple[tuple[float, float], ...] = ((0.0, 1.0), (0.05, 1.0))
    """(omega, kappa) of the crossovers."""
    many_traces: tuple[tuple[float, float], ...] = ((0.05, 0.5), (0.05, 0.0))
    crossover_dims: tuple[int, ...] = (100, 400, 1600)
    consensus_dims: tuple[int, ...] = (100, 300)
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """Independent pieces: settled runs of one dimension, shown runs of one kind, crossovers."""
    return [
        *({"kind": "settled", "dim": dim} for dim in config.dims),
        {"kind": "gated"},
        *([{"kind": "consensus"}] if config.shared_biases else []),
        *({"kind": "trajectory", "strategy": name} for name in config.trajectories),
        *({"kind": "crossover", "traces": 1, "dim": dim} for dim in config.crossover_dims),
        *(
            {"kind": "crossover", "traces": config.traces, "dim": dim}
            for dim in config.consensus_dims
        ),
    ]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `biased`."""
    del scratch
    from experiments.studies import biased

    match cell["kind"]:
        case "settled":
            return biased.settled_rows(cell["dim"], config)
        case "gated":
            return biased.gated_rows(config)
        case "consensus":
            return biased.consensus_rows(config)
        case "trajectory":
            return biased.trajectory_rows(cell["strategy"], config)
    return biased.crossover_rows(cell["traces"], cell["dim"], config)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Settled rate, cosine and consensus over the bias share; runs; the crossover over d."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure = plt.figure(figsize=(12, 7.4))
    grid = figure.add_gridspec(2, 6)
    _settled_panel(figure.add_subplot(grid[0, :2]), table, "rate", config)
    _settled_panel(figure.add_subplot(grid[0, 2:4]), table, "cosine", config)
    kinds = {kind: table.query(f"kind == '{kind}'") for kind in table.kind.unique()}
    if config.shared_biases:
        _consensus_panel(figure.add_subplot(grid[0, 4:]), kinds["consensus"], config)
    _runs_panel(figure.add_subplot(grid[1, :3]), kinds["trajectory"], config)
    if config.crossover_dims:
        _crossover_panel(figure.add_subplot(grid[1, 3:]), kinds["crossover"], config)
    if config.runs < Config().runs:
        mark_quick(figure)
    return figure


def _settled_panel(axes: Axes, table: pd.DataFrame, what: str, config: Config) -> None:
    import gome_theory
    from experiments.studies.biased import best_step
    from experiments.style import label_at, predicted, series_of, simulated

    fine = np.geomspace(min(config.bias_shares) / 2, max(config.bias_shares), 80)
    series = series_of([f"{rho}" for rho in config.alignments])
    places = {
        "rate": {0.15: (0.06, (-52, -8)), 0.3: (0.025, (8, 3)), 0.5: (0.04, (6, 9))},
        "cosine": {0.15: (0.007, (8, 5)), 0.3: (0.02, (8, 6)), 0.5: (0.01, (8, 6))},
    }
    for rho, style in zip(config.alignments, series.values(), strict=True):
        law = gome_theory.bias_trap(rho, fine, best_step(rho, fine))
        curve = np.asarray(law.rate if what == "rate" else law.error_cosine)
        predicted(axes, fine, curve / (rho**2 if what == "rate" else 1.0), style)
        for kind, face in ((what, None), (f"gated {what}", "white")):
            rows = table.query(f"kind == '{kind}' and alignment == @rho")
            unit = rho**2 if what == "rate" else 1.0
            dim = max(config.dims) if face is None else min(config.dims)
            seen = rows.query(f"dim == {dim}")
            simulated(axes, seen.bias_share, seen.value / unit, seen.stderr / unit, style)
            if face is not None:
                axes.lines[-1].set_markerfacecolor(face)
        small = table.query("kind == @what and alignment == @rho and dim == @config.dims[0]")
        unit = rho**2 if what == "rate" else 1.0
        axes.plot(small.bias_share, small.value / unit, "x", color=style["color"], ms=5, mew=1.0)
        at, offset = places[what].get(rho, (fine[-1], (5, 0)))
        label_at(axes, fine, curve / unit, at, rf"$\rho$ = {rho:g}", style["color"], offset)
        if what == "rate":
            axes.plot(
                [rho**2 / (1 - rho**2)], [0.0], marker="|", color=style["color"], ms=16, mew=2
            )
    axes.set_xscale("log")
    axes.set_xlabel(r"bias share $\omega$")
    if what == "rate":
        axes.axhline(0.0, color="black", lw=0.8)
        axes.set_ylim(-1.0, 1.1)
        axes.set_ylabel(r"settled nats per step, in units of $\rho^2$")
        axes.annotate(
            f"full: d = {max(config.dims)}, crosses: d = {min(config.dims)}\n"
            f"open: d = {min(config.dims)}, gated\n"
            r"bars: $\rho^2 = \omega / (1 + \omega)$",
            (0.03, 0.03),
            xycoords="axes fraction",
            fontsize=7.5,
            color="#555555",
            va="bottom",
        )
        axes.set_title("a  Progress of settled runs")
    else:
        axes.set_ylim(-1.04, 0.0)
        axes.set_ylabel("cosine of error and bias")
        axes.set_title("b  Where the error points")


def _consensus_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.studies.biased import best_step
    from experiments.style import label_at, predicted, series_of, simulated

    rho, traces = config.consensus_alignment, config.traces
    fine = np.geomspace(min(config.bias_shares) / 2, max(config.bias_shares), 80)
    series = series_of([f"{kappa}" for kappa in config.shared_biases])
    for kappa, style in zip(config.shared_biases, series.values(), strict=True):
        step = best_step(rho, fine, traces, kappa)
        law = gome_theory.bias_trap(rho, fine, step, traces=traces, shared_bias=kappa)
        predicted(axes, fine, law.rate, style)
        seen = rows[rows.shared_bias == kappa]
        simulated(axes, seen.bias_share, seen.value, seen.stderr, style)
        at, offset = {0.0: (0.05, (6, 8)), 0.5: (0.06, (6, 8))}.get(kappa, (0.02, (-46, -8)))
        label_at(axes, fine, law.rate, at, rf"$\kappa$ = {kappa:g}", style["color"], offset)
    axes.axhline(0.0, color="black", lw=0.8)
    axes.set_xscale("log")
    axes.set_xlabel(r"bias share $\omega$")
    axes.set_ylabel("settled nats per step")
    axes.set_title(rf"c  Mean of {traces} diagnoses, $\rho$ = {rho:g}")


def _runs_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.style import COLOURS, label_at, simulated

    looks = {
        "ungated": ("directed, ungated", "directed_ungated", "-", 850, (-4, 14)),
        "gated": ("directed, gated", "directed", "--", 700, (-56, 15)),
        "hill_climb": ("hill climbing", "hill_climb", "-.", 700, (10, -14)),
    }
    for name, (label, colour, line, at, offset) in looks.items():
        seen = rows.query(f"strategy == '{name}'")
        style = {"color": COLOURS[colour], "linestyle": line}
        simulated(axes, seen.spent, seen.value, seen.stderr, style, band=True)
        axes.plot(seen.spent, seen.predicted, color="black", ls=":", lw=1.0)
        label_at(axes, seen.spent, seen.value, at, label, style["color"], offset)
    lost = config.cost * float(
        gome_theory.lead_lost_after(config.run_r, config.run_r, config.cost, config.run_bias)
    )
    axes.axvline(lost, color="#888888", lw=0.8, ls=":")
    axes.annotate(
        "lead lost,\nby theory",
        (lost, 0.02),
        xycoords=("data", "axes fraction"),
        xytext=(4, 0),
        textcoords="offset points",
        fontsize=8,
        color="#555555",
        va="bottom",
    )
    highest = rows.value.max()
    axes.set_ylim(min(0.0, rows.value.min()) * 1.1, 1.15 * highest)
    axes.set_xlabel(f"evaluations' worth (a directed step costs {config.cost:g})")
    axes.set_ylabel("nats won")
    axes.annotate(
        rf"$d$ = {config.run_dim}, $r$ = {config.run_r:g}, $\omega$ = {config.run_bias:g}",
        (0.42, 0.02),
        xycoords="axes fraction",
        fontsize=8,
        color="#555555",
    )
    axes.set_title("d  Ahead early, behind later (dotted: laws of early steps)")


def _crossover_panel(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.style import label_end, predicted, series_of, simulated

    settings = [(1, *pair) for pair in config.one_trace]
    settings += [(config.traces, *pair) for pair in config.many_traces]
    dims = np.geomspace(60, 4000, 30)
    series = series_of([f"{setting}" for setting in settings])
    for (traces, omega, kappa), style in zip(settings, series.values(), strict=True):
        law = gome_theory.biased_vs_hill_climb(
            dims, config.cost, omega, traces=traces, shared_bias=kappa
        )
        predicted(axes, dims, law.alignment, style)
        seen = rows[
            (rows.traces == traces) & (rows.bias_share == omega) & (rows.shared_bias == kappa)
        ]
        simulated(axes, seen.dim, seen.value, seen.stderr, style)
        name = rf"$\omega$ = {omega:g}" + (
            rf", {traces} diagnoses, $\kappa$ = {kappa:g}" if traces > 1 else ""
        )
        label_end(axes, dims, law.alignment, name, style["color"])
        floor = float(gome_theory.bias_threshold(omega, traces, kappa))
        if floor > 0:
            axes.plot(dims[[0, -1]], [floor] * 2, color=style["color"], lw=0.7, ls=":")
    axes.set(xscale="log", yscale="log")
    ticks = [0.02, 0.05, 0.1, 0.2, 0.4]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_xlabel("dimension d")
    axes.set_ylabel(r"crossover $\rho^*$ with hill climbing")
    axes.set_title("e  The fall with d stops at the threshold (dotted)")


STUDY = Study(
    name="bias_trap",
    question="When does a reasoner that errs in the same way every time lose to search?",
    full=Config(),
    quick=Config(
        alignments=(0.3,),
        bias_shares=(0.02, 0.1, 0.3),
        dims=(100,),
        settling=500,
        steps=200,
        runs=8,
        shared_biases=(),
        trajectories=("ungated", "hill_climb"),
        trajectory_runs=64,
        run_budget=600,
        crossover_dims=(),
        consensus_dims=(),
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
