"""One run of a strategy on a task: a row a step, graded on the held-out answers afterwards."""

from __future__ import annotations

import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments import runs
from experiments.comparison.submitted import submitted
from experiments.spec import build_strategy
from experiments.study import Rows
from gome_agent.evaluator import step_folder
from gome_agent.journal import digest
from gome_agent.records import Step, history_of
from gome_agent.tasks import registry
from gome_agent.tasks.base import Grade
from optimizers.budget import Spent

if TYPE_CHECKING:
    from experiments.comparison.compare import Comparison


def rows(config: Comparison, name: str, seed: int, folder: Path) -> Rows:
    """Run; the value is the held-out score of what would be submitted, NaN while nothing is valid.

    Held-out answers are read after the run has ended; nothing of them reaches it.

    Args:
      config: what is compared.
      name: the strategy.
      seed: of the run.
      folder: the run's own folder is made in it, and kept for `gome report`.

    Raises:
      KeyboardInterrupt: the run was interrupted; it is not a result.
    """
    settings = runs.RunConfig(
        config.target,
        name,
        config.reasoner,
        steps=config.steps,
        seed=seed,
        budget=config.budget,
        seconds_per_run=config.seconds_per_run,
        sandbox=config.sandbox,
    )
    out = folder / _folder_name(settings)
    shutil.rmtree(out, ignore_errors=True)
    steps: list[Step] = []
    summary = runs.execute(settings, out, runs.Watching(on_step=steps.append))
    if summary["ended_by"] == "interrupted":
        raise KeyboardInterrupt
    task = registry.load(config.target)
    history = history_of(steps, task.facts.metric) if steps else None
    strategy = build_strategy(name)
    chosen = () if history is None else np.asarray(submitted(strategy, history))
    grades: dict[int, Grade] = {
        index: task.grade(step_folder(out / "steps", index) / "submission.csv")
        for index in {int(index) for index in chosen if index >= 0}
    }
    found = []
    for step, index in zip(steps, chosen, strict=True):
        grade, call = grades.get(int(index)), config.call
        spent = step.spent
        spent += Spent(
            tokens=spent.calls * call.tokens,
            money=spent.calls * call.money,
            seconds=spent.calls * call.seconds,
        )
        found.append(
            {
                "strategy": name,
                "run": seed,
                "step": step.step,
                "value": grade.score if grade else float("nan"),
                "medal": grade.medal if grade else None,
                "paid": bool(config.limits.pays(spent)),
                **spent._asdict(),
            }
        )
    if found and summary["submission"]:
        # What was measured again or averaged at the end is not the choice of any step.
        grade = task.grade(out / summary["submission"])
        found[-1] |= {"value": grade.score, "medal": grade.medal}
        found[-1] |= {"evaluations": summary["evaluations"]}
    return found


def _folder_name(settings: runs.RunConfig) -> str:
    """Readable, and different for different settings."""
    words = re.sub(r"\W+", "-", settings.strategy).strip("-")[:40]
    return f"{words}-seed{settings.seed}-{digest(repr(asdict(settings)))[:8]}"
