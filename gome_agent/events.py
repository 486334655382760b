"""What can happen in a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "started",
    "resumed",
    "asked",
    "exchanged",
    "diagnosed",
    "reused",
    "ranked",
    "withheld",
    "proposed",
    "rehearsed",
    "executed",
    "repaired",
    "judged",
    "refined",
    "admitted",
    "replicated",
    "compared",
    "settled",
    "failed",
    "abandoned",
    "interrupted",
    "ended",
    "revalidated",
    "stopped",
    "finished",
    "graded",
]

INTERRUPTED = "interrupted"
"""How a run that was stopped by Ctrl-C is said to have `finished`: it can be gone on with."""


@dataclass(frozen=True)
class Event:
    """One thing that happened."""

    id: int
    time: float
    """Seconds since the epoch."""
    step: int | None
    kind: Kind
    payload: Mapping[str, Any]
