"""From a prompt back to question and parts: the templates of `gome_agent/prompts`, inverted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from string import Template
from typing import Any, NamedTuple

from gome_agent.reasoners.base import Solution
from gome_agent.schemas import Directive
from gome_agent.tasks.base import Metric

_SCORED = re.compile(
    r"Score (?P<score>\S+), standard error (?P<stderr>\S+), (?P<folds>\d+) folds\."
    r"( It took (?P<seconds>\S+) s\.)?"
)
_RANKED = re.compile(
    r"^\d+\. \((?P<component>\w+), weight (?P<weight>[^)]+)\) (?P<words>.*)$", re.M
)
_KEY = re.compile(r"(?P<key>[^:\n]+): (?P<value>.*)")
_LIMIT = re.compile(r"at\s+most\s+(?P<seconds>[\d.e+]+)\s+s\b")


class Asked(NamedTuple):
    """A question, and what was filled in.

    Where parts follow each other with nothing but space between them, the first has all of it.
    """

    question: str
    """Name of its template."""
    parts: Mapping[str, str]


def read_prompt(prompt: str) -> Asked | None:
    """Which template a prompt was made from; `None` if from none of them."""
    for question, pattern in _questions().items():
        found = pattern.fullmatch(prompt.strip())
        if found:
            return Asked(question, found.groupdict())
    return None


@cache
def _questions() -> Mapping[str, re.Pattern[str]]:
    """A pattern for each template that is a whole prompt: those that show the task."""
    folder = resources.files("gome_agent") / "prompts"
    texts = {
        path.name.removesuffix(".md"): path.read_text(encoding="utf-8")
        for path in sorted(folder.iterdir(), key=lambda path: path.name)
        if path.name.endswith(".md")
    }
    return {name: _inverse(text) for name, text in texts.items() if "$description" in text}


def _inverse(template: str) -> re.Pattern[str]:
    """What a template can become, with a group for each of its parts."""
    pattern, seen, last = "", set(), 0
    template = template.strip()
    for place in Template.pattern.finditer(template):
        name, between = place["named"] or place["braced"], template[last : place.start()]
        last = place.end()
        if seen and not between.strip():
            continue
        pattern += re.escape(between)
        pattern += f"(?P={name})" if name in seen else f"(?P<{name}>.*?)"
        seen.add(name)
    return re.compile(pattern + re.escape(template[last:]), re.DOTALL)


def read_solution(script: str, shown: str, metric: Metric, log: str = "") -> Solution:
    """A solution as a prompt shows it: its outcome first, then what it reported."""
    scored = _SCORED.match(shown)
    if scored is None:
        return Solution(script, valid=False, failure=shown.strip(), log=log)
    told = _told(shown)
    score, number = float(scored["score"]), int(scored["folds"])
    return Solution(
        script,
        valid=True,
        score=metric.utility(score),
        stderr=float(scored["stderr"]),
        folds=_folds(told.pop("validation folds", None)) or (score,) * number,
        train_folds=_folds(told.pop("training folds", None)),
        feedback=told,
        seconds=float(scored["seconds"] or 0.0),
        log=log,
    )


def read_ranked(text: str) -> tuple[tuple[Directive, float], ...]:
    """Directives with their weights, in the order of their numbers."""
    return tuple(
        (
            Directive.model_validate({"statement": line["words"], "component": line["component"]}),
            float(line["weight"]),
        )
        for line in _RANKED.finditer(text)
    )


def read_limit(text: str) -> float | None:
    """Seconds that a program may take, if the text says so."""
    found = _LIMIT.search(text)
    return float(found["seconds"]) if found else None


def _told(feedback: str) -> dict[str, Any]:
    """What a script reported: `key: value` a line, values in JSON where they are."""
    found: dict[str, Any] = {}
    for line in feedback.splitlines():
        match = _KEY.fullmatch(line)
        if match is None:
            continue
        try:
            found[match["key"]] = json.loads(match["value"])
        except ValueError:
            found[match["key"]] = match["value"]
    return found


def _folds(value: object) -> tuple[float, ...]:
    return tuple(map(float, value)) if isinstance(value, list) else ()
