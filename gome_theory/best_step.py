"""The best step size of a directed step, and what it makes; the laws are in `gradient_rate`.

Not covered: a step size that is learned, or that changes along a run.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._one_dimensional import maximise
from gome_theory._ranges import domain
from gome_theory.gradient_rate import (
    Values,
    gated_acceptance,
    gated_gain,
    gated_log_rate,
    mixture,
    ungated_log_rate,
)

# Best steps are at most 1 for rho >= 0; longer ones matter only for rho < 0 at d <= 5.
_LARGEST_STEP = 10.0
_SMALLEST_SCALED_STEP = 1e-3


class BestStep(NamedTuple):
    """The best step size of a law.

    Attributes:
        rate: Gain or log rate per step at that step size.
        step: a, the step length in units of the distance to the optimum.
        acceptance: Probability that the gate accepts (1 for ungated steps).
    """

    rate: Values
    step: Values
    acceptance: Values


@domain()
def optimal_ungated_gain(
    alignment: npt.ArrayLike,
    *,
    hallucination: npt.ArrayLike = 0.0,
    hallucination_alignment: npt.ArrayLike = 0.0,
) -> BestStep:
    """Best mean gain of an ungated step, rho_bar^2 at a = rho_bar (or no step) [exact, every d].

    Args:
        alignment: rho of a sound direction.
        hallucination: h.
        hallucination_alignment: rho_h.

    Returns:
        The best step; rate and step are 0 where the mean alignment is not positive.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(optimal_ungated_gain(0.2).rate), 4))
        0.04
    """
    mean = mixture(lambda rho: rho, alignment, hallucination, hallucination_alignment)
    step = np.maximum(mean, 0.0)
    return BestStep((step**2)[()], step[()], np.ones_like(step)[()])


@domain()
def optimal_gated_gain(
    alignment: npt.ArrayLike,
    dim: npt.ArrayLike,
    *,
    hallucination: npt.ArrayLike = 0.0,
    hallucination_alignment: npt.ArrayLike = 0.0,
) -> BestStep:
    """Best mean gain of a gated step over the step size; see `gated_gain` [exact].

    Args:
        alignment: rho of a sound direction.
        dim: d >= 2.
        hallucination: h.
        hallucination_alignment: rho_h.

    Returns:
        Rate, step and acceptance at the best step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(optimal_gated_gain(0.2, dim=40.0).rate), 4))
        0.0523
    """
    return _best_step(gated_gain, alignment, dim, hallucination, hallucination_alignment)


@domain()
def optimal_gated_log_rate(
    alignment: npt.ArrayLike,
    dim: npt.ArrayLike,
    *,
    hallucination: npt.ArrayLike = 0.0,
    hallucination_alignment: npt.ArrayLike = 0.0,
) -> BestStep:
    """Best log rate of a gated step over the step size; see `gated_log_rate` [exact].

    It grows without bound as rho -> 1 (a perfect direction of the right length ends the run).

    Args:
        alignment: rho of a sound direction.
        dim: d >= 2.
        hallucination: h.
        hallucination_alignment: rho_h.

    Returns:
        Rate, step and acceptance at the best step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(optimal_gated_log_rate(0.2, dim=40.0).rate), 4))
        0.0558
    """
    return _best_step(gated_log_rate, alignment, dim, hallucination, hallucination_alignment)


@domain()
def optimal_ungated_log_rate(
    alignment: npt.ArrayLike,
    dim: npt.ArrayLike,
    *,
    hallucination: npt.ArrayLike = 0.0,
    hallucination_alignment: npt.ArrayLike = 0.0,
) -> BestStep:
    """Best log rate of an ungated step over the step size (or no step) [exact].

    Args:
        alignment: rho of a sound direction.
        dim: d >= 2.
        hallucination: h.
        hallucination_alignment: rho_h.

    Returns:
        Rate, step and acceptance 1; rate and step are 0 where every step loses.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(optimal_ungated_log_rate(0.2, dim=40.0).rate), 4))
        0.0428
    """
    best = _best_step(ungated_log_rate, alignment, dim, hallucination, hallucination_alignment)
    moves = np.asarray(best.rate) > 0.0
    rate, step = (np.where(moves, value, 0.0)[()] for value in (best.rate, best.step))
    return BestStep(rate, step, np.ones_like(rate)[()])


def _best_step(
    law: Callable[..., Values],
    alignment: npt.ArrayLike,
    dim: npt.ArrayLike,
    hallucination: npt.ArrayLike,
    hallucination_alignment: npt.ArrayLike,
) -> BestStep:
    """Maximise ``law`` over the step size."""
    inputs = (alignment, dim, hallucination, hallucination_alignment)
    rho, d, h, rho_h = np.broadcast_arrays(*(np.asarray(value, float) for value in inputs))
    column = [value[..., None] for value in (rho, d, h, rho_h)]

    def rate(step: np.ndarray) -> np.ndarray:
        return np.asarray(
            law(
                column[0],
                step,
                column[1],
                hallucination=column[2],
                hallucination_alignment=column[3],
            )
        )

    step, value = maximise(rate, _SMALLEST_SCALED_STEP / np.sqrt(d), _LARGEST_STEP)
    accepted = gated_acceptance(rho, step, d, hallucination=h, hallucination_alignment=rho_h)
    return BestStep(value[()], step[()], accepted)
