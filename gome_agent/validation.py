"""The validation ladder: from what a program did to a score that may be compared.

Rungs, cheapest first: it ran; its report can be read and is for the right metric; its submission
has the right format; its score is finite. The first rung that fails makes the step a failed one,
with a sentence that says why. Nothing a program prints is trusted beyond that: it cannot decide.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from gome_agent.reasoners.base import Solution
from gome_agent.sandbox.base import Execution
from gome_agent.schemas import ScriptReport
from gome_agent.tasks.base import InvalidSubmission, Task

LOG_CHARACTERS = 4000


def judge(
    task: Task,
    script: str,
    execution: Execution,
    submission: Path | None,
    check: Callable[[Path], None] | None = None,
) -> Solution:
    """Climb the ladder with one executed script.

    Args:
      task: gives metric, direction and submission format.
      script: the program that ran.
      execution: what happened to it.
      submission: its submission file, taken out of the work folder; `None` if it left none.
      check: of the submission's format; the task's own if not given.

    Returns:
      The solution; `valid` is False and `failure` says why if a rung broke.
    """
    log = (execution.stdout[-LOG_CHARACTERS:] + "\n" + execution.stderr[-LOG_CHARACTERS:]).strip()

    def failed(reason: str) -> Solution:
        return Solution(
            script,
            valid=False,
            failure=reason,
            outcome=execution.outcome,
            log=log,
            seconds=execution.seconds,
        )

    if execution.outcome != "ok":
        return failed(execution.reason or f"the script ended with {execution.outcome!r}")
    try:
        report = read_report(execution.stdout, task.facts.metric.name)
    except ValueError as error:
        return failed(str(error))
    if submission is None:
        return failed("the script wrote no submission.csv")
    try:
        (check or task.check)(submission)
    except InvalidSubmission as error:
        return failed(f"invalid submission: {error}")
    utilities = [task.facts.metric.utility(fold) for fold in report.folds]
    return Solution(
        script=script,
        valid=True,
        outcome=execution.outcome,
        score=float(np.mean(utilities)),
        stderr=standard_error(utilities),
        folds=report.folds,
        train_folds=report.train_folds,
        feedback=report.model_extra or {},
        seconds=execution.seconds,
        log=log,
    )


def read_report(stdout: str, metric: str) -> ScriptReport:
    """Read the last line of standard output as the script's report.

    Raises:
      ValueError: there is none, it does not fit the schema (NaN scores included), or it reports
        another metric; one sentence.
    """
    lines = stdout.strip().splitlines()
    if not lines:
        raise ValueError("the script printed nothing: its last line must be a JSON report")
    try:
        report = ScriptReport.model_validate(json.loads(lines[-1]))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "report"
        raise ValueError(f"the script's report is malformed: `{where}`: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the script's last line is not a JSON report: {error}") from None
    if report.metric.casefold() != metric.casefold():
        raise ValueError(f"the script reports {report.metric!r}, the task asks for {metric!r}")
    return report


def standard_error(folds: Sequence[float], independent: bool = False) -> float:
    """Standard error of the mean of fold scores; 0 for a single fold: nothing is known then.

    Cross-validation folds share training rows; for F of them it is `sd * sqrt(1/F + 1/(F-1))`:
    Nadeau and Bengio, "Inference for the Generalization Error" (2003), with one test fold to F-1
    training folds. Independent scores have `sd / sqrt(F)`.
    """
    number = len(folds)
    if number < 2:
        return 0.0
    mean = math.fsum(folds) / number
    variance = math.fsum((fold - mean) ** 2 for fold in folds) / (number - 1)
    return math.sqrt(variance * (1 / number + (0.0 if independent else 1 / (number - 1))))


def measured_gain(child: Solution, parent: Solution, task: Task) -> tuple[float, float]:
    """Gain of a child over its parent and its standard error, paired by folds where possible."""
    unpaired = child.score - parent.score, math.hypot(child.stderr, parent.stderr)
    return paired_gain(child, parent, task) or unpaired


def paired_gain(child: Solution, parent: Solution, task: Task) -> tuple[float, float] | None:
    """Gain of a child over its parent and its standard error, from the differences fold by fold.

    Folds of the same split share their difficulty; the differences do not, so this error is
    smaller than that of two separate means.

    Returns:
      `(gain, standard error)`, or `None` if the two do not have the same number (>= 2) of folds.
    """
    if len(child.folds) != len(parent.folds) or len(child.folds) < 2:
        return None
    utility = task.facts.metric.utility
    differences = [utility(c) - utility(p) for c, p in zip(child.folds, parent.folds, strict=True)]
    gain = math.fsum(differences) / len(differences)
    if abs(gain) <= 1e-12 * abs(child.score):
        gain = 0.0  # What is left of equal sums in floating point is no improvement.
    return gain, standard_error(differences, task.facts.independent_folds)
