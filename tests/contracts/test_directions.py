"""Minimising a metric is maximising its negative: whole runs, decision for decision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from experiments.spec import build_strategy
from gome_agent.budget import Budget
from gome_agent.journal import Journal
from gome_agent.loop import Agent
from gome_agent.reasoners.base import Brief, Ranked, Solution
from gome_agent.schemas import Diagnosis, Directive, Edit, Suggestion
from gome_agent.tasks.base import Task, TaskFacts
from gome_agent.validation import standard_error

STEPS = 14
NUDGE = Directive(statement="nudge", component="model")


class Numbers:
    """A reasoner whose scripts are numbers of their step."""

    name = "numbers"

    def draft(self, brief: Brief, rng: np.random.Generator) -> Edit:
        return Edit(script=f"{len(brief.history)}", applied=(NUDGE,))

    def diagnose(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Diagnosis:
        statement, component = NUDGE.statement, NUDGE.component
        suggestion = Suggestion(statement=statement, component=component, strength=1.0)
        return Diagnosis(suggestions=(suggestion,))

    def edit(
        self, brief: Brief, parent: Solution, ranked: Ranked, rng: np.random.Generator
    ) -> Edit:
        return self.draft(brief, rng)

    def improve(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        return self.draft(brief, rng)

    def debug(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        return self.draft(brief, rng)

    def crossover(
        self, brief: Brief, parent: Solution, other: Solution, rng: np.random.Generator
    ) -> Edit:
        return self.draft(brief, rng)


@dataclass(frozen=True)
class Facts:
    """As much of a task as the loop looks at."""

    facts: TaskFacts
    description: str = ""


@dataclass(frozen=True)
class Measured:
    """Fold scores in the metric's own units; every fifth script fails."""

    facts: TaskFacts

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        if int(script) % 5 == 1:
            return Solution(script, valid=False, failure="it fails")
        utilities = np.random.default_rng([int(script), replicate]).normal(size=3)
        folds = tuple(self.facts.metric.utility(float(u)) for u in utilities)
        score = float(utilities.mean())
        return Solution(script, True, score, standard_error(folds), folds)


@pytest.mark.parametrize(
    "strategy", ["gome", "momentum(gate=sequential_test)", "aide", "aira_mcts", "puct_traces"]
)
def test_a_run_decides_alike_whichever_way_is_better(strategy: str, tmp_path: Path, a_task: Task):
    runs = []
    for higher_is_better in (True, False):
        metric = replace(a_task.facts.metric, higher_is_better=higher_is_better)
        facts = replace(a_task.facts, metric=metric)
        with Journal.create(tmp_path / f"{higher_is_better}.sqlite") as journal:
            agent = Agent(
                task=Facts(facts),  # type: ignore[arg-type]
                strategy=build_strategy(strategy),
                reasoner=Numbers(),
                evaluator=Measured(facts),
                journal=journal,
                budget=Budget(STEPS),
                public=tmp_path,
                capacity=4,
            )
            runs.append(agent.run())
    higher, lower = runs
    assert [(s.operator, s.parent, s.accepted) for s in higher.steps] == [
        (s.operator, s.parent, s.accepted) for s in lower.steps
    ]
    assert higher.chosen == lower.chosen
    assert any(s.accepted for s in higher.steps)
    assert higher.steps[0].solution.folds[0] == -lower.steps[0].solution.folds[0]
