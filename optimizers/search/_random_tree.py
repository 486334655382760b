"""Random tree search: expand a node chosen uniformly among those that run.

The control of every tree policy: what structure without selection is worth. Written from the
description of the "random" baseline of tree-search studies; nothing is ported.
"""

from __future__ import annotations

import jax.numpy as jnp

from optimizers.base import Expansion, Operator, Policy
from optimizers.search._tree import Tree, begin, cancel, choose_uniformly, empty_tree, grow


def random_tree(drafts: int = 1, operator: Operator = Operator.IMPROVE) -> Policy:
    """Draft a few roots, then expand a uniformly random node that runs. Use the gate `always`.

    Failed nodes are never expanded; while nothing runs it drafts.

    Args:
      drafts: number of roots to start from, failed ones included.
      operator: how nodes are expanded.

    Raises:
      ValueError: `drafts` is not positive.
    """
    if drafts < 1:
        raise ValueError(f"random_tree needs at least one draft, got drafts={drafts}")

    def ask(tree: Tree, key):
        wants_draft = (tree.drafts < drafts) | ~tree.good.any()
        node = choose_uniformly(key, tree.good)
        expansion = Expansion(
            parent=jnp.where(wants_draft, -1, node).astype(jnp.int32),
            operator=jnp.where(wants_draft, Operator.DRAFT, operator).astype(jnp.int32),
        )
        return expansion, begin(tree, expansion)

    def tell(tree: Tree, expansion, observation, accepted):
        del accepted
        return grow(tree, expansion, observation)

    return Policy(lambda steps: steps, empty_tree, ask, tell, cancel)
