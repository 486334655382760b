"""Which of many basins to go for: a tree tries all, K reasoned traces a few, and perhaps the same.

J basins have standard normal values. A reasoner's forecast of a value has correlation zeta (its
*foresight*) with the truth; two traces' forecast errors correlate by kappa, so that their forecasts
correlate by r_f = zeta^2 + (1 - zeta^2) kappa. Each trace goes for the basin it forecasts highest,
and the best of the K basins is kept. Traces that agree explore one basin: diversity collapses.

All laws are [mean-field]: within 5 per cent for kappa <= 0.8, 20 per cent and more too low at 0.95.
Not covered: moving between basins.
"""

import numpy as np
import numpy.typing as npt

from gome_theory._ranges import in_range
from gome_theory.gradient_rate import Values
from gome_theory.search_rate import expected_max_normal


def distinct_basins(
    traces: npt.ArrayLike,
    basins: npt.ArrayLike,
    foresight: npt.ArrayLike,
    shared_error: npt.ArrayLike = 0.0,
) -> Values:
    """Basins that K traces see: 1 + (K - 1) (1 - J^(-(1 - r_f) / (1 + r_f))) [mean-field].

    Two normal fields of correlation r_f on J sites have the same maximum with a probability of
    about J^(-(1 - r_f) / (1 + r_f)).

    Args:
        traces: K >= 1.
        basins: J >= 1.
        foresight: zeta in [0, 1].
        shared_error: kappa in [0, 1].

    Returns:
        K_d, from 1 to K.
    """
    K, J, zeta, kappa = _checked(traces, basins, foresight, shared_error)
    agreement = zeta**2 + (1.0 - zeta**2) * kappa
    return (1.0 + (K - 1.0) * (1.0 - J ** (-(1.0 - agreement) / (1.0 + agreement))))[()]


def basin_choice(
    traces: npt.ArrayLike,
    basins: npt.ArrayLike,
    foresight: npt.ArrayLike,
    shared_error: npt.ArrayLike = 0.0,
) -> Values:
    """Value zeta m_J + sqrt(1 - zeta^2) m_{K_d} of the best basin that K traces go for
    [mean-field].

    Foresight picks among J, evaluation among the K_d that were picked. To be compared with m_J, the
    value of a search that tries every basin.

    Args:
        traces: K >= 1.
        basins: J >= 1.
        foresight: zeta in [0, 1].
        shared_error: kappa in [0, 1].

    Returns:
        The expected value, in standard deviations of a basin's value.

    Example:
        >>> print(round(basin_choice(4, 50, foresight=0.3, shared_error=0.5), 3))
        1.491
    """
    _, J, zeta, _ = _checked(traces, basins, foresight, shared_error)
    seen = distinct_basins(traces, basins, foresight, shared_error)
    whole = np.floor(seen)
    fewer, more = (np.asarray(expected_max_normal(count)) for count in (whole, whole + 1.0))
    luck = fewer + (seen - whole) * (more - fewer)  # a mean over whole numbers of basins
    return (zeta * expected_max_normal(J) + np.sqrt(1.0 - zeta**2) * luck)[()]


def _checked(
    traces: npt.ArrayLike, basins: npt.ArrayLike, foresight: npt.ArrayLike, kappa: npt.ArrayLike
) -> tuple[np.ndarray, ...]:
    return (
        in_range("traces", traces, 1.0, np.inf, "a number of traces"),
        in_range("basins", basins, 1.0, np.inf, "a number of basins"),
        in_range("foresight", foresight, 0.0, 1.0, "a correlation"),
        in_range("shared_error", kappa, 0.0, 1.0, "a correlation"),
    )
