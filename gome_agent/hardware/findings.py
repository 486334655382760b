"""What a check says: fine, a failure with its fix, or why it could not be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gome_agent.hardware.facts import Facts
from gome_agent.hardware.profiles import Profile


@dataclass(frozen=True)
class Finding:
    """One line of a doctor's report."""

    check: str
    state: Literal["ok", "failure", "unknown"]
    says: str
    fix: str = ""
    """One line, for a failure."""
    needed: bool = True
    """Whether a run on such a machine goes wrong by it; else it is advice."""


Check = Callable[[Facts, Profile], Finding | None]
"""Pure; `None`: it does not concern this profile, or nothing was asked about it."""


def ok(check: str, says: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "ok", says)


def failure(check: str, says: str, fix: str, needed: bool = True) -> Finding:
    """Something to do."""
    return Finding(check, "failure", says, fix, needed)


def unknown(check: str, why: str) -> Finding:
    """It could not be told."""
    return Finding(check, "unknown", why)


def gibibytes(size: float) -> str:
    """A size in bytes as it is read.

    >>> gibibytes(3 * 2**29)
    '1.5 GiB'
    """
    return f"{size / 2**30:.3g} GiB"
