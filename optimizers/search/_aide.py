"""AIDE: a greedy tree of solutions (Jiang et al. 2025, arXiv:2502.13138).

The rule, in order: draft until there are `drafts` roots (failed ones count); with probability
`debug_probability` repair a random failed leaf whose chain of repairs is not longer than
`max_debug_depth` (inclusive, as released); draft if nothing runs yet; else improve the best node.

Deviation: the released agent also calls a node buggy when a language model says so. Here a node is
buggy if and only if its observation is not valid.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from optimizers.base import Expansion, Operator, Policy
from optimizers.search._tree import Tree, begin, cancel, choose_uniformly, empty_tree, grow


def aide(
    drafts: int = 5,
    debug_probability: float = 0.5,
    max_debug_depth: int = 3,
    operator: Operator = Operator.IMPROVE,
) -> Policy:
    """Greedy tree search with drafts and debugging. Use it with the gate `always`.

    With `drafts=1` and nothing that fails it always expands the best node so far: a (1+1) search
    with a stored incumbent. The MLE-bench runs of the authors used `debug_probability=1` and
    `max_debug_depth=20`.

    Args:
      drafts: number of roots to start from.
      debug_probability: chance of repairing rather than improving when something failed.
      max_debug_depth: a failed node with this many repairs behind it may still be repaired.
      operator: how the best node is expanded; DESCEND gives the tree a diagnosis and a rule.

    Raises:
      ValueError: `drafts` is not positive or the probability is outside [0, 1].
    """
    if drafts < 1:
        raise ValueError(f"aide needs at least one draft, got drafts={drafts}")
    if not 0.0 <= debug_probability <= 1.0:
        raise ValueError(f"`debug_probability` must lie in [0, 1], got {debug_probability}")

    def ask(tree: Tree, key):
        key_coin, key_choice = jax.random.split(key)
        repairable = tree.buggy & (tree.children == 0) & (tree.debug_depth <= max_debug_depth)
        repairs = repairable.any() & (jax.random.uniform(key_coin) < debug_probability)
        wants_draft = (tree.drafts < drafts) | (~repairs & ~tree.good.any())
        node = jnp.where(
            repairs,
            choose_uniformly(key_choice, repairable),
            jnp.argmax(jnp.where(tree.good, tree.score, -jnp.inf)),
        )
        chosen = jnp.where(repairs, Operator.DEBUG, operator)
        expansion = Expansion(
            parent=jnp.where(wants_draft, -1, node).astype(jnp.int32),
            operator=jnp.where(wants_draft, Operator.DRAFT, chosen).astype(jnp.int32),
        )
        return expansion, begin(tree, expansion)

    def tell(tree: Tree, expansion, observation, accepted):
        del accepted
        return grow(tree, expansion, observation)

    return Policy(lambda steps: steps, empty_tree, ask, tell, cancel)


def aide_mlebench(drafts: int = 5, operator: Operator = Operator.IMPROVE) -> Policy:
    """`aide` as its authors ran it on MLE-bench: always repair first, chains of up to 20 repairs.

    Args:
      drafts: number of roots to start from.
      operator: how the best node is expanded.
    """
    return aide(drafts, debug_probability=1.0, max_debug_depth=20, operator=operator)


def aira_greedy(drafts: int = 5, operator: Operator = Operator.IMPROVE) -> Policy:
    """AIRA-dojo's greedy baseline (arXiv:2507.02554): the same rule as `aide_mlebench`.

    There only prompts and memory differ, which are not a policy's.

    Args:
      drafts: number of roots to start from.
      operator: how the best node is expanded.
    """
    return aide_mlebench(drafts, operator)
