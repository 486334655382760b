"""The reasoner: gradient oracle (diagnose) and retraction (turn directives into a program).

A reasoner sees a `Brief` (what may be known about the task and the run so far) and a `Solution`
(one evaluated script). It never sees private answers, a rule's state, or another run.
All randomness comes from the generator that is passed in, so that a seed repeats a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from gome_agent.journal import digest
from gome_agent.schemas import Diagnosis, Directive, Edit, Preference, Verdict
from gome_agent.tasks.base import TaskFacts
from optimizers.budget import Spent


@dataclass(frozen=True)
class Solution:
    """One script and what running it showed."""

    script: str
    valid: bool
    score: float = float("-inf")
    """Mean validation score in higher-is-better units; -inf for a failed script."""
    stderr: float = 0.0
    folds: tuple[float, ...] = ()
    """Validation score of each fold in the metric's own units."""
    train_folds: tuple[float, ...] = ()
    feedback: Mapping[str, Any] = field(default_factory=dict)
    """Everything else the script reported (per-class errors, learning curve, seconds, ...)."""
    seconds: float = 0.0
    failure: str = ""
    """One sentence when not valid."""
    outcome: str = ""
    """How the program ended, in the sandbox's words; empty if none ran."""
    log: str = ""
    """Tail of standard output and error, for debugging; untrusted text."""


@dataclass(frozen=True)
class Attempt:
    """One past step, as a reasoner may remember it."""

    step: int
    parent: int | None
    operator: str
    applied: tuple[Directive, ...]
    accepted: bool
    valid: bool
    gain: float
    script_digest: str


@dataclass(frozen=True)
class Brief:
    """What a reasoner is told at every call."""

    facts: TaskFacts
    description: str
    public: Path
    """Folder with the public files; read-only."""
    steps_left: int
    seconds_per_run: float
    """Wall limit of one execution of the script."""
    history: tuple[Attempt, ...] = ()
    step: int = 0
    """Number of the step that is being made."""
    used: float = 0.0
    """Share of the budget that is used, in [0, 1]: of whichever currency is nearest to its end."""
    siblings: tuple[str, ...] = ()
    """What other traces of this run are trying, one line each: start elsewhere."""
    seconds_left: float = float("inf")
    """Wall clock that an answer may take."""
    machine: str = ""
    """What a program finds where it runs, in sentences; empty if nobody said."""


Ranked = Sequence[tuple[Directive, float]]


class NoEdit(Exception):
    """The reasoner has nothing (new) to propose here: a failed step, with its reason."""


class MalformedReply(Exception):
    """What came back cannot be read as the schema that was asked for: a failed step."""


class NoReply(MalformedReply):
    """Nothing came back: a failed step, with the model's reason."""


@runtime_checkable
class Reasoner(Protocol):
    """The six things a reasoner is asked for. Each may raise `NoEdit` or `MalformedReply`.

    One that never uses `rng` may have an attribute `draws = False`. It is spared a generator
    seeded for every step, a tenth of a step's cost on the host.
    """

    @property
    def name(self) -> str: ...

    def draft(self, brief: Brief, rng: np.random.Generator) -> Edit:
        """A first complete script, from the task alone."""
        ...

    def diagnose(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Diagnosis:
        """Read the parent's feedback; say what to change and how much it should help."""
        ...

    def edit(
        self, brief: Brief, parent: Solution, ranked: Ranked, rng: np.random.Generator
    ) -> Edit:
        """Carry out the best of the ranked directives that can be carried out (the retraction)."""
        ...

    def improve(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """An undirected change of the parent: what a tree search proposes without a diagnosis."""
        ...

    def crossover(
        self, brief: Brief, parent: Solution, other: Solution, rng: np.random.Generator
    ) -> Edit:
        """A combination of two solutions that ran; `applied` is what leads to it from `parent`."""
        ...

    def debug(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """Repair a parent that failed."""
        ...


@runtime_checkable
class HasVocabulary(Protocol):
    """A reasoner that can list every directive it could carry out on a parent.

    That set spans the space in which its diagnoses are vectors; a reasoner that writes free text
    has no such set.
    """

    def vocabulary(self, brief: Brief, parent: Solution) -> tuple[Directive, ...]:
        """The directives that apply to this parent, in a fixed order."""
        ...


@runtime_checkable
class Judges(Protocol):
    """A reasoner that looks for what a score cannot show: leakage, or another metric."""

    def judge(self, brief: Brief, solution: Solution) -> Verdict:
        """Whether a valid solution's evaluation can be trusted, with evidence.

        Raises:
          MalformedReply: it cannot be told; the caller then does not trust it.
        """
        ...


@runtime_checkable
class Compares(Protocol):
    """A reasoner that can tell the better of two programs that scored alike."""

    def prefer(self, brief: Brief, parent: Solution, child: Solution) -> Preference:
        """Whether the child should replace the parent although their scores are a tie.

        Raises:
          MalformedReply: it cannot be told; the parent stays.
        """
        ...


@runtime_checkable
class Refines(Protocol):
    """A reasoner that can tune a solution's hyper-parameters, leaving its design as it is."""

    def refine(self, brief: Brief, solution: Solution, rng: np.random.Generator) -> Edit:
        """The solution with other hyper-parameters. Raises as `Reasoner.improve`."""
        ...


def pass_on(wrapper: object, inner: object) -> None:
    """Give a wrapper what its inner reasoner can do beyond the six questions, and nothing else.

    The protocols `Judges`, `Compares` and `Refines` are recognized by their methods, so a wrapper
    must have exactly those that the reasoner behind it has.
    """
    for protocol, method in ((Judges, "judge"), (Compares, "prefer"), (Refines, "refine")):
        if isinstance(inner, protocol):
            object.__setattr__(wrapper, method, getattr(inner, method))  # frozen ones too


@runtime_checkable
class HasUsage(Protocol):
    """A reasoner that can tell what it has spent since it was made."""

    @property
    def usage(self) -> Spent | None:
        """Calls, tokens and money; `None` if it turns out that it cannot tell."""
        ...


def usage_of(reasoner: object) -> Spent | None:
    """What a reasoner (or a model behind one) has spent since it was made, if it can tell."""
    return reasoner.usage if isinstance(reasoner, HasUsage) else None


def script_digest(script: str) -> str:
    """SHA-256 of a script's UTF-8 text, in hexadecimal: how `Attempt` names a script.

    >>> script_digest("print(1)")[:8]
    'd287bb7f'
    """
    return digest(script)
