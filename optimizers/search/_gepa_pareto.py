r"""GEPA's search (Agrawal et al. 2025, arXiv:2507.19457, Algorithms 1 and 2), folds as instances.

A pool of candidates, each with a score on every instance. The parent: on each instance the best
candidates of the pool are its front; dominated candidates are removed from all fronts; one is drawn
in proportion to the number of fronts that it is on. The child enters the pool if its sum over a
minibatch of instances is strictly greater than its parent's. Minibatches run through a shuffle of
the instances, a new one each epoch.

A merge combines two candidates that are on the fronts after removal, have a common ancestor that is
no better than either, and descend from it separately. It is tried after a candidate entered the
pool, and enters if it is no worse than both.

Deviations. Dominated means by one other candidate, at least as good on every instance and better on
one; as released (`dominance="covered"`) a candidate is removed, worst first, if each of its fronts
has another one on it, which need not be the same. They differ only where scores tie. The released
code scores parents afresh on the minibatch, of training data; here both are compared by the fold
scores that they have: no evaluation is spent, and a lucky score stays. An epoch that minibatches do
not divide is filled up from its own beginning, so that no fold counts twice in a batch (the
released code repeats the last). Components do not take turns; a merge mixes as CROSSOVER does, is
compared on all folds, and counts when tried, not when it enters. Each pair is tried once.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

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

Selection = Literal["pareto", "current_best", "epsilon_greedy", "top_k_pareto"]
Dominance = Literal["pareto", "covered"]


class PoolState(NamedTuple):
    """The pool, whose nodes all run, and the shuffle that minibatches come from."""

    tree: Tree
    folds: Float[Array, "nodes folds"]
    order: Int[Array, " folds"]
    """The epoch's shuffle."""
    compared: Int[Array, ""]
    """Children told so far, failed ones included: the number of the next minibatch."""
    family: Family | None
    """`None` for a policy that does not merge."""


class Family(NamedTuple):
    """What merges need to know."""

    above: Bool[Array, "nodes nodes"]
    """`above[i, j]`: node j is an ancestor of node i."""
    tried: Bool[Array, "nodes nodes"]
    """Pairs that were merged, the earlier node first."""
    merges: Int[Array, ""]
    due: Bool[Array, ""]
    """Whether the last candidate entered the pool."""


