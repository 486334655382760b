"""Calibrate while running, and move to the side of the crossover that theory favors.

Of either side it keeps how many steps ran, how many improved, and how large and how noisy their
gains were, in units that move with the gains. The law of gated steps makes of these the progress
per step, and the lead of the directed side is the logarithm of the ratio, less that of the cost.

Both sides begin with a prior, which steps outweigh: that the step size is the best one, which ties
the size of gains to the improvement rate; for undirected steps that rate too, which theory knows.

Directed errors persist, so that successive steps repeat each other: the lag-one correlation k of
their outcomes makes n steps worth n (1 - k) / (1 + k).

Not covered: repairs that a side's crashes cause; priors are those without noise, which pulls
improvement rates towards 1/2.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Bool, Float

from optimizers.base import Observation, Policy
from optimizers.search._gain_scale import GainScale, begun, moved, unknown_scale
from optimizers.search._gated_progress import (
    locally_optimal_rms,
    log_progress,
    log_progress_variance,
)
from optimizers.search._hybrid import (
    Chooser,
    hybrid,
    is_measured,
    require_memory,
    require_positive_cost,
)

# The prior, directed side first. Undirected steps of the best size improve with probability .27 in
# any large dimension; of a reasoner it is thought, with the weight of two steps, that it is a
# little better than chance (.35 is a scaled alignment of .3).
PRIOR_RATE = np.array([0.35, 0.27], np.float32)
PRIOR_RATE_STEPS = np.array([2.0, 40.0], np.float32)
PRIOR_SIZE_STEPS = 16.0
"""Weight of the belief in the best step size."""
PRIOR_RUNS = 2.0
"""Steps that ran, before the first."""
PRIOR_PAIRS = 10.0
"""Pairs of successive steps without correlation, before the first."""
RAREST_PROBE = 0.02
"""Least probability of a probe, per unit of its cost."""
_MOST_NOISE, _MOST_CORRELATION = 0.95, 0.9
_OUTLIER = 5.0
"""A gain counts for at most this many times its root mean square."""


class Tally(NamedTuple):
    """Sums over the steps of both sides, the directed one first; arrays of shape `(2,)`.

    A step of a side discounts the side's earlier ones.
    """

    steps: Float[Array, " sides"]
    ran: Float[Array, " sides"]
    improved: Float[Array, " sides"]
    gain_squares: Float[Array, " sides"]
    """In units."""
    noise_squares: Float[Array, " sides"]
    """Of the gains' standard errors, in units."""


class Repeats(NamedTuple):
    """Whether successive directed steps have the same outcome; all discounted alike."""

    last: Float[Array, ""]
    """1 if the last directed step improved."""
    pairs: Float[Array, ""]
    both: Float[Array, ""]
    """Pairs of which both improved."""


class Lead(NamedTuple):
    """What the tally says."""

    rms: Float[Array, " sides"]
    """Root mean square gains, in units."""
    log_ratio: Float[Array, ""]
    """Of progress per cost, directed to undirected."""
    stderr: Float[Array, ""]


class AutoState(NamedTuple):
    """Everything that is known of both sides, and the side taken."""

    scale: GainScale
    tally: Tally
    repeats: Repeats
    lead: Lead
    directed: Bool[Array, ""]


def auto(
    base: Policy | None = None,
    cost: float = 2.0,
    margin: float = 0.1,
    exploration: float = 0.5,
    memory: float = 50.0,
) -> Policy:
    """The side that theory favors for what was seen so far, changed with hysteresis.

    After two steps of each it stays with a side until the lead of the other, in logarithms of
    progress per cost, exceeds `margin`. The other is probed with the probability that it is the
    better one, given the lead and `exploration` times its standard error, and on average at least
    once in 50 steps (in 50 times the cost, for directed steps), so that a reasoner that changes is
    noticed.

    Args:
      base: chooses the nodes; `aide(drafts=1)` if not given. Use the gate that it needs: `always`
        for trees, `improved` for `sequential`.
      cost: of a directed step, in undirected ones.
      margin: of the hysteresis, in logarithms.
      exploration: 1 probes as Thompson sampling does, which is much for a few hundred steps.
      memory: steps of a side after which a result counts for 1/e.

    Raises:
      ValueError: `cost` or `exploration` is not positive, `margin` is negative, or `memory` is
        below 2.
    """
    require_positive_cost(cost)
    require_memory(memory)
    if not margin >= 0.0:
        raise ValueError(f"`margin` must not be negative, got {margin}")
    if not exploration > 0.0:
        raise ValueError(f"`exploration` must be positive, got {exploration}")
    keep = 1.0 - 1.0 / memory

    def init():
        zero, nothing = jnp.zeros(()), jnp.zeros(2)
        tally = Tally(nothing, nothing, nothing, nothing, nothing)
        repeats = Repeats(zero, zero, zero)
        lead = lead_of(tally, repeats, cost)
        return AutoState(unknown_scale(), tally, repeats, lead, jnp.ones((), bool))

    def directed(state: AutoState, key):
        probes = jax.random.uniform(key) < probing_probability(state, cost, exploration)
        settled = state.directed ^ probes
        # Two steps of each to begin with, in turns.
        steps = state.tally.steps
        return jnp.where((steps < 1.5).any(), steps[0] <= steps[1], settled)

    def learn(state: AutoState, directed, observation):
        side = jnp.where(directed, jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]))
        expected = (side * state.lead.rms).sum()
        gain = jnp.where(is_measured(observation), observation.gain, 0.0)
        scale = begun(state.scale, gain, expected)
        tally = _counted(state.tally, side, observation, scale.unit, expected, keep)
        repeats = _repeated(state.repeats, directed, observation, keep)
        lead = lead_of(tally, repeats, cost)
        return AutoState(
            scale=moved(scale, gain, expected),
            tally=tally,
            repeats=repeats,
            lead=lead,
            directed=jnp.where(state.directed, lead.log_ratio >= -margin, lead.log_ratio > margin),
        )

    return hybrid(base, Chooser(init, directed, learn))


