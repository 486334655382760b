"""Prompt templates, and how a reply that writes a solution is asked for."""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from importlib import resources
from string import Template
from typing import Literal

Artefact = Literal["program", "text"]

_NAMED = '{"applied": [{"statement": "...", "component": "..."}], "note": "one line"}'
HEADERS = {
    "draft": '{"note": "one line on what it does"}',
    "edit": (
        '{"applied": [1], "modified": null, "created": null, "note": "one line on what was done"}'
    ),
    "improve": _NAMED,
    "crossover": _NAMED,
    "refine": _NAMED,
    "debug": '{"note": "one line on what was wrong"}',
}
"""The JSON object that goes with a solution, for each question that asks for one."""
TEMPLATES = (
    *HEADERS,
    *("diagnose", "diagnose_text", "critique", "judge", "prefer"),
    *("reply", "change", "program", "text", "siblings", "tried"),
    *("stage_draft", "stage_improve", "stage_ensemble"),
)


def fill(name: str, **parts: str) -> str:
    """A template with its parts; those that it has no place for are left out."""
    return template(name).substitute(parts)


@lru_cache(maxsize=64)
def reply_format(question: str, artefact: Artefact, seconds: float, told: str) -> str:
    """How to answer a question; empty for one that is answered by JSON, whose template says it.

    Args:
      question: name of the template.
      artefact: what a solution is.
      seconds: that one run of it may take.
      told: what it finds where it runs; see `runs_with`.
    """
    if question not in HEADERS:
        return ""
    where = f"\n{told}" if told else ""
    contract = fill(artefact, seconds=f"{seconds:g}", environment=where).strip()
    form = "reply" if question == "draft" or artefact == "text" else "change"
    return fill(form, header=HEADERS[question], contract=contract).strip()


def runs_with(environment: str, machine: str) -> str:
    """What a program finds where it runs; empty if nobody said."""
    return " ".join(filter(None, (f"It runs with: {environment}." if environment else "", machine)))


def prompt_digest(*settings: str) -> str:
    """SHA-256 of all templates and of what is set."""
    parts = [*(template(name).template for name in TEMPLATES), *HEADERS.values(), *settings]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def template(name: str) -> Template:
    """A prompt template; `$name` marks what is filled in."""
    path = resources.files("gome_agent") / "prompts" / f"{name}.md"
    return Template(path.read_text(encoding="utf-8"))
