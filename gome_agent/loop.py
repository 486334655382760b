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
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import optimizers
from gome_agent.budget import Budget, BudgetExhausted, Ledger
from gome_agent.choosing import choose, require_blind
from gome_agent.compiled import Asked, Compiled
from gome_agent.evaluator import Evaluator
from gome_agent.journal import Journal
from gome_agent.measuring import Answer, Bench
from gome_agent.reasoners.base import (
    Attempt,
    Brief,
    MalformedReply,
    NoEdit,
    Ranked,
    Reasoner,
    Solution,
    usage_of,
)
from gome_agent.records import DIVERGED, Result, Step, attempt_of, named, reason_of
from gome_agent.schemas import Directive, Edit
from gome_agent.tasks.base import Task
from optimizers import Embedder, Lexicon, Operator, Strategy

SHOWN_WEIGHTS = 20
INTERRUPTED = "interrupted"


@dataclass
class Agent:
    """A strategy, a reasoner and an evaluator at work on one task.

    Attributes:
      capacity: slots of the lexicon.
      embed: recognises paraphrases of a directive; `None`: only equal texts share a slot.
      diagnoses: how many to ask for before a directed step; more than one needs a rule that
        aggregates (`consensus`).
      on_step: called after every settled step, for displays.

    Raises:
      SelectorError: the strategy's selector reads the answers.
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
    embed: Embedder | None = None
    diagnoses: int = 1
    on_step: Callable[[Step], None] = lambda step: None
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        require_blind(self.strategy.selector)
        self.ledger = Ledger(self.budget, usage=partial(usage_of, self.reasoner))
        self._compiled = Compiled(self.strategy)
        self._lexicon = Lexicon(self.capacity)
        self.state = optimizers.init(
            self.strategy,
            jnp.zeros(self.capacity),
            jax.random.key(self.seed),
            int(self.budget.steps),
        )
        self._asked = self._compiled.ask(self.state)
        self._steps: list[Step] = []
        self._attempts: list[Attempt] = []
        self._node_step: dict[int, int] = {}
        draws = getattr(self.reasoner, "draws", True)
        self._undrawn = None if draws else np.random.default_rng(self.seed)
        self._bench = Bench(
            self.task,
            self.strategy,
            self._compiled,
            self.evaluator,
            self.journal,
            self.ledger,
            self.seconds_per_run,
        )

    @property
    def lexicon(self) -> Lexicon:
        """Which directive lives in which slot so far."""
        return self._lexicon

    def run(self) -> Result:
        """Take steps until the budget ends, then let the selector choose.

        What the selector wants measured again comes on top of the steps, within the seconds.
        Ctrl-C ends the run after recording it; what was found is still in the result.
        """
        try:
            while True:
                self.ledger.check(reserve=self.strategy.selector.revalidates)
                self.on_step(self.step())
        except BudgetExhausted as limit:
            ended_by = str(limit)
        except KeyboardInterrupt:
            ended_by = INTERRUPTED
            self.journal.append("interrupted", {"at_step": len(self._steps)})
            self.journal.flush()
        ended = ended_by != INTERRUPTED
        choice = choose(self.strategy.selector, self._steps, self._bench, ended=ended)
        return Result(
            steps=tuple(self._steps),
            submitted=choice.steps,
            spent=self.ledger.spent,
            ended_by=ended_by,
            revalidated=choice.fresh,
            note=choice.note,
        )

    def step(self) -> Step:
        """One full step, from the policy's choice to the gate's decision."""
        number = self.ledger.steps
        rng = self._undrawn or np.random.default_rng([self.seed, number])
        asked = self._asked
        self.state = self.state._replace(policy=asked.policy)
        operator, parent = asked.operator, self._node_step.get(asked.parent)
        other = self._node_step.get(asked.other)
        crossed = {} if other is None else {"other": other}
        self._record("asked", number, operator=operator.name, parent=parent, **crossed)

        before = None if parent is None else self._steps[parent].solution
        second = None if other is None else self._steps[other].solution
        answer = self._answer(number, asked, before or _NOTHING, second or _NOTHING, rng)
        solution, settled = self._bench.measure(number, self.state, answer, parent, before)
        self.state, self._asked = settled.run, settled.next
        self.ledger.steps += 1

        if settled.slot >= 0:
            self._node_step[settled.slot] = number
        step = Step(
            step=number,
            operator=operator,
            parent=parent,
            other=other,
            edit=answer.edit,
            solution=solution,
            accepted=settled.accepted,
            gain=settled.gain,
            gain_stderr=settled.gain_stderr,
            reason=reason_of(operator, solution, settled),
            replicates=settled.replicates,
            spent=self.ledger.spent,
        )
        self._steps.append(step)
        self._attempts.append(attempt_of(step))
        self._record(
            "settled",
            number,
            accepted=step.accepted,
            node=settled.slot,
            gain=step.gain,
            gain_stderr=step.gain_stderr,
            reason=step.reason,
            score=solution.score,
            stderr=solution.stderr,
            replicates=step.replicates,
            parameters=named(self._lexicon.directives, answer.params, SHOWN_WEIGHTS),
        )
        self.journal.checkpoint()
        return step

    # -- the world's answers -------------------------------------------------------------------

    def _answer(self, number, asked: Asked, source, other, rng) -> Answer:
        """Ask the reasoner for a candidate; a reasoner that fails gives an answer without one."""
        brief = self._brief()
        proposed = None
        self.ledger.calls += asked.operator != Operator.DESCEND  # a directed step counts its own
        try:
            match asked.operator:
                case Operator.DESCEND:
                    direction = self._direction(number, brief, source, asked, rng)
                    proposed = self._compiled.propose(self.state, asked.expansion, direction)
                    if not proposed.finite:
                        proposed = None
                        raise NoEdit(DIVERGED)
                    if proposed.withheld:
                        self._record("withheld", number)
                        return Answer(proposed.proposal, None, proposed.base, "")
                    edit = self._carry_out(number, brief, source, proposed.update, rng)
                case Operator.IMPROVE:
                    edit = self.reasoner.improve(brief, source, rng)
                case Operator.CROSSOVER:
                    edit = self.reasoner.crossover(brief, source, other, rng)
                case Operator.DEBUG:
                    edit = self.reasoner.debug(brief, source, rng)
                case Operator.DRAFT:
                    edit = self.reasoner.draft(brief, rng)
        except (NoEdit, MalformedReply) as failure:
            self._fail(number, failure)
            reason = str(failure) or type(failure).__name__
            if proposed:
                return Answer(proposed.proposal, None, proposed.base, reason)
            stayed = self._compiled.stay(self.state, asked.expansion)
            return Answer(stayed, None, np.asarray(stayed.params), reason)
        moved = self._amounts(number, edit)
        if proposed:
            proposal, params = proposed.proposal, proposed.base + moved * proposed.update
        else:
            proposal = self._compiled.stay(self.state, asked.expansion)
            params = np.asarray(proposal.params) + moved
        self._record(
            "proposed",
            number,
            script=self.journal.store(edit.script),
            applied=[directive.model_dump() for directive in edit.applied],
            amounts=list(edit.amounts),
            note=edit.note,
        )
        return Answer(proposal, edit, params, "")

    def _direction(self, number, brief, source, asked: Asked, rng) -> np.ndarray:
        """The textual gradient at a solution, over the lexicon's slots; several are stacked.

        Raises:
          NoEdit, MalformedReply: no diagnosis could be had.
        """
        if not asked.needs_diagnosis:
            self._record("reused", number)
            return np.zeros(self.capacity, np.float32)
        gradients, failures = [], []
        for _ in range(self.diagnoses):
            try:
                gradient, evicted = self._diagnose(number, brief, source, rng)
            except (NoEdit, MalformedReply) as failure:
                failures.append(failure)
                continue
            for earlier in gradients:
                earlier[evicted] = 0.0  # it spoke of a directive that has just left
            gradients.append(gradient)
        if not gradients:
            raise failures[0]
        for failure in failures:
            self._fail(number, failure)
        return gradients[0] if self.diagnoses == 1 else np.stack(gradients)

    def _diagnose(self, number, brief, source, rng) -> tuple[np.ndarray, list[int]]:
        """One diagnosis as a vector over the lexicon's slots, and which of them changed hands."""
        self.journal.checkpoint()
        self.ledger.calls += 1
        diagnosis = self.reasoner.diagnose(brief, source, rng)
        encoding = optimizers.encode(self._lexicon, diagnosis.to_core(), number, self.embed)
        self._lexicon = encoding.lexicon
        evicted = list(optimizers.evicted_slots(encoding.events))
        for slot in evicted:
            self.state = self._compiled.recycle(self.state, slot)
        self._record(
            "diagnosed",
            number,
            summary=diagnosis.summary,
            suggestions=diagnosis.model_dump()["suggestions"],
            without_slot=[directive.statement for directive in encoding.dropped],
            lexicon=[dict(vars(event)) for event in encoding.events],
        )
        return encoding.gradient, evicted

    def _carry_out(self, number, brief, source, update, rng) -> Edit:
        """Rank directives by the rule's update and let the reasoner write the best of them."""
        weighted = optimizers.decode(self._lexicon, update)
        ranked: Ranked = tuple((Directive.from_core(d), weight) for d, weight in weighted)
        self._record(
            "ranked",
            number,
            directives=[
                {"statement": d.statement, "component": d.component, "weight": weight}
                for d, weight in weighted[:SHOWN_WEIGHTS]
            ],
        )
        self.journal.checkpoint()
        self.ledger.calls += 1
        return self.reasoner.edit(brief, source, ranked, rng)

    def _amounts(self, number: int, edit: Edit) -> np.ndarray:
        """How far the edit went along each slot, shape `(capacity,)`."""
        applied = [directive.to_core() for directive in edit.applied]
        new = [directive for directive in applied if self._lexicon.slot(directive) is None]
        if new:
            mentions = [optimizers.Suggestion(directive, 1.0) for directive in new]
            # Between a proposal and its outcome no slot may change hands.
            encoding = optimizers.encode(self._lexicon, mentions, number, self.embed, evict=False)
            self._lexicon = encoding.lexicon
            events = [dict(vars(event)) for event in encoding.events]
            without_slot = [directive.statement for directive in encoding.dropped]
            self._record("admitted", number, lexicon=events, without_slot=without_slot)
        amounts = np.zeros(self.capacity, np.float32)
        for i, directive in enumerate(applied):
            slot = self._lexicon.slot(directive)
            if slot is not None:
                amount = edit.amounts[i] if edit.amounts else 1.0
                # Two wordings of one directive were carried out once.
                amounts[slot] = max(amounts[slot], amount, key=abs)
        return amounts

    # -- book-keeping --------------------------------------------------------------------------

    def _brief(self) -> Brief:
        return Brief(
            facts=self.task.facts,
            description=self.task.description,
            public=self.public,
            steps_left=self.ledger.steps_left,
            seconds_per_run=self.seconds_per_run,
            history=tuple(self._attempts),
        )

    def _fail(self, number: int, failure: Exception) -> None:
        self._record("failed", number, error=type(failure).__name__, reason=str(failure))

    def _record(self, kind, step: int, **payload: Any) -> None:
        self.journal.append(kind, payload, step)


# What a draft is made from.
_NOTHING = Solution("", valid=False)
