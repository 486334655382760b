"""Noise and the components of variance of measured gains, with their draws.

Not covered: gains that drift along a trace, or whose spread changes within a task.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from gome_theory.estimates import Estimate, NotIdentified, Quantity, variance_draws
from gome_theory.observations import Observations, Selected, Steps
from gome_theory.search_rate import expected_max_normal


class Noise(NamedTuple):
    """Variance of the noise of a measured gain.

    Attributes:
        variance: Estimate of it.
        dof: Degrees of freedom of the estimate; infinite if it is taken as known.
        quantity: sigma as a user reads it.
    """

    variance: float
    dof: float
    quantity: Quantity

    @property
    def known(self) -> bool:
        """Whether the noise is identified."""
        return isinstance(self.quantity, Estimate)

    def draws(self, rng: np.random.Generator, draws: int) -> np.ndarray:
        """Draws of the variance; zeros where it is not identified."""
        total = self.variance * (1.0 if np.isinf(self.dof) else self.dof)
        return variance_draws(rng, total, self.dof, draws)


def noise_of_gains(seen: Observations, steps: Steps, level: float) -> Noise:
    """The noise of a measured gain, from the best evidence there is.

    What is given counts; then replicates: the variance within groups, of a gain directly or twice
    that of a score, with a chi-squared interval. Then reported standard errors, taken at their
    word. Then the optimism of selected candidates, E optimism = m_N sigma_s^2 / spread.

    Args:
        seen: For replicates and selections.
        steps: The same, checked.
        level: Of the interval.

    Returns:
        The noise; variance 0 and a `NotIdentified` if nothing tells.
    """
    if seen.noise is not None:
        sigma = float(seen.noise)
        return Noise(sigma**2, np.inf, Estimate(sigma, sigma, sigma, level, "given"))
    kinds = ((seen.replicate_gains, 1.0, "gains"), (seen.replicate_scores, 2.0, "scores"))
    for groups, factor, what in kinds:
        arrays = [np.asarray(group, float) for group in groups]
        arrays = [group[np.isfinite(group)] for group in arrays]
        arrays = [group for group in arrays if len(group) > 1]
        dof = sum(len(group) - 1 for group in arrays)
        if dof:
            squares = factor * sum(float(np.sum((g - g.mean()) ** 2)) for g in arrays)
            return _from_squares(squares, dof, level, f"replicate {what}, chi-squared")
    reported = steps.stderr[steps.measured & (steps.stderr > 0.0)]
    if len(reported):
        dof = seen.stderr_dof * len(reported)
        mean = float(np.mean(reported**2))
        method = "reported standard errors, taken at their word"
        if np.isinf(dof):
            sigma = float(np.sqrt(mean))
            return Noise(mean, dof, Estimate(sigma, sigma, sigma, level, method))
        return _from_squares(mean * dof, dof, level, method)
    if len(seen.selected) >= _FEWEST_SELECTED:
        return _from_optimism(seen.selected, level)
    return Noise(0.0, np.inf, NotIdentified(_NO_NOISE, REPLICATES))


def _from_squares(squares: float, dof: float, level: float, method: str) -> Noise:
    tail = (1.0 - level) / 2.0
    low, high = squares / special.chdtri(dof, [tail, 1.0 - tail])
    value = squares / dof
    sigma, low, high = (float(np.sqrt(v)) for v in (value, low, high))
    return Noise(
        value, dof, Estimate(sigma, low, high, level, f"{method}, {dof:.0f} degrees of freedom")
    )


def _from_optimism(selected: Sequence[Selected], level: float) -> Noise:
    """sigma_s^2 = optimism * spread / m_N of each run, averaged; twice that for a gain."""
    found = [
        2.0 * s.optimism * s.spread / float(expected_max_normal(s.candidates)) for s in selected
    ]
    k, mean = len(found), float(np.mean(found))
    error = float(np.std(found, ddof=1) / np.sqrt(k))
    t = special.stdtrit(k - 1, (1.0 + level) / 2.0)
    if mean <= 0.0:
        return Noise(
            0.0, np.inf, NotIdentified("chosen scores held up on untouched data", REPLICATES)
        )
    ends = (mean, mean - t * error, mean + t * error)
    sigma, low, high = (float(np.sqrt(max(v, 0.0))) for v in ends)
    # Satterthwaite (1946): a chi-squared variable with the same mean and variance.
    dof = 2.0 * mean**2 / max(error**2, 1e-300)
    return Noise(
        mean, dof, Estimate(sigma, low, high, level, f"optimism of {k} selected candidates")
    )


class Components(NamedTuple):
    """Variance of gains within and between traces.

    Attributes:
        within_squares: Sum of squares within traces.
        within_dof: Its degrees of freedom, N - K.
        between_square: Variance of the trace means.
        between_dof: K - 1.
        per_trace: Harmonic mean of the steps per trace.
    """

    within_squares: float
    within_dof: int
    between_square: float
    between_dof: int
    per_trace: float

    def variances(self) -> tuple[float, float]:
        """Unbiased estimates (within, between); the second may be negative."""
        within = self.within_squares / self.within_dof
        if self.between_dof == 0:
            return within, 0.0
        return within, self.between_square - within / self.per_trace

    def draws(self, rng: np.random.Generator, draws: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws of (within, between), the second cut off at zero."""
        within = variance_draws(rng, self.within_squares, self.within_dof, draws)
        if self.between_dof == 0:
            return within, np.zeros(draws)
        # Means closer to each other than chance makes them are no evidence of anything: without
        # this floor the interval would shrink to the point 0.
        floor = self.within_squares / self.within_dof / self.per_trace
        squares = self.between_dof * max(self.between_square, floor)
        means = variance_draws(rng, squares, self.between_dof, draws)
        return within, np.maximum(means - within / self.per_trace, 0.0)


def components(gain: np.ndarray, trace: np.ndarray) -> Components | None:
    """Sums of squares of a one-way layout; traces of unequal length by unweighted means.

    The variance of the trace means over sigma_b^2 + sigma_w^2 / n is chi-squared exactly for equal
    lengths n, and nearly so for unequal ones with their harmonic mean (Thomas and Hultquist 1978).
    With it the interval of the intraclass correlation is the exact F interval.

    Args:
        gain: Shape (n,).
        trace: Shape (n,).

    Returns:
        The sums, or None if no trace has two steps.
    """
    traces, group = np.unique(trace, return_inverse=True)
    sizes = np.bincount(group)
    if len(gain) - len(traces) < 1:
        return None
    means = np.bincount(group, weights=gain) / sizes
    within = float(np.sum((gain - means[group]) ** 2))
    k = len(traces)
    between = float(np.var(means, ddof=1)) if k > 1 else 0.0
    return Components(within, len(gain) - k, between, k - 1, float(1.0 / np.mean(1.0 / sizes)))


_FEWEST_SELECTED = 3
_NO_NOISE = (
    "a gain's spread and its noise look the same: only repeated measurements tell them apart"
)
REPLICATES = (
    "some candidates measured twice with different seeds or splits, chosen at random "
    "(gates that measure again do it for close calls)"
)
