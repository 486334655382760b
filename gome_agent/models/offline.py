"""The offline expert behind a model's address: for rehearsals of whole runs without a model.

It is asked in gome's own prompts over HTTP and answers in the formats that they ask for, so that
everything of a run but the thinking is that of a run with a model.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gome_agent.models._prompt_reading import (
    Asked,
    read_limit,
    read_prompt,
    read_ranked,
    read_solution,
)
from gome_agent.models.serving import Refusal, Reply
from gome_agent.reasoners._asking import AGAIN
from gome_agent.reasoners.base import (
    Attempt,
    Brief,
    NoEdit,
    Refines,
    Solution,
    script_digest,
)
from gome_agent.reasoners.expert import Expert
from gome_agent.reasoners.expert.plan import NoPlan, Plan
from gome_agent.reasoners.expert.render import UnknownMetric, render
from gome_agent.schemas import Diagnosis, Edit, Verdict
from gome_agent.tasks.base import Task

DEFAULT_SECONDS = 300.0
_SCORES = ("alignment", "impact", "novelty", "feasibility", "risk_reward")
_CANNOT_TELL = "I cannot tell."


class ExpertResponder:
    """Answers the prompts of one run on one task as `Expert` would.

    A prompt tells no history, so it remembers the scripts that it saw and wrote, and proposes none
    twice. A question that is asked again because its answer could not be read gets the same answer.

    Args:
      task: what the run is about.
      public: its prepared public folder.
      seed: of what the expert draws.

    Raises:
      Refusal: by a call: the prompt is none of gome's.
    """

    def __init__(self, task: Task, public: Path, seed: int = 0) -> None:
        self._task = task
        self._public = public
        self._seed = seed
        self._expert = Expert()
        self._lock = threading.Lock()
        self._known: dict[str, Attempt] = {}
        self._answers: dict[str, str] = {}
        self._calls = 0

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        prompt, _, again = str(body["messages"][-1]["content"]).partition(f"\n\n{AGAIN}")
        with self._lock:
            if not (again and prompt in self._answers):
                self._answers[prompt] = self._answer(prompt)
            return Reply(self._answers[prompt])

    def _answer(self, prompt: str) -> str:
        asked = read_prompt(prompt)
        if asked is None:
            raise Refusal(400, "unknown_question", "this prompt was made from no known template")
        self._calls += 1
        rng = np.random.default_rng([self._seed, self._calls])
        parts, metric = asked.parts, self._task.facts.metric
        shown = "\n".join(parts.get(name, "") for name in ("outcome", "failure", "feedback"))
        script = parts.get("solution", "")
        parent = read_solution(script, shown.strip(), metric, parts.get("log", ""))
        self._remember(parent.script)
        brief = self._brief(asked, prompt)
        expert = self._expert
        match asked.question:
            case "draft":
                return self._written(asked, parent, lambda: expert.draft(brief, rng))
            case "diagnose" | "diagnose_text":
                return _diagnosis(asked, prompt, lambda: expert.diagnose(brief, parent, rng))
            case "edit":
                ranked = read_ranked(parts["ranked"])
                return self._written(asked, parent, lambda: expert.edit(brief, parent, ranked, rng))
            case "improve":
                return self._written(asked, parent, lambda: expert.improve(brief, parent, rng))
            case "refine" if isinstance(expert, Refines):
                return self._written(asked, parent, lambda: expert.refine(brief, parent, rng))
            case "debug":
                return self._written(asked, parent, lambda: expert.debug(brief, parent, rng))
            case "crossover":
                other = read_solution(parts["other_solution"], parts["other_outcome"], metric)
                self._remember(other.script)
                return self._written(
                    asked, parent, lambda: expert.crossover(brief, parent, other, rng)
                )
            case "critique":
                return json.dumps({"rewritten": []})  # all stay as they were
            case "judge":
                return self._judged(parent).model_dump_json()
        return _CANNOT_TELL

    def _judged(self, solution: Solution) -> Verdict:
        """Trust in a script that is, to the letter, what its plan renders."""
        try:
            rendered = render(Plan.from_script(solution.script), self._task.facts)
        except (NoPlan, UnknownMetric) as error:
            return Verdict(aligned=False, evidence=str(error))
        if rendered != solution.script:
            return Verdict(aligned=False, evidence="the script is not what its plan renders")
        return Verdict(
            aligned=True,
            evidence="the script is what its plan renders: preprocessing is fitted within each "
            "fold, and the same function predicts validation and test rows",
        )

    def _brief(self, asked: Asked, prompt: str) -> Brief:
        return Brief(
            facts=self._task.facts,
            description=asked.parts["description"],
            public=self._public,
            steps_left=int(asked.parts.get("steps_left") or 1),
            seconds_per_run=read_limit(asked.parts.get("reply", "")) or DEFAULT_SECONDS,
            history=tuple(self._known.values()),
        )

    def _remember(self, script: str) -> None:
        digest = script_digest(script)
        if script and digest not in self._known:
            self._known[digest] = Attempt(
                len(self._known), None, "IMPROVE", (), False, True, 0.0, digest
            )

    def _written(self, asked: Asked, parent: Solution, write: Callable[[], Edit]) -> str:
        """A solution between tags with its object; an unchanged one says that there is nothing."""
        try:
            edit = write()
        except NoEdit as nothing:
            if not parent.script:
                return str(nothing)
            edit = Edit(script=parent.script, note=str(nothing))
        self._remember(edit.script)
        header: dict[str, Any] = {"note": edit.note}
        if asked.question == "edit":
            shown = [d.to_core().identity for d, _ in read_ranked(asked.parts["ranked"])]
            header["applied"] = [shown.index(d.to_core().identity) + 1 for d in edit.applied]
        elif asked.question in ("improve", "crossover", "refine"):
            header["applied"] = [directive.model_dump() for directive in edit.applied]
        return f"<solution>\n{edit.script}\n</solution>\n{json.dumps(header)}"


def _diagnosis(asked: Asked, prompt: str, diagnose: Callable[[], Diagnosis]) -> str:
    """A diagnosis in whichever of the two forms the prompt asks for."""
    try:
        found = diagnose()
    except NoEdit as nothing:
        found = Diagnosis(summary=str(nothing))
    wanted = asked.parts.get("challenges") or f"at most {asked.parts.get('top', 5)}"
    top = sum(map(int, re.findall(r"\d+", wanted)))
    best = found.suggestions[:top]
    if '"hypotheses"' not in prompt:
        return found.model_copy(update={"suggestions": best}).model_dump_json()
    challenges = [
        {"kind": "trace", "statement": s.evidence or s.statement, "evidence": "", "impact": ""}
        for s in best
    ]
    hypotheses = [
        {
            "challenge": number,
            "statement": s.statement,
            "component": s.component,
            "effect": "worsens" if s.strength < 0 else "improves",
            # With equal scores the weighted mean is the strength, whatever the weights.
            "scores": dict.fromkeys(_SCORES, 1.0 + 9.0 * min(abs(s.strength), 1.0)),
            "credence": s.credence,
        }
        for number, s in enumerate(best, start=1)
    ]
    told = {"summary": found.summary, "challenges": challenges, "hypotheses": hypotheses}
    return json.dumps(told)
