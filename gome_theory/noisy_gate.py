"""A gate that decides by noisy scores: any threshold, the naive threshold 0, and where it stalls.

Scaled limit: d times the gain of a step is N(mu, s^2), mu = 2 alpha r - alpha^2, s = 2 alpha; the
gate sees it with noise varsigma (the noise of a measured *gain*: `scaled_noise` with two noisy
scores if candidate and incumbent are both scored afresh) and accepts above a threshold. The best
threshold is the `bayes_gate` of `scaled_rate`; this file holds what it is best *among*.

The naive gate believes the measurement (threshold 0). Proposals that lose on average (r <= 0) then
make no progress at any step size once varsigma >= 4: a search that re-scores and compares stops
at f = sigma d / 4. A stored incumbent score has no such floor (`incumbent`), nor has a Bayes gate.

Not covered: stored scores (`incumbent`), best of several (`best_of_n`), finite d (at d = 100 these
laws are within 3 per cent).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._one_dimensional import maximise
from gome_theory._ranges import POSITIVE_DEVIATION, domain
from gome_theory._regime import warn_below_scaled_regime, warn_outside_regime
from gome_theory.gradient_rate import Values
from gome_theory.scaled_rate import inverse_mills, normal_density

NAIVE_STALL_NOISE = 4.0
"""The varsigma at which a naive gate stops progressing with proposals of r <= 0 (theorem)."""

SMALL_STEP_STALL_NOISE = 8.0 / np.sqrt(2.0 * np.pi)
"""The varsigma, 8 phi(0) = 3.19, at which *small* steps of r = 0 already lose (exact)."""


_SMALLEST_TAIL_NOISE = 15.0


class NoisyGate(NamedTuple):
    """A noisy gated step of given length and threshold.

    Attributes:
        progress: d times the mean true gain per step; negative if the gate lets through losses.
        acceptance: Probability of acceptance.
        inflation: Winner's curse: d times mean (measured - true) gain of an accepted step.
    """

    progress: Values
    acceptance: Values
    inflation: Values


class NaiveGate(NamedTuple):
    """The best step under a gate that believes its measurement.

    Attributes:
        progress: d times the mean true gain per step, 0 where every step loses.
        alpha: Scaled step, 0 where every step loses.
        acceptance: Probability of acceptance, 0 where every step loses.
    """

    progress: Values
    alpha: Values
    acceptance: Values


@domain()
def noisy_gate(
    r: npt.ArrayLike,
    alpha: npt.ArrayLike,
    varsigma: npt.ArrayLike,
    threshold: npt.ArrayLike = 0.0,
) -> NoisyGate:
    """A step accepted iff its measured gain exceeds the threshold [asymptotic].

    With v^2 = s^2 + varsigma^2 and z = (mu - theta) / v: progress mu Phi(z) + (s^2/v) phi(z),
    acceptance Phi(z), inflation (varsigma^2/v) m(z).

    Args:
        r: Scaled alignment.
        alpha: Scaled step > 0.
        varsigma: Scaled noise of a measured gain, >= 0.
        threshold: theta, in the same units (d times a gain).

    Returns:
        Progress, acceptance and winner's curse.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> gate = noisy_gate(r=0.0, alpha=0.8, varsigma=4.0)
        >>> print(round(gate.progress, 4))   # believing noisy measurements loses ground
        -0.0477
    """
    r, alpha = np.asarray(r, float), np.asarray(alpha, float)
    noise = np.asarray(varsigma, float)
    mean, spread = 2.0 * alpha * r - alpha**2, 2.0 * alpha
    total = np.hypot(spread, noise)
    z = (mean - np.asarray(threshold, float)) / total
    progress = mean * special.ndtr(z) + spread**2 / total * normal_density(z)
    inflation = noise**2 / total * inverse_mills(z)
    return NoisyGate(progress[()], special.ndtr(z)[()], inflation[()])


@domain()
def naive_gate(r: npt.ArrayLike, varsigma: npt.ArrayLike) -> NaiveGate:
    """The best step if every measured improvement is accepted (threshold 0) [asymptotic].

    At r = 0 the progress is alpha^2 [(4/v) phi(z) - Phi(z)] with z = -alpha^2/v.

    Args:
        r: Scaled alignment.
        varsigma: Scaled noise of a measured gain, >= 0.

    Returns:
        Progress, step and acceptance; zeros where every step loses. Close below varsigma = 4 some
        step still wins, but it is long and wins next to nothing (0.0002 at 3.8).

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> [round(float(p), 4) for p in naive_gate(0.0, [0.0, 2.0, 3.5, 4.0]).progress]
        [0.4049, 0.2238, 0.0153, 0.0]
    """
    r, noise = np.broadcast_arrays(np.asarray(r, float), np.asarray(varsigma, float))
    best = maximise(
        lambda step: np.asarray(noisy_gate(r[..., None], step, noise[..., None]).progress),
        1e-3,
        30.0 + 2.0 * np.abs(r) + noise,
    )
    moves = (best.value > 0.0) & naive_gate_can_progress(r, noise)
    alpha = np.where(moves, best.argument, 0.0)
    accepted = noisy_gate(r, best.argument, noise).acceptance
    return NaiveGate(
        np.where(moves, best.value, 0.0)[()], alpha[()], np.where(moves, accepted, 0.0)[()]
    )


@domain()
def naive_gate_can_progress(r: npt.ArrayLike, varsigma: npt.ArrayLike) -> np.ndarray:
    """Whether some step size makes progress under a naive gate: iff r > 0 or varsigma < 4.

    Proof. Let mu < 0 and x = |mu|/v. Progress > 0 means (s^2/v) m(-x) > |mu|. The hazard of the
    normal satisfies m(-x) < (x + sqrt(x^2 + 4))/2, which leaves s^2 > varsigma |mu|, that is
    varsigma < 4 alpha / (alpha + 2|r|) < 4. Conversely the bound is tight for long steps, so below
    4 a long enough step wins. For r > 0 a short step wins on average even without a gate [theorem].

    Args:
        r: Scaled alignment.
        varsigma: Scaled noise of a measured gain.

    Returns:
        Booleans in the broadcast shape.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> bool(naive_gate_can_progress(-0.1, varsigma=3.0))
        True
    """
    return (np.asarray(r, float) > 0.0) | (np.asarray(varsigma, float) < NAIVE_STALL_NOISE)


@domain()
def stall_suboptimality(difference_noise: npt.ArrayLike, dim: npt.ArrayLike) -> Values:
    """f_stall = sigma d / 4: where naive re-scored search with proposals of r <= 0 ends [theorem].

    The relative noise sigma/f grows as f falls; at this f the scaled noise reaches 4.

    Args:
        difference_noise: sigma, standard deviation of a *difference of two scores*, in units of f.
        dim: d.

    Returns:
        The suboptimality below which no step size makes progress.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(stall_suboptimality(0.01, dim=40.0)), 4))
        0.1
    """
    warn_below_scaled_regime(dim)
    noise = np.asarray(difference_noise, float)
    return (noise * np.asarray(dim, float) / NAIVE_STALL_NOISE)[()]


@domain(varsigma=POSITIVE_DEVIATION)
def bayes_gate_tail(varsigma: npt.ArrayLike) -> Values:
    """How a Bayes gate dies: 512 / (e sqrt(2 pi)) varsigma^-3 exp(-varsigma^2/32) at r = 0.

    From s_e [t Phi(t) + phi(t)] with t = -v/4 and s_e = (v^2 - varsigma^2)/v, largest at
    v^2 = varsigma^2 + 32 to leading order [asymptotic in varsigma, relative error of order
    100/varsigma^2].

    Args:
        varsigma: Scaled noise of a measured gain; large.

    Returns:
        d times the mean gain per step: tiny, but never 0 as with the naive gate.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(bayes_gate_tail(20.0)), 4))
        0.0
    """
    noise = np.asarray(varsigma, float)
    if np.any(noise < _SMALLEST_TAIL_NOISE):
        warn_outside_regime(
            f"`varsigma` = {np.min(noise):g}: below {_SMALLEST_TAIL_NOISE:g} the tail is more than "
            "40 per cent above the gate it describes. Use `bayes_gated_psi`."
        )
    return (512.0 / (np.e * np.sqrt(2.0 * np.pi)) * noise**-3.0 * np.exp(-(noise**2) / 32.0))[()]
