"""From diagnoses to gradients over slots, and from updates back to ranked directives."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from typing import NamedTuple, TypeVar

import numpy as np

from optimizers.textual._directive import LARGEST_STRENGTH, Directive, Suggestion
from optimizers.textual._embedding import Embedder
from optimizers.textual._events import Admitted, Event, Evicted, Mentioned, Merged
from optimizers.textual._lexicon import Lexicon, replay
from optimizers.textual._merging import MERGE_ABOVE, Identity, paraphrases

Key = TypeVar("Key", bound=Hashable)


class Encoding(NamedTuple):
    """What became of a diagnosis."""

    lexicon: Lexicon
    """`replay` of the events on the lexicon before."""
    gradient: np.ndarray
    """float32, shape `(capacity,)`."""
    events: tuple[Event, ...]
    """What changed, in order."""
    dropped: tuple[Directive, ...]
    """What found no slot, once per suggestion, strongest first."""


def encode(
    lexicon: Lexicon,
    suggestions: Iterable[Suggestion],
    step: int = 0,
    embed: Embedder | None = None,
    *,
    threshold: float = MERGE_ABOVE,
    evict: bool = True,
) -> Encoding:
    """Turn a diagnosis into a gradient over the lexicon's slots.

    Coordinate `i` is `-sum(strength * credence)` over the suggestions for slot `i`: repeated
    statements add, as vectors do. Suggestions of weight zero are the zero vector and take no slot.

    Hypotheses without a slot come in order of their weight `sum |strength * credence|`. They take
    the free slots; then each takes the slot of the least decayed weight that this diagnosis does
    not mention, unless it weighs less than that itself.

    Without an embedder only identical texts (`Directive.identity`) share a slot. With one,
    paraphrases share the slot of the first wording. With `hashed_ngrams()`, on the pairs in
    `tests/optimizers/paraphrases.py`: of the pairs that the rules were made on it merges 52 of 76
    paraphrases and none of 129 different ones; of pairs kept apart from them 20 of 25 and none of
    40, though both were written by one hand. It knows inflections and word order, not synonyms.
    Other embedders want another `threshold`; what contradicts is kept apart at any threshold.

    Args:
      lexicon: slots so far.
      suggestions: the diagnosis; may be empty (the zero gradient).
      step: number of the step, for births and decay.
      embed: finds paraphrases. Wrap a slow one in `cached`: first wordings are embedded again.
      threshold: cosine from which texts are paraphrases.
      evict: whether a full lexicon may give up entries.

    Returns:
      Lexicon, gradient, events, and what found no slot: nothing is dropped in silence. A sum
      beyond `LARGEST_STRENGTH` is clamped to it.

    Raises:
      ValueError: the embedder's answer is malformed, or the threshold is out of range.

    Example:
      >>> scale = Directive("Scale the numeric columns", "features")
      >>> encoding = encode(Lexicon(capacity=2), [Suggestion(scale, 0.5)], step=3)
      >>> encoding.gradient.tolist(), encoding.dropped
      ([-0.5, 0.0], ())
      >>> encoding.events
      (Admitted(slot=0, statement='Scale the numeric columns', component='features', weight=0.5,
                step=3, kind='admitted'),)
    """
    step = int(step)
    heard = sorted((s for s in suggestions if s.weight), key=lambda s: -abs(s.weight))
    events = _decide(lexicon, heard, step, _likeness(lexicon, heard, embed, threshold), evict)
    after = replay(lexicon, events)
    gradient, dropped = _gradient(after, heard)
    return Encoding(after, gradient, events, dropped)


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
      ValueError: the update is not a vector of the lexicon's capacity, has an entry that is not a
        number, or `top` is negative.
    """
    update = np.asarray(update)
    if update.shape != (lexicon.capacity,):
        raise ValueError(
            f"cannot decode an update of shape {update.shape} with a lexicon of capacity "
            f"{lexicon.capacity}: encode and decode with the same lexicon"
        )
    return best(lexicon.directives, update, top)


def best(
    directives: Sequence[Directive], weights: np.ndarray, top: int | None
) -> tuple[tuple[Directive, float], ...]:
    """Directives of positive weight, largest first, ties in order; weights beyond them are free.

    Raises:
      ValueError: a weight is not a number, or `top` is negative.
    """
    if top is not None and top < 0:
        raise ValueError(f"`top` is the largest number of directives to return, got {top}")
    values = weights.tolist()
    # A sum that is a number has no term that is none, and is had sooner.
    if math.isnan(sum(values)) and (undefined := np.flatnonzero(np.isnan(weights))).size:
        raise ValueError(
            f"the update is not a number in {undefined.size} of {len(weights)} coordinates, first "
            f"in {undefined[0]}: the rule or its input has diverged, so nothing can be ranked"
        )
    pairs = zip(directives, values, strict=False)
    wanted = [(directive, weight) for directive, weight in pairs if weight > 0]
    return tuple(sorted(wanted, key=lambda pair: -pair[1])[:top])


