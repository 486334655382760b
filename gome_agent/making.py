"""From an order to a measured candidate: written, run, repaired, judged, tuned.

What is done here belongs to one step alone and changes nothing of the run, so that the candidates
of several steps may be made side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gome_agent.budget import BudgetExhausted
from gome_agent.compiled import Asked, Proposed
from gome_agent.directing import record_failure
from gome_agent.journal import Journal
from gome_agent.measuring import Bench
from gome_agent.reasoners.base import (
    Brief,
    Compares,
    Judges,
    MalformedReply,
    NoEdit,
    Ranked,
    Reasoner,
    Refines,
    Solution,
)
from gome_agent.schemas import Edit
from optimizers import Operator
from optimizers.budget import Spent


class Order(NamedTuple):
    """What is to be made."""

    number: int
    """Of the step."""
    operator: Operator
    brief: Brief
    source: Solution
    """The (first) parent; empty for a draft."""
    other: Solution
    """Second parent of a crossover."""
    ranked: Ranked
    rng: np.random.Generator
    evaluations: int = 1
    """The most that its making may take."""


class Made(NamedTuple):
    """What came of an order."""

    edit: Edit | None
    """`None` if nothing was written; the solution's failure says why."""
    solution: Solution
    spent: Spent
    """Evaluations, and calls of the reasoner."""


class UnderWay(NamedTuple):
    """A step that was begun and is not settled."""

    order: Order
    asked: Asked
    parent: int | None
    other: int | None
    proposed: Proposed | None
    """Of a directed step."""
    made: Callable[[], Made] | None
    """Waits for the candidate; `None` if the step was withheld."""

    @property
    def number(self) -> int:
        return self.order.number

    @property
    def before(self) -> Solution | None:
        """What is known of the (first) parent."""
        return None if self.parent is None else self.order.source


