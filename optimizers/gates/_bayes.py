"""Accept what is probably an improvement, given what proposals have been worth so far."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from optimizers.base import Gate, Observation


class SeenGains(NamedTuple):
    """Moments of all measured gains, accepted or not (Welford 1962).

    Drafts do not count, for they have no gain, nor do withheld steps, which nobody measured.
    """

    count: Int[Array, ""]
    mean: Float[Array, ""]
    sum_of_squares: Float[Array, ""]
    """Of deviations from the mean."""
    noise: Float[Array, ""]
    """Mean squared standard error."""


def bayes(
    prior_mean: float | None = None,
    prior_sd: float | None = None,
    *,
    warmup: int = 10,
    z: float = 1.0,
) -> Gate:
    """Accept iff the posterior mean of the gain is positive.

    If true gains of proposals are `N(mu, s^2)` and one is measured with standard error v, that is

        gain > theta,    theta = -mu v^2 / s^2

    the threshold that maximises expected progress: strict where proposals are mostly harmful
    (mu < 0), lenient where they are mostly good, and 0 as the noise vanishes. It bounds no error
    rate: a candidate with true gain 0 passes with probability `Phi(mu v / s^2)`.

    Without a prior it is estimated from the gains seen before (empirical Bayes, method of moments):
    mu is their mean, `s^2` their variance minus the mean noise variance, at least
    `sqrt(2 / (n - 1))` of the latter, which is about the sampling error of that difference. Until
    `warmup` gains were seen, and whenever they had no spread at all, the gate is
    `improved_beyond_noise(z)`. The candidate on trial does not enter its own threshold, so the
    verdict is monotone in the gain.

    Assumes that gains are exchangeable and roughly normal. The mean of measured gains is lower than
    that of true ones if the stored score of the parent was selected for being high; the gate then
    errs towards strictness.

    References: Robbins (1956), "An empirical Bayes approach to statistics"; Morris (1983),
    "Parametric empirical Bayes inference".

    Args:
      prior_mean: mu, in units of the score.
      prior_sd: s, positive.
      warmup: gains to see before the estimate is trusted; at least 2.
      z: of the gate used until then.

    Raises:
      ValueError: only one of mean and deviation is given, or `prior_sd` or `warmup` is too small.
    """
    if (prior_mean is None) != (prior_sd is None):
        raise ValueError("give `prior_mean` and `prior_sd` together, or neither to learn them")
    if prior_mean is not None and prior_sd is not None:
        # A traced prior (a sweep over priors) cannot be checked.
        if isinstance(prior_sd, (int, float)) and prior_sd <= 0:
            raise ValueError(f"`prior_sd` must be positive, got {prior_sd}")
        return _known(prior_mean, prior_sd)
    if warmup < 2:
        raise ValueError(f"`warmup` must be at least 2 to estimate a variance, got {warmup}")
    return _learned(warmup, z)


def _known(mean: float, sd: float) -> Gate:
    def decide(state, observation):
        return observation.gain > -mean * (observation.gain_stderr / sd) ** 2, state

    return Gate(init=tuple, decide=decide)


def _learned(warmup: int, z: float) -> Gate:
    def init():
        zero = jnp.zeros((), jnp.float32)
        return SeenGains(jnp.zeros((), jnp.int32), zero, zero, zero)

    def decide(state, observation):
        mean, variance = prior(state)
        stderr = observation.gain_stderr
        trusted = (state.count >= warmup) & (variance > 0)
        theta = jnp.where(
            trusted,
            -mean * stderr**2 / jnp.where(trusted, variance, 1.0),
            z * stderr,
        )
        return observation.gain > theta, _seen(state, observation)

    return Gate(init=init, decide=decide)


def prior(state: SeenGains) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Estimated mean and variance of true gains; the variance is floored as `bayes` says."""
    freedom = jnp.maximum(state.count - 1, 1).astype(jnp.float32)
    excess = state.sum_of_squares / freedom - state.noise
    return state.mean, jnp.maximum(excess, state.noise * jnp.sqrt(2.0 / freedom))


def _seen(state: SeenGains, observation: Observation) -> SeenGains:
    gain, variance = observation.gain, observation.gain_stderr**2
    measured = jnp.asarray(observation.replicates) > 0
    counts = measured & jnp.isfinite(gain) & jnp.isfinite(variance)
    count = state.count + 1
    deviation = jnp.where(counts, gain - state.mean, 0.0)
    mean = state.mean + deviation / count
    return SeenGains(
        count=jnp.where(counts, count, state.count),
        mean=mean,
        sum_of_squares=state.sum_of_squares + deviation * jnp.where(counts, gain - mean, 0.0),
        noise=state.noise + jnp.where(counts, variance - state.noise, 0.0) / count,
    )
