"""What a run leaves to look at: the chosen script, its submission, a summary, a grade."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import costs
from experiments.lenient import clean, listed
from gome_agent import records
from gome_agent.evaluator import step_folder
from gome_agent.journal import JOURNAL, Journal
from gome_agent.secrets import redaction
from gome_agent.tasks import registry
from gome_agent.tasks.base import Grade, Metric, Task

if TYPE_CHECKING:
    from experiments.runs import RunConfig

PACKAGES = ("jax", "optax", "numpy", "scipy", "scikit-learn", "pandas")


def summarise(
    config: RunConfig, task: Task, result: records.Result, journal: Journal, out: Path
) -> dict[str, Any]:
    """Write `best_solution.py`, `submission.csv` and `summary.json`; return the summary.

    An average of several solutions leaves the scripts of the others in `member_2.py` and so on.
    """
    best, metric = result.best, task.facts.metric
    drafts = [step for step in result.steps if step.solution.valid]
    summary: dict[str, Any] = {
        **{name: value for name, value in asdict(config).items() if value != float("inf")},
        "metric": metric.name,
        "higher_is_better": metric.higher_is_better,
        "evaluations": result.evaluations,
        "calls": result.spent.calls,
        "tokens": result.spent.tokens,
        "money": result.spent.money,
        "costs": costs.as_summary(costs.calls_of(journal.events("exchanged"))),
        "accepted": sum(step.accepted and step.replicates > 0 for step in result.steps),
        "withheld": sum(step.replicates == 0 for step in result.steps),
        "rejected": sum(
            not step.accepted and step.solution.valid and step.replicates > 0
            for step in result.steps
        ),
        "failed": sum(not step.solution.valid for step in result.steps),
        "wall_seconds": round(result.seconds, 3),
        "ended_by": result.ended_by,
        "best_step": None,
        "averaged_steps": None,
        "validation": None,
        "revalidation": [_remeasured(found, metric) for found in result.revalidated],
        "selector_note": result.note,
        "first_draft_step": drafts[0].step if drafts else None,
        "first_draft": metric.utility(drafts[0].solution.score) if drafts else None,
        "submission": None,
        "versions": versions(),
    }
    for stale in (out / "submission.csv", *out.glob("member_*.py")):
        stale.unlink(missing_ok=True)  # of an earlier process of this run
    if best is not None:
        assert best.edit is not None
        (out / "best_solution.py").write_text(best.edit.script, encoding="utf-8")
        members, note = _submit(task, result, out)
        if (out / "submission.csv").is_file():
            summary["submission"] = "submission.csv"
        summary["best_step"] = best.step
        summary["averaged_steps"] = list(members) if len(members) > 1 else None
        summary["selector_note"] = "; ".join(filter(None, (result.note, note)))
        summary["validation"] = {
            "score": metric.utility(best.solution.score),
            "stderr": best.solution.stderr,
            "folds": list(best.solution.folds),
        }
    write_json(out / "summary.json", summary)
    return summary


def _submit(task: Task, result: records.Result, out: Path) -> tuple[tuple[int, ...], str]:
    """Write `submission.csv`: that of the chosen step, or the average of several.

    Returns:
      The steps that are in it, and why it is not the average that was wanted, or what was mended
      in its members before.
    """
    saved = [step_folder(out / "steps", step) / "submission.csv" for step in result.submitted]
    if len(saved) > 1:
        from gome_agent.ensembling import CannotAverage, write_average

        scripts = {step.step: step.solution.script for step in result.steps}
        try:
            write_average(task, saved, out / "submission.csv")
        except CannotAverage as error:
            only = result.submitted[0]
            note = f"steps {result.submitted} cannot be averaged, step {only} is submitted: {error}"
        else:
            for number, step in enumerate(result.submitted[1:], start=2):
                script = scripts[step]
                (out / f"member_{number}.py").write_text(script, encoding="utf-8")
            return result.submitted, _mended(result)
    else:
        note = ""
    if saved[0].is_file():
        shutil.copyfile(saved[0], out / "submission.csv")
    else:
        gone = f"the submission of step {result.submitted[0]} is gone: run `best_solution.py` again"
        note = "; ".join(filter(None, (note, gone)))
    return result.submitted[:1], note


def _mended(result: records.Result) -> str:
    """What was said of the submissions that are averaged: ranks and probabilities do not mix."""
    notes = {step.step: listed(step.solution.feedback.get("submission")) for step in result.steps}
    told = [f"step {step}: {clean(str(note))}" for step in result.submitted for note in notes[step]]
    return f"averaged after mending: {' '.join(told)}" if told else ""


def _remeasured(found: records.Fresh, metric: Metric) -> dict[str, Any]:
    """A fresh measurement in the metric's own units."""
    solution = found.solution
    return {
        "step": found.step,
        "score": metric.utility(solution.score) if solution.valid else None,
        "stderr": solution.stderr,
        "folds": list(solution.folds),
        "failure": solution.failure,
    }


def grade(out: Path) -> dict[str, Any]:
    """Score a finished run on the held-out answers; adds `held_out` to its summary.

    The first draft's submission is scored beside it, so that a reader sees what the run gained; and
    so are all others, for `oracle_on_test`: the best that any choice among them could have had.

    Returns:
      The summary with `held_out`, `first_draft_held_out` and `oracle_on_test`.

    Raises:
      FileNotFoundError: `out` is not the folder of a finished run, or it has no submission.
      InvalidSubmission: the submission does not fit the task.
    """
    path = out / "summary.json"
    if not path.is_file():
        raise FileNotFoundError(f"no summary.json in `{out}`: is it the folder of a finished run?")
    summary = json.loads(path.read_text(encoding="utf-8"))
    if summary["submission"] is None:
        raise FileNotFoundError(f"the run in `{out}` found no valid solution: nothing to grade")
    benchmark = summary.get("benchmark")
    data_dir = summary.get("data_dir")
    task = registry.load(
        summary["task"],
        Path(benchmark) if benchmark else None,
        Path(data_dir) if data_dir else None,
    )
    summary["held_out"] = asdict(task.grade(out / summary["submission"]))
    draft = step_folder(out / "steps", summary["first_draft_step"]) / "submission.csv"
    if draft.is_file():
        summary["first_draft_held_out"] = asdict(task.grade(draft))
    summary["oracle_on_test"] = _oracle(task, out)
    write_json(path, summary)
    with Journal.open(out / JOURNAL, read_only=False) as journal:
        journal.append("graded", summary["held_out"])
    return summary


def _oracle(task: Task, out: Path) -> dict[str, Any] | None:
    """What `oracle_on_test` would have submitted of a run's valid candidates."""
    from experiments.report.data import read_run

    grades: dict[int, Grade] = {}
    for step in read_run(out).steps:
        saved = step_folder(out / "steps", step.number) / "submission.csv"
        if step.score is not None and saved.is_file():
            grades[step.number] = task.grade(saved)
    if not grades:
        return None
    step = max(grades, key=lambda number: task.facts.metric.utility(grades[number].score))
    note = "report only: chosen with the answers"
    return {"step": step, "score": grades[step].score, "medal": grades[step].medal, "note": note}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the numbers."""
    found = {"python": platform.python_version()}
    for package in ("gome", *PACKAGES):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def write_json(path: Path, value: Any) -> None:
    """Write JSON without secrets, so that a crash or a full disk leaves the old file or the new."""
    draft = path.with_suffix(".tmp")
    try:
        text = redaction(os.environ)(json.dumps(value, indent=2, allow_nan=False))
        draft.write_text(text + "\n", encoding="utf-8")
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
