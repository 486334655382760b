"""Where an increasing curve meets a level: the one solver behind every crossover.

Directed progress rises with alignment, so it meets the level of the search at most once in [0, 1];
where it does not, the answer says who is ahead. Not covered: curves that turn (`crossover_cases`).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._one_dimensional import solve_increasing
from gome_theory.gradient_rate import Values

_CROSSES = "Reasoning is ahead above this alignment, search below it."
_SEARCH_WINS = (
    "No crossover: search is ahead at every alignment, because even a perfect direction makes less "
    "progress per unit of cost. Make the directed step cheaper, or compare at a larger dimension."
)
_REASONING_WINS = (
    "No crossover: reasoning is level or ahead at every alignment from 0 on, because the directed "
    "step costs no more than the search step is worth."
)
_SEARCH_STALLED = (
    "No crossover: the search makes no progress, so reasoning is ahead at every positive alignment."
)


class Crossover(NamedTuple):
    """The alignment at which two ways to spend a budget are level.

    Attributes:
        alignment: rho* in [0, 1]; NaN where there is no crossover.
        exists: Whether there is one.
        reason: A sentence: what the number means, or who is ahead and why there is none.
    """

    alignment: Values
    exists: np.ndarray | bool
    reason: np.ndarray | str


def level_alignment(
    rate: Callable[..., Values],
    target: npt.ArrayLike,
    largest: float,
    *parameters: npt.ArrayLike,
) -> Crossover:
    """Solve rate(rho, *parameters) = target for rho in [0, largest].

    Args:
        rate: Directed progress, continuous and increasing in its first argument, elementwise.
        target: What the search makes for the price of one directed step, >= 0.
        largest: Largest alignment to look at.
        *parameters: Passed to ``rate``; broadcast with ``target``.

    Returns:
        The crossover, in the broadcast shape.
    """
    inputs = (target, *parameters)
    target, *args = np.broadcast_arrays(*(np.asarray(value, float) for value in inputs))
    low, high = np.zeros(target.shape), np.full(target.shape, largest)
    rate_low, rate_high = rate(low, *args), rate(high, *args)
    search_wins = rate_high < target
    reasoning_wins = rate_low >= target * (1.0 - 1e-12)
    exists = ~(search_wins | reasoning_wins)
    # Where nothing crosses, any solvable target will do for the vectorised root finder.
    solvable = np.where(exists, target, (rate_low + rate_high) / 2.0)

    def excess(rho: np.ndarray, goal: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        return rate(rho, *rest) - goal

    root = solve_increasing(excess, low, high, (solvable, *args))
    ahead = np.where(target > 0.0, _REASONING_WINS, _SEARCH_STALLED)
    reason = np.where(exists, _CROSSES, np.where(search_wins, _SEARCH_WINS, ahead))
    alignment = np.where(exists, root, np.nan)
    if alignment.ndim == 0:
        return Crossover(float(alignment), bool(exists), str(reason))
    return Crossover(alignment, exists, reason)
