"""Crossovers where scores are noisy: the search suffers, a direction does not have to.

A search is charged for what it does per *evaluation*: gates that score candidate and incumbent
afresh see noise sqrt(2) varsigma and pay for two scores; a stored incumbent and best-of-N see
varsigma and pay for one. An ungated directed step ignores scores, so

    rho* = sqrt(c * rate of the search / d) / (1 - h)                              [asymptotic]

falls with the noise (a noisier score is a garbled one, Theorem 5) and reaches 0 where the search
stalls. Relative noise is varsigma = sigma d / f: it rises as f falls, so *late in a run, and for
larger budgets, the crossover moves left*.

Not covered: noise in the direction itself beyond rho and h, replicated scores.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from gome_theory._crossing import Crossover, level_alignment
from gome_theory._ranges import domain
from gome_theory._regime import warn_below_scaled_regime
from gome_theory.best_of_n import noisy_best_of_n
from gome_theory.gradient_rate import Values
from gome_theory.incumbent import stored_incumbent
from gome_theory.noisy_gate import naive_gate
from gome_theory.reliability import scaled
from gome_theory.scaled_rate import bayes_gated_psi

NoisySearch = Literal["bayes", "naive", "stored", "best_of_n"]


@domain()
def noisy_search_rate(
    search: NoisySearch,
    r: npt.ArrayLike,
    varsigma: npt.ArrayLike,
    *,
    n: npt.ArrayLike = 5,
    rescoring: npt.ArrayLike = 1.0,
) -> Values:
    """d times the progress of a noisy search per proposal-and-evaluation [asymptotic].

    Args:
        search: "bayes": both scored afresh, best threshold. "naive": both afresh, threshold 0.
            "stored": against the incumbent's stored score. "best_of_n": move to the best-looking.
        r: Scaled alignment of the proposals.
        varsigma: Scaled noise of *one* score, sigma d / f.
        n: Candidates per batch of "best_of_n".
        rescoring: Cost of scoring the incumbent again, in proposal-and-evaluations ("bayes" and
            "naive" pay it; 0 where proposals cost much more than scores).

    Returns:
        The rate at the best step, 0 where the search stalls.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> [round(float(noisy_search_rate(s, 0.0, 2.0)), 3) for s in ("bayes", "naive", "stored")]
        [0.089, 0.053, 0.161]
    """
    noise = np.asarray(varsigma, float)
    pays = 1.0 + np.asarray(rescoring, float)
    if search == "bayes":
        rate = bayes_gated_psi(r, np.sqrt(2.0) * noise) / pays
    elif search == "naive":
        rate = naive_gate(r, np.sqrt(2.0) * noise).progress / pays
    elif search == "stored":
        rate = stored_incumbent(r, noise).progress
    elif search == "best_of_n":
        rate = noisy_best_of_n(n, r, noise).efficiency
    else:
        raise ValueError(
            f"`search` is {search!r}, which is unknown. "
            'Use "bayes", "naive", "stored" or "best_of_n".'
        )
    return np.asarray(rate)[()]


@domain()
def ungated_vs_noisy_search(
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    varsigma: npt.ArrayLike,
    search: NoisySearch,
    *,
    base_alignment: npt.ArrayLike = 0.0,
    hallucination: npt.ArrayLike = 0.0,
    n: npt.ArrayLike = 5,
    rescoring: npt.ArrayLike = 1.0,
) -> Crossover:
    """Ungated directed steps, which ignore scores, against a search that lives by them.

    rho* = sqrt(c * `noisy_search_rate` / d) / (1 - h) [asymptotic]; none where the search stalls.

    Args:
        dim: d; a warning is given below 30.
        cost: c > 0.
        varsigma: Scaled noise of one score.
        search: See `noisy_search_rate`.
        base_alignment: rho_0 of the search's proposals.
        hallucination: h, probability that a directed step has alignment 0.
        n: Candidates per batch of "best_of_n".
        rescoring: Cost of scoring the incumbent again.

    Returns:
        The crossover, in the broadcast shape of the arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(ungated_vs_noisy_search(100, 2.0, varsigma=3.0, search="naive").reason[:49])
        No crossover: the search makes no progress, so re
    """
    warn_below_scaled_regime(dim)
    r_0 = scaled(base_alignment, dim)
    level = noisy_search_rate(search, r_0, varsigma, n=n, rescoring=rescoring)
    target = np.asarray(cost, float) * level / np.asarray(dim, float)

    def rate(rho: np.ndarray, h: np.ndarray) -> Values:
        return ((1.0 - h) * rho) ** 2

    return level_alignment(rate, target, 1.0, hallucination)


@domain()
def bayes_gated_vs_noisy_search(
    dim: npt.ArrayLike,
    cost: npt.ArrayLike,
    varsigma: npt.ArrayLike,
    search: NoisySearch,
    *,
    base_alignment: npt.ArrayLike = 0.0,
    n: npt.ArrayLike = 5,
    rescoring: npt.ArrayLike = 1.0,
) -> Crossover:
    """Directed steps behind a Bayes gate (both scores afresh, within c) against a noisy search.

    psi(r*; sqrt(2) varsigma) = c * `noisy_search_rate` [asymptotic].

    Args:
        dim: d; a warning is given below 30.
        cost: c > 0, all inclusive.
        varsigma: Scaled noise of one score.
        search: See `noisy_search_rate`.
        base_alignment: rho_0 of the search's proposals.
        n: Candidates per batch of "best_of_n".
        rescoring: Cost of scoring the incumbent again, for the search.

    Returns:
        The crossover, in the broadcast shape of the arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> at = bayes_gated_vs_noisy_search(40.0, cost=2.0, varsigma=0.7, search="best_of_n")
        >>> print(round(at.alignment, 4))
        0.0312
    """
    warn_below_scaled_regime(dim)
    r_0 = scaled(base_alignment, dim)
    level = noisy_search_rate(search, r_0, varsigma, n=n, rescoring=rescoring)

    def rate(rho: np.ndarray, d: np.ndarray, noise: np.ndarray) -> Values:
        return bayes_gated_psi(scaled(rho, d), np.sqrt(2.0) * noise)

    return level_alignment(rate, np.asarray(cost, float) * level, 1.0, dim, varsigma)
