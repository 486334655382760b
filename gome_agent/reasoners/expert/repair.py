"""Simpler plans for a script that failed, the smallest change first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from gome_agent.reasoners.base import Solution
from gome_agent.reasoners.expert.plan import Plan

_DERIVED = {
    "ratios": False,
    "products": False,
    "splines": False,
    "row_statistics": False,
    "clusters": False,
    "frequencies": False,
    "missing_flags": False,
}
_SINGLE = {"bag": False, "partner": "none", "calibrate": False}

_LIGHTER = (
    ("no calibration", {"calibrate": False}),
    ("one model alone", _SINGLE),
    ("fewer rounds", {**_SINGLE, "rounds": 0}),
    ("fewer rounds of a smaller model", {**_SINGLE, "rounds": 0, "capacity": -1}),
    ("fewer columns", {**_SINGLE, **_DERIVED, "rounds": 0, "capacity": -1}),
    ("a linear model", {**_SINGLE, **_DERIVED, "family": "linear", "class_weights": False}),
)
_SMALLER = (
    ("integer codes for categories", {"categorical": "ordinal"}),
    ("no derived columns", {**_DERIVED, "categorical": "ordinal"}),
    *_LIGHTER[1:],
)
_SAFER = (
    ("no calibration", {"calibrate": False}),
    ("no logarithm of the target", {"log_target": False}),
    ("no derived columns", _DERIVED),
    ("no selection and no projection", {"reduction": "none"}),
    ("plain scaling", {"scaling": "standard", "log_skewed": False, "clip_outliers": False}),
    ("one-hot categories", {"categorical": "onehot", "orders": ()}),
    ("one model alone", _SINGLE),
)
# Sentences of the sandbox. An "exit code ..." quotes the script's own words: those are not ours.
_TIME = re.compile(r"(?!exit code).*(still ran after|CPU time|time ?out|timed out)", re.IGNORECASE)
_MEMORY = re.compile(r"MemoryError|out of memory|memory limit|allocat", re.IGNORECASE)


def repairs(plan: Plan, parent: Solution) -> Iterator[tuple[str, Plan]]:
    """Plans to try instead of one that failed, with a note each.

    A timeout asks for less computation, lack of memory for fewer numbers, and any other failure
    for plainer preprocessing: first each simplification alone, then all up to it together, and at
    last the plain baseline.
    """
    if _TIME.match(parent.failure):
        yield from _each("ran out of time", plan, _LIGHTER)
    elif _MEMORY.search(f"{parent.failure} {_last_line(parent.log)}"):
        yield from _each("ran out of memory", plan, _SMALLER)
    else:
        yield from _each("failed", plan, _SAFER)
        together: dict[str, object] = {}
        for _, fields in _SAFER:
            together |= fields
        yield "failed: all preprocessing made plain", plan.change(**together)
    yield "back to the plain baseline", Plan(categorical="onehot")


def _each(
    why: str, plan: Plan, changes: Sequence[tuple[str, Mapping[str, object]]]
) -> Iterator[tuple[str, Plan]]:
    # With no categorical columns in use there are none to encode more simply.
    unused = {"categorical"} if plan.categorical == "drop" else set()
    for note, fields in changes:
        kept = {field: value for field, value in fields.items() if field not in unused}
        yield f"{why}: {note}", plan.change(**kept)


def _last_line(log: str) -> str:
    lines = log.strip().splitlines()
    return lines[-1] if lines else ""
