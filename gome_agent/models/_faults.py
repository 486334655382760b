"""What may go wrong between a provider and its client, as it is typed: `429:1,ok*3,slow:2,cut`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "ok",
    "status",
    "slow",
    "drip",
    "refused_connection",
    "cut",
    "cut_stream",
    "not_json",
    "html",
    "wrong_encoding",
    "no_choices",
    "tool_call",
    "length",
    "filtered",
]
"""`status` is typed as its number: `429:1` is that status with `Retry-After: 1`."""


class FaultError(ValueError):
    """A plan of faults that cannot be read; says what to write."""


@dataclass(frozen=True)
class Fault:
    """What happens to one request."""

    kind: Kind = "ok"
    status: int = 200
    retry_after: str = ""
    """Value of that header, in seconds or as an HTTP date; none if empty."""
    seconds: float = 0.0
    """Pause before the answer, or how long its bytes drip."""


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Read a plan: one fault a request, in order, between commas.

    Each is `KIND`, `KIND:AMOUNT` (seconds of `slow`, or those to wait after a status) or either
    with `*TIMES`.

    Raises:
      FaultError: names what exists.

    Example:
      >>> [fault.status for fault in parse_faults("429:1, ok*2, 503")]
      [429, 200, 200, 503]
    """
    parts = (part.strip() for part in text.split(","))
    return tuple(fault for part in parts if part for fault in _read(part))


def _read(part: str) -> tuple[Fault, ...]:
    what, _, times = part.partition("*")
    kind, _, amount = what.strip().partition(":")
    try:
        count = int(times) if times else 1
        if kind.isdecimal() and 400 <= int(kind) <= 599:
            return (Fault("status", int(kind), retry_after=amount),) * count
        if kind in ("slow", "drip"):
            return (Fault(kind, seconds=float(amount)),) * count
    except ValueError:
        raise FaultError(
            f"cannot read the fault `{part}`: write e.g. 429:1, slow:0.5 or 500*3"
        ) from None
    known = [name for name in get_args(Kind) if name not in ("status", "slow", "drip")]
    if kind not in known or amount:
        near = difflib.get_close_matches(kind, known, n=1, cutoff=0.5)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise FaultError(
            f"unknown fault `{part}`.{hint} There are: {', '.join(known)}, slow:SECONDS, "
            "drip:SECONDS, and the statuses 400 to 599."
        )
    return (Fault(kind),) * count  # pyright: ignore[reportArgumentType]
