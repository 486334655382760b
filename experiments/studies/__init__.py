"""The studies. To add one, write a module with a `STUDY` and add its name."""

from __future__ import annotations

import importlib

from experiments.spec import SpecError, unknown
from experiments.study import Study

_MODULES = {
    "calibration": "experiments.studies.calibration",
    "crossover": "experiments.studies.crossover",
    "gap": "experiments.studies.gap",
    "gates": "experiments.studies.gates",
    "verify_theory": "experiments.studies.verify_theory",
    "noise": "experiments.studies.noise",
    "bias_trap": "experiments.studies.bias_trap",
    "momentum": "experiments.studies.momentum",
    "adaptive": "experiments.studies.adaptive",
    "hallucination": "experiments.studies.hallucination",
    "cost": "experiments.studies.cost",
    "budget": "experiments.studies.budget",
    "traces": "experiments.studies.traces",
    "ablation": "experiments.studies.ablation",
    "selection": "experiments.studies.selection",
    "selectors": "experiments.studies.selectors",
    "rugged": "experiments.studies.rugged",
    "paradigms": "experiments.studies.paradigms",
    "paradigms_real": "experiments.studies.paradigms_real",
    "hybrids": "experiments.studies.hybrids",
    "automl": "experiments.studies.automl",
    "reliability": "experiments.studies.reliability",
}


def names() -> tuple[str, ...]:
    """Names of the studies."""
    return tuple(_MODULES)


def load(name: str) -> Study:
    """A study by name.

    Raises:
      SpecError: there is no such study; names what exists.
    """
    if name not in _MODULES:
        raise SpecError(unknown("study", name, _MODULES))
    return importlib.import_module(_MODULES[name]).STUDY
