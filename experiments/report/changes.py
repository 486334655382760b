"""What a step changed in its parent's script, as the lines of a unified diff.

Not covered: scripts beyond `MAX_LINES` (a line-by-line comparison of two long texts that have
little in common takes minutes); their difference is not shown.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from itertools import islice
from typing import Literal

MAX_LINES = 4000
MAX_SHOWN = 300
MAX_WIDTH = 300

LineKind = Literal["add", "del", "hunk", "same"]
_KINDS: dict[str, LineKind] = {"+": "add", "-": "del", "@": "hunk"}


@dataclass(frozen=True)
class Change:
    """A difference between two scripts, ready to be shown."""

    lines: tuple[tuple[LineKind, str], ...]
    """At most `MAX_SHOWN` lines, each with its sign in front."""
    added: int
    removed: int
    left_out: int
    """Lines of the diff that are not shown."""
    too_long: bool = False


def compare(before: str, after: str) -> Change:
    """The change from one script to another.

    Example:
      >>> compare("a\\nb\\n", "a\\nc\\n").lines
      (('hunk', '@@ -1,2 +1,2 @@'), ('same', ' a'), ('del', '-b'), ('add', '+c'))
    """
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MAX_LINES:
        return Change((), 0, 0, 0, too_long=True)
    # The first two lines name the files, which have no names here.
    lines = list(islice(difflib.unified_diff(old, new, lineterm="", n=3), 2, None))
    kinds: list[LineKind] = [_KINDS.get(line[:1], "same") for line in lines]
    shown: tuple[tuple[LineKind, str], ...] = tuple(
        (kind, cut(line)) for kind, line in zip(kinds, lines[:MAX_SHOWN], strict=False)
    )
    return Change(shown, kinds.count("add"), kinds.count("del"), max(len(lines) - MAX_SHOWN, 0))


def whole(script: str) -> Change:
    """A script without a parent, as a change that adds all of it."""
    lines = script.splitlines()
    shown: tuple[tuple[LineKind, str], ...] = tuple(
        ("same", cut(line)) for line in lines[:MAX_SHOWN]
    )
    return Change(shown, len(lines), 0, max(len(lines) - MAX_SHOWN, 0))


def cut(line: str) -> str:
    """A line, cut at `MAX_WIDTH` characters."""
    return line if len(line) <= MAX_WIDTH else line[:MAX_WIDTH] + "\u2026"
