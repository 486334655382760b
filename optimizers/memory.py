"""Success memory by itself: what worked before, ranked for what is tried next. NumPy only.

For an agent of any kind. Ten lines are enough:

    memory = SuccessMemory()
    for step in range(budget):
        idea = model(task, examples=memory.recall(draft_of_an_idea, k=3))
        score = evaluate(idea)
        if score > best:
            memory.remember(idea, gain=score - best)
            best = score
    text = memory.dumps()                      # and later: SuccessMemory.loads(text)

The kernel is that of the update rule `gome` (see `optimizers.rules.success_memory`):

    p_j = softmax_j clip(similarity 0.5^(now / half_life) cos(q, u_j) + gain tanh(z_j))

with `u_j` the embedding of a remembered statement, `q` that of the query and `z_j` the gain over
the root mean square of the remembered gains, so that units do not matter. From "Reasoning as
Gradient", arXiv:2603.01692, section on success memory.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Embedder = Callable[[list[str]], np.ndarray]
"""From statements to rows of an array of shape `(statements, dim)`."""

SCHEMA = 1


@dataclass(frozen=True)
class Kernel:
    """Which memories speak to a query; see `SuccessMemory` for the settings.

    Raises:
      ValueError: a setting is out of range.
    """

    decay: float
    similarity: float
    gain: float
    half_life: float
    clip: float
    capacity: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"`{name}` must be a number, got {value!r}")
            if not math.isfinite(value):
                raise ValueError(f"`{name}` must be finite, got {value}")
        if not 0.0 <= self.decay <= 1.0:
            raise ValueError(f"`decay` must lie in [0, 1], got {self.decay}")
        if self.half_life <= 0:
            raise ValueError(f"`half_life` must be positive, got {self.half_life}")
        if self.clip < 0:
            raise ValueError(f"`clip` must not be negative, got {self.clip}")
        if self.capacity < 1 or self.capacity != int(self.capacity):
            raise ValueError(f"`capacity` must be a whole number above 0, got {self.capacity}")

    def probabilities(self, cosine: np.ndarray, gains: np.ndarray, now: int) -> np.ndarray:
        """Softmax of clamped logits.

        Args:
          cosine: of each query with each memory, shape `(..., memories)`, memories >= 1.
          gains: of the memories, shape `(memories,)`.
          now: the step of the reading.

        Returns:
          Like `cosine`; sums to 1 over memories.
        """
        largest = np.abs(gains).max() or 1.0  # the squares of large gains overflow
        spread = largest * math.sqrt(np.mean((gains / largest) ** 2)) or 1.0
        logits = self.similarity * 0.5 ** (now / self.half_life) * cosine
        logits = np.clip(logits + self.gain * np.tanh(gains / spread), -self.clip, self.clip)
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return odds / odds.sum(axis=-1, keepdims=True)


class SuccessMemory:
    """What succeeded, read by similarity and gain. Mutable; failed calls change nothing.

    A statement remembered twice counts twice. Without explicit steps, time is counted in successes.

    Args:
      embed: from statements to vectors; `optimizers.textual.hashed_ngrams()` if not given.
      decay: what a memory keeps of its weight per step, in [0, 1]; see `weights`.
      similarity: kernel weight of the cosine between query and memory.
      gain: kernel weight of the squashed relative gain.
      half_life: steps in which the influence of similarity halves.
      clip: logits are clamped to [-clip, clip], so odds never exceed exp(2 clip).
      capacity: number of memories; the one with the least weight makes room.

    Raises:
      ValueError: a setting is out of range.

    Example:
      >>> import numpy as np
      >>> axes = {"scale": [1.0, 0.0], "more trees": [0.0, 1.0]}
      >>> memory = SuccessMemory(lambda texts: np.array([axes[t] for t in texts]))
      >>> memory.remember("scale", gain=0.1)
      >>> memory.remember("more trees", gain=0.1)
      >>> [(text, round(p, 2)) for text, p in memory.recall("scale")]
      [('scale', 0.72), ('more trees', 0.28)]
    """

    def __init__(
        self,
        embed: Embedder | None = None,
        *,
        decay: float = 0.9,
        similarity: float = 1.0,
        gain: float = 1.0,
        half_life: float = 30.0,
        clip: float = 2.0,
        capacity: int = 1000,
    ) -> None:
        self._kernel = Kernel(decay, similarity, gain, half_life, clip, capacity)
        self._embedder = embed
        self._statements: list[str] = []
        self._gains = np.zeros(0)
        self._steps = np.zeros(0, np.int64)
        self._vectors = np.zeros((0, 0))
        self._now = 0

    def __len__(self) -> int:
        return len(self._statements)

    def remember(self, statement: str, gain: float, step: int | None = None) -> None:
        """Add a success; when full, it takes the place of the memory that weighs least beside it.

        Args:
          statement: what was done.
          gain: by how much the score rose (a negative gain is a success to avoid).
          step: when; one after the latest step so far if not given.

        Raises:
          ValueError: the statement is empty, the gain is not finite, or the step is negative or not
            whole.
        """
        if isinstance(gain, bool) or not isinstance(gain, int | float | np.number):
            raise ValueError(f"`gain` of {statement!r} must be a number, got {gain!r}")
        if not math.isfinite(gain):
            raise ValueError(f"`gain` of {statement!r} is {gain}: remember finite gains only")
        step = self._step(step)
        (vector,) = self._embed([statement])
        if len(self) < self._kernel.capacity:
            slot = len(self)
            self._grow(vector)
            self._statements.append(statement)
        else:
            slot = int(np.argmin(self._weights(vector[None], step)))
            self._statements[slot] = statement
        self._vectors[slot], self._gains[slot], self._steps[slot] = vector, gain, step
        self._now = max(self._now, step + 1)

    def recall(
        self, query: str | Sequence[str], k: int | None = None, *, step: int | None = None
    ) -> list[tuple[str, float]]:
        """The `k` most probable memories for a query, most probable first.

        Args:
          query: what is about to be tried; of several candidates, each counts alike.
          k: at most this many, all of them if not given.
          step: now; one after the latest step so far if not given.

        Returns:
          Pairs (statement, probability). Over the whole memory probabilities sum to 1.

        Raises:
          ValueError: the query is empty, or `k` is below 1.
        """
        if k is not None and k < 1:
            raise ValueError(f"`k` must be at least 1, got {k}")
        probability = self._probabilities(self._query(query), self._step(step))
        order = np.argsort(-probability, kind="stable")[:k]
        return [(self._statements[i], float(probability[i])) for i in order]

    def sample(
        self,
        query: str | Sequence[str],
        k: int,
        rng: np.random.Generator,
        *,
        step: int | None = None,
    ) -> list[str]:
        """`k` statements drawn with replacement by the probabilities that `recall` returns.

        Args:
          query: what is about to be tried; of several candidates, each counts alike.
          k: number of draws.
          rng: the only source of randomness.
          step: now; one after the latest step so far if not given.

        Raises:
          ValueError: the query is empty, or `k` is below 1.
        """
        if k < 1:
            raise ValueError(f"`k` must be at least 1, got {k}")
        probability = self._probabilities(self._query(query), self._step(step))
        if not len(self):
            return []
        return [self._statements[i] for i in rng.choice(len(self), size=k, p=probability)]

    def weights(
        self, query: str | Sequence[str], *, step: int | None = None
    ) -> Float[np.ndarray, " memories"]:
        """Weight of each memory in a memory vector, `N p_j decay^age_j`, in order of storage.

        This is momentum: with a flat kernel (`similarity=gain=0`) it is `decay^age_j`.

        Raises:
          ValueError: the query is empty.
        """
        return self._weights(self._query(query), self._step(step))

    @property
    def statements(self) -> tuple[str, ...]:
        """What is remembered, in order of storage."""
        return tuple(self._statements)

    def dumps(self) -> str:
        """The memory as JSON, embeddings included; `loads` gives it back exactly."""
        n, vectors = len(self), self._vectors[: len(self)]
        return json.dumps(
            {
                "schema": SCHEMA,
                "settings": vars(self._kernel),
                "now": self._now,
                "statements": self._statements,
                "gains": self._gains[:n].tolist(),
                "steps": self._steps[:n].tolist(),
                "dim": vectors.shape[1],
                "dtype": vectors.dtype.newbyteorder("<").str,
                "vectors": base64.b64encode(
                    vectors.astype(vectors.dtype.newbyteorder("<")).tobytes()
                ).decode("ascii"),
            },
            ensure_ascii=False,
        )

    @classmethod
    def loads(cls, text: str, embed: Embedder | None = None) -> SuccessMemory:
        """The memory that `dumps` wrote.

        Args:
          text: from `dumps`.
          embed: the embedder that the memory was made with; used for new statements only.

        Raises:
          ValueError: not JSON, not a success memory, damaged, or of a newer schema.
        """
        try:
            record = json.loads(text)
            schema = record["schema"]
        except (json.JSONDecodeError, TypeError, KeyError) as error:
            raise ValueError(f"this is not a success memory written by `dumps`: {error}") from error
        if schema != SCHEMA:
            raise ValueError(
                f"this success memory has schema {schema!r}, and this version reads {SCHEMA}: "
                "read it with the version that wrote it, or a later one"
            )
        try:
            return cls(embed, **record["settings"])._restored(record)
        except (TypeError, KeyError, AttributeError, ValueError, binascii.Error) as error:
            raise ValueError(f"this success memory is damaged: {error}") from error

    def _restored(self, record: dict) -> SuccessMemory:
        n, dtype = len(record["statements"]), np.dtype(record["dtype"])
        if dtype.kind != "f" or not all(isinstance(s, str) and s for s in record["statements"]):
            raise ValueError("`dtype` is no float type, or `statements` are no texts")
        data = base64.b64decode(record["vectors"], validate=True)
        self._vectors = np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))
        self._vectors = self._vectors.reshape(n, record["dim"])
        self._statements = list(record["statements"])
        self._gains = np.array(record["gains"], np.float64)
        if not all(type(step) is int and step >= 0 for step in [*record["steps"], record["now"]]):
            raise ValueError("a step is not a whole number from 0 on")
        self._steps = np.array(record["steps"], np.int64)
        self._now = record["now"]
        if self._gains.shape != (n,) or self._steps.shape != (n,) or n > self._kernel.capacity:
            raise ValueError("`statements`, `gains` and `steps` do not have one length")
        if not (np.isfinite(self._gains).all() and np.isfinite(self._vectors).all()):
            raise ValueError("a gain or an embedding is not finite")
        return self

    def _embed(self, statements: list[str]) -> np.ndarray:
        for statement in statements:
            if not isinstance(statement, str) or not statement.strip():
                raise ValueError(f"a statement must be a text that says something: {statement!r}")
        if self._embedder is None:
            from optimizers.textual import hashed_ngrams

            self._embedder = hashed_ngrams()
        vectors = np.asarray(self._embedder(list(statements)))
        dim = self._vectors.shape[1] if len(self) else vectors.shape[-1]
        if vectors.shape != (len(statements), dim) or vectors.dtype.kind not in "fi":
            raise ValueError(
                f"`embed` returned {vectors.dtype} of shape {vectors.shape} for {len(statements)} "
                f"statements: expected real numbers of shape {(len(statements), dim)}"
            )
        vectors = vectors.astype(np.promote_types(vectors.dtype, np.float32))
        if not np.isfinite(vectors).all():
            raise ValueError("`embed` returned a number that is not finite")
        norm = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(norm > 0, norm, 1)

    def _grow(self, vector: np.ndarray) -> None:
        """Make room for one more row; doubling keeps the cost of `n` rows of order `n`."""
        n = len(self)
        if not n:
            self._vectors = np.zeros((0, len(vector)), vector.dtype)
        if n == len(self._vectors):
            room = max(8, n)
            self._vectors = np.pad(self._vectors, ((0, room), (0, 0)))
        if n == len(self._gains):
            self._gains = np.pad(self._gains, (0, max(8, n)))
            self._steps = np.pad(self._steps, (0, max(8, n)))

    def _query(self, query: str | Sequence[str]) -> np.ndarray:
        candidates = [query] if isinstance(query, str) else list(query)
        if not candidates:
            raise ValueError("`query` is empty: give what is about to be tried")
        return self._embed(candidates)

    def _step(self, step: int | None) -> int:
        if step is None:
            return self._now
        if isinstance(step, bool) or not isinstance(step, int | np.integer) or step < 0:
            raise ValueError(f"`step` must be a whole number from 0 on, got {step!r}")
        return int(step)

    def _probabilities(self, queries: np.ndarray, now: int) -> np.ndarray:
        """Mean over the queries of the distribution that each one gives; shape `(memories,)`."""
        n = len(self)
        if not n:
            return np.zeros(0)
        cosine = (queries @ self._vectors[:n].T).astype(np.float64)
        return self._kernel.probabilities(cosine, self._gains[:n], now).mean(axis=0)

    def _weights(self, queries: np.ndarray, now: int) -> np.ndarray:
        age = np.maximum(now - self._steps[: len(self)], 0)
        return len(self) * self._probabilities(queries, now) * self._kernel.decay**age
