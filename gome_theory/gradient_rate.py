"""Expected progress of one directed step on the sphere, exactly, at finite dimension.

The setting: minimise ``f(x) = L |x - x*|^2 / 2`` in R^d from distance R, with the step
``x' = x + a R u`` along ``u = rho n + sqrt(1 - rho^2) w``. The relative gain
``G = (f(x) - f(x')) / f(x)`` does not depend on R, so gains are iid along a run:

* the mean of f shrinks by ``1 - E G`` per step (the *gain*);
* the typical run shrinks by ``exp(E log(1 - G))`` per step (the *log rate*), and because the log
  rates add up, this is what a budget buys. Log rate >= gain, and at d=10 by as much as 15 per cent.

A *gated* step is taken only if it improves (G > 0, noise-free test). Both are for the sphere; for
an L-smooth function that satisfies the Polyak-Lojasiewicz condition with constant mu they are lower
bounds after multiplication by mu/L. Not covered: noisy gates (`scaled_rate`), momentum, adaptive
steps, persistent bias. Quadrature errors are below 1e-10 for d >= 5, 1e-6 at d = 3, 1e-4 at d = 2
(where log(1 - G) can be singular inside the range of integration).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from gome_theory._projection import expectation_above, tail_mean, tail_probability
from gome_theory._ranges import domain

_TINY = 1e-300

Values = np.ndarray | float
Criterion = Literal["log", "gain"]
_Choice = TypeVar("_Choice")


class GainCoefficients(NamedTuple):
    """Lemma 1: the gain of a step is ``offset + spread * w``, w the projection of a random unit."""

    offset: np.ndarray
    spread: np.ndarray


def by_criterion(criterion: Criterion, *, log: _Choice, gain: _Choice) -> _Choice:
    """Pick the law that belongs to a criterion.

    Args:
        criterion: "log" for the typical log rate, "gain" for the mean gain.
        log: Returned for "log".
        gain: Returned for "gain".

    Returns:
        One of the two.

    Raises:
        ValueError: For any other criterion.
    """
    if criterion not in ("log", "gain"):
        raise ValueError(f'`criterion` is {criterion!r}, which is unknown. Use "log" or "gain".')
    return log if criterion == "log" else gain


def gain_coefficients(alignment: npt.ArrayLike, step: npt.ArrayLike) -> GainCoefficients:
    """Lemma 1: G = 2 a rho - a^2 + 2 a q (1 - a rho) w with q = sqrt(1 - rho^2) [exact].

    From |x' - x*|^2 / R^2 = 1 - 2a<u,n> + a^2 |u|^2, <u,n> = rho + q w, |u|^2 = 1 + 2 rho q w.

    Args:
        alignment: rho in [-1, 1].
        step: a >= 0.

    Returns:
        Offset and spread; the spread is returned non-negative, since w is symmetric.
    """
    alignment, step = np.asarray(alignment, float), np.asarray(step, float)
    across = np.sqrt(np.maximum(1.0 - alignment**2, 0.0))
    offset = 2.0 * step * alignment - step**2
    return GainCoefficients(offset, np.abs(2.0 * step * across * (1.0 - step * alignment)))


def gate_threshold(coefficients: GainCoefficients) -> np.ndarray:
    """The projection above which a step improves, clipped to [-1, 1] [exact]."""
    offset, spread = coefficients
    # A step without spread is decided by its offset alone.
    safe = np.where(spread > 0.0, spread, 1.0)
    threshold = np.where(spread > 0.0, -offset / safe, np.where(offset > 0.0, -1.0, 1.0))
    return np.clip(threshold, -1.0, 1.0)


@domain()
def ungated_gain(
    alignment: npt.ArrayLike,
    step: npt.ArrayLike,
    *,
    hallucination: npt.ArrayLike = 0.0,
    hallucination_alignment: npt.ArrayLike = 0.0,
) -> Values:
    """Mean gain of a step that is always taken: 2 a rho_bar - a^2 (Lemma 1) [exact, every d].

    Args:
        alignment: rho of a sound direction.
        step: a.
        hallucination: h, probability of a hallucinated direction.
        hallucination_alignment: rho_h of such a direction.

    Returns:
        The mean relative gain; rho_bar = (1-h) rho + h rho_h.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(ungated_gain(0.3, 0.3), 12))
        0.09
    """
    mean = mixture(lambda rho: rho, alignment, hallucination, hallucination_alignment)
    step = np.asarray(step, float)
    return (2.0 * step * mean - step**2)[()]


@domain()
def gated_gain(
    alignment: npt.ArrayLike,
    step: npt.ArrayLike,
    dim: npt.ArrayLike,
    *,
    hallucination: npt.ArrayLike = 0.0,
    hallucination_alignment: npt.ArrayLike = 0.0,
) -> Values:
    """Mean gain of a step that is taken only if it improves, E max(G, 0) [exact].

    With G = A + B w and w0 = -A/B it is A P(w > w0) + B E[w; w > w0]; the first is a regularised
    incomplete beta function, the second a power: no quadrature is needed.

    Args:
        alignment: rho of a sound direction.
        step: a.
        dim: d >= 2, not necessarily whole.
        hallucination: h.
        hallucination_alignment: rho_h.

    Returns:
        The mean relative gain.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(gated_gain(0.3, 0.3, 16), 4))
        0.1092
    """

    def sound(rho: np.ndarray) -> np.ndarray:
        coefficients = gain_coefficients(rho, step)
        threshold = gate_threshold(coefficients)
        above = coefficients.offset * tail_probability(threshold, dim)
        return above + coefficients.spread * tail_mean(threshold, dim)

    return mixture(sound, alignment, hallucination, hallucination_alignment)[()]


@domain()
def gated_acceptance(
    alignment: npt.ArrayLike,
    step: npt.ArrayLike,
    dim: npt.ArrayLike,
    *,
    hallucination: npt.ArrayLike = 0.0,
    hallucination_alignment: npt.ArrayLike = 0.0,
) -> Values:
    """Probability that a step improves and passes the gate, P(w > w0) [exact].

    Args:
        alignment: rho of a sound direction.
        step: a > 0.
        dim: d >= 2.
        hallucination: h.
        hallucination_alignment: rho_h.

    Returns:
        The acceptance probability.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(gated_acceptance(0.2, step=0.2, dim=40.0)), 4))
        0.7459
    """

    def sound(rho: np.ndarray) -> np.ndarray:
        return tail_probability(gate_threshold(gain_coefficients(rho, step)), dim)

    return mixture(sound, alignment, hallucination, hallucination_alignment)[()]


@domain()
def ungated_log_rate(
    alignment: npt.ArrayLike,
    step: npt.ArrayLike,
    dim: npt.ArrayLike,
    *,
    hallucination: npt.ArrayLike = 0.0,
    hallucination_alignment: npt.ArrayLike = 0.0,
) -> Values:
    """Typical log progress of a step that is always taken, -E log(1 - G) [exact, quadrature].

    Args:
        alignment: rho of a sound direction.
        step: a.
        dim: d >= 2.
        hallucination: h.
        hallucination_alignment: rho_h.

    Returns:
        Mean decrease of log f per step; negative if the typical run gets worse.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(ungated_log_rate(0.2, step=0.2, dim=40.0)), 4))
        0.0428
    """

    def sound(rho: np.ndarray) -> np.ndarray:
        coefficients = gain_coefficients(rho, step)
        return _log_progress(coefficients, -np.ones_like(coefficients.offset), dim)

    return mixture(sound, alignment, hallucination, hallucination_alignment)[()]


@domain()
def gated_log_rate(
    alignment: npt.ArrayLike,
    step: npt.ArrayLike,
    dim: npt.ArrayLike,
    *,
    hallucination: npt.ArrayLike = 0.0,
    hallucination_alignment: npt.ArrayLike = 0.0,
) -> Values:
    """Typical log progress of a gated step, -E log(1 - max(G, 0)) [exact, quadrature].

    Args:
        alignment: rho of a sound direction.
        step: a.
        dim: d >= 2.
        hallucination: h.
        hallucination_alignment: rho_h.

    Returns:
        Mean decrease of log f per step, non-negative.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(gated_log_rate(0.2, step=0.2, dim=40.0)), 4))
        0.0515
    """

    def sound(rho: np.ndarray) -> np.ndarray:
        coefficients = gain_coefficients(rho, step)
        return _log_progress(coefficients, gate_threshold(coefficients), dim)

    return mixture(sound, alignment, hallucination, hallucination_alignment)[()]


def mixture(
    law: Callable[[np.ndarray], np.ndarray],
    alignment: npt.ArrayLike,
    hallucination: npt.ArrayLike,
    hallucination_alignment: npt.ArrayLike,
) -> np.ndarray:
    """(1-h) law(rho) + h law(rho_h); the second law is computed only if h is not 0 everywhere."""
    sound = law(np.asarray(alignment, float))
    share = np.asarray(hallucination, float)
    if not np.any(share):
        shape = np.broadcast_shapes(sound.shape, share.shape, np.shape(hallucination_alignment))
        return np.broadcast_to(sound, shape)
    return (1.0 - share) * sound + share * law(np.asarray(hallucination_alignment, float))


def _log_progress(
    coefficients: GainCoefficients, threshold: np.ndarray, dim: npt.ArrayLike
) -> np.ndarray:
    """E[-log(1 - G); w > threshold]."""
    offset, spread = (np.asarray(value)[..., None] for value in coefficients)

    def progress(w: np.ndarray) -> np.ndarray:
        return -np.log(np.maximum(1.0 - offset - spread * w, _TINY))

    return expectation_above(progress, threshold, dim)
