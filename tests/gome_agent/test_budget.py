"""The account of a run is exact: every measurement and every call, useless ones included."""

import functools
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import optimizers
from gome_agent import loop
from gome_agent.budget import Budget, Ledger
from gome_agent.journal import Journal
from gome_agent.loop import Agent
from gome_agent.reasoners import MalformedReply, NoEdit, Solution, Unreliable
from gome_agent.reasoners.prompted import Prompted
from gome_agent.schemas import Diagnosis, Edit, Suggestion
from gome_agent.tasks import registry
from gome_agent.text import IN_MEMORY, StartingFrom
from optimizers.budget import BudgetError, Spent

DIAGNOSIS = Diagnosis(suggestions=(Suggestion(statement="x", component="model", strength=1.0),))
OUTCOMES = ("good", "bad", "malformed", "nothing", "empty")
STRATEGIES = {
    "replicating": optimizers.directed(
        optimizers.sgd(), gate=optimizers.gates.sequential_test(replicates=4)
    ),
    "reusing": optimizers.directed(optimizers.recipes.WRAPPERS["reused"](optimizers.sgd())),
    "gathering": optimizers.directed(optimizers.recipes.WRAPPERS["accumulated"](optimizers.sgd())),
    "repairing": optimizers.undirected(optimizers.search.aide(drafts=2)),
}


@pytest.fixture(autouse=True, scope="module")
def _compiled_once():
    """Agents of one strategy share their programs."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "Compiled", functools.cache(loop.Compiled))
        yield


class Dice:
    """Answers that are good, or fail in a drawn way; counts how often it is asked."""

    name = "dice"

    def __init__(self, outcomes) -> None:
        self.outcomes, self.asked = outcomes, 0

    def _answer(self) -> Any:
        outcome = self.outcomes[self.asked % len(self.outcomes)]
        self.asked += 1
        if outcome == "malformed":
            raise MalformedReply("not JSON")
        if outcome == "nothing":
            raise NoEdit("no idea")
        return outcome

    def draft(self, brief, rng):
        return Edit(script=f"{self._answer()} {self.asked}")

    def edit(self, brief, parent, ranked, rng):
        return Edit(script=f"{self._answer()} {self.asked}", applied=tuple(d for d, _ in ranked))

    def diagnose(self, brief, parent, rng):
        return Diagnosis() if self._answer() == "empty" else DIAGNOSIS

    def improve(self, brief, parent, rng):
        return self.draft(brief, rng)

    debug = improve


@dataclass
class Meter:
    """Runs nothing; a "bad" script fails."""

    evaluations: int = 0

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        self.evaluations += 1
        if script.startswith("bad"):
            return Solution(script, False, failure="bad")
        score = np.random.default_rng([len(script), step, replicate]).normal()
        return Solution(script, True, score=score, stderr=1.0, folds=(score,))


def agent(strategy, outcomes, budget, tmp_path, reasoner=None) -> tuple[Agent, Dice, Meter]:
    dice, meter = Dice(outcomes), Meter()
    running = Agent(
        task=registry.load("digits"),
        strategy=strategy,
        reasoner=reasoner(dice) if reasoner else dice,
        evaluator=meter,
        journal=Journal.create(IN_MEMORY),
        budget=budget,
        public=tmp_path,
        capacity=4,
    )
    return running, dice, meter


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=15)
@given(outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=3, max_size=7))
def test_every_measurement_and_call_is_counted(name, outcomes, tmp_path_factory):
    running, dice, meter = agent(
        STRATEGIES[name], outcomes, Budget(7), tmp_path_factory.mktemp("x")
    )
    result = running.run()
    assert result.spent.evaluations == meter.evaluations
    assert result.spent.calls == dice.asked
    assert result.spent.steps == len(result.steps) == 7
    assert (result.spent.tokens, result.spent.money) == (0, 0)
    after = [step.spent for step in result.steps]
    for earlier, later in pairwise(after):
        assert all(a <= b for a, b in zip(earlier, later, strict=True))
    assert after[-1]._replace(seconds=0) == result.spent._replace(seconds=0)


def test_replicates_and_repairs_are_among_them(tmp_path):
    running, _, meter = agent(STRATEGIES["replicating"], ["good"], Budget(7), tmp_path)
    assert running.run().evaluations == meter.evaluations > 7
    running, _, meter = agent(STRATEGIES["repairing"], ["bad", "bad", "good"], Budget(7), tmp_path)
    result = running.run()
    assert optimizers.Operator.DEBUG in {step.operator for step in result.steps}
    assert result.evaluations == meter.evaluations == 7


@pytest.mark.parametrize("limit", [3, 4, 5])
def test_replicates_never_exceed_the_evaluations(limit, tmp_path):
    budget = Budget(7, evaluations=limit)
    running, _, meter = agent(STRATEGIES["replicating"], ["good"], budget, tmp_path)
    assert running.run().ended_by == f"all {limit} evaluations are used"
    assert meter.evaluations == limit


def test_calls_can_be_what_runs_out(tmp_path):
    running, dice, _ = agent(STRATEGIES["repairing"], ["good"], Budget(7, calls=5), tmp_path)
    assert running.run().ended_by == "all 5 calls are used"
    assert dice.asked == 5


class Metered:
    """A model that tells what it cost, of this run and of others before."""

    def __init__(self) -> None:
        self.usage = Spent(calls=10, tokens=500, money=1.0)

    def __call__(self, prompt: str) -> str:
        self.usage += Spent(calls=2, tokens=100, money=0.25)  # it had to be asked twice
        return "no answer"


@pytest.mark.parametrize(
    "wrap",
    [lambda inner: inner, lambda inner: Unreliable(inner, rho=0.5), lambda i: StartingFrom("1", i)],
)
def test_a_reasoner_that_can_tell_is_believed(wrap, tmp_path):
    model = Metered()
    running, _, _ = agent(
        STRATEGIES["repairing"],
        [],
        Budget(7, money=0.7),
        tmp_path,
        lambda _: wrap(Prompted(model)),
    )
    result = running.run()
    assert result.ended_by == "all 0.7 money are used"
    # Two steps, each asked twice since the reply cannot be read, each time two calls.
    assert result.spent[1:4] == (8, 400, 1.0)


def test_a_run_needs_an_end():
    with pytest.raises(BudgetError, match="number of steps"):
        Ledger(Budget(evaluations=5))
