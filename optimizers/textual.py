"""Textual gradients: words on the host, weights in JAX.

A diagnosis says, of some *directives* (canonical statements of what to change), how much each is
expected to help. The lexicon gives every directive a slot of a fixed-capacity vector, so that a
diagnosis becomes an element of the vector space over directives, and an update rule does to it what
it does to any gradient. Signs follow optax: a directive expected to help by `s` has gradient `-s`
(the loss falls along it), so rules that subtract the gradient produce *positive* updates for what
should be done, and `decode` ranks by them.

No language model is involved here: `encode` is exact bookkeeping, `decode` its inverse.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

LARGEST_STRENGTH = float(np.sqrt(np.finfo(np.float32).max))
"""Beyond this the square of a gradient is infinite in float32, where the rules work."""


@dataclass(frozen=True)
class Directive:
    """One canonical hypothesis about what to change, e.g. "scale the numeric columns"."""

    statement: str
    component: str
    """Part of the pipeline it concerns: data, features, model, ensemble, workflow."""

    @cached_property
    def identity(self) -> tuple[str, str]:
        """What makes two directives the same: text up to case, width, space and final stops."""
        text = unicodedata.normalize("NFKC", self.statement).casefold()
        return " ".join(text.split()).rstrip(".!; "), self.component.casefold()


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


@dataclass(frozen=True)
class Lexicon:
    """Which directive lives in which slot. A value: `encode` returns a new one.

    Attributes:
      capacity: number of slots, the length of every encoded vector.
      directives: the directive of slot `i` at position `i`.
      born: step at which slot `i` was first mentioned.
    """

    capacity: int = 128
    directives: tuple[Directive, ...] = ()
    born: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"a lexicon needs at least one slot, got capacity={self.capacity}")
        if not len(self.born) == len(self._slots) == len(self.directives) <= self.capacity:
            raise ValueError(
                f"{len(self.directives)} directives ({len(self._slots)} different ones) with "
                f"{len(self.born)} births do not fit {self.capacity} slots: a lexicon holds "
                "different directives, one birth each, and no more than its capacity"
            )

    @cached_property
    def _slots(self) -> dict[tuple[str, str], int]:
        return {directive.identity: i for i, directive in enumerate(self.directives)}

    def slot(self, directive: Directive) -> int | None:
        """Slot of a directive, or `None` if it has none yet."""
        return self._slots.get(directive.identity)

    def admit(self, directive: Directive, step: int) -> Lexicon:
        """The lexicon with a slot for `directive`; unchanged if it has one or none is free."""
        return self._admit_all((directive,), step)

    def _admit_all(self, directives: Iterable[Directive], step: int) -> Lexicon:
        unknown: dict[tuple[str, str], Directive] = {}
        for directive in directives:
            if self.slot(directive) is None:
                unknown.setdefault(directive.identity, directive)
        admitted = tuple(unknown.values())[: self.capacity - len(self.directives)]
        if not admitted:
            return self
        return replace(
            self,
            directives=(*self.directives, *admitted),
            born=(*self.born, *[step] * len(admitted)),
        )


def encode(
    lexicon: Lexicon, suggestions: Iterable[Suggestion], step: int = 0
) -> tuple[Lexicon, np.ndarray, tuple[Directive, ...]]:
    """Turn a diagnosis into a gradient over the lexicon's slots.

    Coordinate `i` is `-sum(strength * credence)` over the suggestions for slot `i`: repeated
    statements add, as vectors do. Directives that find no free slot are returned, strongest kept
    first, so that the caller can record them: nothing is dropped in silence.

    Args:
      lexicon: slots so far.
      suggestions: the diagnosis; may be empty (the zero gradient).
      step: birth step given to directives mentioned for the first time.

    Returns:
      The grown lexicon, the gradient (float32, shape `(capacity,)`), and what found no slot.

    Example:
      >>> scale = Directive("Scale the numeric columns", "features")
      >>> lexicon, gradient, dropped = encode(Lexicon(capacity=2), [Suggestion(scale, 0.5)])
      >>> gradient.tolist(), dropped
      ([-0.5, 0.0], ())
    """
    gradient = np.zeros(lexicon.capacity)
    dropped: list[Directive] = []
    strongest_first = sorted(suggestions, key=lambda s: -abs(s.strength * s.credence))
    lexicon = lexicon._admit_all((s.directive for s in strongest_first), step)
    for suggestion in strongest_first:
        slot = lexicon.slot(suggestion.directive)
        if slot is None:
            dropped.append(suggestion.directive)
        else:
            gradient[slot] -= suggestion.strength * suggestion.credence
    return lexicon, gradient.astype(np.float32), tuple(dropped)


def decode(
    lexicon: Lexicon, update: np.ndarray, top: int | None = None
) -> tuple[tuple[Directive, float], ...]:
    """Rank directives by the weight an update gives them, largest first, positive ones only.

    Args:
      lexicon: slots.
      update: shape `(capacity,)`; positive means "do this".
      top: keep at most this many.

    Returns:
      Pairs (directive, weight), ties in slot order.

    Raises:
      ValueError: the update is not a vector of the lexicon's capacity.
    """
    update = np.asarray(update)
    if update.shape != (lexicon.capacity,):
        raise ValueError(
            f"cannot decode an update of shape {update.shape} with a lexicon of capacity "
            f"{lexicon.capacity}: encode and decode with the same lexicon"
        )
    live = update[: len(lexicon.directives)]
    order = np.argsort(-live, kind="stable")[:top]
    return tuple((lexicon.directives[i], float(live[i])) for i in order if live[i] > 0)


def mask(lexicon: Lexicon, directives: Sequence[Directive]) -> np.ndarray:
    """1.0 in the slots of `directives`, 0.0 elsewhere; float32, shape `(capacity,)`."""
    selected = np.zeros(lexicon.capacity, np.float32)
    for directive in directives:
        slot = lexicon.slot(directive)
        if slot is not None:
            selected[slot] = 1.0
    return selected
