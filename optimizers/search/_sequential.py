"""One trace: always continue from the last accepted node."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool

from optimizers.base import Expansion, Operator, Policy


class SequentialState(NamedTuple):
    """Whether there is a node to continue from."""

    started: Bool[Array, ""]


def sequential(operator: Operator = Operator.DESCEND) -> Policy:
    """Draft until something is accepted, then expand the incumbent for ever.

    With DESCEND this is the trivial policy of a gradient method; with IMPROVE and the gate
    `improved` it is random hill climbing, the (1+1) evolution strategy. One node is kept, whatever
    the budget.

    Args:
      operator: how the incumbent is expanded.
    """

    def ask(state, key):
        del key
        return (
            Expansion(
                parent=jnp.where(state.started, 0, -1),
                operator=jnp.where(state.started, operator, Operator.DRAFT).astype(jnp.int32),
            ),
            state,
        )

    def tell(state, expansion, observation, accepted):
        del expansion, observation
        return SequentialState(state.started | accepted), jnp.where(accepted, 0, -1)

    return Policy(
        capacity=lambda steps: 1,
        init=lambda capacity: SequentialState(jnp.zeros((), bool)),
        ask=ask,
        tell=tell,
        in_flight=1,
    )
