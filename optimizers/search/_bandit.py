"""A bandit over the two sides: discounted Thompson sampling, without any theory of steps.

An arm's reward is the improvement of a step per cost, in units of the gains of its time. Sums are
discounted at every step, for both arms (Garivier and Moulines 2011), so that the arm that rests
becomes uncertain again and is tried again. Each choice draws both means from normal posteriors and
takes the larger (Thompson 1933).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from optimizers.base import Policy
from optimizers.search._gain_scale import GainScale, begun, moved, unknown_scale
from optimizers.search._hybrid import (
    Chooser,
    hybrid,
    is_measured,
    require_memory,
    require_positive_cost,
)

# One step before the first, in which the gain was standard normal: E Z^+, E (Z^+)^2, E Z^2.
_PRIOR_REWARD, _PRIOR_SQUARE, _PRIOR_GAIN_SQUARE = 0.3989, 0.5, 1.0


class BanditState(NamedTuple):
    """Discounted sums of both arms, the directed one first; arrays of shape `(2,)`."""

    scale: GainScale
    steps: Float[Array, " arms"]
    measured: Float[Array, " arms"]
    reward: Float[Array, " arms"]
    """Of improvements, in units; 0 for what failed or made things worse."""
    reward_squares: Float[Array, " arms"]
    gain_squares: Float[Array, " arms"]


def bandit(base: Policy | None = None, cost: float = 2.0, memory: float = 100.0) -> Policy:
    """The side with the larger improvement per cost, as far as its own steps tell.

    Args:
      base: chooses the nodes, as for `auto`.
      cost: of a directed step, in undirected ones.
      memory: steps after which a result counts for 1/e.

    Raises:
      ValueError: `cost` is not positive, or `memory` is below 2.
    """
    require_positive_cost(cost)
    require_memory(memory)
    prices = np.array([cost, 1.0], np.float32)

    def init():
        nothing = jnp.zeros(2)
        return BanditState(unknown_scale(), nothing, nothing, nothing, nothing, nothing)

    def directed(state: BanditState, key):
        steps = state.steps + 1.0
        mean = (state.reward + _PRIOR_REWARD) / steps
        variance = (state.reward_squares + _PRIOR_SQUARE) / steps - mean**2
        drawn = mean + jnp.sqrt(variance / steps) * jax.random.normal(key, (2,))
        return jnp.argmax(drawn / prices) == 0

    def learn(state: BanditState, directed, observation):
        arm = jnp.where(directed, jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]))
        measured = is_measured(observation)
        gain = jnp.where(measured, observation.gain, 0.0)
        rms = jnp.sqrt((state.gain_squares + _PRIOR_GAIN_SQUARE) / (state.measured + 1.0))
        expected = (arm * rms).sum()
        scale = begun(state.scale, gain, expected)
        size = gain / scale.unit
        improvement = jnp.maximum(size, 0.0)
        keep = 1.0 - 1.0 / memory
        return BanditState(
            scale=moved(scale, gain, expected),
            steps=keep * state.steps + arm,
            measured=keep * state.measured + arm * measured,
            reward=keep * state.reward + arm * improvement,
            reward_squares=keep * state.reward_squares + arm * improvement**2,
            gain_squares=keep * state.gain_squares + arm * size**2,
        )

    return hybrid(base, Chooser(init, directed, learn))
