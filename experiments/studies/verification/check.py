"""A check: one number that a law predicts, and the simulation that could prove it wrong.

Checks are values in lists, one module a family. Checks that read the same samples share a
`Simulation`, which then runs once. `rows` runs checks and judges them:

* E, exact: out if |z| exceeds the Bonferroni quantile over all exact checks *and* exceeds it again
  in a second, independent run of ten times the size. Both stages are fixed beforehand.
* A, asymptotic: out if |simulated - predicted| exceeds a tolerance declared with the check, for the
  order of what the law neglects, by more than four standard errors.
* B, bound: out if the simulation is beyond the bound by more than four standard errors.
* M, mean-field, and X, deliberately outside the regime: reported, not judged.
"""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import stats

from gome_theory import RegimeWarning

Kind = Literal["E", "A", "M", "B", "X"]
TAGS: dict[str, str] = {
    "E": "exact",
    "A": "asymptotic",
    "M": "mean-field",
    "B": "bound",
    "X": "outside its regime",
}
ERRORS = 4.0
"""Standard errors granted to the noise of checks that are not exact."""
AGAIN = 10
"""How many times larger the second stage is."""


class Estimate(NamedTuple):
    """A simulated number."""

    mean: float
    stderr: float


Observed = Mapping[str, Estimate]


class Simulation(NamedTuple):
    """What draws the samples; `name` is unique, and seeds derive from it."""

    name: str
    run: Callable[[np.random.Generator, float], Observed]
    """`(generator, size) -> estimates`; size 1 is the full study's."""


class Check(NamedTuple):
    """One row: a law's number against a simulation's."""

    id: str
    kind: Kind
    quantity: str
    parameters: str
    law: str
    """Name in `gome_theory`."""
    predicted: Callable[[Observed], float]
    """Most laws ignore the argument; a law that is conditional on what happened reads it there."""
    simulation: Simulation
    statistic: str
    """Which of the simulation's estimates."""
    tolerance: float = 0.0
    """Of an asymptotic law: what it neglects, in units of `scale`."""
    because: str = ""
    """Where the tolerance comes from."""
    scale: Callable[[], float] | None = None
    """Size of the terms that cancel in the prediction; the prediction itself by default."""


def size_of(full: int, size: float, least: int = 100) -> int:
    """Number of samples at a size: never so few that their mean is too far from normal.

    Exact rows are judged by an extreme quantile and need the default; fewer, of long runs, will do
    for the four standard errors granted to others.
    """
    return max(least, round(full * size))


def mean_of(samples: np.ndarray) -> Estimate:
    """Mean of independent samples."""
    samples = np.asarray(samples, float)
    return Estimate(float(samples.mean()), float(samples.std(ddof=1) / math.sqrt(samples.size)))


def of_means(function: Callable[..., float], *samples: np.ndarray) -> Estimate:
    """A function of means of samples that were drawn together (delta method)."""
    together = np.stack([np.asarray(sample, float).ravel() for sample in samples])
    covariance = np.atleast_2d(np.cov(together)) / together.shape[1]
    return _delta(function, together.mean(1), covariance)


def of_estimates(function: Callable[..., float], *estimates: Estimate) -> Estimate:
    """A function of independent estimates (delta method)."""
    means = np.array([estimate.mean for estimate in estimates])
    return _delta(function, means, np.diag([estimate.stderr**2 for estimate in estimates]))


def _delta(function: Callable[..., float], means: np.ndarray, covariance: np.ndarray) -> Estimate:
    # One standard error is the width over which the function has to be straight.
    widths = np.maximum(np.sqrt(np.diag(covariance)), 1e-12 * (1.0 + np.abs(means)))
    gradient = np.array(
        [
            (function(*(means + step)) - function(*(means - step))) / (2.0 * width)
            for step, width in zip(np.diag(widths), widths, strict=True)
        ]
    )
    return Estimate(float(function(*means)), float(math.sqrt(gradient @ covariance @ gradient)))


def exact_quantile(exact_checks: int, level: float) -> float:
    """|z| beyond which an exact check is looked at again: Bonferroni, two-sided."""
    return float(stats.norm.isf(level / (2.0 * max(exact_checks, 1))))


