"""Charts over the steps of a run: scores, gains, the tree of parents, seconds.

Every chart is an SVG element whose columns are the steps, so that they line up on the page. States
differ in shape as well as in colour: accepted discs, rejected rings, failed crosses.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element

from markupsafe import Markup

from experiments.report import figures
from experiments.report.marks import arrow, mark, radius_in
from experiments.report.records import Run, Step
from experiments.report.svg import (
    WIDTH,
    Box,
    Scale,
    add,
    chart,
    step_axis,
    step_scale,
    ticks,
    tip,
    to_markup,
    y_axis,
)

LEFT, RIGHT = 84.0, WIDTH - 14.0
EXTREME = 30.0
"""Values further away than this many typical distances are drawn at the edge of a chart."""


def score_chart(run: Run) -> Markup:
    """Every candidate's score over the steps, the accepted path as a line."""
    svg, box = chart(f"{run.metric} of every candidate over the steps", 314), _box(14, 274)
    x, column = step_scale(box, _numbers(run))
    low, high = score_domain(run)
    y = Scale(low, high, box.bottom - 10, box.top + 6)
    y_axis(svg, box, y, f"{run.metric} ({better(run)})")
    _step_axis(svg, box, run, x)
    path = [step for step in run.lineage() if step.score is not None]
    points = " ".join(f"{x(s.number):.1f},{y.clipped(s.score):.1f}" for s in path)  # type: ignore[arg-type]
    if len(path) > 1:
        add(svg, "polyline", class_="path", points=points)
    radius = radius_in(column)
    for step in run.steps:
        if step.score is None:
            if step.state == "failed":
                mark(svg, run, step, x(step.number), box.bottom, radius)
            continue
        if step.stderr and low <= step.score <= high:
            ends = [y.clipped(step.score + sign * step.stderr) for sign in (-1, 1)]
            add(
                svg,
                "line",
                class_=f"bar {step.state}",
                x1=x(step.number),
                x2=x(step.number),
                y1=ends[0],
                y2=ends[1],
            )
        if low <= step.score <= high:
            mark(svg, run, step, x(step.number), y(step.score), radius)
        else:
            arrow(svg, run, step, x(step.number), y, radius, step.score)
    if run.best is not None and run.best.score is not None:
        add(
            svg,
            "circle",
            class_="chosen",
            cx=x(run.best.number),
            cy=y.clipped(run.best.score),
            r=radius + 4,
        )
    return to_markup(svg)


def score_domain(run: Run) -> tuple[float, float]:
    """Lowest and highest score that the axis shows.

    The best score is always inside. One that is extreme (further from the best than `EXTREME`
    times the median distance and the median standard error) is left out, because it would flatten
    all others to a line.
    """
    scored = [step for step in run.steps if step.score is not None]
    if not scored:
        return 0.0, 1.0
    values = [step.score or 0.0 for step in scored]
    best = max(values) if run.higher_is_better else min(values)
    limit = _limit([abs(value - best) for value in values], [s.stderr or 0.0 for s in scored])
    inside = [step for step in scored if abs((step.score or 0.0) - best) <= limit]
    shown = [step.score or 0.0 for step in inside]
    low, high = min(shown), max(shown)
    reach = max(high - low, 0.0)
    errors = [step.stderr or 0.0 for step in inside]
    most = max(errors) if reach == 0 else min(max(errors), reach)
    margin = max(most, 0.06 * reach) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def beyond(run: Run) -> int:
    """How many scores lie outside the axis of `score_chart`."""
    low, high = score_domain(run)
    return sum(step.score is not None and not low <= step.score <= high for step in run.steps)


def better(run: Run) -> str:
    """Which way is better, in words."""
    return "higher is better" if run.higher_is_better else "lower is better"


def gain_chart(run: Run) -> Markup | None:
    """Gain of every candidate over its parent with its standard error: what the gate saw."""
    gains = [step for step in run.steps if step.gain is not None and step.score is not None]
    if not gains:
        return None
    svg, box = chart("gain of every candidate over its parent", 216), _box(10, 176)
    x, column = step_scale(box, _numbers(run))
    low, high = _around([step.gain or 0.0 for step in gains], [s.gain_stderr or 0 for s in gains])
    y = Scale(low, high, box.bottom, box.top)
    y_axis(svg, box, y, "gain over the parent")
    add(svg, "line", class_="zero", x1=box.left, x2=box.right, y1=y(0.0), y2=y(0.0))
    _step_axis(svg, box, run, x)
    for step in gains:
        gain, error = step.gain or 0.0, step.gain_stderr or 0.0
        if not low <= gain <= high:
            arrow(svg, run, step, x(step.number), y, radius_in(column), gain)
            continue
        add(
            svg,
            "line",
            class_=f"bar {step.state}",
            x1=x(step.number),
            x2=x(step.number),
            y1=y.clipped(gain - error),
            y2=y.clipped(gain + error),
        )
        mark(svg, run, step, x(step.number), y(gain), radius_in(column))
    return to_markup(svg)


