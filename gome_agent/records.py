"""What a step and a run came to: records for displays, results, selectors and reasoners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import optimizers
from gome_agent.compiled import Settled
from gome_agent.journal import digest
from gome_agent.reasoners.base import Attempt, Solution
from gome_agent.recording import Diverged
from gome_agent.schemas import Edit
from gome_agent.tasks.base import Metric
from optimizers import Operator
from optimizers.budget import Spent

DIVERGED = "the rule's update is not finite: it diverged, or divides by zero"


class Step(NamedTuple):
    """What a step came to: for progress displays and for the result."""

    step: int
    operator: Operator
    parent: int | None
    edit: Edit | None
    solution: Solution
    accepted: bool
    gain: float
    gain_stderr: float
    reason: str
    replicates: int = 1
    """Measurements that were pooled; 0 for a step that was withheld."""
    other: int | None = None
    """Second parent of a crossover."""
    spent: Spent = Spent()
    """By the run, this step included."""


class Fresh(NamedTuple):
    """A candidate that was measured once more after the search."""

    step: int
    solution: Solution


@dataclass(frozen=True)
class Result:
    """A run that ended."""

    steps: tuple[Step, ...]
    submitted: tuple[int, ...]
    """Steps that the selector submits: one, or several whose predictions are averaged, best first;
    empty if nothing valid was found."""
    spent: Spent
    ended_by: str
    revalidated: tuple[Fresh, ...] = ()
    """Fresh measurements that the selector asked for, in order of rank."""
    note: str = ""
    """What the selector wanted and could not have; empty if nothing."""

    @property
    def chosen(self) -> int | None:
        """Step that is submitted, the first one of several; `None` if nothing valid was found."""
        return self.submitted[0] if self.submitted else None

    @property
    def evaluations(self) -> int:
        """Measurements, those of repairs and replicates included."""
        return self.spent.evaluations

    @property
    def seconds(self) -> float:
        """Wall clock."""
        return self.spent.seconds

    @property
    def best(self) -> Step | None:
        """The chosen step."""
        return next((step for step in self.steps if step.step == self.chosen), None)


def history_of(steps: Sequence[Step], metric: Metric) -> optimizers.History:
    """The arrays a selector sees; a withheld step is its parent again and cannot be chosen.

    Fold scores are among them if all valid solutions have as many.
    """
    return optimizers.History(
        score=jnp.array([step.solution.score for step in steps], jnp.float32),
        stderr=jnp.array([step.solution.stderr for step in steps], jnp.float32),
        valid=jnp.array([_is_candidate(step) for step in steps]),
        accepted=jnp.array([step.accepted for step in steps]),
        folds=_folds_of(steps, metric),
    )


def _folds_of(steps: Sequence[Step], metric: Metric) -> jnp.ndarray | None:
    numbers = {len(step.solution.folds) for step in steps if _is_candidate(step)}
    if len(numbers) != 1 or 0 in numbers:
        return None
    nothing = [float("-inf")] * max(numbers)
    rows = [
        [metric.utility(fold) for fold in step.solution.folds] if _is_candidate(step) else nothing
        for step in steps
    ]
    return jnp.array(rows, jnp.float32)


def _is_candidate(step: Step) -> bool:
    return step.solution.valid and step.replicates > 0


def attempt_of(step: Step) -> Attempt:
    """What a reasoner may remember of a step."""
    edit = step.edit
    return Attempt(
        step=step.step,
        parent=step.parent,
        operator=step.operator.name,
        applied=edit.applied if edit else (),
        accepted=step.accepted,
        valid=step.solution.valid,
        gain=step.gain if step.solution.valid else float("-inf"),
        script_digest=digest(edit.script) if edit else "",
    )


def outcome_of(solution: Solution) -> dict[str, Any]:
    """What the journal keeps of a measurement, beside script and log."""
    return {
        "valid": solution.valid,
        "outcome": solution.outcome,
        "score": solution.score,
        "stderr": solution.stderr,
        "folds": solution.folds,
        "train_folds": solution.train_folds,
        "feedback": solution.feedback,
        "seconds": solution.seconds,
        "failure": solution.failure,
    }


def solution_of(outcome: Mapping[str, Any], script: str, log: str) -> Solution:
    """The solution that a journal's record of a measurement, as it reads, tells of."""
    return Solution(
        script=script,
        valid=outcome["valid"],
        outcome=outcome.get("outcome", ""),
        score=float(outcome["score"]),
        stderr=float(outcome["stderr"]),
        folds=tuple(map(float, outcome["folds"])),
        train_folds=tuple(map(float, outcome["train_folds"])),
        feedback=outcome["feedback"],
        seconds=float(outcome["seconds"]),
        failure=outcome["failure"],
        log=log,
    )


def require_same_script(outcome: Mapping[str, Any], script: str, number: int | None) -> None:
    """Refuse the record of another script.

    Raises:
      Diverged: it is of another one.
    """
    if outcome.get("script", digest(script)) != digest(script):
        where = "after the last step" if number is None else f"at step {number}"
        raise Diverged(
            f"{where}, another script was run before ({outcome['script'][:12]}) than the one that "
            f"is to be run now ({digest(script)[:12]}): the reasoner or its versions have changed"
        )


def named(
    directives: Sequence[optimizers.Directive], vector: np.ndarray, top: int
) -> dict[str, float]:
    """The largest entries of a vector over directives, by statement; zeros are left out."""
    pairs = zip(directives, vector.tolist(), strict=False)
    moved = sorted((pair for pair in pairs if pair[1]), key=lambda pair: -abs(pair[1]))
    return {directive.statement: weight for directive, weight in moved[:top]}


def reason_of(operator: Operator, solution: Solution, settled: Settled) -> str:
    """One sentence on a decision, from the numbers it was taken on."""
    if not solution.valid:
        return f"failed: {solution.failure}"
    if operator == Operator.DRAFT:
        return f"draft that runs, score {solution.score:.5g}"
    if settled.replicates == 0:
        return "withheld: the update is zero, so there is nothing to try"
    verdict = "accepted" if settled.accepted else "rejected"
    times = f" over {settled.replicates} replicates" if settled.replicates > 1 else ""
    return (
        f"{verdict}: gain {settled.gain:+.3g} with standard error {settled.gain_stderr:.2g}{times}"
    )
