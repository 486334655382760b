"""When steps should be normalised per component: SGD, Adam, sign and the best possible gain.

Component i of the gradient is measured as g_i + s_i xi_i, with signal g_i, noise s_i, curvature
L_i; v_i^2 = g_i^2 + s_i^2. Each rule moves along -p with p_i a function of component i, at the
scalar step that is best for it; the gain is then (sum g_i E p_i)^2 / (2 sum L_i E p_i^2).
Components lie along the last axis, and every law is exact for a separable quadratic [exact].

Normalising per component is right where the *noise* differs between components, and wrong where the
*signal* does (`adam_versus_sgd` says which case holds). Adam is meant without first moment and with
a second moment that has converged. Not covered: second moments still being learned.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._ranges import domain, floats
from gome_theory.gradient_rate import Values

_EQUAL = 1e-9

ADAM_NEVER_LOSES = (
    "Signal energy is in proportion to curvature, noise is what differs: Adam gains at least as "
    "much as SGD, and as much only if all components are measured alike (Jensen)."
)
SGD_NEVER_LOSES = (
    "Signal-to-noise ratio and curvature are equal, signal is what differs: SGD gains at least as "
    "much as Adam, and as much only if all signals are equal (Cauchy-Schwarz)."
)
LEVEL = "Components differ in nothing that normalising changes: Adam and SGD gain the same."
UNDECIDED = "Neither theorem applies: signal and noise both differ. Compare the two gains."


class AdamComparison(NamedTuple):
    """Adam against SGD.

    Attributes:
        ratio: Gain of Adam over gain of SGD.
        theorem: A sentence: which theorem decides, if one does.
    """

    ratio: Values
    theorem: np.ndarray | str


@domain()
def sgd_gain(signal: npt.ArrayLike, noise: npt.ArrayLike, curvature: npt.ArrayLike = 1.0) -> Values:
    """SGD at its best step: (sum g^2)^2 / (2 sum L v^2) [exact].

    Args:
        signal: g_i, components along the last axis.
        noise: s_i >= 0.
        curvature: L_i > 0.

    Returns:
        The expected decrease of f in one step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(sgd_gain([1.0, 2.0, 0.5], noise=[1.0, 0.2, 3.0])), 4))
        0.9013
    """
    g, s, L = _components(signal, noise, curvature)
    return _gain(np.sum(g**2, -1), np.sum(L * (g**2 + s**2), -1))


@domain()
def adam_gain(
    signal: npt.ArrayLike, noise: npt.ArrayLike, curvature: npt.ArrayLike = 1.0
) -> Values:
    """Adam with beta1 = 0 and beta2 -> 1 at its best step: (sum g^2/v)^2 / (2 sum L) [exact].

    Args:
        signal: g_i, components along the last axis.
        noise: s_i >= 0.
        curvature: L_i > 0.

    Returns:
        The expected decrease of f in one step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(adam_gain([1.0, 2.0, 0.5], noise=[1.0, 0.2, 3.0])), 4))
        1.2875
    """
    g, s, L = _components(signal, noise, curvature)
    v = np.hypot(g, s)
    moved = v > 0.0  # a component without signal and noise is never moved
    return _gain(np.sum(g**2 / np.where(moved, v, 1.0), -1), np.sum(L * moved, -1))


@domain()
def sign_gain(
    signal: npt.ArrayLike, noise: npt.ArrayLike, curvature: npt.ArrayLike = 1.0
) -> Values:
    """Sign descent under normal noise: (sum |g| (2 Phi(|g|/s) - 1))^2 / (2 sum L) [exact].

    Args:
        signal: g_i, components along the last axis.
        noise: s_i >= 0.
        curvature: L_i > 0.

    Returns:
        The expected decrease of f in one step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(sign_gain([1.0, 2.0, 0.5], noise=[1.0, 0.2, 3.0])), 4))
        1.2594
    """
    g, s, L = _components(signal, noise, curvature)
    noisy = s > 0.0
    right = np.where(noisy, special.erf(np.abs(g) / np.where(noisy, s, 1.0) / np.sqrt(2.0)), 1.0)
    moved = noisy | (g != 0.0)
    return _gain(np.sum(np.abs(g) * right, -1), np.sum(L * moved, -1))


@domain()
def wiener_gain(
    signal: npt.ArrayLike, noise: npt.ArrayLike, curvature: npt.ArrayLike = 1.0
) -> Values:
    """The best diagonal preconditioner, g^2 / (L v^2), unknowable: sum g^4 / (2 L v^2) [exact].

    Every rule that multiplies measured components by fixed numbers, such as SGD and Adam, gains at
    most this. Sign descent is not such a rule and may exceed it.

    Args:
        signal: g_i, components along the last axis.
        noise: s_i >= 0.
        curvature: L_i > 0.

    Returns:
        The expected decrease of f in one step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(wiener_gain([1.0, 2.0, 0.5], noise=[1.0, 0.2, 3.0])), 4))
        2.2336
    """
    g, s, L = _components(signal, noise, curvature)
    energy = g**2 + s**2
    return np.sum(np.where(g == 0.0, 0.0, g**4 / (2.0 * L * np.where(g == 0.0, 1.0, energy))), -1)[
        ()
    ]


@domain()
def adam_versus_sgd(
    signal: npt.ArrayLike, noise: npt.ArrayLike, curvature: npt.ArrayLike = 1.0
) -> AdamComparison:
    """Whether per-component normalisation pays, and the theorem that says so [theorem].

    The ratio of gains is (mean_p 1/v)^2 mean_L v^2, where mean_p weighs by signal energy g^2 and
    mean_L by curvature. Where g^2 is in proportion to L the two weights agree and Jensen's
    inequality gives >= 1; this contains the case of equal signals and equal curvatures. At constant
    s/|g| and equal L it is |g|_1^2 / (d |g|_2^2) <= 1 by Cauchy-Schwarz; with unequal L it may be
    either.

    Args:
        signal: g_i, not all 0, components along the last axis.
        noise: s_i >= 0.
        curvature: L_i > 0.

    Returns:
        Ratio of gains, and a sentence.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> noisy = adam_versus_sgd(signal=[1.0, 1.0], noise=[0.1, 10.0])
        >>> print(round(noisy.ratio, 1), noisy.theorem.split(":")[0])
        15.3 Signal energy is in proportion to curvature, noise is what differs
    """
    g, s, L = np.broadcast_arrays(*_components(signal, noise, curvature))
    ratio = np.asarray(adam_gain(g, s, L)) / np.asarray(sgd_gain(g, s, L))
    energy = g**2 + s**2
    adam = _proportional(g**2, L)
    sgd = _proportional(s**2, g**2) & _proportional(L, np.ones_like(L))
    level = (adam & _proportional(energy, np.ones_like(g))) | (adam & sgd)
    theorem = np.where(
        level,
        LEVEL,
        np.where(adam, ADAM_NEVER_LOSES, np.where(sgd, SGD_NEVER_LOSES, UNDECIDED)),
    )
    return AdamComparison(ratio[()], str(theorem) if theorem.ndim == 0 else theorem)


def _components(
    signal: npt.ArrayLike, noise: npt.ArrayLike, curvature: npt.ArrayLike
) -> list[np.ndarray]:
    return list(np.broadcast_arrays(*floats(signal, noise, curvature)))


def _gain(slope: np.ndarray, bend: np.ndarray) -> Values:
    """Maximum over the step of step * slope - step^2 * bend / 2."""
    return (slope**2 / (2.0 * np.where(bend > 0.0, bend, 1.0)))[()]


def _proportional(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether a is a multiple of b > 0 along the last axis, up to rounding."""
    share_a = a / np.maximum(a.sum(-1, keepdims=True), 1e-300)
    share_b = b / b.sum(-1, keepdims=True)
    same = np.abs(share_a - share_b) <= _EQUAL * share_b
    return np.all(same, axis=-1) | np.all(a == 0.0, axis=-1)
