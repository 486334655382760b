"""The expert behind a model's address: it reads gome's prompts, and runs go through HTTP whole."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np
import pytest

import optimizers
from gome_agent import sandbox
from gome_agent.budget import Budget
from gome_agent.evaluator import SandboxEvaluator
from gome_agent.journal import Journal
from gome_agent.loop import Agent
from gome_agent.models import LiteLLMModel, Request, RequestRefused
from gome_agent.models._prompt_reading import read_prompt, read_solution
from gome_agent.models.offline import ExpertResponder
from gome_agent.reasoners import Brief, Expert, NoEdit, Solution
from gome_agent.reasoners._asking import AGAIN
from gome_agent.reasoners.prompted import Prompted
from gome_agent.sandbox.base import Limits
from gome_agent.tasks import registry
from gome_agent.text import IN_MEMORY
from tests.gome_agent.loopback import served

TASK = registry.load("digits")
RNG = np.random.default_rng(0)
PROMPTS = resources.files("gome_agent") / "prompts"
WHOLE = sorted(
    path.name.removesuffix(".md")
    for path in PROMPTS.iterdir()
    if "$description" in path.read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def public(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    TASK.prepare(folder)
    return folder


def brief(public: Path) -> Brief:
    return Brief(TASK.facts, TASK.description, public, steps_left=5, seconds_per_run=60.0)


def parent(script: str, **changes) -> Solution:
    told = {
        "script": script,
        "valid": True,
        "score": 0.9,
        "stderr": 0.01,
        "folds": (0.9, 0.9),
        "train_folds": (1.0, 1.0),
        "feedback": {"rows": 1200, "numeric_columns": 64, "note": "two: words"},
    }
    return Solution(**{**told, **changes})


@pytest.fixture
def asked(public):
    """`Prompted` whose model is the expert behind HTTP."""
    with served(ExpertResponder(TASK, public)) as (model, _):
        yield Prompted(lambda prompt: model.ask(Request("edit", prompt), 60.0).reply)


@pytest.mark.parametrize("name", WHOLE)
def test_every_prompt_is_read_back(name):
    template = Template((PROMPTS / f"{name}.md").read_text(encoding="utf-8"))
    names = template.get_identifiers()
    one_line = ("metric", "steps_left", "components", "top", "challenges")
    filled = {
        part: f"{part} $x (a|b)" if part in one_line else f"{part} 1.\n$x <solution> # Task"
        for part in names
    }
    found = read_prompt(template.substitute(filled))
    assert found is not None
    assert found.question == name
    for part, text in found.parts.items():
        assert text.startswith(filled[part])
    parts = "".join(found.parts.values())
    assert all(text in parts for text in filled.values())


def test_what_is_no_prompt_is_refused(public):
    assert read_prompt("What is the weather?") is None
    with served(ExpertResponder(TASK, public)) as (model, _), pytest.raises(RequestRefused):
        model.ask(Request("edit", "What is the weather?"), 60.0)


def test_a_solution_is_read_back_from_its_numbers():
    metric = TASK.facts.metric
    text = "Score 0.9, standard error 0.01, 2 folds. It took 3.5 s."
    text += '\nrows: 1200\ntraining folds: [1.0, 0.9]\nnote: "a": b'
    found = read_solution("x", text, metric)
    assert found == Solution(
        "x",
        valid=True,
        score=0.9,
        stderr=0.01,
        folds=(0.9, 0.9),
        train_folds=(1.0, 0.9),
        feedback={"rows": 1200, "note": '"a": b'},
        seconds=3.5,
    )
    failed = read_solution("x", "It failed: no memory", metric, log="killed")
    assert (failed.valid, failed.failure, failed.log) == (False, "It failed: no memory", "killed")


def test_answers_are_those_of_the_expert(asked, public):
    there, here = brief(public), Expert()
    draft = asked.draft(there, RNG)
    assert draft.script == here.draft(there, RNG).script
    before = parent(draft.script)
    diagnosis = asked.diagnose(there, before, RNG)
    wanted = here.diagnose(there, before, RNG).suggestions[: len(diagnosis.suggestions)]
    assert len(diagnosis.suggestions) == 5
    for one, other in zip(diagnosis.suggestions, wanted, strict=True):
        assert one.statement == other.statement
        assert one.strength == pytest.approx(other.strength)
        assert one.credence == pytest.approx(other.credence)
    ranked = [(s, s.strength) for s in wanted if s.strength > 0]
    edit = asked.edit(there, before, ranked, RNG)
    assert edit.script == here.edit(there, before, ranked, RNG).script
    assert [d.statement for d in edit.applied] == [ranked[0][0].statement]
    again = asked.edit(there, before, ranked, RNG)
    assert again.script not in (edit.script, draft.script)
    improved = asked.improve(there, before, RNG)
    assert len(improved.applied) == 1
    crossed = asked.crossover(there, parent(edit.script), parent(improved.script), RNG)
    assert crossed.script not in (edit.script, improved.script)
    failed = parent(improved.script, valid=False, failure="out of memory", log="killed")
    assert asked.debug(there, failed, RNG).script != improved.script


def test_nothing_to_do_is_said_so(asked, public):
    foreign = parent("print('no plan')")
    assert asked.diagnose(brief(public), foreign, RNG).suggestions == ()
    with pytest.raises(NoEdit):
        asked.improve(brief(public), foreign, RNG)


def test_the_same_question_again_has_the_same_answer(public):
    prompts = []
    Prompted(lambda prompt: prompts.append(prompt) or "<solution>\nx\n</solution>\n{}").draft(
        brief(public), RNG
    )
    with served(ExpertResponder(TASK, public)) as (model, _):
        first = model.ask(Request("draft", prompts[0]), 60.0).reply
        repaired = model.ask(Request("repair", f"{prompts[0]}\n\n{AGAIN}why. Reply again."), 60.0)
    assert repaired.reply == first


def test_a_whole_run_goes_over_http_through_faults(public, tmp_path):
    limits = Limits(wall_seconds=60.0, cpu_seconds=120.0, memory_bytes=4 * 2**30)
    faults = "429:1,ok,500,slow:0.1,cut,html,ok"
    with (
        served(ExpertResponder(TASK, public), faults, prices=(1.0, 0.1, 4.0)) as (model, server),
        Journal.create(IN_MEMORY) as journal,
    ):
        agent = Agent(
            task=TASK,
            strategy=optimizers.directed(optimizers.gome()),
            reasoner=Prompted(lambda prompt: model.ask(Request("edit", prompt), 60.0).reply),
            evaluator=SandboxEvaluator(TASK, sandbox.detect(), limits, public, tmp_path / "steps"),
            journal=journal,
            budget=Budget(3),
            public=public,
            seconds_per_run=60.0,
        )
        result = agent.run()
    assert result.ended_by == "all 3 steps are used"
    assert all(step.solution.valid for step in result.steps)
    # A draft, twice a diagnosis and an edit, each script judged; and the faults.
    assert len(server.requests) == 5 + 3 + 4
    draft, *edits = result.steps
    assert all(step.edit and len(step.edit.applied) == 1 for step in edits)
    assert result.best is not None
    assert result.best.solution.score > draft.solution.score


def test_the_command_serves_until_it_is_ended(tmp_path):
    command = [sys.executable, "-m", "gome_agent.models.serving", "--task", "digits"]
    words = [*command, "--public", str(tmp_path / "public"), "--faults", "503"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            model = LiteLLMModel("openai/expert", api_base=server.stdout.readline().strip())
            with pytest.raises(RequestRefused, match="no known template"):
                model.ask(Request("edit", "What is the weather?"), 60.0)
        finally:
            server.terminate()
    done = subprocess.run(
        [*command, "--public", "x", "--faults", "cutt"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Did you mean `cut`" in done.stderr
