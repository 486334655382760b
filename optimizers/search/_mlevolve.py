r"""MLEvolve: ML-Master's rollouts, and a switch to what is best as time goes by (InternScience;
released code and settings).

The rollouts, UCT and its C(t) are those of `ml_master`. What is different, with s the share of the
budget that is spent:

- The first `initial_drafts` drafts come before any rollout goes on, so as many are under way.
- Where a rollout starts is up to UCT with probability 1 for s < 0.5, falling linearly to 0.2 at
  s = 0.7 and 0.2 after. Otherwise it starts from one of the best nodes (`topk`: 5, at most 3 of a
  branch; from s = 0.7 on 3, at most 2), with probability in proportion to 1 / rank. Such a node may
  have ten children, and those it got this way do not count among its three; if all of the best have
  ten, UCT goes on from one of them.
- A branch stagnates if its last 3 candidates that ran (6 if chosen for its score; at least 2) are
  all below its best. From s = 0.5 on its node is then *fused* with probability `fusion`.
- A new branch is *aggregated* of the old ones, at most `aggregations` times, when UCT is at the
  root: for s between 1/2 and 5/6, if there are two branches with two candidates that ran each, and
  the last four candidates did not raise the best by more than `threshold`.
- Rollouts are cut short: from s = 0.4 on at every third node of a branch, from s = 0.8 on at any
  node with probability 1/2; not at one that is at least as good as the four before it.
- A repair that worked does not end its rollout. Reward of the last node: -1 if it failed, 0 for a
  draft, 1.5 for a repair, else 1; and 1.5 more if it is better than all before. By these rules a
  new best hardly ever is a last node: it is not cut short, and a rollout goes on where it gains.

Deviations: time is the share of the budget (the window of aggregation is 6 to 10 hours of 12). The
other parent of a fusion (CROSSOVER) is the best node outside the branch, or of the branch if there
is no other; the released prompt shows up to five. *Evolution*, what a stagnating branch does
otherwise, is IMPROVE, and aggregation is a DRAFT: only their prompts differ. The bonus for a new
best can never be earned in the released code (`global_best_bonus=False`); its test before an
aggregation compares with a best that has seen the last candidates already, so that it never fails,
while ours is the one described. No score makes a candidate buggy (there 0 does where higher is
better). What else `ml_master` deviates in holds here too.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from optimizers.base import Expansion, Operator, Policy
from optimizers.search._rollout_rules import Rules, exploration_constant, inert_decay
from optimizers.search._rollouts import (
    Picked,
    Rollouts,
    cancel_rollout,
    descend,
    expand,
    judge,
    no_rollouts,
    open_nodes,
    record,
    select,
)

SWITCH_START, SWITCH_END, LEAST_UCT = 0.5, 0.7, 0.2
TOP_EARLY, TOP_EARLY_OF_BRANCH, TOP_LATE, TOP_LATE_OF_BRANCH, TOP_CHILDREN = 5, 3, 3, 2, 10
STAGNANT_AFTER, STAGNANT_AFTER_TOP = 3, 6
FUSION_START, AGGREGATION_START, AGGREGATION_END = 0.5, 6 / 12, 10 / 12
CUT_MID, CUT_LATE, CUT_EVERY, CUT_PROBABILITY = 0.4, 0.8, 3, 0.5
RECENT = 4


class MlevolveState(NamedTuple):
    """Rollouts, and which children were asked for because of a node's score."""

    rollouts: Rollouts
    exploited: Int[Array, " nodes"]
    key: Key[Array, ""]
    """Of the last `ask`, for the coin of `tell`."""


