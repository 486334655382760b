"""Embedders: from texts to vectors. Any function of that shape will do.

`SentenceTransformer(...).encode` is an `Embedder` as it is, `gome_agent.embedding` asks a provider,
and `hashed_ngrams` needs neither a network nor a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class Embedder(Protocol):
    """Embeds texts, row by row, and independently of each other."""

    def __call__(self, texts: Sequence[str], /) -> np.ndarray:
        """Vectors of the texts, shape `(n, d)`, of any length; `d` is always the same."""
        ...


def unit_rows(vectors: np.ndarray, count: int) -> np.ndarray:
    """Check what an embedder returned, and scale each row to unit length.

    Args:
      vectors: anything that numpy reads as an array of shape `(count, d)`.
      count: number of texts that were embedded.

    Returns:
      float32, shape `(count, d)`; a row of zeros stays zero.

    Raises:
      ValueError: the shape is wrong or an entry is not a finite number.

    Example:
      >>> unit_rows([[3.0, 4.0], [0.0, 0.0]], count=2).tolist()
      [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    try:
        vectors = np.asarray(vectors, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the embedder returned no array of numbers: {error}") from error
    if vectors.ndim != 2 or len(vectors) != count or vectors.shape[1] < 1:
        raise ValueError(
            f"the embedder returned shape {vectors.shape} for {count} texts: "
            f"it must return one row per text, shape ({count}, d)"
        )
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if broken.size:
        raise ValueError(
            f"the embedder returned entries that are not finite, first for text {broken[0]}: "
            "an embedding consists of finite numbers"
        )
    # Scaled by the largest entry first, so that squares neither overflow nor vanish.
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    vectors = vectors / np.where(largest > 0, largest, 1.0)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)


def cached(embed: Embedder) -> Embedder:
    """An embedder that asks for each text once and remembers the answer as long as it lives.

    Args:
      embed: asked for the texts not seen before, in one call, without repetitions.

    Returns:
      An embedder with unit rows.
    """
    known: dict[str, np.ndarray] = {}

    def remembering(texts: Sequence[str], /) -> np.ndarray:
        new = list(dict.fromkeys(text for text in texts if text not in known))
        if new:
            known.update(zip(new, unit_rows(embed(new), len(new)), strict=True))
        width = len(next(iter(known.values()))) if known else 1
        return np.array([known[text] for text in texts], np.float32).reshape(len(texts), width)

    return remembering


def hashed_ngrams(dimension: int = 512, ngrams: tuple[int, int] = (3, 5)) -> Embedder:
    """Character n-grams of words, hashed into a fixed dimension: no vocabulary, no fit, offline.

    The feature hashing of Weinberger et al. (2009), "Feature Hashing for Large Scale Multitask
    Learning", through scikit-learn's `HashingVectorizer` with signs, so that the cosine of texts
    without a common n-gram is zero up to collisions, of order `1 / sqrt(dimension)`. It knows
    inflections and word order a little, and synonyms not at all.

    Args:
      dimension: of the vectors.
      ngrams: shortest and longest n-gram, in characters.

    Returns:
      A deterministic embedder; rows have unit length, the empty text is the zero row.

    Raises:
      ValueError: the dimension or a length is not positive, or the range is empty.
    """
    if dimension < 1 or not 1 <= ngrams[0] <= ngrams[1]:
        raise ValueError(
            "`hashed_ngrams` needs dimension >= 1 and 1 <= shortest <= longest n-gram; got "
            f"dimension={dimension}, ngrams={ngrams}"
        )

    def embed(texts: Sequence[str], /) -> np.ndarray:
        from sklearn.feature_extraction.text import HashingVectorizer  # heavy: only when used

        hashing = HashingVectorizer(analyzer="char_wb", ngram_range=ngrams, n_features=dimension)
        if not texts:
            return np.zeros((0, dimension), np.float32)
        # Lone surrogates are texts too, but hashing needs UTF-8.
        readable = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        sparse: Any = hashing.transform(readable)
        return unit_rows(sparse.toarray(), len(texts))

    return embed
