"""How the crossover moves with the price of reasoning: predicted and simulated on the sphere.

A directed step costs c evaluations of the search. Four cases: a fixed price, where the elasticity
of the crossover is 1/2 without a gate and alpha*/(2 r*) with one; a search that improves with the
reasoner (Theorem 7: no crossover from c = 1/kappa^2 on); a price that rises with ability faster
than r^2, which prices reasoning out again.
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

    dims: tuple[int, ...] = (30, 300)
    """For fixed prices."""
    costs: tuple[float, ...] = (1.2, 1.6, 2.2, 3.0, 4.5, 7.0, 11.0, 17.0)
    coupled_costs: tuple[float, ...] = (2.0, 4.0)
    couplings: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.75)
    """Shares kappa of the reasoner's alignment that the search's proposals have."""
    scaled_alignments: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
    """Where leads are shown."""
    large_dim: int = 4000
    """For the cases whose laws are limits."""
    rising: tuple[float, float] = (1.3, 0.55)
    """Price c(r) = first * exp(second * r)."""
    rising_alignments: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 9.0, 10.0, 11.0)
    runs: int = 1024
    steps: int = 200
    seed: int = 0


def cells(config: Config) -> Sequence[Cell]:
    """A kind of step in a dimension, a price of coupled search, and the rising price."""
    fixed = [
        {"kind": "fixed", "gate": gate, "dim": dim}
        for gate in ("gated", "ungated")
        for dim in config.dims
    ]
    coupled = [{"kind": "coupled", "cost": cost} for cost in config.coupled_costs]
    return [*fixed, *coupled, {"kind": "rising"}]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Rows of one cell; see `priced`."""
    del scratch
    from experiments.studies import priced

    match cell["kind"]:
        case "fixed":
            return priced.fixed_rows(cell["gate"], cell["dim"], config)
        case "coupled":
            return priced.coupled_rows(cell["cost"], config)
    return priced.rising_rows(config)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Crossover and its elasticity over the price; leads of coupled search and rising price."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure, axes = plt.subplots(2, 2, figsize=(10.5, 7.4))
    _crossovers(axes[0, 0], table.query("kind == 'crossover' and case == 'fixed'"))
    _elasticity(axes[0, 1], table.query("kind == 'elasticity'"), config)
    _coupled(axes[1, 0], table.query("case == 'coupled'"), config)
    _rising(axes[1, 1], table.query("case == 'rising'"), config)
    if config != Config():
        mark_quick(figure)
    return figure


def _crossovers(axes: Axes, rows: pd.DataFrame) -> None:
    from matplotlib.ticker import NullFormatter

    from experiments.studies.priced import predicted_crossover
    from experiments.style import label_end, predicted, series_of, simulated

    kinds = list(rows[["gate", "dim"]].drop_duplicates().itertuples(index=False, name=None))
    styles = series_of([f"{gate}, d = {dim:g}" for gate, dim in kinds])
    prices = np.geomspace(rows.cost.min(), rows.cost.max(), 40)
    for (gate, dim), (label, style) in zip(kinds, styles.items(), strict=True):
        seen = rows.query("gate == @gate and dim == @dim")
        law = [predicted_crossover(gate, int(dim), price) for price in prices]
        predicted(axes, prices, law, style)
        dy = 5 if gate == "ungated" else -5  # The two meet at high prices.
        label_end(axes, prices, law, label, style["color"], dy)
        simulated(axes, seen.cost, seen.value, seen.stderr, style)
    axes.set(xscale="log", yscale="log", ylabel=r"crossover $\rho^*$")
    axes.set_xlabel("price c of a directed step, in evaluations")
    _plain_log(axes, (1.2, 2, 5, 10, 20), (0.01, 0.03, 0.1, 0.3))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(right=40)
    axes.set_title("Crossover: exact law (lines), simulated (points)")