def mlevolve(
    drafts: int = 5,
    initial_drafts: int = 3,
    improves: int = 3,
    max_failures: int = 3,
    threshold: float = 1e-4,
    relative: bool = False,
    fusion: float = 0.3,
    aggregations: int = 2,
    global_best_bonus: bool = True,
    operator: Operator = Operator.IMPROVE,
) -> Policy:
    """Rollouts by UCT, later from the best nodes, with fusion. Use it with the gate `always`.

    In serial use the first rollouts take turns.

    Args:
      drafts: number of branches, aggregated ones apart.
      initial_drafts: how many of them to begin with.
      improves: children of a node that runs, as far as UCT chose it.
      max_failures: failures to improve that a rollout survives.
      threshold: the least gain that counts as an improvement.
      relative: whether `threshold` is a share of the score to be improved on, for the rollouts.
      fusion: chance that a stagnating branch is crossed with another.
      aggregations: most branches that are made of the others.
      global_best_bonus: whether a new best earns more, as described; False as released.
      operator: how nodes are expanded.

    Raises:
      ValueError: `drafts` or `improves` is not positive, `initial_drafts` is larger than `drafts`,
        `fusion` is outside [0, 1], or another number is negative.
    """
    rules = Rules(drafts, improves, max_failures, threshold, relative)
    rules.require_sense("mlevolve")
    if not 0 <= initial_drafts <= drafts:
        raise ValueError(
            f"`initial_drafts` must lie between 0 and `drafts`, got {initial_drafts} of {drafts}"
        )
    if not 0.0 <= fusion <= 1.0:
        raise ValueError(f"`fusion` is a probability in [0, 1], got {fusion}")
    if aggregations < 0:
        raise ValueError(f"`aggregations` must not be negative, got {aggregations}")

    def init(capacity):
        nothing = jnp.zeros((capacity,), jnp.int32)
        return MlevolveState(no_rollouts(capacity), nothing, jax.random.key(0))

    def ask(state, key):
        rollouts, tree, exploited = state.rollouts, state.rollouts.tree, state.exploited
        steps = tree.parent.shape[0]
        key_pick, key_fuse, key_tell = jax.random.split(key, 3)
        constant = exploration_constant(tree.size, steps, rules)
        aggregates = (
            (tree.drafts < drafts + aggregations)
            & (tree.size >= AGGREGATION_START * steps)
            & (tree.size <= AGGREGATION_END * steps)
            & _wants_aggregation(rollouts, threshold)
        )
        may_draft = (tree.drafts < drafts) | aggregates
        expandable = open_nodes(rollouts, improves + exploited)

        def pick(rollouts, key):
            key_switch, key_rank = jax.random.split(key)
            by_uct = jax.random.uniform(key_switch) < uct_probability(tree.size / steps)
            exploits = tree.good.any() & ~by_uct
            best, more = _pick_top(rollouts, key_rank, tree.size >= SWITCH_END * steps)
            start = jnp.where(exploits, best, -1)
            walked = descend(rollouts, start, constant, may_draft, expandable)
            node = jnp.where(exploits & more, best, walked)
            may = jnp.where(node < 0, may_draft, expandable[node])
            return Picked(node, may | (exploits & more & ~rollouts.terminal[node]), exploits)

        begins = tree.drafts < initial_drafts
        goes_on = rollouts.goes_on.any() & ~begins
        picked, rollouts = select(rollouts, key_pick, pick, expandable, ~begins & ~goes_on)
        node = jnp.where(goes_on, jnp.argmax(rollouts.goes_on), picked.node)
        node = jnp.where(begins, -1, node)
        exploits = picked.exploits & ~goes_on & ~begins
        expansion, rollouts = expand(rollouts, node, operator)

        stagnates = _stagnates(rollouts, node, exploits)
        late = tree.size >= FUSION_START * steps
        fuses = (jax.random.uniform(key_fuse) < fusion) & late & stagnates
        chosen = jnp.where(fuses, Operator.CROSSOVER, expansion.operator).astype(jnp.int32)
        other = jnp.where(fuses, _partner(rollouts, node), -1).astype(jnp.int32)
        state = MlevolveState(rollouts, exploited.at[node].add(exploits), key_tell)
        return Expansion(expansion.parent, chosen, other), state

    def tell(state, expansion, observation, accepted):
        del accepted
        rollouts, runs = state.rollouts, observation.valid
        seen = judge(rollouts, expansion, observation, rules)
        cut = _cuts(rollouts, expansion, observation, state.key)
        mended = expansion.operator == Operator.DEBUG
        earned = jnp.where(expansion.parent < 0, 0.0, jnp.where(mended, 1.5, 1.0))
        bonus = 1.5 if global_best_bonus else 0.0
        rollouts, slot = record(
            rollouts,
            expansion,
            observation,
            improves=jnp.where(cut, False, ~seen.short) | ((cut | mended) & (seen.gain > 0)),
            fails=seen.short & ~seen.gives_up & ~cut,
            terminal=(seen.gives_up | seen.hopeless) & ~cut,
            passes=runs & ~seen.gives_up & ~cut,
            ends=seen.gives_up | seen.deep | cut,
            reward=jnp.where(runs, earned + bonus * seen.new_best, -1.0),
        )
        return state._replace(rollouts=rollouts), slot

    def cancel(state, expansion):
        rollouts = cancel_rollout(state.rollouts, expansion)
        exploited = jnp.minimum(state.exploited, rollouts.tree.children)
        return state._replace(rollouts=rollouts, exploited=exploited)

    def inert(steps):
        said = inert_decay("mlevolve", steps, rules, drafts * _shortest(rules))
        return [*said, *_inert_phases(steps, rules, initial_drafts, aggregations)]

    return Policy(lambda steps: steps, init, ask, tell, cancel, inert)


def uct_probability(share) -> Float[Array, "..."]:
    """Chance that UCT says where a rollout starts, when that share of the budget is spent."""
    fallen = (share - SWITCH_START) / (SWITCH_END - SWITCH_START)
    return 1.0 - (1.0 - LEAST_UCT) * jnp.clip(fallen, 0.0, 1.0)


