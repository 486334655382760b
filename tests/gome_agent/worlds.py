"""Small worlds in which runs can be killed: an honest reasoner, a meter, and a place to die."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gome_agent.reasoners.base import MalformedReply, NoEdit, Solution
from gome_agent.schemas import Diagnosis, Edit, Suggestion
from gome_agent.tasks import registry
from optimizers.budget import Spent

TASK = registry.load("digits")


class Killed(BaseException):
    """The process is gone. Nothing may catch it."""


@dataclass
class Fate:
    """Counts what happens, and kills when it is time."""

    at: float = float("inf")
    happened: int = 0

    def passes(self, *_: object) -> None:
        """Something happens."""
        self.happened += 1
        if self.happened > self.at:
            raise Killed


@dataclass
class Writer:
    """A reasoner whose scripts are numbers; it fails now and then, and draws from its generator."""

    fate: Fate = field(default_factory=Fate)
    asked: Counter = field(default_factory=Counter)
    name: str = "writer"

    def _answer(self, what: str, brief, rng) -> float:
        self.fate.passes(what)
        self.asked[what, brief.step] += 1
        luck = rng.random()
        if luck < 0.1:
            raise MalformedReply("not JSON")
        if luck < 0.15:
            raise NoEdit("no idea")
        return luck

    def draft(self, brief, rng):
        return Edit(script=f"{self._answer('draft', brief, rng):.6f}", note=f"draft {brief.step}")

    def diagnose(self, brief, parent, rng):
        self._answer("diagnose", brief, rng)
        suggestions = tuple(
            Suggestion(statement=f"turn knob {knob}", component="model", strength=strength)
            for knob, strength in zip(rng.integers(9, size=3), rng.normal(size=3), strict=True)
        )
        return Diagnosis(summary=f"used {brief.used:.3f}", suggestions=suggestions)

    def edit(self, brief, parent, ranked, rng):
        if not ranked:
            raise NoEdit("nothing to do")
        moved = float(parent.script) + self._answer("edit", brief, rng) - 0.4
        return Edit(script=f"{moved:.6f}", applied=(ranked[0][0],), note=f"edit {brief.step}")

    def improve(self, brief, parent, rng):
        return Edit(
            script=f"{float(parent.script) + self._answer('improve', brief, rng) - 0.5:.6f}"
        )

    def crossover(self, brief, parent, other, rng):
        mean = (float(parent.script) + float(other.script)) / 2
        return Edit(script=f"{mean + self._answer('cross', brief, rng) - 0.4:.6f}")

    def debug(self, brief, parent, rng):
        return Edit(script=f"{abs(float(parent.script)) + self._answer('debug', brief, rng):.6f}")


@dataclass
class Scale:
    """Weighs a script by the number it is, with noise; some scripts fail. Seconds are invented."""

    fate: Fate = field(default_factory=Fate)
    ran: Counter = field(default_factory=Counter)
    during: Callable[[], None] = lambda: None

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        self.fate.passes("before the script")
        self.during()
        value = float(script)
        rng = np.random.default_rng([replicate, int(abs(value) * 1e6)])
        self.ran[script, step, replicate] += 1
        self.fate.passes("after the script")
        if rng.random() < 0.15:
            return Solution(script, False, failure="it crashed", outcome="error", log="Traceback")
        folds = tuple(value + 0.1 * rng.normal(size=3))
        return Solution(
            script,
            True,
            score=float(np.mean(folds)),
            stderr=0.05,
            folds=folds,
            feedback={"odd": float("nan"), "value": value},
            seconds=rng.random(),
            outcome="ok",
        )


def spent(steps) -> list[Spent]:
    """What a run had spent after each step, but for the clock."""
    return [step.spent._replace(seconds=0) for step in steps]


def truncate(source: Path, target: Path, events: int) -> None:
    """The journal as a kill leaves it after so many events."""
    import sqlite3

    target.unlink(missing_ok=True)
    with sqlite3.connect(source) as one:
        one.execute("VACUUM INTO ?", (str(target),))
    one.close()
    with sqlite3.connect(target) as two:
        two.execute("DELETE FROM events WHERE id > ?", (events,))
    two.close()
