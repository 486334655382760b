"""The lexicon: which directive lives in which slot, and how much it still matters.

Slots never move; a full lexicon makes room by giving up the directive whose weight, halved every
`half_life` steps since its last mention, is least. That is the least-frequently-used policy with
exponential ageing, as in caches (Lee et al. 2001, "LRFU", IEEE Trans. Computers 50(12)).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import numpy as np

from optimizers.textual._directive import Directive
from optimizers.textual._events import Admitted, Event, Evicted, Mentioned, Merged

SCHEMA = 1


@dataclass(frozen=True)
class Entry:
    """The content of one slot."""

    directive: Directive
    """First wording."""
    born: int
    """Step of the first mention."""
    weight: float
    """Sum of the amounts of its mentions, each decayed from its step to `touched`."""
    touched: int
    """Step of the last mention."""
    aliases: tuple[Directive, ...] = ()
    """Other wordings merged into it, in order of arrival."""

    def decayed(self, step: int, half_life: float) -> float:
        """Weight at `step`: `weight * 2 ** (-(step - touched) / half_life)`.

        Time does not run backwards: at an earlier step than `touched` nothing has decayed.
        """
        return self.weight * 2.0 ** (-max(step - self.touched, 0) / half_life)

    def mentioned(self, amount: float, step: int, half_life: float) -> Entry:
        """The entry after a mention."""
        weight = self.decayed(step, half_life) + amount
        return Entry(self.directive, self.born, weight, max(step, self.touched), self.aliases)


@dataclass(frozen=True)
class Lexicon:
    """Slots of directives, fixed in number. A value: `encode` and `replay` return new ones.

    Attributes:
      capacity: number of slots, the length of every encoded vector.
      half_life: steps in which the weight of a directive that nobody mentions halves.
      entries: the content of slot `i` at position `i`; slots beyond are free.

    Raises:
      ValueError: no slot, too many entries, a text in two slots, a weight that is not a
        non-negative number, or a half-life that is not positive.
    """

    capacity: int = 128
    half_life: float = 20.0
    entries: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"a lexicon needs at least one slot, got capacity={self.capacity}")
        if not 0 < self.half_life < math.inf:
            raise ValueError(f"`half_life` is a positive number of steps, got {self.half_life}")
        if len(self.entries) > self.capacity:
            raise ValueError(
                f"{len(self.entries)} entries do not fit the {self.capacity} slots of the lexicon"
            )
        wordings = sum(1 + len(entry.aliases) for entry in self.entries)
        if len(self._slots) != wordings:
            raise ValueError(
                f"the lexicon has {wordings} wordings, but only {len(self._slots)} different "
                "ones: a text belongs to one slot"
            )
        for entry in self.entries:
            if not 0 <= entry.weight < math.inf:
                raise ValueError(
                    f"weight of {entry.directive.statement!r} is {entry.weight}: "
                    "a weight is finite and not negative"
                )

    @cached_property
    def _slots(self) -> dict[tuple[str, str], int]:
        return {
            wording.identity: slot
            for slot, entry in enumerate(self.entries)
            for wording in (entry.directive, *entry.aliases)
        }

    @cached_property
    def directives(self) -> tuple[Directive, ...]:
        """The first wording of each occupied slot."""
        return tuple(entry.directive for entry in self.entries)

    @property
    def born(self) -> tuple[int, ...]:
        """Step at which the directive of each occupied slot was first mentioned."""
        return tuple(entry.born for entry in self.entries)

    def slot(self, directive: Directive) -> int | None:
        """Slot of a directive under any of its wordings, or `None` if it has none."""
        return self.place(directive.identity)

    def place(self, identity: tuple[str, str]) -> int | None:
        """Slot of a wording by its `Directive.identity`, or `None`."""
        return self._slots.get(identity)

    def weights(self, step: int) -> np.ndarray:
        """Weight of each occupied slot, decayed to `step`; float64."""
        return np.array([entry.decayed(step, self.half_life) for entry in self.entries])

    def to_json(self) -> str:
        """The lexicon as JSON; `from_json` gives back an equal value, to the last bit."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Lexicon:
        """The lexicon that `to_json` wrote.

        Raises:
          ValueError: the text is not such a record, or of another schema version.
        """
        record = json.loads(text)
        version = record.pop("schema", None) if isinstance(record, dict) else None
        if version != SCHEMA:
            raise ValueError(
                f"the record has `schema` {version!r}, this version reads {SCHEMA}: "
                "is it a lexicon, written by this version?"
            )
        try:
            entries = tuple(_entry(**entry) for entry in record.pop("entries"))
            return cls(entries=entries, **record)
        except (KeyError, TypeError) as error:
            raise ValueError(f"the record is not a lexicon: {error}") from error


def replay(lexicon: Lexicon, events: Iterable[Event]) -> Lexicon:
    """Apply events in order. Decisions are in the events: no embedder, no search, no ties.

    Args:
      lexicon: where the history starts; an empty one of the same capacity and half-life.
      events: from `encode`, or read back by `event_from_dict`.

    Returns:
      Exactly the lexicon that `encode` returned with the last of them.

    Raises:
      ValueError: an event does not fit the lexicon it is applied to.

    Example:
      >>> event = Admitted(0, "scale the columns", "features", 0.5, step=3)
      >>> replay(Lexicon(capacity=2), [event]).directives[0].statement
      'scale the columns'
    """
    entries = list(lexicon.entries)
    pending: set[int] = set()  # evicted, and not yet taken
    for event in events:
        _apply(event, entries, pending, lexicon)
    if pending:
        raise ValueError(f"slots {sorted(pending)} were evicted and never admitted to")
    return Lexicon(lexicon.capacity, lexicon.half_life, tuple(entries))


def _apply(event: Event, entries: list[Entry], pending: set[int], lexicon: Lexicon) -> None:
    taken = 0 <= event.slot < len(entries) and event.slot not in pending
    free = event.slot in pending or (event.slot == len(entries) < lexicon.capacity)
    match event:
        case Admitted() if free:
            directive = Directive(event.statement, event.component)
            entry = Entry(directive, event.step, event.weight, event.step)
            entries[event.slot : event.slot + 1] = [entry]
            pending.discard(event.slot)
        case Mentioned() if taken:
            entry = entries[event.slot]
            entries[event.slot] = entry.mentioned(event.amount, event.step, lexicon.half_life)
        case Merged() if taken:
            entry = entries[event.slot]
            alias = Directive(event.statement, event.component)
            entries[event.slot] = replace(entry, aliases=(*entry.aliases, alias))
        case Evicted() if taken:
            pending.add(event.slot)
        case _:
            state = "free" if free else "taken" if taken else "beyond the capacity or the next slot"
            raise ValueError(
                f"`{type(event).__name__}` of step {event.step} does not fit: slot {event.slot} "
                f"is {state}; replay all events, in order, from the lexicon they began with"
            )


def _entry(directive: dict, aliases: Iterable[dict], **numbers) -> Entry:
    wordings = tuple(Directive(**alias) for alias in aliases)
    return Entry(Directive(**directive), aliases=wordings, **numbers)
