"""r, alpha, F and omega from how often steps improve and how their gains vary.

Not covered: steps of several lengths (`step_size_test`).
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from gome_theory._components import REPLICATES, Components, Noise, components
from gome_theory.estimates import NotIdentified, Quantity, from_draws, proportion
from gome_theory.scaled_rate import inverse_mills

_LEAST_SHARE = 1e-4
_HEAVY_TAILS = 3.0
_OPTIMAL = "improvement rate, if steps are locally optimal"


class Outcomes(NamedTuple):
    """What improvement rate and variances tell; see `Calibration` for the quantities.

    Attributes:
        intraclass: ICC of the measured gains.
        r: Scaled alignment, if steps are locally optimal.
        alpha: Scaled step, under the same assumption.
        scale: F.
        varsigma: Scaled noise.
        omega: Unshared persistent share.
        draws: Draws by name: "r", "varsigma", "omega" and "share", the share of the gains'
            variance that is not noise; empty if r is unknown.
        notes: What a reader should know.
    """

    intraclass: Quantity
    r: Quantity
    alpha: Quantity
    scale: Quantity
    varsigma: Quantity
    omega: Quantity
    draws: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()


def unknown(why: NotIdentified, intraclass: Quantity | None = None) -> Outcomes:
    """Nothing is identified, for one reason; perhaps except the intraclass correlation."""
    return Outcomes(intraclass or why, why, why, why, why, why, {})


def from_outcomes(
    improved: np.ndarray,
    gain: np.ndarray,
    trace: np.ndarray,
    noise: Noise,
    level: float,
    rng: np.random.Generator,
    draws: int,
) -> Outcomes:
    """Estimate from valid steps of one length.

    Args:
        improved: Whether a step improved, shape (n,).
        gain: Measured gain, NaN where there is none, shape (n,).
        trace: Shape (n,).
        noise: Of the gains.
        level: Of the intervals.
        rng: For the draws.
        draws: How many.

    Returns:
        The estimates.
    """
    if not len(improved):
        return unknown(NotIdentified("no step was valid", "steps whose candidates run"))
    measured = np.isfinite(gain)
    parts = components(gain[measured], trace[measured]) if measured.any() else None
    rate = proportion(improved, trace)
    middle = float(special.ndtri((rate.hits + 0.5) / (rate.trials + 1.0)))
    variances = _variances(parts, noise, rng, draws)
    intraclass = _intraclass(parts, variances, level)
    if not noise.known:
        bound = _best_r(middle)
        side = "less" if middle < 0.0 else "more"
        why = f"r would be {bound:.2f} if scores had no noise, and is {side} the noisier they are"
        return unknown(NotIdentified(why, REPLICATES), intraclass)
    if parts is None and noise.variance > 0.0:
        why = "noise cannot be compared with the gains' spread: no trace has two measured gains"
        return unknown(NotIdentified(why, "gains of several steps of a trace"), intraclass)
    if np.mean(variances.signal <= 0.0) > 0.5:
        why = "noise explains all of the gains' spread"
        return unknown(NotIdentified(why, "less noisy gains, or more steps"), intraclass)
    share = np.maximum(variances.signal / variances.total, _LEAST_SHARE)
    t = special.ndtri(rate.draws(rng, draws)) / np.sqrt(share)
    r = _best_r(t)
    alpha = 2.0 * (r - t)
    varsigma = 2.0 * alpha * np.sqrt(1.0 / share - 1.0)
    point_share = max(variances.point_signal / variances.point_total, _LEAST_SHARE)
    point_t = middle / np.sqrt(point_share)
    point_r = _best_r(point_t)
    point_alpha = 2.0 * (point_r - point_t)
    point_varsigma = 2.0 * point_alpha * np.sqrt(max(1.0 / point_share - 1.0, 0.0))
    found = {"r": r, "varsigma": varsigma, "share": share}
    omega, omega_draws = _omega(parts, variances, level)
    if omega_draws is not None:
        found["omega"] = omega_draws
    scale: Quantity = NotIdentified("no gains were measured", "gains")
    if parts is not None:
        spread = np.sqrt(np.maximum(variances.signal, 0.0))
        point = np.sqrt(max(variances.point_signal, 0.0)) / (2.0 * point_alpha)
        scale = from_draws(point, spread / (2.0 * alpha), level, "spread / (2 alpha)")
    return Outcomes(
        intraclass=intraclass,
        r=from_draws(point_r, r, level, _OPTIMAL),
        alpha=from_draws(point_alpha, alpha, level, _OPTIMAL),
        scale=scale,
        varsigma=from_draws(point_varsigma, varsigma, level, "noise to spread, times 2 alpha"),
        omega=omega,
        draws=found,
        notes=_tails(gain[measured]),
    )


class _Variances(NamedTuple):
    """Draws of the variances between traces, in total and of true gains, and point estimates."""

    between: np.ndarray
    total: np.ndarray
    signal: np.ndarray
    point_between: float
    point_total: float
    point_signal: float


def _variances(
    parts: Components | None, noise: Noise, rng: np.random.Generator, draws: int
) -> _Variances:
    if parts is None:  # only their ratio matters then, and noise is zero
        one = np.ones(draws)
        return _Variances(np.zeros(draws), one, one, 0.0, 1.0, 1.0)
    within, between = parts.draws(rng, draws)
    point_within, point_between = parts.variances()
    point_between = max(point_between, 0.0)
    total, point = within + between, point_within + point_between
    tiny = np.finfo(float).tiny
    return _Variances(
        between,
        np.maximum(total, tiny),
        total - noise.draws(rng, draws),
        point_between,
        max(point, tiny),
        point - noise.variance,
    )


def _best_r(t):
    """r of locally optimal steps that improve with probability Phi(t): alpha* = r + m(t)."""
    return 2.0 * t + inverse_mills(t)


def _intraclass(parts: Components | None, found: _Variances, level: float) -> Quantity:
    if parts is None or parts.between_dof == 0:
        return NotIdentified("one trace does not tell bias from alignment", _TRACES)
    value = found.point_between / found.point_total
    return from_draws(
        value, found.between / found.total, level, f"one-way random effects, {_f(parts)}"
    )


def _omega(
    parts: Components | None, found: _Variances, level: float
) -> tuple[Quantity, np.ndarray | None]:
    if parts is None or parts.between_dof == 0:
        return NotIdentified("one trace does not tell bias from alignment", _TRACES), None
    # Where a draw of the noise exceeds the spread, nothing is known but that omega is a share.
    positive = found.signal > 0.0
    ratio = np.where(positive, found.between / np.where(positive, found.signal, 1.0), 1.0)
    omega = np.clip(np.where(positive | (found.between > 0.0), ratio, 0.0), 0.0, 1.0)
    value = found.point_between / found.point_signal if found.point_signal > 0.0 else 1.0
    estimate = from_draws(min(value, 1.0), omega, level, f"ICC less noise, {_f(parts)}")
    return estimate, omega


def _f(parts: Components) -> str:
    return f"F({parts.between_dof}, {parts.within_dof})"


def _tails(gain: np.ndarray) -> tuple[str, ...]:
    from scipy import stats  # imported here: it is slow to import

    if len(gain) < 20 or np.ptp(gain) == 0.0:
        return ()
    excess = float(stats.kurtosis(gain))
    if excess < _HEAVY_TAILS:
        return ()
    return (
        f"gains have heavy tails (excess kurtosis {excess:.1f}): intervals of omega, alpha and F "
        "assume normal ones; r from the improvement rate does not need their size",
    )


_TRACES = "two traces or more (runs with other seeds), better eight"
