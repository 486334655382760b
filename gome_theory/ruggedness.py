"""Ruggedness is evaluation noise that averaging cannot remove.

f = smooth + A * sum_i (1 - cos(2 pi x_i / l)). A step much longer than the period l draws a fresh
phase in every coordinate: the rugged part of the new point is A d plus an error of standard
deviation A sqrt(d/2), nearly normal and independent of the old one. It is *part of* the point, so
scoring again returns the same error (quenched), and a search that keeps its best score behaves like
greedy search with a stored noisy incumbent at varsigma = A sqrt(d/2) d / f (`stored_incumbent`), f
being the smooth part. Verified by simulation within 2 per cent in log f.

A step L keeps the correlation E cos(2 pi L w / l) with the old rugged part, w the projection of its
direction; below 1/10 the noise picture is good, near 1 the ruggedness is just more slope.

Basins: where the value of a basin is normal with spread s_b, drawing J of them instead of K is
worth (m_J - m_K) s_b, once (`basin_advantage`). That can outweigh any smooth gain.

Not covered: partial correlation (noise with memory), walking between basins.
"""

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._projection import expectation_above
from gome_theory._ranges import domain
from gome_theory._regime import warn_outside_regime
from gome_theory.gradient_rate import Values
from gome_theory.incumbent import StoredIncumbent, stored_incumbent
from gome_theory.search_rate import expected_max_normal

_SMALLEST_DIM = 10
_LARGEST_CORRELATION = 0.1
_LARGEST_BESSEL_DIM = 200.0


@domain()
def rugged_noise(amplitude: npt.ArrayLike, dim: npt.ArrayLike) -> Values:
    """A sqrt(d/2): standard deviation of the rugged part at a random phase [exact].

    A cosine of a uniform phase has variance 1/2.

    Args:
        amplitude: A >= 0.
        dim: d.

    Returns:
        The standard deviation, in units of f.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(rugged_noise(0.1, dim=40.0)), 4))
        0.4472
    """
    amplitude = np.asarray(amplitude, float)
    return (amplitude * np.sqrt(np.asarray(dim, float) / 2.0))[()]


@domain()
def rugged_correlation(
    step_length: npt.ArrayLike, period: npt.ArrayLike, dim: npt.ArrayLike
) -> Values:
    """Correlation of the rugged part before and after a step in a uniform direction [exact].

    E cos(x w) with x = 2 pi L / l: Gamma(d/2) (2/x)^(d/2-1) J_{d/2-1}(x), about
    exp(-x^2 / (2d)) = exp(-2 pi^2 L^2 / (l^2 d)).

    Args:
        step_length: L >= 0.
        period: l > 0.
        dim: d >= 2.

    Returns:
        The correlation; 1 for short steps.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(rugged_correlation(0.1, period=0.1, dim=50), 3))
        0.672
    """
    length = np.asarray(step_length, float)
    period = np.asarray(period, float)
    d = np.asarray(dim, float)
    x, d = np.broadcast_arrays(2.0 * np.pi * length / period, d)
    # The hypergeometric form of the Bessel function; its Gamma(d/2) overflows beyond.
    low = np.minimum(d, _LARGEST_BESSEL_DIM)
    # At x = 7 sqrt(d) the correlation is 1e-11; quadrature need not follow faster oscillations.
    slow = np.minimum(x, 7.0 * np.sqrt(d))[..., None]
    high = expectation_above(lambda w: np.cos(slow * w), -1.0, d)
    return np.where(d <= _LARGEST_BESSEL_DIM, special.hyp0f1(low / 2.0, -(x**2) / 4.0), high)[()]


@domain()
def rugged_search(
    r: npt.ArrayLike,
    amplitude: npt.ArrayLike,
    dim: npt.ArrayLike,
    suboptimality: npt.ArrayLike,
    alpha: npt.ArrayLike | None = None,
) -> StoredIncumbent:
    """Greedy search on a rugged landscape: stored noise varsigma = A sqrt(d/2) d/f [asymptotic].

    Args:
        r: Scaled alignment of the proposals with the *smooth* gradient.
        amplitude: A.
        dim: d; warns below 10, where the sum of cosines is not normal.
        suboptimality: f > 0, smooth part above its minimum. As f falls the landscape gets rougher.
        alpha: Scaled step; None takes the best one.

    Returns:
        Progress of the smooth part, acceptance, inflation and step. The steps must decorrelate the
        rugged part: check with `check_decorrelated`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> smooth_part = rugged_search(0.0, amplitude=0.004, dim=50, suboptimality=1.0, alpha=1.2)
        >>> print(round(smooth_part.progress, 3))
        0.286
    """
    d = np.asarray(dim, float)
    f = np.asarray(suboptimality, float)
    if np.any(d < _SMALLEST_DIM):
        warn_outside_regime(
            f"`dim` = {np.min(d):g}: a sum of so few cosines is not normal. Use dim >= 10."
        )
    return stored_incumbent(r, rugged_noise(amplitude, d) * d / f, alpha)


@domain()
def check_decorrelated(
    step_length: npt.ArrayLike, period: npt.ArrayLike, dim: npt.ArrayLike
) -> Values:
    """The correlation that a step leaves, with a warning where the noise picture fails [exact].

    Args:
        step_length: L.
        period: l.
        dim: d >= 2.

    Returns:
        `rugged_correlation`; a `RegimeWarning` is given where it exceeds 1/10 in size.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(check_decorrelated(0.5, period=0.02, dim=40.0)), 4))
        -0.0
    """
    left = rugged_correlation(step_length, period, dim)
    if np.any(np.abs(left) > _LARGEST_CORRELATION):
        warn_outside_regime(
            f"Steps leave a correlation of {np.max(np.abs(left)):.2g} in the rugged part, so it is "
            "not fresh noise. Take longer steps, or treat the ruggedness as slope."
        )
    return left


@domain()
def basin_advantage(basins: npt.ArrayLike, traces: npt.ArrayLike, spread: npt.ArrayLike) -> Values:
    """(m_J - m_K) s_b: what looking into J basins instead of K is worth, once [exact if normal].

    Args:
        basins: J >= 1, independent basins that the search samples.
        traces: K >= 1, independent basins that the directed traces start in.
        spread: s_b, standard deviation of basin values.

    Returns:
        Expected difference of the best basin's value; reasoning must make it up by smooth gain.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(basin_advantage(50, traces=3, spread=1.0)), 4))
        1.4028
    """
    j = np.asarray(basins, float)
    k = np.asarray(traces, float)
    gain = np.asarray(expected_max_normal(j)) - expected_max_normal(k)
    return (gain * np.asarray(spread, float))[()]
