"""The bench: scripts are run, counted and recorded, and candidates compared with their parents.

A gate that is undecided has candidate and parent measured again, on the split that the replicate's
number stands for, and the measurements pooled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gome_agent.budget import Ledger
from gome_agent.compiled import Compiled, Seen, Settled
from gome_agent.evaluator import Evaluator
from gome_agent.journal import Journal
from gome_agent.reasoners.base import Solution
from gome_agent.records import outcome_of
from gome_agent.schemas import Edit
from gome_agent.tasks.base import Task
from gome_agent.validation import measured_gain
from optimizers import Observation, Proposal, Run, Strategy

FRESH_SPLIT = 1_000_000
"""Replicate whose split decides between finalists: beyond any number that a gate asks for."""


class Answer(NamedTuple):
    """A candidate as the world made it; no edit if the reasoner failed or was not asked."""

    proposal: Proposal
    edit: Edit | None
    params: np.ndarray
    """Where it ended up; the parent's if there is no edit."""
    failure: str


@dataclass(frozen=True)
class Bench:
    """Where the candidates of one run are measured."""

    task: Task
    strategy: Strategy
    compiled: Compiled
    evaluator: Evaluator
    journal: Journal
    ledger: Ledger
    seconds_per_run: float

    def measure(
        self, number: int, run: Run, answer: Answer, parent: int | None, before: Solution | None
    ) -> tuple[Solution, Settled]:
        """Evaluate a candidate, as often as the gate wants, and settle the step.

        Args:
          number: of the step.
          run: state that the candidate was proposed from.
          answer: the candidate, or that there is none.
          parent: step of its (first) parent.
          before: what is known of that parent.
        """
        proposal = answer.proposal
        if answer.edit is None and not answer.failure and before is not None:
            return before, self.compiled.rest(run, proposal)
        if answer.edit is None:
            failed = Solution(script="", valid=False, failure=answer.failure)
            return failed, self.compiled.miss(run, proposal)
        solution = self._evaluate(number, answer.edit)
        self._tell_of_missing_folds(number, solution)
        seen = self._compare(answer.params, solution, before)
        if parent is None or before is None or self.strategy.gate.replicates == 1:
            return solution, self.compiled.conclude(run, proposal, seen)
        observation, again = self.compiled.observe(run, proposal, seen), solution
        while self._wants_replicate(run, observation):
            replicate = int(observation.replicates)
            again = self._replicate(number, number, solution.script, replicate)
            parent_again = self._replicate(number, parent, before.script, replicate)
            same = again.folds and again.folds == solution.folds
            if again.valid and (same or not parent_again.valid):
                reason = parent_again.failure or _SAME_AGAIN
                self._record("failed", number, error="Replicate", reason=reason)
                break
            seen = self._compare(answer.params, again, parent_again)
            compared = self.compiled.observe(run, proposal, seen)
            observation = self.compiled.pool(observation, compared)
        settled = self.compiled.settle(run, proposal, observation)
        if not observation.valid:
            return replace(again, script=solution.script), settled
        score, stderr = float(observation.score), float(observation.stderr)
        return replace(solution, score=score, stderr=stderr), settled

    def revalidate(self, of: int, script: str) -> Solution:
        """Measure the candidate of a step once more, on a split that no gate has used."""
        solution = self._execute(script, of, FRESH_SPLIT)
        outcome = {"of": of, "replicate": FRESH_SPLIT, **outcome_of(solution)}
        self.journal.append("revalidated", outcome)
        return solution

    def _wants_replicate(self, run: Run, observation: Observation) -> bool:
        more = int(observation.replicates) < self.strategy.gate.replicates
        undecided = more and bool(observation.valid)
        undecided = undecided and bool(self.compiled.undecided(run.gate, observation))
        return undecided and self.ledger.affords(evaluations=2)

    def _evaluate(self, number: int, edit: Edit) -> Solution:
        solution = self._execute(edit.script, number, 0)
        log = self.journal.store(solution.log)
        self._record("executed", number, log=log, **outcome_of(solution))
        return solution

    def _replicate(self, number: int, of: int, script: str, replicate: int) -> Solution:
        solution = self._execute(script, of, replicate)
        self._record("replicated", number, of=of, replicate=replicate, **outcome_of(solution))
        return solution

    def _execute(self, script: str, step: int, replicate: int) -> Solution:
        seconds = min(self.seconds_per_run, max(self.ledger.seconds_left, 1.0))
        self.ledger.evaluations += 1
        self.journal.checkpoint()
        return self.evaluator.evaluate(script, step, seconds, replicate)

    def _compare(self, params, solution: Solution, before: Solution | None) -> Seen:
        """What is seen of a candidate beside its parent; a draft has no gain to speak of."""
        gain, gain_stderr = 0.0, 0.0
        if before is not None and solution.valid and before.valid:
            gain, gain_stderr = measured_gain(solution, before, self.task)
        numbers = (solution.score, solution.stderr, solution.valid, gain, gain_stderr)
        numbers = (*numbers, *self._folds(solution))
        return Seen(params, np.array(numbers, np.float32))

    def _folds(self, solution: Solution) -> list[float]:
        """The fold scores that the policy compares; the mean for each if there are not as many."""
        wanted = self.strategy.policy.folds
        if len(solution.folds) != wanted:
            return [solution.score] * wanted
        return [self.task.facts.metric.utility(fold) for fold in solution.folds] if wanted else []

    def _tell_of_missing_folds(self, number: int, solution: Solution) -> None:
        wanted, told = self.strategy.policy.folds, len(solution.folds)
        if wanted and solution.valid and told != wanted:
            reason = (
                f"the policy compares {wanted} folds and the script reports {told}: its mean is "
                "taken for each"
            )
            self._record("failed", number, error="Folds", reason=reason)

    def _record(self, kind, step: int, **payload: Any) -> None:
        self.journal.append(kind, payload, step)


_SAME_AGAIN = (
    "a replicate gave the same folds, so that measuring again tells nothing new: does the script "
    "read the seed of its validation split from the file `replicate`?"
)
