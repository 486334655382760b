"""Lenient reading of journals, old, damaged or hostile ones: what is odd counts as nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_COLOUR_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Control and direction-changing characters would hide text or show it in another order.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MAX_TEXT = 400_000


def number(value: Any) -> float | None:
    """A finite float, or `None` for anything else (`"nan"`, `"inf"`, words, truth values).

    >>> number("0.5"), number("nan"), number(True)
    (0.5, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: Any) -> int | None:
    """As `number`, without decimals.

    >>> whole("3"), whole(None)
    (3, None)
    """
    found = number(value)
    return None if found is None else int(found)


def clean(value: Any) -> str:
    """Text that shows what it holds: no colour codes, control characters made visible.

    >>> clean("\\x1b[31mred\\x1b[0m and\\x00 nul")
    'red and� nul'
    """
    text = "" if value is None else str(value)
    text = _COLOUR_CODES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _INVISIBLE.sub("\ufffd", text)
    if len(text) > _MAX_TEXT:
        return text[:_MAX_TEXT] + f"\n[{len(text) - _MAX_TEXT} more characters]"
    return text


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    """The items of a list, else none."""
    return list(value) if isinstance(value, list | tuple) else []
