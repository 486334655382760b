"""What a scoreboard makes of a lead: medals saturate, progress does not.

A task gives a medal if log progress P = ln f_0/f_B passes a hurdle. Where hurdles over many tasks
are nearly normal, N(m_h, s_h^2), the medal rate is

    Phi((P - m_h) / s_h)                                                            [mean-field].

The gap in progress always widens with reliability (`advantage`, Theorem 6). The gap in medals does
not: it is bounded by what the search leaves over, 1 - Phi((P_T - m_h) / s_h), and as the *budget*
grows it opens, is widest at `widest_gap_budget`, and closes again, because both rates tend to 1.

Not covered: hurdles that depend on the task's other properties, ties, a board that moves.
"""

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._ranges import POSITIVE_DEVIATION, REAL, domain, floats
from gome_theory.gradient_rate import Values


@domain(progress=REAL, spread=POSITIVE_DEVIATION)
def medal_rate(progress: npt.ArrayLike, hurdle: npt.ArrayLike, spread: npt.ArrayLike) -> Values:
    """Share of tasks with a medal, Phi((P - m_h) / s_h) [mean-field: normal hurdles].

    Args:
        progress: P, log progress ln f_0/f_B of the run.
        hurdle: m_h, mean log progress that a medal takes.
        spread: s_h > 0, standard deviation of the hurdles.

    Returns:
        The rate, in [0, 1].

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> [round(float(rate), 3) for rate in medal_rate([0.0, 1.6, 8.0], hurdle=1.6, spread=2.0)]
        [0.212, 0.5, 0.999]
    """
    P, mean, deviation = floats(progress, hurdle, spread)
    return special.ndtr((P - mean) / deviation)[()]


@domain(spread=POSITIVE_DEVIATION)
def medal_gap(
    budget: npt.ArrayLike,
    rate: npt.ArrayLike,
    search_rate: npt.ArrayLike,
    hurdle: npt.ArrayLike,
    spread: npt.ArrayLike,
) -> Values:
    """Medal rate of reasoning less that of search on the same budget [mean-field].

    Args:
        budget: B >= 0, in units of cost.
        rate: Log progress of reasoning per unit of cost.
        search_rate: Log progress of search per unit of cost.
        hurdle: m_h.
        spread: s_h > 0.

    Returns:
        The gap, in (-1, 1); it has the sign of rate - search_rate and tends to 0 for large budgets
        if both rates are positive.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> [round(float(gap), 3) for gap in medal_gap([2, 20, 200], 0.1, 0.05, 1.6, 1.0)]
        [0.014, 0.381, 0.0]
    """
    B, fast, slow = floats(budget, rate, search_rate)
    ahead = np.asarray(medal_rate(B * fast, hurdle, spread))
    return (ahead - medal_rate(B * slow, hurdle, spread))[()]


@domain(spread=POSITIVE_DEVIATION)
def widest_gap_budget(
    rate: npt.ArrayLike, search_rate: npt.ArrayLike, hurdle: npt.ArrayLike, spread: npt.ArrayLike
) -> Values:
    """The budget at which the gap in medals is widest; beyond, it closes [mean-field].

    With a > b the two rates, d gap / dB = 0 where a phi(z_a) = b phi(z_b), a quadratic in B:
    B = [m + sqrt(m^2 + 2 s^2 ln(a/b) (a + b)/(a - b))] / (a + b).

    Args:
        rate: a, log progress of the side that is ahead, per unit of cost.
        search_rate: b, of the other side, 0 <= b < a.
        hurdle: m_h.
        spread: s_h > 0.

    Returns:
        The budget, > 0; infinite where the other side makes no progress.

    Raises:
        ValueError: If a rate is out of its range, or the first is not the larger one.

    Example:
        >>> print(round(widest_gap_budget(0.1, 0.05, hurdle=1.6, spread=1.0), 1))
        27.9
    """
    a, b, mean, deviation = floats(rate, search_rate, hurdle, spread)
    if np.any(a <= b):
        raise ValueError(
            f"`rate` is {rate}, which is not above `search_rate` = {search_rate}: the gap has no "
            "widest point. Pass the side that is ahead as `rate`."
        )
    stalled = b == 0.0
    b = np.where(stalled, a / 2.0, b)
    turn = mean**2 + 2.0 * deviation**2 * np.log(a / b) * (a + b) / (a - b)
    return np.where(stalled, np.inf, (mean + np.sqrt(turn)) / (a + b))[()]
