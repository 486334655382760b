"""Steps with known parameters: to test a calibration, and to plan how much to record.

`simulate_steps` draws from the model that `calibrate` assumes; `simulate_sphere` runs the dynamics
of an unreliable reasoner in d dimensions, in which bias drifts and gates choose.
"""

from typing import NamedTuple

import numpy as np

from gome_theory._ranges import domain
from gome_theory.observations import Observations
from gome_theory.scaled_rate import optimal_alpha


class StepModel(NamedTuple):
    """True parameters of simulated steps.

    Attributes:
        r: Scaled alignment.
        omega: Share of the error that persists within a trace.
        sigma: Noise of a measured gain.
        scale: F, the gain of one unit of scaled progress.
        alpha: Scaled step; None takes the locally optimal one.
        validity: Share of candidates that run.
    """

    r: float = 0.5
    omega: float = 0.0
    sigma: float = 0.0
    scale: float = 1.0
    alpha: float | None = None
    validity: float = 1.0

    @property
    def step(self) -> float:
        """Scaled step that is taken."""
        return float(optimal_alpha(self.r)) if self.alpha is None else self.alpha


@domain()
def simulate_steps(
    model: StepModel,
    rng: np.random.Generator,
    *,
    traces: int,
    steps: int,
    replicates: int = 0,
    lengths: tuple[float, ...] = (1.0,),
) -> Observations:
    """Steps of the observation model [definition].

    Args:
        model: True parameters.
        rng: For everything random.
        traces: K >= 1.
        steps: Per trace.
        replicates: Gains that are measured twice; with none, the noise is given as known.
        lengths: Multipliers of the step, which alternate within a trace.

    Returns:
        The steps, every improvement accepted.

    Raises:
        ValueError: If an argument or a field of the model is out of its range.

    Example:
        >>> rng, model = np.random.default_rng(0), StepModel(r=1.0, sigma=2.0)
        >>> seen = simulate_steps(model, rng, traces=8, steps=20, replicates=9)
        >>> len(seen.gain), len(seen.replicate_gains)
        (160, 9)
    """
    multiplier = np.resize(np.asarray(lengths, float), (traces, steps))
    alpha = model.step * multiplier
    bias, fresh = rng.normal(size=(traces, 1)), rng.normal(size=(traces, steps))
    along = model.r + np.sqrt(model.omega) * bias + np.sqrt(1.0 - model.omega) * fresh
    gain = model.scale * (2.0 * alpha * along - alpha**2)
    gain += model.sigma * rng.normal(size=gain.shape)
    valid = rng.random(gain.shape) < model.validity
    groups = model.sigma * rng.normal(size=(replicates, 2)) + rng.normal(size=(replicates, 1))
    gain = np.where(valid, gain, np.nan).ravel()
    return Observations(
        trace=np.repeat(np.arange(traces), steps),
        gain=gain,
        valid=valid.ravel(),
        accepted=gain > 0.0,
        multiplier=multiplier.ravel() if len(lengths) > 1 else None,
        noise=None if replicates else model.sigma,
        replicate_gains=list(groups),
    )


class SphereRuns(NamedTuple):
    """Gated runs on a sphere, shape (traces, steps).

    Attributes:
        measured: Gain relative to f, as the gate saw it.
        true: What it really was.
    """

    measured: np.ndarray
    true: np.ndarray


@domain()
def simulate_sphere(
    model: StepModel,
    rng: np.random.Generator,
    *,
    dim: int,
    traces: int,
    steps: int,
    stored: bool = False,
) -> SphereRuns:
    """Runs in d dimensions, each trace with a persistent bias of its own [numerical].

    Args:
        model: True parameters; `sigma` is the noise of a measured gain relative to f. `scale`
            plays no part (it is 1 / d) and every candidate runs.
        rng: For everything random.
        dim: d.
        traces: Runs.
        steps: Per run.
        stored: Whether a candidate is compared with the stored score of its parent, which was
            chosen for being high, instead of with a fresh one.

    Returns:
        The gains.

    Raises:
        ValueError: If an argument or a field of the model is out of its range, or r is too large
            for the dimension: rho = r / sqrt(d) is at most 1.

    Example:
        >>> rng, model = np.random.default_rng(0), StepModel(r=1.0, sigma=0.01)
        >>> simulate_sphere(model, rng, dim=50, traces=8, steps=20).measured.shape
        (8, 20)
    """
    rho = model.r / np.sqrt(dim)
    if abs(rho) > 1.0:
        raise ValueError(
            f"`model.r` is {model.r}, beyond sqrt(d) = {np.sqrt(dim):.3g}: rho = r / sqrt(d) would "
            "not lie in [-1, 1]. Take a smaller r or a larger `dim`."
        )
    error, length = np.sqrt(1.0 - rho**2), model.step / np.sqrt(dim)
    one_score = model.sigma / np.sqrt(2.0)

    def unit(vectors: np.ndarray) -> np.ndarray:
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    offset, bias = unit(rng.normal(size=(traces, dim))), unit(rng.normal(size=(traces, dim)))
    parent = one_score * rng.normal(size=traces)
    measured, true = np.empty((2, traces, steps))
    for t in range(steps):
        radius = np.linalg.norm(offset, axis=1, keepdims=True)
        fresh = unit(rng.normal(size=(traces, dim)))
        wrong = np.sqrt(model.omega) * bias + np.sqrt(1.0 - model.omega) * fresh
        moved = offset + length * radius * (-rho * offset / radius + error * wrong)
        true[:, t] = 1.0 - np.sum(moved**2, axis=1) / radius[:, 0] ** 2
        child = one_score * rng.normal(size=traces)
        if not stored:
            parent = one_score * rng.normal(size=traces)
        measured[:, t] = true[:, t] + child - parent
        taken = measured[:, t] > 0.0
        offset = np.where(taken[:, None], moved, offset)
        parent = np.where(taken, child, parent)
    return SphereRuns(measured, true)
