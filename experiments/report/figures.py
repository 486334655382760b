"""Numbers as they are written on the page: as many digits as their error supports.

Not covered: languages other than English, and units (a metric's units are the task's).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

MINUS = "\u2212"
NOTHING = "\u2013"


def score(value: float | None, stderr: float | None = None) -> str:
    """A score, to two significant digits of its standard error.

    >>> score(0.981234, 0.0042), score(0.981234), score(1e9), score(None)
    ('0.9812', '0.98123', '1e+09', '–')
    """
    if value is None:
        return NOTHING
    magnitude = abs(value)
    if magnitude and not 1e-4 <= magnitude < 1e7:
        return _sign(f"{value:.3g}")
    if stderr is None or stderr <= 0:
        return _sign(f"{value:.5g}")
    return _sign(f"{value:.{_decimals(stderr)}f}")


def with_error(value: float | None, stderr: float | None, *, signed: bool = False) -> str:
    """A value and its standard error, with the same decimals.

    >>> with_error(0.01234, 0.0042, signed=True)
    '+0.0123 ± 0.0042'
    """
    if value is None:
        return NOTHING
    text = score(value, stderr)
    plus = "+" if signed and value > 0 else ""
    return f"{plus}{text} \u00b1 {score(stderr, stderr)}" if stderr else plus + text


def signed(value: float | None, stderr: float | None = None) -> str:
    """A difference, with its sign.

    >>> signed(0.5), signed(-0.5)
    ('+0.5', '−0.5')
    """
    return ("+" if value is not None and value > 0 else "") + score(value, stderr)


def weight(value: float | None) -> str:
    """A weight of a directive, to three decimals where that suits.

    >>> weight(0.12345), weight(-2.0), weight(1e9)
    ('0.123', '−2.000', '1e+09')
    """
    if value is None:
        return NOTHING
    plain = value == 0 or 1e-3 <= abs(value) < 1e3
    return _sign(f"{value:.3f}" if plain else f"{value:.3g}")


def seconds(value: float | None) -> str:
    """A duration, in the unit that suits it.

    >>> seconds(0.42), seconds(75), seconds(7300), seconds(None)
    ('0.42 s', '1 min 15 s', '2 h 1 min', '–')
    """
    if value is None:
        return NOTHING
    if value < 59.95:
        return f"{value:.1f} s" if value >= 0.95 else f"{value:.2g} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(value: float | None) -> str:
    """A time of day and date, in UTC.

    >>> moment(0.0)
    '1970-01-01 00:00:00 UTC'
    """
    if value is None:
        return NOTHING
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def money(value: float | None) -> str:
    """An amount of money, to four decimals or two digits.

    >>> money(0.0123456), money(12.0), money(0.000123), money(None)
    ('0.0123', '12.0000', '0.00012', '–')
    """
    if value is None:
        return NOTHING
    return f"{value:.4f}" if value == 0 or value >= 1e-3 else f"{value:.2g}"


def count(value: int) -> str:
    """A whole number, in groups of three digits.

    >>> count(63772)
    '63\u202f772'
    """
    return f"{value:,}".replace(",", "\u202f")


def steps(numbers: Sequence[int]) -> str:
    """A list of steps in words.

    >>> steps([3]), steps([1, 2, 5])
    ('step 3', 'steps 1, 2 and 5')
    """
    *most, last = map(str, numbers)
    return f"steps {', '.join(most)} and {last}" if most else f"step {last}"


def shortened(text: str, length: int) -> str:
    """The first line's worth of a text, cut at `length` characters.

    >>> shortened("one  two\\nthree", 8)
    'one two…'
    """
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "\u2026"


def _decimals(stderr: float) -> int:
    return min(max(1 - math.floor(math.log10(stderr)), 0), 6)


def _sign(text: str) -> str:
    return MINUS + text[1:] if text.startswith("-") else text
