"""What an unreliable reasoner is: how well its directions point, how often they mean nothing.

Reasoner k proposes the direction

    u = rho n + sqrt(1 - rho^2) [sqrt(omega) b_k + sqrt(1 - omega) w],
    b_k = sqrt(kappa) b_0 + sqrt(1 - kappa) b'_k,

``n`` is the true descent direction; ``w``, ``b_0`` and ``b'_k`` are uniform on the unit sphere,
``w`` afresh at every step, the others once a trace; ``rho = E<u, n>`` is the *alignment*. With
probability ``h`` (a *hallucination*) the direction has alignment ``rho_h`` instead. Simulated
reasoners take their parameters from here, so theory and simulation share one definition.

Not covered: gate errors, which belong to the evaluator.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._ranges import check, domain


class RegimeWarning(UserWarning):
    """A law is used outside the regime in which it was derived."""


class Reliability(NamedTuple):
    """How reliable a reasoner and its evaluator are; fields are scalars or arrays (a JAX pytree).

    Attributes:
        alignment: rho in [-1, 1], the expected cosine-like projection <u, n> of a direction.
        hallucination: h in [0, 1], probability that a direction has alignment rho_h instead.
        hallucination_alignment: rho_h in [-1, 1]; 0 is uninformative, negative is adversarial.
        score_noise: sigma >= 0, standard deviation of the noise of *one* score, in units of the
            current suboptimality f (so 0.01 means one per cent of what is left to gain).
        bias_share: omega in [0, 1], share of the error energy that persists within a trace.
        shared_bias: kappa in [0, 1], share of that persistent error common to all traces.
        malformed: probability in [0, 1] that a reply cannot be used at all.
    """

    # Numbers, NumPy arrays or JAX arrays: no type of ours covers all three.
    alignment: Any
    hallucination: Any = 0.0
    hallucination_alignment: Any = 0.0
    score_noise: Any = 0.0
    bias_share: Any = 0.0
    shared_bias: Any = 1.0
    malformed: Any = 0.0


def validate(reliability: Reliability) -> Reliability:
    """Check that every field lies in its range [definition].

    Fields that are JAX tracers have no value yet and are passed over.

    Args:
        reliability: The record to check.

    Returns:
        The same record.

    Raises:
        ValueError: If a concrete field is not a number or is out of range.

    Example:
        >>> validate(Reliability(alignment=0.2)).alignment
        0.2
    """
    for name, value in reliability._asdict().items():
        try:
            np.asarray(value, float)
        except TypeError:
            if hasattr(value, "__array__"):  # a tracer: an array without numbers
                continue
        check(name, value)
    return reliability


def mean_alignment(reliability: Reliability) -> np.ndarray | float:
    """Average alignment (1 - h) rho + h rho_h: all that an ungated mean gain depends on [exact].

    Args:
        reliability: The reasoner.

    Returns:
        The mean alignment, in the broadcast shape of the fields. Works on JAX arrays too.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> round(mean_alignment(Reliability(alignment=0.4, hallucination=0.25)), 12)
        0.3
    """
    validate(reliability)
    share = reliability.hallucination
    return (1.0 - share) * reliability.alignment + share * reliability.hallucination_alignment


@domain()
def scaled(alignment: npt.ArrayLike, dim: npt.ArrayLike) -> np.ndarray | float:
    """Scaled alignment r = rho sqrt(d) [definition].

    For large d every law depends on rho and d through r only.

    Args:
        alignment: rho.
        dim: Dimension d.

    Returns:
        r, in the broadcast shape.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(scaled(0.2, dim=40.0)), 4))
        1.2649
    """
    return (np.asarray(alignment, float) * np.sqrt(dim))[()]


@domain()
def unscaled(scaled_alignment: npt.ArrayLike, dim: npt.ArrayLike) -> np.ndarray | float:
    """Alignment rho = r / sqrt(d), the inverse of `scaled` [definition].

    Args:
        scaled_alignment: r.
        dim: Dimension d.

    Returns:
        rho, in the broadcast shape.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(unscaled(0.3, dim=40.0)), 4))
        0.0474
    """
    return (np.asarray(scaled_alignment, float) / np.sqrt(dim))[()]


@domain()
def scaled_noise(
    score_noise: npt.ArrayLike, dim: npt.ArrayLike, noisy_scores: int = 2
) -> np.ndarray | float:
    """Scaled noise of a measured *gain*: sigma sqrt(k) d with k noisy scores [definition].

    Args:
        score_noise: sigma, noise of one score relative to f.
        dim: Dimension d.
        noisy_scores: 2 if candidate and incumbent are both scored afresh, 1 if the incumbent's
            value is known exactly.

    Returns:
        varsigma, in the broadcast shape.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(scaled_noise(0.01, dim=40.0)), 4))
        0.5657
    """
    return (np.sqrt(noisy_scores) * np.asarray(score_noise, float) * np.asarray(dim, float))[()]
