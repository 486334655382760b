"""Which case holds where errors persist or are shared, with the reason in a sentence.

Three ways to lose a lead again: a bias that grows with reliability, a budget so long that the bias
turns the run against itself, and traces so good that they all go for the same basin. The numbers
are in `memory_crossover`, `traces` and `basins`.

Not covered: gated runs with bias (a stall, see `bias.gated_bias_trap`).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gome_theory._ranges import REAL, SHARE, domain, in_range
from gome_theory.basins import basin_choice
from gome_theory.bias import bias_threshold, bias_trap
from gome_theory.crossover_cases import CrossoverCase, scan
from gome_theory.search_rate import hill_climb_rate
from gome_theory.traces import lead_lost_after

_SCAN_POINTS = 201


@domain()
def biased_case(
    dim: float,
    cost: float,
    bias_share: float | Callable[[np.ndarray], np.ndarray],
    largest_alignment: float,
) -> CrossoverCase:
    """Ungated steps whose error persists against hill climbing, up to a reachable alignment.

    None is reached if rho_max^2 < omega / (1 + omega). A bias share that rises with alignment (the
    better reasoner is surer of itself) can take the lead away again [asymptotic; crossings in rho,
    those closer together than rho_max / 200 are not seen].

    Args:
        dim: d >= 2.
        cost: c > 0.
        bias_share: omega in [0, 1], a number or an elementwise function of rho.
        largest_alignment: rho_max in (0, 1), the best alignment to be had.

    Returns:
        The case on [0, rho_max].

    Raises:
        ValueError: If an argument or a value of the function is out of its range.

    Example:
        >>> biased_case(400, 2.0, 0.05, 0.2).case, biased_case(400, 2.0, 0.05, 0.5).case
        ('search ahead', 'one crossover')
    """
    level = cost * float(np.asarray(hill_climb_rate(dim).rate))

    def share(rho: np.ndarray) -> np.ndarray:
        value = bias_share(rho) if callable(bias_share) else np.full(rho.shape, bias_share)
        return in_range("bias_share(rho)", value, 0.0, 1.0, "a share of the error")

    def lead(rho: npt.ArrayLike) -> np.ndarray:
        rho = np.asarray(rho, float)
        return np.asarray(bias_trap(rho, share(rho)).rate) - level

    crossings, starts_ahead = scan(lead, largest_alignment, _SCAN_POINTS)
    top = np.asarray(largest_alignment)
    floor = float(bias_threshold(share(top)))
    trap = f"at rho = {largest_alignment:g} it takes rho > sqrt(omega / (1 + omega)) = {floor:.3g}"
    if not crossings:
        if starts_ahead:  # the search makes nothing at all
            return CrossoverCase("reasoning ahead", (), "The search makes no progress.")
        why = "never reached" if largest_alignment <= floor else "passed, but by too little to pay"
        return CrossoverCase("search ahead", (), f"Bias: {trap}, which is {why}.")
    listed = ", ".join(f"{rho:.4g}" for rho in crossings)
    if len(crossings) == 1:
        return CrossoverCase("one crossover", crossings, f"Level at rho = {listed}; {trap}.")
    return CrossoverCase(
        "several crossovers",
        crossings,
        f"The lead changes at rho = {listed}: reasoning takes it, and loses it as its bias grows; "
        f"{trap}.",
    )


@domain()
def budget_case(r: float, alpha: float, cost: float, bias_share: float) -> CrossoverCase:
    """A crossover in *budget*: a biased run leads early and loses later (crossings in steps T).

    Hill climbing makes c T psi_g(0) / d meanwhile; see `lead_lost_after` [asymptotic, early phase].

    Args:
        r: Scaled alignment.
        alpha: Scaled step > 0.
        cost: c > 0 of a directed step.
        bias_share: omega in [0, 1].

    Returns:
        "search ahead" from the first step, "reasoning ahead" for good, or "one crossover" after
        which the search leads.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> case = budget_case(r=1.2, alpha=1.0, cost=2.0, bias_share=0.1)
        >>> case.case, round(case.crossings[0], 1)
        ('one crossover', 6.9)
    """
    steps = float(np.asarray(lead_lost_after(r, alpha, cost, bias_share)))
    first = 2.0 * alpha * r - alpha**2
    if steps == 0.0:
        return CrossoverCase(
            "search ahead",
            (),
            f"A directed step makes 2 alpha r - alpha^2 = {first:.3g} (times 1/d), no more than "
            "the search makes for its price.",
        )
    if np.isinf(steps):
        return CrossoverCase(
            "reasoning ahead", (), "Nothing in the error persists, so the lead of a step is kept."
        )
    return CrossoverCase(
        "one crossover",
        (steps,),
        f"Reasoning leads by step, but its drag alpha^2 omega T grows: it is behind after "
        f"T = {steps:.3g} steps. Decorrelate the errors, or stop before.",
    )


@domain(shared_error=SHARE, level=REAL)
def foresight_case(
    level: float,
    basins: float,
    traces: float,
    shared_error: float | Callable[[np.ndarray], np.ndarray],
) -> CrossoverCase:
    """Whether K traces' choice of basin beats a search's, as their foresight rises from 0 to 1.

    What the choice is worth is `basin_choice`. If better forecasters also err more
    alike, K_d collapses on the way and the lead can be lost in between [mean-field; crossings in
    zeta, those closer together than 1/200 are not seen].

    Args:
        level: Value of the search's basin, in standard deviations; m_k if it tries k of them.
        basins: J >= 1.
        traces: K >= 1.
        shared_error: kappa in [0, 1], a number or an elementwise function of zeta.

    Returns:
        The case on [0, 1].

    Raises:
        ValueError: If an argument or a value of the function is out of its range.

    Example:
        >>> case = foresight_case(1.2, 50, 5, lambda zeta: 0.8 * np.minimum(5.0 * zeta, 1.0))
        >>> case.case, [round(zeta, 3) for zeta in case.crossings]
        ('several crossovers', [0.027, 0.178, 0.251])
    """

    def shared(zeta: np.ndarray) -> np.ndarray:
        value = shared_error(zeta) if callable(shared_error) else shared_error
        return in_range("shared_error(zeta)", value, 0.0, 1.0, "a correlation")

    def lead(zeta: npt.ArrayLike) -> np.ndarray:
        zeta = np.asarray(zeta, float)
        return np.asarray(basin_choice(traces, basins, zeta, shared(zeta))) - level

    crossings, starts_ahead = scan(lead, 1.0, _SCAN_POINTS)
    if not crossings:
        who, how = ("reasoning", "at least") if starts_ahead else ("search", "less than")
        return CrossoverCase(
            "reasoning ahead" if starts_ahead else "search ahead",
            (),
            f"The choice of {traces:g} traces is worth {how} {level:.3g} at every foresight, so "
            f"{who} is ahead.",
        )
    listed = ", ".join(f"{zeta:.3g}" for zeta in crossings)
    if len(crossings) == 1:
        return CrossoverCase(
            "one crossover", crossings, f"The choice is worth {level:.3g} at zeta = {listed}."
        )
    return CrossoverCase(
        "several crossovers",
        crossings,
        f"The lead changes at zeta = {listed}: traces that err alike see fewer basins, until "
        "foresight makes up for it.",
    )
