"""Measure again until the evidence suffices, either way."""

from __future__ import annotations

import math

import jax.numpy as jnp

from optimizers.base import Gate
from optimizers.gates._student import check_folds, normal_score


def sequential_test(
    effect: float = 1.0,
    false_accept: float = 0.05,
    false_reject: float = 0.05,
    replicates: int = 8,
    folds: int | None = None,
) -> Gate:
    """Wald's sequential probability ratio test of "no gain" against a gain worth having.

    With n measurements of mean gain g and standard error `sigma / sqrt(n)`, the log likelihood
    ratio of a gain `effect * sigma` against 0 is

        LLR = n effect (g / sigma - effect / 2)

    Accept above `log((1 - false_reject) / false_accept)`, reject below
    `log(false_reject / (1 - false_accept))`, measure candidate and parent once more in between. A
    test that is still undecided after `replicates` measurements rejects: that can only lower the
    false-accept rate, and raises the false-reject rate (to 0.29 at the defaults; `replicates=16`
    leaves 0.07 and costs one measurement more on average).

    `effect` is in standard errors of one measured gain and not in units of the score, because those
    are rarely known beforehand, and because the number of measurements then does not depend on the
    task: about `log(1 / false_accept) / (effect^2 / 2)` for a candidate that is no better (Wald's
    approximation, untruncated). Where noise is zero the gate is `improved`.

    Nominal rates hold for independent Gaussian measurements of known standard error; overshoot of
    the boundaries keeps the true ones below. From the second measurement on, drivers measure the
    parent again with the candidate; the first compares with the parent's stored score, which was
    selected for being high and so makes the test stricter. Replicates of a real run train on the
    same rows, so their errors are not quite independent and its rates are approximate. Means at the
    time of stopping are biased in favour of the decision: do not report them, see
    `optimizers.claims`.

    Reference: Wald (1945), "Sequential tests of statistical hypotheses".

    Args:
      effect: smallest gain worth detecting, in standard errors of a single measured gain.
      false_accept: bound on accepting a candidate with gain 0.
      false_reject: bound on rejecting one with gain `effect`, but for the truncation.
      replicates: most measurements of one candidate.
      folds: number of (paired) folds each `gain_stderr` was estimated from; the mean then enters as
        the normal score of its t statistic. `None`: standard errors are known.

    Raises:
      ValueError: a rate is outside (0, 1/2), or `effect`, `replicates` or `folds` is too small.
    """
    for name, rate in (("false_accept", false_accept), ("false_reject", false_reject)):
        if not 0 < rate < 0.5:
            raise ValueError(f"`{name}` is an error rate between 0 and 1/2, got {rate}")
    if not (effect > 0 and replicates >= 1):
        raise ValueError(
            f"`effect` must be positive and `replicates` at least 1, got {effect} and {replicates}"
        )
    check_folds(folds)
    upper = math.log((1 - false_reject) / false_accept)
    lower = math.log(false_reject / (1 - false_accept))

    def surely(observation, boundary):
        """How far LLR is beyond a boundary, times sigma so that sigma may be 0."""
        n = jnp.asarray(observation.replicates, observation.gain.dtype)
        gain, sigma = observation.gain, observation.gain_stderr * jnp.sqrt(n)
        if folds is not None:
            gain = _as_if_known(gain, sigma, n, folds)
        return n * effect * (gain - sigma * effect / 2) - boundary * sigma

    def undecided(state, observation):
        del state
        return (surely(observation, upper) <= 0) & (surely(observation, lower) > 0)

    def decide(state, observation):
        return surely(observation, upper) > 0, state

    return Gate(init=tuple, decide=decide, undecided=undecided, replicates=replicates)


def _as_if_known(gain, sigma, n, folds):
    """The mean gain that would be as significant if `sigma` were known; infinite gains stay."""
    known = jnp.isfinite(gain) & (sigma > 0)
    t = jnp.sqrt(n) * jnp.where(known, gain, 0.0) / jnp.where(known, sigma, 1.0)
    degrees = jnp.maximum(n, 1) * (folds - 1)
    scored = normal_score(t, degrees) * sigma / jnp.sqrt(jnp.maximum(n, 1))
    return jnp.where(known, scored, gain)
