"""The real half of the crossover study: the dial on a bundled task.

The offline expert's diagnoses are corrupted to a known alignment with what it would have said; the
scripts, the training and the held-out answers are real. Undirected search uses the same operators,
task and budget and does not listen to the diagnosis, so the dial does not move it.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import runs
from gome_agent.evaluator import Evaluator, SandboxEvaluator, step_folder
from gome_agent.journal import Journal, digest
from gome_agent.reasoners.base import Solution
from gome_agent.tasks import registry
from gome_agent.tasks.base import Task


@dataclass(frozen=True)
class Remembered:
    """An evaluator that runs a script once and remembers what it showed.

    Scripts of the offline expert are deterministic, so runs that share candidates need not train
    them again. Failures are not remembered: they may be the machine's.
    """

    inner: SandboxEvaluator
    folder: Path

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        if replicate:
            return self.inner.evaluate(script, step, seconds, replicate)
        kept = self.folder / f"{self.inner.task.facts.name}-{digest(script)[:24]}"
        saved, submission = kept / "solution.json", kept / "submission.csv"
        files = step_folder(self.inner.steps, step)
        if saved.is_file():
            files.mkdir(parents=True, exist_ok=True)
            (files / "solution.py").write_text(script, encoding="utf-8")
            shutil.copyfile(submission, files / "submission.csv")
            return load_solution(saved)
        solution = self.inner.evaluate(script, step, seconds)
        if solution.valid:
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(files / "submission.csv", submission)
            runs.write_json(saved, dataclasses.asdict(solution))
        return solution


def load_solution(path: Path) -> Solution:
    """A solution from the JSON of its fields."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields["folds"], fields["train_folds"] = tuple(fields["folds"]), tuple(fields["train_folds"])
    return Solution(**fields)


def dial_rows(
    task_name: str, strategy: str, alignment: float | None, seed: int, config: Any, scratch: Path
) -> list[dict[str, Any]]:
    """One run; a row per number of evaluations with the held-out score of what it would submit.

    Args:
      task_name: bundled task.
      strategy: as on the command line.
      alignment: of the reasoner with the expert; `None` for the expert itself.
      seed: of the run and of the reasoner's errors.
      config: has `real_steps`.
      scratch: holds remembered evaluations; the run's own folder there is removed.

    Raises:
      KeyboardInterrupt: the run was interrupted.
    """
    task = registry.load(task_name)
    reasoner = "expert" if alignment is None else f"unreliable(expert, rho={alignment})"
    out = scratch / "runs" / digest(f"{task_name} {strategy} {reasoner} {seed}")[:16]
    shutil.rmtree(out, ignore_errors=True)

    def remember(evaluator: Evaluator) -> Evaluator:
        assert isinstance(evaluator, SandboxEvaluator)
        return Remembered(evaluator, scratch / "evaluations")

    settings = runs.RunConfig(
        task_name, strategy, reasoner, steps=config.real_steps, seed=seed, seconds_per_run=60.0
    )
    summary = runs.execute(settings, out, runs.Watching(wrap_evaluator=remember))
    if summary["ended_by"] == "interrupted":
        raise KeyboardInterrupt  # It is not a result.
    held_out = _held_out(task, out)
    shutil.rmtree(out)
    return [
        {
            "kind": "real",
            "world": task_name,
            "strategy": strategy,
            "alignment": alignment,
            "seed": seed,
            "evaluations": evaluations,
            "value": score,
        }
        for evaluations, score in enumerate(held_out, start=1)
    ]


def _held_out(task: Task, out: Path) -> list[float | None]:
    """Held-out score (metric's own units) of the best validated candidate after each step."""
    best, chosen, scores = float("-inf"), None, []
    with Journal.open(out / "journal.sqlite") as journal:
        executed = {event.step: event.payload for event in journal.events("executed")}
        steps = [event.step for event in journal.events("settled") if event.step is not None]
    for step in steps:
        seen = executed.get(step)
        if seen and seen["valid"] and seen["score"] > best:
            best = seen["score"]
            chosen = task.grade(step_folder(out / "steps", step) / "submission.csv").score
        scores.append(chosen)
    return scores
