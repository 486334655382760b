"""What is kept of a run while it runs, so that memory does not grow with the number of steps.

A summary is folded over the steps inside the scan of `sweep`. Each one here is what a function of
the whole trace would return, without the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from simulators.costs import Prices, cost
from simulators.rollout import Trace


class Summary(NamedTuple):
    """A fold over the steps of one trace."""

    init: Callable[[], Any]
    """State before the first step, a pytree of arrays."""
    update: Callable[[Any, Int[Array, ""], Trace], Any]
    """`(state, number of the step from 0, what happened in it) -> state`; fields are scalars."""
    value: Callable[[Any], Any]
    """From the last state to the result, a pytree of arrays."""


def combined(**summaries: Summary) -> Summary:
    """Several summaries of the same run; the value is a dictionary with their names."""
    return Summary(
        init=lambda: {name: each.init() for name, each in summaries.items()},
        update=lambda state, step, seen: {
            name: each.update(state[name], step, seen) for name, each in summaries.items()
        },
        value=lambda state: {name: each.value(state[name]) for name, each in summaries.items()},
    )


def log_progress_summary(first: int = 1) -> Summary:
    """`log_progress`: mean decrease of log loss per evaluation from `first` to the last one.

    Args:
      first: number of the first evaluation that has a parent in every run.
    """

    def init():
        return jnp.ones(()), jnp.ones(()), jnp.zeros((), jnp.int32)

    def update(state, step, seen):
        start = jnp.where(step == first, seen.parent_loss, state[0])
        return start, seen.parent_loss, step

    def value(state):
        start, end, last = state
        return (jnp.log(start) - jnp.log(end)) / (last - first)

    return Summary(init, update, value)


def loss_within_summary(prices: Prices, budgets: Float[Array, " budgets"]) -> Summary:
    """`loss_within`: true loss of the point to continue from when a budget is used up.

    Costs are added one by one, where `loss_within` takes a cumulative sum: where prices are not
    small integers, a budget that is met to the last digit may be used up a step earlier or later.

    Args:
      prices: what things cost.
      budgets: in the same currency.
    """
    limits = jnp.asarray(budgets, jnp.float32) * (1 + 1e-6)

    def init():
        never = jnp.full(limits.shape, jnp.nan)
        return jnp.zeros(()), jnp.zeros(limits.shape, bool), never

    def update(state, step, seen):
        paid, over, reached = state
        paid = paid + cost(seen, prices)
        now = (paid > limits) & ~over
        reached = jnp.where(now & (step > 0), seen.parent_loss, reached)
        return paid, over | now, reached

    return Summary(init, update, lambda state: state[2])


def best_loss_within_summary(prices: Prices, budget: float) -> Summary:
    """True loss of the candidate with the best score that a budget pays for.

    What `selectors.best` would submit. A step counts if all of it is paid.

    Args:
      prices: what things cost.
      budget: in the same currency.

    Returns:
      A summary whose value is NaN where no valid candidate was paid for.
    """
    limit = budget * (1 + 1e-6)

    def init():
        return jnp.zeros(()), jnp.full((), -jnp.inf), jnp.full((), jnp.nan)

    def update(state, step, seen):
        paid, best, loss = state
        paid = paid + cost(seen, prices)
        history = seen.history
        better = (paid <= limit) & history.valid & (history.score > best)
        return paid, jnp.where(better, seen.score, best), jnp.where(better, seen.loss, loss)

    return Summary(init, update, lambda state: state[2])


def mean_summary(quantity: Callable[[Trace], Array], first: int = 0) -> Summary:
    """Mean over the steps of any quantity of a step, e.g. `lambda seen: seen.accepted`.

    Args:
      quantity: of one step.
      first: number of the first step that counts.
    """

    def update(state, step, seen):
        mean, count = state
        counted = (step >= first).astype(jnp.int32)
        new = jnp.asarray(quantity(seen), jnp.float32)
        moved = mean + counted * (new - mean) / jnp.maximum(count + counted, 1)
        return moved, count + counted

    return Summary(
        init=lambda: (jnp.zeros(()), jnp.zeros((), jnp.int32)),
        update=update,
        value=lambda state: jnp.where(state[1] > 0, state[0], jnp.nan),
    )


def acceptance_rate(first: int = 1) -> Summary:
    """Share of the evaluations from `first` on that the gate accepted."""
    return mean_summary(lambda seen: seen.accepted, first)
