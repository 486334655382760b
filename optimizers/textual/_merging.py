"""Which wordings are paraphrases of one hypothesis: cosine of embeddings, within a guard.

Two texts about the same component may share a slot if

* the cosine of their embeddings reaches a threshold,
* nothing that a reader would stumble on differs: numbers, names, directions (`_guard.contradict`),
* every word of each has a partner in the other: itself up to inflection, or a word whose own
  embedding is close. A whole-text cosine hides one exchanged word among many common ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from optimizers.textual._embedding import Embedder, cached, unit_rows
from optimizers.textual._guard import Reading, contradict, read

MERGE_ABOVE = 0.45
"""Default threshold on the cosine, chosen for `hashed_ngrams`; see `encode` for its quality."""
PARTNER_ABOVE = 0.65
"""Cosine from which two different words are partners."""
LONGEST = 100
"""Texts of more words than this are no single hypothesis and merge only if identical."""
CANDIDATES = 4
"""How many of the nearest texts are looked at word by word."""
_CHUNK = 512

Identity = tuple[str, str]


def paraphrases(
    known: Sequence[Identity],
    unknown: Sequence[Identity],
    embed: Embedder,
    threshold: float = MERGE_ABOVE,
) -> dict[Identity, tuple[Identity, float]]:
    """For each unknown text that paraphrases one before it: which, and how similar.

    Texts are compared with the known ones and with those unknown ones before them that found
    no partner themselves, so that likeness does not drift along chains.

    Args:
      known: normalised (statement, component) pairs that have slots.
      unknown: those that have none, all different from each other and from the known ones.
      embed: any embedder; asked for the texts that could merge with another, and for single words.
      threshold: on the cosine, in (0, 1].

    Returns:
      Map from a text of `unknown` to (its first wording, cosine).

    Raises:
      ValueError: the threshold is out of range or the embedder's answer is malformed.
    """
    if not 0.0 < threshold <= 1.0:
        raise ValueError(f"`threshold` is a cosine in (0, 1], got {threshold}")
    words = cached(embed)
    found: dict[Identity, tuple[Identity, float]] = {}
    for block, leading in _comparable(known, unknown):
        vectors = unit_rows(embed([text for text, _ in block]), len(block))
        readings = [read(text) for text, _ in block]
        for i, j, cosine in _join(vectors, readings, leading, threshold, words):
            found[block[i]] = (block[j], cosine)
    return found


def _comparable(
    known: Sequence[Identity], unknown: Sequence[Identity]
) -> Iterator[tuple[list[Identity], int]]:
    """Blocks within which nothing obvious forbids a merge, each with its number of known texts."""
    blocks: dict[tuple, tuple[list[Identity], list[Identity]]] = defaultdict(lambda: ([], []))
    for which, identities in enumerate((known, unknown)):
        for identity in identities:
            statement, component = identity
            reading = read(statement)
            if 0 < len(reading.words) <= LONGEST:
                key = (component, reading.exact, reading.names, reading.downward)
                blocks[key][which].append(identity)
    for old, new in blocks.values():
        if new and len(old) + len(new) > 1:
            yield [*old, *new], len(old)


def _join(
    vectors: np.ndarray,
    readings: Sequence[Reading],
    leading: int,
    threshold: float,
    words: Embedder,
) -> Iterator[tuple[int, int, float]]:
    """Triples (text, its first wording, cosine); the first `leading` texts lead anyway."""
    leaders = list(range(leading))
    for start in range(leading, len(vectors), _CHUNK):
        chunk = np.arange(start, min(start + _CHUNK, len(vectors)))
        before = np.array([*leaders, *chunk])
        cosines = vectors[chunk] @ vectors[before].T
        cosines[before >= chunk[:, None]] = -1.0  # only what came before
        near = [
            (int(i), int(before[column]), float(row[column]))
            for i, row in zip(chunk, cosines, strict=True)
            for column in _nearest(row, threshold)
        ]
        near = [pair for pair in near if not contradict(readings[pair[0]], readings[pair[1]])]
        merged: set[int] = set()
        for i, j, cosine in _partnered(near, readings, words):
            if i not in merged and j not in merged:
                merged.add(i)
                yield i, j, cosine
        leaders += [i for i in chunk.tolist() if i not in merged]


def _nearest(cosines: np.ndarray, threshold: float) -> np.ndarray:
    """Positions of the largest entries that reach the threshold, largest first."""
    close = np.flatnonzero(cosines >= threshold)
    if len(close) > 8 * CANDIDATES:
        close = close[np.argpartition(-cosines[close], CANDIDATES)[:CANDIDATES]]
    return close[np.argsort(-cosines[close], kind="stable")][:CANDIDATES]


def _partnered(
    near: Sequence[tuple[int, int, float]], readings: Sequence[Reading], words: Embedder
) -> Iterator[tuple[int, int, float]]:
    """Those pairs of texts in which every word has a partner; words are embedded in one call."""
    asked = [(pair, _lonely(readings[pair[0]], readings[pair[1]])) for pair in near]
    vocabulary = {word for _, sides in asked for side in sides for ws in side for word in ws}
    rows = {word: row for row, word in enumerate(sorted(vocabulary))}
    vectors = words(list(rows))
    for pair, sides in asked:
        if all(_have_partners(vectors, rows, lonely, others) for lonely, others in sides):
            yield pair


def _lonely(one: Reading, other: Reading) -> list[tuple[list[str], list[str]]]:
    """For each text with words that the other lacks: those words, and all of the other's."""
    sides = []
    for this, that in ((one.spelled, other.spelled), (other.spelled, one.spelled)):
        lonely = [this[word] for word in this if word not in that]
        if lonely:
            sides.append((lonely, list(that.values())))
    return sides


def _have_partners(
    vectors: np.ndarray, rows: dict[str, int], lonely: Sequence[str], others: Sequence[str]
) -> bool:
    if not "".join(lonely).isascii():
        return False  # in other scripts the guard's tables could not tell opposites
    cosines = vectors[[rows[w] for w in lonely]] @ vectors[[rows[w] for w in others]].T
    return bool((cosines.max(axis=1) >= PARTNER_ABOVE).all())
