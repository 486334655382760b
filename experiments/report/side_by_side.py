"""The chart of a run over time: which steps were under way together, and what each waited for.

A bar is a step from its being asked to its being settled; a row holds steps of one trace. The clock
stands still between two processes of a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from xml.etree.ElementTree import Element

from markupsafe import Markup

from experiments.report import figures
from experiments.report.clock import Span
from experiments.report.marks import describe
from experiments.report.records import Run, Step
from experiments.report.svg import WIDTH, Box, Scale, add, chart, tick_label, ticks, tip, to_markup

LEFT, RIGHT = 84.0, WIDTH - 14.0
ROW = 24.0
MOST_TRACES = 12
"""With more of them, rows do not stand for traces."""
MOST_EDGES = 150


def time_chart(run: Run) -> Markup | None:
    """Steps over time, by trace; `None` where nothing took any time."""
    timeline = run.timeline
    if not run.steps or timeline.length <= 0:
        return None
    groups = _groups(run)
    rows = rows_of(groups, timeline.spans)
    bottom = 20.0 + ROW * (max(rows.values()) + 1)
    svg, box = chart("steps over time", bottom + 44), Box(LEFT, 14.0, RIGHT, bottom)
    x = Scale(0.0, timeline.length, box.left, box.right)
    _time_axis(svg, box, x)
    _row_labels(svg, groups, rows)
    _breaks(svg, run, box, x)
    for step in run.steps:
        _bar(svg, run, step, rows[step.number], x)
    if len(run.steps) <= MOST_EDGES:
        _edges(svg, run, rows, x)
    return to_markup(svg)


def rows_of(groups: dict[int, int | None], spans: dict[int, Span]) -> dict[int, int]:
    """A row for each step: its group's, and as many for a group as it has steps at once.

    Args:
      groups: trace of each step, `None` for steps that share what rows there are.
      spans: when each was under way.
    """
    rows: dict[int, int] = {}
    first = 0
    for group in sorted(set(groups.values()), key=lambda name: (name is None, name or 0)):
        ends: list[float] = []
        members = [step for step, name in groups.items() if name == group]
        for step in sorted(members, key=lambda step: (spans[step].start, step)):
            free = (row for row, end in enumerate(ends) if end <= spans[step].start)
            row = next(free, len(ends))
            ends[row : row + 1] = [spans[step].end]
            rows[step] = first + row
        first += len(ends)
    return rows


def _groups(run: Run) -> dict[int, int | None]:
    """The trace of each step; a draft that nothing was made from is none, nor is any of many."""
    roots = run.traces()
    sizes = Counter(roots.values())
    traces = {root for root, size in sizes.items() if size > 1}
    if len(traces) > MOST_TRACES:
        traces = set()
    return {step: root if root in traces else None for step, root in roots.items()}


def _time_axis(svg: Element, box: Box, x: Scale) -> None:
    values = ticks(x.low, x.high, 8)
    apart = values[1] - values[0] if len(values) > 1 else 0.0
    for value in values:
        add(svg, "line", class_="grid", x1=x(value), x2=x(value), y1=box.top, y2=box.bottom)
        text = tick_label(value, apart)
        add(svg, "text", text, class_="tick middle", x=x(value), y=box.bottom + 17)
    middle = (box.left + box.right) / 2
    add(svg, "text", "seconds", class_="label middle", x=middle, y=box.bottom + 34)


def _row_labels(svg: Element, groups: dict[int, int | None], rows: dict[int, int]) -> None:
    for root in sorted({root for root in groups.values() if root is not None}):
        first = min(rows[step] for step, found in groups.items() if found == root)
        text = f"trace of {root}"
        add(svg, "text", text, class_="tick end", x=LEFT - 8, y=_middle(first) + 4)


def _breaks(svg: Element, run: Run, box: Box, x: Scale) -> None:
    for found in run.timeline.breaks:
        mark = add(svg, "g")
        at = x(found.at)
        add(mark, "line", class_=f"break {found.kind}", x1=at, x2=at, y1=4.0, y2=box.bottom)
        pause = "" if found.pause is None else f", after {figures.seconds(found.pause)}"
        tip(mark, f"{found.kind} {figures.moment(found.time)}{pause}")


def _edges(svg: Element, run: Run, rows: dict[int, int], x: Scale) -> None:
    """A line from the end of each parent in another row; within a row, bars follow bars."""
    spans = run.timeline.spans
    for step in run.steps:
        for parent, kind in ((step.other, "from second"), (step.parent, "from")):
            if parent is None or rows.get(parent, rows[step.number]) == rows[step.number]:
                continue
            add(
                svg,
                "line",
                class_=kind,
                x1=x(spans[parent].end),
                x2=x(spans[step.number].start),
                y1=_middle(rows[parent]),
                y2=_middle(rows[step.number]),
            )


def _bar(svg: Element, run: Run, step: Step, row: int, x: Scale) -> None:
    span = run.timeline.spans[step.number]
    link = add(svg, "a", href=f"#step-{step.number}", tabindex="-1")
    tip(link, "\n".join([describe(run, step), *_told(run, step, span)]))
    left, width = x(span.start), max(x(span.end) - x(span.start), 1.5)
    y = _middle(row) - 7
    add(
        link,
        "rect",
        class_=f"under-way {step.state}",
        x=left,
        y=y,
        width=width,
        height=14.0,
        rx=2.0,
    )
    for work in span.work:
        add(
            link,
            "rect",
            class_=f"work {work.kind}",
            x=x(work.start),
            y=y + 2,
            width=max(x(work.end) - x(work.start), 1.0),
            height=10.0,
        )
    if width > 16:
        add(link, "text", str(step.number), class_="inside-bar", x=left + 3, y=y + 11)


def _told(run: Run, step: Step, span: Span) -> Iterable[str]:
    yield f"under way for {figures.seconds(span.end - span.start)}"
    beside = run.timeline.beside(step.number)
    if beside:
        yield f"side by side with {figures.steps(beside)}"


def _middle(row: int) -> float:
    return 14.0 + ROW * (row + 0.5)
