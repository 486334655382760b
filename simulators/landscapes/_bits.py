"""Plans as bits: a step flips one of them."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from simulators._ranges import require_count, require_range
from simulators.landscapes._base import Landscape, Vector


def plans(dim: int, wrong_share: float = 0.5) -> Landscape:
    """OneMax: `dim` decisions, each right (1) or wrong (0); the loss counts the wrong ones.

    The world of `gome_theory.hypercube`. That the right plan is all ones costs no generality: to a
    strategy that does not read bits all targets are alike. A start has `round(wrong_share * dim)`
    wrong bits (at least one), in units of which the loss is given.

    Args:
      dim: number of decisions, at least 2.
      wrong_share: share of wrong decisions at the start, in (0, 1].

    Raises:
      ValueError: a parameter is out of its range.
    """
    dim = require_count("dim", dim, 2, "a plan needs at least 2 decisions")
    wrong = wrong_at_start(dim, wrong_share)

    def loss(x):
        return jnp.sum(1.0 - x) / wrong

    def start(key):
        return jnp.ones(dim).at[jax.random.permutation(key, dim)[:wrong]].set(0.0)

    return Landscape(
        dim, loss, start, 1.0, edits=flip_signs, retract=flip_one, optimum=jnp.ones(dim)
    )


def wrong_at_start(dim: int, wrong_share: float) -> int:
    """How many decisions are wrong in the beginning."""
    require_range("wrong_share", wrong_share, 0.0, 1.0, "a share of the decisions")
    if wrong_share == 0:
        raise ValueError("`wrong_share` is 0: a run must start somewhere below the optimum")
    return max(1, round(wrong_share * dim))


def flip_signs(x: Vector) -> Vector:
    """+1 where a flip sets a bit, -1 where it clears one."""
    return 1.0 - 2.0 * x


def flip_one(x: Vector, update: Vector) -> Vector:
    """Flip the bit whose flip the update wants most; none if it wants none."""
    which, wanted = most_wanted(flip_signs(x), update)
    return x.at[which].set(jnp.where(wanted, 1.0 - x[which], x[which]))


def most_wanted(edits: Vector, update: Vector):
    """The edit that an update asks for most, and whether it asks for any."""
    wish = edits * update
    which = jnp.argmax(wish)
    return which, wish[which] > 0


def effects_of_flips(loss: Callable[[Vector], Vector]) -> Callable[[Vector], Vector]:
    """The gradient of the multilinear extension: `f(x_i = 1) - f(x_i = 0)` for every bit."""

    def gradient(x):
        flipped = jnp.where(jnp.eye(x.shape[0], dtype=bool), 1.0 - x, x)
        return (jax.vmap(loss)(flipped) - loss(x)) * flip_signs(x)

    return gradient
