"""From run folders to logged steps: every run is a trace.

A candidate counts if it was made from a solution that had a score: DESCEND steps are directed,
IMPROVE steps undirected; drafts, crossovers and repairs are neither. Withheld and unfinished steps
are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np

from experiments.calibration.records import LoggedStep, TaskLog
from experiments.lenient import number
from experiments.report.data import read_run
from experiments.report.records import Run, Step, same_statement
from gome_agent.journal import JOURNAL, Journal
from gome_theory import Selected


def read_folder(folder: Path, *, multiplier: float = 1.0, baseline: bool = False) -> TaskLog:
    """What the journal of a run says, finished or not.

    Args:
      folder: of a run.
      multiplier: length of this run's steps in a step-size A/B.
      baseline: whether all of its steps count as undirected.

    Raises:
      JournalError: there is no journal, or it cannot be read.
    """
    run = read_run(folder)
    log = TaskLog(f"{run.task} ({run.metric})")
    previous: Step | None = None
    scored: set[int] = set()
    for step in run.steps:
        if step.score is not None:
            scored.add(step.number)
        if step.state in ("withheld", "unfinished") or step.parent not in scored:
            continue
        valid = step.state in ("accepted", "rejected") and step.gain is not None
        found = LoggedStep(
            trace=str(folder),
            gain=step.gain if valid and step.gain is not None else math.nan,
            valid=valid,
            accepted=step.state == "accepted",
            stderr=step.gain_stderr if valid and step.gain_stderr else math.nan,
            folds=len(step.folds),
            multiplier=multiplier,
            repeated=previous is not None and _same_move(step, previous),
            overlap=math.nan if previous is None else _overlap(step, previous),
            seconds=math.nan if step.seconds is None else step.seconds,
        )
        if baseline or step.operator == "improve":
            log.search.append(found)
        elif step.operator == "descend":
            log.directed.append(found)
            previous = step
    _read_replicates(folder, run, log)
    _read_selection(run, log)
    if not run.finished:
        log.missing.append(f"{folder}: the run has not ended; what it did so far is used")
    return log


def _same_move(step: Step, previous: Step) -> bool:
    """Whether a step carried out what the one before it did."""
    now, then = ([directive.statement for directive in s.applied] for s in (step, previous))
    return bool(now) and len(now) == len(then) and all(map(same_statement, now, then))


def _overlap(step: Step, previous: Step) -> float:
    """Cosine of two diagnoses as vectors over directives."""
    now, then = _gradient(step), _gradient(previous)
    size = math.hypot(*now.values()) * math.hypot(*then.values())
    return sum(now[k] * then.get(k, 0.0) for k in now) / size if size > 0.0 else math.nan


def _gradient(step: Step) -> Mapping[str, float]:
    weights: dict[str, float] = {}
    for found in step.suggestions:
        name = " ".join(found.statement.casefold().split())
        credence = 1.0 if found.credence is None else found.credence
        weights[name] = weights.get(name, 0.0) + (found.strength or 0.0) * credence
    return weights


def _read_replicates(folder: Path, run: Run, log: TaskLog) -> None:
    """Scores of repeated measurements, and the gains that pair child and parent in each."""
    scores: dict[int, dict[int, float]] = {}
    with Journal.open(folder / JOURNAL) as journal:
        for kind in ("executed", "replicated"):
            for event in journal.events(kind):
                payload: Mapping[str, Any] = event.payload if _is_map(event.payload) else {}
                of = number(payload.get("of", event.step))
                which, score = number(payload.get("replicate", 0)), number(payload.get("score"))
                if of is None or which is None or score is None:
                    continue
                if payload.get("valid") is True:
                    scores.setdefault(int(of), {})[int(which)] = score
    log.replicate_scores += [list(found.values()) for found in scores.values() if len(found) > 1]
    for step in run.steps:
        child, parent = scores.get(step.number, {}), scores.get(_index(step.parent), {})
        both = sorted(child.keys() & parent.keys())
        if len(both) > 1:
            log.replicate_gains.append([child[r] - parent[r] for r in both])


def _index(step: int | None) -> int:
    return -1 if step is None else step


def _is_map(value: Any) -> bool:
    return isinstance(value, Mapping)


def _read_selection(run: Run, log: TaskLog) -> None:
    """What the chosen solution lost on the held-out answers, if the run was graded."""
    scores = [step.score for step in run.steps if step.score is not None]
    best, held_out = run.best, run.held_out
    if best is None or best.score is None or held_out is None or held_out.score is None:
        return
    if len(scores) > 1 and np.ptp(scores) > 0.0:
        sign = 1.0 if run.higher_is_better else -1.0
        optimism = sign * (best.score - held_out.score)
        log.selected.append(Selected(optimism, len(scores), stdev(scores)))


def cost_ratio(directed: Iterable[LoggedStep], search: Iterable[LoggedStep]) -> float | None:
    """Seconds of a directed step over those of an undirected one, by medians."""
    own, rival = (
        [step.seconds for step in steps if math.isfinite(step.seconds)]
        for steps in (directed, search)
    )
    if not own or not rival or np.median(rival) <= 0.0:
        return None
    return float(np.median(own) / np.median(rival))
