"""Every kind of malformed reply, sent over HTTP to a run: its outcome is that of the table."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import pytest

import optimizers
from gome_agent.budget import Budget
from gome_agent.journal import Journal
from gome_agent.loop import Agent
from gome_agent.models import Model, Request, RequestRefused
from gome_agent.models.malformed import GOOD, KINDS, Kind
from gome_agent.models.serving import Fault, Refusal, Reply
from gome_agent.reasoners._asking import AGAIN, asked_again
from gome_agent.reasoners._replies import parse_json
from gome_agent.reasoners.base import MalformedReply, NoEdit
from gome_agent.reasoners.prompted import Prompted
from gome_agent.schemas import Diagnosis, Verdict
from gome_agent.text import IN_MEMORY, StartingFrom, TextEvaluator, TextTask
from tests.gome_agent.loopback import served

IN_A_RUN = [kind for kind in KINDS if kind.question != "judge"]
VERDICTS = [kind for kind in KINDS if kind.question == "judge"]


class _Captured(Exception):
    pass


class Through:
    """`Prompted` with a model behind it that is asked again where a reply cannot be read."""

    name = "through"
    draws = False

    def __init__(self, model: Model) -> None:
        self._model = model

    def diagnose(self, *args):
        return self._ask("diagnose", Diagnosis, args)

    def edit(self, *args):
        return self._ask("edit", None, args)

    def _ask(self, question, schema, args):
        prompts = []

        def capture(prompt):
            prompts.append(prompt)
            raise _Captured

        with pytest.raises(_Captured):
            getattr(Prompted(capture, artefact="text"), question)(*args)
        request = Request(question, prompts[0], schema)

        def read(reply):
            return getattr(Prompted(lambda prompt: reply, artefact="text"), question)(*args)

        try:
            return asked_again(self._model, request, 60.0, read)
        except RequestRefused as refused:
            raise MalformedReply(str(refused)) from None


class Wire:
    """Answers well, but for one kind of question at a time."""

    def __init__(self) -> None:
        self.kind: Kind | None = None
        self.times = 0
        self.edits = 0

    def faults(self):
        """A fault for the next request where the kind is one; read when a request comes."""
        while True:
            sent = self.kind.sent if self.kind else None
            hit = isinstance(sent, Fault) and self.times > 0
            if hit:
                self.times -= 1
            yield sent if hit else Fault()

    def __call__(self, body):
        question = _asked(body).removesuffix(" again")
        kind = self.kind
        hit = kind and kind.question == question and self.times > 0
        if kind and hit and not isinstance(kind.sent, Fault):
            self.times -= 1
            if isinstance(kind.sent, Refusal):
                raise kind.sent
            return kind.sent
        self.edits += 1
        return Reply(GOOD[question].replace("the digits", f"the digits {self.edits}"))


def _asked(body) -> str:
    """Which question a request asks."""
    prompt = body["messages"][0]["content"]
    question = "edit" if "# Directives" in prompt else "diagnose"
    return f"{question} again" if AGAIN in prompt else question


@dataclass
class Outcome:
    """What came of one kind: with a good reply the second time, and without."""

    asked: list[str]
    valid: bool
    asked_forever: list[str]
    failure: str
    unchanged: bool


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, Outcome]:
    """One run with two steps for each kind; it must go on to its end."""
    wire = Wire()
    folder = tmp_path_factory.mktemp("run")
    before = Path.cwd()
    os.chdir(folder)
    try:
        with served(wire) as (model, server), Journal.create(IN_MEMORY) as journal:
            server._faults = wire.faults()
            agent = Agent(
                task=TextTask("A text."),
                strategy=optimizers.directed(optimizers.gome()),
                reasoner=StartingFrom("Answer.", Through(model)),  # pyright: ignore[reportArgumentType]
                evaluator=TextEvaluator(lambda text: [(float(text == "Answer."), "fine")]),
                journal=journal,
                budget=Budget(2 * len(IN_A_RUN) + 2),
                public=Path(),
            )
            agent.step()
            agent.step()  # one good step: its directive has a slot from now on
            found = {kind.name: _outcome(agent, wire, server.requests, kind) for kind in IN_A_RUN}
            result = agent.run()
            assert result.ended_by == f"all {agent.budget.steps} steps are used"
            assert result.best is not None
            assert result.best.edit is not None
            assert result.best.edit.script == "Answer."
            failures = Counter(event.payload["error"] for event in journal.events("failed"))
            failed = sum((not o.valid) + bool(o.failure) for o in found.values())
            assert failures == Counter(MalformedReply=failed)
    finally:
        os.chdir(before)
    assert list(folder.iterdir()) == [], "a reply was executed"
    return found


def _outcome(agent: Agent, wire: Wire, requests: list, kind: Kind) -> Outcome:
    begun, wire.kind, wire.times = len(requests), kind, 1
    step = agent.step()
    once, snapshot = len(requests), _settled(agent)
    wire.times = 2
    forever = agent.step()
    return Outcome(
        [_asked(body) for body in requests[begun:once]],
        step.solution.valid,
        [_asked(body) for body in requests[once:]],
        "" if forever.solution.valid else forever.solution.failure,
        all(map(np.array_equal, snapshot, _settled(agent))),
    )


def _settled(agent: Agent) -> list[np.ndarray]:
    """What a step may change if it is accepted, and words that have a slot."""
    run = agent.state
    kept = (run.params, run.rule_state, run.score, run.stderr, run.gate)
    words = np.array([str(directive) for directive in agent.lexicon.directives])
    return [*map(np.asarray, jax.tree.leaves(kept)), words]


@pytest.mark.parametrize("kind", IN_A_RUN, ids=lambda kind: kind.name)
def test_a_reply_has_the_outcome_of_the_table(kind, outcomes):
    outcome = outcomes[kind.name]
    asked = ["diagnose", "edit"]
    match kind.outcome:
        case "read":
            assert (outcome.asked, outcome.asked_forever) == (asked, asked)
            assert outcome.valid
            assert not outcome.failure
        case "repair":
            spot = asked.index(kind.question) + 1
            until = [*asked[:spot], f"{kind.question} again"]
            assert outcome.asked == [*until, *asked[spot:]]
            assert outcome.valid
            assert outcome.asked_forever == until
            assert outcome.failure
        case "retry":
            assert outcome.asked == ["diagnose", *asked]
            assert outcome.asked_forever == ["diagnose", "diagnose", *asked]
            assert outcome.valid
        case "failed step":
            assert outcome.asked == ["diagnose"]
            assert not outcome.valid
            assert "refuses this request" in outcome.failure
    assert outcome.unchanged
    assert "\n" not in outcome.failure
    assert len(outcome.failure) < 700


@pytest.mark.parametrize("kind", VERDICTS, ids=lambda kind: kind.name)
def test_a_verdict_has_the_outcome_of_the_table(kind):
    request = Request("judge", "Is it aligned?", Verdict)
    replies = iter([kind.sent, Reply(GOOD["judge"])])
    with served(lambda body: next(replies)) as (model, server):
        verdict = asked_again(model, request, 60.0, lambda reply: parse_json(reply, Verdict))
    assert len(server.requests) == (1 if kind.outcome == "read" else 2)
    assert verdict.aligned == (kind.name == "a spelled yes" or kind.outcome == "repair")
    if kind.outcome == "repair":
        with served(lambda body: kind.sent) as (model, server), pytest.raises(MalformedReply):
            asked_again(model, request, 60.0, lambda reply: parse_json(reply, Verdict))
        assert len(server.requests) == 2


def test_the_table_is_large_and_its_names_differ():
    assert len(KINDS) >= 40
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert {kind.outcome for kind in KINDS} == {"read", "repair", "retry", "failed step"}


# -- asking again ------------------------------------------------------------------------------


def test_the_second_question_is_the_first_with_the_reason():
    replies = iter(["nothing", GOOD["diagnose"]])
    request = Request("diagnose", "What?", Diagnosis, step=3)
    with served(lambda body: next(replies)) as (model, server):
        asked_again(model, request, 60.0, lambda reply: parse_json(reply, Diagnosis))
    first, second = (body["messages"][0]["content"] for body in server.requests)
    assert first == "What?"
    assert re.fullmatch(
        rf"What\?\n\n{AGAIN}the reply is not one JSON object: .*\. Reply again\.", second
    )
    assert all("response_format" in body for body in server.requests)


def test_the_reason_is_short_and_tells_of_the_limit():
    def read(reply):
        raise MalformedReply("x" * 10_000)

    with served() as (model, server), pytest.raises(MalformedReply):
        asked_again(model, Request("edit", "?"), 60.0, read)
    assert len(server.requests[1]["messages"][0]["content"]) < 700
    with served(faults="length*2") as (model, server), pytest.raises(MalformedReply):
        asked_again(model, Request("edit", "?"), 60.0, read)
    assert "cut off" in server.requests[1]["messages"][0]["content"]


def test_what_is_no_malformed_reply_is_not_asked_again():
    def read(reply):
        raise NoEdit("nothing to do")

    with served() as (model, server), pytest.raises(NoEdit):
        asked_again(model, Request("edit", "?"), 60.0, read)
    assert len(server.requests) == 1
