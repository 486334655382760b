"""Expected progress of search without a gradient: hill climbing and best-of-n, noise-free.

Proposals point anywhere: the same oracle as in `gradient_rate`, with a base alignment rho_0 (0 for
uniform directions). Hill climbing *is* a gated step of alignment rho_0, so its law is not repeated
here but named. A greedy tree that always expands its best node equals hill climbing as long as
scores are noise-free; it too has no law of its own. All rates are for the sphere.

Not covered: noisy scores, stored incumbents, trees that expand other nodes than the best.
"""

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._one_dimensional import maximise
from gome_theory._projection import (
    integral_of_max_tail,
    max_window_start,
    mean_max_squared,
)
from gome_theory._ranges import domain, floats
from gome_theory.best_step import (
    BestStep,
    optimal_gated_gain,
    optimal_gated_log_rate,
)
from gome_theory.gradient_rate import (
    Criterion,
    Values,
    by_criterion,
    gain_coefficients,
    gate_threshold,
)


class BestCount(NamedTuple):
    """The number of candidates with the largest progress per evaluation.

    Attributes:
        n: Number of candidates.
        efficiency: Progress per evaluation with that many.
    """

    n: np.ndarray | int
    efficiency: Values


@domain()
def hill_climb_rate(
    dim: npt.ArrayLike, base_alignment: npt.ArrayLike = 0.0, *, criterion: Criterion = "log"
) -> BestStep:
    """Progress of hill climbing per evaluation: the gated law at alignment rho_0 [exact].

    Args:
        dim: d >= 2.
        base_alignment: rho_0.
        criterion: "log" for the typical log rate, "gain" for the mean gain.

    Returns:
        Rate, step and acceptance at the best step; d times the rate tends to 0.405 at rho_0 = 0.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(hill_climb_rate(40.0).rate), 4))
        0.0105
    """
    law = by_criterion(criterion, log=optimal_gated_log_rate, gain=optimal_gated_gain)
    return law(base_alignment, dim)


@domain()
def expected_max_projection(n: npt.ArrayLike, dim: npt.ArrayLike) -> Values:
    """e_{N,d}: expected maximum of N projections of uniform directions [exact, quadrature].

    The integral over t in [0, 1] of 1 - F(t)^N - (1 - F(t))^N.

    Args:
        n: N >= 1.
        dim: d >= 2.

    Returns:
        e_{N,d}, about sqrt(2 ln N / d); increasing in N, decreasing in d.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> round(float(expected_max_projection(5, 10)), 4)
        0.3691
    """
    start = max_window_start(n, dim)
    return (start + integral_of_max_tail(np.ones_like, start, n, dim))[()]


@domain()
def expected_max_squared_projection(n: npt.ArrayLike, dim: npt.ArrayLike) -> Values:
    """E max_i w_i^2, the gain of the best of N exact line searches [exact, quadrature].

    Directions are uniform (rho_0 = 0). A line search may go backwards, so a direction counts with
    either sign; w^2 is Beta(1/2, (d-1)/2).

    Args:
        n: N >= 1.
        dim: d >= 2.

    Returns:
        The expected largest squared projection, 1/d at N = 1.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(expected_max_squared_projection(5, dim=40.0)), 4))
        0.0683
    """
    return mean_max_squared(n, dim)[()]


@domain()
def expected_max_normal(n: npt.ArrayLike) -> Values:
    """m_N: expected maximum of N standard normals, the limit of e_{N,d} sqrt(d) [asymptotic in d].

    Args:
        n: N >= 1.

    Returns:
        m_N, about sqrt(2 ln N).

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(expected_max_normal(5)), 4))
        1.163
    """
    n = np.asarray(n, float)
    nodes, weights = _quadrature()
    upper = -special.ndtri(1e-17 / n)[..., None]
    t = upper * (1.0 + nodes) / 2.0
    log_below, log_above = special.log_ndtr(t), special.log_ndtr(-t)
    power = n[..., None]
    integrand = -np.expm1(power * log_below) - np.exp(power * log_above)
    return ((integrand * upper / 2.0) @ weights)[()]


@functools.cache
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(200)


@domain()
def best_of_n_gain(
    n: npt.ArrayLike,
    dim: npt.ArrayLike,
    base_alignment: npt.ArrayLike = 0.0,
    step: npt.ArrayLike | None = None,
    *,
    keep_incumbent: bool = False,
) -> Values:
    """Mean gain of moving to the best of N candidates; it costs N evaluations [exact].

    With e = e_{N,d} the gain at step a is 2a(rho_0 + q_0 e) - a^2 (1 + 2 rho_0 q_0 e), at best
    (rho_0 + q_0 e)^2 / (1 + 2 rho_0 q_0 e).

    Args:
        n: N >= 1.
        dim: d >= 2.
        base_alignment: rho_0.
        step: a, the same for all candidates; None takes the best one.
        keep_incumbent: Stay if no candidate improves ("plus" selection). The default moves in any
            case ("comma" selection); with N = 1 keeping the incumbent is hill climbing.

    Returns:
        The mean relative gain per batch of N.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(best_of_n_gain(5, dim=40.0)), 4))
        0.0339
    """
    if step is None and not keep_incumbent:
        return _optimal_comma_gain(n, dim, base_alignment)
    return _best_of_n(n, dim, base_alignment, step, keep_incumbent, logarithmic=False)


