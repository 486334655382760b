"""The best submission so far, where the benchmark will look for it whatever happens next."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from experiments.mlebench.container import put
from gome_agent.evaluator import step_folder
from gome_agent.records import Step
from gome_agent.tasks.mlebench.base import BenchmarkError, Rollout


@dataclass
class Keeper:
    """Puts submissions in place: from the first one on, then whenever a better one is valid.

    One of which the server does not say that it is valid is put there only while there is no other:
    it may be right where the server is not, and loses nothing.
    """

    rollout: Rollout
    competition: str
    run: Path
    """Folder of the run."""
    submission: Path
    """The file that the benchmark will grade."""
    code: Path
    """Folder for the script that made it."""
    said: list[str] = field(default_factory=list)
    """What the server said of those that are not valid."""
    _best: float = -math.inf
    _valid: bool = False

    def on_step(self, step: Step) -> None:
        """Take a step's submission if its validation score is the best so far."""
        found = step_folder(self.run / "steps", step.step) / "submission.csv"
        better = step.solution.valid and step.solution.score > self._best
        if better and step.replicates > 0 and self._offer(found, step.solution.script):
            self._best = step.solution.score

    def finish(self) -> None:
        """Take what the run chose in the end, if it is valid."""
        script = self.run / "best_solution.py"
        if script.is_file():
            self._offer(self.run / "submission.csv", script.read_text(encoding="utf-8"))

    @property
    def in_place(self) -> bool:
        return self.submission.is_file()

    def _offer(self, found: Path, script: str) -> bool:
        """Whether a submission is in place now."""
        if not found.is_file():
            return False
        valid = self._is_valid(found)
        if not valid and self._valid:
            return False
        put(found, self.submission)
        self.code.mkdir(parents=True, exist_ok=True)
        (self.code / "best_solution.py").write_text(script, encoding="utf-8")
        self._valid = valid
        return valid

    def _is_valid(self, found: Path) -> bool:
        try:
            verdict = self.rollout.validate(self.competition, found)
        except BenchmarkError as error:
            self.said.append(str(error))
            return False
        if not verdict.valid:
            self.said.append(verdict.message)
        return verdict.valid
