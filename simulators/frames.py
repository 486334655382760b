"""Frames: the truth turns by itself, whatever the run does.

On a static landscape the descent direction turns only because the run moves. In practice it also
turns because the question changes: the next bottleneck is another component. A frame holds the true
descent direction as a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from simulators._ranges import require_range
from simulators.oracles import uniform_direction

Vector = Float[Array, " dim"]


class Frame(NamedTuple):
    """A direction that turns, and where a point lies when it is seen from there."""

    init: Callable[[Key[Array, ""], int], Vector]
    turn: Callable[[Key[Array, ""], Vector], Vector]
    place: Callable[[Vector, Vector], Vector]
    """`(direction, params) -> params`, of the same loss."""


def moving_frame(persistence: float | Float[Array, ""]) -> Frame:
    r"""The descent direction of a sphere is an AR(1) process on the unit sphere.

    .. math:: n_{t+1} \propto \gamma n_t + \sqrt{1-\gamma^2}\, w_t, \qquad w_t \sim U(S^{d-1})

    Between steps every node keeps its distance from the optimum, and the optimum moves so that the
    descent direction is the new one: directions that were right lose their worth at rate gamma,
    as the theory of momentum and success memory has it (`gome_theory.momentum`). Only for `sphere`,
    whose loss depends on the distance alone.

    Args:
      persistence: gamma in [0, 1], the autocorrelation of the true direction per step.

    Raises:
      ValueError: a persistence known beforehand is outside [0, 1].
    """
    require_range("persistence", persistence, 0.0, 1.0, "an autocorrelation")

    def turn(key, direction):
        news = uniform_direction(key, direction.shape[-1])
        turned = persistence * direction + jnp.sqrt(1.0 - persistence**2) * news
        return turned / jnp.linalg.norm(turned)

    def place(direction, params):
        return -jnp.linalg.norm(params, axis=-1, keepdims=True) * direction

    return Frame(uniform_direction, turn, place)
