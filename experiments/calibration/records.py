"""Steps on their way from a log to a calibration, whatever wrote the log."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gome_theory import Observations, Selected


class LoggedStep(NamedTuple):
    """One proposed candidate and what became of it; gains are positive where it is better."""

    trace: str
    gain: float = math.nan
    valid: bool = True
    accepted: bool | None = None
    improved: bool | None = None
    stderr: float = math.nan
    folds: int = 0
    multiplier: float = 1.0
    repeated: bool = False
    overlap: float = math.nan
    seconds: float = math.nan


@dataclass
class TaskLog:
    """Everything that was recorded about one task."""

    task: str
    directed: list[LoggedStep] = field(default_factory=list)
    search: list[LoggedStep] = field(default_factory=list)
    replicate_gains: list[list[float]] = field(default_factory=list)
    replicate_scores: list[list[float]] = field(default_factory=list)
    selected: list[Selected] = field(default_factory=list)
    labelled: int | None = None
    """Steps whose diagnosis the log calls wrong; `None` if it says nothing of the kind."""
    missing: list[str] = field(default_factory=list)
    """What could not be read, in words."""

    def merge(self, other: TaskLog) -> None:
        """Add another log of the same task."""
        for name in ("directed", "search", "replicate_gains", "replicate_scores", "selected"):
            getattr(self, name).extend(getattr(other, name))
        self.missing += [word for word in other.missing if word not in self.missing]
        if other.labelled is not None:
            self.labelled = (self.labelled or 0) + other.labelled

    def beginning(self, length: int) -> tuple[list[LoggedStep], list[LoggedStep]]:
        """The first directed and undirected steps of every trace."""
        return _first(self.directed, length), _first(self.search, length)

    def observations(self, steps: Sequence[LoggedStep], noise: float | None) -> Observations:
        """The arrays that a calibration takes."""
        told = any(step.improved is not None for step in steps)
        decided = all(step.accepted is not None or not step.valid for step in steps)
        folds = [step.folds for step in steps if step.folds > 1]
        repeats = any(step.repeated for step in steps)
        return Observations(
            trace=np.array([step.trace for step in steps]),
            gain=np.array([step.gain for step in steps], float),
            valid=np.array([step.valid for step in steps], bool),
            accepted=np.array([bool(step.accepted) for step in steps]) if decided else None,
            improved=np.array([_improved(step) for step in steps]) if told else None,
            multiplier=np.array([step.multiplier for step in steps], float),
            stderr=np.array([step.stderr for step in steps], float),
            stderr_dof=min(folds) - 1 if folds else math.inf,
            noise=noise,
            replicate_gains=self.replicate_gains,
            replicate_scores=self.replicate_scores,
            selected=self.selected,
            repeated=np.array([step.repeated for step in steps]) if repeats else None,
            overlap=np.array([step.overlap for step in steps], float) if repeats else None,
        )


def _first(steps: Sequence[LoggedStep], length: int) -> list[LoggedStep]:
    seen: Counter[str] = Counter()
    kept = []
    for step in steps:
        seen[step.trace] += 1
        if seen[step.trace] <= length:
            kept.append(step)
    return kept


def _improved(step: LoggedStep) -> bool:
    return step.gain > 0.0 if step.improved is None else step.improved


def add(logs: dict[str, TaskLog], log: TaskLog) -> None:
    """Put a log to those of its task."""
    if log.task in logs:
        logs[log.task].merge(log)
    else:
        logs[log.task] = log
