"""What a gated run gains while its own persistent bias turns against it: dimension free.

A trace's bias b is worth sqrt(omega) B at the start, B ~ N(0, 1). Every accepted step moves along b
and turns the true direction away from it, so that after A accepted steps the scaled alignment is

    r + sqrt(omega) B - alpha omega A                                              [asymptotic]

as long as alpha sqrt(omega) A << sqrt(d); where the run ends up later is the trap of `bias`. Summed
over ungated steps (A = t) it is the mean_T of `trace_totals`.

Not covered: steps that change their length along the run.
"""

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._ranges import domain
from gome_theory.gradient_rate import Values
from gome_theory.scaled_rate import bayes_gate, normal_density

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)


@domain()
def biased_progress(
    r: npt.ArrayLike,
    omega: npt.ArrayLike,
    steps: int,
    *,
    varsigma: npt.ArrayLike = 0.0,
    validity: npt.ArrayLike = 1.0,
) -> Values:
    """Scaled progress of a Bayes-gated run whose error partly persists [asymptotic].

    The number A of accepted steps is a Markov chain: given A and the trace's B ~ N(0, 1), a gain is
    normal with mean 2 alpha (r + sqrt(omega) B - alpha omega A) - alpha^2 and standard deviation
    2 alpha sqrt(1 - omega). Length and threshold of a step stay those that are best at the start.

    Args:
        r: Scaled alignment.
        omega: Share of the error that persists within a trace.
        steps: T, small against the trap time sqrt(d) / (alpha sqrt(omega)).
        varsigma: Scaled noise of a measured gain.
        validity: Share of candidates that run; the others are paid for too.

    Returns:
        d times the expected sum of true relative gains, in the broadcast shape.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> [round(float(biased_progress(1.0, omega, 20)), 2) for omega in (0.0, 0.1)]
        [32.53, 14.77]
    """
    r, varsigma, validity, omega = np.broadcast_arrays(
        *(np.asarray(value, float) for value in (r, varsigma, validity, omega))
    )
    gate = bayes_gate(r, varsigma)
    alpha, threshold = np.asarray(gate.alpha)[..., None], np.asarray(gate.threshold)[..., None]
    r, varsigma, validity, omega = (x[..., None] for x in (r, varsigma, validity, omega))
    spread = 2.0 * alpha * np.sqrt(1.0 - omega)
    total = np.maximum(np.hypot(spread, varsigma), 1e-12)
    taken = np.arange(steps, dtype=float)
    start = 2.0 * alpha * (r + np.sqrt(omega) * _NODES) - alpha**2
    # Mean gain, acceptance and progress for every number of accepted steps, last axis.
    mean = start[..., None] - (2.0 * alpha**2 * omega)[..., None] * taken
    z = (mean - threshold[..., None]) / total[..., None]
    passed = special.ndtr(z)
    gain = mean * passed + (spread**2 / total)[..., None] * normal_density(z)
    gain, passed = validity[..., None] * gain, validity[..., None] * passed
    chance = np.zeros(mean.shape)
    chance[..., :1] = 1.0
    progress = np.zeros(start.shape)
    for t in range(steps):
        now = chance[..., : t + 1]
        progress += np.sum(now * gain[..., : t + 1], axis=-1)
        moved = now * passed[..., : t + 1]
        now -= moved
        chance[..., 1 : t + 2] += moved[..., : steps - 1]
    return (progress @ (_WEIGHTS / _WEIGHTS.sum()))[()]
