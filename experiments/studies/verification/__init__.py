"""Checks of the laws of `gome_theory` against simulations, one module a family; see `check`."""

from __future__ import annotations

import functools
import importlib

from experiments.studies.verification.check import Check

FAMILIES = (
    "steps",
    "runs",
    "search",
    "noise",
    "momentum",
    "bias",
    "adaptive",
    "consensus",
    "traces",
    "bits",
    "nk",
    "trees",
    "landscapes",
    "memory",
    "calibration",
)
"""Modules of this package with a function `checks`."""


@functools.cache
def checks_of(family: str, dims: tuple[int, ...]) -> tuple[Check, ...]:
    """The checks of a family; nothing is simulated. Only `runs` depends on the dimensions."""
    module = importlib.import_module(f"{__name__}.{family}")
    return tuple(module.checks(dims) if family == "runs" else module.checks())
