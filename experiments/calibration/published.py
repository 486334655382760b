"""The authors' published traces: `{task: {"scenario": ..., "loop_0": {...}, ...}}`, streamed.

A loop holds `base_code`, `code`, `final_hypothesis`, `valid_score`, `test_report`, `feedback`,
`running_time` and more. The types of these fields are not documented, so each is read leniently,
and what could not be read is reported. Codes are kept as digests only.

A loop's parent is the earlier loop whose `code` is its `base_code`; where that is unknown, the best
loop accepted so far. Loops that descend from one root are one trace; a loop that starts afresh is
a root and no step.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import stdev
from typing import Any, NamedTuple

from scipy.stats import binomtest

from experiments.calibration import fields
from experiments.calibration.records import LoggedStep, TaskLog, add
from experiments.calibration.streaming import FormatError, entries
from gome_theory import Selected

_SURE_OF_DIRECTION = 0.05


class Loop(NamedTuple):
    """What is kept of one loop."""

    number: int
    base: str
    """Digest of the code it started from; empty if none was given, as `code`."""
    code: str
    score: fields.Score | None
    decision: bool | None
    wrong: bool | None
    test: float | None
    higher: bool | None
    """What its own report says of the metric's direction."""
    seconds: float


@dataclass
class _Task:
    loops: list[Loop] = field(default_factory=list)
    higher: bool | None = None
    unreadable: Counter[str] = field(default_factory=Counter)


def read_traces(path: Path) -> tuple[dict[str, TaskLog], list[str]]:
    """Read one file of traces.

    Args:
      path: of a JSON file, of any size.

    Returns:
      Logs by task, and what is to be said of the file as a whole.

    Raises:
      FormatError: nothing in it could be read as a loop.
    """
    tasks: dict[str, _Task] = {}
    notes: list[str] = []
    try:
        for name, key, value in entries(path):
            task = tasks.setdefault(name, _Task())
            if key == "scenario":
                task.higher = fields.higher_by_text(value)
            elif re.fullmatch(r"loop_?\d+", key):
                if isinstance(value, dict):
                    task.loops.append(_loop(key, value, task.unreadable))
                else:
                    task.unreadable["loops that are not objects"] += 1
    except FormatError as error:
        if not any(task.loops for task in tasks.values()):
            raise
        notes.append(f"{error}; what came before is used")
    if not any(task.loops for task in tasks.values()):
        raise FormatError(
            f"`{path}` has no loops: expected {{task: {{'scenario': ..., 'loop_0': {{...}}}}}}"
        )
    logs: dict[str, TaskLog] = {}
    for name, task in tasks.items():
        if task.loops:
            add(logs, _log(name, path.stem, task))
        else:
            notes.append(f"{name}: no loops")
    return logs, notes


def _loop(key: str, value: dict[str, Any], unreadable: Counter[str]) -> Loop:
    score, feedback = fields.score(value.get("valid_score")), value.get("feedback")
    report = value.get("test_report")
    test = fields.score(report.get("score") if isinstance(report, dict) else report)
    decided = fields.decision(feedback)
    if score is None:
        unreadable["valid_score"] += 1
    if decided is None:
        unreadable["decision in feedback"] += 1
    seconds = fields.number(value.get("running_time"))
    return Loop(
        number=int(re.sub(r"\D", "", key)),
        base=_digest(value.get("base_code")),
        code=_digest(value.get("code")),
        score=score,
        decision=decided,
        wrong=fields.wrong_diagnosis(feedback),
        test=None if test is None else test.value,
        higher=fields.higher_by_report(report),
        seconds=math.nan if seconds is None else seconds,
    )


def _digest(code: Any) -> str:
    if not code:
        return ""
    text = code if isinstance(code, str) else json.dumps(code, sort_keys=True, default=str)
    return (
        hashlib.sha256(text.strip().encode("utf-8", "replace")).hexdigest() if text.strip() else ""
    )


