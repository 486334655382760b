"""From files to a report: read, calibrate every task, pool, say which side of the crossover."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.calibration.journals import cost_ratio, read_folder
from experiments.calibration.published import read_traces
from experiments.calibration.records import LoggedStep, TaskLog, add
from gome_agent.journal import JOURNAL
from gome_theory import (
    Calibration,
    Estimate,
    HallucinationBounds,
    NotIdentified,
    Pooled,
    Quantity,
    Verdict,
    calibrate,
    hallucination_bounds,
    pool,
    pool_omega,
    verdict,
)
from gome_theory.hallucination import UNDIRECTED_RATE

_ENOUGH = 20
"""Undirected steps whose own improvement rate is better than the theoretical one."""
_DIRECTED_STEPS = NotIdentified("there are no directed steps", "steps that follow a diagnosis")


class CalibrationError(ValueError):
    """There is nothing to calibrate from, or an option does not fit; the message says why."""


@dataclass(frozen=True)
class TaskReport:
    """One task.

    Attributes:
      task: its name.
      directed: calibration of directed steps, `None` if there were none.
      search: calibration of undirected ones, `None` if there were none.
      verdict: which side, or why that cannot be told.
      hallucination: bounds on h of the directed steps, `None` without valid ones.
      seconds_ratio: measured price of a directed step in undirected ones, by wall clock.
    """

    task: str
    directed: Calibration | None
    search: Calibration | None
    verdict: Verdict | NotIdentified
    hallucination: HallucinationBounds | None
    seconds_ratio: float | None

    def quantities(self) -> dict[str, Quantity]:
        """Everything about the directed steps (the undirected ones, if there are only those)."""
        one = self.directed or self.search
        found = {} if one is None else one.quantities()
        if self.directed is not None and self.search is not None:
            found["r_0 (undirected steps)"] = self.search.r
            found["undirected improvement rate"] = self.search.improvement_rate
        if self.hallucination is not None:
            found["h, lower bound"] = self.hallucination.lower
            found["h, upper bound"] = self.hallucination.upper
        return found


@dataclass(frozen=True)
class Report:
    """Everything that was found.

    Attributes:
      tasks: by name, as read.
      pooled: over tasks, by name of the quantity; empty for a single task.
      spread: standard deviation of the truth between tasks, for what was pooled.
      missing: what could not be read.
    """

    tasks: tuple[TaskReport, ...]
    pooled: Mapping[str, Quantity]
    spread: Mapping[str, float]
    missing: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as plain values; numbers that are not finite are null."""
        return {
            "tasks": [_task_json(task) for task in self.tasks],
            "pooled": {name: _quantity_json(found) for name, found in self.pooled.items()},
            "spread_between_tasks": dict(self.spread),
            "missing": list(self.missing),
        }


