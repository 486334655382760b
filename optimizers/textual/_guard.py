"""When two texts cannot mean the same, however close their embeddings are.

Embeddings of "use 5 folds" and "use 10 folds", or of "increase the rate" and "decrease the rate",
are nearly equal, but the hypotheses differ. A text is read as its numbers, its names, its words of
direction and its other words, by tables small enough to check by eye. It errs on the side of
"differ": a paraphrase that keeps a slot of its own costs a slot, a false merge corrupts a moment.
The tables are English; words in other scripts must be the same (see `_merging`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

_TOKEN = re.compile(
    r"[+-]?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?"  # a number
    r"|[^\W\d_]+(?:['’][^\W\d_]+)*"  # a word
    r"|[^\w\s.,;:!?'\"’()\[\]{}`-]"  # a symbol: x < 5 is not x > 5
)
_BRITISH = re.compile(r"is(?=(e|ed|es|ing|ations?)$)")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STOP = _words(
    "a all an and as at be by can do for in is it its let of on onto our that the their them this "
    "to us we will with your apply employ make perform please should try use utilize utilise"
)
_ORDER = _words(
    "after and as before but by for from given if instead into minus on onto or over per rather "
    "ratio replace substitute subtract swap than then to unless until versus vs when with"
)
_NUMBERS = {
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}
_ALIKE = ("several multiple many",)
_UP = (
    "increase raise enlarge heighten",
    "more additional extra",
    "add include introduce insert append",
    "enable activate",
    "larger bigger greater",
    "higher",
    "longer",
    "deeper",
    "stronger",
    "faster",
    "allow keep retain",
)
_DOWN = (
    "decrease reduce lower lessen diminish shrink",
    "fewer less",
    "remove drop delete discard exclude eliminate omit",
    "disable deactivate",
    "smaller",
    "shorter",
    "shallower",
    "weaker",
    "slower",
    "forbid ignore skip",
    "not no never without avoid cannot stop none neither nor off",
)
_OPPOSITES = (
    "train test",
    "maximum minimum",
    "max min",
    "maximize minimize",
    "maximise minimise",
    "first last",
    "early late",
    "before after",
    "high low",
    "deep shallow",
    "left right",
    "upper lower",
    "row column",
    "strong weak",
    "fast slow",
    "wide narrow",
    "wider narrower",
    "long short",
    "simple complex",
    "large small",
    "big small",
    "global local",
    "hard soft",
    "best worst",
    "start end",
    "dense sparse",
    "split join",
    "split merge",
    "precision recall",
    "positive negative",
    "true false",
    "on off",
    "rare common",
    "bias variance",
    "mean median",
    "numeric categorical",
    "classification regression",
    "bagging boosting",
    "forward backward",
    "majority minority",
    "always sometimes",
    "old new",
)
_PREFIXES = ("under", "over", "down", "non", "dis", "mis", "up", "un", "de", "in", "im", "ex", "en")


def _stem(word: str) -> str:
    """The word without its inflection; crude, and the same for every form of most verbs."""
    word = _BRITISH.sub("iz", word)
    for ending in ("ing", "ed", "es", "s", "e"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 2:
            word = stem
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _groups(lines: tuple[str, ...]) -> dict[str, str]:
    """Stem of each word to the stem of the first word of its line."""
    return {
        _stem(word): _stem(words[0]) for words in (line.split() for line in lines) for word in words
    }


_UPWARD, _DOWNWARD = _groups(_UP), _groups(_DOWN)
_CANONICAL = _UPWARD | _DOWNWARD | _groups(_ALIKE)
_STOP_STEMS = frozenset(map(_stem, _STOP))
_ORDER_STEMS = frozenset(map(_stem, _ORDER))
_OPPOSITE_STEMS = frozenset(frozenset(map(_stem, pair.split())) for pair in _OPPOSITES)


class Reading(NamedTuple):
    """What the guard sees in a text."""

    exact: tuple[str, ...]
    """Numbers and symbols, in order."""
    names: tuple[str, ...]
    """Single letters, sorted: coordinate b is not coordinate c."""
    downward: int
    """How many words point down or deny."""
    words: tuple[str, ...]
    """Stems in order, without stop words; synonyms of direction alike."""
    spelled: dict[str, str]
    """A word as it was written, by its stem."""
    inverted: bool
    """Whether it says "strength of regularization" where "regularization strength" would do."""
    ordered: bool
    """Whether swapping words changes the meaning: "replace x by y", "more x and fewer y"."""


@lru_cache(maxsize=1 << 14)
def read(text: str) -> Reading:
    """Read a normalised text (`Directive.identity[0]`)."""
    exact: list[str] = []
    names: list[str] = []
    words: list[str] = []
    spelled: dict[str, str] = {}
    tokens = ["not" if t.endswith(("n't", "n’t")) else t for t in _TOKEN.findall(text)]
    for token in (_NUMBERS.get(token, token) for token in tokens):
        if not token[0].isalpha():
            exact.append(token)
        elif token in _STOP or _stem(token) in _STOP_STEMS:
            continue
        elif len(token) == 1 and token.isascii():
            names.append(token)
        else:
            stem = _CANONICAL.get(_stem(token), _stem(token))
            spelled.setdefault(stem, token)
            words.append(stem)
    upward = any(word in _UPWARD for word in words)
    downward = sum(word in _DOWNWARD for word in words)
    connected = any(_stem(token) in _ORDER_STEMS for token in tokens) or "," in text
    return Reading(
        exact=tuple(exact),
        names=tuple(sorted(names)),
        downward=downward,
        words=tuple(words),
        spelled=spelled,
        inverted="of" in tokens,
        ordered=connected or (upward and downward > 0),
    )


def contradict(one: Reading, other: Reading) -> bool:
    """Whether two texts surely differ in meaning: by a number, a name, a direction or an order.

    Symmetric, and independent of any embedder.

    Example:
      >>> contradict(read("use 5 folds"), read("use 10 folds"))
      True
      >>> contradict(read("raise the learning rate"), read("increase the learning rate"))
      False
    """
    if (one.exact, one.names, one.downward) != (other.exact, other.names, other.downward):
        return True
    may_invert = one.inverted != other.inverted and not (one.ordered or other.ordered)
    if not may_invert and not _same_order(one.words, other.words):
        return True
    mine, yours = set(one.words), set(other.words)
    return any(_apart(a, b) for a in mine - yours for b in yours - mine)


def _same_order(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the words that two texts share come in the same order."""
    shared = set(one) & set(other)
    return [w for w in one if w in shared] == [w for w in other if w in shared]


@lru_cache(maxsize=1 << 14)
def _apart(one: str, other: str) -> bool:
    """Whether two words are opposites, or alike only in spelling."""
    if frozenset((one, other)) in _OPPOSITE_STEMS:
        return True
    if (one in _UPWARD and other in _DOWNWARD) or (one in _DOWNWARD and other in _UPWARD):
        return True
    short, long = sorted((one, other), key=len)
    if long.endswith(short) or (len(short) < 5 and long.startswith(short)):
        return True  # linear and nonlinear, mode and model
    beginning, end = _common(one, other), _common(one[::-1], other[::-1])
    if end >= 4 and end > beginning:
        return True  # optimistic and pessimistic: derived words begin alike, opposites end alike
    return _core(one) == _core(other)  # encode and decode


def _common(one: str, other: str) -> int:
    """Number of letters with which both words begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _core(word: str) -> str:
    """The word without a prefix that turns it round."""
    for prefix in _PREFIXES:
        core = word.removeprefix(prefix)
        if core != word and len(core) >= 3:
            return core
    return word