def _elasticity(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    import gome_theory
    from experiments.studies.priced import predicted_crossover
    from experiments.style import label_end, series_of, simulated

    styles = series_of(["gated", "ungated"])
    dim = max(config.dims)
    prices = np.geomspace(min(config.costs), max(config.costs), 40)
    for gate, style in styles.items():
        r = [np.sqrt(dim) * predicted_crossover(gate, dim, price) for price in prices]
        law = gome_theory.cost_elasticity(r, gated=gate == "gated")
        axes.plot(prices, law, color=style["color"], linestyle=style["linestyle"])
        name = "1/2" if gate == "ungated" else r"$\alpha^*/(2r^*)$"
        label_end(
            axes, prices, law, f"{gate}: {name}", style["color"], 8 if gate == "gated" else -4
        )
        for shift, (_, seen) in zip(
            (0.985, 1.015), rows[rows.gate == gate].groupby("dim"), strict=False
        ):
            simulated(axes, shift * seen.cost, seen.value, seen.stderr, style)
    axes.set(xscale="log", ylim=(0.0, None), xlabel="price c of a directed step, in evaluations")
    _plain_log(axes, (1.2, 2, 5, 10, 20), None)
    axes.set_xlim(right=40)
    axes.set_ylabel("% change of the crossover per % of price")
    axes.set_title("Elasticity: a gate makes cheap reasoning price-sensitive")


def _coupled(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.studies.priced import coupled_lead
    from experiments.style import label_end, predicted, series_of, simulated

    cost = config.coupled_costs[0]
    fine = np.linspace(0.0, max(config.scaled_alignments), 60)
    styles = series_of([f"{kappa:g}" for kappa in config.couplings])
    for kappa, style in zip(config.couplings, styles.values(), strict=True):
        seen = rows.query("cost == @cost and coupling == @kappa")
        leads = seen.query("kind == 'lead'")
        law = coupled_lead(fine, cost, kappa, config.large_dim)
        limit = ", none" if cost >= 1 / max(kappa, 1e-9) ** 2 else ""
        predicted(axes, fine, law, style)
        shown = law < 6.5 * np.exp(-kappa)
        label = rf"$\kappa$ = {kappa:g}{limit}"
        if kappa > 0:
            label_end(axes, fine[shown], law[shown], label, style["color"])
        else:
            at = fine[shown][-1] - 0.08, law[shown][-1]
            axes.text(*at, label, ha="right", fontsize=8, color=style["color"])
        simulated(axes, leads.r, leads.value, leads.stderr, style)
        crossing = seen.query("kind == 'crossover'")
        axes.plot(crossing.value, 0 * crossing.value, "|", ms=14, mew=1.6, color=style["color"])
    axes.axhline(0.0, color="#555555", lw=0.8)
    axes.set_xlabel(r"reliability $r = \rho\sqrt{d}$")
    axes.set_ylabel(r"lead of reasoning, $d \times$ nats per evaluation")
    axes.set_title(rf"Search that shares a part $\kappa$ of it (c = {cost:g})")
    axes.set_ylim(-2.0, 7.0)


def _rising(axes: Axes, rows: pd.DataFrame, config: Config) -> None:
    from experiments.studies.priced import gated_law, rising_price
    from experiments.style import SERIES, label_end, predicted, simulated

    fine = np.linspace(0.0, max(config.rising_alignments), 80)
    dim, style, search = config.large_dim, SERIES[0], SERIES[1]
    law = dim * gated_law(fine / np.sqrt(dim), dim).rate / rising_price(fine, config)
    predicted(axes, fine, law, style, "reasoning")
    seen = rows[rows.kind == "rate"]
    simulated(axes, seen.r, seen.value, seen.stderr, style)
    level = rows[rows.kind == "search"].iloc[0]
    half = 1.96 * level.stderr
    axes.plot(fine, np.full_like(fine, level.predicted), color=search["color"], ls="--")
    axes.fill_between(
        fine, level.value - half, level.value + half, color=search["color"], alpha=0.25, lw=0
    )
    label_end(axes, fine, np.full_like(fine, level.value), "search", search["color"], dy=7)
    for _, crossing in rows[rows.kind == "crossover"].iterrows():
        axes.plot(crossing.value, level.value, "|", ms=14, mew=1.6, color="black")
        axes.annotate(
            f"{crossing.value:.3f} ± {crossing.stderr:.3f}\n(law {crossing.predicted:.3f})",
            (crossing.value, level.value),
            xytext=(6 if crossing.value < 5 else -6, -26),
            textcoords="offset points",
            ha="left" if crossing.value < 5 else "right",
            fontsize=8,
        )
    first, second = config.rising
    axes.set_xlabel(r"reliability $r = \rho\sqrt{d}$")
    axes.set_ylabel(r"$d \times$ nats per evaluation")
    axes.set_ylim(bottom=0.0)
    axes.set_title(
        rf"Price rising with ability, $c = {first:g}\,e^{{{second:g} r}}$: two crossovers"
    )


def _plain_log(axes: Axes, x: Sequence[float], y: Sequence[float] | None) -> None:
    from matplotlib.ticker import NullFormatter

    axes.set_xticks(x, [f"{tick:g}" for tick in x])
    axes.xaxis.set_minor_formatter(NullFormatter())
    if y is not None:
        axes.set_yticks(y, [f"{tick:g}" for tick in y])
        axes.yaxis.set_minor_formatter(NullFormatter())


STUDY = Study(
    name="cost",
    question="How does the crossover move with the price of a directed step?",
    full=Config(),
    quick=Config(
        dims=(100,),
        costs=(1.5, 3.0, 7.0),
        coupled_costs=(2.0,),
        couplings=(0.0, 0.4, 0.75),
        scaled_alignments=(0.0, 1.5, 4.0),
        rising_alignments=(0.0, 1.0, 5.0, 8.0, 11.0),
        runs=256,
        steps=60,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
