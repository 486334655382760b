"""What a strategy would submit if the run ended after each step."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from optimizers import History, Strategy, choose


def submitted(strategy: Strategy, history: History) -> Int[Array, " steps"]:
    """The selector's choice after each step, -1 while nothing is valid.

    Args:
      strategy: whose selector chooses.
      history: of a whole run; later steps are hidden from earlier choices as if they had failed.
    """
    steps = jnp.arange(history.score.shape[0])

    def after(step):
        seen = steps <= step
        past = history._replace(valid=history.valid & seen, accepted=history.accepted & seen)
        return choose(strategy.selector, past)

    return jax.lax.map(after, steps)
