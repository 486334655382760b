"""Plans as bits: a step flips one of d decisions, and a share phi of the flips improves.

The reasoner picks an improving flip with probability rho and otherwise any flip, so it improves
with probability pi = rho + (1 - rho) phi; undirected search has rho = 0. A gate accepts losses
with probability FA (false accept) and refuses improvements with FR. On OneMax, where k wrong bits
are left, phi = k/d and everything here is exact: the net number of wrong bits removed per step is

    gated pi (1 - FR + FA) - FA,       ungated 2 pi - 1.

The gate's strictness tau = FA / (1 - FR + FA) is the improving share at which it stands still: a
random search that starts with phi > tau drifts to phi = tau and stays there.

Not covered: epistasis (see `nk`), flips of several bits.
"""

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._ranges import AT_LEAST_ZERO, BITS, PROBABILITY, domain, floats
from gome_theory.gradient_rate import Values


@domain(alignment=PROBABILITY)
def improving_probability(alignment: npt.ArrayLike, improving_share: npt.ArrayLike) -> Values:
    """pi = rho + (1 - rho) phi [exact].

    Args:
        alignment: rho in [0, 1], probability that the reasoner knows an improving flip.
        improving_share: phi in [0, 1].

    Returns:
        Probability that a proposed flip improves.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(improving_probability(0.2, improving_share=0.4)), 4))
        0.52
    """
    rho = np.asarray(alignment, float)
    phi = np.asarray(improving_share, float)
    return (rho + (1.0 - rho) * phi)[()]


@domain(alignment=PROBABILITY)
def flip_rate(
    alignment: npt.ArrayLike,
    improving_share: npt.ArrayLike,
    *,
    false_accept: npt.ArrayLike = 0.0,
    false_reject: npt.ArrayLike = 0.0,
) -> Values:
    """Net improving flips per gated step: pi (1 - FR + FA) - FA [exact].

    With FA = 1 and FR = 0 it is the ungated 2 pi - 1.

    Args:
        alignment: rho in [0, 1]; 0 is random search.
        improving_share: phi.
        false_accept: FA, probability that a loss is accepted.
        false_reject: FR, probability that an improvement is refused.

    Returns:
        Expected decrease of the number of wrong bits per step; may be negative.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(flip_rate(0.3, 0.5), 3))
        0.65
    """
    pi = np.asarray(improving_probability(alignment, improving_share))
    wrong, missed = floats(false_accept, false_reject)
    return (pi * (1.0 - missed + wrong) - wrong)[()]


@domain()
def gate_strictness(false_accept: npt.ArrayLike, false_reject: npt.ArrayLike) -> Values:
    """tau = FA / (1 - FR + FA): the improving share at which a gated step gains nothing [exact].

    Args:
        false_accept: FA.
        false_reject: FR; FA = 0 and FR = 1 together accept nothing.

    Returns:
        tau in [0, 1]; 0 for a gate that never accepts a loss.

    Raises:
        ValueError: If a gate accepts nothing at all.

    Example:
        >>> print(round(float(gate_strictness(0.05, false_reject=0.1)), 4))
        0.0526
    """
    wrong, missed = floats(false_accept, false_reject)
    through = 1.0 - missed + wrong
    if np.any(through == 0.0):
        raise ValueError(
            "`false_reject` is 1 where `false_accept` is 0: such a gate accepts nothing, so it has "
            "no strictness. Pass a gate that lets something through."
        )
    return (wrong / through)[()]


@domain(alignment=PROBABILITY._replace(open_ends="high"), dim=BITS, step=AT_LEAST_ZERO)
def expected_wrong_bits(
    step: npt.ArrayLike,
    initial_wrong: npt.ArrayLike,
    dim: npt.ArrayLike,
    *,
    alignment: npt.ArrayLike = 0.0,
    false_accept: npt.ArrayLike = 0.0,
    false_reject: npt.ArrayLike = 0.0,
) -> Values:
    """Mean number of wrong bits after t steps, away from k = 0 [exact].

    The rate is linear in k, so E k_t = k_inf + (k_0 - k_inf) (1 - x/d)^t with
    x = (1 - rho)(1 - FR + FA) and k_inf = d (FA - rho (1 - FR + FA)) / x. With rho = FA = FR = 0 it
    is random local search, k_0 (1 - 1/d)^t. A reasoner with rho > tau has k_inf < 0: the law then
    holds until the optimum is near, where it cannot find an improving flip that is not there.

    Args:
        step: t >= 0.
        initial_wrong: k_0.
        dim: d.
        alignment: rho < 1.
        false_accept: FA.
        false_reject: FR.

    Returns:
        E k_t, at least 0.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(expected_wrong_bits(120, 30, 60), 3))
        3.992
    """
    rho = np.asarray(alignment, float)
    wrong, missed = floats(false_accept, false_reject)
    _check_bits(initial_wrong, dim)
    d, through = np.asarray(dim, float), 1.0 - missed + wrong
    pull = (1.0 - rho) * through
    rest = d * (wrong - rho * through) / pull
    left = rest + (np.asarray(initial_wrong, float) - rest) * (1.0 - pull / d) ** np.asarray(step)
    return np.maximum(left, 0.0)[()]


@domain(alignment=PROBABILITY, dim=BITS)
def expected_runtime(
    initial_wrong: npt.ArrayLike, dim: npt.ArrayLike, alignment: npt.ArrayLike = 0.0
) -> Values:
    """Mean steps to the optimum with a perfect gate: sum over k <= k_0 of 1/(rho + (1-rho) k/d).

    A sum of geometric waiting times; with digamma it is
    (d/(1-rho)) [digamma(k_0 + 1 + b) - digamma(1 + b)], b = rho d/(1-rho) [exact]. At rho = 0 it is
    d H_{k_0}, the coupon collector's d ln d: reasoning saves the logarithm, and most of it late.

    Args:
        initial_wrong: k_0 >= 0.
        dim: d.
        alignment: rho in [0, 1].

    Returns:
        Expected number of steps; k_0 for a perfect reasoner.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(expected_runtime(30, 60), 1), round(expected_runtime(30, 60, 0.2), 1))
        239.7 80.8
    """
    wrong = np.asarray(initial_wrong, float)
    rho, d = np.asarray(alignment, float), np.asarray(dim, float)
    _check_bits(initial_wrong, dim)
    unsure = np.where(rho < 1.0, 1.0 - rho, 1.0)
    shift = rho * d / unsure
    steps = d / unsure * (special.digamma(wrong + 1.0 + shift) - special.digamma(1.0 + shift))
    return np.where(rho < 1.0, steps, wrong)[()]


def _check_bits(initial_wrong: npt.ArrayLike, dim: npt.ArrayLike) -> None:
    if np.any(np.asarray(initial_wrong, float) > np.asarray(dim, float)):
        raise ValueError(
            f"`initial_wrong` is {initial_wrong} of `dim` = {dim} bits: more bits than there are "
            "cannot be wrong. Pass initial_wrong <= dim."
        )
