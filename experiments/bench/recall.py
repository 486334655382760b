"""What it costs to remember n directives and to read a memory of n: a curve in n."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

DIM = 256
PARTS = ("the numeric columns", "the target", "missing values", "the model", "the folds", "dates")
VERBS = ("Scale", "Encode", "Bin", "Clip", "Impute", "Transform", "Combine", "Split", "Weight")


@dataclass(frozen=True)
class Point:
    """Costs at one size, in milliseconds."""

    memories: int
    embed_ms: float
    """The built-in embedder on one statement; the other costs are without it."""
    remember_ms: float
    """Per memory, while filling it."""
    replace_ms: float
    """One more memory when it is full."""
    recall_ms: float
    """`recall(query, k=5)`."""
    rule_ms: float
    """One jitted update of the rule with a full memory of that size."""


def curve(sizes: tuple[int, ...], repetitions: int) -> list[Point]:
    """Costs at each size. Sizes are interleaved within a repetition."""
    from optimizers.textual import hashed_ngrams

    reads = {n: _success_memory(n) for n in sizes}
    embed, texts = hashed_ngrams(), statements(repetitions + 1)
    embed(texts[-1:])
    embedding = statistics.median(_milliseconds(partial(embed, [text])) for text in texts[:-1])
    rules = {n: _rule(n) for n in sizes}
    times: dict[tuple[int, str], list[float]] = {}
    for _ in range(repetitions):
        for n in sizes:
            _, recall, replace = reads[n]
            for name, act in (("recall", recall), ("replace", replace), ("rule", rules[n])):
                times.setdefault((n, name), []).append(_milliseconds(act))
    return [
        Point(
            memories=n,
            embed_ms=embedding,
            remember_ms=reads[n][0],
            replace_ms=statistics.median(times[n, "replace"]),
            recall_ms=statistics.median(times[n, "recall"]),
            rule_ms=statistics.median(times[n, "rule"]),
        )
        for n in sizes
    ]


def statements(number: int) -> list[str]:
    """So many different directives.

    >>> statements(2)
    ['Scale the numeric columns, variant 0', 'Encode the target, variant 1']
    """
    return [f"{VERBS[i % len(VERBS)]} {PARTS[i % len(PARTS)]}, variant {i}" for i in range(number)]


def _success_memory(n: int) -> tuple[float, Callable[[], object], Callable[[], object]]:
    from optimizers.memory import SuccessMemory

    rng = np.random.default_rng(0)
    memory = SuccessMemory(lambda texts: rng.normal(size=(len(texts), DIM)), capacity=n)
    gains = rng.exponential(size=n)
    start = time.perf_counter()
    for statement, gain in zip(statements(n), gains, strict=True):
        memory.remember(statement, gain=float(gain))
    per_memory = 1e3 * (time.perf_counter() - start) / n
    return (
        per_memory,
        lambda: memory.recall("Scale the numeric columns and the target", k=5),
        lambda: memory.remember("Scale the numeric columns once more", gain=0.5),
    )


def _rule(n: int) -> Callable[[], object]:
    """A jitted update of success memory in `DIM` dimensions, its memory full."""
    import jax
    import jax.numpy as jnp

    import optimizers

    rule = optimizers.scale_by_success_memory(capacity=n)
    empty: Any = rule.init(jnp.zeros(DIM))
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(n, DIM)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    full = empty.memory._replace(
        direction=jnp.asarray(directions),
        gain=jnp.asarray(rng.exponential(size=n), jnp.float32),
        exists=jnp.ones(n, bool),
    )
    # Leaves that share a buffer cannot be handed over.
    state = [jax.tree.map(lambda x: jnp.array(x, copy=True), empty._replace(memory=full))]
    # The state is handed over, as inside a scan: otherwise a copy of the memory is what is timed.
    update = jax.jit(rule.update, donate_argnums=1)
    gradient = jnp.asarray(directions[0])

    def step() -> None:
        moved, state[0] = update(gradient, state[0])
        moved.block_until_ready()

    step()
    return step


def _milliseconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return 1e3 * (time.perf_counter() - start)
