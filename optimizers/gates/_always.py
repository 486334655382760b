"""Accept whatever ran."""

import jax.numpy as jnp

from optimizers.base import Gate


def always() -> Gate:
    """Accept every valid candidate: an ungated step, or the node-keeping of a tree search.

    Its false-accept rate is 1 and its false-reject rate 0. It does not look at the gain, so it is
    the only gate that accepts a gain that is not a number.
    """

    def decide(state, observation):
        return jnp.ones_like(observation.valid, bool), state

    return Gate(init=tuple, decide=decide)
