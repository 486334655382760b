"""Which of many basins to go for: a tree tries all, K reasoned traces a few, and perhaps the same.

J basins have standard normal values. A reasoner's forecast of a value has correlation zeta (its
*foresight*) with the truth; two traces' forecast errors correlate by kappa, so that their forecasts
correlate by r_f = zeta^2 + (1 - zeta^2) kappa. Each trace goes for the basin it forecasts highest,
and the best of the K basins is kept. Traces that agree explore one basin: diversity collapses.

All laws are [mean-field]. With K <= J/10 traces and kappa <= 0.8 they are within 16 per cent of
simulation (5 at J = 50, K = 4); at kappa = 0.95 20 per cent and more too low, at K = J up to 25 too
high. No choice is worth more than m_J, the best of all basins; the law is cut off there.
Not covered: moving between basins.
"""

import numpy as np
import numpy.typing as npt

from gome_theory._ranges import domain, floats
from gome_theory._regime import warn_outside_regime
from gome_theory.gradient_rate import Values
from gome_theory.search_rate import expected_max_normal

_LARGEST_SHARED_ERROR = 0.8
_LARGEST_SHARE_OF_BASINS = 0.1


@domain()
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

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(distinct_basins(3, basins=50, foresight=0.2)), 4))
        2.946
    """
    K, J, zeta, kappa = floats(traces, basins, foresight, shared_error)
    if np.any((K > 1.0) & (K > _LARGEST_SHARE_OF_BASINS * J)):
        warn_outside_regime(
            f"`traces` is {traces} with {basins} `basins`: where there are not ten times as many "
            "basins as traces the law is up to 25 per cent high. Read it as an estimate."
        )
    if np.any(kappa > _LARGEST_SHARED_ERROR):
        warn_outside_regime(
            f"`shared_error` = {np.max(kappa):g}: beyond {_LARGEST_SHARED_ERROR:g} the law is 20 "
            "per cent and more too low. Read it as a bound."
        )
    agreement = zeta**2 + (1.0 - zeta**2) * kappa
    return (1.0 + (K - 1.0) * (1.0 - J ** (-(1.0 - agreement) / (1.0 + agreement))))[()]


@domain()
def basin_choice(
    traces: npt.ArrayLike,
    basins: npt.ArrayLike,
    foresight: npt.ArrayLike,
    shared_error: npt.ArrayLike = 0.0,
) -> Values:
    """Value of the best basin that K traces go for, in the mean [mean-field].

    zeta m_J + sqrt(1 - zeta^2) m_{K_d}, and at most m_J.

    Foresight picks among J, evaluation among the K_d that were picked. To be compared with m_J, the
    value of a search that tries every basin.

    Args:
        traces: K >= 1.
        basins: J >= 1.
        foresight: zeta in [0, 1].
        shared_error: kappa in [0, 1].

    Returns:
        The expected value, in standard deviations of a basin's value.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(basin_choice(4, 50, foresight=0.3, shared_error=0.5), 3))
        1.491
    """
    _, J, zeta, _ = floats(traces, basins, foresight, shared_error)
    seen = distinct_basins(traces, basins, foresight, shared_error)
    whole = np.floor(seen)
    fewer, more = (np.asarray(expected_max_normal(count)) for count in (whole, whole + 1.0))
    luck = fewer + (seen - whole) * (more - fewer)  # a mean over whole numbers of basins
    best = np.asarray(expected_max_normal(J))
    return np.minimum(zeta * best + np.sqrt(1.0 - zeta**2) * luck, best)[()]
