"""Named synthetic worlds with arguments: `sphere(dim=40, rho=0.2)`, `nk(loci=18, noise=0.1)`.

A world is a landscape and its circumstances: how reliable the reasoner is, what evaluations show.
Lengths of steps are chosen for the user where theory knows them: on a sphere a rule of learning
rate 1 takes the best step of a gated search, and undirected moves have their best length too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

import gome_theory
import simulators
from experiments.spec import Spec, SpecError, call, parse, resolve, unknown
from gome_theory import Reliability
from simulators import Landscape, World


@dataclass(frozen=True)
class Circumstances:
    """What a world is besides its landscape; arguments that every named world takes."""

    rho: float = 0.3
    """Alignment of a diagnosis; in discrete worlds the probability of knowing an improving edit."""
    hallucination: float = 0.0
    """Probability that a diagnosis means nothing."""
    bias: float = 0.0
    """Share of the reasoner's error that persists over a run."""
    malformed: float = 0.0
    """Probability that a reply cannot be used."""
    noise: float = 0.0
    """Standard deviation of a score."""
    relative: bool = False
    """Whether that is in units of the candidate's loss; of the loss at the start otherwise."""
    crash_rate: float = 0.0
    """Probability that a candidate does not run."""
    repair_rate: float = 0.5
    """Probability that a repair makes it run."""
    folds: int = 0
    """Fold scores that an evaluation tells beside the score."""
    scale: float | None = None
    """Length of a diagnosed step at learning rate 1, in units of |gradient| / L; the best one of a
    gated search on a sphere if `None`. Plays no part in discrete worlds."""
    step: float | None = None
    """The same of an undirected move."""


def sphere(dim: int = 20) -> Landscape:
    """`simulators.sphere`, by default in 20 dimensions."""
    return simulators.sphere(dim)


def quadratic(dim: int = 20, condition: float = 10.0) -> Landscape:
    """`simulators.quadratic` with curvatures in geometric progression, the largest 1."""
    if not condition >= 1:
        raise ValueError(f"`condition` is {condition}: it is the largest curvature by the smallest")
    return simulators.quadratic(np.geomspace(1.0, 1.0 / condition, dim))


def rosenbrock(dim: int = 10) -> Landscape:
    """`simulators.rosenbrock`, by default in 10 dimensions."""
    return simulators.rosenbrock(dim)


def rugged(dim: int = 20, amplitude: float = 0.01, period: float = 0.2) -> Landscape:
    """`simulators.rugged`, by default with a fifth of the start's loss on top of the trend."""
    return simulators.rugged(dim, amplitude, period)


def plateau(dim: int = 20, levels: int = 20) -> Landscape:
    """`simulators.plateau`, by default with 20 terraces."""
    return simulators.plateau(dim, levels)


def plans(dim: int = 40, wrong_share: float = 0.5) -> Landscape:
    """`simulators.plans`, by default with 40 decisions."""
    return simulators.plans(dim, wrong_share)


def nk(loci: int = 20, epistasis: int = 3, seed: int = 0) -> Landscape:
    """`simulators.nk`, by default 20 loci that each depend on 3 others."""
    return simulators.nk(loci, epistasis, seed)


def pipeline(
    components: int = 5,
    options: int = 6,
    seed: int = 0,
    interactions: float = 0.5,
    crash_share: float = 0.1,
) -> Landscape:
    """`simulators.pipeline`, by default with 6 options for each of 5 components."""
    return simulators.pipeline(
        components, options, seed, interactions=interactions, crash_share=crash_share
    )


WORLDS: Mapping[str, Callable[..., Landscape]] = {
    function.__name__: function
    for function in (sphere, quadratic, rosenbrock, rugged, plateau, plans, nk, pipeline)
}


def build_world(text: str) -> World:
    """A world from its spec.

    Args:
      text: a name of `WORLDS` or `package.module:object`, with arguments of the landscape and of
        its `Circumstances`. An object of one's own may be or make a `Landscape` or a `World`; a
        world comes with circumstances of its own.

    Raises:
      SpecError: unknown name or argument, or one that is refused.

    Example:
      >>> build_world("sphere(dim=5, rho=0.2)").landscape.dim
      5
    """
    spec = parse(text)
    found = resolve(spec, WORLDS, "world")
    theirs, ours = _split(found, spec)
    if callable(found) and not isinstance(found, Landscape | World):
        found = call(found, spec, spec.args, theirs)
    if isinstance(found, World):
        if ours:
            raise SpecError(f"`{spec.name}` is a whole world: it takes no `{next(iter(ours))}`")
        return found
    if not isinstance(found, Landscape):
        raise SpecError(f"`{spec.name}` is a {type(found).__name__}, not a landscape or a world")
    return call(lambda: _world(found, Circumstances(**ours)), spec, (), {})


def _split(function: Any, spec: Spec) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keyword arguments of the landscape, and of its circumstances."""
    takes = list(inspect.signature(function).parameters) if callable(function) else []
    shared = [field.name for field in fields(Circumstances)]
    for name, value in spec.kwargs.items():
        if name not in (*takes, *shared):
            raise SpecError(f"`{spec.name}`: " + unknown("argument", name, (*takes, *shared)))
        if name not in takes and not isinstance(value, int | float | None):
            raise SpecError(f"`{spec.name}`: `{name}` is a number, got {value!r}")
    theirs = {name: value for name, value in spec.kwargs.items() if name in takes}
    return theirs, {n: value for n, value in spec.kwargs.items() if n not in takes}


def _world(landscape: Landscape, circumstances: Circumstances) -> World:
    c = circumstances
    reliability = Reliability(
        c.rho, hallucination=c.hallucination, bias_share=c.bias, malformed=c.malformed
    )
    evaluator = simulators.noisy_evaluator(
        c.noise,
        relative=c.relative,
        crash_rate=c.crash_rate,
        repair_rate=c.repair_rate,
        folds=c.folds,
    )
    if landscape.edits is not None:
        reasoner = simulators.naming_oracle(reliability)
        return World(landscape, reasoner, simulators.naming_oracle(Reliability(0.0)), evaluator)
    directed, undirected = c.scale, c.step
    if directed is None:
        gome_theory.validate(reliability)
        best = gome_theory.optimal_gated_log_rate(
            c.rho, landscape.dim, hallucination=c.hallucination
        )
        directed = float(best.step)
    if undirected is None:
        undirected = float(gome_theory.hill_climb_rate(landscape.dim).step)
    return World(
        landscape,
        simulators.noisy_oracle(reliability, directed / landscape.smoothness),
        simulators.noisy_oracle(Reliability(0.0), undirected / landscape.smoothness),
        evaluator,
    )
