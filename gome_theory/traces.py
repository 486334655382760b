"""Several traces side by side, and the best of them: what a diversity of biases is worth.

A trace of T ungated steps of scaled length alpha adds up gains whose luck persists: a share omega
of each error is the trace's bias. While the bias has not yet turned the error against the reasoner
(alpha sqrt(omega) T << sqrt(d), see `bias`; warned about), its total log progress is normal with

    mean   [T (2 alpha r - alpha^2) - alpha^2 omega T (T - 1)] / d,
    spread (2 alpha / d) sqrt(T (1 - omega) + T^2 omega),

and two traces correlate by the share kappa of bias they have in common. Choosing the best of K
turns spread into progress. Not covered: averaging traces (`consensus`), gated steps, late phases.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._one_dimensional import solve_increasing
from gome_theory._ranges import domain, floats
from gome_theory._regime import warn_below_scaled_regime, warn_outside_regime
from gome_theory.gradient_rate import Values
from gome_theory.scaled_rate import psi_g
from gome_theory.search_rate import expected_max_normal

_LARGEST_DRIFT = 0.5  # a sqrt(omega) T beyond which the law is more than a few per cent off
_MANY_STEPS = 1e9


class TraceTotals(NamedTuple):
    """Total log progress of one trace, as a random variable.

    Attributes:
        mean: Its mean.
        spread: Its standard deviation.
        correlation: Correlation between two traces.
    """

    mean: Values
    spread: Values
    correlation: Values


@domain()
def trace_totals(
    steps: npt.ArrayLike,
    r: npt.ArrayLike,
    alpha: npt.ArrayLike,
    dim: npt.ArrayLike,
    bias_share: npt.ArrayLike = 0.0,
    shared_bias: npt.ArrayLike = 0.0,
) -> TraceTotals:
    """Log progress of a trace of T steps before the bias trap closes [asymptotic].

    Args:
        steps: T >= 1.
        r: Scaled alignment.
        alpha: Scaled step.
        dim: d.
        bias_share: omega in [0, 1].
        shared_bias: kappa in [0, 1], share of the bias common to all traces.

    Returns:
        Mean, spread, and correlation T omega kappa / (1 - omega + T omega).

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> totals = trace_totals(8, r=0.6, alpha=1.2, dim=200, bias_share=0.1)
        >>> print(round(totals.mean, 5))
        -0.04032
    """
    T, r, alpha, d, omega, kappa = floats(steps, r, alpha, dim, bias_share, shared_bias)
    warn_below_scaled_regime(dim)
    drift = float(np.max(alpha / np.sqrt(d) * np.sqrt(omega) * T))
    if drift > _LARGEST_DRIFT:
        warn_outside_regime(
            f"`steps` = {steps}: the bias has moved the error by {drift:.2g} of its length, beyond "
            f"{_LARGEST_DRIFT:g}. The early law is off by ten per cent and more; see `bias_trap`."
        )
    mean = (T * (2.0 * alpha * r - alpha**2) - alpha**2 * omega * T * (T - 1.0)) / d
    energy = T * (1.0 - omega) + T**2 * omega
    return TraceTotals(
        mean[()], (2.0 * alpha / d * np.sqrt(energy))[()], (T**2 * omega * kappa / energy)[()]
    )


@domain()
def best_trace(
    traces: npt.ArrayLike, totals: TraceTotals, score_noise: npt.ArrayLike = 0.0
) -> Values:
    """True mean value of the trace that looks best of K [exact for normal totals].

    mean + m_K s^2 / sqrt(s^2 + sigma^2) with s = spread sqrt(1 - correlation): what the traces have
    in common cannot be chosen.

    Args:
        traces: K >= 1.
        totals: Distribution of one trace's value; see `trace_totals`.
        score_noise: sigma >= 0, noise of each final score, in the units of the totals.

    Returns:
        The expected value of the pick.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(best_trace(4, TraceTotals(0.2, 0.1, 0.0))), 4))
        0.3029
    """
    K = np.asarray(traces, float)
    noise = np.asarray(score_noise, float)
    own = np.asarray(totals.spread, float) * np.sqrt(1.0 - np.asarray(totals.correlation, float))
    seen = np.hypot(own, noise)
    kept = np.where(seen > 0.0, own**2 / np.where(seen > 0.0, seen, 1.0), 0.0)
    return (totals.mean + np.asarray(expected_max_normal(K)) * kept)[()]


@domain()
def diversity_value(
    steps: npt.ArrayLike,
    traces: npt.ArrayLike,
    alpha: npt.ArrayLike,
    bias_share: npt.ArrayLike,
    shared_bias: npt.ArrayLike = 0.0,
) -> Values:
    """Best-of-K progress with biased traces less that with unbiased ones, times d [asymptotic].

    2 alpha m_K [sqrt(T (1 - omega) + T^2 omega (1 - kappa)) - sqrt(T)] - alpha^2 omega T (T - 1):
    spread gained, drift paid. Positive iff a diversity of biases is worth having.

    Args:
        steps: T >= 1.
        traces: K >= 1.
        alpha: Scaled step.
        bias_share: omega in [0, 1].
        shared_bias: kappa in [0, 1].

    Returns:
        The difference; 0 at T = 1 if kappa = 0.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(diversity_value(4, traces=3, alpha=1.2, bias_share=0.1)), 4))
        -1.1586
    """
    T, omega, kappa = floats(steps, bias_share, shared_bias)
    alpha, luck = np.asarray(alpha, float), np.asarray(expected_max_normal(traces))
    spread = np.sqrt(T * (1.0 - omega) + T**2 * omega * (1.0 - kappa))
    return (2.0 * alpha * luck * (spread - np.sqrt(T)) - alpha**2 * omega * T * (T - 1.0))[()]


@domain()
def longest_diverse_run(
    traces: npt.ArrayLike, alpha: npt.ArrayLike, bias_share: npt.ArrayLike
) -> Values:
    """Number of steps up to which wholly diverse biases (kappa = 0) are worth having [asymptotic].

    The root T of alpha [sqrt(T (1 - omega) + T^2 omega) + sqrt(T)] = 2 m_K, to which
    `diversity_value` > 0 reduces after division by omega T (T - 1). It is at most
    2 m_K / (alpha sqrt(omega)), and there is no such T > 1 unless m_K > alpha.

    Args:
        traces: K >= 1.
        alpha: Scaled step > 0.
        bias_share: omega in [0, 1].

    Returns:
        T, not whole; 1 (no run at all) where m_K <= alpha.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(longest_diverse_run(3, alpha=0.3, bias_share=0.1)), 4))
        6.3498
    """
    alpha = np.asarray(alpha, float)
    omega = np.asarray(bias_share, float)
    luck = np.asarray(expected_max_normal(traces))
    alpha, omega, luck = np.broadcast_arrays(alpha, omega, luck)

    def excess(T: np.ndarray, alpha: np.ndarray, omega: np.ndarray, luck: np.ndarray) -> np.ndarray:
        return alpha * (np.sqrt(T * (1.0 - omega) + T**2 * omega) + np.sqrt(T)) - 2.0 * luck

    pays = luck > alpha
    args = (alpha, omega, np.where(pays, luck, 2.0 * alpha))
    root = solve_increasing(excess, np.ones(alpha.shape), np.full(alpha.shape, _MANY_STEPS), args)
    return np.where(pays, root, 1.0)[()]


@domain()
def lead_lost_after(
    r: npt.ArrayLike, alpha: npt.ArrayLike, cost: npt.ArrayLike, bias_share: npt.ArrayLike
) -> Values:
    """Steps after which an ungated biased run has lost its lead over hill climbing [asymptotic].

    mean_T > c T psi_g(0) / d while T < 1 + (2 alpha r - alpha^2 - c psi_g(0)) / (alpha^2 omega): a
    second crossover, in budget. After that, the run without memory of its own bias falls behind.

    Args:
        r: Scaled alignment.
        alpha: Scaled step > 0.
        cost: c > 0 of a directed step, in evaluations of the search.
        bias_share: omega in [0, 1]; infinite steps without bias.

    Returns:
        The number of steps; 0 where the run never leads.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(lead_lost_after(1.2, alpha=1.2, cost=1.0, bias_share=0.0)), 4))
        inf
    """
    alpha = np.asarray(alpha, float)
    cost = np.asarray(cost, float)
    omega = np.asarray(bias_share, float)
    lead = 2.0 * alpha * np.asarray(r, float) - alpha**2 - cost * psi_g(0.0)
    lead, drag = np.broadcast_arrays(lead, alpha**2 * omega)
    lasting = np.where(drag > 0.0, 1.0 + lead / np.where(drag > 0.0, drag, 1.0), np.inf)
    return np.where(lead > 0.0, lasting, 0.0)[()]
