"""Momentum on a quadratic with relative noise, exactly: what the steps do to the memory.

Minimise ``f = sum_j lambda_j |x_j|^2 / 2`` over J blocks of coordinates with equal curvature. The
reasoner says ``|g| u``, u = rho n + q w, so that its noise shrinks with the gradient g, and
``v' = beta v + (1 - beta) |g| u``, ``x' = x + a v' / L`` with L the largest curvature. Then second
moments (E|x_j|^2, E<x_j, v_j>, E|v_j|^2) of the 3J blocks obey a closed linear map, at every d.

On the sphere at the best step raw memory is worth nothing (Theorem 2: E<x_{t+1}, u_t> is
proportional to a - rho); with a < rho it repairs steps that are too short. It pays on badly
conditioned quadratics. Rates are of the mean of f. Not covered: persistent error, gates.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gome_theory._one_dimensional import maximise
from gome_theory._ranges import SHARE, domain
from gome_theory.gradient_rate import Values

_LARGEST_STEP = 30.0
_SHORTEST_FORGETTING = 1e-3


class BestMomentum(NamedTuple):
    """The best decay and step.

    Attributes:
        rate: Decrease of ln E f per step.
        decay: beta.
        step: a, in units of |gradient| / largest curvature.
    """

    rate: Values
    decay: Values
    step: Values


@domain(decay=SHARE)
def second_moment_map(
    alignment: npt.ArrayLike,
    step: npt.ArrayLike,
    decay: npt.ArrayLike,
    curvatures: npt.ArrayLike,
    shares: npt.ArrayLike | None = None,
) -> np.ndarray:
    """The matrix that takes the moments (E|x|^2, E<x,v>, E|v|^2) of all blocks one step on [exact].

    With l_j = lambda_j / L and p_j the share of coordinates in block j, per block
    V' = b^2 V - 2 b (1-b) rho l C + (1-b)^2 (rho^2 l^2 X + q^2 p sum_k l_k^2 X_k),
    C' = b C - (1-b) rho l X + a V',  X' = X + 2a (b C - (1-b) rho l X) + a^2 V'.

    Args:
        alignment: rho.
        step: a >= 0.
        decay: beta in [0, 1].
        curvatures: Positive curvatures of the J blocks, along the last axis.
        shares: Share of the coordinates in each block, along the last axis; equal by default.

    Returns:
        Matrices of shape (..., 3J, 3J), the order being all X, all C, all V.

    Raises:
        ValueError: If an argument is out of its range, or the shares do not sum to 1.

    Example:
        >>> second_moment_map(0.3, 0.3, 0.5, curvatures=[1.0, 0.1]).shape
        (6, 6)
    """
    rho = np.asarray(alignment, float)[..., None, None]
    beta = np.asarray(decay, float)[..., None, None]
    a = np.asarray(step, float)[..., None, None]
    curvature, share = _blocks(curvatures, shares)
    new = 1.0 - beta
    identity = np.eye(curvature.shape[-1])
    bend = curvature[..., :, None] * identity
    noise = share[..., :, None] * curvature[..., None, :] ** 2
    v_of_x = new**2 * (rho**2 * bend**2 + (1.0 - rho**2) * noise)
    v_of_c = -2.0 * beta * new * rho * bend
    v_of_v = beta**2 * identity
    pull = new * rho * bend
    rows = [
        [identity - 2.0 * a * pull + a**2 * v_of_x, 2.0 * a * beta * identity + a**2 * v_of_c],
        [-pull + a * v_of_x, beta * identity + a * v_of_c],
        [v_of_x, v_of_c],
    ]
    rows = [[*row, scale * v_of_v] for row, scale in zip(rows, (a**2, a, 1.0), strict=True)]
    shape = np.broadcast_shapes(*(block.shape for row in rows for block in row))
    full = [[np.broadcast_to(block, shape) for block in row] for row in rows]
    return np.concatenate([np.concatenate(row, axis=-1) for row in full], axis=-2)


@domain(decay=SHARE)
def quadratic_momentum_rate(
    alignment: npt.ArrayLike,
    step: npt.ArrayLike,
    decay: npt.ArrayLike,
    curvatures: npt.ArrayLike,
    shares: npt.ArrayLike | None = None,
) -> Values:
    """Asymptotic decrease of ln E f per step: -ln of the map's spectral radius [exact].

    Args:
        alignment: rho.
        step: a >= 0.
        decay: beta in [0, 1].
        curvatures: Positive curvatures of the J blocks, along the last axis.
        shares: Share of the coordinates in each block; equal by default.

    Returns:
        The rate, negative where the run diverges.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> round(float(quadratic_momentum_rate(0.4, 0.4, 0.0, [1.0])), 4)  # -ln(1 - rho^2)
        0.1744
    """
    moments = second_moment_map(alignment, step, decay, curvatures, shares)
    return -np.log(np.abs(np.linalg.eigvals(moments)).max(axis=-1))[()]


@domain(decay=SHARE)
def best_quadratic_step(
    alignment: npt.ArrayLike,
    decay: npt.ArrayLike,
    curvatures: npt.ArrayLike,
    shares: npt.ArrayLike | None = None,
) -> BestMomentum:
    """The best step at a given decay [exact, numerical maximum].

    Args:
        alignment: rho > 0.
        decay: beta in [0, 1].
        curvatures: Positive curvatures of the J blocks, the same for all settings: shape (J,).
        shares: Share of the coordinates in each block, shape (J,); equal by default.

    Returns:
        Rate, decay and step, in the broadcast shape of alignment and decay.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(best_quadratic_step(0.2, decay=0.5, curvatures=[1.0, 0.1]).rate), 4))
        0.0165
    """
    rho, beta = np.broadcast_arrays(
        np.asarray(alignment, float),
        np.asarray(decay, float),
    )

    def rate(step: np.ndarray) -> np.ndarray:
        return np.asarray(
            quadratic_momentum_rate(rho[..., None], step, beta[..., None], curvatures, shares)
        )

    best = maximise(rate, np.full(rho.shape, 1e-3), _LARGEST_STEP)
    return BestMomentum(best.value[()], beta[()], best.argument[()])


@domain()
def best_quadratic_momentum(
    alignment: npt.ArrayLike, curvatures: npt.ArrayLike, shares: npt.ArrayLike | None = None
) -> BestMomentum:
    """The best decay and step together [exact, numerical maximum]; about a second per setting.

    Args:
        alignment: rho > 0.
        curvatures: Positive curvatures of the J blocks, shape (J,).
        shares: Share of the coordinates in each block, shape (J,); equal by default.

    Returns:
        Rate, decay and step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(best_quadratic_momentum(0.2, curvatures=[1.0, 0.1]).rate), 4))
        0.0165
    """
    rho = np.asarray(alignment, float)

    def rate(forgetting: np.ndarray) -> np.ndarray:
        at = best_quadratic_step(rho[..., None], 1.0 - forgetting, curvatures, shares)
        return np.asarray(at.rate)

    forgetting = maximise(rate, np.full(rho.shape, _SHORTEST_FORGETTING), 1.0).argument
    return best_quadratic_step(rho, 1.0 - forgetting, curvatures, shares)


def _blocks(
    curvatures: npt.ArrayLike, shares: npt.ArrayLike | None
) -> tuple[np.ndarray, np.ndarray]:
    """Curvatures relative to the largest, and the shares of the blocks."""
    curvature = np.asarray(curvatures, float)
    count = curvature.shape[-1]
    if shares is None:
        return curvature / curvature.max(axis=-1, keepdims=True), np.full(count, 1.0 / count)
    share = np.asarray(shares, float)
    if not np.allclose(share.sum(axis=-1), 1.0):
        raise ValueError(f"`shares` is {shares}, which does not sum to 1. Normalise it.")
    return curvature / curvature.max(axis=-1, keepdims=True), share