@domain()
def best_of_n_log_rate(
    n: npt.ArrayLike,
    dim: npt.ArrayLike,
    base_alignment: npt.ArrayLike = 0.0,
    step: npt.ArrayLike | None = None,
    *,
    keep_incumbent: bool = False,
) -> Values:
    """Typical log progress of moving to the best of N candidates [exact, quadrature].

    Args:
        n: N >= 1.
        dim: d >= 2.
        base_alignment: rho_0.
        step: a, the same for all candidates; None takes the best one (or none, if all lose).
        keep_incumbent: Stay if no candidate improves; see `best_of_n_gain`.

    Returns:
        Mean decrease of log f per batch of N.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(best_of_n_log_rate(5, dim=40.0)), 4))
        0.0353
    """
    return _best_of_n(n, dim, base_alignment, step, keep_incumbent, logarithmic=True)


@domain()
def best_of_n_efficiency(
    n: npt.ArrayLike,
    dim: npt.ArrayLike,
    base_alignment: npt.ArrayLike = 0.0,
    *,
    criterion: Criterion = "log",
    keep_incumbent: bool = False,
) -> Values:
    """Progress of best-of-N per evaluation, at its best step [exact].

    Args:
        n: N >= 1.
        dim: d >= 2.
        base_alignment: rho_0.
        criterion: "log" or "gain".
        keep_incumbent: See `best_of_n_gain`.

    Returns:
        Progress per batch, divided by N.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(best_of_n_efficiency(5, dim=40.0)), 4))
        0.0071
    """
    law = by_criterion(criterion, log=best_of_n_log_rate, gain=best_of_n_gain)
    return (law(n, dim, base_alignment, keep_incumbent=keep_incumbent) / np.asarray(n, float))[()]


@domain()
def most_efficient_n(
    dim: npt.ArrayLike,
    base_alignment: npt.ArrayLike = 0.0,
    *,
    criterion: Criterion = "gain",
    largest: int = 64,
) -> BestCount:
    """The N with the largest progress per evaluation ("comma" selection), by trying 1..largest.

    At rho_0 = 0 and large d it is 5, where m_N^2 / N = 0.2705 [exact].

    Args:
        dim: d >= 2.
        base_alignment: rho_0.
        criterion: "log" or "gain".
        largest: Last N to try.

    Returns:
        The best N and its efficiency.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(most_efficient_n(1000).n)
        5
    """
    d, rho = np.broadcast_arrays(*floats(dim, base_alignment))
    counts = np.arange(1, largest + 1)
    efficiency = best_of_n_efficiency(counts, d[..., None], rho[..., None], criterion=criterion)
    return best_count(np.asarray(efficiency))


def best_count(efficiency: np.ndarray) -> BestCount:
    """The count with the largest efficiency, efficiencies of 1, 2, ... along the last axis.

    Args:
        efficiency: Shape (..., counts).

    Returns:
        Counts from 1 and efficiencies, shape (...).
    """
    return BestCount(np.argmax(efficiency, -1)[()] + 1, np.max(efficiency, -1)[()])


def _optimal_comma_gain(
    n: npt.ArrayLike, dim: npt.ArrayLike, base_alignment: npt.ArrayLike
) -> Values:
    rho = np.asarray(base_alignment, float)
    sideways = np.sqrt(1.0 - rho**2) * expected_max_projection(n, dim)
    return (np.maximum(rho + sideways, 0.0) ** 2 / (1.0 + 2.0 * rho * sideways))[()]


def _best_of_n(
    n: npt.ArrayLike,
    dim: npt.ArrayLike,
    base_alignment: npt.ArrayLike,
    step: npt.ArrayLike | None,
    keep_incumbent: bool,
    logarithmic: bool,
) -> Values:
    """Progress at a given step, or at the best one."""
    if step is not None:
        return _best_of_n_at(n, dim, base_alignment, step, keep_incumbent, logarithmic)
    arrays = np.broadcast_arrays(*(np.asarray(v, float) for v in (n, dim, base_alignment)))
    count, d, rho = (array[..., None] for array in arrays)

    def progress(candidate: np.ndarray) -> np.ndarray:
        return np.asarray(_best_of_n_at(count, d, rho, candidate, keep_incumbent, logarithmic))

    best = maximise(progress, 1e-3 / np.sqrt(arrays[1]), 10.0)
    return np.maximum(best.value, 0.0)[()]


def _best_of_n_at(
    n: npt.ArrayLike,
    dim: npt.ArrayLike,
    base_alignment: npt.ArrayLike,
    step: npt.ArrayLike,
    keep_incumbent: bool,
    logarithmic: bool,
) -> Values:
    """E h(max w) = h(start) + integral of h'(w) P(max > w), for h(w) = G or -log(1 - G)."""
    coefficients = gain_coefficients(base_alignment, step)
    offset, spread = coefficients
    start = max_window_start(n, dim)
    if keep_incumbent:
        start = np.maximum(start, gate_threshold(coefficients))
    gain = offset + spread * start
    if keep_incumbent:
        gain = np.maximum(gain, 0.0)

    def slope(w: np.ndarray) -> np.ndarray:
        steepness = spread[..., None] * np.ones_like(w)
        if not logarithmic:
            return steepness
        return steepness / np.maximum(1.0 - offset[..., None] - steepness * w, 1e-300)

    at_start = -np.log(np.maximum(1.0 - gain, 1e-300)) if logarithmic else gain
    return (at_start + integral_of_max_tail(slope, start, n, dim))[()]
