"""What a run is told of a competition: the description, rules and facts, nothing of medals."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from gome_agent.reasoners.base import Brief, NoEdit
from gome_agent.reasoners.prompted import Prompted
from gome_agent.tasks.mlebench import facts as known
from gome_agent.tasks.mlebench.task import DESCRIPTION, cut
from tests.gome_agent.mlebench.fake import (
    LEAF,
    NOMAD,
    PIZZA,
    SAMPLES,
    TOXIC,
    Fake,
    task_of,
)


def test_a_long_description_is_cut_and_rules_are_kept(fake):
    fake.description = "head " + "x" * 50_000
    text = task_of(fake, PIZZA).description
    assert text.startswith("head ")
    assert len(text) < DESCRIPTION + 2000
    assert "characters left out; all of it is in input/description.md" in text
    for told in ("`auc`; higher", "input/sampleSubmission.csv", "input/train.json", "never copy"):
        assert told in text


def test_what_is_said_of_the_data_survives_the_cut_and_so_do_rules(fake):
    data = "# Dataset Description\n\n## Files\n\n" + "y" * 3000 + " last"
    text = cut("head " + "x" * 50_000 + "\n" + data)
    assert len(text) < DESCRIPTION + 100
    assert text.startswith("head ")
    assert text.endswith(data)
    long = cut("head\n# Data\n" + "y" * 50_000)
    assert long.startswith("head\n\n[... ")
    assert "# Data\nyyy" in long
    assert len(long) < DESCRIPTION + 100

    class Container(Fake):
        def info(self, competition):
            return replace(super().info(competition), rules="# Rules of the benchmark\n\nObey.")

    told = task_of(Container(fake.data, description="x" * 50_000), PIZZA).description
    assert "# Rules of the benchmark\n\nObey.\n\n## Rules of this run" in told


def test_nothing_of_medals_is_told(fake):
    for competition in known.known():
        one, shipped = known.load(competition), known.thresholds(competition)
        assert one is not None
        assert shipped is not None
        told = " ".join((*one.reading, *one.traps, *one.leaks, *one.train_files))
        held_out = {shipped.gold, shipped.silver, shipped.bronze, shipped.median}
        numbers = {float(found) for found in re.findall(r"\d+\.\d+", told)}
        assert not numbers & {*held_out, *shipped.recomputed.values()}, competition
        assert not re.search(r"medal|gold|silver|bronze|median|leaderboard|crowd|digit of", told)
    for competition in SAMPLES:
        task = task_of(fake, competition)
        shipped = known.thresholds(competition)
        assert shipped is not None
        text = " ".join((task.description, *task.facts.notes))
        assert not {repr(getattr(shipped, name)) for name in ("gold", "silver", "bronze")} & set(
            re.findall(r"\d+\.\d+", text)
        )


def test_how_the_grader_reads_is_told_from_the_facts(fake):
    nomad, toxic = (task_of(fake, name).facts.notes for name in (NOMAD, TOXIC))
    assert nomad[0] == "Ids are ignored and rows are compared by position."
    assert toxic[0] == "Columns are compared by position, not by name."
    assert toxic[1].startswith("A column that is not in the sample submission makes")


def test_notes_reach_the_prompt_once(fake, tmp_path):
    task = task_of(fake, LEAF)
    asked: list[str] = []

    def silent(prompt: str) -> str:
        asked.append(prompt)
        raise NoEdit("enough")

    brief = Brief(task.facts, task.description, tmp_path, 3, 10.0)
    with pytest.raises(NoEdit, match="enough"):
        Prompted(silent).draft(brief, np.random.default_rng(0))
    for note in task.facts.notes:
        assert asked[0].count(note) == 1
