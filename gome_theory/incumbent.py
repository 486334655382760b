"""Greedy search with a *stored* noisy score: the incumbent is believed as it was once measured.

This is the greedy tree of code agents: every candidate is scored once, the best score so far is
kept and expanded. Its true value lags behind its score by an error e, in units of f/d. A candidate
with true gain N(mu, s^2) and fresh error e' ~ p = N(0, varsigma^2) replaces the incumbent iff
gain + e' - e > theta. Then e is a Markov chain whose stationary density pi obeys

    pi(e) A(e) = p(e) * integral of pi(e') Phi((mu - theta - e' + e)/s) de',
    A(e) = Phi((mu - theta - e)/v),   v^2 = s^2 + varsigma^2,

and the progress is the integral of pi(e) [mu Phi(z_e) + (s^2/v) phi(z_e)] de, z_e = (mu-theta-e)/v.
Here varsigma = sigma d is the noise of *one* score: half the variance of a re-scored difference.

The inflation mean e raises the bar by itself, so a stored score costs one evaluation per comparison
and is about as good as a Bayes gate that spends two. It also never stalls: the stored score cannot
fall (theta >= 0), so in the stationary state neither can the true value (`stored_incumbent`).

[asymptotic, stationary.] In long runs whose noise is proportional to f it holds within 1 per cent
at d = 100 for r = 0 and varsigma <= 2; at r = 1, varsigma = 4 it is 15 per cent high at d = 100 and
3 at d = 400. The chain settles slowly: a few hundred candidates at varsigma = 2, thousands at 4;
until then a search that started from a fair score is less inflated and faster. Noise that is
*absolute* rises against f meanwhile, and the chain lags behind it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._one_dimensional import maximise
from gome_theory._ranges import POSITIVE_DEVIATION, domain
from gome_theory._regime import warn_outside_regime
from gome_theory.gradient_rate import Values
from gome_theory.scaled_rate import normal_density

_FINE = np.polynomial.legendre.leggauss(128)
_COARSE = np.polynomial.legendre.leggauss(64)  # enough to find the best step
_LARGEST_NOISE_PER_SPREAD = 3.0  # beyond, the chain all but stands still and 128 nodes are too few
_LARGEST_BAR_PER_SPREAD = 7.0  # beyond, fewer than one improvement in 10^11 candidates
_SLOW_MIXING = 2.0
_NO_NOISE = 1e-6


class StoredIncumbent(NamedTuple):
    """A greedy search that compares fresh scores with a stored one.

    Attributes:
        progress: d times the mean true gain per candidate.
        acceptance: Probability that a candidate replaces the incumbent.
        inflation: d times the mean error of the stored score (how much it flatters).
        alpha: Scaled step.
    """

    progress: Values
    acceptance: Values
    inflation: Values
    alpha: Values


class ErrorDistribution(NamedTuple):
    """Stationary distribution of the stored score's error, as a quadrature rule.

    Attributes:
        error: Nodes e, in units of f/d; shape (..., nodes).
        probability: Weights that sum to 1; the expectation of g is ``sum(g(error) * probability)``.
    """

    error: np.ndarray
    probability: np.ndarray


@domain()
def stored_incumbent(
    r: npt.ArrayLike,
    varsigma: npt.ArrayLike,
    alpha: npt.ArrayLike | None = None,
    threshold: npt.ArrayLike = 0.0,
) -> StoredIncumbent:
    """Progress of greedy search with a stored noisy incumbent [asymptotic, stationary].

    With threshold 0 the stored score is a running maximum and e is stationary, so progress equals
    its mean rise, E_pi v [z Phi(z) + phi(z)] > 0: unlike a naive gate that re-scores the incumbent
    (`naive_gate`), this search slows down under noise but has no level at which it stops.

    Args:
        r: Scaled alignment of the proposals.
        varsigma: Scaled noise of one score, sigma d; warns above 2.
        alpha: Scaled step >= varsigma/6; None takes the best one.
        threshold: theta that a measured gain must exceed.

    Returns:
        Progress, acceptance, inflation and step.

    Raises:
        ValueError: If the noise is negative or more than 3 times the spread 2 alpha, or if an
            improvement is beyond 7 standard deviations (nothing is ever accepted).

    Example:
        >>> greedy = stored_incumbent(r=0.0, varsigma=1.0, alpha=1.2)
        >>> [round(float(v), 3) for v in (greedy.progress, greedy.acceptance, greedy.inflation)]
        [0.286, 0.187, 1.034]
    """
    inputs = (r, np.asarray(varsigma, float), threshold)
    r, noise, theta = np.broadcast_arrays(*(np.asarray(value, float) for value in inputs))
    _warn_if_slow(noise)
    if alpha is None:
        alpha = maximise(
            lambda step: _progress(r[..., None], noise[..., None], step, theta[..., None]),
            np.maximum(0.1, noise / (2.0 * _LARGEST_NOISE_PER_SPREAD)),
            6.0 + 2.0 * np.abs(r) + noise,
        ).argument
    progress, accepted, inflation = _moments(r, noise, np.asarray(alpha, float), theta, _FINE)
    step = np.broadcast_to(np.asarray(alpha, float), progress.shape)
    return StoredIncumbent(progress[()], accepted[()], inflation[()], step[()])


@domain(varsigma=POSITIVE_DEVIATION)
def incumbent_error(
    r: npt.ArrayLike,
    varsigma: npt.ArrayLike,
    alpha: npt.ArrayLike,
    threshold: npt.ArrayLike = 0.0,
) -> ErrorDistribution:
    """The stationary distribution pi of the stored score's error [asymptotic, quadrature].

    Solved as pi = (p/A) h with h(e) the smooth flux into e: h = integral of (p/A) h Phi(...), a
    linear system on Gauss-Legendre nodes whose kernel is found with its normalisation.

    Args:
        r: Scaled alignment of the proposals.
        varsigma: Scaled noise of one score, > 0.
        alpha: Scaled step.
        threshold: theta.

    Returns:
        Nodes and probabilities.

    Raises:
        ValueError: If the noise is 0 (there is no error then) or over 3 times the spread, or if an
            improvement is beyond 7 standard deviations.

    Example:
        >>> chain = incumbent_error(r=0.0, varsigma=1.0, alpha=1.2)
        >>> print(round(float((chain.error * chain.probability).sum()), 3))   # the inflation
        1.034
    """
    inputs = (r, varsigma, alpha, threshold)
    r, noise, alpha, theta = np.broadcast_arrays(*(np.asarray(value, float) for value in inputs))
    return _stationary(r, noise, alpha, theta, _FINE)


def _stationary(
    r: np.ndarray,
    noise: np.ndarray,
    alpha: np.ndarray,
    theta: np.ndarray,
    rule: tuple[np.ndarray, np.ndarray],
) -> ErrorDistribution:
    nodes, weights = rule
    spread, bar = 2.0 * alpha, theta - (2.0 * alpha * r - alpha**2)
    if not np.all(_resolved(noise, spread, bar)):
        raise ValueError(
            f"`alpha` is {alpha}: `varsigma` is over {_LARGEST_NOISE_PER_SPREAD:g} times the "
            "spread 2 * `alpha` of true gains, or an improvement is beyond "
            f"{_LARGEST_BAR_PER_SPREAD:g} standard deviations. Almost nothing is accepted there, "
            "and the chain of errors is not resolved. Choose another step or less noise."
        )
    total = np.hypot(spread, noise)
    # p/A is nearly normal around bar * noise^2 / s^2 on the right, and p itself on the left.
    right = np.maximum(0.0, bar * (noise / spread) ** 2) + 9.0 * noise * total / spread
    half_width = (right + 8.5 * noise)[..., None] / 2.0
    bar, noise, spread, total = (value[..., None] for value in (bar, noise, spread, total))
    error = -8.5 * noise + half_width * (1.0 + nodes)
    log_ratio = -((error / noise) ** 2) / 2.0 - special.log_ndtr(-(bar + error) / total)
    measure = half_width * weights * np.exp(log_ratio) / (np.sqrt(2.0 * np.pi) * noise)
    change = error[..., :, None] - error[..., None, :]
    into = special.ndtr((change - bar[..., None]) / spread[..., None])
    # (I - K) h = 0 and <measure, h> = 1, in one regular system.
    system = np.eye(nodes.size) + (1.0 - into) * measure[..., None, :]
    flux = np.linalg.solve(system, np.ones_like(error)[..., None])[..., 0]
    weight = measure * flux
    return ErrorDistribution(error, weight / weight.sum(-1, keepdims=True))


def _resolved(noise: np.ndarray, spread: np.ndarray, bar: np.ndarray) -> np.ndarray:
    """Whether candidates are accepted often enough for the chain to be computed."""
    loud = noise > _LARGEST_NOISE_PER_SPREAD * spread * (1.0 + 1e-9)
    return ~(loud | (bar > _LARGEST_BAR_PER_SPREAD * spread))


def _progress(
    r: np.ndarray, varsigma: np.ndarray, alpha: np.ndarray, threshold: np.ndarray
) -> np.ndarray:
    """Progress, counted as 0 where next to nothing is accepted."""
    r, noise, alpha, theta = np.broadcast_arrays(r, varsigma, alpha, threshold)
    bar = theta - (2.0 * alpha * r - alpha**2)
    resolved = _resolved(noise, 2.0 * alpha, bar)
    # An easy problem stands in for each unresolved one.
    stand_ins = zip((r, noise, alpha, theta), (0.0, 1.0, 1.0, 0.0), strict=True)
    r, noise, alpha, theta = (np.where(resolved, value, easy) for value, easy in stand_ins)
    return np.where(resolved, _moments(r, noise, alpha, theta, _COARSE)[0], 0.0)


def _moments(
    r: np.ndarray,
    varsigma: np.ndarray,
    alpha: np.ndarray,
    threshold: np.ndarray,
    rule: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Progress, acceptance and inflation."""
    inputs = (r, varsigma, alpha, threshold)
    r, noise, alpha, theta = np.broadcast_arrays(*inputs)
    if np.any(noise < _NO_NOISE):
        return _with_quiet_entries(r, noise, alpha, theta, rule)
    chain = _stationary(r, noise, alpha, theta, rule)
    mean, spread = 2.0 * alpha * r - alpha**2, 2.0 * alpha
    total = np.hypot(spread, noise)
    z = ((mean - theta)[..., None] - chain.error) / total[..., None]
    gain = mean[..., None] * special.ndtr(z) + (spread**2 / total)[..., None] * normal_density(z)
    values = (gain, special.ndtr(z), chain.error)
    progress, accepted, inflation = ((chain.probability * value).sum(-1) for value in values)
    return progress, accepted, inflation


