r"""AIRA-dojo's evolutionary search (Toledo et al. 2025, arXiv:2507.02554), from FunSearch's islands
(Romera-Paredes et al. 2024) and REvolve (arXiv:2406.01309).

Generation 0 is drafts, each in a random island. Later, an individual is a crossover of two parents
with probability `crossover_probability` (from generation `crossover_from` on), else an improvement
of one. Its island is drawn from the softmax of the islands' mean fitness over the temperature, its
parents from the softmax of the members' fitness, without replacement; fitness is the score mapped
to [0, 1] by the range seen so far (1/2 where there is no range). An individual that fails is
repaired on the spot; beyond `max_debug_depth` repairs it is dropped. When a generation is complete
its individuals, in order, enter their islands if their score is at least the island's mean, and the
worst member leaves an island that is too large. After that, with some probability, half of the
islands keep only their best and receive a migrant from one of the others: not its best, by softmax.

Deviations: the half that is reset is the weaker one, which the released code says and FunSearch
does; as released its order makes it the fitter one (`resets="fitter"`). Equal islands are ranked by
number, not by lot. Where no island has two members the released code stops, and this one improves.
The temperature runs over the generations of the run's own budget, not over 100.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, UInt32

from optimizers.base import Expansion, Operator, Policy
from optimizers.search._tree import (
    Tree,
    begin_in,
    cancel_in,
    choose_by_weight,
    choose_uniformly,
    empty_tree,
    grow,
    or_nowhere,
)


class EvoState(NamedTuple):
    """The tree, who lives on which island, and the generation under way."""

    tree: Tree
    home: Int[Array, " nodes"]
    """Island that a node was made for; of a migrant, the one it went to."""
    member: Bool[Array, " nodes"]
    """Which nodes live on their island."""
    generation: Int[Array, ""]
    finished: Int[Array, ""]
    """Individuals of this generation that run or are beyond repair."""
    offspring: Int[Array, " individuals"]
    """Rows of those that run, in the order in which they were finished; -1 in other places."""
    low: Float[Array, ""]
    """Lowest score of all generations before this one."""
    high: Float[Array, ""]
    seed: UInt32[Array, ""]
    """Drawn by the last `ask`, for `tell`, which has no key."""


def aira_evo(
    individuals: int = 5,
    islands: int = 1,
    max_island_size: int = 500,
    crossover_probability: float = 0.5,
    crossover_from: int = 2,
    initial_temperature: float = 1.0,
    final_temperature: float = 1.0,
    max_debug_depth: int = 10,
    migration_probability: float = 0.0,
    migration_from: int = 1,
    resets: Literal["weaker", "fitter"] = "weaker",
    operator: Operator = Operator.IMPROVE,
) -> Policy:
    """Generations of improvements and crossovers on islands. Use it with the gate `always`.

    Asked for more before a generation is complete it goes on sampling from the islands as they are;
    what comes late counts in the generation in which it comes. Numbers of generations are not
    rescaled: 2 of 5 individuals are 10 evaluations in any budget. The temperature is: it falls
    linearly from the first generation to the last that the budget allows, repairs not counted.

    Args:
      individuals: size of a generation.
      islands: populations that meet only by migration.
      max_island_size: most members of one.
      crossover_probability: share of crossovers among new individuals.
      crossover_from: first generation that may cross, counted from 0.
      initial_temperature: of both softmaxes, in units of the range of scores.
      final_temperature: what it falls to, or rises.
      max_debug_depth: repairs that a failed individual may take.
      migration_probability: of a reset after a generation.
      migration_from: first generation that a reset may follow; 1 at least.
      resets: the half of the islands, ranked by their best, that is reset.
      operator: how one parent is expanded.

    Raises:
      ValueError: a number is out of its range.
    """
    _check(locals())

    def init(capacity):
        zero, nothing = jnp.zeros((), jnp.int32), jnp.full((), jnp.inf)
        return EvoState(
            tree=empty_tree(capacity),
            home=jnp.zeros((capacity,), jnp.int32),
            member=jnp.zeros((capacity,), bool),
            generation=zero,
            finished=zero,
            offspring=jnp.full((individuals,), -1, jnp.int32),
            low=nothing,
            high=-nothing,
            seed=jnp.zeros((), jnp.uint32),
        )

    def temperature(state):
        generations = _generations(state.member.shape[0], individuals)
        done = state.generation / generations
        return initial_temperature - (initial_temperature - final_temperature) * done

    def ask(state, key):
        key_operator, key_island, key_one, key_other, key_seed = jax.random.split(key, 5)
        tree, fitness = state.tree, _fitness(state)
        broken = tree.buggy & (tree.children == 0) & (tree.debug_depth < max_debug_depth)
        repairs = broken.any()
        drafts = ~repairs & ((state.generation == 0) | ~state.member.any())

        inhabited = _populations(state, islands)
        sizes = inhabited.sum(axis=1)
        tossed = jax.random.uniform(key_operator) < crossover_probability
        may_cross = (state.generation >= crossover_from) & (sizes >= 2).any()
        crosses = ~repairs & ~drafts & tossed & may_cross

        means = jnp.where(inhabited, fitness, 0.0).sum(axis=1) / jnp.maximum(sizes, 1)
        heat = temperature(state)
        island = choose_by_weight(key_island, means / heat, sizes >= jnp.where(crosses, 2, 1))
        one = choose_by_weight(key_one, fitness / heat, inhabited[island])
        others = inhabited[island].at[one].set(False)
        other = choose_by_weight(key_other, fitness / heat, others)

        parent = jnp.where(repairs, jnp.argmax(broken), jnp.where(drafts, -1, one))
        chosen = jnp.where(crosses, Operator.CROSSOVER, operator)
        chosen = jnp.where(drafts, Operator.DRAFT, chosen)
        expansion = Expansion(
            parent=parent.astype(jnp.int32),
            operator=jnp.where(repairs, Operator.DEBUG, chosen).astype(jnp.int32),
            other=jnp.where(crosses, other, -1).astype(jnp.int32),
        )
        state = state._replace(seed=jax.random.bits(key_seed, dtype=jnp.uint32))
        return expansion, begin_in(state, expansion)

    def tell(state, expansion, observation, accepted):
        del accepted
        key = jax.random.fold_in(jax.random.key(state.seed), state.tree.size)
        key_home, key_migration = jax.random.split(key)
        tree, slot = grow(state.tree, expansion, observation)
        drafted = jax.random.randint(key_home, (), 0, islands)
        home = jnp.where(expansion.parent < 0, drafted, state.home[expansion.parent])
        runs = observation.valid & (slot >= 0)
        over = runs | (slot < 0) | (tree.debug_depth[slot] >= max_debug_depth)
        place = jnp.where(over, state.finished, individuals)
        state = state._replace(
            tree=tree,
            home=state.home.at[or_nowhere(slot, tree.parent.shape[0])].set(home, mode="drop"),
            finished=state.finished + over,
            offspring=state.offspring.at[place].set(jnp.where(runs, slot, -1), mode="drop"),
        )
        complete = state.finished >= individuals
        closed = _close(state, max_island_size)
        if migration_probability > 0 and islands > 1:
            key_coin, key_migration = jax.random.split(key_migration)
            migrates = state.generation >= max(migration_from, 1)
            migrates &= jax.random.uniform(key_coin) < migration_probability
            moved = _reset(closed, key_migration, islands, resets)
            closed = _select(migrates, moved, closed)
        return _select(complete, closed, state), slot

    def inert(steps):
        reached = _generations(steps, individuals)
        short = f"{steps} evaluations are at most {reached} generations of {individuals}"
        if crossover_probability > 0 and crossover_from >= reached:
            yield f"aira_evo never crosses: {short}, and `crossover_from` is {crossover_from}"
        if initial_temperature != final_temperature and reached < 3:
            yield f"the temperature of aira_evo never changes: {short}, of which the first drafts"
        if migration_probability > 0 and islands == 1:
            yield "aira_evo never migrates: `islands` is 1"
        elif migration_probability > 0 and max(migration_from, 1) + 1 >= reached:
            yield f"aira_evo never migrates: {short}, and `migration_from` is {migration_from}"

    return Policy(
        lambda steps: steps, init, ask, tell, cancel_in, lambda steps: tuple(inert(steps))
    )


def _close(state: EvoState, max_island_size: int) -> EvoState:
    """The end of a generation: who runs enters its island, if it is good enough for it."""
    score = state.tree.score

    def enter(i, state):
        row = state.offspring[i]
        seen = jnp.where(row < 0, jnp.nan, score[row])
        here = state.home == state.home[row]
        peers = state.member & here
        mean = jnp.where(peers, score, 0.0).sum() / jnp.maximum(peers.sum(), 1)
        welcome = (state.generation == 0) | ~peers.any() | (seen >= mean)
        entered = jnp.where((row >= 0) & welcome, row, -1)
        member = state.member.at[or_nowhere(entered, score.shape[0])].set(True, mode="drop")
        peers = member & here
        worst = jnp.argmin(jnp.where(peers, score, jnp.inf))
        left = jnp.where(peers.sum() > max_island_size, worst, -1)
        return state._replace(
            member=member.at[or_nowhere(left, score.shape[0])].set(False, mode="drop"),
            low=jnp.fmin(state.low, seen),
            high=jnp.fmax(state.high, seen),
        )

    state = jax.lax.fori_loop(0, state.offspring.shape[0], enter, state)
    return state._replace(
        generation=state.generation + 1,
        finished=jnp.zeros_like(state.finished),
        offspring=jnp.full_like(state.offspring, -1),
    )


def _reset(state: EvoState, key: Key[Array, ""], islands: int, resets: str) -> EvoState:
    """Half of the islands keep their best and get a migrant from an island of the other half."""
    score, fitness = state.tree.score, _fitness(state)
    best = jnp.where(_populations(state, islands), score, -jnp.inf).max(axis=1)
    order = jnp.argsort(best if resets == "weaker" else -best)
    half = islands // 2
    kept = jnp.zeros((islands,), bool).at[order[half:]].set(True)

    def reset(i, state):
        key_founder, key_migrant = jax.random.split(jax.random.fold_in(key, i))
        inhabited = _populations(state, islands)
        here = inhabited[order[i]]
        stays = jnp.argmax(jnp.where(here, score, -jnp.inf))
        founders = kept & (inhabited.sum(axis=1) > 1)
        founder = choose_uniformly(key_founder, founders)
        donors = founders.any() & inhabited[founder] & (score != best[founder])
        migrant = choose_by_weight(key_migrant, fitness, donors)
        moves = or_nowhere(jnp.where(donors.any(), migrant, -1), score.shape[0])
        return state._replace(
            member=state.member & ~here.at[stays].set(False),
            home=state.home.at[moves].set(order[i].astype(jnp.int32), mode="drop"),
        )

    return jax.lax.fori_loop(0, half, reset, state)


def _fitness(state: EvoState) -> Float[Array, " nodes"]:
    """Scores in the range of earlier generations, mapped to [0, 1]."""
    ranged = state.high > state.low
    width = jnp.where(ranged, state.high - state.low, 1.0)
    mapped = jnp.where(ranged, (state.tree.score - state.low) / width, 0.5)
    return jnp.where(state.tree.good, mapped, 0.0)


def _populations(state: EvoState, islands: int) -> Bool[Array, "islands nodes"]:
    return state.member & (state.home == jnp.arange(islands)[:, None])


def _generations(steps: int, individuals: int) -> int:
    return -(-steps // individuals)


def _select(condition, if_true, if_false):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), if_true, if_false)


def _check(settings: dict) -> None:
    for name in ("individuals", "islands", "max_island_size"):
        if settings[name] < 1:
            raise ValueError(f"aira_evo needs `{name}` of at least 1, got {settings[name]}")
    for name in ("crossover_from", "max_debug_depth", "migration_from"):
        if settings[name] < 0:
            raise ValueError(f"`{name}` must not be negative, got {settings[name]}")
    for name in ("crossover_probability", "migration_probability"):
        if not 0.0 <= settings[name] <= 1.0:
            raise ValueError(f"`{name}` must lie in [0, 1], got {settings[name]}")
    for name in ("initial_temperature", "final_temperature"):
        if not settings[name] > 0.0:
            raise ValueError(f"`{name}` must be positive, got {settings[name]}")
    if settings["resets"] not in ("weaker", "fitter"):
        raise ValueError(f"`resets` must be 'weaker' or 'fitter', got {settings['resets']!r}")
