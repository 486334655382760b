"""Where a budget ends: nothing is overspent, nothing measured is lost, and the end is resumed."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import optimizers
from gome_agent import loop
from gome_agent.budget import Budget, BudgetExhausted
from gome_agent.journal import Journal
from gome_agent.loop import INTERRUPTED, Agent
from gome_agent.making import starting
from gome_agent.reasoners.base import Solution
from gome_agent.text import IN_MEMORY
from tests.gome_agent.test_ladder import STRATEGY, Careful, Table
from tests.gome_agent.worlds import TASK

pytestmark = pytest.mark.filterwarnings("ignore::optimizers.InertSchedule")
SIDE_BY_SIDE = optimizers.directed(
    optimizers.sgd(),
    policy=optimizers.search.traces(3, merge_after=9),
    gate=optimizers.gates.sequential_test(replicates=3),
)


@pytest.fixture(autouse=True, scope="module")
def _compiled_once():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "Compiled", functools.cache(loop.Compiled))
        yield


@dataclass
class Poor(Careful):
    """A careful one that cannot pay for some questions from step 1 on."""

    unpaid: tuple[str, ...] = ()
    counts: Counter = field(default_factory=Counter)

    def _pays(self, what, step):
        self.counts[what, step] += 1
        if step and what in self.unpaid:
            raise BudgetExhausted(f"nothing left to {what}")

    def edit(self, brief, parent, ranked, rng):
        self._pays("edit", brief.step)
        return super().edit(brief, parent, ranked, rng)

    def diagnose(self, brief, parent, rng):
        self._pays("diagnose", brief.step)
        return super().diagnose(brief, parent, rng)

    def debug(self, brief, parent, rng):
        self._pays("debug", brief.step)
        return super().debug(brief, parent, rng)

    def refine(self, brief, solution, rng):
        self._pays("refine", brief.step)
        return super().refine(brief, solution, rng)

    def judge(self, brief, solution):
        self._pays("judge", brief.step)
        return super().judge(brief, solution)

    def prefer(self, brief, parent, child):
        self._pays("prefer", brief.step)
        return super().prefer(brief, parent, child)


def agent_of(reasoner, table, budget, journal=None, strategy=STRATEGY, **options):
    return Agent(
        task=TASK,
        strategy=strategy,
        reasoner=reasoner,
        evaluator=table,
        journal=journal or Journal.create(IN_MEMORY),
        budget=budget,
        public=Path(),
        capacity=4,
        **options,
    )


class Failing(Table):
    """Everything crashes."""

    def evaluate(self, script, step, seconds, replicate=0):
        self.ran.append(script)
        return Solution(script, False, failure="it crashed", outcome="error")


@pytest.mark.parametrize("limit", range(1, 9))
def test_repairs_and_tuning_are_within_the_evaluations(limit):
    for table in (Failing({}), Table({})):
        agent = agent_of(Careful(), table, Budget(9, evaluations=limit), repairs=2, refines=True)
        result = agent.run()
        assert len(table.ran) == result.evaluations == limit
        assert "evaluations are used" in result.ended_by


@pytest.mark.parametrize("limit", range(3, 16))
def test_replicates_leave_steps_under_way_theirs(limit):
    table = Table({}, stderr=1.0)
    budget = Budget(12, evaluations=limit)
    result = agent_of(Careful(), table, budget, strategy=SIDE_BY_SIDE, in_flight=3, workers=1).run()
    assert len(table.ran) == result.evaluations <= limit


@pytest.mark.parametrize(
    ("unpaid", "kept"), [("refine", "edit 1"), ("judge", None), ("prefer", "draft 0")]
)
def test_what_was_measured_is_settled_though_the_rest_cannot_be_paid(unpaid, kept):
    score, stderr = (0.0, 1.0) if unpaid == "prefer" else (1.0, 0.0)
    table = Table({"edit 1": score}, stderr)
    agent = agent_of(Poor(unpaid=(unpaid,)), table, Budget(2), refines=unpaid == "refine")
    result = agent.run()
    assert len(result.steps) == 2
    assert result.evaluations == len(table.ran)
    assert result.steps[1].accepted == (unpaid == "refine")
    assert result.best.solution.script == (kept or "draft 0")


def test_a_repair_that_cannot_be_paid_leaves_a_failed_step():
    table = Table({}, failing=("edit 1",))
    result = agent_of(Poor(unpaid=("debug",)), table, Budget(2), repairs=1).run()
    assert [step.solution.valid for step in result.steps] == [True, False]
    assert result.evaluations == 2


def test_comparisons_are_calls():
    reasoner = Careful()
    result = agent_of(reasoner, Table({}, stderr=1.0), Budget(2), judges=False).run()
    assert reasoner.asked == ["prefer"]
    assert result.spent.calls == 4  # a draft, a diagnosis, an edit, a comparison


@pytest.mark.parametrize("unpaid", ["diagnose", "edit"])
def test_a_step_that_cannot_be_paid_is_abandoned(unpaid):
    agent = agent_of(Poor(unpaid=(unpaid,)), Table({}), Budget(5))
    result = agent.run()
    assert result.ended_by == f"nothing left to {unpaid}"
    kinds = [event.kind for event in agent.journal.events() if event.step == 1]
    assert (kinds[0], kinds[-1]) == ("asked", "abandoned")


class OneUnpaid(Careful):
    """Step 1 cannot be paid and step 2, cheaper, can."""

    def draft(self, brief, rng):
        if brief.step == 1:
            raise BudgetExhausted("nothing left")
        return super().draft(brief, rng)


def test_a_step_after_an_abandoned_one_is_submitted_by_its_own_number():
    strategy = SIDE_BY_SIDE._replace(selector=optimizers.selectors.revalidated(1))
    table = Table({"draft 2": 5.0})
    agent = agent_of(OneUnpaid(), table, Budget(6), strategy=strategy, in_flight=3, workers=1)
    result = agent.run()
    assert [step.step for step in result.steps] == [0, 2, 3]
    assert result.submitted == (2,)
    assert result.best.step == 2
    assert result.best.solution.script == result.revalidated[0].solution.script == "draft 2"


@dataclass
class Interrupting(Table):
    """Ctrl-C before one script."""

    at: str = ""

    def evaluate(self, script, step, seconds, replicate=0):
        if script == self.at:
            raise KeyboardInterrupt
        return super().evaluate(script, step, seconds, replicate)


def test_a_run_interrupted_while_its_last_steps_are_under_way_is_resumed(tmp_path):
    """What ended it is on record before those steps are: it is not decided by a later clock."""
    path = tmp_path / "journal.sqlite"
    Journal.create(path).close()
    now = [0.0]
    ends = []
    for at in ("draft 2", ""):
        with Journal.resume(path) as journal:
            table = Interrupting({}, at=at)
            options = {"strategy": SIDE_BY_SIDE, "in_flight": 3, "workers": 1}
            agent = agent_of(Careful(), table, Budget(9, evaluations=3), journal, **options)
            agent.ledger.clock = lambda: now[0]
            agent.ledger.started = 0.0
            ends.append(agent.run().ended_by)
        now[0] += 100.0
    assert ends == [INTERRUPTED, "all 3 evaluations are used"]
    with Journal.open(path) as journal:
        clocks = {e.step: e.payload["clock"] for e in journal.events("settled")}
    assert clocks == {0: 0.0, 1: 0.0, 2: 100.0}


def test_after_ctrl_c_nothing_more_is_begun():
    made, free = [], threading.Event()

    def make(number):
        free.wait(5.0)
        made.append(number)

    def search():
        with starting(2, lambda: None) as start:
            for number in range(5):
                start(functools.partial(make, number))
            threading.Timer(0.2, free.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search()
    assert sorted(made) == [0, 1]
