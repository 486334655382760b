"""Crossovers of directed steps that remember, agree, or repeat their mistakes.

Like `crossover`, for reasoners whose errors or truths persist: the alignment at which
``directed rate / c = efficiency * hill climbing``. A cost is that of one directed step, with all
its diagnoses, in evaluations of the search. The directed side is a large-d law in each case (named
with the function); the undirected side is exact at finite d where the criterion says "log" or
"gain", and scaled where there is none.

Not covered: crossovers in budget (`traces.lead_lost_after`), momentum on a quadratic.
"""

import numpy as np
import numpy.typing as npt

from gome_theory._crossing import Crossover, level_alignment
from gome_theory._ranges import domain
from gome_theory._regime import warn_below_scaled_regime
from gome_theory.bias import bias_trap
from gome_theory.consensus import consensus_alignment
from gome_theory.gradient_rate import Criterion, Values
from gome_theory.momentum import best_decay
from gome_theory.reliability import scaled
from gome_theory.scaled_rate import bayes_gated_psi, psi_g
from gome_theory.search_rate import hill_climb_rate
from gome_theory.success_memory import success_memory

_NEARLY_PERFECT = 1.0 - 1e-9
_SMALLEST_R = 1e-9


@domain()
def biased_vs_hill_climb(
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    bias_share: npt.ArrayLike,
    *,
    traces: npt.ArrayLike = 1,
    shared_bias: npt.ArrayLike = 1.0,
    base_alignment: npt.ArrayLike = 0.0,
    efficiency: npt.ArrayLike = 1.0,
    criterion: Criterion = "log",
) -> Crossover:
    """Ungated steps with persistent bias, once settled, against hill climbing [asymptotic].

    The root of rate(rho, omega) = c eta psi_g(r_0) / d. It falls with d only down to
    `bias_threshold`: search wins below sqrt(omega_K / (1 + omega_K)) in every dimension.

    Args:
        dim: d >= 2.
        cost: c > 0, of a step with its K diagnoses.
        bias_share: omega in [0, 1].
        traces: K >= 1, diagnoses averaged per step.
        shared_bias: kappa in [0, 1].
        base_alignment: rho_0 of the search's proposals.
        efficiency: eta of the search, relative to hill climbing.
        criterion: "log" or "gain".

    Returns:
        The crossover, in the broadcast shape of the arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> round(float(biased_vs_hill_climb(dim=400, cost=2.0, bias_share=0.05).alignment), 4)
        0.2474
    """

    def rate(rho: np.ndarray, omega: np.ndarray, K: np.ndarray, kappa: np.ndarray) -> Values:
        return bias_trap(rho, omega, traces=K, shared_bias=kappa, criterion=criterion).rate

    warn_below_scaled_regime(dim)
    level = hill_climb_rate(dim, base_alignment, criterion=criterion).rate
    target = np.asarray(cost, float) * efficiency * level
    return level_alignment(rate, target, _NEARLY_PERFECT, bias_share, traces, shared_bias)


@domain()
def momentum_vs_hill_climb(
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    persistence: npt.ArrayLike,
    *,
    bias_share: npt.ArrayLike = 0.0,
    base_alignment: npt.ArrayLike = 0.0,
    efficiency: npt.ArrayLike = 1.0,
) -> Crossover:
    """Ungated steps along the best EMA against hill climbing: rho_beta*^2 = c eta psi_g(r_0) / d.

    Moving frame; without bias and for small rho it is (1 - gamma^2) times the rho*^2 without memory
    [asymptotic].

    Args:
        dim: d.
        cost: c > 0.
        persistence: gamma in [0, 1).
        bias_share: omega in [0, 1].
        base_alignment: rho_0 of the search's proposals.
        efficiency: eta of the search, relative to hill climbing.

    Returns:
        The crossover, in the broadcast shape of the arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> value = momentum_vs_hill_climb(40.0, cost=2.0, persistence=0.5).alignment
        >>> print(round(float(value), 4))
        0.1238
    """
    gamma = np.asarray(persistence, float)

    def rate(rho: np.ndarray, gamma: np.ndarray, omega: np.ndarray) -> Values:
        return np.square(best_decay(rho, gamma, omega).alignment)

    return level_alignment(
        rate, _scaled_level(dim, cost, base_alignment, efficiency), 1.0, gamma, bias_share
    )


