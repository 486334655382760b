"""The node arrays that tree searches share."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from optimizers.base import Expansion, Observation, Operator


class Tree(NamedTuple):
    """Nodes in the order in which they were evaluated; row `i` exists iff `i < size`."""

    size: Int[Array, ""]
    parent: Int[Array, " nodes"]
    score: Float[Array, " nodes"]
    valid: Bool[Array, " nodes"]
    children: Int[Array, " nodes"]
    """Including those in flight."""
    drafts: Int[Array, ""]
    """Nodes without a parent, failed ones and those in flight included."""
    debug_depth: Int[Array, " nodes"]
    """Consecutive debug edges that lead to the node."""

    @property
    def exists(self) -> Bool[Array, " nodes"]:
        return jnp.arange(self.parent.shape[0]) < self.size

    @property
    def good(self) -> Bool[Array, " nodes"]:
        return self.exists & self.valid

    @property
    def buggy(self) -> Bool[Array, " nodes"]:
        return self.exists & ~self.valid


def empty_tree(capacity: int) -> Tree:
    """A tree without nodes that can hold `capacity` of them."""
    integers = jnp.zeros((capacity,), jnp.int32)
    return Tree(
        size=jnp.zeros((), jnp.int32),
        parent=integers - 1,
        score=jnp.full((capacity,), -jnp.inf),
        valid=jnp.zeros((capacity,), bool),
        children=integers,
        drafts=jnp.zeros((), jnp.int32),
        debug_depth=integers,
    )


def begin(tree: Tree, expansion: Expansion) -> Tree:
    """Count the child that was asked for, before it is known what becomes of it."""
    return _count(tree, expansion, 1)


def cancel(tree: Tree, expansion: Expansion) -> Tree:
    """Undo `begin` for an expansion that came to no candidate."""
    return _count(tree, expansion, -1)


def _count(tree: Tree, expansion: Expansion, change: int) -> Tree:
    counted = or_nowhere(expansion.parent, tree.parent.shape[0])
    return tree._replace(
        children=tree.children.at[counted].add(change, mode="drop"),
        drafts=tree.drafts + jnp.where(expansion.parent < 0, change, 0),
    )


def grow(tree: Tree, expansion: Expansion, observation: Observation) -> tuple[Tree, Int[Array, ""]]:
    """Append the candidate of an expansion that began; it becomes a node even if it failed.

    Returns:
      The tree and the new node's row, -1 if the tree is full (the node is then not kept).
    """
    full = tree.size >= tree.parent.shape[0]
    row = jnp.where(full, tree.parent.shape[0], tree.size)
    parent = expansion.parent
    depth = jnp.where(expansion.operator == Operator.DEBUG, tree.debug_depth[parent] + 1, 0)
    grown = tree._replace(
        size=jnp.minimum(tree.size + 1, tree.parent.shape[0]),
        parent=tree.parent.at[row].set(parent, mode="drop"),
        score=tree.score.at[row].set(
            jnp.where(observation.valid, observation.score, -jnp.inf), mode="drop"
        ),
        valid=tree.valid.at[row].set(observation.valid, mode="drop"),
        debug_depth=tree.debug_depth.at[row].set(depth, mode="drop"),
    )
    return grown, jnp.where(full, -1, row)


def or_nowhere(row: Int[Array, "..."], nodes: int) -> Int[Array, "..."]:
    """The row to write to with `mode="drop"`, where -1 stands for none: a negative one would wrap.

    Args:
      row: from -1 to `nodes - 1`.
      nodes: rows that there are.
    """
    return jnp.where(row < 0, nodes, row)


def lineage(tree: Tree, node: Int[Array, ""]) -> Bool[Array, " nodes"]:
    """Which nodes are `node` or above it; none for -1."""

    def climb(carry):
        node, seen = carry
        return tree.parent[node], seen.at[node].set(True)

    nobody = jnp.zeros(tree.parent.shape, bool)
    return jax.lax.while_loop(lambda carry: carry[0] >= 0, climb, (node, nobody))[1]


def choose_uniformly(key: Key[Array, ""], allowed: Bool[Array, " nodes"]) -> Int[Array, ""]:
    """A random index among the allowed ones; meaningless if there are none."""
    return jnp.argmax(jax.random.gumbel(key, allowed.shape) + jnp.where(allowed, 0.0, -jnp.inf))


def choose_by_weight(
    key: Key[Array, ""], log_weight: Float[Array, " n"], allowed: Bool[Array, " n"]
) -> Int[Array, ""]:
    """A random index among the allowed ones, with probability proportional to its weight."""
    noisy = jax.random.gumbel(key, allowed.shape) + log_weight
    return jnp.argmax(jnp.where(allowed, noisy, -jnp.inf))


class HoldsTree(Protocol):
    """State of a policy that keeps a tree beside other things."""

    @property
    def tree(self) -> Tree: ...

    def _replace(self, *, tree: Tree) -> Any: ...


def begin_in(state: HoldsTree, expansion: Expansion) -> Any:
    """`begin`, in a state that holds a tree."""
    return state._replace(tree=begin(state.tree, expansion))


def cancel_in(state: HoldsTree, expansion: Expansion) -> Any:
    """`cancel`, in a state that holds a tree."""
    return state._replace(tree=cancel(state.tree, expansion))
