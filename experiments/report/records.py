"""The records that the page is made from: a `Run` and its `Step`s, without anything of SQLite.

Scores are in the metric's own units; gains are higher-is-better, so that a positive gain is always
an improvement. A number that is missing or not finite is `None`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from experiments.costs import Call
from experiments.report.clock import Timeline
from experiments.report.within import Moment

State = Literal["accepted", "rejected", "failed", "withheld", "unfinished"]


@dataclass(frozen=True)
class Weighted:
    """A directive with a number: the rule's weight, or the amount to which it was carried out."""

    statement: str
    component: str
    weight: float | None


@dataclass(frozen=True)
class Suggestion:
    """One suggestion of a diagnosis."""

    statement: str
    component: str
    strength: float | None
    credence: float | None
    evidence: str


@dataclass(frozen=True)
class Exchanged:
    """A call of a model with its texts, which may be cut in the middle."""

    call: Call
    prompt: str
    reply: str


@dataclass(frozen=True)
class Step:
    """Everything the journal says of one step."""

    number: int
    operator: str
    """In lower case; empty if the journal does not say."""
    parent: int | None
    other: int | None
    """Second parent of a crossover."""
    state: State
    reason: str
    """Why the gate decided as it did, or why the step failed."""
    score: float | None
    """Mean over folds and replicates, in the metric's own units; `None` if there is no finite one,
    or nothing was measured."""
    stderr: float | None
    folds: tuple[float | None, ...]
    """Of the first measurement, as `train_folds`."""
    train_folds: tuple[float | None, ...]
    gain: float | None
    """Improvement over the parent, positive is better; `None` if nothing was compared."""
    gain_stderr: float | None
    replicates: int
    """How often the candidate was measured, and its parent beside it from the second time on."""
    run_seconds: float | None
    """Wall clock of the scripts."""
    seconds: float | None
    """Wall clock of the whole step: reasoner, script and bookkeeping."""
    summary: str
    suggestions: tuple[Suggestion, ...]
    """What the diagnoses said, strongest first."""
    diagnoses: int
    """How many were made."""
    reused: bool
    """Whether a diagnosis made earlier was used again."""
    without_slot: tuple[str, ...]
    ranked: tuple[Weighted, ...]
    """The rule's update, largest first."""
    applied: tuple[Weighted, ...]
    note: str
    parameters: Mapping[str, float]
    """Where the candidate ended up: accumulated amount by statement."""
    script: str
    failure: str
    remarks: tuple[str, ...]
    """What went wrong in a step that did not fail by it: one reply of several, a replicate."""
    log: str
    moments: tuple[Moment, ...] = ()
    """What was done with the candidate, where it was more than written and run."""
    exchanges: tuple[Exchanged, ...] = ()
    """In the order in which they were over."""


@dataclass(frozen=True)
class Grade:
    """Held-out result, in the metric's own units."""

    score: float | None
    medal: str
    rank: int | None
    teams: int | None
    above_median: bool
    thresholds: Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """One run as the page shows it."""

    task: str
    strategy: str
    reasoner: str
    seed: str
    metric: str
    higher_is_better: bool
    sandbox: str
    not_covered: tuple[str, ...]
    versions: Mapping[str, str]
    steps_allowed: int | None
    seconds_allowed: float | None
    seconds_per_run: float | None
    started: float | None
    """Seconds since the epoch, as `last_event`."""
    last_event: float | None
    interrupted: bool
    ended_by: str
    """Empty while the run is on, or if it stopped without a word."""
    evaluations: int
    seconds: float | None
    chosen: int | None
    """Step whose solution is submitted; while no end is recorded, the best accepted one so far."""
    averaged: tuple[int, ...]
    """Steps whose predictions were averaged; empty if one was submitted."""
    revalidated: tuple[tuple[int, float | None], ...]
    """Step and score of what was measured once more after the search, in order of rank; no score
    if it failed then."""
    selector_note: str
    held_out: Grade | None
    first_held_out: Grade | None
    oracle: tuple[int, Grade] | None
    """The step with the best held-out result of all: chosen with the answers, for reports only."""
    timeline: Timeline
    steps: tuple[Step, ...] = ()
    calls: tuple[Call, ...] = ()
    """Of models, those that belong to no step included."""

    @property
    def finished(self) -> bool:
        """Whether the journal records an end."""
        return bool(self.ended_by)

    @property
    def best(self) -> Step | None:
        """The chosen step."""
        return next((step for step in self.steps if step.number == self.chosen), None)

    @property
    def first(self) -> Step | None:
        """The first step with a score."""
        return next((step for step in self.steps if step.score is not None), None)

    @property
    def improvement(self) -> float | None:
        """How much better the chosen step scores than the first; positive is better."""
        best, first = self.best, self.first
        if best is None or first is None or best.score is None or first.score is None:
            return None
        difference = best.score - first.score
        return difference if self.higher_is_better else -difference

    @property
    def side_by_side(self) -> bool:
        """Whether steps were ever under way together."""
        return any(self.timeline.beside(step.number) for step in self.steps)

    def traces(self) -> dict[int, int]:
        """The draft that each step comes from, by (first) parents; a crossover's is the first's."""
        roots: dict[int, int] = {}
        for step in self.steps:
            parent = -1 if step.parent is None else step.parent
            roots[step.number] = roots.get(parent, step.number)
        return roots

    def count(self, state: State) -> int:
        """Number of steps in a state."""
        return sum(step.state == state for step in self.steps)

    def lineage(self) -> tuple[Step, ...]:
        """The accepted path: from a draft, parent by parent, to the chosen step.

        Empty if nothing was chosen. A parent that the journal lacks ends the path.
        """
        by_number = {step.number: step for step in self.steps}
        path: list[Step] = []
        step = self.best
        while step is not None and step not in path:
            path.append(step)
            step = None if step.parent is None else by_number.get(step.parent)
        return tuple(reversed(path))


def same_statement(one: str, other: str) -> bool:
    """Whether two statements are the same up to case, spaces and final stops.

    >>> same_statement("Scale the columns.", "scale  the columns")
    True
    """
    return _key(one) == _key(other)


def _key(statement: str) -> str:
    return " ".join(statement.casefold().split()).rstrip(".!; ")
