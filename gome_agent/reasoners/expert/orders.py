"""Ordered categories: a description that lists the levels of a column from worst to best."""

from __future__ import annotations

import re
from collections.abc import Mapping

_ORDER_WORDS = re.compile(
    r"<|\b(order|ordered|worst|best|lowest|highest|least|most|increasing|ascending|rank\w*|from)\b",
    re.IGNORECASE,
)


def orders(levels: object, description: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Columns whose levels the description lists, on one line that speaks of an order."""
    if not isinstance(levels, Mapping):
        return ()
    lines = description.splitlines()
    found = ((str(c), _listed(str(c), _texts(known), lines)) for c, known in levels.items())
    return tuple((column, order) for column, order in found if order)


def _texts(values: object) -> tuple[str, ...]:
    return tuple(map(str, values)) if isinstance(values, (list, tuple)) else ()


def _listed(column: str, levels: tuple[str, ...], lines: list[str]) -> tuple[str, ...]:
    """The levels in the order in which a line about the column lists all of them, or nothing."""
    if not 3 <= len(levels) <= 12:
        return ()
    about = re.compile(rf"(?<!\w){re.escape(column)}(?!\w)", re.IGNORECASE)
    for line in lines:
        if not (about.search(line) and _ORDER_WORDS.search(line)):
            continue
        spots = _spots(line, levels)
        if len(spots) == len(levels):
            return tuple(sorted(levels, key=spots.__getitem__))
    return ()


def _spots(line: str, levels: tuple[str, ...]) -> dict[str, int]:
    """Where each level stands in a line; long levels first, so that "Good" is not "Very Good"."""
    spots: dict[str, int] = {}
    for level in sorted(levels, key=len, reverse=True):
        match = re.search(rf"(?<!\w){re.escape(level)}(?!\w)", line)
        if match is None:
            return {}
        spots[level] = match.start()
        line = line[: match.start()] + "\0" * len(level) + line[match.end() :]
    return spots
