"""Computed tables of the guide to strategies, from the committed results."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

RESULTS = Path(__file__).parent / "results"
Row = tuple[str, ...]
Table = tuple[Row, list[Row]]
"""Heads and rows, as text."""


def paradigms() -> Table:
    """From which reliability on directed rules beat the best search, by budget and noise."""
    table, config = load("paradigms")
    _, _, crash = config.shown
    rules = ("gome", _momentum(config), "auto")
    rows = []
    for budget in config.budgets:
        for noise in config.noises:
            condition = f"budget == {budget} and noise == {noise} and crash_rate == {crash}"
            crossovers = table.query(f"kind == 'crossover' and {condition}").set_index("strategy")
            search = str(crossovers.search.iloc[0])
            finals = table.query(f"kind == 'final' and {condition}").set_index("strategy")
            best = finals.loc[[search]].iloc[0]
            rows.append(
                (
                    f"{budget}",
                    f"{noise:g}",
                    f"`{search}`",
                    f"{best.value:.2f} ± {1.96 * best.stderr:.2f}",
                    *(crossover_text(*_interval(crossovers.loc[[rule]])) for rule in rules),
                )
            )
    heads = ("budget", "noise", "best search", "its nats", *(f"`{rule}` ahead" for rule in rules))
    return heads, rows


def searches() -> Table:
    """Nats of every strategy that does not listen, by budget, at one noise and crash rate."""
    table, config = load("paradigms")
    shown, noise, crash = config.shown
    here = table.query(
        f"kind == 'final' and noise == {noise} and crash_rate == {crash} "
        "and (side == 'search' or side == 'floor')"
    )
    by = here.pivot(index="strategy", columns="budget", values="value")
    errors = here.pivot(index="strategy", columns="budget", values="stderr")
    order = by.sort_values(by=shown, ascending=False).index
    rows = [
        (
            f"`{name}`",
            *(f"{by.loc[name, b]:.2f} ± {1.96 * errors.loc[name, b]:.2f}" for b in config.budgets),
        )
        for name in order
    ]
    return ("strategy", *(f"{budget} evaluations" for budget in config.budgets)), rows


def paradigms_real() -> Table:
    """Leads over the best search on real tasks, and where they begin."""
    from experiments.studies import paradigms_real as study

    table, config = load("paradigms_real")
    rows = []
    for cost in config.costs:
        utilities = study.finals(table, config, cost)
        search = study.best_search(utilities, config)
        for rule in config.directed:
            lead = study.lead(utilities, rule, search, config)
            mean, low, high = lead.mean()
            better = lead.probability_of_improvement()
            ends = [
                f"{mean[i]:+.2f} [{low[i]:+.2f}, {high[i]:+.2f}]"
                for i in range(len(config.alignments))
            ]
            last = f"{better[0][-1]:.0%} [{better[1][-1]:.0%}, {better[2][-1]:.0%}]"
            rows.append(
                (
                    f"`{rule}`",
                    f"{cost:g}",
                    f"`{search}`",
                    *ends,
                    last,
                    crossover_text(*lead.crossover()),
                )
            )
    leads = (f"ρ = {rho:g}" for rho in config.alignments)
    return ("rule", "c", "best search", *leads, "better at ρ = 1", "ahead"), rows


def hybrids() -> Table:
    """Largest regret against the better pure strategy over reliabilities and prices."""
    from experiments.studies.hybrids import LABELS

    table, config = load("hybrids")
    worlds = {"noise-free sphere": config.worlds[:2]}
    worlds |= {world: (world,) for world in config.worlds[2:]}
    rows, end = [], config.budgets[-1]
    for label, members in worlds.items():
        here = table.query(f"world in {list(members)}")
        last = here.query(f"budget == {end}").groupby("strategy").regret.max()
        auto = here.query("strategy == 'auto'").groupby("budget").regret.max()
        rows.append(
            (
                label,
                *(f"{auto[budget]:.0%}" for budget in config.budgets),
                *(f"{last[name]:.0%}" for name in LABELS if name != "auto"),
            )
        )
    budgets = (f"`auto`, {budget:g}" for budget in config.budgets)
    others = (
        f"{label}, {config.budgets[-1]:g}" for name, label in LABELS.items() if name != "auto"
    )
    return ("world", *budgets, *others), rows


def load(study: str) -> tuple[pd.DataFrame, Any]:
    """The committed table of a study, and the configuration that it was made with."""
    import pandas as pd

    from experiments import studies

    folder = RESULTS / study
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    kind = type(studies.load(study).full)
    known = {field.name for field in fields(kind)}
    kept = {n: _tuples(v) for n, v in manifest["config"].items() if n in known}
    return pd.read_parquet(folder / "table.parquet"), kind(**kept)


def crossover_text(value: float, low: float, high: float) -> str:
    """From where on a lead is positive; "never" where it is not within what was measured."""
    ends = ("never" if not math.isfinite(end) else f"{end:.2f}" for end in (low, high))
    if not math.isfinite(value):
        return f"never [{', '.join(ends)}]"
    return f"from {value:.2f} [{', '.join(ends)}]"


def _interval(rows: pd.DataFrame) -> tuple[float, float, float]:
    row = rows.iloc[0]
    return float(row.value), float(row.low), float(row.high)


def _momentum(config: Any) -> str:
    return next(name for name in config.directed if name.startswith("momentum"))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