def gepa_pareto(
    folds: int = 5,
    minibatch: int = 3,
    selection: Selection = "pareto",
    epsilon: float = 0.1,
    top: int = 5,
    dominance: Dominance = "pareto",
    merges: int = 0,
    drafts: int = 1,
    operator: Operator = Operator.IMPROVE,
) -> Policy:
    """A pool of candidates that are each best at something. Use it with the gate `always`.

    The policy is its own gate: a candidate that does not beat its parent on the minibatch is not
    stored, and what failed is not repaired. GEPA reflects on what happened before it changes
    anything: with `operator=DESCEND` so does this.

    Args:
      folds: K, scores that every observation must have.
      minibatch: folds on which child and parent are compared.
      selection: of the parent: from the fronts; the best mean; the best mean but with chance
        `epsilon` any of the pool; from the fronts, of which only the `top` best means count.
      epsilon: for `epsilon_greedy`.
      top: for `top_k_pareto`.
      dominance: which candidates leave the fronts: dominated by one other, or covered by several.
      merges: most crossovers in a run (the authors' is 5, optional).
      drafts: candidates to start from.
      operator: how the parent is expanded.

    Raises:
      ValueError: a number is out of its range, or a choice is unknown.
    """
    _check(folds, minibatch, selection, epsilon, top, dominance, merges, drafts)
    batches = -(-folds // minibatch)

    def init(capacity):
        zero, pairs = jnp.zeros((), jnp.int32), jnp.zeros((capacity, capacity), bool)
        return PoolState(
            tree=empty_tree(capacity),
            folds=jnp.zeros((capacity, folds)),
            order=jnp.arange(folds),
            compared=zero,
            family=Family(pairs, pairs, zero, jnp.zeros((), bool)) if merges else None,
        )

    def choose(state, key):
        if selection == "pareto":
            return _draw(key, front_counts(state.folds, state.tree.good, dominance))
        best = jnp.argmax(_means(state))
        if selection == "current_best":
            return best
        if selection == "epsilon_greedy":
            key_coin, key_any = jax.random.split(key)
            explores = jax.random.uniform(key_coin) < epsilon
            return jnp.where(explores, choose_uniformly(key_any, state.tree.good), best)
        among = _best_means(state, top)
        counts = front_counts(state.folds, state.tree.good, dominance, among)
        return jnp.where(counts.any(), _draw(key, counts), best)

    def ask(state, key):
        key_parent, key_order, key_pair = jax.random.split(key, 3)
        wants_draft = (state.tree.drafts < drafts) | ~state.tree.good.any()
        shuffled = jax.random.permutation(key_order, folds)
        begins = state.compared % batches == 0
        state = state._replace(order=jnp.where(begins, shuffled, state.order))
        parent = jnp.where(wants_draft, -1, choose(state, key_parent))
        chosen, other = jnp.where(wants_draft, Operator.DRAFT, operator), None
        if state.family is not None:
            parent, chosen, other, family = _merge(
                state, state.family, key_pair, ~wants_draft, parent, chosen
            )
            state = state._replace(family=family)
        expansion = Expansion(parent.astype(jnp.int32), chosen.astype(jnp.int32), other)
        return expansion, begin_in(state, expansion)

    def _merge(state, family, key, may, parent, chosen):
        allowed = _pairs(state, family, front_counts(state.folds, state.tree.good, dominance) > 0)
        crosses = may & family.due & (family.merges < merges) & allowed.any()
        nodes = allowed.shape[0]
        one, other = jnp.divmod(choose_uniformly(key, allowed.ravel()), nodes)
        return (
            jnp.where(crosses, one, parent),
            jnp.where(crosses, Operator.CROSSOVER, chosen),
            jnp.where(crosses, other, -1).astype(jnp.int32),
            family._replace(
                tried=family.tried.at[jnp.where(crosses, one, nodes), other].set(True, mode="drop"),
                merges=family.merges + crosses,
                due=jnp.zeros((), bool),
            ),
        )

    def tell(state, expansion, observation, accepted):
        if observation.folds is None:
            raise ValueError(
                f"gepa_pareto compares candidates on {folds} folds and was told none: pass "
                "`folds` to `observe`"
            )
        measured = jnp.asarray(observation.replicates) > 0  # A withheld step is its parent.
        place = state.compared % batches * minibatch
        batch = jnp.take(state.order, place + jnp.arange(minibatch), mode="wrap")
        gain = observation.folds - state.folds[expansion.parent]
        enters = (expansion.parent < 0) | (gain[batch].sum() > 0)
        if expansion.other is not None:
            of_other = observation.folds - state.folds[expansion.other]
            holds = (gain.sum() >= 0) & (of_other.sum() >= 0)
            enters = jnp.where(expansion.operator == Operator.CROSSOVER, holds, enters)
        enters &= accepted & measured
        grown, slot = grow(state.tree, expansion, observation)
        slot = jnp.where(enters, slot, -1)
        row = or_nowhere(slot, state.folds.shape[0])
        is_child = (expansion.parent >= 0) & (expansion.operator != Operator.CROSSOVER)
        state = state._replace(
            tree=jax.tree.map(lambda new, old: jnp.where(enters, new, old), grown, state.tree),
            folds=state.folds.at[row].set(observation.folds, mode="drop"),
            compared=state.compared + is_child,
        )
        if state.family is not None:
            state = state._replace(family=_descend(state.family, expansion, row, slot >= 0))
        return state, slot

    def inert(steps):
        if merges and steps < drafts + 3:
            yield (
                f"gepa_pareto never merges: {steps} evaluations, of which {drafts} drafts, are too "
                "few for two children of one candidate and a merge"
            )

    return Policy(
        lambda steps: steps, init, ask, tell, cancel_in, lambda steps: tuple(inert(steps)), folds
    )


def front_counts(
    scores: Float[Array, "nodes folds"],
    pool: Bool[Array, " nodes"],
    dominance: Dominance = "pareto",
    among: Bool[Array, " nodes"] | None = None,
) -> Int[Array, " nodes"]:
    """On how many fronts each candidate is after dominated ones were removed.

    Args:
      scores: of each candidate on each fold.
      pool: rows that are candidates.
      dominance: what removes a candidate.
      among: which of them count on the fronts, that is, on the fronts of the whole pool; all if
        not given.
    """
    best = jnp.where(pool[:, None], scores, -jnp.inf).max(axis=0)
    front = pool[:, None] & (scores == best)
    if among is not None:
        front &= among[:, None]
    on_a_front = front.any(axis=1)
    if dominance == "pareto":
        no_worse = (scores[:, None] >= scores[None]).all(axis=-1)
        dominates = no_worse & ~no_worse.T & on_a_front[:, None]
        kept = ~dominates.any(axis=0)
        return (front & kept[:, None]).sum(axis=1)

    order = jnp.argsort(jnp.where(on_a_front, scores.mean(axis=1), jnp.inf))

    def remove_if_covered(i, front):
        node = order[i]
        covered = (~front[node] | (front.sum(axis=0) > 1)).all()
        return front.at[node].set(front[node] & ~covered)

    return jax.lax.fori_loop(0, order.shape[0], remove_if_covered, front).sum(axis=1)


def _draw(key: Key[Array, ""], counts: Int[Array, " nodes"]) -> Int[Array, ""]:
    return choose_by_weight(key, jnp.log(jnp.maximum(counts, 1)), counts > 0)


def _means(state: PoolState) -> Float[Array, " nodes"]:
    return jnp.where(state.tree.good, state.folds.mean(axis=1), -jnp.inf)


def _best_means(state: PoolState, top: int) -> Bool[Array, " nodes"]:
    means = _means(state)
    _, rows = jax.lax.top_k(means, min(top, means.shape[0]))
    return state.tree.good & jnp.zeros_like(state.tree.good).at[rows].set(True)


def _pairs(
    state: PoolState, family: Family, on_a_front: Bool[Array, " nodes"]
) -> Bool[Array, "nodes nodes"]:
    """Which two candidates may be merged, the earlier first."""
    means, above = _means(state), family.above
    unrelated = ~above & ~above.T
    behind = above & (means[None] <= means[:, None])  # Ancestors that are no better.
    related = jnp.dot(behind.astype(float), behind.T.astype(float)) > 0
    both = on_a_front[:, None] & on_a_front[None]
    return jnp.triu(both & unrelated & related & ~family.tried, 1)


def _descend(family: Family, expansion: Expansion, row, entered) -> Family:
    nodes = family.above.shape[0]
    above = jnp.zeros((nodes,), bool)
    for parent in (expansion.parent, expansion.other):
        if parent is not None:
            own = family.above[parent].at[parent].set(True)
            above |= jnp.where(parent >= 0, own, False)
    return family._replace(above=family.above.at[row].set(above, mode="drop"), due=entered)


def _check(folds, minibatch, selection, epsilon, top, dominance, merges, drafts) -> None:
    if folds < 1:
        raise ValueError(f"gepa_pareto needs at least one fold, got folds={folds}")
    if not 1 <= minibatch <= folds:
        raise ValueError(f"`minibatch` must lie between 1 and folds={folds}, got {minibatch}")
    if selection not in get_args(Selection):
        raise ValueError(f"`selection` is one of {get_args(Selection)}, got {selection!r}")
    if dominance not in get_args(Dominance):
        raise ValueError(f"`dominance` is one of {get_args(Dominance)}, got {dominance!r}")
    if not 0.0 <= epsilon <= 1.0:
        raise ValueError(f"`epsilon` must lie in [0, 1], got {epsilon}")
    if top < 1 or drafts < 1:
        raise ValueError(f"`top` and `drafts` must be at least 1, got {top} and {drafts}")
    if merges < 0:
        raise ValueError(f"`merges` must not be negative, got {merges}")
