r"""AB-MCTS-A: at every node, generate a new child or continue with one (Inoue et al. 2025,
arXiv:2503.04412; the variant with node aggregation, Gaussian rewards).

A node's new children are one arm (GEN), its existing children another (CONT), and so is each child.
Every arm has a normal-inverse-gamma posterior over the scores it led to: GEN over the node's
children, CONT over all that lies deeper, a child over its own descendants. From the root on, draw a
mean from both arms; the larger decides. CONT draws one mean a child and goes to the largest. A node
without children generates.

Deviations: scores are mapped to [0, 1] by the range seen so far, which the original asks of the
user. A candidate that does not run counts as 0, and generating below it means repairing it.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from optimizers.base import Expansion, Operator, Policy
from optimizers.search._tree import Tree, begin_in, cancel_in, empty_tree, grow, lineage

# Prior of an arm's mean and variance, on the scale of [0, 1].
MEAN, KAPPA, NU, TAU_SQUARED = 0.0, 1.0, 1.0, 0.1


class Rewards(NamedTuple):
    """Sums over the scores that an arm led to."""

    count: Float[Array, "..."]
    """Candidates, failed ones included."""
    good: Float[Array, "..."]
    total: Float[Array, "..."]
    """Over those that ran."""
    squares: Float[Array, "..."]


class AbMctsState(NamedTuple):
    """The tree, and what lies below each node."""

    tree: Tree
    below: Rewards
    """Of all descendants; arrays of shape `(nodes,)`."""


def ab_mcts_a(operator: Operator = Operator.IMPROVE) -> Policy:
    """Adaptive branching by Thompson sampling. Use it with the gate `always`.

    It has no settings to tune: width against depth is decided by the scores.

    Args:
      operator: how a node that runs is expanded.
    """

    def init(capacity):
        nothing = jnp.zeros((capacity,))
        return AbMctsState(empty_tree(capacity), Rewards(nothing, nothing, nothing, nothing))

    def ask(state, key):
        node = _walk(state, key)
        expands = jnp.where(state.tree.valid[node], operator, Operator.DEBUG)
        expansion = Expansion(
            parent=node, operator=jnp.where(node < 0, Operator.DRAFT, expands).astype(jnp.int32)
        )
        return expansion, begin_in(state, expansion)

    def tell(state, expansion, observation, accepted):
        del accepted
        tree, slot = grow(state.tree, expansion, observation)
        above = lineage(tree, expansion.parent)
        reward = _reward(observation.valid, observation.score)
        below = jax.tree.map(
            lambda sums, new: sums + jnp.where(above, new, 0.0), state.below, reward
        )
        return AbMctsState(tree, below), slot

    return Policy(lambda steps: steps, init, ask, tell, cancel_in)


def _reward(valid, score) -> Rewards:
    score = jnp.where(valid, score, 0.0)
    return Rewards(jnp.ones_like(score), jnp.asarray(valid, score.dtype), score, score**2)


def _walk(state: AbMctsState, key: Key[Array, ""]) -> Int[Array, ""]:
    """The node to generate from, -1 for the root."""
    tree = state.tree
    scores = jnp.where(tree.good, tree.score, 0.0)
    low = jnp.where(tree.good, tree.score, jnp.inf).min()
    high = jnp.where(tree.good, tree.score, -jnp.inf).max()
    own = _reward(tree.valid, scores)
    key_children, key_arms = jax.random.split(key)
    # The walk comes to a node once at most: what it draws there can be drawn beforehand.
    as_child = draw_means(key_children, state.below, low, high)

    def visit(carry):
        node, key, _ = carry
        key, key_arms = jax.random.split(key)
        children = tree.exists & (tree.parent == node)
        generated, deeper = (
            jax.tree.map(lambda x: jnp.where(children, x, 0.0).sum(), rewards)
            for rewards in (own, state.below)
        )
        arms = jax.tree.map(lambda *x: jnp.stack(x), generated, deeper)
        new, old = draw_means(key_arms, arms, low, high)
        best = jnp.argmax(jnp.where(children, as_child, -jnp.inf))
        generates = ~children.any() | (new >= old)
        return jnp.where(generates, node, best).astype(jnp.int32), key, generates

    start = (jnp.full((), -1, jnp.int32), key_arms, jnp.zeros((), bool))
    return jax.lax.while_loop(lambda carry: ~carry[2], visit, start)[0]


def draw_means(
    key: Key[Array, ""],
    rewards: Rewards,
    low: Float[Array, ""],
    high: Float[Array, ""],
) -> Float[Array, "..."]:
    """One draw from the posterior of each arm's mean score, on the scale of [0, 1].

    With the variance integrated out that is Student's t with nu degrees of freedom, drawn without
    rejections (Bailey 1994, Mathematics of Computation 62).

    Args:
      key: for the draws.
      rewards: of the arms, arrays of one shape.
      low: score that maps to 0.
      high: score that maps to 1.

    Returns:
      Draws in the shape of the arms.
    """
    mean, kappa, nu, tau_squared = posterior(rewards, low, high)
    radius, angle = jax.random.uniform(key, (2, *mean.shape), minval=jnp.finfo(mean.dtype).tiny)
    # U^(-2/nu) - 1 without cancellation where nu is large.
    squared = nu * jnp.expm1(-2.0 / nu * jnp.log(radius))
    student = jnp.sqrt(squared) * jnp.cos(2 * jnp.pi * angle)
    return mean + jnp.sqrt(tau_squared / kappa) * student


def posterior(rewards: Rewards, low, high):
    """Parameters `(m, kappa, nu, tau^2)` of the normal-inverse-gamma posterior (Murphy 2023)."""
    width = jnp.where(high > low, high - low, 1.0)
    low = jnp.where(jnp.isfinite(low), low, 0.0)
    n, good = rewards.count, rewards.good
    total = (rewards.total - good * low) / width
    squares = (rewards.squares - 2 * low * rewards.total + good * low**2) / width**2
    average = total / jnp.maximum(n, 1)
    spread = jnp.maximum(squares - n * average**2, 0.0)
    kappa, nu = KAPPA + n, NU + n
    prior_pull = n * KAPPA * (average - MEAN) ** 2 / kappa
    tau_squared = (NU * TAU_SQUARED + spread + prior_pull) / nu
    return (KAPPA * MEAN + total) / kappa, kappa, nu, tau_squared
