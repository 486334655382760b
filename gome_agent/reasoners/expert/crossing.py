"""Combinations of two plans, and the directives that lead from one plan to another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gome_agent.reasoners.expert.directives import CATALOGUE, Entry
from gome_agent.reasoners.expert.plan import Plan
from gome_agent.reasoners.expert.reading import Reading

MODEL = (
    "family", "capacity", "regularisation", "rounds", "rate", "l2", "columns", "early_stopping",
    "bag", "seeds",
)  # fmt: skip
"""One part: levels belong to the family that they were tuned for."""
_LEVELS = ("capacity", "regularisation", "rounds", "rate", "l2", "columns")


def combinations(one: Plan, other: Plan, rng: np.random.Generator) -> Iterator[Plan]:
    """Uniform crossover of two plans, then the other combinations, each once.

    Every part in which the plans differ comes from either with probability 1/2 (Syswerda 1989). A
    part is a field, but for the model with its levels, which are passed on together. The plans
    themselves are left out.
    """
    fields = [name for name in Plan.model_fields if name not in MODEL]
    parts = [part for part in (MODEL, *((name,) for name in fields)) if _differ(one, other, part)]
    parts = [parts[i] for i in rng.permutation(len(parts))]
    drawn = int(rng.integers(2 ** len(parts)))
    for step in range(2 ** len(parts)):
        code = drawn ^ step
        taken = [name for i, part in enumerate(parts) if code >> i & 1 for name in part]
        child = one.change(**{name: getattr(other, name) for name in taken})
        if child.family in child.partners:
            partners = tuple(name for name in child.partners if name != child.family)
            child = child.change(partners=partners)
        if child not in (one, other):
            yield child


def path(start: Plan, goal: Plan, reading: Reading) -> dict[Entry, int]:
    """Entries of the catalogue that lead from one plan to another, or as near as they do.

    Each brings the plan nearer than any other entry would.

    Returns:
      How many times each is carried out.
    """
    found: dict[Entry, int] = {}
    plan, away = start, _distance(start, goal)
    while away:
        steps = [(entry, new) for entry in CATALOGUE if (new := entry.apply(plan, reading))]
        entry, plan = min(steps, key=lambda step: _distance(step[1], goal))
        if _distance(plan, goal) >= away:
            break
        away = _distance(plan, goal)
        found[entry] = found.get(entry, 0) + 1
    return found


def _differ(one: Plan, other: Plan, part: tuple[str, ...]) -> bool:
    return any(getattr(one, name) != getattr(other, name) for name in part)


def _distance(one: Plan, other: Plan) -> int:
    """Fields in which two plans differ, a level counted as often as it is away.

    A family counts for more than its levels, which a change of family sets back.
    """
    away = 0
    for name in Plan.model_fields:
        here, there = getattr(one, name), getattr(other, name)
        if name == "family":
            away += 20 * (here != there)
        elif name in _LEVELS:
            away += abs(here - there)
        else:
            away += here != there
    return away
