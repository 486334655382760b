"""Where gradient-like reasoning and search make equal progress per unit of cost.

A directed step costs ``cost`` (c) times one proposal-and-evaluation of the search. The crossover is
the alignment rho* at which ``directed rate / c = efficiency * search rate``; above it reasoning
wins, below it search does. Directed rates are continuous and increasing in rho, so there is at most
one rho* in [0, 1]; where there is none, the answer says so and why.

Two criteria: "log" (typical log progress, what a budget buys; default) and "gain" (mean gain). They
agree for large d and differ by several per cent at d = 10. Under "gain" a directed step cannot gain
more than everything, so an expensive enough step never wins; under "log" a nearly perfect direction
makes unbounded progress, so a crossover always exists, possibly close to 1.

Two laws: "exact" (finite d, default) and "scaled" (large d; gain and log coincide there).

Noisy searches cross in `crossover_noise`, other landscapes in `crossover_worlds`; costs and
searches that depend on rho (several crossovers, or none) are in `crossover_cases`.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._crossing import Crossover, level_alignment
from gome_theory._ranges import domain
from gome_theory._regime import warn_below_scaled_regime
from gome_theory.best_step import (
    optimal_gated_gain,
    optimal_gated_log_rate,
    optimal_ungated_gain,
    optimal_ungated_log_rate,
)
from gome_theory.gradient_rate import (
    Criterion,
    Values,
    by_criterion,
)
from gome_theory.reliability import scaled
from gome_theory.scaled_rate import bayes_gated_psi, hallucinated_psi_g, psi_g
from gome_theory.search_rate import (
    best_of_n_efficiency,
    expected_max_normal,
    expected_max_squared_projection,
    hill_climb_rate,
)

Law = Literal["exact", "scaled"]

_NEARLY_PERFECT = 1.0 - 1e-9  # log rates are infinite at alignment 1


class ProgressPerCost(NamedTuple):
    """Predicted progress per unit of cost of four ways to spend a budget.

    Attributes:
        gated: Directed steps that are kept only if they improve.
        ungated: Directed steps that are always kept.
        hill_climb: Undirected steps that are kept only if they improve.
        best_of_n: Moving to the best of n undirected candidates.
    """

    gated: Values
    ungated: Values
    hill_climb: Values
    best_of_n: Values


@domain()
def gated_vs_gated(
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    *,
    base_alignment: npt.ArrayLike = 0.0,
    efficiency: npt.ArrayLike = 1.0,
    hallucination: npt.ArrayLike = 0.0,
    criterion: Criterion = "log",
    law: Law = "exact",
) -> Crossover:
    """Gated directed steps against hill climbing or a gated tree search (Theorem 3).

    Scaled law: rho* = psi_g^{-1}(c eta psi_g(r_0)) / sqrt(d) [exact or asymptotic].

    Args:
        dim: d >= 2.
        cost: c > 0, cost of a directed step in search evaluations.
        base_alignment: rho_0 of the search's proposals.
        efficiency: eta, progress of the search relative to hill climbing with the same proposals.
        hallucination: h, probability that a directed step has alignment 0.
        criterion: "log" or "gain".
        law: "exact" or "scaled".

    Returns:
        The crossover, in the broadcast shape of the arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> round(float(gated_vs_gated(dim=30, cost=2.0).alignment), 4)
        0.0863
    """
    if _is_scaled(law, dim):
        level = psi_g(scaled(base_alignment, dim))

        def rate(rho: np.ndarray, d: np.ndarray, h: np.ndarray) -> Values:
            r = scaled(rho, d)
            return np.where(h == 0.0, psi_g(r), hallucinated_psi_g(r, h)) if np.any(h) else psi_g(r)
    else:
        level = hill_climb_rate(dim, base_alignment, criterion=criterion).rate
        directed = by_criterion(criterion, log=optimal_gated_log_rate, gain=optimal_gated_gain)

        def rate(rho: np.ndarray, d: np.ndarray, h: np.ndarray) -> Values:
            return directed(rho, d, hallucination=h).rate

    target = np.asarray(cost, float) * efficiency * level
    return level_alignment(rate, target, _largest_alignment(law, criterion), dim, hallucination)


@domain()
def ungated_vs_hill_climb(
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    *,
    base_alignment: npt.ArrayLike = 0.0,
    efficiency: npt.ArrayLike = 1.0,
    hallucination: npt.ArrayLike = 0.0,
    criterion: Criterion = "log",
    law: Law = "exact",
) -> Crossover:
    """Directed steps that are always taken against hill climbing.

    Scaled law: rho* = sqrt(c eta psi_g(r_0) / d) / (1 - h) [exact or asymptotic].

    Args:
        dim: d >= 2.
        cost: c > 0, cost of a directed step in search evaluations.
        base_alignment: rho_0 of the search's proposals.
        efficiency: eta, progress of the search relative to hill climbing with the same proposals.
        hallucination: h, probability that a directed step has alignment 0.
        criterion: "log" or "gain".
        law: "exact" or "scaled".

    Returns:
        The crossover, in the broadcast shape of the arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> round(float(ungated_vs_hill_climb(dim=10, cost=3.0).alignment), 4)
        0.3354
    """
    if _is_scaled(law, dim):
        level = psi_g(scaled(base_alignment, dim)) / np.asarray(dim, float)
    else:
        level = hill_climb_rate(dim, base_alignment, criterion=criterion).rate
    target = np.asarray(cost, float) * efficiency * level
    return _solve_ungated(target, dim, hallucination, criterion, law)


@domain()
def ungated_vs_best_of_n(
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    n: npt.ArrayLike,
    *,
    base_alignment: npt.ArrayLike = 0.0,
    hallucination: npt.ArrayLike = 0.0,
    criterion: Criterion = "log",
    law: Law = "exact",
) -> Crossover:
    """Directed steps that are always taken against moving to the best of N candidates.

    Mean gain: rho*^2 = c (rho_0 + q_0 e)^2 / (N (1 + 2 rho_0 q_0 e)), e = e_{N,d}; scaled law:
    rho*^2 = c max(r_0 + m_N, 0)^2 / (N d) [exact or asymptotic].

    Args:
        dim: d >= 2.
        cost: c > 0.
        n: N >= 1, number of candidates; they cost N.
        base_alignment: rho_0 of the candidates.
        hallucination: h, probability that a directed step has alignment 0.
        criterion: "log" or "gain".
        law: "exact" or "scaled".

    Returns:
        The crossover, in the broadcast shape of the arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(ungated_vs_best_of_n(40.0, cost=2.0, n=5).alignment), 4))
        0.1155
    """
    cost, n = np.asarray(cost, float), np.asarray(n, float)
    if _is_scaled(law, dim):
        ahead = np.maximum(scaled(base_alignment, dim) + expected_max_normal(n), 0.0)
        level = ahead**2 / (n * np.asarray(dim, float))
    else:
        level = best_of_n_efficiency(n, dim, base_alignment, criterion=criterion)
    return _solve_ungated(cost * level, dim, hallucination, criterion, law)


@domain()
def ungated_vs_best_line_search(
    dim: npt.ArrayLike, cost: npt.ArrayLike, n: npt.ArrayLike
) -> Crossover:
    """Ungated steps against the best of N uniform directions, each with a free exact line search.

    Mean gain: rho*^2 = c E[max_i w_i^2] / N [exact].

    Args:
        dim: d >= 2.
        cost: c > 0.
        n: N >= 1, number of directions; they cost N.

    Returns:
        The crossover, in the broadcast shape of the arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(ungated_vs_best_line_search(40.0, cost=2.0, n=5).alignment), 4))
        0.1653
    """
    n = np.asarray(n, float)
    level = expected_max_squared_projection(n, dim) / n
    return _solve_ungated(np.asarray(cost, float) * level, dim, 0.0, "gain", "exact")


@domain()
def bayes_gated_vs_bayes_gated(
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    varsigma: npt.ArrayLike,
    *,
    base_alignment: npt.ArrayLike = 0.0,
) -> Crossover:
    """Both sides gate with noisy scores: psi(r*; varsigma) = c psi(r_0; varsigma) [asymptotic].

    More noise moves the crossover left, from psi_g^{-1}(c psi_g(r_0)) towards sqrt(c) r_0.

    Args:
        dim: d >= 2; a warning is given below 30.
        cost: c > 0.
        varsigma: Scaled noise of a measured gain; see `scaled_noise`.
        base_alignment: rho_0 of the search's proposals.

    Returns:
        The crossover, in the broadcast shape of the arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> value = bayes_gated_vs_bayes_gated(40.0, cost=2.0, varsigma=0.7).alignment
        >>> print(round(float(value), 4))
        0.0683
    """
    warn_below_scaled_regime(dim)
    target = np.asarray(cost, float) * bayes_gated_psi(scaled(base_alignment, dim), varsigma)

    def rate(rho: np.ndarray, d: np.ndarray, noise: np.ndarray) -> Values:
        return bayes_gated_psi(scaled(rho, d), noise)

    return level_alignment(rate, target, 1.0, dim, varsigma)


@domain()
def progress_per_cost(
    alignment: npt.ArrayLike,
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    *,
    n: npt.ArrayLike = 5,
    base_alignment: npt.ArrayLike = 0.0,
    hallucination: npt.ArrayLike = 0.0,
    criterion: Criterion = "log",
) -> ProgressPerCost:
    """The curves that cross: progress per unit of cost over alignment, each at its best step.

    Args:
        alignment: rho of directed steps.
        dim: d >= 2.
        cost: c, cost of a directed step; undirected evaluations cost 1.
        n: Candidates per batch of best-of-n.
        base_alignment: rho_0 of undirected proposals.
        hallucination: h, probability that a directed step has alignment 0.
        criterion: "log" or "gain".

    Returns:
        Four arrays; the undirected ones do not depend on ``alignment`` and keep the broadcast shape
        of their own arguments [exact].

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(progress_per_cost(0.2, dim=40.0, cost=2.0).gated), 4))
        0.0279
    """
    cost = np.asarray(cost, float)
    gated = by_criterion(criterion, log=optimal_gated_log_rate, gain=optimal_gated_gain)
    return ProgressPerCost(
        (gated(alignment, dim, hallucination=hallucination).rate / cost)[()],
        (_ungated_rate(alignment, dim, hallucination, criterion) / cost)[()],
        hill_climb_rate(dim, base_alignment, criterion=criterion).rate,
        best_of_n_efficiency(n, dim, base_alignment, criterion=criterion),
    )


def _ungated_rate(
    alignment: npt.ArrayLike,
    dim: npt.ArrayLike,
    hallucination: npt.ArrayLike,
    criterion: Criterion,
) -> Values:
    if criterion == "gain":
        return optimal_ungated_gain(alignment, hallucination=hallucination).rate
    return optimal_ungated_log_rate(alignment, dim, hallucination=hallucination).rate


def _solve_ungated(
    target: npt.ArrayLike,
    dim: npt.ArrayLike,
    hallucination: npt.ArrayLike,
    criterion: Criterion,
    law: Law,
) -> Crossover:
    """The mean gain is ((1-h) rho)^2 at every d, and the scaled law is that gain."""
    if law == "scaled":
        criterion = "gain"

    def rate(rho: np.ndarray, d: np.ndarray, h: np.ndarray) -> Values:
        return _ungated_rate(rho, d, h, criterion)

    return level_alignment(rate, target, _largest_alignment(law, criterion), dim, hallucination)


def _largest_alignment(law: Law, criterion: Criterion) -> float:
    return _NEARLY_PERFECT if law == "exact" and criterion == "log" else 1.0


def _is_scaled(law: Law, dim: npt.ArrayLike) -> bool:
    """Whether the scaled law is asked for; warns where it is asked for outside its regime."""
    if law not in ("exact", "scaled"):
        raise ValueError(f'`law` is {law!r}, which is unknown. Use "exact" or "scaled".')
    if law == "scaled":
        warn_below_scaled_regime(dim, 'Use law="exact".')
    return law == "scaled"
