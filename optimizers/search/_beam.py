"""Beam search: levels of children, of which the best few are expanded next.

Tree-of-Thoughts BFS (Yao et al. 2023, arXiv:2305.10601: breadth b = 3, k = 5 children) with scores
of evaluated candidates in the place of votes.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from optimizers.base import Expansion, Operator, Policy
from optimizers.search._tree import Tree, begin_in, cancel_in, empty_tree, grow


class BeamState(NamedTuple):
    """The tree, the nodes being expanded, and how far this level has come."""

    tree: Tree
    beam: Int[Array, " width"]
    """Nodes of the beam in the order in which they are expanded; -1 for a root."""
    members: Int[Array, ""]
    """How many places of the beam are taken."""
    asked: Int[Array, ""]
    """Children of this level that were asked for."""
    made: Int[Array, ""]
    """Children of this level so far, failed ones included."""
    first: Int[Array, ""]
    """Row of the level's first child."""


def beam(width: int = 3, children: int = 5, operator: Operator = Operator.IMPROVE) -> Policy:
    """Expand every node of the beam `children` times; the best `width` children are the next beam.

    The first level is `children` drafts. Only children compete, so a beam may get worse, as with
    the comma selection of `best_of_n`. Fewer children that run than places make a narrower beam; a
    level without any is tried again from the same beam. Use it with the gate `always`.

    Asked for more before a level is complete it goes on with the last node of the beam; what comes
    late counts in the level in which it comes.

    Args:
      width: b, nodes kept from a level.
      children: k, children of each node of the beam.
      operator: how nodes are expanded.

    Raises:
      ValueError: `width` or `children` is not positive.
    """
    if width < 1 or children < 1:
        raise ValueError(f"beam needs width >= 1 and children >= 1, got {width} and {children}")

    def init(capacity):
        zero = jnp.zeros((), jnp.int32)
        beam = jnp.full((width,), -1, jnp.int32)
        return BeamState(empty_tree(capacity), beam, zero + 1, zero, zero, zero)

    def ask(state, key):
        del key
        node = state.beam[jnp.minimum(state.asked // children, state.members - 1)]
        chosen = jnp.where(node < 0, Operator.DRAFT, operator).astype(jnp.int32)
        expansion = Expansion(parent=node, operator=chosen)
        return expansion, begin_in(state._replace(asked=state.asked + 1), expansion)

    def tell(state, expansion, observation, accepted):
        del accepted
        tree, slot = grow(state.tree, expansion, observation)
        made = state.made + 1
        rows = jnp.arange(tree.score.shape[0])
        runs = tree.good & (rows >= state.first)
        level = state.members * children
        over = made >= level
        advances = over & runs.any()
        best = _best(jnp.where(runs, tree.score, -jnp.inf), runs, width)
        return BeamState(
            tree=tree,
            beam=jnp.where(advances, best, state.beam),
            members=jnp.where(advances, jnp.minimum(runs.sum(), width), state.members),
            asked=state.asked - jnp.where(over, level, 0),
            made=jnp.where(over, 0, made),
            first=jnp.where(over, tree.size, state.first),
        ), slot

    def cancel(state, expansion):
        return cancel_in(state._replace(asked=state.asked - 1), expansion)

    return Policy(lambda steps: steps, init, ask, tell, cancel)


def _best(score: Array, runs: Bool[Array, " nodes"], width: int) -> Int[Array, " width"]:
    """Rows of the best nodes that run, best first, the earliest of equals; -1 in empty places."""
    places = min(width, score.shape[0])
    _, rows = jax.lax.top_k(score, places)
    rows = jnp.where(jnp.arange(places) < runs.sum(), rows, -1).astype(jnp.int32)
    return jnp.pad(rows, (0, width - places), constant_values=-1)
