"""How a step is drawn: a disc if accepted, a ring if rejected (dotted if withheld), a cross if it
failed.

Shapes differ as well as colours, so that a chart can be read without colours.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from experiments.report import figures
from experiments.report.records import Run, Step
from experiments.report.svg import Scale, add, tip


def mark(svg: Element, run: Run, step: Step, x: float, y: float, radius: float) -> None:
    """A step as a point with a tooltip; a click leads to its details."""
    link = _link(svg, run, step)
    if step.state == "failed":
        cross(link, x, y, max(radius * 0.8, 1.6))
        return
    size = " small" if radius < 3 else ""
    add(link, "circle", class_=f"mark {step.state}{size}", cx=x, cy=y, r=radius)


def arrow(
    svg: Element, run: Run, step: Step, x: float, y: Scale, radius: float, value: float
) -> None:
    """A step whose value lies outside the axis: an arrow at the edge that points to it."""
    r = max(radius, 3.0)
    tall = -1.6 * r if value > y.high else 1.6 * r
    triangle(_link(svg, run, step), x, y.clipped(value), r, tall, step.state)


def cross(parent: Element, x: float, y: float, r: float) -> None:
    """The cross of a failed step."""
    path = f"M{x - r:.1f} {y - r:.1f}l{2 * r:.1f} {2 * r:.1f}m0 {-2 * r:.1f}"
    add(parent, "path", class_="mark failed", d=f"{path}l{-2 * r:.1f} {2 * r:.1f}")


def triangle(parent: Element, x: float, y: float, r: float, tall: float, state: str) -> None:
    """A triangle around `(x, y)` that points down, or up if `tall` is negative."""
    path = f"M{x - r:.1f} {y - tall / 2:.1f}h{2 * r:.1f}l{-r:.1f} {tall:.1f}z"
    add(parent, "path", class_=f"mark arrow {state}", d=path)


def radius_in(column: float) -> float:
    """Radius of a point in a column of this width."""
    return min(max(column * 0.3, 2.0), 5.0)


def describe(run: Run, step: Step) -> str:
    """One step in a few lines, for a tooltip."""
    made = step.operator or "step"
    source = f" of step {step.parent}" if step.parent is not None else ""
    source += f" and step {step.other}" if step.other is not None else ""
    lines = [f"step {step.number}: {made}{source}, {step.state}"]
    if step.score is not None:
        lines.append(f"{run.metric} {figures.with_error(step.score, step.stderr)}")
    if step.gain is not None:
        lines.append(f"gain {figures.with_error(step.gain, step.gain_stderr, signed=True)}")
    if step.applied:
        lines.append("; ".join(figures.shortened(d.statement, 90) for d in step.applied[:3]))
    if step.state == "failed":
        lines.append(figures.shortened(step.failure, 160))
    return "\n".join(lines)


def _link(svg: Element, run: Run, step: Step) -> Element:
    link = add(svg, "a", href=f"#step-{step.number}", tabindex="-1")
    tip(link, describe(run, step))
    return link
