"""What can happen to a lexicon: `encode` decides by producing events, `replay` applies them.

Each is a frozen dataclass of plain numbers and texts, so `dataclasses.asdict` makes it JSON and
`event_from_dict` reads it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True)
class Mentioned:
    """A diagnosis spoke of the directive in `slot`, under any of its wordings."""

    slot: int
    amount: float
    """Sum of |strength * credence|: what the mention adds to the slot's weight."""
    step: int
    kind: Literal["mentioned"] = "mentioned"


@dataclass(frozen=True)
class Merged:
    """A new wording was found to paraphrase the directive in `slot`, and shares it from now on."""

    slot: int
    statement: str
    component: str
    into: str
    """First wording of the slot."""
    similarity: float
    """Cosine of the two texts that the embedder measured."""
    step: int
    kind: Literal["merged"] = "merged"


@dataclass(frozen=True)
class Evicted:
    """The directive in `slot` made room; the next `Admitted` takes its place.

    Whatever was learned in that slot belongs to the directive that left: reset it with
    `optimizers.recycle_run`.
    """

    slot: int
    statement: str
    component: str
    weight: float
    """Its weight, decayed to `step`."""
    step: int
    kind: Literal["evicted"] = "evicted"


@dataclass(frozen=True)
class Admitted:
    """A directive without a slot got one."""

    slot: int
    statement: str
    component: str
    weight: float
    step: int
    kind: Literal["admitted"] = "admitted"


Event: TypeAlias = Mentioned | Merged | Evicted | Admitted

_KINDS: Mapping[str, type[Event]] = {
    "mentioned": Mentioned,
    "merged": Merged,
    "evicted": Evicted,
    "admitted": Admitted,
}


def event_from_dict(record: Mapping[str, Any]) -> Event:
    """The event that `dataclasses.asdict` turned into `record`.

    Raises:
      ValueError: the kind is unknown, or fields are missing or too many.

    Example:
      >>> from dataclasses import asdict
      >>> event = Mentioned(slot=2, amount=0.5, step=7)
      >>> event_from_dict(asdict(event)) == event
      True
    """
    kind = _KINDS.get(record.get("kind", ""))
    if kind is None:
        raise ValueError(
            f"a lexicon event has `kind` {record.get('kind')!r}: "
            f"expected one of {', '.join(_KINDS)}"
        )
    expected = {field.name for field in fields(kind)}
    if record.keys() != expected:
        raise ValueError(
            f"a lexicon event of kind {record['kind']!r} has the fields {sorted(record)}: "
            f"expected {sorted(expected)}"
        )
    return kind(**record)


def evicted_slots(events: Iterable[Event]) -> tuple[int, ...]:
    """Slots that changed their directive, in order: those whose rule state must be recycled."""
    return tuple(event.slot for event in events if isinstance(event, Evicted))