def _pick_top(
    state: Rollouts, key: Key[Array, ""], late: Bool[Array, ""]
) -> tuple[Int[Array, ""], Bool[Array, ""]]:
    """One of the best nodes by 1 / rank, and whether it may have more children.

    It is one that may, if there is such a one; rank counts the others too.
    """
    rows = topk(
        state,
        jnp.where(late, TOP_LATE, TOP_EARLY),
        jnp.where(late, TOP_LATE_OF_BRANCH, TOP_EARLY_OF_BRANCH),
    )
    exists = rows >= 0
    more = exists & (state.tree.children[rows] < TOP_CHILDREN)
    allowed = jnp.where(more.any(), more, exists)
    weight = -jnp.log(1.0 + jnp.arange(rows.shape[0]))
    rank = jax.random.categorical(key, jnp.where(allowed, weight, -jnp.inf))
    return rows[rank], more[rank]


def topk(state: Rollouts, k, of_branch) -> Int[Array, " ranks"]:
    """Rows of the `k` best nodes, at most so many of a branch, best first; -1 in empty places."""
    rows, taken, score = [], jnp.zeros_like(state.terminal), state.tree.score
    counts = jnp.zeros_like(state.branch)
    for rank in range(TOP_EARLY):
        allowed = state.tree.good & ~taken & (counts[state.branch] < of_branch)
        row = jnp.argmax(jnp.where(allowed, score, -jnp.inf)).astype(jnp.int32)
        found = allowed.any() & (rank < k)
        rows.append(jnp.where(found, row, -1))
        taken = taken.at[row].max(found)
        counts = counts.at[state.branch[row]].add(found)
    return jnp.stack(rows)


def _stagnates(state: Rollouts, node: Int[Array, ""], exploits: Bool[Array, ""]) -> Bool[Array, ""]:
    """Whether the last candidates that ran in the node's branch are all below the branch's best."""
    tree = state.tree
    ran = tree.good & (state.branch == state.branch[node])
    age = jnp.cumsum(ran[::-1])[::-1]
    last = ran & (age <= jnp.where(exploits, STAGNANT_AFTER_TOP, STAGNANT_AFTER))
    best = jnp.where(ran, tree.score, -jnp.inf).max()
    below = ~(last & (tree.score >= best)).any()
    return (node >= 0) & tree.valid[node] & (last.sum() >= 2) & below


def _partner(state: Rollouts, node: Int[Array, ""]) -> Int[Array, ""]:
    """The best node outside the branch of `node`; of the branch if there is no other."""
    good = state.tree.good
    foreign = good & (state.branch != state.branch[node])
    others = jnp.where(foreign.any(), foreign, good & (jnp.arange(good.shape[0]) != node))
    return jnp.argmax(jnp.where(others, state.tree.score, -jnp.inf))


def _wants_aggregation(state: Rollouts, threshold: float) -> Bool[Array, ""]:
    """Two branches with two candidates that ran each, and no gain in the last four candidates."""
    tree = state.tree
    of_branch = jnp.zeros_like(state.branch).at[state.branch].add(tree.good)
    recent = jnp.arange(tree.score.shape[0]) >= tree.size - RECENT
    now = jnp.where(tree.good, tree.score, -jnp.inf).max()
    before = jnp.where(tree.good & ~recent, tree.score, -jnp.inf).max()
    return ((of_branch >= 2).sum() >= 2) & (now <= before + threshold)


def _cuts(state: Rollouts, expansion, observation, key: Key[Array, ""]) -> Bool[Array, ""]:
    """Whether the rollout of this candidate is cut short."""
    tree = state.tree
    spent, steps = tree.size + 1, tree.parent.shape[0]
    coin = jax.random.bernoulli(jax.random.fold_in(key, tree.size), CUT_PROBABILITY)
    branch = state.branch[expansion.parent]
    nodes = 1 + (tree.exists & (state.branch == branch) & (expansion.parent >= 0)).sum()
    due = jnp.where(
        spent >= CUT_LATE * steps, coin, (spent >= CUT_MID * steps) & (nodes % CUT_EVERY == 0)
    )
    recent = tree.good & (jnp.arange(tree.score.shape[0]) >= tree.size - RECENT)
    best = jnp.where(recent, tree.score, -jnp.inf).max()
    return due & ~(observation.valid & recent.any() & (observation.score >= best))


def _shortest(rules: Rules) -> int:
    """Fewest nodes of the first rollout of a branch, but for the coin."""
    return min(rules.back_debug_depth + 1, rules.max_failures + 2, CUT_EVERY)


def _inert_phases(steps: int, rules: Rules, initial_drafts: int, aggregations: int) -> list[str]:
    said = []
    third = (CUT_EVERY - 1) * initial_drafts + 1
    if third >= CUT_LATE * steps:
        said.append(
            f"`mlevolve` cuts no rollout short in mid-run: one at a time, the third node of a "
            f"branch comes after {third} of {steps} evaluations"
        )
    # Before the coin is tossed all rollouts are at least so long; after, a node each will do.
    begun = 1 + CUT_LATE * steps / _shortest(rules) + (AGGREGATION_END - CUT_LATE) * steps
    if aggregations and begun < rules.drafts:
        said.append(
            f"`mlevolve` never aggregates in {steps} evaluations: one at a time, its "
            f"{rules.drafts} drafts are not complete after {AGGREGATION_END * steps:.0f}"
        )
    return said
