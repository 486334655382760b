"""Plans to try instead of one that failed: what the failure names first, then simpler and simpler.

A traceback's last line tells what went wrong: a missing package, missing numbers, words where
numbers are needed, too few rows of a class, an empty vocabulary. Each has its own repair, in
`CAUSES`; a timeout asks for less computation, and lack of memory for fewer numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gome_agent.reasoners.base import Solution
from gome_agent.reasoners.expert.plan import Plan

Changes = Sequence[tuple[str, Mapping[str, object]]]
"""A note and the fields to set, each."""

_DERIVED = {
    "ratios": False,
    "products": False,
    "splines": False,
    "row_statistics": False,
    "clusters": False,
    "frequencies": False,
    "missing_flags": False,
    "crosses": (),
    "texts": (),
}
_SINGLE = {"bag": False, "seeds": False, "partners": (), "blend": "mean", "calibrate": False}

_LIGHTER: Changes = (
    ("no calibration", {"calibrate": False}),
    ("an average instead of a stack", {"blend": "mean"}),
    ("one model alone", _SINGLE),
    ("fewer rounds", {**_SINGLE, "rounds": 0}),
    ("fewer rounds of a smaller model", {**_SINGLE, "rounds": 0, "capacity": -1}),
    ("fewer columns", {**_SINGLE, **_DERIVED, "rounds": 0, "capacity": -1}),
    ("a linear model", {**_SINGLE, **_DERIVED, "family": "linear", "class_weights": False}),
)
_SMALLER: Changes = (
    ("integer codes for categories", {"categorical": "ordinal"}),
    ("no derived columns", {**_DERIVED, "categorical": "ordinal"}),
    *_LIGHTER[2:],
)
_SAFER: Changes = (
    ("no calibration", {"calibrate": False}),
    ("no logarithm of the target", {"log_target": False}),
    ("no derived columns", _DERIVED),
    ("no selection and no projection", {"reduction": "none"}),
    ("every column, no dates", {"drop": (), "dates": ()}),
    ("filled with medians", {"missing": "median"}),
    ("plain scaling", {"scaling": "standard", "log_skewed": False, "clip_outliers": False}),
    ("one-hot categories", {"categorical": "onehot", "orders": ()}),
    ("one model alone", _SINGLE),
)


@dataclass(frozen=True)
class Cause:
    """What a failure's last line says, and what to change then."""

    name: str
    says: re.Pattern[str]
    changes: Changes


def _cause(name: str, says: str, *changes: tuple[str, Mapping[str, object]]) -> Cause:
    return Cause(name, re.compile(says, re.IGNORECASE), changes)


CAUSES: tuple[Cause, ...] = (
    _cause(
        "too few rows of a class",
        r"least populated class|(fewer|less) than|n_splits=|(members|samples) in (each|any) class"
        r"|n_neighbors|at least \d+ samples|only one class|test_size",
        ("no part of the rows is held back", {"calibrate": False, "early_stopping": False}),
        (
            "no inner folds",
            {"calibrate": False, "early_stopping": False, "blend": "mean", "categorical": "onehot"},
        ),
        ("three folds", {**_SINGLE, "early_stopping": False, "folds": 3}),
        ("more neighbours than rows", {**_SINGLE, "family": "linear", "folds": 3}),
    ),
    _cause(
        "words without a vocabulary",
        r"empty vocabulary|no terms remain|n_components\(?\d*\)? must be",
        ("no texts", {"texts": ()}),
        ("no texts and no projection", {"texts": (), "reduction": "none"}),
    ),
    _cause(
        "words where numbers are needed",
        r"could not convert string|unsupported operand|dtype|cannot be converted|not numeric",
        ("categories encoded, dates left as they are", {"categorical": "onehot", "dates": ()}),
        ("no columns from words", {"categorical": "drop", "orders": (), "texts": (), "dates": ()}),
    ),
    _cause(
        "a category is not known",
        r"unknown categor|Found unknown|has a cardinality|KeyError|not in list|not in index",
        ("one-hot categories that pass over what is new", {"categorical": "onehot"}),
        (
            "one-hot categories, no named columns",
            {
                "categorical": "onehot",
                "crosses": (),
                "drop": (),
                "dates": (),
                "texts": (),
                "orders": (),
            },
        ),
    ),
    _cause(
        "numbers are missing or infinite",
        r"\bNaN\b|infinity|too large for dtype|invalid value|divide by zero|missing values"
        r"|not positive definite|negative",
        ("filled with medians", {"missing": "median"}),
        ("no logarithm of the target", {"missing": "median", "log_target": False}),
        ("no ratios, no products", {"missing": "median", "ratios": False, "products": False}),
        ("clipped numbers", {**_DERIVED, "missing": "median", "clip_outliers": True}),
        ("clipped numbers, target in its units", {
            **_DERIVED, "missing": "median", "clip_outliers": True, "log_target": False,
        }),
    ),
    _cause(
        "shapes do not fit",
        r"shape|dimension|inconsistent numbers|broadcast|n_features|features, but",
        ("no derived columns", _DERIVED),
        ("no selection, no projection", {**_DERIVED, "reduction": "none"}),
        ("one model alone", {**_SINGLE, "reduction": "none"}),
    ),
)  # fmt: skip
"""What failures are known, the most telling first."""

# Sentences of the sandbox. An "exit code ..." quotes the script's own words: those are not ours.
_TIME = re.compile(r"(?!exit code).*(still ran after|CPU time|time ?out|timed out)", re.IGNORECASE)
_PACKAGE = re.compile(r"ModuleNotFoundError|ImportError|No module named")
_MEMORY = re.compile(r"MemoryError|out of memory|memory limit|allocat", re.IGNORECASE)


def repairs(plan: Plan, parent: Solution) -> Iterator[tuple[str, Plan]]:
    """Plans to try instead of one that failed, with a note each.

    First what the failure's cause calls for, if it is known; then each simplification alone, all of
    them together, and at last the plain baseline.
    """
    last = _last_line(parent.log)
    if _TIME.match(parent.failure):
        yield from _each("ran out of time", plan, _LIGHTER)
    elif _MEMORY.search(f"{parent.failure} {last}"):
        yield from _each("ran out of memory", plan, _SMALLER)
    else:
        if _PACKAGE.search(last):
            yield from _each("failed, a package is missing", plan, _without_torch(plan))
        for cause in CAUSES:
            if cause.says.search(last):
                yield from _each(f"failed, {cause.name}", plan, cause.changes)
        yield from _each("failed", plan, _SAFER)
        together: dict[str, object] = {}
        for _, fields in _SAFER:
            together |= fields
        yield "failed: all preprocessing made plain", plan.change(**together)
    yield "back to the plain baseline", Plan(categorical="onehot")


def _without_torch(plan: Plan) -> Changes:
    """The only package that a script may lack."""
    partners = tuple(name for name in plan.partners if name != "torch")
    family = "mlp" if plan.family == "torch" else plan.family
    partners = tuple(name for name in partners if name != family)
    return (("scikit-learn's network instead", {"family": family, "partners": partners}),)


def _each(why: str, plan: Plan, changes: Changes) -> Iterator[tuple[str, Plan]]:
    # With no categorical columns in use there are none to encode more simply.
    unused = {"categorical"} if plan.categorical == "drop" else set()
    for note, fields in changes:
        kept = {field: value for field, value in fields.items() if field not in unused}
        yield f"{why}: {note}", plan.change(**kept)


def _last_line(log: str) -> str:
    lines = log.strip().splitlines()
    return lines[-1] if lines else ""