def tree_chart(run: Run) -> Markup | None:
    """Who was made from whom: a step's height is its distance from a draft."""
    depths = depth_of(run.steps)
    deepest = max(depths.values(), default=0)
    if not run.steps:
        return None
    bottom = 22.0 + min(deepest * 22.0, 330.0)
    svg, box = chart("tree of parents", bottom + 50), _box(12, bottom + 10)
    x, column = step_scale(box, _numbers(run))
    y = Scale(0, max(deepest, 1), bottom, 22.0 if deepest else 0.0)
    for value in ticks(0, max(deepest, 1), 4):
        if value == int(value) and value <= deepest:
            add(svg, "line", class_="grid", x1=box.left, x2=box.right, y1=y(value), y2=y(value))
            add(svg, "text", str(int(value)), class_="tick end", x=box.left - 8, y=y(value) + 4)
    middle = (box.top + box.bottom) / 2
    add(
        svg,
        "text",
        "depth",
        class_="label middle",
        x=14.0,
        y=middle,
        transform=f"rotate(-90 14 {middle:.0f})",
    )
    _step_axis(svg, box, run, x)
    chosen = {step.number for step in run.lineage()}
    for step in sorted(run.steps, key=lambda step: step.number in chosen):
        kind = "path" if step.number in chosen else "edge"
        for parent, drawn in ((step.other, "edge second"), (step.parent, kind)):
            if parent is None or parent not in depths:
                continue
            x0, y0, x1, y1 = x(parent), y(depths[parent]), x(step.number), y(depths[step.number])
            bend = min(14.0, (x1 - x0) / 2)
            add(
                svg,
                "path",
                class_=drawn,
                d=f"M{x0:.1f} {y0:.1f}H{x1 - bend:.1f}Q{x1:.1f} {y0:.1f} {x1:.1f} {y1:.1f}",
            )
    for step in run.steps:
        mark(svg, run, step, x(step.number), y(depths[step.number]), radius_in(column))
    return to_markup(svg)


def depth_of(steps: Iterable[Step]) -> dict[int, int]:
    """Edges between each step and the draft that it comes from; 0 where the parent is unknown."""
    depths: dict[int, int] = {}
    for step in steps:
        known = step.parent is not None and step.parent in depths
        depths[step.number] = depths[step.parent] + 1 if known else 0  # type: ignore[index]
    return depths


def seconds_chart(run: Run) -> Markup | None:
    """Wall clock of each step: the script's share, and what the reasoner took on top."""
    timed = [step for step in run.steps if step.seconds is not None]
    if not timed:
        return None
    svg, box = chart("seconds of each step", 172), _box(10, 132)
    x, column = step_scale(box, _numbers(run))
    most = max(max(s.seconds or 0.0, s.run_seconds or 0.0) for s in timed)
    y = Scale(0.0, most * 1.05 or 1.0, box.bottom, box.top)
    y_axis(svg, box, y, "seconds")
    _step_axis(svg, box, run, x)
    width = min(max(column * 0.62, 0.8), 30.0)
    for step in timed:
        script = step.run_seconds or 0.0
        whole = max(step.seconds or 0.0, script)
        group = add(svg, "g")
        for kind, start, end in (("script", 0.0, script), ("rest", script, whole)):
            if end > start:
                add(
                    group,
                    "rect",
                    class_=f"time {kind}",
                    x=x(step.number) - width / 2,
                    y=y(end),
                    width=width,
                    height=y(start) - y(end),
                )
        tip(
            group,
            f"step {step.number}: {figures.seconds(whole)}, of which the script took "
            f"{figures.seconds(script)}",
        )
    return to_markup(svg)


# -- parts -----------------------------------------------------------------------------------------


def _numbers(run: Run) -> list[int]:
    return [step.number for step in run.steps]


def _box(top: float, bottom: float) -> Box:
    return Box(LEFT, top, RIGHT, bottom)


def _step_axis(svg: Element, box: Box, run: Run, x: Scale) -> None:
    add(svg, "line", class_="axis", x1=box.left, x2=box.right, y1=box.bottom, y2=box.bottom)
    step_axis(svg, box, _numbers(run), x, "step")


def _around(values: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """A range with zero in it that shows values with their errors, without the extreme ones."""
    limit = _limit([abs(value) for value in values], errors)
    shown = [(v, min(e, limit)) for v, e in zip(values, errors, strict=True) if abs(v) <= limit]
    low = min([0.0, *(v - e for v, e in shown)])
    high = max([0.0, *(v + e for v, e in shown)])
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def _limit(distances: Sequence[float], errors: Sequence[float]) -> float:
    """How far a value may be from the others to be shown in place."""
    typical = [
        statistics.median_low(positive)
        for sizes in (distances, errors)
        if (positive := [size for size in sizes if size > 0])
    ]
    return EXTREME * max(typical, default=0.0)
