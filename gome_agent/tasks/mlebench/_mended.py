"""A submission that is being repaired, and what was done to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gome_agent.tasks.submission import short as short


class Repair(NamedTuple):
    """What was wrong, and what was done about it; clauses without a full stop."""

    wrong: str
    done: str


@dataclass
class Mended:
    """A table on its way to a valid submission."""

    table: Any
    """A `pandas.DataFrame`; pandas is imported where one is read."""
    repairs: list[Repair] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What is to be said without a repair; sentences."""

    def did(self, wrong: str, done: str) -> None:
        self.repairs.append(Repair(wrong, done))


def plain(text: str) -> str:
    """An id or label without what spreadsheets and data frames add to it.

    >>> plain(" 12.0"), plain("007"), plain("1.5")
    ('12', '007', '1.5')
    """
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", text.replace("\r\n", "\n").strip())


def listed(names: Sequence[str], at_most: int = 8) -> str:
    shown = ", ".join(f"`{short(name)}`" for name in names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
