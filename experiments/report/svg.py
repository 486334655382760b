"""The little that inline SVG charts need: scales, ticks, axes, and elements that escape their text.

Elements are built with the standard library's `ElementTree`, so that no text from a journal can
become markup. Colours are CSS classes: the page's style sheet decides them, for light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

WIDTH = 960
"""Width of every chart in its own units; about one to a pixel on a wide screen."""


@dataclass(frozen=True)
class Box:
    """The plotting area inside a chart."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


@dataclass(frozen=True)
class Scale:
    """Linear from `[low, high]` to `[start, end]`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return self.start + share * (self.end - self.start)

    def clipped(self, value: float) -> float:
        """The position, moved to the nearer end if it lies outside."""
        return self(min(max(value, self.low), self.high))


def chart(label: str, height: float) -> Element:
    """An empty chart; `label` says to a screen reader what it shows."""
    return Element(
        "svg",
        {
            "viewBox": f"0 0 {WIDTH} {_n(height)}",
            "class": "chart",
            "role": "group",
            "aria-label": label,
            "style": f"aspect-ratio:{WIDTH}/{_n(height)}",
        },
    )


def add(parent: Element, tag: str, text: str = "", **attributes: object) -> Element:
    """Append an element; `class_` is `class`, underscores become hyphens."""
    found = {
        name.rstrip("_").replace("_", "-"): _n(value) if isinstance(value, float) else str(value)
        for name, value in attributes.items()
    }
    child = SubElement(parent, tag, found)
    child.text = text or None
    return child


def tip(element: Element, text: str) -> None:
    """Give an element a tooltip."""
    add(element, "title", text)


def to_markup(element: Element) -> Markup:
    """The chart as HTML; safe because `ElementTree` escapes all text and attributes."""
    return Markup(tostring(element, encoding="unicode", short_empty_elements=False))


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers inside `[low, high]`, 1, 2 or 5 times a power of ten apart.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    rough = span / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)] or [low]


def tick_label(value: float, step: float) -> str:
    """A tick's number, with the decimals of the distance between ticks.

    >>> tick_label(0.2, 0.05), tick_label(2e9, 1e9)
    ('0.20', '2e+09')
    """
    if abs(value) >= 1e6 or 0 < step < 1e-5:
        text = f"{value:.3g}"
    else:
        text = f"{value:.{max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 3}f}"
    return text.replace("-", "\u2212", 1) if text.startswith("-") else text


def y_axis(svg: Element, box: Box, scale: Scale, label: str) -> None:
    """Grid lines with their numbers, and what they measure along the left edge."""
    values = ticks(scale.low, scale.high)
    step = values[1] - values[0] if len(values) > 1 else 0.0
    for value in values:
        y = scale(value)
        add(svg, "line", class_="grid", x1=box.left, x2=box.right, y1=y, y2=y)
        add(svg, "text", tick_label(value, step), class_="tick end", x=box.left - 8, y=y + 4)
    middle = (box.top + box.bottom) / 2
    add(
        svg,
        "text",
        label,
        class_="label middle",
        x=14.0,
        y=middle,
        transform=f"rotate(-90 14 {_n(middle)})",
    )


def step_axis(svg: Element, box: Box, numbers: Iterable[int], x: Scale, label: str) -> None:
    """Step numbers under the plot, as many as fit."""
    present = list(numbers)
    room = max(1, math.ceil(len(present) * 26 / max(box.width, 1)))
    stride = next(m for m in (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000, 10**9) if m >= room)
    for value in present:
        if value % stride == 0:
            add(svg, "text", str(value), class_="tick middle", x=x(value), y=box.bottom + 17)
    add(svg, "text", label, class_="label middle", x=(box.left + box.right) / 2, y=box.bottom + 34)


def step_scale(box: Box, numbers: list[int]) -> tuple[Scale, float]:
    """Where the middle of each step's column is, and how wide a column is."""
    low, high = (numbers[0], numbers[-1]) if numbers else (0, 0)
    column = box.width / (high - low + 1)
    return Scale(low - 0.5, high + 0.5, box.left, box.right), column


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
