"""The page on the method tells the sizes of prompts that are sent."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import get_args

from gome_agent.reasoners import _prompts as prompts
from gome_agent.reasoners._hypotheses import WEIGHTS
from gome_agent.reasoners._showing import LINE
from gome_agent.schemas import Component

PAGE = (Path(__file__).parents[2] / "docs" / "method.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 7]


def fixed_tokens(question: str) -> int:
    """A prompt with nothing filled in but how to reply."""
    template = prompts.template(question)
    parts = dict.fromkeys(template.get_identifiers(), "")
    parts["components"] = ", ".join(get_args(Component))
    parts["reply"] = prompts.reply_format(question, "program", 300.0, "")
    return round(len(template.substitute(parts)) / 4)


def test_the_table_tells_the_size_of_every_prompt_of_a_step():
    seen = set()
    for row in ROWS:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        questions = [name for name in re.findall(r"`(\w+)`", cells[2]) if name in prompts.TEMPLATES]
        told = [int(number) for number in re.findall(r"\d+", cells[4])]
        if told:
            assert told == [fixed_tokens(name) for name in questions], questions
            seen |= set(questions)
    assert seen == {"diagnose", "critique", "edit", "debug", "refine", "judge", "prefer"}


def test_every_template_is_in_the_digest():
    files = resources.files("gome_agent") / "prompts"
    names = [path.name.removesuffix(".md") for path in files.iterdir()]
    assert sorted(names) == sorted(prompts.TEMPLATES)


def test_what_the_page_adds_up():
    plain = sum(map(fixed_tokens, ("diagnose", "edit", "judge")))
    assert f"{plain} fixed tokens" in PAGE
    feedback, directives, lines = 2 * 4000, 5 * 500, (3 + 2 * 5) * LINE
    assert plain + (feedback + directives + lines) / 4 < 4200
    assert "3 D + 3 S + 4200" in PAGE


def test_the_weights_are_those_of_the_code():
    formula = " + ".join(f"{w} {name.replace('_', '/')}" for name, w in WEIGHTS.items())
    assert formula in PAGE
