"""What an average over past directions is worth, when both the truth and the error persist.

At every step the reasoner says ``u_t = rho n_t + q (sqrt(omega) b + sqrt(1 - omega) w_t)`` with
``q^2 = 1 - rho^2``: a share ``omega`` (the *bias share*) of its error energy is the same vector b
at every step. The true direction turns, ``E<n_t, n_{t-k}> = gamma^k`` (gamma is the *persistence*),
as an AR(1) in the frame that moves with the run. The exponential moving average (EMA) is ``v_t =
beta v_{t-1} + (1 - beta) u_t``, and rho_beta is its alignment with n_t.

All laws are for large d [asymptotic] and for a truth that turns by itself. On a quadratic it turns
because of the steps, and memory of raw directions is worth much less: see `quadratic_momentum`.
Not covered: memory of *accepted* directions only (`success_memory`).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._one_dimensional import maximise
from gome_theory._ranges import FULL_PERSISTENCE, domain, floats
from gome_theory.gradient_rate import Values

_SHORTEST_FORGETTING = 1e-9  # 1 - beta of the longest memory that is tried


class BestDecay(NamedTuple):
    """The decay with the best aligned average.

    Attributes:
        decay: beta*, 0 where no memory helps.
        alignment: rho_beta at that decay.
    """

    decay: Values
    alignment: Values


@domain()
def momentum_value(
    alignment: npt.ArrayLike, lagged_alignment: npt.ArrayLike, lagged_overlap: npt.ArrayLike
) -> Values:
    """First-order value of momentum, d ln cos^2 / d beta at 0 = 2 (C_1 / C_0 - R_1) [theorem].

    For ``v = u_t + beta u_{t-1} + ...`` cos^2 = (C_0 + beta C_1)^2 / (1 + 2 beta R_1) + O(beta^2):
    momentum helps iff C_1 / C_0 > R_1. No model of the truth is needed, all three can be measured.

    Args:
        alignment: C_0 = E<n_t, u_t>, not 0.
        lagged_alignment: C_1 = E<n_t, u_{t-1}>, what the last direction is worth now.
        lagged_overlap: R_1 = E<u_t, u_{t-1}>, how much consecutive directions repeat themselves.

    Returns:
        The slope; positive where a little memory helps.

    Raises:
        ValueError: If an argument is not in [-1, 1].

    Example:
        >>> round(float(momentum_value(0.2, 0.18, 0.1)), 12)
        1.6
    """
    current, lagged, overlap = floats(alignment, lagged_alignment, lagged_overlap)
    return (2.0 * (lagged / current - overlap))[()]


@domain(persistence=FULL_PERSISTENCE)
def ema_slope(
    alignment: npt.ArrayLike, persistence: npt.ArrayLike, bias_share: npt.ArrayLike = 0.0
) -> Values:
    """d ln rho_beta^2 / d beta at 0 = 2 q^2 (gamma - omega) [asymptotic].

    `momentum_value` with C_1 = rho gamma and R_1 = rho^2 gamma + q^2 omega: memory helps iff the
    truth persists longer than the reasoner's error.

    Args:
        alignment: rho.
        persistence: gamma in [0, 1].
        bias_share: omega in [0, 1].

    Returns:
        The slope.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(ema_slope(0.2, persistence=0.5)), 4))
        0.96
    """
    rho, gamma, omega = floats(alignment, persistence, bias_share)
    return (2.0 * (1.0 - rho**2) * (gamma - omega))[()]


@domain(persistence=FULL_PERSISTENCE)
def ema_alignment(
    alignment: npt.ArrayLike,
    persistence: npt.ArrayLike,
    decay: npt.ArrayLike,
    bias_share: npt.ArrayLike = 0.0,
) -> Values:
    """Alignment of the EMA in its stationary state [asymptotic].

    rho_beta^2 = rho^2 S^2 / (rho^2 E + q^2 (omega + (1 - omega) W)) with S = (1-b)/(1-b gamma),
    E = (1-b)(1+b gamma)/((1+b)(1-b gamma)), W = (1-b)/(1+b), b = beta.

    Args:
        alignment: rho.
        persistence: gamma in [0, 1].
        decay: beta in [0, 1).
        bias_share: omega in [0, 1].

    Returns:
        rho_beta, with the sign of rho; at decay 0 it is rho.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> round(float(ema_alignment(0.2, 0.95, 0.9)) ** 2, 4)
        0.2456
    """
    rho, gamma, omega = floats(alignment, persistence, bias_share)
    beta = np.asarray(decay, float)
    return _ema_alignment(rho, gamma, 1.0 - beta, omega)[()]


@domain(persistence=FULL_PERSISTENCE)
def best_decay(
    alignment: npt.ArrayLike, persistence: npt.ArrayLike, bias_share: npt.ArrayLike = 0.0
) -> BestDecay:
    """The decay at which the EMA is best aligned [asymptotic].

    Without bias it is the mean of two rapidities: artanh beta* = (artanh gamma + artanh s) / 2 with
    s = gamma (1 - 2 rho^2), at which rho_beta^2 / rho^2 = (1 - beta*^2) / ((1 - beta* gamma)(1 -
    beta* s)). For small rho beta* = gamma and the factor is 1 / (1 - gamma^2). With bias the
    maximum is found numerically, and there is no memory worth having where omega >= gamma.

    Args:
        alignment: rho.
        persistence: gamma in [0, 1]; at gamma = 1 an average may be arbitrarily long.
        bias_share: omega in [0, 1].

    Returns:
        beta* and the alignment there.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> [round(float(value), 3) for value in best_decay(0.01, 0.9)]
        [0.9, 0.023]
    """
    rho, gamma, omega = np.broadcast_arrays(*floats(alignment, persistence, bias_share))
    numeric = maximise(
        lambda forgetting: np.abs(
            _ema_alignment(rho[..., None], gamma[..., None], forgetting, omega[..., None])
        ),
        _SHORTEST_FORGETTING,
        np.ones(rho.shape),
    ).argument
    limit = 1.0 - _SHORTEST_FORGETTING
    other = gamma * (1.0 - 2.0 * rho**2)
    rapidity = np.arctanh(np.minimum(gamma, limit)) + np.arctanh(np.clip(other, -limit, limit))
    beta = np.where(omega == 0.0, np.tanh(rapidity / 2.0), 1.0 - numeric)
    # The search cannot tell a flat top at 0 from a tiny decay; the sign of the slope can.
    beta = np.where((gamma <= omega) | (rho == 0.0), 0.0, beta)
    return BestDecay(beta[()], _ema_alignment(rho, gamma, 1.0 - beta, omega)[()])


@domain()
def alignment_ceiling(alignment: npt.ArrayLike, bias_share: npt.ArrayLike) -> Values:
    """Alignment that no average exceeds: squared, rho^2 / (rho^2 + q^2 omega) [asymptotic].

    It is approached as gamma and beta tend to 1: an average removes what is new at every step, and
    amplifies the bias as much as the truth.

    Args:
        alignment: rho.
        bias_share: omega in [0, 1].

    Returns:
        The ceiling, with the sign of rho.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(alignment_ceiling(0.2, bias_share=0.1)), 4))
        0.5423
    """
    rho, omega = floats(alignment, bias_share)
    energy = rho**2 + (1.0 - rho**2) * omega
    return np.where(rho == 0.0, 0.0, rho / np.sqrt(np.where(energy > 0.0, energy, 1.0)))[()]


def _ema_alignment(
    rho: np.ndarray, gamma: np.ndarray, forgetting: np.ndarray, omega: np.ndarray
) -> np.ndarray:
    """In terms of 1 - beta, which keeps its digits for long memories."""
    beta = 1.0 - forgetting
    turned = 1.0 - beta * gamma
    signal = forgetting / turned
    signal_energy = signal * (1.0 + beta * gamma) / (1.0 + beta)
    fresh_energy = forgetting / (1.0 + beta)
    error = (1.0 - rho**2) * (omega + (1.0 - omega) * fresh_energy)
    return rho * signal / np.sqrt(rho**2 * signal_energy + error)