def calibrate_runs(
    paths: Sequence[Path],
    *,
    baseline: Sequence[Path] = (),
    multipliers: Mapping[Path, float] | None = None,
    noise_free: bool = False,
    first: int | None = None,
    cost: float = 2.0,
    budget: float | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Report:
    """Calibrate run folders and files of published traces.

    Args:
      paths: folders of runs, folders that hold such folders, or JSON files of traces. Runs of one
        task are its traces.
      baseline: the same, of runs whose steps all count as undirected.
      multipliers: lengths of the steps of some of the paths, for a step-size A/B.
      noise_free: take scores at face value where no replicates tell their noise.
      first: how many steps of each trace to look at, of either kind; `None`: all.
      cost: of a directed step in undirected ones.
      budget: of the verdict, in undirected steps; `None` compares rates.
      level: of all intervals.
      seed: of the draws behind them.

    Returns:
      The report.

    Raises:
      CalibrationError: a path is neither a run nor traces, or there are no steps at all.
      JournalError, FormatError: a file cannot be read.
      ValueError: a number is out of its range.
    """
    logs: dict[str, TaskLog] = {}
    missing: list[str] = []
    lengths = dict(multipliers or {})
    unknown = [str(path) for path in lengths if path not in {*paths, *baseline}]
    if unknown:
        raise CalibrationError(f"a length was given for `{unknown[0]}`, which is not calibrated")
    for group, undirected in ((paths, False), (baseline, True)):
        for path in group:
            for log in _read(path, lengths.get(path, 1.0), undirected, missing):
                add(logs, log)
    logs = {name: log for name, log in logs.items() if log.directed or log.search}
    if not logs:
        raise CalibrationError(
            "there are no steps to calibrate from: a step counts once it was made from a solution "
            "that had a score. " + " ".join(missing)
        )
    settings = _Settings(noise_free, cost, budget, level, seed)
    if first is not None:
        for log in logs.values():
            log.directed, log.search = log.beginning(first)
    tasks = tuple(_task(log, settings) for log in logs.values())
    missing += [word for log in logs.values() for word in log.missing]
    pooled, spread = _pool(tasks, list(logs.values()), settings)
    return Report(tasks, pooled, spread, tuple(missing))


@dataclass(frozen=True)
class _Settings:
    noise_free: bool
    cost: float
    budget: float | None
    level: float
    seed: int


def _read(path: Path, length: float, undirected: bool, missing: list[str]) -> Iterable[TaskLog]:
    if path.is_dir():
        folders = [path] if (path / JOURNAL).is_file() else []
        folders = folders or sorted(found.parent for found in path.glob(f"*/{JOURNAL}"))
        if not folders:
            raise CalibrationError(
                f"no journal in `{path}` nor in the folders inside: is it the folder of a run?"
            )
        return [read_folder(found, multiplier=length, baseline=undirected) for found in folders]
    if not path.is_file():
        raise CalibrationError(f"`{path}` does not exist: give folders of runs or JSON traces")
    logs, notes = read_traces(path)
    missing += notes
    for log in logs.values():
        log.directed = [step._replace(multiplier=length) for step in log.directed]
        if undirected:
            log.search, log.directed = log.directed, []
    return logs.values()


def _task(log: TaskLog, settings: _Settings) -> TaskReport:
    directed = _calibrated(log, log.directed, settings)
    search = _calibrated(log, log.search, settings)
    if directed is None:
        side: Verdict | NotIdentified = _DIRECTED_STEPS
    else:
        known = search is not None and "r" in search.draws
        if search is not None and not known:
            log.missing.append(
                f"{log.task}: r_0 of the undirected steps is not identified; the verdict takes 0"
            )
        side = verdict(
            directed,
            search if search is not None and known else 0.0,
            cost=settings.cost,
            budget=settings.budget,
            level=settings.level,
        )
    ratio = cost_ratio(log.directed, log.search)
    return TaskReport(log.task, directed, search, side, _hallucination(log, search), ratio)


def _noise(log: TaskLog, settings: _Settings) -> float | None:
    """0 if scores are to be taken at face value and nothing measures their noise."""
    measured = log.replicate_gains or log.replicate_scores
    return 0.0 if settings.noise_free and not measured else None


def _calibrated(
    log: TaskLog, steps: Sequence[LoggedStep], settings: _Settings
) -> Calibration | None:
    if not steps:
        return None
    seen = log.observations(steps, _noise(log, settings))
    return calibrate(seen, level=settings.level, seed=settings.seed)


def _hallucination(log: TaskLog, search: Calibration | None) -> HallucinationBounds | None:
    valid = [step for step in log.directed if step.valid]
    if not valid:
        return None
    improved = sum(step.gain > 0.0 if step.improved is None else step.improved for step in valid)
    rate = UNDIRECTED_RATE
    told = None if search is None or search.steps < _ENOUGH else search.improvement_rate
    if isinstance(told, Estimate):
        rate = min(told.value, 0.99)
    labelled = None if log.labelled is None else min(log.labelled, len(valid))
    return hallucination_bounds(labelled, int(improved), len(valid), undirected_rate=rate)


def _pool(
    tasks: Sequence[TaskReport], logs: Sequence[TaskLog], settings: _Settings
) -> tuple[dict[str, Quantity], dict[str, float]]:
    found = [task.directed for task in tasks if task.directed is not None]
    if len(found) < 2:
        return {}, {}
    rows = {
        "validity": pool([c.validity for c in found], share=True),
        "improvement rate": pool([c.improvement_rate for c in found], share=True),
        "r": pool([c.r for c in found]),
        "varsigma (scaled noise)": pool([c.varsigma for c in found]),
    }
    pooled: dict[str, Quantity] = {
        name: row.mean if isinstance(row, Pooled) else row for name, row in rows.items()
    }
    seen = [log.observations(log.directed, _noise(log, settings)) for log in logs if log.directed]
    pooled["omega (unshared persistent error)"] = pool_omega(seen, settings.level)
    spread = {name: row.spread for name, row in rows.items() if isinstance(row, Pooled)}
    return pooled, spread


def _task_json(task: TaskReport) -> dict[str, Any]:
    one = task.directed or task.search
    return {
        "task": task.task,
        "directed_steps": 0 if task.directed is None else task.directed.steps,
        "undirected_steps": 0 if task.search is None else task.search.steps,
        "traces": 0 if one is None else one.traces,
        "quantities": {name: _quantity_json(q) for name, q in task.quantities().items()},
        "notes": [] if one is None else list(one.notes),
        "seconds_ratio": task.seconds_ratio,
        "verdict": _verdict_json(task.verdict),
    }


def _quantity_json(found: Quantity) -> dict[str, Any]:
    return {name: _plain(value) for name, value in found._asdict().items()}


def _verdict_json(found: Verdict | NotIdentified) -> dict[str, Any]:
    if isinstance(found, NotIdentified):
        return _quantity_json(found)
    row = {name: _plain(value) for name, value in found._asdict().items() if name != "lead"}
    return {**row, "lead": _quantity_json(found.lead)}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
