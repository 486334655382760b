r"""AIRA-dojo's Monte-Carlo tree search (Toledo et al. 2025, arXiv:2507.02554).

From the root, follow the child with the largest

.. math:: \frac{Q_i - Q_{min}}{Q_{max} - Q_{min}} + c \sqrt{\ln N_{parent} / n_i}

to a node without children, and make all of that node's children at once: drafts below the root,
improvements elsewhere. A child that fails is repaired on the spot, until it runs or the limit is
reached. What runs adds its score and a visit to every node above it, the chain of repairs included;
what is never mended adds nothing and is never selected.

Deviations: where all children of a node were beyond repair the node is expanded once more (the
released agent would improve a failed node). Q is the mean score; the released range of Q is shifted
for metrics where lower is better, which changes no ordering.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from optimizers.base import Expansion, Operator, Policy
from optimizers.search._tree import Tree, begin_in, cancel_in, empty_tree, grow, lineage


class MctsState(NamedTuple):
    """The tree with what was backed up, and the expansion under way."""

    tree: Tree
    visits: Int[Array, " nodes"]
    total: Float[Array, " nodes"]
    """Sum of the scores backed up through each node."""
    evaluated: Int[Array, ""]
    """Visits of the root: candidates that ran."""
    expanding: Int[Array, ""]
    """Node whose children are being made, -1 for the root."""
    remaining: Int[Array, ""]
    """Children still to ask for."""


def aira_mcts(
    exploration: float = 0.25,
    children: int = 5,
    max_debug_depth: int = 20,
    operator: Operator = Operator.IMPROVE,
) -> Policy:
    """UCT over solutions, with families of children and repairs on the spot. Use the gate `always`.

    With `children` much smaller than the budget it searches; a budget of a few times `children`
    makes it best-of-n of drafts and a family or two.

    Args:
      exploration: c.
      children: size of a family.
      max_debug_depth: repairs that a failed candidate may take.
      operator: how nodes are expanded.

    Raises:
      ValueError: `children` is not positive, or another number is negative.
    """
    if children < 1:
        raise ValueError(f"aira_mcts needs at least one child a node, got children={children}")
    if not exploration >= 0.0 or max_debug_depth < 0:
        raise ValueError(
            "`exploration` and `max_debug_depth` must not be negative, "
            f"got {exploration} and {max_debug_depth}"
        )

    def init(capacity):
        zero, nothing = jnp.zeros((), jnp.int32), jnp.full((), -1, jnp.int32)
        return MctsState(
            tree=empty_tree(capacity),
            visits=jnp.zeros((capacity,), jnp.int32),
            total=jnp.zeros((capacity,)),
            evaluated=zero,
            expanding=nothing,
            remaining=zero + children,
        )

    def ask(state, key):
        del key
        tree = state.tree
        broken = tree.buggy & (tree.children == 0) & (tree.debug_depth < max_debug_depth)
        repairs = broken.any()
        selects = ~repairs & (state.remaining == 0)
        node = jnp.where(selects, _select(state, exploration), state.expanding)
        remaining = jnp.where(selects, children, state.remaining) - ~repairs
        expands = jnp.where(node < 0, Operator.DRAFT, operator)
        expansion = Expansion(
            parent=jnp.where(repairs, jnp.argmax(broken), node).astype(jnp.int32),
            operator=jnp.where(repairs, Operator.DEBUG, expands).astype(jnp.int32),
        )
        state = state._replace(expanding=node, remaining=remaining)
        return expansion, begin_in(state, expansion)

    def tell(state, expansion, observation, accepted):
        del accepted
        tree, slot = grow(state.tree, expansion, observation)
        runs = observation.valid & (slot >= 0)
        family = lineage(tree, jnp.where(runs, slot, -1))
        return state._replace(
            tree=tree,
            visits=state.visits + family,
            total=state.total + jnp.where(family, observation.score, 0.0),
            evaluated=state.evaluated + runs,
        ), slot

    return Policy(lambda steps: steps, init, ask, tell, cancel_in)


def _select(state: MctsState, exploration: float) -> Int[Array, ""]:
    """The node to expand: down from the root (-1) along the largest UCT value."""
    tree, visited = state.tree, state.visits > 0
    mean = state.total / jnp.maximum(state.visits, 1)
    low = jnp.where(visited, mean, jnp.inf).min()
    high = jnp.where(visited, mean, -jnp.inf).max()
    value = jnp.where(high > low, (mean - low) / jnp.where(high > low, high - low, 1.0), 0.5)

    def live(node):
        return tree.exists & visited & (tree.parent == node)

    def descend(node):
        above = jnp.where(node < 0, state.evaluated, state.visits[node])
        bonus = jnp.sqrt(jnp.log(above) / jnp.maximum(state.visits, 1))
        return jnp.argmax(jnp.where(live(node), value + exploration * bonus, -jnp.inf))

    root = jnp.full((), -1, jnp.int32)
    return jax.lax.while_loop(
        lambda node: live(node).any(), lambda node: descend(node).astype(jnp.int32), root
    )
