"""Crossovers beyond the sphere: ill-conditioned quadratics, bit strings, NK landscapes, reuse.

Each solves directed progress / c = search progress in its own world; all but the reused directions
have closed forms. The laws themselves are in `effective_dimension`, `hypercube`, `nk` and `reuse`.
"""

import numpy as np
import numpy.typing as npt

from gome_theory._crossing import Crossover, level_alignment
from gome_theory._ranges import BITS, DIAGNOSIS_COST, domain
from gome_theory.crossover import Law, ungated_vs_hill_climb
from gome_theory.effective_dimension import Curvature, effective_dimension, warn_few_directions
from gome_theory.gradient_rate import Criterion, Values
from gome_theory.hypercube import expected_runtime, gate_strictness, improving_probability
from gome_theory.nk import check_neighbours, neighbour_correlation, screened_gain
from gome_theory.reuse import effective_cost
from gome_theory.scaled_rate import psi_g


@domain()
def anisotropic_vs_hill_climb(cost: npt.ArrayLike, curvature: Curvature) -> Crossover:
    """Ungated directed steps against hill climbing on a quadratic [asymptotic].

    With o = rho^2 / (1 - rho^2): o* = (psi_g(0) c / d) / (1 - psi_g(0) c / d_eff). There is none if
    psi_g(0) c >= d_eff: one steep direction is all the search pays for, and the cheap step wins.

    Args:
        cost: c > 0.
        curvature: The point; see `curvature_of`.

    Returns:
        The crossover; on the sphere (d_eff = d) it is rho*^2 = 0.405 c / d.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> from gome_theory.effective_dimension import curvature_of
        >>> valley = curvature_of([1.0] * 20 + [0.1] * 80, [1.0] * 100)
        >>> print(round(anisotropic_vs_hill_climb(2.0, valley).alignment, 4))
        0.09
    """
    price = np.asarray(cost, float) * psi_g(0.0)
    warn_few_directions(curvature)
    d_eff, d = np.asarray(effective_dimension(curvature)), np.asarray(curvature.dim, float)

    def rate(rho: np.ndarray, many: np.ndarray, ratio: np.ndarray) -> Values:
        # Directed gain times 2 tr H / |g|^2, in which a search makes psi_g(0).
        return rho**2 / (rho**2 / ratio + (1.0 - rho**2) / many)

    return level_alignment(rate, price, 1.0, d, d_eff)


@domain()
def directed_vs_random_flips(
    improving_share: npt.ArrayLike,
    cost: npt.ArrayLike,
    *,
    false_accept: npt.ArrayLike = 0.0,
    false_reject: npt.ArrayLike = 0.0,
) -> Crossover:
    """Gated directed flips against gated random flips: rho* = (c-1)(phi-tau)/(1-phi) [exact].

    For c > 1. There is none if rho* > 1, which takes (c - 1)(phi - tau) > 1 - phi. Where phi <= tau
    the search loses ground, and the honest rival is to stop: the number is then the alignment
    (tau - phi)/(1 - phi) above which directed flips make progress at all.

    Args:
        improving_share: phi in [0, 1].
        cost: c > 0.
        false_accept: FA.
        false_reject: FR.

    Returns:
        The crossover; it moves left as phi falls along a run.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(directed_vs_random_flips(0.4, 2.0).alignment, 3))
        0.667
    """
    tau = gate_strictness(false_accept, false_reject)
    phi = np.asarray(improving_share, float)
    level = np.asarray(cost, float) * np.maximum(phi - tau, 0.0)

    def rate(rho: np.ndarray, share: np.ndarray, strictness: np.ndarray) -> Values:
        return np.maximum(np.asarray(improving_probability(rho, share)) - strictness, 0.0)

    def stops(share: np.ndarray, strictness: np.ndarray) -> np.ndarray:
        return np.maximum(strictness - share, 0.0) / np.where(share < 1.0, 1.0 - share, 1.0)

    answer = level_alignment(rate, level, 1.0, phi, tau)
    phi, tau = np.broadcast_arrays(phi, tau)
    useless = np.broadcast_to(phi < tau, np.shape(answer.alignment))
    if not np.any(useless):
        return answer
    alignment = np.where(useless, stops(phi, tau), answer.alignment)
    exists = np.where(useless, alignment < 1.0, answer.exists)
    reason = np.where(useless, _SEARCH_LOSES, answer.reason)
    if alignment.ndim == 0:
        return Crossover(float(alignment), bool(exists), str(reason))
    return Crossover(alignment, exists, reason)


