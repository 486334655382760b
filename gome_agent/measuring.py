"""The bench: scripts are run, counted and recorded, and candidates compared with their parents.

A gate that is undecided has candidate and parent measured again, on the split that the replicate's
number stands for, and the measurements pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from gome_agent.budget import Ledger
from gome_agent.compiled import Compiled, Seen, Settled
from gome_agent.evaluator import Evaluator, KeepsVersions, Rehearses
from gome_agent.journal import Event, Journal, Kind
from gome_agent.reasoners.base import Solution
from gome_agent.records import outcome_of, require_same_script, solution_of
from gome_agent.tasks.base import Task
from gome_agent.validation import measured_gain
from optimizers import Observation, Proposal, Run, Strategy

FRESH_SPLIT = 1_000_000
"""Replicate whose split decides between finalists: beyond any number that a gate asks for."""


class Begun(Protocol):
    """What the bench has to know of a step."""

    @property
    def number(self) -> int: ...

    @property
    def parent(self) -> int | None:
        """Step of the (first) parent of its candidate."""
        ...

    @property
    def before(self) -> Solution | None:
        """What is known of that parent."""
        ...


@dataclass(frozen=True)
class Bench:
    """Where the candidates of one run are measured."""

    task: Task
    strategy: Strategy
    compiled: Compiled
    evaluator: Evaluator
    journal: Journal
    ledger: Ledger
    limit: Callable[[], float]
    """Seconds that a script which is run again may take by now; for the driver's thread."""

    def keep(self, number: int, script: str) -> None:
        """The files of a step are those of this script, of several that were run."""
        if isinstance(self.evaluator, KeepsVersions):
            self.evaluator.keep(script, number)

    def rehearse(self, number: int, script: str, seconds: float) -> Solution | None:
        """Try a candidate on a sample of the data, where the evaluator can. Not an evaluation."""
        followed, tried = self.journal.ahead(number), None
        replayed = self.journal.recording is not None and self.journal.recording.strict
        if followed is None and not replayed and isinstance(self.evaluator, Rehearses):
            tried = self.evaluator.rehearse(script, number, self._within(seconds))
        if tried is None and (followed is None or followed.kind != "rehearsed"):
            return None
        return self._recorded("rehearsed", number, script, followed, tried)

    def evaluate(self, number: int, script: str, seconds: float) -> Solution:
        """Measure a candidate for the first time; does not count it. Safe for threads."""
        solution = self._execute("executed", number, number, script, 0, seconds)
        wanted, told = self.strategy.policy.folds, len(solution.folds)
        if wanted and solution.valid and told != wanted:
            reason = (
                f"the policy compares {wanted} folds and the script reports {told}: its mean is "
                "taken for each"
            )
            self._record("failed", number, error="Folds", reason=reason)
        return solution

    def settle(
        self,
        step: Begun,
        run: Run,
        proposal: Proposal,
        params: np.ndarray,
        solution: Solution,
        prefers: Callable[[], bool],
    ) -> tuple[Solution, Settled]:
        """Settle the step of a candidate, after as many measurements more as the gate wants.

        Args:
          step: as it was begun.
          run: the state that it is settled in.
          proposal: as it was proposed.
          params: where the candidate ended up.
          solution: its first measurement.
          prefers: asks for a comparison of the two programs, where the gate wants one.

        Returns:
          What is known of the candidate now, and the settled step.
        """
        number, parent, before = step.number, step.parent, step.before
        seen = self._compare(params, solution, before)
        gate = self.strategy.gate
        by_score = gate.replicates == 1 and not gate.compares
        if parent is None or before is None or by_score:
            return solution, self.compiled.conclude(run, proposal, seen)
        observation, again = self.compiled.observe(run, proposal, seen), solution
        while self._wants_replicate(number, run, observation):
            replicate = int(observation.replicates)
            again = self._replicate(number, number, solution.script, replicate)
            parent_again = self._replicate(number, parent, before.script, replicate)
            same = again.folds and again.folds == solution.folds
            if again.valid and (same or not parent_again.valid):
                reason = parent_again.failure or _SAME_AGAIN
                self._record("failed", number, error="Replicate", reason=reason)
                break
            seen = self._compare(params, again, parent_again)
            compared = self.compiled.observe(run, proposal, seen)
            observation = self.compiled.pool(observation, compared)
        if gate.compares and observation.valid and self.compiled.tied(run.gate, observation):
            observation = observation._replace(preferred=np.array(prefers()))
        settled = self.compiled.settle(run, proposal, observation)
        if not observation.valid:
            return replace(again, script=solution.script), settled
        score, stderr = float(observation.score), float(observation.stderr)
        return replace(solution, score=score, stderr=stderr), settled

    def may_revalidate(self) -> bool:
        """Whether the budget pays for it; in a run that is followed, whether it was done."""
        recording = self.journal.recording
        if recording is not None and (recording.strict or recording.peek(None) is not None):
            return recording.peek(None) is not None
        return self.ledger.seconds_left > 0 and self.ledger.affords(evaluations=1)

    def revalidate(self, of: int, script: str) -> Solution:
        """Measure the candidate of a step once more, on a split that no gate has used."""
        self.ledger.evaluations += 1
        return self._execute("revalidated", None, of, script, FRESH_SPLIT, self.limit())

    def _wants_replicate(self, number: int, run: Run, observation: Observation) -> bool:
        followed = self.journal.ahead(number)
        if followed is not None:
            return followed.kind == "replicated"
        more = int(observation.replicates) < self.strategy.gate.replicates
        undecided = more and bool(observation.valid)
        undecided = undecided and bool(self.compiled.undecided(run.gate, observation))
        return undecided and self.ledger.affords(evaluations=2)

    def _replicate(self, number: int, of: int, script: str, replicate: int) -> Solution:
        self.ledger.evaluations += 1
        return self._execute("replicated", number, of, script, replicate, self.limit())

    def _execute(
        self,
        kind: Kind,
        number: int | None,
        of: int,
        script: str,
        replicate: int,
        seconds: float,
    ) -> Solution:
        """Run a script, unless it is known what that came to; record it."""
        known, fresh = self.journal.answer(number, kind), None
        if known is None:
            self.journal.checkpoint()
            fresh = self.evaluator.evaluate(script, of, self._within(seconds), replicate)
        again = {} if kind == "executed" else {"of": of, "replicate": replicate}
        return self._recorded(kind, number, script, known, fresh, again)

    def _within(self, seconds: float) -> float:
        """So many seconds of a script, or what is left of the clock."""
        return max(1.0, min(seconds, self.ledger.seconds_left))

    def _recorded(
        self,
        kind: Kind,
        number: int | None,
        script: str,
        known: Event | None,
        fresh: Solution | None,
        about: Mapping[str, int] = MappingProxyType({}),
    ) -> Solution:
        """Put down what a script came to, as it was found now or before.

        What is returned has passed through the record, so that a run which is followed sees the
        same to the last digit.
        """
        if fresh is not None:
            log = self.journal.kept(fresh.log)
            texts = {"script": self.journal.store(script), "log": self.journal.store(log)}
            payload = self.journal.as_kept({**texts, **outcome_of(fresh), **about})
        else:
            assert known is not None
            payload = dict(known.payload)
            require_same_script(payload, self.journal.kept(script), number)
            self.journal.store(script)
            log = self.journal.followed_text(payload["log"])
        self.journal.append(kind, payload, number)
        self.journal.checkpoint()
        return solution_of(payload, script, log)

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

    def _record(self, kind, step: int, **payload: Any) -> None:
        self.journal.append(kind, payload, step)


_SAME_AGAIN = (
    "a replicate gave the same folds, so that measuring again tells nothing new: does the script "
    "read the seed of its validation split from the file `replicate`?"
)