def mask(lexicon: Lexicon, directives: Sequence[Directive]) -> np.ndarray:
    """1.0 in the slots of `directives`, 0.0 elsewhere; float32, shape `(capacity,)`."""
    selected = np.zeros(lexicon.capacity, np.float32)
    for directive in directives:
        slot = lexicon.slot(directive)
        if slot is not None:
            selected[slot] = 1.0
    return selected


def _likeness(
    lexicon: Lexicon, heard: Sequence[Suggestion], embed: Embedder | None, threshold: float
) -> dict[Identity, tuple[Identity, float]]:
    """For each new wording of something else: the identity of its first wording, and the cosine."""
    if embed is None:
        return {}
    known = [directive.identity for directive in lexicon.directives]
    unknown = [s.directive.identity for s in heard if lexicon.slot(s.directive) is None]
    return paraphrases(known, list(dict.fromkeys(unknown)), embed, threshold)


def _decide(
    lexicon: Lexicon,
    heard: Sequence[Suggestion],
    step: int,
    likeness: Mapping[Identity, tuple[Identity, float]],
    evict: bool,
) -> tuple[Event, ...]:
    """What a diagnosis does to the lexicon, given which wordings paraphrase which."""

    def first(directive: Directive) -> Identity:
        slot = lexicon.slot(directive)
        if slot is not None:
            return lexicon.directives[slot].identity
        return likeness.get(directive.identity, (directive.identity, 1.0))[0]

    amounts = _sums((first(s.directive), abs(s.weight)) for s in heard)
    slots = {i: slot for i in amounts if (slot := lexicon.place(i)) is not None}
    events: list[Event] = [Mentioned(slot, amounts[i], step) for i, slot in slots.items()]

    if len(slots) == len(amounts) and not likeness:
        return tuple(events)
    wording = {s.directive.identity: s.directive for s in reversed(heard)}
    wording |= {directive.identity: directive for directive in lexicon.directives}
    newcomers = sorted((i for i in amounts if i not in slots), key=lambda i: -amounts[i])
    places = _places(lexicon, set(slots.values()), step, evict)
    for i, (weight, slot) in zip(newcomers, places, strict=False):
        if amounts[i] < weight:
            break
        if slot < len(lexicon.entries):
            old = lexicon.entries[slot].directive
            events.append(Evicted(slot, old.statement, old.component, weight, step))
        events.append(Admitted(slot, wording[i].statement, wording[i].component, amounts[i], step))
        slots[i] = slot

    for i, (leader, similarity) in likeness.items():
        if leader in slots:
            alias, into = wording[i], wording[leader].statement
            event = Merged(slots[leader], alias.statement, alias.component, into, similarity, step)
            events.append(event)
    return tuple(events)


def _places(
    lexicon: Lexicon, mentioned: Set[int], step: int, evict: bool
) -> list[tuple[float, int]]:
    """(weight to beat, slot) of the places for newcomers: free slots, then the least first."""
    free = [(0.0, slot) for slot in range(len(lexicon.entries), lexicon.capacity)]
    if not evict:
        return free
    weights = lexicon.weights(step).tolist()
    taken = sorted((weight, slot) for slot, weight in enumerate(weights) if slot not in mentioned)
    return free + taken


def _gradient(
    lexicon: Lexicon, heard: Sequence[Suggestion]
) -> tuple[np.ndarray, tuple[Directive, ...]]:
    """The gradient over slots, and the directives that have none."""
    placed = [(lexicon.slot(s.directive), s) for s in heard]
    gradient = np.zeros(lexicon.capacity, np.float32)
    for slot, total in _sums((slot, s.weight) for slot, s in placed if slot is not None).items():
        gradient[slot] = -max(-LARGEST_STRENGTH, min(total, LARGEST_STRENGTH))
    return gradient, tuple(s.directive for slot, s in placed if slot is None)


def _sums(pairs: Iterable[tuple[Key, float]]) -> dict[Key, float]:
    """Sum by key, correctly rounded: the order of suggestions leaves no trace in the last digit."""
    terms: dict[Key, list[float]] = defaultdict(list)
    for key, value in pairs:
        terms[key].append(value)
    return {key: math.fsum(values) for key, values in terms.items()}
