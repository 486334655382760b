"""What a run's calls of language models were for, and what each took: read from its journal.

A call is one exchange: a question and its answer, or the error that came instead, with all attempts
that it took. Tokens are those the provider reported. A journal from before exchanges were kept has
no calls. Not covered: what a provider charges and never reports.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from experiments.lenient import clean, mapping, number, whole
from gome_agent.journal import JOURNAL, Event, Journal

_Key = TypeVar("_Key")


@dataclass(frozen=True)
class Call:
    """One exchange with a model."""

    step: int | None
    """That it belongs to; `None` if to none."""
    purpose: str
    """`diagnose`, `edit`, `judge`, ..."""
    model: str
    """As the provider names it; empty where no answer came."""
    prompt_tokens: int
    """Cached ones included."""
    completion_tokens: int
    """Reasoning included."""
    reasoning_tokens: int
    cached_tokens: int
    money: float | None
    """In the currency of the prices; `None` if no price is known."""
    seconds: float | None
    """Wall clock, waits between attempts included; `None` if no answer came."""
    attempts: int
    """That a provider may have charged for: `calls` of a budget."""
    finish: str
    """Why the reply ends: `stop`, `length`, ...; empty if no answer came."""
    error: str
    """Kind of the error that came instead of an answer; empty if one came."""
    message: str
    prompt: str
    """Digest of the text in the journal, as `reply`."""
    reply: str
    """Empty if no answer came."""
    time: float
    """When it was over, in seconds since the epoch."""

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Costs:
    """Sums over calls; tokens and attempts as of `Call`."""

    exchanges: int
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    tokens: int
    """Prompts and completions."""
    money: float
    """Of the calls whose price is known."""
    unpriced: int
    """Calls that took tokens at a price that is not known: `money` leaves them out."""
    seconds: float
    """Of the calls that were answered, one after the other: side by side they take less."""
    failed: int
    """Calls without an answer."""


def read_calls(run_dir: Path) -> tuple[Call, ...]:
    """The calls of a run, in the order in which they were over; the run may still be on.

    Raises:
      JournalError: there is no journal, or it cannot be read.
    """
    with Journal.open(run_dir / JOURNAL) as journal:
        return calls_of(journal.events("exchanged"))


def calls_of(events: Iterable[Event]) -> tuple[Call, ...]:
    """The calls among events; what is missing or odd in one counts as nothing."""
    return tuple(_call(event) for event in events if event.kind == "exchanged")


def total(calls: Sequence[Call]) -> Costs:
    """The sums over calls."""
    known = [call.money for call in calls if call.money is not None]
    return Costs(
        exchanges=len(calls),
        attempts=sum(call.attempts for call in calls),
        prompt_tokens=sum(call.prompt_tokens for call in calls),
        completion_tokens=sum(call.completion_tokens for call in calls),
        reasoning_tokens=sum(call.reasoning_tokens for call in calls),
        cached_tokens=sum(call.cached_tokens for call in calls),
        tokens=sum(call.tokens for call in calls),
        money=math.fsum(known),
        unpriced=sum(call.money is None and call.tokens > 0 for call in calls),
        seconds=math.fsum(call.seconds or 0.0 for call in calls),
        failed=sum(bool(call.error) for call in calls),
    )


def by_purpose(calls: Sequence[Call]) -> dict[str, Costs]:
    """The sums of each purpose, most tokens first."""
    sums = _grouped(calls, lambda call: call.purpose)
    return dict(sorted(sums.items(), key=lambda pair: (-pair[1].tokens, pair[0])))


def by_step(calls: Sequence[Call]) -> dict[int | None, Costs]:
    """The sums of each step that called a model, in order; those of no step come last."""
    sums = _grouped(calls, lambda call: call.step)
    return dict(sorted(sums.items(), key=lambda pair: (pair[0] is None, pair[0] or 0)))


def as_summary(calls: Sequence[Call]) -> dict[str, dict[str, Any]]:
    """`by_purpose` for `summary.json`."""
    return {purpose: asdict(costs) for purpose, costs in by_purpose(calls).items()}


def as_json(calls: Sequence[Call]) -> dict[str, Any]:
    """Everything, for other programs: all calls, and their sums in three ways."""
    return {
        "total": asdict(total(calls)),
        "by_purpose": as_summary(calls),
        "by_step": [{"step": step, **asdict(costs)} for step, costs in by_step(calls).items()],
        "calls": [asdict(call) for call in calls],
    }


def _grouped(calls: Sequence[Call], key: Callable[[Call], _Key]) -> dict[_Key, Costs]:
    groups: dict[_Key, list[Call]] = {}
    for call in calls:
        groups.setdefault(key(call), []).append(call)
    return {name: total(group) for name, group in groups.items()}


def _call(event: Event) -> Call:
    told = mapping(event.payload)
    usage = mapping(told.get("usage"))

    def count(name: str) -> int:
        return max(whole(usage.get(name)) or 0, 0)

    return Call(
        step=event.step,
        purpose=clean(told.get("purpose")) or "unknown",
        model=clean(told.get("model")),
        prompt_tokens=count("prompt_tokens"),
        completion_tokens=count("completion_tokens"),
        reasoning_tokens=count("reasoning_tokens"),
        cached_tokens=count("cached_tokens"),
        money=number(usage.get("money")),
        seconds=number(told.get("seconds")),
        attempts=count("calls"),
        finish=clean(told.get("finish")),
        error=clean(told.get("error")),
        message=clean(told.get("message")),
        prompt=clean(told.get("prompt")),
        reply=clean(told.get("reply")),
        time=event.time,
    )
