"""Diagnose every k steps and reuse the direction in between: when a diagnosis is dear, amortise it.

A diagnosis costs c, following an old direction again costs 1. In the moving-frame model the true
direction turns with autocorrelation gamma per step, so j steps later the old direction has
alignment rho gamma^j. With the step size matched to it the ungated gain is (rho gamma^j)^2, and

    rate(k) = rho^2 (1 - gamma^(2k)) / ((1 - gamma^2) (c + k - 1))          [exact in this model].

gamma belongs to the problem: on an isotropic sphere the best step removes all of f along u, so the
*same* direction is worthless at once (gamma = 0); reuse pays on ill-conditioned problems, where
steps are limited by other directions, and where one diagnosis names work for several steps.

Not covered: gated reuse with feedback (stop reusing when a step fails), learning gamma.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._ranges import (
    DIAGNOSIS_COST,
    FULL_PERSISTENCE,
    PERSISTENCE,
    domain,
    floats,
)
from gome_theory.gradient_rate import Values

_NEWTON_STEPS = 60


class BestReuse(NamedTuple):
    """How often to diagnose.

    Attributes:
        k: Steps per diagnosis, 1 = diagnose every step.
        rate: Progress per cost relative to rho^2 (so 1/c at k = 1).
        speedup: Relative to diagnosing every step.
    """

    k: Values
    rate: Values
    speedup: Values


@domain(persistence=FULL_PERSISTENCE, cost=DIAGNOSIS_COST)
def reuse_rate(k: npt.ArrayLike, persistence: npt.ArrayLike, cost: npt.ArrayLike) -> Values:
    """Progress per cost with one diagnosis per k steps, in units of rho^2 [exact, moving frame].

    Args:
        k: Steps per diagnosis >= 1, not necessarily whole.
        persistence: gamma in [0, 1], autocorrelation of the true direction per step.
        cost: c >= 1, cost of a diagnosed step; a reused one costs 1.

    Returns:
        (1 - gamma^(2k)) / ((1 - gamma^2) (c + k - 1)); k / (c + k - 1) at gamma = 1.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(reuse_rate(1, 0.95, 5.0), 3), round(reuse_rate(8, 0.95, 5.0), 3))
        0.2 0.479
    """
    k, gamma, cost = floats(k, persistence, cost)
    safe = np.where(gamma < 1.0, gamma, 0.5)
    steps = np.where(gamma < 1.0, (1.0 - safe ** (2.0 * k)) / (1.0 - safe**2), k)
    return (steps / (cost + k - 1.0))[()]


@domain(persistence=PERSISTENCE._replace(open_ends="both"), cost=DIAGNOSIS_COST)
def continuous_best_k(persistence: npt.ArrayLike, cost: npt.ArrayLike) -> Values:
    """The best real k: with L = -2 ln gamma and m = c + k - 1, (1 + L m) e^(-L m) = e^(-L (c-1)).

    The rate is a concave gain over a linear cost, hence has one maximum; its first-order condition
    is the marginal value theorem (stop when the next step earns less than the average). With
    z = 1 + L m it is z - ln z = 1 + L (c - 1), the lower branch of Lambert's W, solved by Newton's
    method from the upper bound 1 + sqrt(2u) + u, u = L (c - 1) (Chatzigeorgiou 2013) [exact].

    Args:
        persistence: gamma in (0, 1).
        cost: c >= 1.

    Returns:
        k, possibly below 1 (then diagnose every step); about sqrt(2 (c-1) / L) for slow rotation.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(continuous_best_k(0.5, cost=2.0)), 4))
        0.9423
    """
    gamma = np.asarray(persistence, float)
    forgetting = -2.0 * np.log(gamma)
    u = forgetting * (np.asarray(cost, float) - 1.0)
    z = 1.0 + np.sqrt(2.0 * u) + u
    for _ in range(_NEWTON_STEPS):
        # At u = 0 the root z = 1 is double; there is nothing to amortise.
        slope = np.where(z > 1.0, 1.0 - 1.0 / z, 1.0)
        z = np.maximum(z - (z - np.log(z) - 1.0 - u) / slope, 1.0)
    return ((z - 1.0) / forgetting - np.asarray(cost, float) + 1.0)[()]


@domain(cost=DIAGNOSIS_COST)
def best_reuse(persistence: npt.ArrayLike, cost: npt.ArrayLike) -> BestReuse:
    """The best whole number of steps per diagnosis [exact, moving frame].

    Args:
        persistence: gamma in [0, 1).
        cost: c >= 1.

    Returns:
        k, rate and speedup over diagnosing every step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> best = best_reuse(0.95, 5.0)
        >>> print(int(best.k), round(best.speedup, 2))
        8 2.39
    """
    gamma = np.asarray(persistence, float)
    inside = np.where(gamma > 0.0, gamma, 0.5)
    below = np.maximum(np.floor(continuous_best_k(inside, cost)), 1.0)
    below = np.where(gamma > 0.0, below, 1.0)
    low, high = reuse_rate(below, gamma, cost), reuse_rate(below + 1.0, gamma, cost)
    k = np.where(np.asarray(high) > low, below + 1.0, below)
    rate = np.maximum(low, high)
    return BestReuse(k[()], rate[()], (rate * np.asarray(cost, float))[()])


@domain(cost=DIAGNOSIS_COST)
def effective_cost(persistence: npt.ArrayLike, cost: npt.ArrayLike) -> Values:
    """The cost of an equally good always-diagnosed step: 1 / rate at the best k [exact].

    Put it in place of c in the crossovers of ungated steps: it is at most c, so reuse moves the
    crossover left.

    Args:
        persistence: gamma in [0, 1).
        cost: c >= 1.

    Returns:
        c_eff in [max(1, (1 - gamma^2) c), c].

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(effective_cost(0.5, cost=2.0)), 4))
        2.0
    """
    return (1.0 / np.asarray(best_reuse(persistence, cost).rate))[()]
