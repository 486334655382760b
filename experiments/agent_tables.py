"""Computed tables of the guide to the offline agent, from the committed results."""

from __future__ import annotations

import math

from experiments.strategy_tables import Table, load


def automl() -> Table:
    """Held-out scores by task and method: mean over seeds, 95 % interval, medals, price."""
    from experiments.studies.automl import interval

    table, config = load("automl")
    methods = (*config.strategies, "draft", *config.baselines)
    rows = []
    for task in config.tasks:
        for method in methods:
            found = table[(table.task == task) & (table.method == method)]
            mean, half = interval(found.score.astype(float))
            medals = found.medal.isin(["gold", "silver", "bronze"]).sum()
            rows.append(
                (
                    task,
                    _shown(method),
                    " ± ".join(rounded(mean, half)),
                    f"{medals} of {len(found)}",
                    f"{found.evaluations.mean():.1f}" if found.evaluations.count() else "",
                    f"{found.seconds.mean():.0f}" if found.seconds.count() else "",
                )
            )
    return ("task", "method", "held-out score", "medals", "evaluations", "seconds"), rows


def _shown(method: str) -> str:
    """A baseline's name, or a strategy as it is typed."""
    from experiments.studies.automl import LABELS

    return LABELS.get(method, f"`{method}`")


def rounded(mean: float, half: float) -> tuple[str, str]:
    """A mean and half its interval, to two digits of the latter; no error is no spread.

    >>> rounded(820.123, 411.0), rounded(0.98493, 0.00123), rounded(0.5, 1e-17)
    (('820', '410'), ('0.9849', '0.0012'), ('0.5', '0'))
    """
    if half <= 1e-9 * abs(mean):
        return f"{mean:.4g}", "0"
    digits = 1 - math.floor(math.log10(half))
    shown = max(0, digits)
    return f"{round(mean, digits):.{shown}f}", f"{round(half, digits):.{shown}f}"


def automl_leads() -> Table:
    """The first strategy's lead over every other method, in spreads of a task."""
    from experiments.studies.automl import leads

    rows = [
        (
            _shown(row["method"]),
            f"{row['lead']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]",
            f"{row['ahead']:.0%}",
        )
        for row in leads(*load("automl")).to_dict("records")
    ]  # fmt: skip
    return ("over", "lead in spreads", "ahead"), rows


def reliability() -> Table:
    """How well what the expert tells agrees with what is measured, by task and state."""
    from experiments.studies.reliability import agreements

    table, _ = load("reliability")
    rows = [
        (
            row["task"],
            f"after {row['depth']} steps" if row["depth"] else "draft",
            f"{row['directives']}",
            f"{row['cosine']:.2f} [{row['cosine_low']:.2f}, {row['cosine_high']:.2f}]",
            f"{row['rank']:.2f} [{row['rank_low']:.2f}, {row['rank_high']:.2f}]",
            f"{row['top_helped']:.0%} of {row['helped']:.0%}",
        )
        for row in agreements(table).to_dict("records")
    ]
    heads = ("task", "state", "directives", "cosine", "rank correlation", "top five helped, of all")
    return heads, rows
