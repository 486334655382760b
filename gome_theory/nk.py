"""NK landscapes: tunable epistasis, and reasoning as mental screening of neighbours.

N loci, each contributing a standard normal table entry that depends on itself and K others;
fitness is standardised (z = sum / sqrt(N)) and maximised. Flipping one locus redraws K + 1 of N
entries, so a neighbour correlates r1 = 1 - (K+1)/N with the current point and its gain is

    N(-(1 - r1) z, 1 - r1^2):     P(improve) = Phi(-z sqrt((1 - r1)/(1 + r1)))     [exact].

Exact for neighbourhoods in which every locus matters to K + 1 entries (adjacent ones); with random
neighbourhoods that number varies, which the ``neighbourhood`` argument averages over. Both are
averages over landscapes given z (annealed): after an adaptive walk the neighbours of the point are
no longer typical.

A reasoner that predicts gains with correlation rho_p and screens m neighbours in its head takes the
best-looking one. That is worth as much as really evaluating n of them, see `screening_equivalent`.

Not covered: local optima along a walk, correlation of successive points.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._one_dimensional import solve_increasing
from gome_theory._projection import tail_probability
from gome_theory._ranges import CORRELATION, domain
from gome_theory._regime import warn_below_scaled_regime, warn_outside_regime
from gome_theory.gradient_rate import Values
from gome_theory.search_rate import expected_max_normal, expected_max_projection

Neighbourhood = Literal["adjacent", "random"]
_LARGEST_LOG_COUNT = 300.0
_FEWEST_LOCI = 24


@domain()
def neighbour_correlation(loci: npt.ArrayLike, epistasis: npt.ArrayLike) -> Values:
    """r1 = 1 - (K+1)/N, the fitness correlation of points one flip apart [exact].

    Args:
        loci: N.
        epistasis: K in [0, N-1].

    Returns:
        r1.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(neighbour_correlation(24, epistasis=2)), 4))
        0.875
    """
    n, k = _landscape(loci, epistasis)
    return (1.0 - (k + 1.0) / n)[()]


@domain()
def nk_improvement_probability(
    fitness: npt.ArrayLike,
    loci: npt.ArrayLike,
    epistasis: npt.ArrayLike,
    *,
    neighbourhood: Neighbourhood = "adjacent",
) -> Values:
    """P(a random flip improves | z) = Phi(-z sqrt((1 - r1)/(1 + r1))) [exact].

    Args:
        fitness: z, standardised fitness of the current point.
        loci: N.
        epistasis: K.
        neighbourhood: "adjacent": each locus enters exactly K + 1 tables. "random": it enters its
            own and a Binomial(N-1, K/(N-1)) number of others, averaged over.

    Returns:
        The probability; 1/2 at z = 0.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(nk_improvement_probability(2.5, loci=40, epistasis=4), 4))
        0.2593
    """
    n, k = _landscape(loci, epistasis)
    z = np.asarray(fitness, float)
    if neighbourhood == "adjacent":
        return _improves(z, (k + 1.0) / n)[()]
    if neighbourhood != "random":
        raise ValueError(f'`neighbourhood` is {neighbourhood!r}. Use "adjacent" or "random".')
    others = np.arange(float(np.max(n)))
    z, n, k = (value[..., None] for value in np.broadcast_arrays(z, n, k))
    share = np.where(others < n, (others + 1.0) / n, 1.0)
    chance = _binomial(others, n - 1.0, k / np.maximum(n - 1.0, 1.0))
    return (_improves(z, share) * chance).sum(-1)[()]


@domain()
def neighbour_spread(loci: npt.ArrayLike, epistasis: npt.ArrayLike) -> Values:
    """s: how much the gains of a point's neighbours differ among themselves [exact].

    s^2 = (1 - r1^2) - cov, where two neighbours' gains share
    cov = K(K+1)/(N(N-1)) - ((K+1)/N)^2 on average: both keep the entries neither touches (r2 of
    them), and 1 - r2 = (2(K+1) - K(K+1)/(N-1))/N. For adjacent neighbourhoods; with random ones
    loci differ in how much they touch, which adds about (z^2 - 1) K (1 - K/(N-1)) / N^2 to s^2 at
    fitness z (5 per cent at N = 40, K = 4, z = 2.5).

    Args:
        loci: N >= 2.
        epistasis: K.

    Returns:
        Standard deviation of one neighbour's gain about the common part.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(neighbour_spread(24, epistasis=2)), 4))
        0.489
    """
    n, k = _landscape(loci, epistasis)
    share = (k + 1.0) / n
    shared = k * (k + 1.0) / (n * (n - 1.0)) - share**2
    return np.sqrt(1.0 - (1.0 - share) ** 2 - shared)[()]


@domain()
def screened_gain(
    fitness: npt.ArrayLike,
    loci: npt.ArrayLike,
    epistasis: npt.ArrayLike,
    screened: npt.ArrayLike,
    prediction: npt.ArrayLike = 1.0,
) -> Values:
    """Mean fitness gain of the best-looking of m neighbours: -(1 - r1) z + rho_p m_m s.

    With ``prediction`` 1 it is the best of m real evaluations [asymptotic: gains treated as normal
    with equal correlations; 2 to 7 per cent high at N = 24].

    Args:
        fitness: z.
        loci: N.
        epistasis: K.
        screened: m >= 1 distinct neighbours looked at, at most N.
        prediction: rho_p in [0, 1], correlation of predicted and true gains.

    Returns:
        Mean gain in units of the fitness standard deviation; negative where looking is too little.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(screened_gain(0.0, 24, 2, screened=24, prediction=0.8), 4))
        0.7619
    """
    rho, m = np.asarray(prediction, float), np.asarray(screened, float)
    check_neighbours("screened", m, loci)
    if np.any(np.asarray(loci, float) < _FEWEST_LOCI):
        warn_outside_regime(
            f"`loci` = {np.min(loci):g}: the gains of so few neighbours are not nearly normal with "
            f"equal correlations; at {_FEWEST_LOCI} loci the law is 2 to 7 per cent high."
        )
    drift = np.asarray(neighbour_correlation(loci, epistasis)) - 1.0
    picked = rho * expected_max_normal(m) * neighbour_spread(loci, epistasis)
    return (drift * np.asarray(fitness, float) + picked)[()]


@domain()
def screening_equivalent(
    screened: npt.ArrayLike, prediction: npt.ArrayLike, fidelity: npt.ArrayLike = 1.0
) -> Values:
    """How many real evaluations screening m candidates in the head is worth: n with
    fidelity * m_n = rho_p * m_m [exact for normal values].

    Args:
        screened: m >= 1.
        prediction: rho_p, correlation of predictions with the truth.
        fidelity: Correlation of real scores with the truth, s / sqrt(s^2 + sigma^2), in (0, 1].

    Returns:
        n >= 1, not whole; infinite where no number of evaluations below e^300 would do.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(screening_equivalent(100, 0.5), 2))
        5.86
    """
    m, rho = np.asarray(screened, float), np.asarray(prediction, float)
    trust = np.asarray(fidelity, float)
    goal = rho * expected_max_normal(m) / trust
    return _count_for(goal, expected_max_normal)


@domain(alignment=CORRELATION._replace(open_ends="high"))
def equivalent_candidates(alignment: npt.ArrayLike, dim: npt.ArrayLike) -> Values:
    """N_eq: one step of alignment rho goes as far as the best of N random ones, e_{N,d} = rho.

    In mean gain per batch, not per cost [exact, quadrature]; exponential in d rho^2, about
    exp(-0.577) / P(w > rho) (`equivalent_candidates_estimate`).

    Args:
        alignment: rho in [0, 1).
        dim: d >= 2.

    Returns:
        N_eq >= 1, not whole.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(equivalent_candidates(0.4, 40)))
        130
    """
    goal = np.asarray(alignment, float)
    goal, d = np.broadcast_arrays(goal, np.asarray(dim, float))
    return _count_for(goal, expected_max_projection, d)


@domain(alignment=CORRELATION._replace(open_ends="both"))
def equivalent_candidates_estimate(alignment: npt.ArrayLike, dim: npt.ArrayLike) -> Values:
    """N_eq from the extreme-value rule e^(-gamma) / P(w > rho), gamma = 0.577 [asymptotic].

    Args:
        alignment: rho in (0, 1).
        dim: d >= 2.

    Returns:
        An estimate, 10 per cent low at N_eq = 100.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(equivalent_candidates_estimate(0.2, dim=40.0)), 4))
        5.3488
    """
    warn_below_scaled_regime(dim, "Use `equivalent_candidates`.")
    return (np.exp(-np.euler_gamma) / tail_probability(alignment, dim))[()]


def _improves(z: np.ndarray, share: np.ndarray) -> np.ndarray:
    correlation = 1.0 - share
    return special.ndtr(-z * np.sqrt((1.0 - correlation) / (1.0 + correlation)))


def _binomial(count: np.ndarray, trials: np.ndarray, chance: np.ndarray) -> np.ndarray:
    inside = np.minimum(count, trials)
    log_ways = -special.betaln(inside + 1.0, trials - inside + 1.0) - np.log1p(trials)
    odds = special.xlogy(inside, chance) + special.xlog1py(trials - inside, -chance)
    return np.where(count <= trials, np.exp(log_ways + odds), 0.0)


def _count_for(
    goal: npt.ArrayLike, largest_of: Callable[..., Values], *parameters: np.ndarray
) -> Values:
    """The real n >= 1 whose expected maximum is the goal."""
    goal = np.asarray(goal, float)
    low, high = np.zeros(goal.shape), np.full(goal.shape, _LARGEST_LOG_COUNT)
    within = np.asarray(largest_of(np.exp(high), *parameters)) > goal
    # One candidate is worth 0 up to rounding, and any smaller goal one candidate.
    positive = goal > np.asarray(largest_of(np.exp(low), *parameters)) + 1e-15
    # Where there is nothing to solve, any solvable goal will do for the vectorised root finder.
    solvable = np.where(within & positive, goal, largest_of(np.exp(low + 1.0), *parameters))

    def excess(log_n: np.ndarray, aim: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        return np.asarray(largest_of(np.exp(log_n), *rest)) - aim

    log_n = solve_increasing(excess, low, high, (solvable, *parameters))
    return np.where(within, np.where(positive, np.exp(log_n), 1.0), np.inf)[()]


def _landscape(loci: npt.ArrayLike, epistasis: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    n = np.asarray(loci, float)
    k = np.asarray(epistasis, float)
    if np.any(k > n - 1.0):
        raise ValueError(
            f"`epistasis` is {epistasis} with {loci} `loci`: a locus can depend on at most N - 1 "
            "others. Pass K <= N - 1."
        )
    return n, k


def check_neighbours(name: str, count: npt.ArrayLike, loci: npt.ArrayLike) -> None:
    """Refuse more neighbours than a point has.

    Args:
        name: What the caller calls the number of neighbours.
        count: How many are looked at.
        loci: N.

    Raises:
        ValueError: If there are more than N anywhere.
    """
    if np.any(np.asarray(count, float) > np.asarray(loci, float)):
        raise ValueError(
            f"`{name}` is {count} with {loci} `loci`: a point has only so many neighbours. "
            f"Pass {name} <= loci."
        )
