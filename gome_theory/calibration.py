"""From observed steps to r, alpha, omega and sigma, and to what the data cannot tell.

The model of one step (trace k, step t), in the scaled limit and before the bias trap closes:

    y = F [2 alpha (r + sqrt(omega) B_k + sqrt(1 - omega) Z) - alpha^2] + sigma xi     [asymptotic]

with B_k, Z, xi standard normal, F the gain of one unit of scaled progress (suboptimality over
dimension), s = 2 alpha F the spread of true gains and t = r - alpha / 2 their mean in units of s.

- *sigma*: replicates, Var(y' - y'') / 2 of a gain measured twice, or Var of the difference of two
  replicate scores; chi-squared interval.
- *r*: an improvement is a measured gain above zero, so p' = Phi(t s / sqrt(s^2 + sigma^2)) among
  valid steps. If steps are locally optimal, alpha = r + m(t), hence **r = 2 t + m(t)**. (Without
  the factor, noise pulls every t towards 0.) A step-size A/B needs no such assumption.
- *omega*: ICC * Var(y) / (Var(y) - sigma^2), ICC the intraclass correlation of gains by trace.

Identifiability. Without replicates sigma is not identified, and r and omega with it. Only
r = rho sqrt(d) is identified, never rho or d. Bias that *all* traces share is invisible: it moves r
itself, and traces tell (omega - omega kappa) / (1 - omega kappa) only. A log of accepted steps
alone tells next to nothing.

Every accepted step moves along the bias and lowers r by alpha omega (`biased_run`), so the model
holds for A << r / (alpha omega) accepted steps of a trace only: at r = 1, omega = .2 a run of ten
steps already looks like r = .16. Where improvements thin out, a note says so.

Not covered: that drift, gains whose scale F changes within a task, gains against a stored parent
score that was chosen for being high (at noise varsigma = 2 and r = 1 they look like r = .7: measure
the parent again).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gome_theory._components import REPLICATES, Noise, noise_of_gains
from gome_theory._outcomes import from_outcomes, unknown
from gome_theory._ranges import domain
from gome_theory.agreement import NO_KAPPA, memory_value
from gome_theory.estimates import Estimate, NotIdentified, Quantity, from_draws, proportion
from gome_theory.gate_errors import GateErrors, gate_errors
from gome_theory.observations import Observations, Steps, checked
from gome_theory.step_size_test import StepSizeTest, step_size_test

_SUSPICIOUS = 10
"""A log of this many steps without a single rejected one is taken for a log of accepted steps."""
_UNLIKELY = 0.01


@dataclass(frozen=True)
class Calibration:
    """What the steps tell.

    Attributes:
        steps: Steps looked at.
        traces: Traces they come from.
        validity: Share of candidates that ran and were scored.
        improvement_rate: Share of all steps that improved on their parent.
        sigma: Noise of a measured gain, in units of the score.
        intraclass: Share of the variance of measured gains that lies between traces.
        r_assumed: Scaled alignment, if steps are locally optimal.
        r_tested: The same from a step-size A/B, without that assumption.
        alpha: Scaled step.
        scale: F, the gain of one unit of scaled progress, in units of the score.
        varsigma: Scaled noise sigma / F of a measured gain.
        omega: Share of the error's energy that persists within a trace and is not shared by all.
        memory: First-order value of momentum, 2 (C_1 / C_0 - R_1); positive if memory helps.
        gate: False accepts, false rejects and strictness.
        notes: What a reader of the numbers should know.
        draws: Draws of "r", "varsigma", "omega" and "validity" for `verdict`, and of what they were
            made from; empty if r is unknown.
    """

    steps: int
    traces: int
    validity: Quantity
    improvement_rate: Quantity
    sigma: Quantity
    intraclass: Quantity
    r_assumed: Quantity
    r_tested: Quantity
    alpha: Quantity
    scale: Quantity
    varsigma: Quantity
    omega: Quantity
    memory: Quantity
    gate: GateErrors
    notes: tuple[str, ...]
    draws: Mapping[str, np.ndarray]

    @property
    def r(self) -> Quantity:
        """Scaled alignment: from the A/B if there is one."""
        return self.r_tested if isinstance(self.r_tested, Estimate) else self.r_assumed

    def quantities(self) -> dict[str, Quantity]:
        """Everything, by the name that a table shows."""
        return {
            "validity": self.validity,
            "improvement rate": self.improvement_rate,
            "sigma (noise of a gain)": self.sigma,
            "between-trace share of variance": self.intraclass,
            "r (if steps are locally optimal)": self.r_assumed,
            "r (step-size A/B)": self.r_tested,
            "alpha": self.alpha,
            "F (gain per unit of progress)": self.scale,
            "varsigma (scaled noise)": self.varsigma,
            "omega (unshared persistent error)": self.omega,
            "value of memory": self.memory,
            "false accepts": self.gate.false_accept,
            "false rejects": self.gate.false_reject,
            "strictness tau": self.gate.strictness,
            "rho, d": _ONLY_R,
            "kappa (bias shared by traces)": NO_KAPPA,
        }


@domain()
def calibrate(
    seen: Observations, *, level: float = 0.95, seed: int = 0, draws: int = 4000
) -> Calibration:
    """Estimate what the steps identify, and say of the rest why they do not [asymptotic].

    Args:
        seen: The steps.
        level: Of all intervals.
        seed: Of the draws behind the intervals.
        draws: How many.

    Returns:
        The calibration.

    Raises:
        ValueError: If an argument or an observation is out of its range, there are no steps, or
            arrays differ in length.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> true = 2 * 1.4 * (0.5 + rng.normal(size=400)) - 1.4**2     # r = 0.5, no noise
        >>> found = calibrate(Observations(np.repeat(np.arange(20), 20), true, noise=0.0))
        >>> print(found.r.low < 0.5 < found.r.high, found.sigma.value, found.r_tested.why)
        True 0.0 all steps have one length
    """
    steps = checked(seen)
    rng = np.random.default_rng(seed)
    noise = noise_of_gains(seen, steps, level)
    validity = proportion(steps.valid, steps.trace)
    traces = len(np.unique(steps.trace))
    rate: Quantity = _NOT_COMPLETE
    tested: StepSizeTest | NotIdentified = _NOT_COMPLETE
    found = unknown(_NOT_COMPLETE)
    if not _only_accepted(steps):
        rate = proportion(steps.improved, steps.trace).estimate(level)
        unit = steps.valid & steps.unit
        columns = (steps.improved[unit], steps.gain[unit], steps.trace[unit])
        found = from_outcomes(*columns, noise, level, rng, draws)
        tested = _test_of_step_sizes(steps, noise, level, rng, draws)
    alpha, scale, varsigma, drawn = found.alpha, found.scale, found.varsigma, dict(found.draws)
    if isinstance(tested, StepSizeTest):
        alpha, scale = tested.alpha, tested.scale
        relative = np.sqrt(noise.draws(rng, draws)) / tested.draws[2]
        point = np.sqrt(noise.variance) / tested.scale.value
        varsigma = from_draws(point, relative, level, "sigma / F of the A/B")
    memory = memory_value(steps, seen.repeated, seen.overlap, drawn.get("share"), level, rng)
    if isinstance(tested, StepSizeTest):
        drawn.update(r=tested.draws[0], varsigma=relative)
    if drawn:
        drawn["validity"] = validity.draws(rng, draws)
    return Calibration(
        steps=len(steps.trace),
        traces=traces,
        validity=validity.estimate(level),
        improvement_rate=rate,
        sigma=noise.quantity,
        intraclass=found.intraclass,
        r_assumed=found.r,
        r_tested=tested.r if isinstance(tested, StepSizeTest) else tested,
        alpha=alpha,
        scale=scale,
        varsigma=varsigma,
        omega=found.omega,
        memory=memory,
        gate=gate_errors(steps.accepted, steps.valid, seen.fresh_gain, level, rng, draws),
        notes=((_ONE_TRACE,) if traces == 1 else ()) + _drift(steps) + found.notes,
        draws=drawn,
    )


def _only_accepted(steps: Steps) -> bool:
    """Whether rejected candidates seem to be missing from the log."""
    taken = steps.improved if steps.accepted is None else steps.accepted & steps.improved
    return len(taken) >= _SUSPICIOUS and bool(np.all(taken))


def _drift(steps: Steps) -> tuple[str, ...]:
    """Whether steps improve less often, the more their trace has accepted before them."""
    from scipy import stats  # imported here: it is slow to import

    taken = steps.improved if steps.accepted is None else steps.accepted & steps.valid
    before = np.zeros(len(taken))
    for trace in np.unique(steps.trace):
        own = steps.trace == trace
        before[own] = np.cumsum(taken[own]) - taken[own]
    before, improved = before[steps.valid], steps.improved[steps.valid]
    if len(improved) < _SUSPICIOUS or np.ptp(before) == 0.0 or np.ptp(improved.astype(int)) == 0:
        return ()
    found = stats.pearsonr(before, improved.astype(float), alternative="less")
    chance = found.pvalue  # pyright: ignore[reportAttributeAccessIssue]
    return (_DRIFT,) if chance < _UNLIKELY else ()


def _test_of_step_sizes(
    steps: Steps, noise: Noise, level: float, rng: np.random.Generator, draws: int
) -> StepSizeTest | NotIdentified:
    if len(np.unique(steps.multiplier)) > 1 and not noise.known:
        return NotIdentified("without the noise, the spread of the gains is not known", REPLICATES)
    on = steps.measured
    return step_size_test(
        steps.gain[on],
        steps.multiplier[on],
        steps.trace[on],
        noise_variance=noise.variance,
        noise_dof=noise.dof,
        level=level,
        rng=rng,
        draws=draws,
    )


_DRIFT = (
    "steps improve less often the more their trace has accepted: bias that turns against itself, "
    "or a task that gets harder; r and omega describe the run as a whole and are too low for its "
    "start, so calibrate the first steps alone"
)
_ONE_TRACE = "one trace: its r includes whatever persistent bias that trace has; record several"
_ONLY_R = NotIdentified(
    "outcomes depend on alignment and dimension through r = rho sqrt(d) only",
    "directions whose alignment with the truth is known, as a simulator has them",
)
_NOT_COMPLETE = NotIdentified(
    "every step improved and was accepted, so that rejected candidates seem to be missing; what is "
    "left of them, a truncated normal, tells next to nothing",
    "rejected and failed candidates too",
)