def _with_quiet_entries(
    r: np.ndarray,
    noise: np.ndarray,
    alpha: np.ndarray,
    theta: np.ndarray,
    rule: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries without noise are the plain gate; a threshold there only acts as a higher bar."""
    quiet = noise < _NO_NOISE
    spread = 2.0 * alpha
    z = (2.0 * alpha * r - alpha**2 - theta) / spread
    gain = (2.0 * alpha * r - alpha**2) * special.ndtr(z) + spread * normal_density(z)
    plain = (gain, special.ndtr(z), np.zeros_like(gain))
    if np.all(quiet):
        return plain
    # An easy problem stands in for each quiet one.
    stand_ins = zip((r, noise, alpha, theta), (0.0, 1.0, 1.0, 0.0), strict=True)
    r, noise, alpha, theta = (np.where(quiet, easy, value) for value, easy in stand_ins)
    loud = _moments(r, noise, alpha, theta, rule)
    both = zip(plain, loud, strict=True)
    progress, accepted, inflation = (np.where(quiet, exact, solved) for exact, solved in both)
    return progress, accepted, inflation


def _warn_if_slow(noise: np.ndarray) -> None:
    if np.any(noise > _SLOW_MIXING):
        warn_outside_regime(
            f"`varsigma` = {np.max(noise):g}: with noise above {_SLOW_MIXING:g} the error of the "
            "stored score settles only over hundreds to thousands of candidates, and at d = 100 "
            "the law is up to 15 per cent off. Use it for long runs in large dimensions."
        )
