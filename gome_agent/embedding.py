"""Embedders that ask a provider; see `optimizers.Embedder` for what else will do.

A local model needs nothing from here: `SentenceTransformer(name).encode` is an embedder as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gome_agent.models._loading import load
from optimizers.textual import Embedder, cached, unit_rows


def litellm_embedder(model: str, batch: int = 256, **options: Any) -> Embedder:
    """An embedder of any provider that litellm knows; each text is asked for once.

    Args:
      model: as litellm names it, such as "text-embedding-3-small".
      batch: most texts in one request.
      **options: passed on to `litellm.embedding`: api_key, api_base, dimensions, timeout.

    Returns:
      An embedder with unit rows. Errors of litellm pass through; without litellm its first use
      raises `ModelMisconfigured`.

    Raises:
      ValueError: `batch` is not positive.
    """
    if batch < 1:
        raise ValueError(f"`batch` is a number of texts per request, got {batch}")

    def embed(texts: Sequence[str], /) -> np.ndarray:
        litellm = load()
        rows: list[Any] = []
        for start in range(0, len(texts), batch):
            asked = list(texts[start : start + batch])
            answer = litellm.embedding(model=model, input=asked, **options)
            rows += [item["embedding"] for item in sorted(answer.data, key=lambda i: i["index"])]
        return unit_rows(np.array(rows), len(texts))

    return cached(embed)
