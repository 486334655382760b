"""Which case holds: one crossover, none, or several, with the reason in a sentence.

A search of fixed quality is overtaken once or never, because directed progress rises with alignment
(Theorem 3). Two things change that: a search that improves with the reasoner (Theorem 7: none from
c >= 1/kappa^2 on), and a cost that rises with reliability faster than r^2 (a second crossover,
where reasoning prices itself out). Other landscapes are in `crossover_world_cases`.

Scalars in, one sentence out; the vectorised numbers are in `crossover` and `advantage`. Not
covered: persistent bias, whose trap also ends crossovers.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._one_dimensional import solve_increasing
from gome_theory._ranges import domain, in_range
from gome_theory.advantage import coupled_gated_vs_gated
from gome_theory.crossover import gated_vs_gated
from gome_theory.reliability import scaled
from gome_theory.scaled_rate import optimal_alpha, psi_g

CaseName = Literal["one crossover", "search ahead", "reasoning ahead", "several crossovers"]
_SCAN_POINTS = 4001


class CrossoverCase(NamedTuple):
    """Which of the possible pictures holds.

    Attributes:
        case: "one crossover", "several crossovers", "search ahead" or "reasoning ahead" (always).
        crossings: The alignments at which the two are level, in increasing order.
        reason: Why, in a sentence with the numbers that decide.
    """

    case: CaseName
    crossings: tuple[float, ...]
    reason: str


@domain()
def fixed_search_case(
    dim: float, cost: float, *, base_alignment: float = 0.0, efficiency: float = 1.0
) -> CrossoverCase:
    """Theorem 3, for mean gain at finite d: a search of fixed quality is overtaken once, or never.

    Args:
        dim: d >= 2.
        cost: c > 0.
        base_alignment: rho_0 of the search.
        efficiency: eta of the search.

    Returns:
        The case; crossings are in rho [exact].

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> fixed_search_case(10, 30.0).case
        'search ahead'
    """
    answer = gated_vs_gated(
        dim, cost, base_alignment=base_alignment, efficiency=efficiency, criterion="gain"
    )
    needed = cost * efficiency * float(psi_g(scaled(base_alignment, dim)))
    if answer.exists:
        return CrossoverCase(
            "one crossover",
            (float(answer.alignment),),
            "Directed progress rises strictly with alignment and the search's is fixed, so they "
            f"meet once, at rho = {float(answer.alignment):.4g}.",
        )
    if "search is ahead" in str(answer.reason):
        return CrossoverCase(
            "search ahead",
            (),
            f"For the price of one directed step the search makes about {needed:.3g} / d, more "
            f"than the whole of f that a perfect direction gains at d = {dim:g}.",
        )
    return CrossoverCase(
        "reasoning ahead",
        (),
        f"At cost {cost:g} a directed step of alignment 0 already makes no less than the search.",
    )


@domain()
def coupled_search_case(cost: float, coupling: float) -> CrossoverCase:
    """Theorem 7: a search that is fed the reasoner's ability, r_0 = kappa r (crossings in r).

    Args:
        cost: c > 0.
        coupling: kappa in [0, 1].

    Returns:
        The case: "reasoning ahead" for c <= 1, "one crossover" for 1 < c < 1/kappa^2, else
        "search ahead" [theorem].

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> coupled_search_case(4.0, 0.6).case
        'search ahead'
    """
    price = float(cost)
    kappa = float(coupling)
    limit = kappa**-2.0 if kappa > 1e-100 else np.inf
    if price <= 1.0 and kappa < 1.0:
        return CrossoverCase(
            "reasoning ahead",
            (),
            f"The step costs {price:g} <= 1 and is at least as well aligned as the search's.",
        )
    if price >= limit:
        return CrossoverCase(
            "search ahead",
            (),
            f"c = {price:g} >= 1/kappa^2 = {limit:.3g}: however reliable reasoning gets, the "
            "search gets as much of it as the extra cost takes away.",
        )
    # psi_g(r)/psi_g(kappa r) >= (r / (kappa r + alpha_0))^2 brackets the root from above.
    largest = 2.0 * float(optimal_alpha(0.0)) / (price**-0.5 - kappa) + 10.0
    answer = coupled_gated_vs_gated(largest**2, price, kappa)
    crossing = float(answer.alignment) * largest
    start = " The lead shrinks at first (kappa > 1/c)." if kappa > 1.0 / price else ""
    return CrossoverCase(
        "one crossover",
        (crossing,),
        f"psi_g(r)/psi_g(kappa r) rises from 1 to 1/kappa^2 = {limit:.3g} and passes c = {price:g} "
        f"once, at r = {crossing:.4g}.{start}",
    )


@domain()
def rising_cost_case(
    cost: Callable[[np.ndarray], np.ndarray],
    largest_r: float,
    *,
    base_r: float = 0.0,
    efficiency: float = 1.0,
) -> CrossoverCase:
    """A cost c(r) that depends on reliability: any number of crossovers, found by scanning.

    A crossing leads upwards where psi_g's elasticity 2 r/alpha* exceeds that of c. It tends to 2,
    so a cost that grows faster than r^2 makes a last crossing downwards [numerical, crossings
    closer together than largest_r / 4000 are not seen].

    Args:
        cost: Positive function of r, elementwise.
        largest_r: Look at r in [0, largest_r].
        base_r: r_0 of the search.
        efficiency: eta of the search.

    Returns:
        The case on that interval; crossings are in r.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> case = rising_cost_case(lambda r: 1.3 * np.exp(0.55 * r), largest_r=20.0)
        >>> case.case, [round(r, 3) for r in case.crossings]
        ('several crossovers', [0.258, 9.26])
    """
    level = efficiency * float(psi_g(base_r))

    def lead(r: npt.ArrayLike) -> np.ndarray:
        r = np.asarray(r, float)
        price = in_range("cost(r)", cost(r), 0.0, np.inf, "a cost", open_ends="low")
        return np.log(np.asarray(psi_g(r))) - np.log(price * level)

    crossings, starts_ahead = scan(lead, largest_r, _SCAN_POINTS)
    return _describe(crossings, starts_ahead, largest_r)


def scan(
    lead: Callable[[npt.ArrayLike], np.ndarray], largest: float, points: int
) -> tuple[tuple[float, ...], bool]:
    """Where the lead changes sign on [0, largest], and whether it is positive at 0.

    Args:
        lead: Elementwise function.
        largest: End of the interval.
        points: Points of the grid; changes closer together are not seen.

    Returns:
        The roots in increasing order, and the sign at 0.
    """
    grid = np.linspace(0.0, largest, points)
    signs = np.where(lead(grid) >= 0.0, 1.0, -1.0)
    turns = np.flatnonzero(signs[:-1] != signs[1:])
    if not turns.size:
        return (), bool(signs[0] > 0.0)
    rising = signs[turns + 1]  # the root finder takes increasing functions
    roots = solve_increasing(
        lambda x, sign: sign * lead(x), grid[turns], grid[turns + 1], (rising,)
    )
    return tuple(float(root) for root in roots), bool(signs[0] > 0.0)


def _describe(crossings: tuple[float, ...], starts_ahead: bool, largest_r: float) -> CrossoverCase:
    """The case of a scan, from its crossings and who leads at r = 0."""
    if not crossings:
        who, verb = ("reasoning", "no more") if starts_ahead else ("search", "more")
        return CrossoverCase(
            "reasoning ahead" if starts_ahead else "search ahead",
            (),
            f"On [0, {largest_r:g}] a directed step costs {verb} than it makes in search steps, so "
            f"{who} leads throughout.",
        )
    first = "search takes the lead" if starts_ahead else "reasoning takes the lead"
    if len(crossings) == 1:
        return CrossoverCase(
            "one crossover",
            crossings,
            f"At r = {crossings[0]:.4g} {first}; it does not change again up to {largest_r:g}.",
        )
    listed = ", ".join(f"{r:.4g}" for r in crossings)
    return CrossoverCase(
        "several crossovers",
        crossings,
        f"The lead changes at r = {listed}: {first} first, and each time the elasticity of the "
        "cost passes that of psi_g (at most 2) it can change back.",
    )
