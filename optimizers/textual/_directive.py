"""What a diagnosis speaks about: directives, and suggestions that give them weight."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

LARGEST_STRENGTH = 1e15
"""Rules work in float32, where squares end at 3.4e38: this leaves room for momentum to add up many
such gradients (x 1000), and for a norm to add up their squares over slots (x 100)."""


@dataclass(frozen=True)
class Directive:
    """One canonical hypothesis about what to change, e.g. "scale the numeric columns"."""

    statement: str
    component: str
    """Part of the pipeline it concerns: data, features, model, ensemble, workflow. Any text will
    do here; the agent's schemas allow those five."""

    @property
    def identity(self) -> tuple[str, str]:
        """What makes two directives the same: text up to case, width, space and final stops."""
        return _identity(self.statement, self.component)


@lru_cache(maxsize=4096)
def _identity(statement: str, component: str) -> tuple[str, str]:
    text = unicodedata.normalize("NFKC", statement).casefold()
    return " ".join(text.split()).rstrip(".!; "), component.casefold()


@dataclass(frozen=True)
class Suggestion:
    """A directive with the weight that a diagnosis gives it.

    Raises:
      ValueError: the statement is empty, or a number is not finite or out of range.
    """

    directive: Directive
    strength: float
    """Expected improvement along this directive; negative means "do the opposite"."""
    credence: float = 1.0
    """How sure the reasoner is, in [0, 1]; multiplies the strength."""

    @property
    def weight(self) -> float:
        """Strength times credence: the suggestion's share of minus the gradient."""
        return float(self.strength) * float(self.credence)

    def __post_init__(self) -> None:
        if not self.directive.identity[0]:
            raise ValueError(
                f"a suggestion has the empty statement {self.directive.statement!r}: "
                "say what to change"
            )
        if not abs(self.strength) <= LARGEST_STRENGTH:
            raise ValueError(
                f"strength of {self.directive.statement!r} is {self.strength}: give a finite "
                f"number of size at most {LARGEST_STRENGTH:.3g}"
            )
        if not 0.0 <= self.credence <= 1.0:
            raise ValueError(
                f"credence of {self.directive.statement!r} is {self.credence}: "
                "give a probability between 0 and 1"
            )
