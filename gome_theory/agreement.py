"""What reasoners' words tell by themselves: agreement between directions, and the value of memory.

Two directions given at one state agree by R_w = rho^2 + q^2 omega if they come from one trace and
by R_x = rho^2 + q^2 omega kappa if they come from two (q^2 = 1 - rho^2) [asymptotic]. Truth and
shared bias enter both only through their sum, so *agreement cannot separate them*, and the outcomes
of these traces do not help: their intraclass correlation is

    omega (1 - kappa) / (1 - omega kappa) = (R_w - R_x) / (1 - R_x),

the same combination once more. What follows is a check of the one against the other, and bounds:
rho <= sqrt(R_x) and d >= r^2 / R_x.

Not covered: embeddings in which the cosine of two texts is not that of their directions.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._ranges import domain
from gome_theory.estimates import Estimate, NotIdentified, Quantity, from_draws, proportion
from gome_theory.observations import Steps
from gome_theory.scaled_rate import inverse_mills

NO_KAPPA = NotIdentified(
    "bias that all traces share looks like truth, in words and in outcomes",
    "the same steps of a reasoner of another family",
)


class Agreement(NamedTuple):
    """What the cosines of directions given at the same states tell.

    Attributes:
        within: R_w, two directions of one trace.
        across: R_x, directions of two traces.
        unshared: (R_w - R_x) / (1 - R_x), to be compared with the omega of the outcomes.
        largest_alignment: Upper bound sqrt(R_x) of rho; its interval is that of the bound.
        kappa: Never identified.
    """

    within: Estimate
    across: Estimate
    unshared: Quantity
    largest_alignment: Estimate
    kappa: NotIdentified = NO_KAPPA


@domain()
def agreement(
    within: npt.ArrayLike,
    across: npt.ArrayLike,
    *,
    level: float = 0.95,
    seed: int = 0,
    draws: int = 4000,
) -> Agreement:
    """Read the agreement of directions at common states [asymptotic].

    Args:
        within: Mean cosine of two directions of one trace, one per state, shape (n,), n >= 2.
        across: Mean cosine of directions of two traces, one per state, shape (m,), m >= 2.
        level: Of the intervals.
        seed: Of the draws.
        draws: How many.

    Returns:
        The agreement; Student's t over states.

    Raises:
        ValueError: If an argument is out of its range, or there are fewer than two states.

    Example:
        >>> found = agreement([0.4, 0.5, 0.45], [0.2, 0.3, 0.25])
        >>> print(round(found.unshared.value, 3), round(found.largest_alignment.value, 3))
        0.267 0.5
    """
    rng = np.random.default_rng(seed)
    inside = _mean("within", within, level, rng, draws)
    outside = _mean("across", across, level, rng, draws)
    point_w, point_x = inside[0].value, outside[0].value
    if point_x >= 1.0:
        unshared: Quantity = NotIdentified("all traces say the same", "a reasoner that varies")
    else:
        ratio = (inside[1] - outside[1]) / np.maximum(1.0 - outside[1], 1e-9)
        value = (point_w - point_x) / (1.0 - point_x)
        unshared = from_draws(value, ratio, level, "cosines within and across traces")
    bound = np.sqrt(np.clip(outside[1], 0.0, 1.0))
    largest = from_draws(np.sqrt(max(point_x, 0.0)), bound, level, "upper bound: no shared bias")
    return Agreement(inside[0], outside[0], unshared, largest)


def memory_value(
    steps: Steps,
    repeated: npt.ArrayLike | None,
    overlap: npt.ArrayLike | None,
    share: np.ndarray | None,
    level: float,
    rng: np.random.Generator,
) -> Quantity:
    """First-order value of momentum, 2 (C_1 / C_0 - R_1), from repeated directives.

    Steps along the last step's directive have t' instead of the t of fresh ones at the same length,
    so their alignment is r + t' - t and C_1 / C_0 = 1 + (t' - t) / r. R_1 is the mean overlap.

    Args:
        steps: The steps.
        repeated: Whether a step repeats the directive of the one before.
        overlap: Cosine with the directive of the step before, NaN for the first.
        share: Draws of the share of the gains' variance that is not noise, None if unknown.
        level: Of the interval.
        rng: For draws.

    Returns:
        The estimate; positive if memory helps.
    """
    if repeated is None or overlap is None or share is None:
        return NotIdentified("directives, or r, are not known", _EXPERIMENT)
    again = np.asarray(repeated, bool) & steps.valid & steps.unit
    cosines = np.asarray(overlap, float)
    cosines = cosines[np.isfinite(cosines)]
    if again.sum() < 2 or len(cosines) < 2:
        return NotIdentified(f"{int(again.sum())} steps repeat the last directive", _EXPERIMENT)
    fresh = steps.valid & steps.unit & ~again
    if not fresh.any():
        return NotIdentified("every step repeats the last directive", _EXPERIMENT)

    def draws_of_t(which: np.ndarray) -> np.ndarray:
        rate = proportion(steps.improved[which], steps.trace[which])
        return special.ndtri(rate.draws(rng, len(share))) / np.sqrt(share)

    t, lagged_t = draws_of_t(fresh), draws_of_t(again)
    r = 2.0 * t + inverse_mills(t)  # steps of the best length for fresh directives
    sign = np.sign(np.median(r))
    if np.mean(np.sign(r) == sign) < (1.0 + level) / 2.0:
        return NotIdentified("r may be zero, and nothing can be divided by it", "more steps")
    mean, error = float(cosines.mean()), float(cosines.std(ddof=1) / np.sqrt(len(cosines)))
    lagged = mean + error * rng.standard_t(len(cosines) - 1, size=len(r))
    value = 2.0 * (1.0 + (lagged_t - t) / r - lagged)
    return from_draws(float(np.median(value)), value, level, f"{int(again.sum())} repeated steps")


def _mean(name: str, cosines: npt.ArrayLike, level: float, rng, draws: int):
    values = np.atleast_1d(np.asarray(cosines, float))
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"`{name}` has shape {values.shape}: give two cosines or more, one per state."
        )
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    half = error * float(special.stdtrit(len(values) - 1, (1.0 + level) / 2.0))
    estimate = Estimate(mean, mean - half, mean + half, level, f"{len(values)} states")
    return estimate, mean + error * rng.standard_t(len(values) - 1, size=draws)


_EXPERIMENT = (
    "directives of all steps, and some steps, at random, that repeat the last step's directive"
)
