"""Accept whatever ran."""

import jax.numpy as jnp

from optimizers.base import Gate


def always() -> Gate:
    """Accept every valid candidate: an ungated step, or the node-keeping of a tree search."""

    def decide(state, observation):
        return jnp.ones_like(observation.valid, bool), state

    return Gate(init=tuple, decide=decide)
