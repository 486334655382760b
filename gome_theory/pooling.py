"""One answer from several tasks: random effects for r and for rates, pooled sums for omega.

Tasks differ in truth and not only by chance. Random effects estimate the mean over tasks and how
much they differ: tau^2 by Paule and Mandel (1982), the interval of the mean by Knapp and Hartung
(2003) with Student's t. A persistent share is not averaged: with a few traces per task each
estimate is rough and cut off at 0, so variances relative to those within traces are pooled first.

Not covered: tasks that resemble each other.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._components import components, noise_of_gains
from gome_theory._ranges import domain, in_range
from gome_theory.estimates import Estimate, NotIdentified, Quantity
from gome_theory.observations import Observations, checked

_FEWEST_TASKS = 3
_FEWEST_DOF = 3


class Pooled(NamedTuple):
    """Mean over tasks.

    Attributes:
        mean: With the interval of the mean, not of a task.
        spread: tau, standard deviation of the true values between tasks.
        tasks: How many contributed.
    """

    mean: Estimate
    spread: float
    tasks: int


@domain()
def random_effects(
    values: npt.ArrayLike, stderrs: npt.ArrayLike, level: float = 0.95
) -> Pooled | NotIdentified:
    """Mean of estimates with known standard errors, of truths that differ [asymptotic].

    Args:
        values: Estimates, shape (k,); those that are not finite are left out.
        stderrs: Their standard errors, shape (k,); those that are 0 or not finite are left out.
        level: Of the interval.

    Returns:
        The pooled mean, or why there is none.

    Raises:
        ValueError: If the level is out of its range, a standard error is negative, or the arrays
            differ in shape.

    Example:
        >>> pooled = random_effects([0.4, 0.7, 0.5], [0.1, 0.1, 0.2])
        >>> print(round(pooled.mean.value, 3), round(pooled.spread, 3))
        0.541 0.114
    """
    from scipy import optimize  # imported here: it is slow to import

    y, e = np.asarray(values, float), np.asarray(stderrs, float)
    if y.ndim != 1 or y.shape != e.shape:
        raise ValueError(
            f"`values` has shape {y.shape} and `stderrs` {e.shape}: give one number per task."
        )
    if np.any(e < 0.0):
        raise ValueError(f"`stderrs` is {e}: a standard error is not negative.")
    usable = np.isfinite(y) & np.isfinite(e) & (e > 0.0)
    y, variance = y[usable], e[usable] ** 2
    k = len(y)
    if k < 2:
        return NotIdentified(f"{k} tasks with an estimate are too few to pool", "two tasks or more")

    def excess(tau2: float) -> float:
        w = 1.0 / (variance + tau2)
        return float(np.sum(w * (y - np.average(y, weights=w)) ** 2)) - (k - 1)

    tau2 = 0.0
    if excess(0.0) > 0.0:
        bracket = (0.0, k * float(np.sum((y - y.mean()) ** 2)))
        tau2 = float(optimize.root_scalar(excess, bracket=bracket).root)
    w = 1.0 / (variance + tau2)
    mean = float(np.average(y, weights=w))
    # Knapp and Hartung's scale, at least 1: never narrower than what the errors say.
    scale = max(float(np.sum(w * (y - mean) ** 2)) / (k - 1), 1.0)
    half = float(special.stdtrit(k - 1, (1.0 + level) / 2.0) * np.sqrt(scale / w.sum()))
    estimate = Estimate(mean, mean - half, mean + half, level, f"random effects over {k} tasks")
    return Pooled(estimate, float(np.sqrt(tau2)), k)


def pool(quantities: Sequence[Quantity], *, share: bool = False) -> Pooled | NotIdentified:
    """Random effects of what `calibrate` gives, with errors from its intervals [asymptotic].

    Args:
        quantities: One per task; those that are not identified are left out.
        share: Whether they lie in [0, 1] and are pooled on the logit scale.

    Returns:
        The pooled mean, or why there is none.

    Raises:
        ValueError: If a quantity is neither an estimate nor unidentified, estimates have intervals
            of different levels, or one to be pooled as a share is outside [0, 1].

    Example:
        >>> tasks = [Estimate(0.4, 0.2, 0.6, 0.95, ""), Estimate(0.6, 0.5, 0.7, 0.95, "")]
        >>> print(round(pool(tasks).mean.value, 3))
        0.52
    """
    for q in quantities:
        if not isinstance(q, Estimate | NotIdentified):
            raise ValueError(f"`quantities` has {q!r}: give what `calibrate` found, one per task.")
    found = [q for q in quantities if isinstance(q, Estimate)]
    if not found:
        return NotIdentified("no task identifies it", "see the tasks")
    values, low, high = np.array([(q.value, q.low, q.high) for q in found]).T
    level = found[0].level
    if any(q.level != level for q in found):
        levels = sorted({q.level for q in found})
        raise ValueError(f"`quantities` have intervals of levels {levels}: use one for all.")
    if share:
        in_range("quantities", values, 0.0, 1.0, "a share")
        # Rates of exactly 0 or 1 have no logit; the middle of their interval has.
        values = np.where((values > 0.0) & (values < 1.0), values, (low + high) / 2.0)
        ends = np.clip([values, low, high], 1e-9, 1.0 - 1e-9)
        values, low, high = special.logit(ends)
    z = special.ndtri((1.0 + level) / 2.0)
    pooled = random_effects(values, (high - low) / (2.0 * z), level)
    if not share or isinstance(pooled, NotIdentified):
        return pooled
    ends = (pooled.mean.value, pooled.mean.low, pooled.mean.high)
    middle, low, high = (float(special.expit(end)) for end in ends)
    words = f"{pooled.mean.method}, logit scale"
    # The spread by the delta method, back on the scale of the shares.
    spread = pooled.spread * middle * (1.0 - middle)
    return Pooled(Estimate(middle, low, high, level, words), spread, pooled.tasks)


@domain()
def pool_omega(tasks: Sequence[Observations], level: float = 0.95) -> Quantity:
    """The unshared persistent share of several tasks, each with two traces or more [asymptotic].

    Relative to the variance within traces, the variance between them and the noise are averaged
    over tasks; the interval is a jackknife over tasks with Student's t, cut off at 0 and 1 (with 8
    tasks of 3 traces it holds the truth 9 times in 10, with 20 tasks as often as it says).

    Args:
        tasks: Steps of each task.
        level: Of the interval.

    Returns:
        omega, or why it is not identified.

    Raises:
        ValueError: If the level or an observation of a task is out of its range.

    Example:
        >>> rng, trace = np.random.default_rng(2), np.repeat(np.arange(4), 25)
        >>> bias = 0.5 * rng.normal(size=(20, 4))[:, trace]      # omega = 0.2
        >>> gains = bias + rng.normal(size=(20, 100))
        >>> found = pool_omega([Observations(trace, gain, noise=0.0) for gain in gains])
        >>> print(round(found.value, 2))
        0.17
    """
    rows = [row for row in map(_relative_sums, tasks) if row is not None]
    if len(rows) < _FEWEST_TASKS:
        return NotIdentified(
            f"{len(rows)} tasks have two traces, gains and known noise; the differences between "
            f"tasks need {_FEWEST_TASKS}",
            "replicates, and two traces or more of each task",
        )
    sums = np.array(rows)
    total = sums.sum(0)
    value = _omega(total)
    left_out = np.array([_omega(total - row) for row in sums])
    k = len(rows)
    error = np.sqrt((k - 1.0) / k * np.sum((left_out - left_out.mean()) ** 2))
    half = error * float(special.stdtrit(k - 1, (1.0 + level) / 2.0))
    value, low, high = np.clip([value, value - half, value + half], 0.0, 1.0).tolist()
    return Estimate(value, low, high, level, f"variances pooled over {k} tasks, jackknife")


def _relative_sums(seen: Observations) -> np.ndarray | None:
    """(dof, dof * between, dof * signal within) of a task, relative to the variance within."""
    steps = checked(seen)
    on = steps.measured & steps.unit
    parts = components(steps.gain[on], steps.trace[on]) if on.any() else None
    noise = noise_of_gains(seen, steps, 0.95)
    if parts is None or parts.between_dof == 0 or not noise.known:
        return None
    if parts.within_dof < _FEWEST_DOF or parts.within_squares <= 0.0:
        return None
    # E[1 / chi^2_n] = 1 / (n - 2): what dividing by an estimated variance adds on average.
    within = parts.within_squares / (parts.within_dof - 2.0)
    between = parts.between_square / within - 1.0 / parts.per_trace
    dof = float(parts.between_dof)
    return np.array([dof, dof * between, dof * (1.0 - noise.variance / within)])


def _omega(sums: np.ndarray) -> float:
    between, signal = sums[1] / sums[0], sums[2] / sums[0]
    total = between + signal
    return float(between / total) if total > 0.0 else 1.0
