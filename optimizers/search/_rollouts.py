"""Search by rollouts: what ML-Master and MLEvolve share.

A rollout goes on from the node it has just produced, depth first, until something ends it; only
then is its reward added to every node above, and the next one starts where UCT says. A branch is a
draft with all that grew from it. It is locked while a rollout that was started by UCT is under way
in it, and UCT skips locked branches at the root.

Several rollouts may be under way at once, one for each candidate in flight: a node from which one
goes on is marked when it is told, and `ask` serves the marks in that order before it selects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from optimizers.base import Expansion, Observation, Operator
from optimizers.search._rollout_rules import Rules
from optimizers.search._tree import Tree, begin, cancel_in, empty_tree, grow, lineage, or_nowhere


class Rollouts(NamedTuple):
    """The tree with what was backed up, and the rollouts under way."""

    tree: Tree
    visits: Int[Array, " nodes"]
    total: Float[Array, " nodes"]
    """Sum of the rewards backed up through each node."""
    ended: Int[Array, ""]
    """Visits of the root."""
    branch: Int[Array, " nodes"]
    """Row of the draft that the node grew from."""
    local_best: Int[Array, " nodes"]
    """Best of the node and what it grew from, as far as that was noticed; -1 if nothing ran."""
    failures: Int[Array, " nodes"]
    """Failures to improve on the node, as a local best, in the rollout under way."""
    terminal: Bool[Array, " nodes"]
    passes: Bool[Array, " nodes"]
    """Whether selection goes on to its children though it may have more (`continue_improve`)."""
    goes_on: Bool[Array, " nodes"]
    """Whether a rollout goes on from here."""
    locked: Bool[Array, " nodes"]
    """Of a branch, in the row of its draft."""


class Picked(NamedTuple):
    """What a selection came to."""

    node: Int[Array, ""]
    """-1 for the root."""
    open: Bool[Array, ""]
    """Whether the node may have another child."""
    exploits: Bool[Array, ""]
    """Whether it was chosen by its score, which locks nothing."""


def no_rollouts(capacity: int) -> Rollouts:
    """A search that has not started."""
    integers, never = jnp.zeros((capacity,), jnp.int32), jnp.zeros((capacity,), bool)
    return Rollouts(
        tree=empty_tree(capacity),
        visits=integers,
        total=jnp.zeros((capacity,)),
        ended=jnp.zeros((), jnp.int32),
        branch=integers,
        local_best=integers - 1,
        failures=integers,
        terminal=never,
        passes=never,
        goes_on=never,
        locked=never,
    )


def open_nodes(state: Rollouts, improves: Int[Array, " nodes"] | int) -> Bool[Array, " nodes"]:
    """Which nodes may have another child; a failed one has a single repair."""
    room = state.tree.children < jnp.where(state.tree.valid, improves, 1)
    return state.tree.exists & ~state.terminal & room


def descend(
    state: Rollouts,
    start: Int[Array, ""] | int,
    constant: Float[Array, ""],
    drafts: Bool[Array, ""],
    expandable: Bool[Array, " nodes"],
) -> Int[Array, ""]:
    """Follow the largest UCT value down to a node that is terminal or to be expanded.

    Args:
      state: of the search.
      start: node to start from, -1 for the root.
      constant: C of UCT.
      drafts: whether the root may have another draft.
      expandable: nodes that may have another child.

    Returns:
      The node; a dead end where all children of a full node are in flight or locked.
    """
    tree, visits = state.tree, state.visits

    def below(node):
        return tree.exists & (tree.parent == node) & ((node >= 0) | ~state.locked)

    def stays(node):
        at_root = node < 0
        room = jnp.where(at_root, drafts, expandable[node])
        wanted = room & (at_root | ~state.passes[node])
        return wanted | (~at_root & state.terminal[node]) | ~below(node).any()

    def best(node):
        above = jnp.maximum(jnp.where(node < 0, state.ended, visits[node]), 1)
        n = jnp.maximum(visits, 1)
        value = state.total / n + constant * jnp.sqrt(jnp.log(above) / n)
        value = jnp.where(visits > 0, value, jnp.inf)
        return jnp.argmax(jnp.where(below(node), value, -jnp.inf)).astype(jnp.int32)

    return jax.lax.while_loop(lambda node: ~stays(node), best, jnp.asarray(start, jnp.int32))


def select(
    state: Rollouts,
    key: Key[Array, ""],
    pick: Callable[[Rollouts, Key[Array, ""]], Picked],
    expandable: Bool[Array, " nodes"],
    wanted: Bool[Array, ""],
) -> tuple[Picked, Rollouts]:
    """Where the next rollout starts.

    Picking a terminal node counts a visit without a reward, and the next pick follows at once. Of a
    dead end (or after as many terminal picks as there are rows), it is the best node that may be
    expanded, locked or not; the root if there is none.

    Args:
      state: of the search.
      key: for the picks.
      pick: one pick.
      expandable: nodes that may have another child.
      wanted: whether a selection is wanted; its result means nothing otherwise.

    Returns:
      What was picked; the search with terminal visits counted and the branch locked.
    """

    def ends_at_once(carry):
        picked, state, tries = carry
        again = (picked.node >= 0) & state.terminal[picked.node]
        return wanted & again & (tries < state.visits.shape[0])

    def once_more(carry):
        picked, state, tries = carry
        state = backpropagate(state, picked.node, 0.0)
        return pick(state, jax.random.fold_in(key, tries)), state, tries + 1

    start = (pick(state, key), state, jnp.zeros((), jnp.int32))
    picked, state, _ = jax.lax.while_loop(ends_at_once, once_more, start)

    score = jnp.maximum(state.tree.score, jnp.finfo(state.tree.score.dtype).min)
    best = jnp.argmax(jnp.where(expandable, score, -jnp.inf))
    instead = jnp.where(expandable.any(), best, -1).astype(jnp.int32)
    node = jnp.where(picked.open, picked.node, instead)
    picked = Picked(node, picked.open, picked.exploits & picked.open)
    locks = wanted & (node >= 0) & ~picked.exploits
    branch = jnp.where(locks, state.branch[node], state.locked.shape[0])
    return picked, state._replace(locked=state.locked.at[branch].set(True, mode="drop"))


def expand(
    state: Rollouts, node: Int[Array, ""], operator: Int[Array, ""] | int
) -> tuple[Expansion, Rollouts]:
    """Ask for a child of a node: a draft of the root, a repair of what failed."""
    chosen = jnp.where(state.tree.valid[node], operator, Operator.DEBUG)
    chosen = jnp.where(node < 0, Operator.DRAFT, chosen).astype(jnp.int32)
    expansion = Expansion(parent=node.astype(jnp.int32), operator=chosen)
    served = or_nowhere(node, state.goes_on.shape[0])
    return expansion, state._replace(
        tree=begin(state.tree, expansion),
        goes_on=state.goes_on.at[served].set(False, mode="drop"),
    )


class Judgement(NamedTuple):
    """A candidate beside the local best of its parent."""

    gain: Float[Array, ""]
    """+inf if nothing ran before it."""
    short: Bool[Array, ""]
    """Whether it runs and gains less than the threshold."""
    gives_up: Bool[Array, ""]
    """Whether that is one failure to improve too many."""
    deep: Bool[Array, ""]
    """Whether it failed after so many repairs that the rollout ends."""
    hopeless: Bool[Array, ""]
    """Whether it failed after so many that it is not repaired again."""
    new_best: Bool[Array, ""]
    """Whether it is better than everything before it; not the first that runs."""


def judge(
    state: Rollouts, expansion: Expansion, observation: Observation, rules: Rules
) -> Judgement:
    """Compare a candidate with the local best, before it is stored."""
    tree, parent, runs = state.tree, expansion.parent, observation.valid
    best = _local_best(state, parent)
    reference = jnp.where(best >= 0, tree.score[best], -jnp.inf)
    gain = observation.score - reference
    size = jnp.where(best >= 0, jnp.abs(reference), 0.0) if rules.relative else 1.0
    short = runs & (best >= 0) & (gain < rules.threshold * size)
    repairs = expansion.operator == Operator.DEBUG
    depth = jnp.where(repairs, tree.debug_depth[parent] + 1, 0)
    deep = ~runs & (depth >= rules.back_debug_depth)
    before = jnp.where(tree.good, tree.score, -jnp.inf).max()
    return Judgement(
        gain=gain,
        short=short,
        gives_up=short & (state.failures[best] >= rules.max_failures),
        deep=deep,
        hopeless=deep & (depth >= rules.max_debug_depth),
        new_best=runs & tree.good.any() & (observation.score > before),
    )


def _local_best(state: Rollouts, node: Int[Array, ""]) -> Int[Array, ""]:
    return jnp.where(node >= 0, state.local_best[node], -1)


def record(
    state: Rollouts,
    expansion: Expansion,
    observation: Observation,
    *,
    improves: Bool[Array, ""],
    fails: Bool[Array, ""],
    terminal: Bool[Array, ""],
    passes: Bool[Array, ""],
    ends: Bool[Array, ""],
    reward: Float[Array, ""],
) -> tuple[Rollouts, Int[Array, ""]]:
    """Store a candidate; end its rollout or let it go on from there.

    Args:
      state: of the search.
      expansion: what was asked for.
      observation: what the world saw.
      improves: whether the candidate is the new local best, if it runs.
      fails: whether it counts as a failure to improve on the old one.
      terminal: whether nothing grows from it.
      passes: whether selection goes on to its children, and those of all above it once the
        rollout ends.
      ends: whether the rollout ends; it does if the tree is full.
      reward: of the rollout.

    Returns:
      The search, and the candidate's row (-1: the tree is full).
    """
    nodes, parent = state.visits.shape[0], expansion.parent
    old = _local_best(state, parent)
    tree, slot = grow(state.tree, expansion, observation)
    row = or_nowhere(slot, nodes)
    drafted = parent < 0
    improved = observation.valid & improves
    branch = jnp.where(drafted, slot, state.branch[parent])
    state = state._replace(
        tree=tree,
        branch=state.branch.at[row].set(branch, mode="drop"),
        local_best=state.local_best.at[row].set(jnp.where(improved, slot, old), mode="drop"),
        failures=state.failures.at[or_nowhere(old, nodes)].add(fails, mode="drop"),
        terminal=state.terminal.at[row].set(terminal, mode="drop"),
        passes=state.passes.at[row].set(passes, mode="drop"),
        locked=state.locked.at[jnp.where(drafted, row, nodes)].set(True, mode="drop"),
    )
    ends = ends | (slot < 0)
    last = jnp.where(slot < 0, parent, slot)
    state = backpropagate(state, jnp.where(ends, last, -1), reward)
    mark = jnp.where(ends, nodes, row)
    return state._replace(goes_on=state.goes_on.at[mark].set(True, mode="drop")), slot


def backpropagate(
    state: Rollouts, node: Int[Array, ""], reward: Float[Array, ""] | float, visits: int = 1
) -> Rollouts:
    """End a rollout at a node: reward and visit to all above, failures forgotten, branch unlocked.

    Args:
      state: of the search.
      node: the rollout's last; -1 changes nothing.
      reward: of the rollout.
      visits: 0 for a rollout that came to nothing.
    """
    above = lineage(state.tree, node)
    branch = jnp.where(node >= 0, state.branch[node], state.locked.shape[0])
    return state._replace(
        visits=state.visits + visits * above,
        total=state.total + jnp.where(above, reward, 0.0),
        ended=state.ended + visits * (node >= 0),
        failures=jnp.where(above, 0, state.failures),
        passes=jnp.where(above, state.passes[node], state.passes),
        locked=state.locked.at[branch].set(False, mode="drop"),
    )


def cancel_rollout(state: Rollouts, expansion: Expansion) -> Rollouts:
    """What was asked for came to no candidate: its rollout ends without a visit or a reward."""
    return backpropagate(cancel_in(state, expansion), expansion.parent, 0.0, visits=0)
