"""Which case holds beyond the noise-free sphere, with the reason in a sentence.

Ill-conditioned quadratics, bit strings, noisy re-scored search and many basins; each can leave
reasoning or search ahead at every alignment. The vectorised numbers are in `crossover_worlds` and
`crossover_noise`. Not covered: persistent bias.
"""

import numpy as np

from gome_theory._ranges import SHARE, domain
from gome_theory._regime import warn_below_scaled_regime
from gome_theory.crossover_cases import CrossoverCase
from gome_theory.effective_dimension import Curvature, effective_dimension, warn_few_directions
from gome_theory.hypercube import gate_strictness
from gome_theory.noisy_gate import NAIVE_STALL_NOISE, naive_gate
from gome_theory.ruggedness import basin_advantage
from gome_theory.scaled_rate import psi_g


@domain()
def anisotropic_case(cost: float, curvature: Curvature) -> CrossoverCase:
    """Ungated steps against hill climbing on a quadratic: one crossover iff c < d_eff/0.405
    [asymptotic].

    Args:
        cost: c > 0.
        curvature: The point.

    Returns:
        The case; crossings are in rho.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> from gome_theory.effective_dimension import curvature_of
        >>> valley = curvature_of([1.0] * 20 + [0.1] * 80, [1.0] * 100)
        >>> anisotropic_case(2.0, valley).case
        'one crossover'
    """
    warn_few_directions(curvature)
    d_eff, d = float(effective_dimension(curvature)), float(curvature.dim)
    price = float(cost) * psi_g(0.0)
    if price >= d_eff:
        return CrossoverCase(
            "search ahead",
            (),
            f"0.405 c = {price:.3g} >= d_eff = {d_eff:.3g}: the gradient points up directions so "
            "steep that even following it exactly earns less than c blind steps.",
        )
    odds = price / d / (1.0 - price / d_eff)
    rho = float(np.sqrt(odds / (1.0 + odds)))
    return CrossoverCase(
        "one crossover", (rho,), f"0.405 c = {price:.3g} < d_eff = {d_eff:.3g}: level at {rho:.4g}."
    )


@domain(improving_share=SHARE._replace(open_ends="high"))
def random_flips_case(
    improving_share: float, cost: float, false_accept: float = 0.0, false_reject: float = 0.0
) -> CrossoverCase:
    """Directed against random gated flips on bit strings [exact; crossings in rho].

    Args:
        improving_share: phi < 1.
        cost: c > 0.
        false_accept: FA.
        false_reject: FR.

    Returns:
        The case.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> random_flips_case(0.4, cost=2.0).case
        'one crossover'
    """
    tau = float(gate_strictness(false_accept, false_reject))
    phi = float(improving_share)
    if phi <= tau:
        floor = (tau - phi) / (1.0 - phi)
        return CrossoverCase(
            "reasoning ahead",
            (),
            f"phi = {phi:g} <= tau = {tau:.3g}: random flips make no progress through this gate. "
            f"Directed ones do for rho > {floor:.3g}; below, stopping beats both.",
        )
    if cost <= 1.0:
        return CrossoverCase("reasoning ahead", (), f"The step costs {cost:g} <= 1.")
    rho = (cost - 1.0) * (phi - tau) / (1.0 - phi)
    if rho > 1.0:
        return CrossoverCase(
            "search ahead",
            (),
            f"(c - 1)(phi - tau) = {(cost - 1.0) * (phi - tau):.3g} > 1 - phi = {1.0 - phi:.3g}: "
            "so many flips improve that knowing one is not worth its price.",
        )
    return CrossoverCase(
        "one crossover", (rho,), f"Both rates are linear in rho and meet at {rho:.4g}."
    )


@domain()
def noisy_search_case(dim: float, cost: float, varsigma: float) -> CrossoverCase:
    """Ungated reasoning against naive re-scored search of undirected proposals (crossings in rho).

    Args:
        dim: d.
        cost: c > 0.
        varsigma: Scaled noise of a measured *gain* (both scores afresh).

    Returns:
        The case: from varsigma = 4 on the search has stalled [theorem].

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> noisy_search_case(100.0, cost=2.0, varsigma=2.0).case
        'one crossover'
    """
    warn_below_scaled_regime(dim)
    if varsigma >= NAIVE_STALL_NOISE:
        return CrossoverCase(
            "reasoning ahead",
            (),
            f"varsigma = {varsigma:g} >= 4: a gate that believes its measurements lets through as "
            "much loss as gain at every step size, so any positive alignment is ahead.",
        )
    rho = float(np.sqrt(cost * float(naive_gate(0.0, varsigma).progress) / dim))
    if rho > 1.0:
        return CrossoverCase(
            "search ahead", (), f"A perfect direction would have to gain {rho**2:.3g} times f."
        )
    return CrossoverCase("one crossover", (rho,), f"rho*^2 = c psi_naive / d: level at {rho:.4g}.")


@domain()
def basin_case(basins: float, traces: float, spread: float, smooth_gain: float) -> CrossoverCase:
    """Many basins: (m_J - m_K) s_b against all that descent inside a basin can gain
    [mean-field].

    Args:
        basins: J, independent basins the search samples with the budget.
        traces: K, basins the directed traces start in.
        spread: s_b, standard deviation of basin values.
        smooth_gain: The most that descending inside one basin can gain.

    Returns:
        The case; "one crossover" has no number here, only that one is possible.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> basin_case(50, traces=4, spread=1.0, smooth_gain=1.0).case
        'search ahead'
    """
    bonus = float(basin_advantage(basins, traces, spread))
    if bonus > smooth_gain:
        return CrossoverCase(
            "search ahead",
            (),
            f"Choosing among {basins:g} basins instead of {traces:g} is worth {bonus:.3g}, more "
            f"than the {smooth_gain:.3g} that descending inside one can gain.",
        )
    return CrossoverCase(
        "one crossover",
        (),
        f"The basins' {bonus:.3g} is less than the smooth {smooth_gain:.3g}: a reliable enough "
        "direction makes it up; where depends on the budget.",
    )
