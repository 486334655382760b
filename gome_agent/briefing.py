"""What a reasoner is told at a step, and how long a script may run by now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gome_agent.budget import Ledger
from gome_agent.making import NOTHING, Order, UnderWay
from gome_agent.reasoners.base import Attempt, Brief
from gome_agent.records import Step
from gome_agent.tasks.base import Task
from optimizers import Operator

LONGEST = 2.0
"""Of the time that a script is given at first."""
_LONGER = 0.3
_SIBLINGS = 5

Machine = Callable[[float, float], str]
"""Tells of the machine: from the seconds that are left of the run and a script's, to sentences."""


def nothing_said(seconds_left: float, seconds_per_run: float) -> str:
    """A machine of which nobody said anything."""
    return ""


@dataclass
class Briefing:
    """Composes orders from the story of a run so far.

    Attributes:
      steps: those that are settled, in order; the run's own list.
      draws: whether the reasoner uses its generator.
      machine: what is told of where programs run.
    """

    task: Task
    public: Path
    ledger: Ledger
    seconds_per_run: float
    seed: int
    steps: list[Step]
    draws: bool = True
    machine: Machine = nothing_said
    attempts: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._undrawn = None if self.draws else np.random.default_rng(self.seed)

    def order(
        self,
        number: int,
        operator: Operator,
        parent: int | None,
        other: int | None,
        used: float,
        under_way: Iterable[UnderWay],
    ) -> Order:
        """What is to be made at a step; it is ranked later, if at all.

        Args:
          number: of the step.
          operator: how the candidate is made.
          parent: step of the (first) parent.
          other: step of the second one.
          used: share of the budget.
          under_way: steps that were begun and are not settled.
        """
        left = self.ledger.budget.seconds - self.ledger.elapsed
        brief = Brief(
            facts=self.task.facts,
            description=self.task.description,
            public=self.public,
            steps_left=int(self.ledger.budget.steps) - number,
            seconds_per_run=self.limit(),
            seconds_left=left,
            history=tuple(self.attempts),
            step=number,
            used=used,
            siblings=self._siblings(parent, under_way),
            machine=self.machine(left, self.limit()),
        )
        return Order(
            number=number,
            operator=operator,
            brief=brief,
            source=NOTHING if parent is None else self.steps[parent].solution,
            other=NOTHING if other is None else self.steps[other].solution,
            ranked=(),
            rng=self._undrawn or np.random.default_rng([self.seed, number]),
        )

    def limit(self) -> float:
        """Seconds that a script may run: three tenths more for each that was too slow, at most
        `LONGEST` times what it was.

        As the published agent's limits ("Reasoning as Gradient", arXiv:2603.01692), except that
        what is left of the clock always holds (`Bench`).
        """
        slow = sum(step.solution.outcome == "timeout" for step in self.steps)
        return self.seconds_per_run * min(LONGEST, 1.0 + _LONGER * slow)

    def _siblings(self, parent: int | None, under_way: Iterable[UnderWay]) -> tuple[str, ...]:
        """What the other steps under way start from, in a few words each."""
        others = {one.parent for one in under_way if one.parent is not None} - {parent}
        about = [self.steps[step].edit for step in sorted(others)]
        return tuple(edit.note for edit in about if edit is not None and edit.note)[-_SIBLINGS:]
