"""Selectors: which evaluated candidate to submit at the end."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Int

from optimizers.base import History


def best(history: History) -> Int[Array, ""]:
    """The valid candidate with the highest score, the earliest of equals; -1 if none is valid.

    With noisy scores the winner's own score overstates it (optimizer's curse).
    """
    score = jnp.where(history.valid, history.score, -jnp.inf)
    return jnp.where(history.valid.any(), jnp.argmax(score), -1)
