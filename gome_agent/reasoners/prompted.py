"""A reasoner that is any language model.

One call of the model a question (two if the first reply cannot be read), one template a kind of
question (`gome_agent/prompts/*.md`). A prompt holds the task, one solution (two for a crossover or
a comparison), the feedback on it and at most `top` ranked directives: not the history, which the
update rule has already condensed into the weights. Its length therefore does not grow with the run.

A directed step is `diagnose` (challenges and scored hypotheses become a textual gradient), then the
update rule, then `edit` (what the rule ranks is selected, modified or created); `judge` looks at
what ran, and `prefer` at ties. That is the step of the paper (arXiv 2603.01692) in two to four
calls; `docs/method.md` has both side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Lock
from typing import TypeVar, get_args

import numpy as np
from pydantic import BaseModel

from gome_agent.models.base import Exchange, Model, ModelUnavailable, Request, RequestRefused
from gome_agent.reasoners import _hypotheses as hypotheses, _schedule as schedule, _showing as show
from gome_agent.reasoners._asking import asked_again
from gome_agent.reasoners._edits import Header, Named, Selected, directed_edit, read_change
from gome_agent.reasoners._prompts import Artefact, fill, prompt_digest, reply_format, runs_with
from gome_agent.reasoners._replies import parse_json, parse_solution
from gome_agent.reasoners.base import (
    Brief,
    MalformedReply,
    NoEdit,
    NoReply,
    Ranked,
    Solution,
    usage_of,
)
from gome_agent.schemas import Component, Diagnosis, Edit, Preference, Verdict
from optimizers.budget import Spent

Complete = Callable[[str], str]
"""The simplest model: the whole prompt in, the whole reply out."""

_COMPONENTS = ", ".join(get_args(Component))
_T = TypeVar("_T")
_D = TypeVar("_D", Diagnosis, hypotheses.Hypotheses)


class Prompted:
    """Any language model as a reasoner.

    It has no state: what it is told is in the arguments, what it may remember is in the rule.
    Randomness, if any, is the model's; `rng` is not used. A reply that cannot be read is asked for
    once more, with the reason. Where the model has no reply (`ModelUnavailable`, `RequestRefused`)
    `NoReply` is raised, a failed step; `ModelMisconfigured`, and whatever a plain function raises,
    is raised on.

    Args:
      model: a `Model`, or a function from prompt to reply.
      artefact: what a solution is: a "program" for a sandbox, or a "text" such as a prompt. A text
        is diagnosed by plain suggestions, whose strength the model says itself, and rewritten as a
        whole; challenges, scores, stages and patches are for programs.
      top: most hypotheses that are asked for, and directives that are shown for an edit.
      feedback_characters: feedback and logs beyond are cut in the middle, and marked.
      recall: how many of the last attempts at the same solution that were not accepted a diagnosis
        is told of. 0: only the rule remembers.
      critique: whether a second call criticizes and rewrites the hypotheses.
      stages: share of the budget until which a program is drafted, and from which on ensembled.
      environment: what a program finds where it runs (packages, processors, accelerator): one line.
      name: how displays and the journal call it.

    Raises:
      ValueError: a number is out of range.
    """

    draws = False

    def __init__(
        self,
        model: Model | Complete,
        *,
        artefact: Artefact = "program",
        top: int = 5,
        feedback_characters: int = 4000,
        recall: int = 3,
        critique: bool = False,
        stages: tuple[float, float] = (0.1, 0.7),
        environment: str = "",
        name: str = "prompted",
    ) -> None:
        if top < 1 or feedback_characters < 1 or recall < 0:
            raise ValueError(
                "`Prompted` needs top >= 1, feedback_characters >= 1 and recall >= 0, got "
                f"top={top}, feedback_characters={feedback_characters}, recall={recall}"
            )
        if not 0 <= stages[0] <= stages[1] <= 1:
            raise ValueError(f"`stages` are two shares of the budget in order, got {stages}")
        self._model = model if isinstance(model, Model) else _Function(model)
        self._artefact: Artefact = artefact
        self._top = top
        self._feedback_characters = feedback_characters
        self._recall = recall
        self._critique = critique
        self._stages = stages
        self._environment = environment
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def usage(self) -> Spent | None:
        """What the model has spent, if it can tell; of a plain function at least the calls."""
        return usage_of(self._model)

    @property
    def prompt_digest(self) -> str:
        """SHA-256 of all that decides a prompt apart from the run: for the journal."""
        return prompt_digest(
            self._artefact,
            f"{self._top} {self._feedback_characters} {self._recall} {self._critique}",
            f"{self._stages} {self._environment}",
        )

    # -- the gradient --------------------------------------------------------------------------

    def diagnose(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Diagnosis:
        """Ask what to change, from the solution and the feedback on it.

        For a program the schedule decides how many challenges of each kind are asked for
        (`_schedule.scenario_share`), and scores become strengths (`_hypotheses.strength`). If
        criticism fails, the hypotheses stay as they were.
        """
        if self._artefact == "text":
            read = _at_most(self._top, Diagnosis)
            return self._ask("diagnose_text", brief, read, self._seen(parent), Diagnosis)
        until = time.monotonic() + brief.seconds_left
        told = schedule.tally(brief.history, parent.script)
        asked = schedule.challenges_asked(schedule.scenario_share(*told), self._top)
        tried = schedule.rejected(brief.history, parent.script)
        parts = {
            "challenges": show.asked_challenges(*asked),
            "tried": _section(
                "tried", show.attempt_lines(tried[max(len(tried) - self._recall, 0) :])
            ),
        }
        read = _at_most(self._top, hypotheses.Hypotheses)
        schema = hypotheses.Hypotheses
        found = self._ask("diagnose", brief, read, {**self._seen(parent), **parts}, schema)
        if self._critique and found.hypotheses:
            left = max(until - time.monotonic(), 0.0)
            found = self._criticized(replace(brief, seconds_left=left), parent, found)
        return hypotheses.to_diagnosis(found)

    def _criticized(
        self, brief: Brief, parent: Solution, found: hypotheses.Hypotheses
    ) -> hypotheses.Hypotheses:
        def read(reply: object) -> hypotheses.Hypotheses:
            return hypotheses.rewritten(found, parse_json(reply, hypotheses.Critique))

        parts = {**self._seen(parent), "hypotheses": hypotheses.shown(found)}
        try:
            return self._ask("critique", brief, read, parts, hypotheses.Critique)
        except MalformedReply as failure:
            summary = f"{found.summary} (not criticized: {failure})"
            return found.model_copy(update={"summary": summary})

    # -- the retraction ------------------------------------------------------------------------

    def draft(self, brief: Brief, rng: np.random.Generator) -> Edit:
        """Ask for a first solution from the task alone."""

        def read(reply: object) -> Edit:
            script, told = parse_solution(reply, Header)
            return Edit(script=script, note=told.note)

        return self._ask("draft", brief, read, {})

    def edit(
        self, brief: Brief, parent: Solution, ranked: Ranked, rng: np.random.Generator
    ) -> Edit:
        """Ask for the solution with the weightiest directives carried out.

        Directives are shown with numbers and referred to by them, so that a reply cannot misquote
        one and so invent another. It may carry out one in other words, or one made out of several;
        those are then what was applied.

        Raises:
          NoEdit: there is no directive to carry out, or the reply carries out none.
          MalformedReply: also if the reply names a number that was not shown.
        """
        shown = ranked[: self._top]
        if not shown:
            raise NoEdit("no directive has a positive weight: there is nothing to carry out")

        def read(reply: object) -> Edit:
            return directed_edit(*read_change(reply, parent, Selected, self._artefact), shown)

        stage = ""
        if self._artefact == "program":
            stage = fill(f"stage_{schedule.stage(brief.used, *self._stages)}")
        parts = {"solution": parent.script, "ranked": show.ranked_lines(shown), "stage": stage}
        return self._ask("edit", brief, read, parts)

    def improve(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """Ask for one undirected change."""
        return self._ask("improve", brief, self._named(parent), self._seen(parent))

    def refine(self, brief: Brief, solution: Solution, rng: np.random.Generator) -> Edit:
        """Ask for other hyper-parameters."""
        return self._ask("refine", brief, self._named(solution), self._seen(solution))

    def crossover(
        self, brief: Brief, parent: Solution, other: Solution, rng: np.random.Generator
    ) -> Edit:
        """Ask for one solution that has the best of two.

        Raises:
          NoEdit: also if the reply is one of the two.
        """

        def read(reply: object) -> Edit:
            edit = self._named(parent)(reply)
            if edit.script == other.script:
                raise NoEdit("the model returned the second solution unchanged")
            return edit

        second = {"other_solution": other.script, "other_outcome": show.outcome(other)}
        return self._ask("crossover", brief, read, {**self._seen(parent), **second})

    def debug(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """Ask for a repair."""

        def read(reply: object) -> Edit:
            script, told = read_change(reply, parent, Header, self._artefact)
            return Edit(script=script, note=told.note)

        log = show.as_data("log", show.cut(parent.log, self._feedback_characters))
        parts = {"solution": parent.script, "failure": show.failure(parent), "log": log}
        return self._ask("debug", brief, read, parts)

    # -- validation ----------------------------------------------------------------------------

    def judge(self, brief: Brief, solution: Solution) -> Verdict:
        """Ask whether the validation score can be trusted.

        Fails closed: a verdict of trust without a line of evidence is malformed.
        """

        def read(reply: object) -> Verdict:
            verdict = parse_json(reply, Verdict)
            if verdict.aligned and not verdict.evidence.strip():
                raise MalformedReply("the evaluation is called aligned without any `evidence`")
            return verdict

        return self._ask("judge", brief, read, self._seen(solution), Verdict)

    def prefer(self, brief: Brief, parent: Solution, child: Solution) -> Preference:
        """Ask which of two programs with tied scores is the better one."""

        def read(reply: object) -> Preference:
            return parse_json(reply, Preference)

        second = {
            "difference": show.difference(parent, child),
            "other_outcome": show.outcome(child),
        }
        return self._ask("prefer", brief, read, {**self._seen(parent), **second}, Preference)

    # -- asking --------------------------------------------------------------------------------

    def _seen(self, solution: Solution) -> dict[str, str]:
        """A solution and what evaluating it showed."""
        return {
            "solution": solution.script,
            "outcome": show.outcome(solution),
            "feedback": show.feedback(solution, self._feedback_characters),
        }

    def _named(self, parent: Solution) -> Callable[[object], Edit]:
        def read(reply: object) -> Edit:
            script, told = read_change(reply, parent, Named, self._artefact)
            return Edit(script=script, applied=told.applied, note=told.note)

        return read

    def _ask(
        self,
        question: str,
        brief: Brief,
        read: Callable[[object], _T],
        parts: Mapping[str, str],
        schema: type[BaseModel] | None = None,
    ) -> _T:
        told = runs_with(self._environment, brief.machine)
        form = reply_format(question, self._artefact, brief.seconds_per_run, told)
        siblings = show.sibling_lines(brief.siblings, self._top)
        prompt = fill(
            question,
            description=show.task(brief),
            metric=show.metric(brief),
            steps_left=str(brief.steps_left),
            limits=f"{show.limits(brief)} {told}".strip(),
            components=_COMPONENTS,
            top=str(self._top),
            siblings=_section("siblings", siblings),
            reply=form,
            **parts,
        )
        purpose = question.removesuffix("_text")
        request = Request(purpose, prompt, schema, step=brief.step)
        try:
            return asked_again(self._model, request, brief.seconds_left, read)
        except (ModelUnavailable, RequestRefused) as failure:
            raise NoReply(str(failure)) from failure


class _Function:
    """A function from prompt to reply as a model; it has no deadline and cannot be refused."""

    def __init__(self, complete: Complete) -> None:
        self._complete = complete
        self._calls = 0
        self._lock = Lock()

    @property
    def name(self) -> str:
        return getattr(self._complete, "__name__", type(self._complete).__name__)

    @property
    def usage(self) -> Spent:
        """What the function tells by an attribute `usage`; else its calls, all that is known."""
        return usage_of(self._complete) or Spent(calls=self._calls)

    def ask(self, request: Request, seconds: float) -> Exchange:
        with self._lock:
            self._calls += 1
        return Exchange(self._complete(request.prompt), self.name)


def _at_most(top: int, schema: type[_D]) -> Callable[[object], _D]:
    """Read a diagnosis of either form with at most so many changes in it."""

    def read(reply: object) -> _D:
        found = parse_json(reply, schema)
        changes = found.suggestions if isinstance(found, Diagnosis) else found.hypotheses
        if len(changes) > top:
            raise MalformedReply(
                f"the diagnosis has {len(changes)} changes, at most {top} were asked for"
            )
        return found

    return read


def _section(name: str, lines: str) -> str:
    return fill(name, lines=lines) if lines else ""
