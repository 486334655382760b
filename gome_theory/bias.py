"""The bias trap: an error that persists turns the run against itself until progress stops.

The reasoner's error keeps a share omega of its energy in a fixed direction b. Each ungated step
moves the solution along b, until the remaining error x* - x points along -b so far that the bias
cancels part of the signal. In the limit of large d the cosine c = <x* - x, b> / |x* - x| settles at
the root of

    c sqrt(den(c)) = (1 - a rho) c - a q sqrt(omega_K),
    den(c) = (1 - a rho)^2 - 2 (1 - a rho) a q sqrt(omega_K) c + a^2 q^2 / K_eff,

and f shrinks by den(c) per step [asymptotic]. Averaging K traces leaves the persistent share
omega_K = omega (kappa + (1 - kappa) / K). Progress is possible iff rho^2 > omega_K / (1 + omega_K),
in every dimension: no number of steps buys it back. A gate turns divergence into a stall.

Not covered: how long the settling takes beyond its scale (`trap_time`), biases that change slowly.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from gome_theory._one_dimensional import maximise, solve_increasing
from gome_theory._ranges import POSITIVE, SHARE, domain, floats
from gome_theory._regime import warn_below_scaled_regime, warn_outside_regime
from gome_theory.consensus import effective_traces
from gome_theory.gradient_rate import Criterion, Values, by_criterion
from gome_theory.scaled_rate import inverse_mills

_SMALLEST_STEP = 1e-6
_SMALL_BIAS = 0.1


class BiasTrap(NamedTuple):
    """Where a biased run settles.

    Attributes:
        rate: Progress per step, once settled; negative where the run diverges.
        error_cosine: c* in [-1, 0], the cosine between the remaining error and the bias.
        step: a.
    """

    rate: Values
    error_cosine: Values
    step: Values


@domain()
def persistent_share(
    bias_share: npt.ArrayLike, traces: npt.ArrayLike = 1, shared_bias: npt.ArrayLike = 1.0
) -> Values:
    """omega_K = omega (kappa + (1 - kappa) / K), the bias K averaged traces keep [asymptotic].

    Args:
        bias_share: omega in [0, 1].
        traces: K >= 1.
        shared_bias: kappa in [0, 1].

    Returns:
        Persistent energy of the mean error, in units of one trace's error energy.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(persistent_share(0.1)), 4))
        0.1
    """
    omega, K, kappa = floats(bias_share, traces, shared_bias)
    return (omega * (kappa + (1.0 - kappa) / K))[()]


@domain()
def bias_threshold(
    bias_share: npt.ArrayLike, traces: npt.ArrayLike = 1, shared_bias: npt.ArrayLike = 1.0
) -> Values:
    """Alignment sqrt(omega_K / (1 + omega_K)) below which no progress lasts [theorem].

    For short steps c* -> -1 and the rate is 2a (rho - q sqrt(omega_K)); longer steps are worse. It
    does not depend on d. Relative-bias theory has it as m < 1 with m = q^2 omega / rho^2.

    Args:
        bias_share: omega in [0, 1].
        traces: K >= 1.
        shared_bias: kappa in [0, 1].

    Returns:
        The threshold.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(bias_threshold(0.05), 3), round(bias_threshold(0.05, 4, 0.0), 3))
        0.218 0.111
    """
    omega = np.asarray(persistent_share(bias_share, traces, shared_bias))
    return np.sqrt(omega / (1.0 + omega))[()]


@domain(step=POSITIVE)
def trap_time(
    alignment: npt.ArrayLike,
    step: npt.ArrayLike,
    bias_share: npt.ArrayLike,
    traces: npt.ArrayLike = 1,
    shared_bias: npt.ArrayLike = 1.0,
) -> Values:
    """Steps 1 / (a q sqrt(omega_K)) after which the trap is felt [mean-field, a scale].

    Args:
        alignment: rho.
        step: a > 0.
        bias_share: omega in [0, 1]; infinite time without bias.
        traces: K >= 1.
        shared_bias: kappa in [0, 1].

    Returns:
        The number of steps.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(trap_time(0.2, step=0.2, bias_share=0.0)), 4))
        inf
    """
    rho = np.asarray(alignment, float)
    a = np.asarray(step, float)
    omega = np.asarray(persistent_share(bias_share, traces, shared_bias))
    push = np.asarray(a * np.sqrt((1.0 - rho**2) * omega))
    return np.where(push > 0.0, 1.0 / np.where(push > 0.0, push, 1.0), np.inf)[()]


@domain(step=POSITIVE)
def bias_trap(
    alignment: npt.ArrayLike,
    bias_share: npt.ArrayLike,
    step: npt.ArrayLike | None = None,
    *,
    traces: npt.ArrayLike = 1,
    shared_bias: npt.ArrayLike = 1.0,
    criterion: Criterion = "log",
) -> BiasTrap:
    """Where an ungated run with persistent bias settles, and at what rate [asymptotic].

    Args:
        alignment: rho in [-1, 1].
        bias_share: omega in [0, 1].
        step: a > 0, along the mean direction, which is shorter the larger K; None takes the best
            one (0, and c* = -1, where every step loses).
        traces: K >= 1, diagnoses averaged per step.
        shared_bias: kappa in [0, 1], share of the bias common to them; irrelevant at K = 1.
        criterion: "log" for -ln den(c*), "gain" for 1 - den(c*).

    Returns:
        Rate, cosine and step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> trap = bias_trap(0.3, bias_share=0.05, step=0.2)
        >>> print(round(trap.error_cosine, 4), round(trap.rate, 5))
        -0.812 0.01498
    """
    rho = np.asarray(alignment, float)
    omega = np.asarray(persistent_share(bias_share, traces, shared_bias))
    count = np.asarray(effective_traces(traces, bias_share, shared_bias))
    by_criterion(criterion, log=None, gain=None)
    optimal = step is None
    if optimal:
        rho, omega, count = np.broadcast_arrays(rho, omega, count)
        column = rho[..., None], omega[..., None], count[..., None]

        def rate(candidate: np.ndarray) -> np.ndarray:
            return _settled(column[0], column[1], column[2], candidate, criterion)[0]

        step = maximise(rate, np.full(rho.shape, _SMALLEST_STEP), np.sqrt(count)).argument
    a = np.asarray(step, float)
    value, cosine = _settled(rho, omega, count, a, criterion)
    if optimal:
        a, value = np.where(value > 0.0, a, 0.0), np.maximum(value, 0.0)
    return BiasTrap(value[()], cosine[()], np.broadcast_to(a, value.shape)[()])


@domain()
def small_bias_rate(alignment: npt.ArrayLike, bias_share: npt.ArrayLike) -> Values:
    """First order of the settled mean gain in omega: rho^2 - 2 q^3 (1 + q) omega [asymptotic].

    At a = rho the root is c* = -rho sqrt(omega) / (1 - q). For small rho it reads rho^2 - 4 omega;
    good while |c*| << 1, that is omega << rho^2 / 4.

    Args:
        alignment: rho in [-1, 1].
        bias_share: omega in [0, 1].

    Returns:
        The mean gain per step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(small_bias_rate(0.2, bias_share=0.001)), 4))
        0.0363
    """
    rho = np.asarray(alignment, float)
    omega = np.asarray(bias_share, float)
    if np.any(omega > _SMALL_BIAS * rho**2):
        warn_outside_regime(
            f"`bias_share` exceeds {_SMALL_BIAS:g} `alignment`^2: the first order is up to 13 per "
            "cent low at that bias and useless at 2.5 times as much. Use `bias_trap`."
        )
    q = np.sqrt(1.0 - rho**2)
    return (rho**2 - 2.0 * q**3 * (1.0 + q) * omega)[()]


@domain(step=POSITIVE, bias_share=SHARE._replace(open_ends="high"))
def gated_bias_trap(
    alignment: npt.ArrayLike, bias_share: npt.ArrayLike, step: npt.ArrayLike, dim: npt.ArrayLike
) -> BiasTrap:
    """The trap of a run whose steps are kept only if they improve [mean-field].

    Accepted noise has mean E<w, n> = m(t) / sqrt(d), of which c lies along b; t is the mean gain
    over its spread. Within ten per cent while the effective r = sqrt(d) (rho + q sqrt(omega) c*) is
    positive; below -1 only "no progress" is right.

    Args:
        alignment: rho in [-1, 1].
        bias_share: omega in [0, 1].
        step: a > 0.
        dim: d.

    Returns:
        Log rate (never negative), cosine and step.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> print(round(float(gated_bias_trap(0.2, bias_share=0.02, step=0.1, dim=40.0).rate), 4))
        0.0162
    """
    rho = np.asarray(alignment, float)
    omega = np.asarray(bias_share, float)
    a = np.asarray(step, float)
    warn_below_scaled_regime(dim)
    inputs = np.broadcast_arrays(rho, omega, a, np.asarray(dim, float))

    def excess(cosine: np.ndarray, *args: np.ndarray) -> np.ndarray:
        keep, push, luck, den, _ = _gated(cosine, *args)
        return cosine * np.sqrt(den) - keep * cosine + push + luck * cosine

    low = np.full(inputs[0].shape, -1.0)
    cosine = solve_increasing(excess, low, np.zeros(low.shape), inputs)
    _, _, _, den, t = _gated(cosine, *inputs)
    rate = np.maximum(-special.ndtr(t) * np.log(den), 0.0)
    return BiasTrap(rate[()], cosine[()], inputs[2][()])


def _gated(
    c: np.ndarray, rho: np.ndarray, omega: np.ndarray, a: np.ndarray, d: np.ndarray
) -> tuple[np.ndarray, ...]:
    """What is kept, the push of the bias, that of accepted luck, the shrinkage, and t."""
    q = np.sqrt(1.0 - rho**2)
    keep, push, fresh = 1.0 - a * rho, a * q * np.sqrt(omega), a * q * np.sqrt(1.0 - omega)
    ungated = keep**2 - 2.0 * keep * push * c + a**2 * q**2
    t = (1.0 - ungated) / (2.0 * keep * fresh / np.sqrt(d))
    luck = fresh * inverse_mills(t) / np.sqrt(d)
    return keep, push, luck, ungated - 2.0 * keep * luck + 2.0 * push * luck * c, t


def _settled(
    rho: np.ndarray, omega: np.ndarray, count: np.ndarray, a: np.ndarray, criterion: Criterion
) -> tuple[np.ndarray, np.ndarray]:
    """Rate and cosine at a given step."""
    rho, omega, count, a = np.broadcast_arrays(rho, omega, count, a)
    q = np.sqrt(1.0 - rho**2)
    keep, push = 1.0 - a * rho, a * q * np.sqrt(omega)
    energy = keep**2 + a**2 * q**2 / count

    def shrinkage(c: np.ndarray, keep: np.ndarray, push: np.ndarray, energy: np.ndarray):
        return np.maximum(energy - 2.0 * keep * push * c, 1e-300)

    def excess(c: np.ndarray, *args: np.ndarray) -> np.ndarray:
        return c * np.sqrt(shrinkage(c, *args)) - args[0] * c + args[1]

    ends = np.full(rho.shape, -1.0), np.zeros(rho.shape)
    cosine = solve_increasing(excess, *ends, (keep, push, energy))
    # Without bias the cosine is lost; with nothing but bias it is all there is.
    cosine = np.where(push == 0.0, 0.0, np.where(np.isnan(cosine), -1.0, cosine))
    left = shrinkage(cosine, keep, push, energy)
    return (-np.log(left) if criterion == "log" else 1.0 - left), cosine
