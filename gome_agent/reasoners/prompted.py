"""A reasoner that is any language model behind a function from prompt to reply.

One call of the model a question, one template a kind of question (`gome_agent/prompts/*.md`). A
prompt holds the task, one solution (two for a crossover), the feedback on it and at most `top`
ranked directives: never the history, which the update rule has already condensed into the weights.
Its length therefore does not grow with the run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from importlib import resources
from string import Template
from typing import Literal, TypeVar, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict

from gome_agent.reasoners._replies import parse_json, parse_solution
from gome_agent.reasoners.base import (
    Brief,
    MalformedReply,
    NoEdit,
    Ranked,
    Solution,
    usage_of,
)
from gome_agent.schemas import Component, Diagnosis, Directive, Edit
from optimizers.budget import Spent

Complete = Callable[[str], str]
"""Any model: the whole prompt in, the whole reply out."""
Artefact = Literal["program", "text"]

_COMPONENTS = ", ".join(get_args(Component))
QUESTIONS = ("draft", "diagnose", "edit", "improve", "crossover", "debug")
_NAMED = '{"applied": [{"statement": "...", "component": "..."}], "note": "one line"}'
_HEADERS = {
    "draft": '{"note": "one line on what it does"}',
    "edit": '{"applied": [1], "note": "one line on what was done"}',
    "improve": _NAMED,
    "crossover": _NAMED,
    "debug": '{"note": "one line on what was wrong"}',
}


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    note: str = ""


class _Numbered(_Header):
    applied: tuple[int, ...]


class _Named(_Header):
    applied: tuple[Directive, ...] = ()


_H = TypeVar("_H", bound=_Header)


class Prompted:
    """Any language model as a reasoner.

    It has no state: what it is told is in the arguments, what it may remember is in the rule.
    Randomness, if any, is the model's; `rng` is not used.

    Args:
      complete: the model. What it raises (a network that fails) is raised on.
      artefact: what a solution is: a "program" for a sandbox, or a "text" such as a prompt.
      top: most directives that are asked for, and that are shown for an edit.
      feedback_characters: feedback and logs beyond are cut in the middle, and marked.
      name: how displays and the journal call it.

    Raises:
      ValueError: `top` or `feedback_characters` is not positive.
    """

    draws = False

    def __init__(
        self,
        complete: Complete,
        *,
        artefact: Artefact = "program",
        top: int = 5,
        feedback_characters: int = 4000,
        name: str = "prompted",
    ) -> None:
        if top < 1 or feedback_characters < 1:
            raise ValueError(
                "`Prompted` needs top >= 1 and feedback_characters >= 1, got "
                f"top={top}, feedback_characters={feedback_characters}"
            )
        self._complete = complete
        self._artefact = artefact
        self._top = top
        self._feedback_characters = feedback_characters
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def usage(self) -> Spent | None:
        """What the model has spent, if `complete` can tell by an attribute `usage`."""
        return usage_of(self._complete)

    @property
    def prompt_digest(self) -> str:
        """SHA-256 of all that decides a prompt apart from the run: for the journal."""
        parts = [
            *(_template(name).template for name in (*QUESTIONS, "reply", self._artefact)),
            *_HEADERS.values(),
            f"{self._top} {self._feedback_characters}",
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def draft(self, brief: Brief, rng: np.random.Generator) -> Edit:
        """Ask for a first solution from the task alone."""
        script, header = parse_solution(self._ask("draft", brief), _Header)
        return Edit(script=script, note=header.note)

    def diagnose(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Diagnosis:
        """Ask what to change, from the solution and the feedback on it."""
        reply = self._ask(
            "diagnose",
            brief,
            solution=parent.script,
            outcome=_outcome(parent),
            feedback=self._cut(_feedback(parent)),
        )
        diagnosis = parse_json(reply, Diagnosis)
        if len(diagnosis.suggestions) > self._top:
            raise MalformedReply(
                f"the diagnosis has {len(diagnosis.suggestions)} suggestions, at most "
                f"{self._top} were asked for"
            )
        return diagnosis

    def edit(
        self, brief: Brief, parent: Solution, ranked: Ranked, rng: np.random.Generator
    ) -> Edit:
        """Ask for the solution with the weightiest directives carried out.

        Directives are shown with numbers and referred to by them, so that a reply cannot misquote
        one and so invent another.

        Raises:
          NoEdit: there is no directive to carry out.
          MalformedReply: also if the reply names a number that was not shown.
        """
        shown = [directive for directive, _ in ranked[: self._top]]
        if not shown:
            raise NoEdit("no directive has a positive weight: there is nothing to carry out")
        lines = (
            f"{i}. ({directive.component}, weight {weight:.2g}) {directive.statement}"
            for i, (directive, weight) in enumerate(ranked[: self._top], start=1)
        )
        reply = self._ask("edit", brief, solution=parent.script, ranked="\n".join(lines))
        script, header = self._changed(reply, parent, _Numbered)
        numbers = header.applied
        if len(set(numbers)) != len(numbers) or not set(numbers) <= set(range(1, len(shown) + 1)):
            raise MalformedReply(
                f"`applied` is {list(numbers)}: it must hold different numbers of the "
                f"{len(shown)} directives that were shown"
            )
        if not numbers:
            raise NoEdit("the model carried out none of the directives")
        return Edit(script=script, applied=tuple(shown[i - 1] for i in numbers), note=header.note)

    def improve(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """Ask for one undirected change."""
        reply = self._ask("improve", brief, solution=parent.script, outcome=_outcome(parent))
        script, header = self._changed(reply, parent, _Named)
        return Edit(script=script, applied=header.applied, note=header.note)

    def crossover(
        self, brief: Brief, parent: Solution, other: Solution, rng: np.random.Generator
    ) -> Edit:
        """Ask for one solution that has the best of two.

        Raises:
          NoEdit: also if the reply is one of the two.
        """
        reply = self._ask(
            "crossover",
            brief,
            solution=parent.script,
            outcome=_outcome(parent),
            other_solution=other.script,
            other_outcome=_outcome(other),
        )
        script, header = self._changed(reply, parent, _Named)
        if script == other.script:
            raise NoEdit("the model returned the second solution unchanged")
        return Edit(script=script, applied=header.applied, note=header.note)

    def debug(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """Ask for a repair."""
        reply = self._ask(
            "debug",
            brief,
            solution=parent.script,
            outcome=parent.failure or "It gave no reason.",
            log=self._cut(parent.log),
        )
        script, header = self._changed(reply, parent, _Header)
        return Edit(script=script, note=header.note)

    def _ask(self, question: str, brief: Brief, **parts: str) -> str:
        prompt = _template(question).substitute(
            description=brief.description.strip(),
            metric=_metric(brief),
            steps_left=str(brief.steps_left),
            components=_COMPONENTS,
            top=str(self._top),
            reply=_reply_format(question, self._artefact, brief.seconds_per_run),
            **parts,
        )
        return self._complete(prompt)

    @staticmethod
    def _changed(reply: str, parent: Solution, header: type[_H]) -> tuple[str, _H]:
        script, told = parse_solution(reply, header)
        if script == parent.script:
            raise NoEdit("the model returned the solution unchanged")
        return script, told

    def _cut(self, text: str) -> str:
        """Keep head and tail of a long text: causes stand at either end."""
        limit = self._feedback_characters
        if len(text) <= limit:
            return text
        half = limit // 2
        return (
            f"{text[: limit - half]}\n[... {len(text) - limit} characters left out ...]\n"
            + (text[len(text) - half :])
        )


@lru_cache(maxsize=64)
def _reply_format(question: str, artefact: Artefact, seconds: float) -> str:
    """How to answer; empty for a diagnosis, whose template says it."""
    if question not in _HEADERS:
        return ""
    contract = _template(artefact).substitute(seconds=f"{seconds:g}").strip()
    return _template("reply").substitute(header=_HEADERS[question], contract=contract)


@cache
def _template(name: str) -> Template:
    """A prompt template; `$name` marks what is filled in."""
    path = resources.files("gome_agent") / "prompts" / f"{name}.md"
    return Template(path.read_text(encoding="utf-8"))


def _metric(brief: Brief) -> str:
    metric = brief.facts.metric
    return f"{metric.name}, {'higher' if metric.higher_is_better else 'lower'} is better"


def _outcome(solution: Solution) -> str:
    if not solution.valid:
        return f"It failed: {solution.failure}"
    folds = solution.folds
    mean = sum(folds) / len(folds) if folds else solution.score
    return f"Score {mean:.6g}, standard error {solution.stderr:.2g}, {len(folds)} folds."


def _feedback(solution: Solution) -> str:
    """Everything that was reported, a line each; text as it is, the rest as JSON."""
    lines = [f"{key}: {_line(value)}" for key, value in solution.feedback.items()]
    if solution.train_folds:
        lines.append(f"training folds: {_line(list(solution.train_folds))}")
    return "\n".join(lines) or solution.log


def _line(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = dict(value)
    return json.dumps(value, ensure_ascii=False, default=str)