def false_alarm_rate(exact_checks: int, level: float) -> float:
    """Most that the probability can be that any of the exact checks is out though all laws hold.

    A row is out only if two independent runs are; checks of one simulation need not be independent.
    """
    return exact_checks * (level / max(exact_checks, 1)) ** 2


def simulate(simulation: Simulation, size: float, seed: int, stage: int = 0) -> Observed:
    """Run a simulation: stage 0 at `size`, stage 1 as the pool of ten fresh runs of that size."""
    runs = [
        simulation.run(_generator(simulation.name, seed, stage, part), size)
        for part in range(AGAIN if stage else 1)
    ]
    return {
        name: Estimate(
            float(np.mean([run[name].mean for run in runs])),
            float(np.sqrt(np.sum([run[name].stderr ** 2 for run in runs])) / len(runs)),
        )
        for name in runs[0]
    }


def _generator(name: str, *words: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(name.encode()), *words])


def rows(
    checks: Iterable[Check], *, size: float, seed: int, quantile: float
) -> list[dict[str, Any]]:
    """Run checks and judge them; checks with the same simulation see the same samples."""
    seen: dict[tuple[str, int], Observed] = {}

    def observe(simulation: Simulation, stage: int) -> Observed:
        key = simulation.name, stage
        if key not in seen:
            seen[key] = simulate(simulation, size, seed, stage)
        return seen[key]

    answer = []
    for check in checks:
        row = _row(check, observe(check.simulation, 0))
        if check.kind == "E" and _far(row, quantile):
            first = row["z"]
            row = _row(check, observe(check.simulation, 1))
            row.update(runs=2, first_z=first, out=_far(row, quantile))
        answer.append(row)
    return answer


def _far(row: Mapping[str, Any], quantile: float) -> bool:
    return not abs(row["z"]) <= quantile  # NaN is far


def _row(check: Check, observed: Observed) -> dict[str, Any]:
    simulated, stderr = observed[check.statistic]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RegimeWarning)  # some rows are there to leave the regime
        predicted = float(check.predicted(observed))
        scale = abs(predicted) if check.scale is None else abs(float(check.scale()))
    difference = simulated - predicted
    if stderr > 0.0:
        z = difference / stderr
    else:  # a number without noise is right or wrong
        z = 0.0 if math.isclose(simulated, predicted, rel_tol=1e-9) else math.inf
    allowed = check.tolerance * scale + ERRORS * stderr
    out = {"A": not abs(difference) <= allowed, "B": not difference <= allowed}
    return {
        "id": check.id,
        "kind": check.kind,
        "quantity": check.quantity,
        "parameters": check.parameters,
        "predicted": predicted,
        "simulated": simulated,
        "stderr": stderr,
        "z": z,
        "relative_error": difference / abs(predicted) if predicted else math.nan,
        "scaled_error": difference / scale if scale > 0.0 else math.nan,
        "law": check.law,
        "tag": TAGS[check.kind],
        "tolerance": check.tolerance if check.kind == "A" else math.nan,
        "because": check.because,
        "runs": 1,
        "first_z": z,
        "out": out.get(check.kind, False),
    }


def scaled_tolerance(dim: float) -> float:
    """Granted to scaled laws, which neglect terms of relative order 1/d.

    Below d = 30 their own documentation says up to 18 per cent; above, four times 1/d is granted.
    """
    return 4.0 / dim if dim >= 30 else 0.18


SCALED = "scaled laws neglect terms of order 1/d: 4/d, and below d = 30 the documented 18 per cent"


def parameters(**values: object) -> str:
    """Parameters as text, in the order given."""
    return " ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


def expect(
    law: Callable[..., Any], *arguments: Any, **keywords: Any
) -> Callable[[Observed], float]:
    """A prediction that depends on nothing that was observed."""
    return lambda observed: float(law(*arguments, **keywords))


def exact_count(checks: Sequence[Check]) -> int:
    """Number of exact checks."""
    return sum(check.kind == "E" for check in checks)
