"""When things happened in a run: on a clock that stands still while no process was at work.

Positions are seconds since the first event; the time between the last event of a process and the
`resumed` of the next is left out. What a killed process did after its last event is lost with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.lenient import mapping, number
from gome_agent.journal import Event

AFTERWARDS = ("finished", "graded")
"""Kinds that are no part of the work of a run."""


@dataclass(frozen=True)
class Break:
    """An interruption, or a resumption after one or after a crash."""

    kind: Literal["interrupted", "resumed"]
    at: float
    """Position on the run's clock."""
    time: float
    """In seconds since the epoch."""
    pause: float | None
    """Seconds since the last event of the process before; of a resumption only."""


@dataclass(frozen=True)
class Work:
    """A call of a model or a run of a script, between two positions."""

    kind: Literal["model", "script"]
    start: float
    end: float


@dataclass(frozen=True)
class Span:
    """When a step was under way."""

    start: float
    end: float
    """Of the last event of a step that is not settled."""
    work: tuple[Work, ...]


@dataclass(frozen=True)
class Timeline:
    """A run's steps and breaks on its clock."""

    spans: dict[int, Span]
    breaks: tuple[Break, ...]
    length: float

    def beside(self, step: int) -> tuple[int, ...]:
        """The steps that were under way for some time together with this one."""
        own = self.spans[step]
        return tuple(
            number
            for number, span in self.spans.items()
            if number != step and span.start < own.end and own.start < span.end
        )


def timeline_of(events: Sequence[Event]) -> Timeline:
    """Put the events of a journal, in order, on the run's clock."""
    begun = events[0].time if events else 0.0
    skipped, before, breaks = 0.0, begun, []
    starts: dict[int, float] = {}
    ends: dict[int, float] = {}
    work: dict[int, list[Work]] = {}
    for event in events:
        if event.kind in AFTERWARDS:
            continue
        if event.kind == "resumed":
            pause = max(event.time - before, 0.0)
            skipped += pause
            breaks.append(Break("resumed", event.time - begun - skipped, event.time, pause))
        at, before = event.time - begun - skipped, event.time
        if event.kind == "interrupted":
            breaks.append(Break("interrupted", at, event.time, None))
        if event.step is None:
            continue
        start = starts.setdefault(event.step, at)
        ends[event.step] = max(at, start)
        kind = _WORK.get(event.kind)
        if kind is not None:
            seconds = number(mapping(event.payload).get("seconds")) or 0.0
            work.setdefault(event.step, []).append(Work(kind, max(start, at - seconds), at))
    spans = {
        step: Span(starts[step], ends[step], tuple(work.get(step, ()))) for step in sorted(starts)
    }
    return Timeline(spans, tuple(breaks), max([0.0, *ends.values(), *(b.at for b in breaks)]))


_WORK: dict[str, Literal["model", "script"]] = {
    "exchanged": "model",
    "executed": "script",
    "replicated": "script",
}
