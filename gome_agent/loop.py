"""The host driver: the same `ask`, `propose` and `settle` as the simulator, with a real world.

One step: the policy chooses a node and an operator; the reasoner answers (a diagnosis becomes a
gradient over directives, the rule turns it into an update, the update ranks directives, the
reasoner carries the best of them out); the script is evaluated; the gate decides. Everything that
happens is an event in the journal. A step that fails, for whatever reason of the reasoner's or the
script's, is a recorded failed step, and the run goes on.

Several steps may be under way. Step `n` is asked for, diagnosed and proposed when step
`n - in_flight` is settled, and steps are settled in their order; only the making of candidates goes
on side by side. What a run decides therefore does not depend on which candidate is ready first, nor
on how many are really made at once (`workers`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import optimizers
from gome_agent.briefing import Briefing, Machine, nothing_said
from gome_agent.budget import Budget, BudgetExhausted, Ledger
from gome_agent.choosing import choose, require_blind
from gome_agent.compiled import Asked, Compiled, Proposed, Settled
from gome_agent.directing import SHOWN_WEIGHTS, Directions, record_failure
from gome_agent.evaluator import Evaluator, Stoppable
from gome_agent.events import INTERRUPTED as INTERRUPTED
from gome_agent.journal import Journal
from gome_agent.making import Made, Maker, Order, UnderWay, failed, later, starting
from gome_agent.measuring import Bench
from gome_agent.reasoners.base import (
    MalformedReply,
    NoEdit,
    Reasoner,
    Solution,
    usage_of,
)
from gome_agent.records import DIVERGED, Result, Step, attempt_of, named, reason_of
from gome_agent.tasks.base import Task
from optimizers import Embedder, Lexicon, Operator, Strategy
from optimizers.budget import Spent


@dataclass
class Agent:
    """A strategy, a reasoner and an evaluator at work on one task.

    Attributes:
      capacity: slots of the lexicon.
      embed: recognises paraphrases of a directive; `None`: only equal texts share a slot.
      diagnoses: how many to ask for before a directed step; more than one needs a rule that
        aggregates (`consensus`).
      in_flight: steps that are under way side by side; more than one needs a policy that can.
      workers: candidates that are made at once, `in_flight` if `None`; decides nothing.
      repairs, refines, judges: see `Maker`.
      seconds_before: of the clock, that earlier processes of a resumed run have used.
      machine: what reasoners are told of where scripts run.
      on_step: called after every settled step, for displays.

    Raises:
      SelectorError: the strategy's selector reads the answers.
      ValueError: the policy cannot have so many steps in flight.
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
    in_flight: int = 1
    workers: int | None = None
    repairs: int = 0
    refines: bool = False
    judges: bool = True
    seconds_before: float = 0.0
    machine: Machine = nothing_said
    on_step: Callable[[Step], None] = lambda step: None
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        require_blind(self.strategy.selector)
        optimizers.require_in_flight(self.strategy.policy, self.in_flight)
        self.ledger = Ledger(self.budget, usage=partial(usage_of, self.reasoner))
        self.ledger.go_on_from(self.seconds_before)
        self._compiled = Compiled(self.strategy, self.in_flight)
        self.state = optimizers.init(
            self.strategy,
            jnp.zeros(self.capacity),
            jax.random.key(self.seed),
            int(self.budget.steps),
        )
        self._asked: deque[Asked] = deque()
        self._begun = 0
        self._under_way: deque[UnderWay] = deque()
        self._steps: list[Step] = []
        self._node_step: dict[int, int] = {}
        self._briefing = Briefing(
            self.task,
            self.public,
            self.ledger,
            self.seconds_per_run,
            self.seed,
            self._steps,
            getattr(self.reasoner, "draws", True),
            self.machine,
        )
        self._directions = Directions(
            self.reasoner, self.journal, self.capacity, self.embed, self.diagnoses, self._recycle
        )
        self._bench = Bench(
            self.task,
            self.strategy,
            self._compiled,
            self.evaluator,
            self.journal,
            self.ledger,
            self._briefing.limit,
        )
        self._maker = Maker(
            self.reasoner, self._bench, self.journal, self.repairs, self.refines, self.judges
        )

    @property
    def lexicon(self) -> Lexicon:
        """Which directive lives in which slot so far."""
        return self._directions.lexicon

    def run(self) -> Result:
        """Take steps until the budget ends, then let the selector choose.

        What the selector wants measured again comes on top of the steps, within the seconds.
        Ctrl-C ends the run after recording it; what was found is still in the result.

        Raises:
          Diverged: the run is followed, and does something else than it did before.
        """
        workers = self.in_flight if self.workers is None else self.workers
        try:
            with starting(workers, self._stop) as start:
                ended_by = self._search(start)
        except KeyboardInterrupt:
            ended_by = INTERRUPTED
            self.journal.append("interrupted", {"at_step": len(self._steps)})
            self.journal.flush()
        ended = ended_by != INTERRUPTED
        choice = choose(self.strategy.selector, self._steps, self._bench, ended=ended)
        if choice.interrupted:
            ended_by = INTERRUPTED
        self.ledger.read()
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
        self._begin(later)
        return self._finish()

    # -- the order of things -------------------------------------------------------------------

    def _search(self, start: Callable[[Callable[[], Made]], Callable[[], Made]]) -> str:
        """Begin and settle steps until something is used up; says what."""
        ended_by = ""
        while True:
            try:
                while not ended_by and len(self._under_way) < self.in_flight:
                    self._require_budget()
                    self._begin(start)
                if not self._under_way:
                    return ended_by
                self.on_step(self._finish())
            except BudgetExhausted as limit:
                if not ended_by:
                    # Now, lest a process that goes on while steps are under way decides it anew.
                    ended_by = str(limit)
                    self._record("ended", None, reason=ended_by, clock=self._read_clock(None))

    def _require_budget(self) -> None:
        """Raise if no step can be begun; a run that is followed ends where it ended.

        Raises:
          BudgetExhausted: says what is used up.
        """
        ended, asked = self.journal.ahead(None), self.journal.ahead(self._begun)
        if asked is not None:
            return
        if ended is not None and ended.kind == "ended":
            raise BudgetExhausted(ended.payload["reason"])
        self.ledger.read()
        finals = self.strategy.selector.revalidates
        longest = max((step.solution.seconds for step in self._steps), default=0.0)
        under_way = len(self._under_way)
        self.ledger.check(Spent(finals, steps=under_way, seconds=finals * longest))

    def _begin(self, start: Callable[[Callable[[], Made]], Callable[[], Made]]) -> None:
        """Ask the policy, diagnose and propose; the candidate is made from here on.

        Raises:
          BudgetExhausted: in the middle of it; the step is abandoned.
        """
        number = self._begun
        asked = self._asked.popleft() if self._asked else self._compiled.ask(self.state, number)
        parent, other = self._node_step.get(asked.parent), self._node_step.get(asked.other)
        known = self.journal.ahead(number)
        clock = self._read_clock(number)
        used = self.ledger.used if known is None else known.payload["used"]
        crossed = {} if other is None else {"other": other}
        told = {"operator": asked.operator.name, "parent": parent, **crossed}
        self._record("asked", number, **told, clock=clock, used=used)
        order = self._briefing.order(number, asked.operator, parent, other, used, self._under_way)
        order = order._replace(evaluations=self._allowed(number))
        proposed, made = None, None
        try:
            if asked.operator == Operator.DESCEND:
                proposed, order = self._directed(asked, order)
            withheld = proposed is not None and proposed.withheld
            if withheld:
                self._record("withheld", number)
            else:
                made = start(partial(self._maker.make, order))
        except (NoEdit, MalformedReply) as failure:
            record_failure(self.journal, number, failure)
            made = partial(failed, failure)
        except BudgetExhausted as limit:
            self._record("abandoned", number, reason=str(limit))
            raise
        self.state = self.state._replace(policy=asked.policy)
        self._begun += 1
        self.ledger.held += order.evaluations
        self._under_way.append(UnderWay(order, asked, parent, other, proposed, made))

    def _directed(self, asked: Asked, order: Order) -> tuple[Proposed, Order]:
        """The update along a diagnosis, and the order to carry the best of it out.

        Raises:
          NoEdit, MalformedReply: there is no diagnosis, or no update.
        """
        number = order.number
        if asked.needs_diagnosis:
            self.ledger.calls += self.diagnoses
            direction = self._directions.gradient(number, order.brief, order.source, order.rng)
        else:
            self._record("reused", number)
            direction = np.zeros(self.capacity, np.float32)
        proposed = self._compiled.propose(self.state, asked.expansion, direction, number)
        if not proposed.finite:
            raise NoEdit(DIVERGED)
        if proposed.withheld:
            return proposed, order
        return proposed, order._replace(ranked=self._directions.rank(number, proposed.update))

    def _finish(self) -> Step:
        """Wait for the candidate of the oldest step under way, and settle it.

        Raises:
          BudgetExhausted: it could not be made any more; the step is abandoned.
        """
        one = self._under_way.popleft()
        number, asked = one.number, one.asked
        self.ledger.held -= one.order.evaluations
        try:
            made = None if one.made is None else one.made()
        except BudgetExhausted as limit:
            self._record("abandoned", number, reason=str(limit))
            raise
        solution, settled, params = self._settle(one, made)
        self.state = settled.run
        self._asked.append(settled.next)
        self.ledger.steps += 1
        if settled.slot >= 0:
            self._node_step[settled.slot] = number
        clock = self._read_clock(number)
        step = Step(
            step=number,
            operator=asked.operator,
            parent=one.parent,
            other=one.other,
            edit=None if made is None else made.edit,
            solution=solution,
            accepted=settled.accepted,
            gain=settled.gain,
            gain_stderr=settled.gain_stderr,
            reason=reason_of(asked.operator, solution, settled),
            replicates=settled.replicates,
            spent=self.ledger.spent,
        )
        self._steps.append(step)
        self._briefing.attempts.append(attempt_of(step))
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
            parameters=named(self.lexicon.directives, params, SHOWN_WEIGHTS),
            clock=clock,
        )
        self.journal.checkpoint()
        return step

    def _settle(self, one: UnderWay, made: Made | None) -> tuple[Solution, Settled, np.ndarray]:
        """Decide on a candidate; also returns where it ended up, the parent's place if nowhere."""
        if one.proposed is None:
            proposal = self._compiled.stay(self.state, one.asked.expansion)
            base = np.asarray(proposal.params)
        else:
            proposal, base = one.proposed.proposal, one.proposed.base
        if made is None:
            assert one.before is not None
            return one.before, self._compiled.rest(self.state, proposal), base
        self.ledger.evaluations += made.spent.evaluations
        self.ledger.calls += made.spent.calls
        if made.edit is None:
            return made.solution, self._compiled.miss(self.state, proposal), base
        moved = self._directions.amounts(one.number, made.edit)
        params = base + (moved if one.proposed is None else moved * one.proposed.update)
        prefers = partial(self._maker.prefers, one, made.solution)
        settled = self._bench.settle(one, self.state, proposal, params, made.solution, prefers)
        return *settled, params

    # -- book-keeping --------------------------------------------------------------------------

    def _allowed(self, number: int) -> int:
        """Evaluations that a step may take; steps beside it, and the selector, are left theirs."""
        beside = min(self.in_flight - len(self._under_way), int(self.budget.steps) - number) - 1
        wanted = 1 + self.repairs + self.refines
        return self.ledger.allowed(wanted, beside + self.strategy.selector.revalidates)

    def _stop(self) -> None:
        if isinstance(self.evaluator, Stoppable):
            self.evaluator.stop()

    def _recycle(self, slot: int) -> None:
        """A slot changes hands: what was learned in it goes, under way or not."""
        self.state = self._compiled.recycle(self.state, slot)
        for place, one in enumerate(self._under_way):
            if one.proposed is not None:
                proposed = self._compiled.recycle_proposed(one.proposed, self.state.origin, slot)
                self._under_way[place] = one._replace(proposed=proposed)

    def _read_clock(self, step: int | None) -> float:
        """Read the clock; where the run is followed, as it was read for the event to come."""
        known = self.journal.ahead(step)
        return self.ledger.read(None if known is None else known.payload.get("clock"))

    def _record(self, kind, step: int | None, **payload: Any) -> None:
        self.journal.append(kind, payload, step)
