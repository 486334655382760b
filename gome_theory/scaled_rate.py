"""Scaled laws: what the exact rates become as d grows, and how to read them at a glance.

With r = rho sqrt(d) and alpha = a sqrt(d), d times the gain of a step tends to
``2 alpha (r + Z) - alpha^2`` with Z standard normal; every law here is d times a rate per step.
At d < 30 they are 5 to 18 per cent off: use `gradient_rate` there [asymptotic, all of this file].

Not covered: the naive noisy gate (threshold 0), stored noisy incumbents, persistent bias.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._one_dimensional import maximise
from gome_theory._ranges import AT_LEAST_ZERO, domain, floats
from gome_theory.gradient_rate import Values

_NEWTON_STEPS = 60


def normal_density(x: npt.ArrayLike) -> np.ndarray:
    """Standard normal density phi(x)."""
    return np.exp(-np.square(x) / 2.0) / np.sqrt(2.0 * np.pi)


def inverse_mills(t: npt.ArrayLike) -> np.ndarray:
    """m(t) = phi(t) / Phi(t), accurate in the far left tail."""
    return np.sqrt(2.0 / np.pi) / special.erfcx(-np.asarray(t, float) / np.sqrt(2.0))


@domain(alpha=AT_LEAST_ZERO)
def psi(r: npt.ArrayLike, alpha: npt.ArrayLike) -> Values:
    """Gated progress at scaled step alpha [asymptotic].

    s [t Phi(t) + phi(t)] with s = 2 alpha, t = r - alpha/2.

    Args:
        r: Scaled alignment.
        alpha: Scaled step, alpha >= 0.

    Returns:
        d times the mean gain per step, for large d.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(psi(0.3, alpha=1.2)), 4))
        0.6402
    """
    r, alpha = np.asarray(r, float), np.asarray(alpha, float)
    t = r - alpha / 2.0
    return (2.0 * alpha * (t * special.ndtr(t) + normal_density(t)))[()]


@domain(alpha=AT_LEAST_ZERO)
def acceptance(r: npt.ArrayLike, alpha: npt.ArrayLike) -> Values:
    """Probability Phi(r - alpha/2) that a step of scaled length alpha improves [asymptotic].

    Args:
        r: Scaled alignment.
        alpha: Scaled step.

    Returns:
        The acceptance probability, for large d.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(acceptance(0.3, alpha=1.2)), 4))
        0.3821
    """
    return special.ndtr(np.asarray(r, float) - np.asarray(alpha, float) / 2.0)[()]


@domain()
def optimal_alpha(r: npt.ArrayLike) -> Values:
    """The best scaled step: alpha* = r + m(t), where t + m(t)/2 = r/2 and m = phi/Phi.

    The left side is increasing and convex in t, so Newton's method from t = r/2 is monotone
    [asymptotic in d].

    Args:
        r: Scaled alignment.

    Returns:
        alpha*; 1.224 at r = 0 (the classical one-plus-one evolution strategy), about r for large r.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(optimal_alpha(0.3)), 4))
        1.3515
    """
    r = np.asarray(r, float)
    return (r + inverse_mills(_optimal_t(r)))[()]


@domain()
def psi_g(r: npt.ArrayLike) -> Values:
    """Best gated progress, alpha*^2 Phi(r - alpha*/2) (Theorem 1) [asymptotic].

    It is increasing and convex, with psi_g' = 2 psi_g / alpha* and elasticity 2 r / alpha*.

    Args:
        r: Scaled alignment; negative values are adversarial directions.

    Returns:
        d times the best mean gain per gated step, for large d.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> [round(float(v), 3) for v in psi_g([0.0, 0.5, 1.0, 2.0])]
        [0.405, 0.86, 1.627, 4.418]
    """
    r = np.asarray(r, float)
    t = _optimal_t(r)
    return ((r + inverse_mills(t)) ** 2 * special.ndtr(t))[()]


@domain()
def inverse_psi_g(progress: npt.ArrayLike) -> Values:
    """The scaled alignment r at which a gated step makes the given progress, psi_g(r) = progress.

    log psi_g is increasing and concave (its slope 2/alpha* falls), so Newton's method on it is
    monotone after one step. It starts from one of two bounds: r <= sqrt(progress), because
    psi_g(r) >= r^2; or, below psi_g(0), psi_g(-x) <= psi_g(0) exp(-x^2 / 2) [asymptotic in d].

    Args:
        progress: Positive progress per step, times d.

    Returns:
        r, negative where progress < psi_g(0) = 0.405.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(inverse_psi_g(0.1)), 4))
        -0.756
    """
    target = np.log(np.asarray(progress, float))
    below = target - np.log(psi_g(0.0))
    r = np.where(below >= 0.0, np.exp(target / 2.0), -np.sqrt(np.maximum(-2.0 * below, 0.0)))
    for _ in range(_NEWTON_STEPS):
        change = (target - np.log(psi_g(r))) * optimal_alpha(r) / 2.0
        r = r + change
        if np.all(np.abs(change) <= 1e-14 * (1.0 + np.abs(r))):
            break
    return r[()]


@domain()
def hallucinated_psi_g(
    r: npt.ArrayLike, hallucination: npt.ArrayLike, hallucinated_r: npt.ArrayLike = 0.0
) -> Values:
    """Best gated progress of a hallucinating reasoner: max over alpha of the mixture of psi.

    One step size serves both kinds of direction, since the reasoner cannot tell them apart
    [asymptotic].

    Args:
        r: Scaled alignment of sound directions.
        hallucination: h.
        hallucinated_r: Scaled alignment of hallucinated directions.

    Returns:
        d times the best mean gain per step, for large d.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(hallucinated_psi_g(0.3, hallucination=0.1)), 4))
        0.6214
    """
    inputs = (r, hallucination, hallucinated_r)
    r, h, r_h = np.broadcast_arrays(*(np.asarray(value, float) for value in inputs))

    def progress(alpha: np.ndarray) -> np.ndarray:
        share = h[..., None]
        return (1.0 - share) * psi(r[..., None], alpha) + share * psi(r_h[..., None], alpha)

    return maximise(progress, 1e-3, 10.0 + 2.0 * np.abs(r) + 2.0 * np.abs(r_h)).value[()]


@domain()
def gate_worth(
    r: npt.ArrayLike, hallucination: npt.ArrayLike = 0.0, hallucinated_r: npt.ArrayLike = 0.0
) -> Values:
    """How much a noise-free gate multiplies the progress of a step: psi_{g,h} / psi_{u,h}.

    A gate that raises the cost of a step from c_u to c_g pays iff c_g / c_u is below this number.
    Ungated steps make ((1 - h) r + h r_h)^2: a gate turns the quadratic penalty of hallucination
    into a nearly linear one, so for large r and r_h = 0 the worth tends to 1 / (1 - h)
    [asymptotic].

    Args:
        r: Scaled alignment of sound directions.
        hallucination: h.
        hallucinated_r: Scaled alignment of hallucinated directions.

    Returns:
        The factor, >= 1; infinite where ungated steps make no progress.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(gate_worth(2.0), 3), round(gate_worth(2.0, hallucination=0.3), 3))
        1.105 1.621
    """
    sound, h, unsound = floats(r, hallucination, hallucinated_r)
    ungated = np.square(np.maximum((1.0 - h) * sound + h * unsound, 0.0))
    gated = np.asarray(hallucinated_psi_g(sound, h, unsound))
    safe = np.where(ungated > 0.0, ungated, 1.0)
    return np.where(ungated > 0.0, gated / safe, np.inf)[()]


class BayesGate(NamedTuple):
    """The best Bayes-gated step under score noise.

    Attributes:
        progress: d times the mean true gain per step.
        alpha: Scaled step.
        threshold: Accept if the measured gain, times d, exceeds this: -mu varsigma^2 / s^2.
        acceptance: Probability of acceptance.
    """

    progress: Values
    alpha: Values
    threshold: Values
    acceptance: Values


@domain()
def bayes_gate(
    r: npt.ArrayLike, varsigma: npt.ArrayLike, alpha: npt.ArrayLike | None = None
) -> BayesGate:
    """A step accepted iff its posterior mean gain is positive (the gate rule) [asymptotic].

    Prior gain N(mu, s^2) with mu = 2 alpha r - alpha^2, s = 2 alpha; measured with noise varsigma.
    The posterior mean has spread s_e = s^2 / sqrt(s^2 + varsigma^2), so that the progress is
    mu Phi(mu/s_e) + s_e phi(mu/s_e). Strict for unreliable (mu < 0), lenient for reliable
    proposals; tends to (r^+)^2 as the noise grows, and to psi_g(r) as it vanishes.

    Args:
        r: Scaled alignment.
        varsigma: Scaled noise of a measured gain; see `scaled_noise`.
        alpha: Scaled step; None takes the best one.

    Returns:
        Progress, step, threshold and acceptance.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(bayes_gate(0.3, varsigma=0.7).progress), 4))
        0.6145
    """
    r, varsigma = np.broadcast_arrays(np.asarray(r, float), np.asarray(varsigma, float))
    if alpha is None:
        alpha = maximise(
            lambda step: _bayes_progress(r[..., None], varsigma[..., None], step),
            1e-3,
            10.0 + 2.0 * np.abs(r) + varsigma,
        ).argument
    alpha = np.asarray(alpha, float)
    mean, spread = 2.0 * alpha * r - alpha**2, 2.0 * alpha
    accepted = special.ndtr(mean * np.sqrt(spread**2 + varsigma**2) / spread**2)
    threshold = -mean * varsigma**2 / spread**2
    progress = _bayes_progress(r, varsigma, alpha)
    return BayesGate(progress[()], alpha[()], threshold[()], accepted[()])


@domain()
def bayes_gated_psi(r: npt.ArrayLike, varsigma: npt.ArrayLike) -> Values:
    """Best progress psi(r; varsigma) of a Bayes-gated noisy step [asymptotic]; see `bayes_gate`.

    Args:
        r: Scaled alignment.
        varsigma: Scaled noise of a measured gain.

    Returns:
        d times the mean true gain per step, for large d.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(bayes_gated_psi(0.3, varsigma=0.7)), 4))
        0.6145
    """
    return bayes_gate(r, varsigma).progress


def _bayes_progress(r: np.ndarray, varsigma: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    mean, spread = 2.0 * alpha * r - alpha**2, 2.0 * alpha
    posterior = spread**2 / np.sqrt(spread**2 + varsigma**2)
    ratio = mean / posterior
    return mean * special.ndtr(ratio) + posterior * normal_density(ratio)


def _optimal_t(r: np.ndarray) -> np.ndarray:
    """The root of t + m(t)/2 = r/2; m' = -m (t + m) lies in (-1, 0)."""
    t = r / 2.0
    for _ in range(_NEWTON_STEPS):
        mills = inverse_mills(t)
        change = (r / 2.0 - t - mills / 2.0) / (1.0 - mills * (t + mills) / 2.0)
        t = t + change
        if np.all(np.abs(change) <= 1e-15 * (1.0 + np.abs(t))):
            break
    return t
