"""The lead of reasoning over search: how it grows, and how far the cost and coupling move it.

Per unit of cost, in scaled units,

    A(r) = psi_g(r)/c - eta psi_g(r_0),      A'(r) = 2 psi_g(r) / (c alpha*(r)) -> 2 r / c.

With c and r_0 fixed it is increasing and convex: the gap *widens* with reliability (Theorem 6). If
the search shares the reasoner's ability, r_0 = kappa r, the lead tends to r^2 (1/c - kappa^2), so
there is a crossover iff c < 1/kappa^2 (Theorem 7) [asymptotic].

Not covered: what medals make of a lead (`medals`).
"""

import numpy as np
import numpy.typing as npt

from gome_theory._crossing import Crossover, level_alignment
from gome_theory._ranges import BLEND_ALIGNMENT, domain
from gome_theory._regime import warn_below_scaled_regime
from gome_theory.gradient_rate import Values
from gome_theory.reliability import scaled
from gome_theory.scaled_rate import optimal_alpha, psi_g


@domain()
def advantage(
    r: npt.ArrayLike,
    cost: npt.ArrayLike,
    *,
    base_r: npt.ArrayLike = 0.0,
    efficiency: npt.ArrayLike = 1.0,
) -> Values:
    """Lead of gated reasoning, A(r) = psi_g(r)/c - eta psi_g(r_0) [asymptotic].

    Increasing and convex in r (Theorem 6).

    Args:
        r: Scaled alignment of reasoning.
        cost: c > 0.
        base_r: r_0 of the search.
        efficiency: eta of the search.

    Returns:
        d times the lead per unit of cost.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(advantage(0.3, cost=2.0)), 4))
        -0.082
    """
    price = np.asarray(cost, float)
    search = np.asarray(efficiency, float) * psi_g(base_r)
    return (np.asarray(psi_g(r)) / price - search)[()]


@domain(r=BLEND_ALIGNMENT)
def cost_elasticity(r: npt.ArrayLike, *, gated: bool = True) -> Values:
    """How strongly the crossover moves with the cost: d ln r* / d ln c at the crossover r*.

    Ungated 1/2; gated alpha*(r*) / (2 r*) >= 1/2, the inverse of the elasticity of psi_g
    [asymptotic].

    Args:
        r: r*, scaled alignment at the crossover, > 0.
        gated: Whether directed steps are gated.

    Returns:
        Percent change of r* per percent change of c.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(cost_elasticity(0.3)), 4))
        2.2524
    """
    r = np.asarray(r, float)
    return (np.asarray(optimal_alpha(r)) / (2.0 * r) if gated else np.full(r.shape, 0.5))[()]


@domain()
def coupled_gated_vs_gated(
    dim: npt.ArrayLike, cost: npt.ArrayLike, coupling: npt.ArrayLike
) -> Crossover:
    """Theorem 7: the search's proposals improve with the reasoner, r_0 = kappa r.

    Solves psi_g(r)/psi_g(kappa r) = c; the ratio rises strictly from 1 to 1/kappa^2 because the
    elasticity 2 r/alpha*(r) rises [asymptotic].

    Args:
        dim: d >= 2; warns below 30; a crossover needs r* <= sqrt(d).
        cost: c > 0.
        coupling: kappa in [0, 1].

    Returns:
        The crossover in rho; none for c >= 1/kappa^2.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> r = [10 * float(coupled_gated_vs_gated(100, 2.0, k).alignment) for k in (0, 0.4, 0.6)]
        >>> [round(value, 3) for value in r]
        [0.457, 0.863, 1.633]
    """
    warn_below_scaled_regime(dim)
    kappa = np.asarray(coupling, float)

    def ratio(rho: np.ndarray, d: np.ndarray, share: np.ndarray) -> Values:
        r = np.asarray(scaled(rho, d))
        return np.asarray(psi_g(r)) / psi_g(share * r)

    return level_alignment(ratio, cost, 1.0, dim, kappa)
