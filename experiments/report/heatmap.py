"""Heat maps of directives over steps: what the optimizer held, when, and what came of it.

Rows are the directives with the largest absolute weight at any step, columns are steps. A cell that
is empty was not among the weights that the journal keeps of that step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from markupsafe import Markup

from experiments.report import figures
from experiments.report.marks import cross, triangle
from experiments.report.records import Run, Step, same_statement
from experiments.report.svg import WIDTH, Box, add, chart, step_axis, step_scale, tip, to_markup

ROWS = 20
SHADES = 7
"""Shades on each side of zero; the style sheet has classes `p1` to `p7` and `n1` to `n7`."""
LABEL_WIDTH = 400.0
LABEL_CHARACTERS = 55
ROW_HEIGHT = 19.0
TOOLTIPS = 2500
"""More cells than this get no tooltips of their own, to keep the page small."""

Weights = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class HeatMap:
    """A drawn heat map and the numbers its legend needs."""

    svg: Markup
    top: str
    """Weight from which on the darkest shade is used."""
    capped: bool
    """Whether some weights are larger than that."""
    signed: bool
    """Whether there are negative weights."""
    left_out: int
    """Directives beyond the rows that are shown."""


def update_map(run: Run) -> HeatMap | None:
    """Weights of the rule's update at each step; `None` if no step ranked anything."""
    weights = {
        step.number: {d.statement: d.weight for d in step.ranked if d.weight is not None}
        for step in run.steps
    }
    return _draw(run, weights, "weight of the rule's update")


def parameter_map(run: Run) -> HeatMap | None:
    """Accumulated amount of each directive in each candidate; `None` if there is none."""
    weights = {step.number: dict(step.parameters) for step in run.steps}
    return _draw(run, weights, "accumulated amount")


def strongest(weights: Weights, count: int = ROWS) -> list[str]:
    """Statements by their largest absolute weight at any step, largest first.

    >>> strongest({0: {"a": 0.1, "b": -0.5}, 1: {"a": 0.2}}, 1)
    ['b']
    """
    peak: dict[str, float] = {}
    for row in weights.values():
        for statement, weight in row.items():
            peak[statement] = max(peak.get(statement, 0.0), abs(weight))
    return sorted((s for s in peak if peak[s] > 0), key=lambda s: -peak[s])[:count]


def shade(weight: float, top: float) -> str:
    """Class of a weight: `p` or `n` for its sign, and 1 to 7 for its size relative to `top`.

    >>> shade(0.5, 0.5), shade(-0.01, 0.5), shade(9.0, 0.5)
    ('p7', 'n1', 'p7')
    """
    level = min(max(math.ceil(SHADES * abs(weight) / top - 1e-9), 1), SHADES)
    return f"{'p' if weight > 0 else 'n'}{level}"


def _draw(run: Run, weights: Weights, meaning: str) -> HeatMap | None:
    everything = strongest(weights, count=10**9)
    rows = everything[:ROWS]
    if not rows:
        return None
    values = [row[s] for row in weights.values() for s in rows if row.get(s)]
    top = _ceiling([abs(value) for value in values])
    box = Box(LABEL_WIDTH, 24, WIDTH - 14.0, 24 + ROW_HEIGHT * len(rows))
    svg = chart(f"{meaning} of each directive at each step", box.bottom + 40)
    numbers = [step.number for step in run.steps]
    x, column = step_scale(box, numbers)
    gap = 1.0 if column > 5 else 0.0
    _rows(svg, run, rows, box)
    tips = len(values) <= TOOLTIPS
    grouped: dict[str, list[str]] = {}
    for step in run.steps:
        shown = weights[step.number]
        left, width = x(step.number) - column / 2 + gap / 2, column - gap
        for i, statement in enumerate(rows):
            weight = shown.get(statement)
            if not weight:
                continue
            y = box.top + i * ROW_HEIGHT + 0.5
            if tips:
                cell = add(
                    svg,
                    "rect",
                    class_=shade(weight, top),
                    x=left,
                    y=y,
                    width=width,
                    height=ROW_HEIGHT - 1,
                )
                tip(
                    cell,
                    f"step {step.number}: {figures.weight(weight)}\n"
                    f"{figures.shortened(statement, 160)}",
                )
            else:
                grouped.setdefault(shade(weight, top), []).append(
                    f"M{left:.1f} {y:.1f}h{width:.1f}v{ROW_HEIGHT - 1:.0f}h{-width:.1f}z"
                )
    for name, parts in grouped.items():
        add(svg, "path", class_=name, d="".join(parts))
    for step in run.steps:
        _outcome(svg, step, rows, box, x(step.number), column)
    step_axis(svg, box, numbers, x, "step")
    signed = any(value < 0 for value in values)
    capped = any(abs(value) > top for value in values)
    return HeatMap(to_markup(svg), figures.weight(top), capped, signed, len(everything) - len(rows))


def _ceiling(sizes: Sequence[float]) -> float:
    """Weight of the darkest shade: the largest, unless a few are far larger than the rest."""
    ordered = sorted(sizes)
    typical = ordered[min(int(0.9 * len(ordered)), len(ordered) - 1)]
    return min(ordered[-1], 4.0 * typical)


def _rows(svg: Element, run: Run, rows: Sequence[str], box: Box) -> None:
    components = {d.statement: d.component for s in run.steps for d in (*s.ranked, *s.applied)}
    for i, statement in enumerate(rows):
        y = box.top + i * ROW_HEIGHT
        add(
            svg,
            "rect",
            class_="empty",
            x=box.left,
            y=y + 0.5,
            width=box.width,
            height=ROW_HEIGHT - 1,
        )
        component = figures.shortened(components.get(statement, ""), 14)
        label = add(svg, "text", class_="row end", x=box.left - 8, y=y + 13.5)
        name = add(label, "tspan", figures.shortened(statement, LABEL_CHARACTERS - len(component)))
        name.tail = "  "
        add(label, "tspan", component, class_="component")
        tip(label, figures.shortened(statement, 500))


def _outcome(
    svg: Element, step: Step, rows: Sequence[str], box: Box, x: float, column: float
) -> None:
    """A mark above the column for what became of the step, and a frame around what was done."""
    y, r = box.top - 9, min(max(column * 0.3, 2.5), 4.0)
    if step.state == "accepted":
        triangle(svg, x, y, r, 1.8 * r, "accepted")
    elif step.state == "failed" and column > 5:
        cross(svg, x, y, r)
    narrow = column < 6
    for i, statement in enumerate(rows):
        if any(same_statement(statement, done.statement) for done in step.applied):
            middle = box.top + (i + 0.5) * ROW_HEIGHT
            half = 3.0 if narrow else ROW_HEIGHT / 2 - 1.2
            width = max(column, 1.0) if narrow else column - 2
            add(
                svg,
                "rect",
                class_="done narrow" if narrow else "done",
                x=x - width / 2,
                y=middle - half,
                width=width,
                height=2 * half,
            )
