r"""MAP-Elites on islands, as in OpenEvolve (Sharma 2025), which follows AlphaEvolve (Novikov et al.
2025, arXiv:2506.13131); the grid is that of Mouret and Clune (2015, arXiv:1504.04909).

Each island has a grid of cells over two features of a candidate and keeps the best of each cell.
Islands take turns. A turn's parent is, with probability 0.2, uniform in the island; with 0.7,
uniform in the archive of the best over all islands (those that also live in this island, if there
are any); else drawn in the island in proportion to fitness, at least 0.001. The child goes to the
island whose turn it was. Now and then the top tenth of every island is copied to both neighbors in
the ring; a copy is not copied on.

Deviations. Features: OpenEvolve's are code length and mean edit distance, which a vector does not
have. Here they are the norm of the parameters (how much was done to the origin) and their distance
from the mean of the island at the time (novelty), measured on a sketch of the parameters; each in
`bins` bins over the range seen so far, as there. A child that does not win its cell is dropped,
which defines MAP-Elites; the released code leaves it in the island until 1000 programs are there.
The archive is the best of what the grids hold. Fitness is the score mapped to [0, 1] by the range
in the grids, since our scores are often negative. What failed enters nowhere (there it counts
as 0). An empty island draws from all of them. Migrants of all islands leave at the same time.
"Inspirations" are a prompt's, not a policy's. Archive and migration are rescaled with the budget.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from optimizers.base import Expansion, Operator, Params, Policy
from optimizers.search._tree import (
    Tree,
    begin_in,
    cancel_in,
    choose_by_weight,
    empty_tree,
    grow,
    or_nowhere,
)

LEAST_WEIGHT = 1e-3
SKETCH = 16  # Numbers kept of a candidate's parameters.


class GridState(NamedTuple):
    """The tree, where each node would lie, and who holds which cell."""

    tree: Tree
    home: Int[Array, " nodes"]
    """Island that a node was made for."""
    size: Float[Array, " nodes"]
    """Norm of the parameters."""
    sketch: Float[Array, "nodes sketch"]
    grid: Int[Array, "islands cells"]
    """Node that holds each cell, -1 for none; a cell is `size bin * bins + novelty bin`."""
    low: Float[Array, "2"]
    """Range of size and novelty so far."""
    high: Float[Array, "2"]
    turn: Int[Array, ""]
    in_flight: Int[Array, "nodes+1 islands"]
    """Children asked for of each parent (drafts last) and for which islands."""
    generations: Int[Array, " islands"]
    """Candidates told of each island, failed ones included."""
    migrated: Int[Array, ""]
    """Generations of the oldest island when last something migrated."""


def map_elites(
    islands: int = 5,
    bins: int = 10,
    exploration: float = 0.2,
    exploitation: float = 0.7,
    archive: int | None = None,
    migration_interval: int | None = None,
    migration_rate: float = 0.1,
    drafts: int = 1,
    operator: Operator = Operator.IMPROVE,
) -> Policy:
    """Quality-diversity search on islands. Use it with the gate `always`.

    The released settings are made for 10000 iterations: an archive of 100 for a population of 1000
    and migration after every 50 generations of an island. At 200 evaluations they would archive
    half of the candidates, and never migrate. By default the archive is a tenth of the budget, with
    at least a place for each island, and islands migrate five times in a run; from 1250 evaluations
    on both are as released. With ten bins a side most candidates of a short run find a cell of
    their own; fewer bins make them compete.

    Args:
      islands: populations that meet by migration and in the archive.
      bins: of each of the two features.
      exploration: chance of a uniform parent in the island.
      exploitation: chance of a parent from the archive; what is left chooses by fitness.
      archive: places for the best of all islands; `None`: a tenth of the budget.
      migration_interval: generations of an island between migrations; `None`: a fifth of those that
        it has in the budget.
      migration_rate: share of an island that migrates, one at least.
      drafts: starting points, for the first islands in turn; one, as released, or `islands`.
      operator: how parents are expanded.

    Raises:
      ValueError: a number is out of its range.
    """
    _check(islands, bins, exploration, exploitation, archive, migration_interval, drafts)
    if not 0.0 <= migration_rate <= 1.0:
        raise ValueError(f"`migration_rate` must lie in [0, 1], got {migration_rate}")

    def places(budget):
        return min(100, max(islands, budget // 10)) if archive is None else archive

    def interval(budget):
        rescaled = min(50, max(1, budget // (5 * islands)))
        return rescaled if migration_interval is None else migration_interval

    def init(capacity):
        nothing = jnp.full((2,), jnp.inf)
        return GridState(
            tree=empty_tree(capacity),
            home=jnp.zeros((capacity,), jnp.int32),
            size=jnp.zeros((capacity,)),
            sketch=jnp.zeros((capacity, SKETCH)),
            grid=jnp.full((islands, bins * bins), -1, jnp.int32),
            low=nothing,
            high=-nothing,
            turn=jnp.zeros((), jnp.int32),
            in_flight=jnp.zeros((capacity + 1, islands), jnp.int32),
            generations=jnp.zeros((islands,), jnp.int32),
            migrated=jnp.zeros((), jnp.int32),
        )

    def ask(state, key):
        key_mode, key_parent = jax.random.split(key)
        tree, nodes = state.tree, state.size.shape[0]
        island = state.turn % islands
        population = held(state)
        local, everyone = population[island], population.any(axis=0)
        local = jnp.where(local.any(), local, everyone)
        elite = _best(tree.score, everyone, places(nodes))
        elite = jnp.where((elite & local).any(), elite & local, elite)

        drawn = jax.random.uniform(key_mode)
        explores = drawn < exploration
        exploits = ~explores & (drawn < exploration + exploitation)
        weight = jnp.where(explores | exploits, 0.0, jnp.log(_fitness(tree.score, everyone)))
        node = choose_by_weight(key_parent, weight, jnp.where(exploits, elite, local))
        wants_draft = (tree.drafts < drafts) | ~everyone.any()
        expansion = Expansion(
            parent=jnp.where(wants_draft, -1, node).astype(jnp.int32),
            operator=jnp.where(wants_draft, Operator.DRAFT, operator).astype(jnp.int32),
        )
        state = state._replace(
            turn=state.turn + 1,
            in_flight=state.in_flight.at[_sender(expansion, nodes), island].add(1),
        )
        return expansion, begin_in(state, expansion)

    def tell(state, expansion, observation, accepted):
        del accepted
        state, island = _land(state, expansion)
        tree, slot = grow(state.tree, expansion, observation)
        nodes = state.size.shape[0]
        row = or_nowhere(slot, nodes)
        size, sketch = _measured(observation.params, observation.valid)
        state = state._replace(
            tree=tree,
            home=state.home.at[row].set(island.astype(jnp.int32), mode="drop"),
            size=state.size.at[row].set(size, mode="drop"),
            sketch=state.sketch.at[row].set(sketch, mode="drop"),
            generations=state.generations.at[island].add(1),
        )
        nobody = jnp.zeros((islands, nodes), bool)
        state = _settle(state, nobody.at[island, row].set(observation.valid, mode="drop"))

        oldest = state.generations.max()
        due = oldest - state.migrated >= interval(nodes)
        state = state._replace(migrated=jnp.where(due, oldest, state.migrated))
        arrivals = _neighbors(_migrants(state, migration_rate)) & ~held(state)
        return _settle(state, arrivals & due), slot

    def cancel(state, expansion):
        return cancel_in(_land(state, expansion)[0], expansion)

    def inert(steps):
        if islands == 1:
            yield "map_elites never migrates: `islands` is 1"
        elif (interval(steps) - 1) * islands + 1 >= steps and steps > 1:
            yield (
                f"map_elites never migrates: in {steps} evaluations an island has at most "
                f"{-(-steps // islands)} generations, and `migration_interval` is {interval(steps)}"
            )
        if archive is not None and archive >= steps:
            yield (
                f"the archive of map_elites does not select: its {archive} places hold all "
                f"candidates of {steps} evaluations"
            )

    return Policy(lambda steps: steps, init, ask, tell, cancel, lambda steps: tuple(inert(steps)))


def held(state: GridState) -> Bool[Array, "islands nodes"]:
    """Which nodes hold a cell of which island."""
    islands, nodes = state.grid.shape[0], state.size.shape[0]
    holder = jnp.where(state.grid < 0, nodes, state.grid)
    nobody = jnp.zeros((islands, nodes), bool)
    return nobody.at[jnp.arange(islands)[:, None], holder].set(True, mode="drop")


def _settle(state: GridState, arrivals: Bool[Array, "islands nodes"]) -> GridState:
    """Arrivals take the cells of their islands that are empty or held by something worse."""
    (islands, cells), nodes = state.grid.shape, state.size.shape[0]
    score, bins = state.tree.score, round(np.sqrt(cells))
    features = _features(state)
    new = jnp.where(arrivals[..., None], features, jnp.inf).min(axis=(0, 1))
    low = jnp.minimum(state.low, new)
    new = jnp.where(arrivals[..., None], features, -jnp.inf).max(axis=(0, 1))
    high = jnp.maximum(state.high, new)

    ranged = high > low
    scaled = (features - low) / jnp.where(ranged, high - low, 1.0)
    binned = (jnp.where(ranged, scaled, 0.5) * bins).astype(jnp.int32)
    size_bin, novelty_bin = jnp.moveaxis(jnp.clip(binned, 0, bins - 1), -1, 0)
    cell = jnp.where(arrivals, size_bin * bins + novelty_bin, cells)

    where = (jnp.arange(islands)[:, None], cell)
    best = jnp.full((islands, cells), -jnp.inf).at[where].max(score, mode="drop")
    first = jnp.where(score == best[where], jnp.arange(nodes), nodes)
    challenger = jnp.full((islands, cells), nodes).at[where].min(first, mode="drop")
    holds = jnp.where(state.grid < 0, -jnp.inf, score[state.grid])
    grid = jnp.where(best > holds, challenger, state.grid).astype(jnp.int32)
    return state._replace(grid=grid, low=low, high=high)


def _features(state: GridState) -> Float[Array, "islands nodes 2"]:
    """Size and novelty that each node would have on each island; novelty 0 on an empty one."""
    population = held(state)
    inhabitants = population.sum(axis=1)[:, None]
    center = population @ state.sketch / jnp.maximum(inhabitants, 1)
    distance = jnp.linalg.norm(state.sketch - center[:, None], axis=-1)
    novelty = jnp.where(inhabitants > 0, distance, 0.0)
    return jnp.stack([jnp.broadcast_to(state.size, novelty.shape), novelty], axis=-1)


def _migrants(state: GridState, rate: float) -> Bool[Array, "islands nodes"]:
    """The top of each island, but for those that came from elsewhere."""
    population = held(state)
    score = jnp.where(population, state.tree.score, -jnp.inf)
    order = jnp.argsort(-score, axis=1)
    rank = jnp.argsort(order, axis=1)
    most = jnp.maximum(1, jnp.floor(population.sum(axis=1) * rate))[:, None]
    native = state.home == jnp.arange(population.shape[0])[:, None]
    return population & (rank < most) & native


def _neighbors(migrants: Bool[Array, "islands nodes"]) -> Bool[Array, "islands nodes"]:
    """What arrives on each island of the ring; on itself where it is alone."""
    return jnp.roll(migrants, 1, axis=0) | jnp.roll(migrants, -1, axis=0)


def _measured(params: Params, valid: Bool[Array, ""]):
    """Norm, and a count sketch (Charikar et al. 2002): coordinates with random signs, folded up.

    The sketch keeps distances on average, and exactly where there are at most SKETCH coordinates.
    """
    flat = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(params)])
    signs = np.random.default_rng(0).choice([-1.0, 1.0], flat.shape[0]).astype(np.float32)
    bucket = np.arange(flat.shape[0]) % SKETCH
    sketch = jnp.zeros((SKETCH,)).at[bucket].add(signs * flat)
    return jnp.where(valid, jnp.linalg.norm(flat), 0.0), jnp.where(valid, sketch, 0.0)


def _best(
    score: Float[Array, " nodes"], among: Bool[Array, " nodes"], places: int
) -> Bool[Array, " nodes"]:
    _, rows = jax.lax.top_k(jnp.where(among, score, -jnp.inf), min(places, score.shape[0]))
    return among & jnp.zeros_like(among).at[rows].set(True)


def _fitness(score: Float[Array, " nodes"], among: Bool[Array, " nodes"]):
    low = jnp.where(among, score, jnp.inf).min()
    high = jnp.where(among, score, -jnp.inf).max()
    mapped = jnp.where(high > low, (score - low) / jnp.where(high > low, high - low, 1.0), 1.0)
    return jnp.maximum(jnp.where(among, mapped, 0.0), LEAST_WEIGHT)


def _land(state: GridState, expansion: Expansion) -> tuple[GridState, Int[Array, ""]]:
    """The island that a child of this parent was asked for. Several in flight are alike."""
    sender = _sender(expansion, state.size.shape[0])
    island = jnp.argmax(state.in_flight[sender] > 0)
    return state._replace(in_flight=state.in_flight.at[sender, island].add(-1)), island


def _sender(expansion: Expansion, nodes: int) -> Int[Array, ""]:
    return jnp.where(expansion.parent < 0, nodes, expansion.parent)


def _check(islands, bins, exploration, exploitation, archive, migration_interval, drafts) -> None:
    numbers = {"islands": islands, "bins": bins, "drafts": drafts}
    optional = {"archive": archive, "migration_interval": migration_interval}
    numbers |= {name: value for name, value in optional.items() if value is not None}
    for name, value in numbers.items():
        if value < 1:
            raise ValueError(f"map_elites needs `{name}` of at least 1, got {value}")
    if not (exploration >= 0.0 and exploitation >= 0.0 and exploration + exploitation <= 1.0):
        raise ValueError(
            "`exploration` and `exploitation` are chances and must not add up to more than 1, "
            f"got {exploration} and {exploitation}"
        )
