"""NK landscapes: bits whose worth depends on other bits (Kauffman & Levin 1987)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from simulators._ranges import require_count
from simulators.landscapes._base import Landscape, Vector
from simulators.landscapes._bits import effects_of_flips, flip_one, flip_signs

Neighbourhood = Literal["adjacent", "random"]
_LARGEST_ENUMERATION = 20
_LARGEST_CHAIN = 8


def nk(
    loci: int, epistasis: int, seed: int, *, neighbourhood: Neighbourhood = "adjacent"
) -> Landscape:
    """N bits, each contributing a table entry that depends on itself and K others.

    Table entries are standard normal, as in `gome_theory.nk`. The loss is `(z* - z) / (z* - mean)`
    with the fitness `z` of `nk_fitness`: a start, uniform among all points, has loss 1 on average.
    The optimum is found by enumeration or, for adjacent neighbourhoods, by dynamic programming.

    Args:
      loci: N, at least 2; at most 20 unless the neighbourhood is adjacent and K at most 8.
      epistasis: K, from 0 to N - 1.
      seed: of the tables and of random neighbourhoods.
      neighbourhood: "adjacent": locus i depends on i, ..., i + K, around the end; "random": on
        itself and K others.

    Raises:
      ValueError: a parameter is out of its range, or the optimum is out of reach.
    """
    links, tables = _problem(loci, epistasis, seed, neighbourhood)
    best = _optimum(links, tables, neighbourhood)
    powers = 2 ** np.arange(epistasis + 1)
    best_entries = tables[np.arange(loci), best[links] @ powers]
    # A difference of entries and not of sums, so that it is exactly 0 at the optimum.
    regrets = best_entries[:, None] - tables
    scale = regrets.mean(axis=1).sum()
    loss = _sum_of_entries(links, regrets / scale)

    def start(key):
        return jax.random.bernoulli(key, shape=(loci,)).astype(jnp.float32)

    return Landscape(
        loci,
        loss,
        start,
        1.0,
        gradient=effects_of_flips(loss),
        edits=flip_signs,
        retract=flip_one,
        optimum=jnp.asarray(best, jnp.float32),
    )


def nk_fitness(
    loci: int, epistasis: int, seed: int, *, neighbourhood: Neighbourhood = "adjacent"
) -> Callable[[Vector], Float[Array, ""]]:
    """Standardised fitness `z = sum / sqrt(N)` of `nk` with the same arguments, to be maximised.

    Over landscapes it is standard normal at every point; it is what `gome_theory.nk` speaks of.

    Raises:
      ValueError: a parameter is out of its range.
    """
    links, tables = _problem(loci, epistasis, seed, neighbourhood)
    return _sum_of_entries(links, tables / np.sqrt(loci))


def _problem(loci, epistasis, seed, neighbourhood) -> tuple[np.ndarray, np.ndarray]:
    """What each locus depends on, shape `(N, K + 1)`, and its table, shape `(N, 2^(K + 1))`."""
    loci = require_count("loci", loci, 2, "a landscape of bits")
    why = "a locus depends on at most N - 1 others"
    epistasis = require_count("epistasis", epistasis, 0, why, high=loci - 1)
    generator = np.random.default_rng(seed)
    if neighbourhood == "adjacent":
        links = (np.arange(loci)[:, None] + np.arange(epistasis + 1)) % loci
        reachable = loci <= _LARGEST_ENUMERATION or epistasis <= _LARGEST_CHAIN
    elif neighbourhood == "random":
        others = [generator.choice(loci - 1, epistasis, replace=False) for _ in range(loci)]
        links = np.array([[i, *(j + (j >= i) for j in row)] for i, row in enumerate(others)])
        reachable = loci <= _LARGEST_ENUMERATION
    else:
        raise ValueError(f'`neighbourhood` is {neighbourhood!r}: pass "adjacent" or "random"')
    if not reachable:
        raise ValueError(
            f"`loci` is {loci} with {neighbourhood} neighbourhoods and `epistasis` {epistasis}: "
            f"the optimum would not be known. Pass at most {_LARGEST_ENUMERATION} loci, or "
            f'neighbourhood="adjacent" with an epistasis of at most {_LARGEST_CHAIN}.'
        )
    return links, generator.normal(size=(loci, 2 ** (epistasis + 1)))


def _sum_of_entries(links: np.ndarray, tables: np.ndarray):
    loci, reach = links.shape
    powers, entries = 2 ** np.arange(reach), jnp.asarray(tables, jnp.float32)

    def total(x):
        index = x.astype(jnp.int32)[links] @ powers
        return jnp.sum(entries[np.arange(loci), index])

    return total


def _optimum(links: np.ndarray, tables: np.ndarray, neighbourhood: str) -> np.ndarray:
    loci, reach = links.shape
    if neighbourhood == "adjacent" and reach - 1 <= _LARGEST_CHAIN:
        return _best_on_ring(tables)
    points = np.arange(2**loci)
    total = np.zeros(points.size)
    for row, table in zip(links, tables, strict=True):
        index = np.zeros(points.size, int)
        for place, locus in enumerate(row):
            index |= ((points >> locus) & 1) << place
        total += table[index]
    return (total.argmax() >> np.arange(loci)) & 1


def _best_on_ring(tables: np.ndarray) -> np.ndarray:
    """The best bits by dynamic programming along the ring, for every choice of the first K."""
    states = tables.shape[1] // 2
    (ends,) = deque(_along(tables, np.arange(states)), maxlen=1)
    head = ends.max(axis=1).argmax()
    stages = [value[0] for value in _along(tables, np.array([head]))]
    state, bits = stages.pop().argmax(), []
    for before, table in zip(stages[::-1], tables[::-1], strict=True):
        window = 2 * state + np.arange(2)
        window = window[(before[window % states] + table[window]).argmax()]
        bits.append(window & 1)
        state = window % states
    return np.array(bits[::-1])


def _along(tables: np.ndarray, heads: np.ndarray) -> Iterator[np.ndarray]:
    """Best sums of the first i tables, for every head (bits 0, ..., K - 1) and every state (bits
    i, ..., i + K - 1), shape `(heads, states)`, for i from 0 to N."""
    loci, size = tables.shape
    states, epistasis = size // 2, size.bit_length() - 2
    window = np.arange(size)  # Bits i, ..., i + K, the first of them lowest.
    value = np.where(np.arange(states) == heads[:, None], 0.0, -np.inf)
    yield value
    for locus, table in enumerate(tables):
        reached = value[:, window % states] + table
        around = locus + epistasis - loci
        if 0 <= around < epistasis:
            newest = (heads[:, None] >> around) & 1
            reached = np.where(window >> epistasis == newest, reached, -np.inf)
        value = reached.reshape(len(heads), states, 2).max(axis=2)  # Forget bit i.
        yield value
