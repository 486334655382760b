"""What a run costs, in any currency, and what it had reached when a budget was spent.

Costs play no part in a run: the same trace is priced in evaluations, seconds or money afterwards,
and one simulation answers for every budget.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from optimizers import Operator
from optimizers.budget import Spent
from simulators.rollout import Trace


class Prices(NamedTuple):
    """What things cost, in one currency of the caller's choice; all at least 0.

    The cost ratio of theory, c for a diagnosed step and 1 for an undirected candidate, is
    `Prices(evaluation=1, diagnosis=c - 1)`.
    """

    evaluation: float | Float[Array, ""] = 1.0
    """Of one measurement, whatever it takes."""
    second: float | Float[Array, ""] = 0.0
    """Of a second of evaluation (`Trace.seconds`)."""
    diagnosis: float | Float[Array, ""] = 0.0
    """Of asking the reasoner at one step, malformed replies included; for all the diagnoses of that
    step, if the world gives several."""


def spent(trace: Trace, prices: Prices) -> Float[Array, "*runs steps"]:
    """Cumulative cost after each step.

    Args:
      trace: with steps on the last axis.
      prices: what things cost.

    Returns:
      Non-decreasing along the last axis.
    """
    return jnp.cumsum(cost(trace, prices), axis=-1)


def cost(trace: Trace, prices: Prices) -> Float[Array, "*runs steps"]:
    """Cost of each step by itself."""
    return (
        prices.evaluation * trace.evaluations
        + prices.second * trace.seconds
        + prices.diagnosis * trace.diagnosed
    )


def loss_within(
    trace: Trace, prices: Prices, budgets: Float[Array, " budgets"]
) -> Float[Array, "*runs budgets"]:
    """True loss of the point that the strategy would continue from when a budget is used up.

    Args:
      trace: with steps on the last axis.
      prices: what things cost.
      budgets: in the same currency.

    Returns:
      The loss where the last step began that the budget paid the steps before; NaN for a budget
      that does not pay the first evaluation, or that outlasts the trace: such a trace cannot tell.
    """
    paid = spent(trace, prices)
    budgets = jnp.asarray(budgets)
    done = (paid[..., None, :] <= budgets[:, None] * (1 + 1e-6)).sum(-1)
    steps = trace.parent_loss.shape[-1]
    reached = jnp.take_along_axis(trace.parent_loss, jnp.clip(done, 0, steps - 1), axis=-1)
    return jnp.where((done > 0) & (done < steps), reached, jnp.nan)


def calls(trace: Trace, diagnoses: int = 1) -> Int[Array, "*runs steps"]:
    """How often the reasoner of an agent would have been asked at each step.

    Every operator takes one answer, DESCEND takes the diagnoses before it; a step without
    evaluations was withheld after its diagnoses.

    Args:
      trace: any.
      diagnoses: of one directed step, as in `World`.
    """
    carried_out = (trace.operator != Operator.DESCEND) | (trace.evaluations > 0)
    return diagnoses * jnp.asarray(trace.diagnosed, int) + carried_out


def spending(
    trace: Trace,
    *,
    call: Spent = Spent(),  # noqa: B008
    prices: Prices = Prices(0.0),  # noqa: B008
    diagnoses: int = 1,
) -> Spent:
    """What was spent after each step, in every currency; `Budget.pays` tells how far it would go.

    Args:
      trace: with steps on the last axis.
      call: tokens, money and seconds of one call of the reasoner; its other fields play no part.
      prices: of anything else that costs money.
      diagnoses: of one directed step, as in `World`.

    Returns:
      NumPy arrays in double precision, shape `(*runs, steps)`; non-decreasing along the last axis.
    """
    asked = np.asarray(calls(trace, diagnoses), float)
    each = Spent(
        evaluations=np.asarray(trace.evaluations, float),
        calls=asked,
        tokens=asked * call.tokens,
        money=asked * call.money + np.asarray(cost(trace, prices), float),
        seconds=asked * call.seconds + np.asarray(trace.seconds, float),
        steps=np.ones_like(asked),
    )
    return Spent(*(np.cumsum(amount, axis=-1) for amount in each))