_SEARCH_LOSES = (
    "The gate lets through more losses than random flips bring gains, so the search goes backwards "
    "and the rival is to stop: directed flips make progress above this alignment."
)


@domain(initial_wrong=BITS, dim=BITS)
def directed_vs_random_run(
    initial_wrong: npt.ArrayLike, dim: npt.ArrayLike, cost: npt.ArrayLike
) -> Crossover:
    """A whole run to the optimum with a perfect gate: c T(rho*) = d H_{k_0} [exact].

    T is `expected_runtime`. The run-level crossover lies below the one of its first step: the last
    bits are rare, and there even a poor direction is worth many random flips.

    Args:
        initial_wrong: k_0 >= 1.
        dim: d.
        cost: c > 0.

    Returns:
        The crossover; none where even a perfect reasoner pays more, c k_0 > d H_{k_0}.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(directed_vs_random_run(30, dim=60, cost=2.0).alignment), 4))
        0.0792
    """

    def speed(rho: np.ndarray, wrong: np.ndarray, d: np.ndarray) -> Values:
        return np.asarray(expected_runtime(wrong, d, 0.0)) / expected_runtime(wrong, d, rho)

    wrong = np.asarray(initial_wrong, float)
    return level_alignment(speed, cost, 1.0, wrong, dim)


@domain()
def screening_vs_sampling(
    fitness: npt.ArrayLike,
    loci: npt.ArrayLike,
    epistasis: npt.ArrayLike,
    *,
    screened: npt.ArrayLike,
    sampled: npt.ArrayLike,
    cost: npt.ArrayLike,
) -> Crossover:
    """NK: the prediction-truth correlation at which screening m in the head equals n evaluations.

    Screening costs c and takes one step; sampling costs n. Solves
    [rho_p m_m s - (1-r1) z]/c = max(m_n s - (1-r1) z, 0)/n, linear in rho_p; "alignment" is rho_p
    here [asymptotic].

    Args:
        fitness: z.
        loci: N.
        epistasis: K.
        screened: m, neighbours screened in the head.
        sampled: n, neighbours really evaluated.
        cost: c > 0, cost of one screened step in evaluations.

    Returns:
        The crossover; where sampling loses ground (high z), the correlation that makes progress.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> landscape = {"loci": 24, "epistasis": 2}
        >>> at = screening_vs_sampling(0.5, **landscape, screened=20, sampled=4, cost=2.0)
        >>> print(round(at.alignment, 4))
        0.3098
    """
    check_neighbours("sampled", sampled, loci)
    check_neighbours("screened", screened, loci)
    drift = (1.0 - np.asarray(neighbour_correlation(loci, epistasis))) * np.asarray(fitness, float)
    batch = np.maximum(screened_gain(fitness, loci, epistasis, sampled), 0.0)
    target = np.asarray(cost, float) * batch / np.asarray(sampled, float) + drift
    best = np.asarray(screened_gain(fitness, loci, epistasis, screened)) + drift
    # Below the mean (z < 0) any flip gains; level_alignment needs a level of at least 0.
    shift = np.maximum(-target, 0.0)
    return level_alignment(lambda rho, top, up: rho * top + up, target + shift, 1.0, best, shift)


@domain(cost=DIAGNOSIS_COST)
def reusing_vs_hill_climb(
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    persistence: npt.ArrayLike,
    *,
    criterion: Criterion = "log",
    law: Law = "exact",
) -> Crossover:
    """Ungated steps that reuse each diagnosis optimally, against hill climbing.

    The crossover of `ungated_vs_hill_climb` at the `effective_cost` [asymptotic: matched steps].

    Args:
        dim: d >= 2.
        cost: c >= 1, cost of a diagnosed step; a reused one costs 1.
        persistence: gamma in [0, 1).
        criterion: "log" or "gain".
        law: "exact" or "scaled".

    Returns:
        The crossover, at most that without reuse.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(reusing_vs_hill_climb(40.0, cost=2.0, persistence=0.5).alignment), 4))
        0.1409
    """
    return ungated_vs_hill_climb(
        dim, effective_cost(persistence, cost), criterion=criterion, law=law
    )
