r"""R&D-Agent's PUCT scheduler over traces (Microsoft, `MCTSScheduler`).

Start a number of traces, then continue from the past experiment with the largest

.. math:: Q_i + c \, P_i \sqrt{\max(1, \sum_j n_j)} / (1 + n_i), \qquad P_i = 1 / (\text{nodes}).

Any node may be selected, not only leaves. A selected node's child is worth 1 if it was accepted and
0 if not; worth and a visit are added to the selected node and all above it, Q is their ratio (0
where nothing was added).

Deviations: nodes that failed are not selected (there a failed experiment is a trace's latest state
and is repaired inside a step). With `score_reward` an accepted child is worth tanh(score) and any
other -1; the released code rewards rejected nodes more where a metric is to be minimised, which
scores that are higher-is-better cannot reproduce and should not.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from optimizers.base import Expansion, Operator, Policy
from optimizers.search._tree import Tree, begin_in, cancel_in, empty_tree, grow, lineage


class PuctState(NamedTuple):
    """The tree with what was backed up."""

    tree: Tree
    visits: Int[Array, " nodes"]
    """Including those in flight."""
    total: Float[Array, " nodes"]


def puct_traces(
    traces: int = 3,
    exploration: float = 1.0,
    score_reward: bool = False,
    operator: Operator = Operator.DESCEND,
) -> Policy:
    """PUCT over all nodes of several traces. Its reward is the gate's verdict: use `improved`.

    Args:
      traces: roots to start with (the released default is 1).
      exploration: c.
      score_reward: whether the size of an accepted score counts.
      operator: how nodes are expanded.

    Raises:
      ValueError: `traces` is not positive, or `exploration` is negative.
    """
    if traces < 1:
        raise ValueError(f"puct_traces needs at least one trace, got traces={traces}")
    if not exploration >= 0.0:
        raise ValueError(f"`exploration` must not be negative, got {exploration}")

    def init(capacity):
        nothing = jnp.zeros((capacity,), jnp.int32)
        return PuctState(empty_tree(capacity), nothing, jnp.zeros((capacity,)))

    def ask(state, key):
        del key
        tree = state.tree
        worth = state.total / jnp.maximum(state.visits, 1)
        prior = 1.0 / jnp.maximum(tree.size, 1)
        explored = jnp.sqrt(jnp.maximum(1, state.visits.sum())) / (1 + state.visits)
        node = jnp.argmax(jnp.where(tree.good, worth + exploration * prior * explored, -jnp.inf))
        wants_draft = (tree.drafts < traces) | ~tree.good.any()
        expansion = Expansion(
            parent=jnp.where(wants_draft, -1, node).astype(jnp.int32),
            operator=jnp.where(wants_draft, Operator.DRAFT, operator).astype(jnp.int32),
        )
        return expansion, _visit(begin_in(state, expansion), expansion, 1)

    def tell(state, expansion, observation, accepted):
        tree, slot = grow(state.tree, expansion, observation)
        worth = jnp.where(accepted, 1.0, 0.0)
        if score_reward:
            worth = jnp.where(accepted, jnp.tanh(observation.score), -1.0)
        total = state.total + jnp.where(lineage(tree, expansion.parent), worth, 0.0)
        return state._replace(tree=tree, total=total), slot

    def cancel(state, expansion):
        return _visit(cancel_in(state, expansion), expansion, -1)

    return Policy(lambda steps: steps, init, ask, tell, cancel)


def _visit(state: PuctState, expansion: Expansion, change: int) -> PuctState:
    """Visits count from when they are asked for: a node with some in flight is less attractive."""
    visited = lineage(state.tree, expansion.parent)
    return state._replace(visits=state.visits + change * visited)
