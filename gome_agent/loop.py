"""The host driver: the same `ask`, `propose` and `settle` as the simulator, with a real world.

One step: the policy chooses a node and an operator; the reasoner answers (a diagnosis becomes a
gradient over directives, the rule turns it into an update, the update ranks directives, the
reasoner carries the best of them out); the script is evaluated; the gate decides. Everything that
happens is an event in the journal. A step that fails, for whatever reason of the reasoner's or the
script's, is a recorded failed step, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import optimizers
from gome_agent.budget import Budget, BudgetExhausted, Ledger
from gome_agent.evaluator import Evaluator
from gome_agent.journal import Journal, digest
from gome_agent.reasoners.base import (
    Attempt,
    Brief,
    MalformedReply,
    NoEdit,
    Ranked,
    Reasoner,
    Solution,
)
from gome_agent.schemas import Directive, Edit
from gome_agent.tasks.base import Task
from gome_agent.validation import paired_gain
from optimizers import Lexicon, Operator, Strategy

SHOWN_WEIGHTS = 20


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


@dataclass
class Agent:
    """A strategy, a reasoner and an evaluator at work on one task.

    Attributes:
      on_step: called after every settled step, for displays.
    """

    task: Task
    strategy: Strategy
    reasoner: Reasoner
    evaluator: Evaluator
    journal: Journal
    budget: Budget
    public: Path
    seed: int = 0
    seconds_per_run: float = 300.0
    capacity: int = 128
    on_step: Callable[[Step], None] = lambda step: None
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self._ask = _compiled(optimizers.ask, self.strategy)
        self._propose = _compiled(optimizers.propose, self.strategy)
        self._settle = _compiled(optimizers.settle, self.strategy)
        self._lexicon = Lexicon(self.capacity)
        self.state = optimizers.init(
            self.strategy,
            jnp.zeros(self.capacity),
            jax.random.key(self.seed),
            self.budget.steps,
        )
        self._steps: list[Step] = []
        self._node_step: dict[int, int] = {}
        self.ledger = Ledger(self.budget)

    @property
    def lexicon(self) -> Lexicon:
        """Which directive lives in which slot so far."""
        return self._lexicon

    def run(self) -> Result:
        """Take steps until the budget ends, then let the selector choose.

        Ctrl-C ends the run after recording it; what was found is still in the result.
        """
        try:
            while True:
                self.ledger.check()
                self.on_step(self.step())
        except BudgetExhausted as limit:
            ended_by = str(limit)
        except KeyboardInterrupt:
            ended_by = "interrupted"
            self.journal.append("interrupted", {"at_step": len(self._steps)})
        return Result(
            steps=tuple(self._steps),
            chosen=self._choose(),
            evaluations=self.ledger.evaluations,
            seconds=self.ledger.elapsed,
            ended_by=ended_by,
        )

    def step(self) -> Step:
        """One full step, from the policy's choice to the gate's decision."""
        number = self.ledger.steps
        rng = np.random.default_rng([self.seed, number])
        expansion, self.state = self._ask(self.state)
        operator = Operator(int(expansion.operator))
        parent = self._node_step.get(int(expansion.parent))
        self._record("asked", number, operator=operator.name, parent=parent)

        answer = self._answer(number, operator, expansion, parent, rng)
        solution = self._evaluate(number, answer)
        observation = self._observe(expansion, answer, solution, parent)
        self.state, decision = self._settle(self.state, answer.proposal, observation)
        self.ledger.steps += 1

        accepted, slot = bool(decision.accepted), int(decision.slot)
        if slot >= 0:
            self._node_step[slot] = number
        gain, gain_stderr = float(observation.gain), float(observation.gain_stderr)
        step = Step(
            step=number,
            operator=operator,
            parent=parent,
            edit=answer.edit,
            solution=solution,
            accepted=accepted,
            gain=gain,
            gain_stderr=gain_stderr,
            reason=_reason(operator, solution, accepted, gain, gain_stderr),
        )
        self._steps.append(step)
        self._record(
            "settled",
            number,
            accepted=accepted,
            node=slot,
            gain=gain,
            gain_stderr=gain_stderr,
            reason=step.reason,
            parameters=self._named(observation.params),
        )
        return step

    # -- the world's answers -------------------------------------------------------------------

    def _answer(self, number, operator, expansion, parent, rng) -> _Answer:
        """Ask the reasoner for a candidate; a reasoner that fails gives an answer without one."""
        brief = self._brief()
        # A draft has no parent and does not look at the source.
        source = self._steps[parent].solution if parent is not None else Solution("", valid=False)
        silence = jnp.zeros(self.capacity)
        proposal = self._propose(self.state, expansion, silence)
        try:
            match operator:
                case Operator.DESCEND:
                    gradient = self._diagnose(number, brief, source, rng)
                    proposal = self._propose(self.state, expansion, gradient)
                    edit = self._carry_out(number, brief, source, proposal, rng)
                case Operator.IMPROVE:
                    edit = self.reasoner.improve(brief, source, rng)
                case Operator.DEBUG:
                    edit = self.reasoner.debug(brief, source, rng)
                case Operator.DRAFT:
                    edit = self.reasoner.draft(brief, rng)
            amounts = self._amounts(number, edit)
        except (NoEdit, MalformedReply) as failure:
            self._record("failed", number, error=type(failure).__name__, reason=str(failure))
            return _Answer(proposal, None, np.asarray(proposal.params), str(failure))
        base = np.asarray(optimizers.parent_params(self.state, expansion))
        if operator == Operator.DESCEND:
            moved = base + amounts * np.asarray(proposal.update)
        else:
            moved = base + amounts
        self._record(
            "proposed",
            number,
            script=self.journal.store(edit.script),
            applied=[directive.model_dump() for directive in edit.applied],
            amounts=list(edit.amounts),
            note=edit.note,
        )
        return _Answer(proposal, edit, moved, "")

    def _diagnose(self, number, brief, source, rng) -> np.ndarray:
        """The textual gradient at a solution, as a vector over the lexicon's slots."""
        diagnosis = self.reasoner.diagnose(brief, source, rng)
        self._lexicon, gradient, dropped = optimizers.encode(
            self._lexicon, diagnosis.to_core(), number
        )
        self._record(
            "diagnosed",
            number,
            summary=diagnosis.summary,
            suggestions=[suggestion.model_dump() for suggestion in diagnosis.suggestions],
            without_slot=[directive.statement for directive in dropped],
        )
        return gradient

    def _carry_out(self, number, brief, source, proposal, rng) -> Edit:
        """Rank directives by the rule's update and let the reasoner write the best of them."""
        weighted = optimizers.decode(self._lexicon, np.asarray(proposal.update))
        ranked: Ranked = tuple((Directive.from_core(d), weight) for d, weight in weighted)
        self._record(
            "ranked",
            number,
            directives=[
                {**directive.model_dump(), "weight": weight}
                for directive, weight in ranked[:SHOWN_WEIGHTS]
            ],
        )
        return self.reasoner.edit(brief, source, ranked, rng)

    def _amounts(self, number: int, edit: Edit) -> np.ndarray:
        """How far the edit went along each slot, shape `(capacity,)`."""
        amounts = np.zeros(self.capacity, np.float32)
        for i, applied in enumerate(edit.applied):
            directive = applied.to_core()
            self._lexicon = self._lexicon.admit(directive, number)
            slot = self._lexicon.slot(directive)
            if slot is not None:
                amounts[slot] = edit.amounts[i] if edit.amounts else 1.0
        return amounts

    def _evaluate(self, number: int, answer: _Answer) -> Solution:
        if answer.edit is None:
            return Solution(script="", valid=False, failure=answer.failure)
        seconds = min(self.seconds_per_run, max(self.ledger.seconds_left, 1.0))
        solution = self.evaluator.evaluate(answer.edit.script, number, seconds)
        self.ledger.evaluations += 1
        self._record(
            "executed",
            number,
            valid=solution.valid,
            score=solution.score,
            stderr=solution.stderr,
            folds=list(solution.folds),
            train_folds=list(solution.train_folds),
            feedback=dict(solution.feedback),
            seconds=solution.seconds,
            failure=solution.failure,
            log=self.journal.store(solution.log),
        )
        return solution

    def _observe(self, expansion, answer, solution, parent) -> optimizers.Observation:
        paired = None
        if parent is not None and solution.valid and self._steps[parent].solution.valid:
            paired = paired_gain(solution, self._steps[parent].solution, self.task)
        gain, gain_stderr = paired or (None, None)
        return optimizers.observe(
            self.state,
            expansion,
            jnp.asarray(answer.params),
            solution.score,
            stderr=solution.stderr,
            valid=solution.valid,
            gain=gain,
            gain_stderr=gain_stderr,
        )

    # -- book-keeping --------------------------------------------------------------------------

    def _brief(self) -> Brief:
        return Brief(
            facts=self.task.facts,
            description=self.task.description,
            public=self.public,
            steps_left=self.ledger.steps_left,
            seconds_per_run=self.seconds_per_run,
            history=tuple(_attempt(step) for step in self._steps),
        )

    def _choose(self) -> int | None:
        if not self._steps:
            return None
        index = int(self.strategy.selector(history_of(self._steps)))
        return index if index >= 0 else None

    def _named(self, vector) -> dict[str, float]:
        """Weights by statement, largest first: what the journal keeps of a vector."""
        values = np.asarray(vector)[: len(self._lexicon.directives)]
        order = np.argsort(-np.abs(values), kind="stable")[:SHOWN_WEIGHTS]
        return {self._lexicon.directives[i].statement: float(values[i]) for i in order if values[i]}

    def _record(self, kind, step: int, **payload: Any) -> None:
        self.journal.append(kind, payload, step)


