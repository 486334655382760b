"""Hierarchical validation in the loop: numbers first, a judge that fails closed, ties compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

import optimizers
from gome_agent.budget import Budget
from gome_agent.journal import Journal
from gome_agent.loop import Agent
from gome_agent.reasoners.base import MalformedReply, Solution
from gome_agent.schemas import Diagnosis, Edit, Preference, Suggestion, Verdict
from gome_agent.text import IN_MEMORY
from tests.gome_agent.worlds import TASK

Z = 1.0
STRATEGY = optimizers.directed(optimizers.sgd(), gate=optimizers.gates.hierarchical(z=Z))
COMPILED: dict = {}
TRUSTED = Verdict(aligned=True, evidence="line 3")
LIKED = Preference(replace=True)


@dataclass
class Careful:
    """Writes numbered scripts; says whether they can be trusted, and which it likes better."""

    verdict: Verdict | MalformedReply = TRUSTED
    preference: Preference | MalformedReply = LIKED
    asked: list[str] = field(default_factory=list)
    name: str = "careful"

    def draft(self, brief, rng):
        return Edit(script=f"draft {brief.step}")

    def diagnose(self, brief, parent, rng):
        return Diagnosis(suggestions=(Suggestion(statement="x", component="model", strength=1.0),))

    def edit(self, brief, parent, ranked, rng):
        return Edit(script=f"edit {brief.step}", applied=(ranked[0][0],))

    improve = crossover = draft

    def debug(self, brief, parent, rng):
        self.asked.append("debug")
        return Edit(script=f"{parent.script} repaired")

    def refine(self, brief, solution, rng):
        self.asked.append("refine")
        return Edit(script=f"{solution.script} refined")

    def judge(self, brief, solution):
        self.asked.append("judge")
        if isinstance(self.verdict, Exception) and brief.step:
            raise self.verdict
        return self.verdict if brief.step else TRUSTED

    def prefer(self, brief, parent, child):
        self.asked.append("prefer")
        if isinstance(self.preference, Exception):
            raise self.preference
        return self.preference


@dataclass
class Table:
    """Scores by script."""

    scores: dict[str, float]
    stderr: float = 0.0
    failing: tuple[str, ...] = ()
    ran: list[str] = field(default_factory=list)

    def evaluate(self, script, step, seconds, replicate=0):
        self.ran.append(script)
        if script in self.failing:
            return Solution(script, False, failure="it crashed", outcome="error")
        score = self.scores.get(script, 0.0)
        return Solution(script, True, score=score, stderr=self.stderr, seconds=1.0)


def run(reasoner, table, steps=2, **options):
    agent = Agent(
        task=TASK,
        strategy=STRATEGY,
        reasoner=reasoner,
        evaluator=table,
        journal=Journal.create(IN_MEMORY),
        budget=Budget(steps),
        public=Path(),
        capacity=4,
        **options,
    )
    agent._compiled = COMPILED.setdefault("one", agent._compiled)
    object.__setattr__(agent._bench, "compiled", agent._compiled)
    return agent, agent.run()


@settings(max_examples=60)
@given(
    gain=st.floats(-3, 3).map(lambda x: round(x, 3)),
    stderr=st.sampled_from([0.0, 0.5, 1.0]),
    likes=st.sampled_from([True, False, None]),
)
def test_only_a_statistical_tie_is_compared_and_only_there_the_comparison_decides(
    gain, stderr, likes
):
    told = MalformedReply("?") if likes is None else Preference(replace=likes)
    reasoner = Careful(preference=told)
    _, result = run(reasoner, Table({"edit 1": gain}, stderr))
    step = result.steps[1]
    error = step.gain_stderr
    tie = error > 0 and abs(gain) <= Z * error
    assert ("prefer" in reasoner.asked) == tie
    assert step.accepted == (bool(likes) if tie else gain > Z * error)


@pytest.mark.parametrize(
    "verdict", [Verdict(aligned=False, evidence="line 7 fits on all rows"), MalformedReply("?")]
)
def test_what_cannot_be_trusted_is_a_failed_step_whatever_it_scored(verdict):
    agent, result = run(Careful(verdict=verdict), Table({"edit 1": 100.0}))
    assert not result.steps[1].accepted
    assert not result.steps[1].solution.valid
    assert result.chosen == 0
    told = [event.payload["aligned"] for event in agent.journal.events("judged")]
    assert told == [True, False]


def test_nobody_is_asked_about_a_script_that_failed():
    reasoner = Careful()
    run(reasoner, Table({}, failing=("edit 1",)))
    assert reasoner.asked == ["judge"]


def test_a_failure_is_repaired_within_the_step_as_often_as_allowed():
    table = Table({"edit 1 repaired repaired": 1.0}, failing=("edit 1", "edit 1 repaired"))
    reasoner = Careful()
    _, result = run(reasoner, table, repairs=2)
    assert table.ran[1:] == ["edit 1", "edit 1 repaired", "edit 1 repaired repaired"]
    step = result.steps[1]
    assert step.accepted
    assert step.edit.script == step.solution.script == "edit 1 repaired repaired"
    assert [directive.statement for directive in step.edit.applied] == ["x"]
    assert result.evaluations == 4
    assert result.spent.calls == len(reasoner.asked) + 3
    _, result = run(Careful(), table, repairs=1)
    assert not result.steps[1].solution.valid


def test_distrust_is_repaired_too():
    table = Table({})
    run(Careful(verdict=Verdict(aligned=False)), table, repairs=1)
    assert table.ran == ["draft 0", "edit 1", "edit 1 repaired"]


@pytest.mark.parametrize(("score", "kept"), [(2.0, "edit 1 refined"), (0.5, "edit 1")])
def test_a_tuned_candidate_takes_the_place_of_a_worse_one(score, kept):
    table = Table({"edit 1": 1.0, "edit 1 refined": score})
    _, result = run(Careful(), table, refines=True)
    assert result.steps[1].edit.script == result.steps[1].solution.script == kept
    assert table.ran == ["draft 0", "draft 0 refined", "edit 1", "edit 1 refined"]


@dataclass
class WithSample(Table):
    """Can be tried on a sample first, where some scripts fail."""

    broken: tuple[str, ...] = ()
    rehearsed: list[str] = field(default_factory=list)

    def rehearse(self, script, step, seconds):
        self.rehearsed.append(script)
        if script.startswith("draft"):
            return None
        return Solution(script, script not in self.broken, failure="no such column")


def test_what_fails_on_a_sample_is_not_run_in_full():
    table = WithSample({"edit 1 repaired": 1.0}, broken=("edit 1",))
    reasoner = Careful()
    agent, result = run(reasoner, table, repairs=1)
    assert table.ran == ["draft 0", "edit 1 repaired"]
    assert table.rehearsed == ["draft 0", "edit 1", "edit 1 repaired"]
    assert result.steps[1].accepted
    assert result.evaluations == 2
    kinds = [event.kind for event in agent.journal.events() if event.step == 1]
    assert kinds.count("rehearsed") == 2
    table = WithSample({}, broken=("edit 1",))
    _, result = run(Careful(), table)
    assert result.steps[1].solution.failure == "on a sample of the data: no such column"


def test_scripts_that_were_too_slow_get_more_time_but_not_for_ever():
    @dataclass
    class Slow(Table):
        limits: list[float] = field(default_factory=list)

        def evaluate(self, script, step, seconds, replicate=0):
            self.limits.append(seconds)
            if step == 0:
                return Solution(script, True, score=0.0)
            return Solution(script, False, failure="still ran", outcome="timeout")

    table = Slow({})
    run(Careful(), table, steps=7, seconds_per_run=100.0)
    assert table.limits == [100, 100, 130, 160, 190, 200, 200]


def test_the_files_of_a_step_are_those_of_the_version_that_was_kept(tmp_path):
    """A tuning that loses has run last, and must not leave its submission behind."""
    from gome_agent import sandbox
    from gome_agent.evaluator import SandboxEvaluator, step_folder
    from gome_agent.sandbox.base import Limits

    program = (
        "import json, shutil\nscore = {}\n"
        "shutil.copyfile('input/sample_submission.csv', 'submission.csv')\n"
        "text = open('submission.csv').read().splitlines()\n"
        "digit = str(int(10 * score))\n"
        "rows = [text[0], *(row.split(',')[0] + ',' + digit for row in text[1:])]\n"
        "open('submission.csv', 'w').write('\\n'.join(rows) + '\\n')\n"
        "print(json.dumps({{'metric': 'accuracy', 'folds': [score]}}))\n"
    )

    class Tuning(Careful):
        def draft(self, brief, rng):
            return Edit(script=program.format(0.5))

        def refine(self, brief, solution, rng):
            return Edit(script=program.format(0.2))

    TASK.prepare(tmp_path / "public")
    evaluator = SandboxEvaluator(
        TASK,
        sandbox.detect(),
        Limits(wall_seconds=60.0, memory_bytes=2**30),
        tmp_path / "public",
        tmp_path / "steps",
    )
    _, result = run(Tuning(), evaluator, steps=1, refines=True)
    assert result.steps[0].solution.score == 0.5
    kept = step_folder(tmp_path / "steps", 0)
    assert kept.joinpath("solution.py").read_text() == program.format(0.5)
    assert kept.joinpath("submission.csv").read_text().splitlines()[1].endswith(",5")
