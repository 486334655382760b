r"""ML-Master: UCT over rollouts that go on while they improve (Liu et al. 2025, arXiv:2506.16499;
published settings and forks of the released code).

A rollout starts with a draft, as long as there are fewer than `drafts`, or where UCT leads:

.. math:: \bar R_i + C(t) \sqrt{\ln N_{parent} / n_i}, \qquad \text{unvisited: } \infty,

with C falling from 1.414 to 0.5 (`exploration_constant`). It goes on from the node it has just
produced. A candidate is compared with the best node above it: a gain of at least `threshold` makes
it the new one; a smaller gain is a failure, and one failure more than `max_failures` ends the
rollout at a terminal node. So does a repair that worked (without the terminal node), and a failed
node that has `back_debug_depth` repairs behind it. The reward of a rollout is that of its last
node: -1 if it failed, else 1, and 1 more if it is better than all before. The first that runs has
nothing to be better than; and since a rollout ends where there is no gain, or at a repair, it is
repairs that earn the bonus.

Selection stops at a node that is not full (three children; one repair), unless the last rollout
below it ended while it was still improving: then it goes on to the best child. What is picked at
the root is locked until its rollout ends.

Deviations: the bonus can never be earned in the released code, which does not store the best score
(`global_best_bonus=False`); so its check for scores that are 100 times too large is left out too.
The decay of C is rescaled with the budget, and t counts evaluations, without the root. A score of 0
is a score (there it is none). Candidates in flight are not selected; where the rule would wait or
go on for ever (every branch locked, all nodes full or terminal), `select` says what is done. The
limit of one repair a failed node is not an argument: all published settings have it.
"""

from __future__ import annotations

import jax.numpy as jnp

from optimizers.base import Operator, Policy
from optimizers.search._rollout_rules import Rules, exploration_constant, inert_decay
from optimizers.search._rollouts import (
    Picked,
    cancel_rollout,
    descend,
    expand,
    judge,
    no_rollouts,
    open_nodes,
    record,
    select,
)


def ml_master(
    drafts: int = 5,
    improves: int = 3,
    max_failures: int = 3,
    threshold: float = 1e-4,
    relative: bool = False,
    back_debug_depth: int = 3,
    max_debug_depth: int = 20,
    rescaled: bool = True,
    global_best_bonus: bool = True,
    operator: Operator = Operator.IMPROVE,
) -> Policy:
    """UCT over depth-first rollouts, as described. Use it with the gate `always`.

    Args:
      drafts: number of branches.
      improves: children of a node that runs.
      max_failures: failures to improve that a rollout survives.
      threshold: the least gain that counts as an improvement.
      relative: whether `threshold` is a share of the score to be improved on.
      back_debug_depth: a rollout ends at a failed node with so many repairs behind it.
      max_debug_depth: a failed node with so many is never repaired again.
      rescaled: whether the exploration constant falls by 0.01 * 500 / budget an evaluation; by 0.01
        otherwise, as released.
      global_best_bonus: whether a new best earns more, as described; False as released.
      operator: how nodes are expanded.

    Raises:
      ValueError: `drafts` or `improves` is not positive, or another number is negative.
    """
    rules = Rules(
        drafts,
        improves,
        max_failures,
        threshold,
        relative,
        back_debug_depth,
        max_debug_depth,
        rescaled,
    )
    rules.require_sense("ml_master")

    def ask(state, key):
        tree, expandable = state.tree, open_nodes(state, improves)
        constant = exploration_constant(tree.size, tree.parent.shape[0], rules)
        wants_draft = tree.drafts < drafts

        def pick(state, key):
            del key
            node = descend(state, -1, constant, wants_draft, expandable)
            may = jnp.where(node < 0, wants_draft, expandable[node])
            return Picked(node, may, jnp.zeros((), bool))

        goes_on = state.goes_on.any()
        picked, state = select(state, key, pick, expandable, ~goes_on)
        node = jnp.where(goes_on, jnp.argmax(state.goes_on), picked.node)
        return expand(state, node, operator)

    def tell(state, expansion, observation, accepted):
        del accepted
        seen, runs = judge(state, expansion, observation, rules), observation.valid
        mended = runs & (expansion.operator == Operator.DEBUG)
        bonus = 1.0 if global_best_bonus else 0.0
        return record(
            state,
            expansion,
            observation,
            improves=~seen.short,
            fails=seen.short & ~seen.gives_up,
            terminal=seen.gives_up | seen.hopeless,
            passes=runs & ~seen.gives_up,
            ends=seen.gives_up | seen.deep | mended,
            reward=jnp.where(runs, 1.0 + bonus * seen.new_best, -1.0),
        )

    def inert(steps):
        # The shortest rollouts: a failed draft alone; a draft and one failure, or its repair.
        shortest = 1 if back_debug_depth == 0 else 2
        if steps <= drafts * shortest:
            return [
                f"`ml_master` never chooses by UCT in {steps} evaluations: one at a time, the "
                f"rollouts of its {drafts} drafts take at least {drafts * shortest}"
            ]
        return inert_decay("ml_master", steps, rules, drafts * shortest)

    return Policy(lambda steps: steps, no_rollouts, ask, tell, cancel_rollout, inert)
