"""How a run with a persistent bias gets into its trap: the mean-field path, step by step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gome_theory import effective_traces, persistent_share


def log_losses(
    alignment: npt.ArrayLike,
    bias_share: npt.ArrayLike,
    step: npt.ArrayLike,
    steps: int,
    *,
    traces: npt.ArrayLike = 1,
    shared_bias: npt.ArrayLike = 1.0,
) -> np.ndarray:
    """Log loss after 0..steps ungated steps from a start that knows nothing of the bias.

    The recursion whose fixed point is `gome_theory.bias_trap`: with c the cosine between remaining
    error and bias, the loss shrinks by den(c) and c becomes ((1 - a rho) c - a q sqrt(omega_K)) /
    sqrt(den(c)) [mean-field for large d: c is treated as certain].

    Args:
      alignment: rho of one diagnosis.
      bias_share: omega.
      step: a, along the mean of the diagnoses.
      steps: number of steps.
      traces: K diagnoses a step, averaged.
      shared_bias: kappa.

    Returns:
      Shape `(steps + 1, *broadcast)`, 0 at the start.
    """
    rho, a = np.asarray(alignment, float), np.asarray(step, float)
    q = np.sqrt(1.0 - rho**2)
    keep = 1.0 - a * rho
    push = a * q * np.sqrt(persistent_share(bias_share, traces, shared_bias))
    energy = keep**2 + a**2 * q**2 / effective_traces(traces, bias_share, shared_bias)
    cosine = np.zeros(np.broadcast_shapes(keep.shape, np.shape(push), np.shape(energy)))
    path = [np.zeros_like(cosine)]
    for _ in range(steps):
        shrinkage = energy - 2.0 * keep * push * cosine
        cosine = (keep * cosine - push) / np.sqrt(shrinkage)
        path.append(path[-1] + np.log(shrinkage))
    return np.stack(path)