@dataclass(frozen=True)
class Maker:
    """Writes candidates and has them measured.

    Attributes:
      repairs: how often a candidate that fails is given back to the reasoner within its step, if
        the order's evaluations allow.
      refines: whether one that succeeds is tuned once, if the reasoner can and they allow.
      judges: whether the reasoner, if it can, is asked if a valid score can be trusted.
    """

    reasoner: Reasoner
    bench: Bench
    journal: Journal
    repairs: int = 0
    refines: bool = False
    judges: bool = True

    def make(self, order: Order) -> Made:
        """Carry out an order. What fails, of the reasoner's or the script's, is in the answer.

        Raises:
          BudgetExhausted: the budget ended before anything was written. What was measured is
            never lost: without a judge it is not trusted, without a repair or tuning it stays.
        """
        asked = Spent(calls=1)
        try:
            edit = self._write(order)
        except (NoEdit, MalformedReply) as failure:
            record_failure(self.journal, order.number, failure)
            return failed(failure, asked)
        self._record("proposed", order.number, edit)
        solution, used = self._tried(order, edit)
        spent = asked + used
        for _ in range(self.repairs):
            if solution.valid or spent.evaluations >= order.evaluations:
                break
            repaired, used = self._again(order, "repaired", self.reasoner.debug, edit, solution)
            spent += used
            if repaired is None:
                break
            edit, solution = repaired
        may_refine = self.refines and spent.evaluations < order.evaluations
        if may_refine and solution.valid and isinstance(self.reasoner, Refines):
            refined, used = self._again(order, "refined", self.reasoner.refine, edit, solution)
            spent += used
            # The same split and the same design: the better one is kept, as the gate sees it once.
            if refined is not None and refined[1].valid and refined[1].score > solution.score:
                edit, solution = refined
            elif refined is not None:
                self.bench.keep(order.number, edit.script)
        return Made(edit, solution, spent)

    def _tried(self, order: Order, edit: Edit) -> tuple[Solution, Spent]:
        """Rehearse, measure, judge: each only if the one before went well."""
        seconds = order.brief.seconds_per_run
        rehearsal = self.bench.rehearse(order.number, edit.script, seconds)
        if rehearsal is not None and not rehearsal.valid:
            reason = f"on a sample of the data: {rehearsal.failure}"
            return replace(rehearsal, failure=reason), Spent()
        solution = self.bench.evaluate(order.number, edit.script, seconds)
        solution, used = self._judged(order, solution)
        return solution, used + Spent(evaluations=1)

    def prefers(self, one: UnderWay, child: Solution) -> bool:
        """Whether a candidate whose score is a tie with its parent's should take its place."""
        if one.before is None or not isinstance(self.reasoner, Compares):
            return False
        self.bench.ledger.calls += 1
        try:
            preference = self.reasoner.prefer(one.order.brief, one.before, child)
        except (NoEdit, MalformedReply, BudgetExhausted) as failure:
            record_failure(self.journal, one.number, failure)
            return False
        self.journal.append("compared", preference.model_dump(), one.number)
        return preference.replace

    def _write(self, order: Order) -> Edit:
        """Ask the reasoner for a candidate.

        Raises:
          NoEdit, MalformedReply: there is none.
        """
        self.journal.checkpoint()
        ask, brief, rng = self.reasoner, order.brief, order.rng
        match order.operator:
            case Operator.DESCEND:
                return ask.edit(brief, order.source, order.ranked, rng)
            case Operator.IMPROVE:
                return ask.improve(brief, order.source, rng)
            case Operator.CROSSOVER:
                return ask.crossover(brief, order.source, order.other, rng)
            case Operator.DEBUG:
                return ask.debug(brief, order.source, rng)
            case Operator.DRAFT:
                return ask.draft(brief, rng)

    def _again(
        self,
        order: Order,
        kind,
        ask: Callable[[Brief, Solution, np.random.Generator], Edit],
        edit: Edit,
        solution: Solution,
    ) -> tuple[tuple[Edit, Solution] | None, Spent]:
        """Another version of a candidate, tried; it carries out what the first one did."""
        asked = Spent(calls=1)
        try:
            new = ask(order.brief, replace(solution, script=edit.script), order.rng)
        except (NoEdit, MalformedReply, BudgetExhausted) as failure:
            record_failure(self.journal, order.number, failure)
            return None, asked
        new = new.model_copy(update={"applied": edit.applied, "amounts": edit.amounts})
        self._record(kind, order.number, new)
        tried, used = self._tried(order, new)
        return (new, tried), asked + used

    def _judged(self, order: Order, solution: Solution) -> tuple[Solution, Spent]:
        """A valid solution, or a failed one if its evaluation cannot be trusted: fail-closed."""
        if not (self.judges and solution.valid and isinstance(self.reasoner, Judges)):
            return solution, Spent()
        try:
            verdict = self.reasoner.judge(order.brief, solution)
            told = verdict.model_dump()
            reason = "" if verdict.aligned else f"evaluation not aligned: {verdict.evidence}"
        except (NoEdit, MalformedReply, BudgetExhausted) as failure:
            record_failure(self.journal, order.number, failure)
            told = {"aligned": False, "evidence": "", "concerns": []}
            reason = f"its evaluation could not be judged: {failure}"
        self.journal.append("judged", told, order.number)
        if reason:
            solution = replace(solution, valid=False, score=float("-inf"), failure=reason)
        return solution, Spent(calls=1)

    def _record(self, kind, number: int, edit: Edit) -> None:
        self.journal.append(
            kind,
            {
                "script": self.journal.store(edit.script),
                "applied": [directive.model_dump() for directive in edit.applied],
                "amounts": list(edit.amounts),
                "note": edit.note,
            },
            number,
        )


NOTHING = Solution("", valid=False)
"""What a draft is made from."""
_FREE = Spent()


def failed(failure: Exception, spent: Spent = _FREE) -> Made:
    """An order that came to nothing, or could not even be given, and why."""
    reason = str(failure) or type(failure).__name__
    return Made(None, Solution("", valid=False, failure=reason), spent)


def later(make: Callable[[], Made]) -> Callable[[], Made]:
    """A candidate that is made when it is waited for."""
    return make


@contextmanager
def starting(
    workers: int, stop: Callable[[], None]
) -> Iterator[Callable[[Callable[[], Made]], Callable[[], Made]]]:
    """What starts the making of candidates: so many at once, by threads if it is several.

    After an error, or Ctrl-C, nothing else is begun, scripts are ended (`stop`), and replies on
    their way, which are paid for, are waited for. A second Ctrl-C does not wait.
    """
    if workers == 1:
        yield later
        return
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield lambda make: pool.submit(make).result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            raise