@domain()
def consensus_vs_hill_climb(
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    traces: npt.ArrayLike,
    *,
    bias_share: npt.ArrayLike = 0.0,
    shared_bias: npt.ArrayLike = 0.0,
    base_alignment: npt.ArrayLike = 0.0,
    efficiency: npt.ArrayLike = 1.0,
) -> Crossover:
    """Ungated steps along the mean of K diagnoses against hill climbing [asymptotic].

    rho_K^2 = c eta psi_g(r_0) / d, that is odds(rho*) = odds at one diagnosis / K_eff. This is the
    early phase; with bias that lasts, see `biased_vs_hill_climb`.

    Args:
        dim: d.
        cost: c > 0, of a step with its K diagnoses.
        traces: K >= 1.
        bias_share: omega in [0, 1].
        shared_bias: kappa in [0, 1].
        base_alignment: rho_0 of the search's proposals.
        efficiency: eta of the search, relative to hill climbing.

    Returns:
        The crossover, in the broadcast shape of the arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(consensus_vs_hill_climb(40.0, cost=2.0, traces=3).alignment), 4))
        0.0827
    """

    def rate(rho: np.ndarray, K: np.ndarray, omega: np.ndarray, kappa: np.ndarray) -> Values:
        return np.square(consensus_alignment(rho, K, omega, kappa))

    level = _scaled_level(dim, cost, base_alignment, efficiency)
    return level_alignment(rate, level, 1.0, traces, bias_share, shared_bias)


@domain()
def success_memory_vs_hill_climb(
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    persistence: npt.ArrayLike,
    *,
    traces: npt.ArrayLike = 1,
    varsigma: npt.ArrayLike = 0.0,
    base_alignment: npt.ArrayLike = 0.0,
    efficiency: npt.ArrayLike = 1.0,
) -> Crossover:
    """Gated steps with success memory against gated search: psi(r_f(r*)) = c eta psi(r_0).

    Both sides gate with the same noise [mean-field].

    Args:
        dim: d.
        cost: c > 0, of one trace's step.
        persistence: gamma in [0, 1).
        traces: K >= 1 that share the memory.
        varsigma: Scaled noise of a measured gain.
        base_alignment: rho_0 of the search's proposals.
        efficiency: eta of the search, relative to hill climbing.

    Returns:
        The crossover, in the broadcast shape of the arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> value = success_memory_vs_hill_climb(40.0, cost=2.0, persistence=0.5).alignment
        >>> print(round(float(value), 4))
        0.0477
    """

    def rate(
        rho: np.ndarray, d: np.ndarray, gamma: np.ndarray, K: np.ndarray, noise: np.ndarray
    ) -> Values:
        r = np.maximum(scaled(rho, d), _SMALLEST_R)
        return success_memory(r, gamma, traces=K, varsigma=noise).progress

    warn_below_scaled_regime(dim)
    search = bayes_gated_psi(scaled(base_alignment, dim), varsigma)
    target = np.asarray(cost, float) * efficiency * search
    return level_alignment(rate, target, 1.0, dim, persistence, traces, varsigma)


def _scaled_level(
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    base_alignment: npt.ArrayLike,
    efficiency: npt.ArrayLike,
) -> np.ndarray:
    """What hill climbing makes for the price of one directed step, for large d."""
    warn_below_scaled_regime(dim)
    progress = np.asarray(psi_g(scaled(base_alignment, dim)))
    return np.asarray(cost, float) * efficiency * progress / np.asarray(dim, float)
