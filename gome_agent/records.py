"""What a step and a run came to: records for displays, results, selectors and reasoners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import optimizers
from gome_agent.compiled import Settled
from gome_agent.journal import digest
from gome_agent.reasoners.base import Attempt, Solution
from gome_agent.schemas import Edit
from optimizers import Operator


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


@dataclass(frozen=True)
class Result:
    """A run that ended."""

    steps: tuple[Step, ...]
    chosen: int | None
    """Step whose solution the selector submits; `None` if nothing valid was found."""
    evaluations: int
    seconds: float
    ended_by: str

    @property
    def best(self) -> Step | None:
        """The chosen step."""
        return None if self.chosen is None else self.steps[self.chosen]


def history_of(steps: Sequence[Step]) -> optimizers.History:
    """The arrays a selector sees; a withheld step is its parent again and cannot be chosen."""
    return optimizers.History(
        score=jnp.array([step.solution.score for step in steps], jnp.float32),
        stderr=jnp.array([step.solution.stderr for step in steps], jnp.float32),
        valid=jnp.array([step.solution.valid and step.replicates > 0 for step in steps]),
        accepted=jnp.array([step.accepted for step in steps]),
    )


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
        "score": solution.score,
        "stderr": solution.stderr,
        "folds": solution.folds,
        "train_folds": solution.train_folds,
        "feedback": solution.feedback,
        "seconds": solution.seconds,
        "failure": solution.failure,
    }


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