def _compiled(function: Callable[..., Any], strategy: Strategy) -> Callable[..., Any]:
    """Compile quickly rather than well: these run once a step, on a few hundred numbers."""
    return jax.jit(
        partial(function, strategy), compiler_options={"xla_backend_optimization_level": 0}
    )


class _Answer(NamedTuple):
    """A candidate as the world made it; without an edit if the reasoner failed."""

    proposal: optimizers.Proposal
    edit: Edit | None
    params: np.ndarray
    failure: str


def history_of(steps: list[Step] | tuple[Step, ...]) -> optimizers.History:
    """The arrays a selector sees."""
    return optimizers.History(
        score=jnp.array([step.solution.score for step in steps], jnp.float32),
        stderr=jnp.array([step.solution.stderr for step in steps], jnp.float32),
        valid=jnp.array([step.solution.valid for step in steps]),
        accepted=jnp.array([step.accepted for step in steps]),
    )


def _attempt(step: Step) -> Attempt:
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


def _reason(
    operator: Operator, solution: Solution, accepted: bool, gain: float, gain_stderr: float
) -> str:
    """One sentence on a decision, from the numbers it was taken on."""
    if not solution.valid:
        return f"failed: {solution.failure}"
    if operator == Operator.DRAFT:
        return f"draft that runs, score {solution.score:.5g}"
    verdict = "accepted" if accepted else "rejected"
    return f"{verdict}: gain {gain:+.3g} with standard error {gain_stderr:.2g}"