def _log(name: str, file: str, task: _Task) -> TaskLog:
    log = TaskLog(name)
    loops = sorted(task.loops, key=lambda loop: loop.number)
    for what, count in task.unreadable.items():
        log.missing.append(f"{name} in {file}: {count} of {len(loops)} loops without {what}")
    higher = direction(loops, task.higher)
    if higher is None:
        log.missing.append(
            f"{name} in {file}: it could not be told whether higher scores are better; "
            "improvements are taken from decisions, gains are left out"
        )
    labels = [loop.wrong for loop in loops if loop.wrong is not None]
    log.labelled = sum(labels) if labels else None
    log.directed = _steps(loops, higher, f"{file}/{name}")
    log.replicate_scores, same = _replicates(loops)
    if same:
        log.missing.append(
            f"{name} in {file}: {same} repeated scores of one code are equal to the last digit and "
            "tell nothing of noise"
        )
    if higher is not None:
        log.selected = _selected(loops, 1.0 if higher else -1.0)
    return log


def direction(loops: Sequence[Loop], stated: bool | None) -> bool | None:
    """Whether higher is better: from reports, the scenario, the metric's name, or decisions.

    Decisions tell if accepted scores are on one side of the best one before more often than chance
    allows.
    """
    names = [fields.higher_by_name(loop.score.metric) for loop in loops if loop.score is not None]
    for told in (*(loop.higher for loop in loops), stated, *names):
        if told is not None:
            return told
    up = down = 0
    for loop, parent in zip(loops, _parents(loops, None), strict=True):
        if parent is None or loop.score is None or parent.score is None or loop.decision is None:
            continue
        if loop.score.value != parent.score.value:
            higher = loop.score.value > parent.score.value
            up += higher == loop.decision
            down += higher != loop.decision
    if up + down == 0 or binomtest(up, up + down).pvalue > _SURE_OF_DIRECTION:
        return None
    return up > down


def _parents(loops: Sequence[Loop], higher: bool | None) -> list[Loop | None]:
    """The loop each one started from; the incumbent if `base_code` does not tell."""
    by_code: dict[str, Loop] = {}
    incumbent: Loop | None = None
    parents: list[Loop | None] = []
    for loop in loops:
        found = by_code.get(loop.base) if loop.base else None
        parents.append(found or (incumbent if loop.base or not by_code else None))
        if loop.code and loop.score is not None:
            by_code.setdefault(loop.code, loop)
        if loop.score is not None and _taken(loop, incumbent, higher):
            incumbent = loop
    return parents


def _taken(loop: Loop, incumbent: Loop | None, higher: bool | None) -> bool:
    if loop.decision is not None:
        return loop.decision
    if incumbent is None or incumbent.score is None or loop.score is None:
        return True
    return higher is not None and (loop.score.value > incumbent.score.value) == higher


def _steps(loops: Sequence[Loop], higher: bool | None, trace: str) -> list[LoggedStep]:
    root: dict[int, int] = {}
    steps: list[LoggedStep] = []
    for loop, parent in zip(loops, _parents(loops, higher), strict=True):
        root[loop.number] = loop.number if parent is None else root[parent.number]
        if parent is None:
            continue
        gain = math.nan
        if higher is not None and loop.score is not None and parent.score is not None:
            gain = (loop.score.value - parent.score.value) * (1.0 if higher else -1.0)
        improved = None
        if math.isnan(gain) and loop.score is not None:
            improved = loop.decision
        steps.append(
            LoggedStep(
                trace=f"{trace}/{root[loop.number]}",
                gain=gain,
                valid=loop.score is not None and not (math.isnan(gain) and improved is None),
                accepted=loop.decision,
                improved=improved,
                seconds=loop.seconds,
            )
        )
    return steps


def _replicates(loops: Sequence[Loop]) -> tuple[list[list[float]], int]:
    """Scores of one code that was run more than once, and how many were equal to the last digit."""
    by_code: dict[str, list[float]] = {}
    for loop in loops:
        if loop.code and loop.score is not None:
            by_code.setdefault(loop.code, []).append(loop.score.value)
    groups, same = [], 0
    for scores in by_code.values():
        if len(scores) > 1 and len(set(scores)) == 1:
            same += len(scores)
        elif len(scores) > 1:
            groups.append(scores)
    return groups, same


def _selected(loops: Sequence[Loop], sign: float) -> list[Selected]:
    """The best validation score of the task against its own test score."""
    scored = [loop for loop in loops if loop.score is not None]
    values = [loop.score.value for loop in scored if loop.score is not None]
    if len(values) < 2 or len(set(values)) == 1:
        return []
    best = max(scored, key=lambda loop: sign * loop.score.value if loop.score else -math.inf)
    if best.test is None or best.score is None:
        return []
    return [Selected(sign * (best.score.value - best.test), len(values), stdev(values))]