def lead_of(tally: Tally, repeats: Repeats, cost: float) -> Lead:
    """The lead of the directed side by the law of gated steps."""
    weight = tally.ran + PRIOR_RATE_STEPS
    rate = (tally.improved + PRIOR_RATE_STEPS * PRIOR_RATE) / weight
    expected = PRIOR_SIZE_STEPS * locally_optimal_rms(rate) ** 2
    squares = (tally.gain_squares + expected) / (tally.ran + PRIOR_SIZE_STEPS)
    # Measured gains have mean u w and variance w^2; noise is a share of w^2 alone.
    noise = tally.noise_squares / (tally.gain_squares + expected)
    noise_share = jnp.clip(noise * (1.0 + jax.scipy.special.ndtri(rate) ** 2), 0.0, _MOST_NOISE)
    runs = (tally.ran + PRIOR_RUNS) / (tally.steps + PRIOR_RUNS)
    progress = jnp.log(runs) + log_progress(rate, jnp.sqrt(squares), noise_share)
    independent = _independent_steps(tally, repeats) + PRIOR_RATE_STEPS
    variance = log_progress_variance(rate, noise_share, independent)
    variance += (1.0 - runs) / (runs * (tally.steps + PRIOR_RUNS))
    return Lead(
        rms=jnp.sqrt(squares),
        log_ratio=progress[0] - progress[1] - jnp.log(cost),
        stderr=jnp.sqrt(variance.sum()),
    )


def probing_probability(state: AutoState, cost: float, exploration: float) -> Float[Array, ""]:
    """How often the side that is not taken is tried; never above 1/2."""
    doubt = ndtr(-jnp.abs(state.lead.log_ratio) / (exploration * state.lead.stderr))
    return jnp.maximum(
        doubt, jnp.where(state.directed, RAREST_PROBE, RAREST_PROBE / max(cost, 1.0))
    )


def _counted(tally: Tally, side, observation: Observation, unit, expected, keep: float) -> Tally:
    measured = is_measured(observation)
    size = jnp.where(measured, jnp.abs(observation.gain) / unit, 0.0)
    noise = jnp.where(measured, observation.gain_stderr / unit, 0.0)
    new = Tally(
        steps=jnp.ones(()),
        ran=1.0 * measured,
        improved=1.0 * (measured & (observation.gain > 0)),
        gain_squares=jnp.minimum(size, _OUTLIER * expected) ** 2,
        noise_squares=noise**2,
    )
    discount = jnp.where(side > 0, keep, 1.0)
    return jax.tree.map(lambda old, value: discount * old + side * value, tally, new)


def _repeated(repeats: Repeats, directed, observation: Observation, keep: float) -> Repeats:
    measured = is_measured(observation)
    improved = 1.0 * (observation.gain > 0)
    after = Repeats(
        last=improved,
        pairs=keep * repeats.pairs + 1.0,
        both=keep * repeats.both + improved * repeats.last,
    )
    return jax.tree.map(lambda new, old: jnp.where(directed & measured, new, old), after, repeats)


def _independent_steps(tally: Tally, repeats: Repeats) -> Float[Array, " sides"]:
    """Effective sample sizes n (1 - k) / (1 + k); undirected errors are fresh every time."""
    rate = (tally.improved[0] + 1.0) / (tally.ran[0] + 2.0)
    covariance = repeats.both - repeats.pairs * rate**2
    k = covariance / (rate * (1.0 - rate)) / (repeats.pairs + PRIOR_PAIRS)
    k = jnp.clip(k, 0.0, _MOST_CORRELATION)
    return tally.ran * jnp.array([(1.0 - k) / (1.0 + k), 1.0])
