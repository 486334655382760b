"""Several diagnoses of one step: what their mean is worth, and how evidence adds up.

K directions ``u_k = rho n + q (sqrt(omega) b_k + sqrt(1 - omega) w_k)``, where a share kappa of the
bias is common to all, so that two errors correlate by omega kappa. The mean direction has the odds
of one direction times the effective number of traces. With ``o = rho^2 / (1 - rho^2)``, the odds,
the evidence of independent estimates adds.

All laws are for large d, where errors are orthogonal to the truth and to each other [asymptotic].
On the sphere an ungated consensus never pays for itself (rho_K^2 / K <= rho^2): it pays in time,
and where bias sets a floor (`bias`). Not covered: choosing among traces instead of averaging
(`traces`).
"""

import numpy as np
import numpy.typing as npt

from gome_theory._ranges import domain
from gome_theory.gradient_rate import Values


@domain()
def odds(alignment: npt.ArrayLike) -> Values:
    """Odds rho^2 / (1 - rho^2) of an alignment; infinite at 1 [definition].

    Args:
        alignment: rho in [-1, 1]; the sign is lost, since a known sign can be corrected.

    Returns:
        The odds, >= 0.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(odds(0.2)), 4))
        0.0417
    """
    squared = np.asarray(alignment, float) ** 2
    perfect = squared == 1.0
    return np.where(perfect, np.inf, squared / np.where(perfect, 1.0, 1.0 - squared))[()]


@domain()
def alignment_of_odds(evidence: npt.ArrayLike) -> Values:
    """The alignment sqrt(o / (1 + o)) >= 0 with the given odds, the inverse of `odds` [definition].

    Args:
        evidence: o >= 0.

    Returns:
        rho.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(alignment_of_odds(0.5)), 4))
        0.5774
    """
    o = np.asarray(evidence, float)
    infinite = np.isinf(o)
    finite = np.where(infinite, 1.0, o)
    return np.where(infinite, 1.0, np.sqrt(finite / (1.0 + finite)))[()]


@domain()
def combine_alignments(first: npt.ArrayLike, second: npt.ArrayLike) -> Values:
    """Alignment of the best blend of two independent directions: odds add [asymptotic].

    The best weights are in proportion to rho_i / (1 - rho_i^2). A commutative monoid on [0, 1] with
    identity 0: order and grouping do not matter, and a direction that knows nothing adds nothing.

    Args:
        first: Alignment of one direction, in [-1, 1].
        second: Alignment of the other.

    Returns:
        Alignment of the blend, at least the larger of the two.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> round(float(combine_alignments(0.15, 0.3)) ** 2, 4)
        0.1087
    """
    return alignment_of_odds(np.asarray(odds(first)) + np.asarray(odds(second)))


@domain()
def correlated_odds(alignments: npt.ArrayLike, error_correlation: npt.ArrayLike) -> Values:
    """Odds of the best linear blend of correlated estimates: h' C^-1 h, h_i = rho_i/q_i.

    The best linear unbiased estimate (BLUE): u_i / rho_i = n + error / h_i, whose covariance Sigma
    gives o = 1' Sigma^-1 1. With C the identity the odds add [asymptotic].

    Args:
        alignments: Alignments of K directions in (-1, 1), along the last axis.
        error_correlation: C, correlations of their unit errors, (..., K, K), positive definite.

    Returns:
        The odds.

    Raises:
        ValueError: If C is not a correlation matrix of that size.

    Example:
        >>> value = correlated_odds([0.1, 0.2], error_correlation=[[1.0, 0.5], [0.5, 1.0]])
        >>> print(round(float(value), 4))
        0.0417
    """
    rho = np.asarray(alignments, float)
    correlation = np.asarray(error_correlation, float)
    count = rho.shape[-1]
    ones = np.ones(count)
    if correlation.shape[-2:] != (count, count) or not (
        np.allclose(np.diagonal(correlation, axis1=-2, axis2=-1), ones)
        and np.allclose(correlation, np.swapaxes(correlation, -1, -2))
        and np.all(np.linalg.eigvalsh(correlation) > 0.0)
    ):
        raise ValueError(
            f"`error_correlation` of shape {correlation.shape} is not a positive definite "
            f"correlation matrix for {count} directions. Pass (..., {count}, {count}) with ones "
            "on the diagonal."
        )
    signal = rho / np.sqrt(1.0 - rho**2)
    solved = np.linalg.solve(correlation, signal[..., None])[..., 0]
    return np.sum(signal * solved, axis=-1)[()]


@domain()
def effective_traces(
    traces: npt.ArrayLike, bias_share: npt.ArrayLike = 0.0, shared_bias: npt.ArrayLike = 0.0
) -> Values:
    """K_eff = K / (1 + (K - 1) omega kappa), what K diagnoses are worth [asymptotic].

    Args:
        traces: K >= 1.
        bias_share: omega in [0, 1].
        shared_bias: kappa in [0, 1]; 1 for K diagnoses within one trace.

    Returns:
        K_eff, from 1 to K; at most 1 / (omega kappa).

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(effective_traces(3)), 4))
        3.0
    """
    K = np.asarray(traces, float)
    omega = np.asarray(bias_share, float)
    kappa = np.asarray(shared_bias, float)
    return (K / (1.0 + (K - 1.0) * omega * kappa))[()]


@domain()
def consensus_alignment(
    alignment: npt.ArrayLike,
    traces: npt.ArrayLike,
    bias_share: npt.ArrayLike = 0.0,
    shared_bias: npt.ArrayLike = 0.0,
) -> Values:
    """Alignment of the mean of K directions; its odds are K_eff times those of one [asymptotic].

    rho_K^2 = rho^2 / (rho^2 + q^2 (1/K + omega kappa (1 - 1/K))). With kappa = 1 these are K steps
    of one trace whose truth stands still: averaging traces beats as many steps of one trace iff
    omega > 0 and kappa < 1.

    Args:
        alignment: rho in [-1, 1].
        traces: K >= 1.
        bias_share: omega in [0, 1].
        shared_bias: kappa in [0, 1].

    Returns:
        rho_K, with the sign of rho.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> [round(float(consensus_alignment(0.2, 4, 0.5, k)) ** 2, 4) for k in (0.0, 0.5, 1.0)]
        [0.1429, 0.087, 0.0625]
    """
    rho = np.asarray(alignment, float)
    error = (1.0 - rho**2) / np.asarray(effective_traces(traces, bias_share, shared_bias))
    return (rho / np.sqrt(rho**2 + error))[()]
