"""From a journal's events to plain records: one `Run` with one `Step` for every step begun.

The journal is read leniently: unknown kinds of events are passed over, missing fields are empty,
and numbers that are not finite are `None`. Scores are turned back to the metric's own units here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.costs import Call, calls_of
from experiments.lenient import clean, listed, mapping, number, whole
from experiments.report.clock import Span, timeline_of
from experiments.report.records import Exchanged, Grade, Run, State, Step, Suggestion, Weighted
from experiments.report.within import Version, kept_version, moments_of
from gome_agent.journal import JOURNAL, Event, Journal, JournalError, cut

_TEXT_OF_CALLS = 300_000
"""Characters of prompts and replies in all, so that the page stays small."""
_LEAST, _MOST = 500, 8000
"""Of each text."""
_MEASUREMENTS = ("executed", "replicated", "revalidated")


def read_run(run_dir: Path) -> Run:
    """Fold the journal of a run folder into records.

    Args:
      run_dir: folder of a run, finished or not.

    Raises:
      JournalError: there is no journal, or it cannot be read.
    """
    path = run_dir / JOURNAL
    with Journal.open(path) as journal:
        try:
            events = list(journal.events())
            return _fold(events, _reader(journal), _summary(run_dir))
        except (sqlite3.DatabaseError, ValueError) as error:
            raise JournalError(f"`{path}` cannot be read as a journal: {error}") from error


# -- folding ---------------------------------------------------------------------------------------

_Read = Callable[[Any], str]


def _reader(journal: Journal) -> _Read:
    def read(name: Any) -> str:
        try:
            return clean(journal.text(str(name)))
        except KeyError:
            return ""

    return read


def _summary(run_dir: Path) -> Mapping[str, Any]:
    """What `summary.json` adds to the journal: the first draft's held-out score."""
    try:
        found = json.loads((run_dir / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return mapping(found)


def _fold(events: list[Event], read: _Read, summary: Mapping[str, Any]) -> Run:
    once: dict[str, Mapping[str, Any]] = {}
    by_step: dict[int, list[Event]] = {}
    for event in events:
        if event.kind == "resumed":
            # It goes on: an earlier process has told of its end.
            once.pop("interrupted", None)
            once.pop("finished", None)
        if event.step is None:
            once[event.kind] = mapping(event.payload)
        else:
            by_step.setdefault(event.step, []).append(event)
    started, finished = once.get("started", {}), once.get("finished", {})
    config, sandbox = mapping(started.get("config")), mapping(started.get("sandbox"))
    higher = started.get("higher_is_better") is not False
    timeline, calls = timeline_of(events), calls_of(events)
    limit = min(max(_TEXT_OF_CALLS // max(2 * len(calls), 1), _LEAST), _MOST)
    steps = tuple(
        _step(n, by_step[n], read, higher, timeline.spans[n], limit) for n in sorted(timeline.spans)
    )
    return Run(
        task=clean(config.get("task")) or "unnamed task",
        strategy=clean(config.get("strategy")),
        reasoner=clean(config.get("reasoner")),
        seed=clean(config.get("seed")),
        metric=clean(started.get("metric")) or "score",
        higher_is_better=higher,
        sandbox=clean(sandbox.get("name")),
        not_covered=tuple(clean(gap) for gap in listed(sandbox.get("not_covered"))),
        versions={clean(k): clean(v) for k, v in mapping(started.get("versions")).items()},
        steps_allowed=whole(config.get("steps")),
        seconds_allowed=number(config.get("seconds")),
        seconds_per_run=number(config.get("seconds_per_run")),
        started=events[0].time if events else None,
        last_event=max((e.time for e in events if e.kind != "graded"), default=None),
        interrupted="interrupted" in once,
        ended_by=clean(finished.get("ended_by")) or ("finished" if "finished" in once else ""),
        evaluations=sum(e.kind in _MEASUREMENTS for e in events),
        seconds=number(finished.get("wall_seconds")),
        chosen=whole(finished.get("best_step")) if finished else _leader(steps, higher),
        averaged=_steps(finished.get("averaged_steps")),
        revalidated=tuple(
            _remeasured(mapping(e.payload), higher) for e in events if e.kind == "revalidated"
        ),
        selector_note=clean(finished.get("selector_note")),
        held_out=_grade(once.get("graded") or summary.get("held_out")),
        first_held_out=_grade(summary.get("first_draft_held_out")),
        oracle=_oracle(mapping(summary.get("oracle_on_test"))),
        steps=steps,
        calls=calls,
        timeline=timeline,
    )


def _step(
    index: int, events: list[Event], read: _Read, higher: bool, span: Span, text_limit: int
) -> Step:
    payloads: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        payloads.setdefault(event.kind, []).append(mapping(event.payload))

    def said(kind: str) -> Mapping[str, Any]:
        return payloads.get(kind, [{}])[-1]

    kept = kept_version(events)
    asked, settled, abandoned = map(said, ("asked", "settled", "abandoned"))
    proposed, executed = kept.edit, kept.executed
    diagnoses, replicated = payloads.get("diagnosed", []), payloads.get("replicated", [])
    state = _state(index, kept, payloads)
    troubles = [clean(trouble.get("reason")) for trouble in payloads.get("failed", [])]
    crashes = [kept.failure, *(clean(found.get("failure")) for found in replicated)]
    failure = next(filter(None, [*crashes, *reversed(troubles)]), "") if state == "failed" else ""
    # Older journals have no score in `settled`; an unfinished step has no `settled`.
    scored = settled if "score" in settled else executed
    measured = state != "withheld" and bool(executed.get("valid")) and state != "failed"
    score = number(scored.get("score")) if measured else None
    seconds = span.end - span.start if state != "unfinished" else None
    return Step(
        number=index,
        operator=clean(asked.get("operator")).lower(),
        parent=whole(asked.get("parent")),
        other=whole(asked.get("other")),
        state=state,
        reason=clean(settled.get("reason")) or failure or clean(abandoned.get("reason")),
        score=score if score is None or higher else -score,
        stderr=number(scored.get("stderr")) if measured else None,
        folds=tuple(number(fold) for fold in listed(executed.get("folds"))),
        train_folds=tuple(number(fold) for fold in listed(executed.get("train_folds"))),
        gain=None if state in ("failed", "withheld") else number(settled.get("gain")),
        gain_stderr=None if state == "withheld" else number(settled.get("gain_stderr")),
        replicates=("executed" in payloads)
        + sum(whole(found.get("of")) == index for found in replicated),
        run_seconds=_run_seconds([*payloads.get("executed", []), *replicated], seconds),
        seconds=seconds,
        summary="\n".join(filter(None, (clean(told.get("summary")) for told in diagnoses))),
        suggestions=_suggestions(
            [found for told in diagnoses for found in listed(told.get("suggestions"))]
        ),
        diagnoses=len(diagnoses),
        reused="reused" in payloads,
        without_slot=tuple(
            clean(statement)
            for told in (*diagnoses, *payloads.get("admitted", []))
            for statement in listed(told.get("without_slot"))
        ),
        ranked=_weighted(said("ranked").get("directives")),
        applied=_applied(proposed),
        note=clean(proposed.get("note")),
        parameters=_numbers(settled.get("parameters")),
        script=read(proposed.get("script")),
        failure=failure,
        remarks=() if state == "failed" else tuple(filter(None, troubles)),
        log=read(executed.get("log")) if executed else "",
        moments=moments_of(events),
        exchanges=tuple(_exchanged(call, read, text_limit) for call in calls_of(events)),
    )


def _exchanged(call: Call, read: _Read, limit: int) -> Exchanged:
    prompt, reply = (cut(read(name), limit) if name else "" for name in (call.prompt, call.reply))
    return Exchanged(call, prompt, reply)


def _state(index: int, kept: Version, payloads: Mapping[str, list[Mapping[str, Any]]]) -> State:
    own = [found for found in payloads.get("replicated", []) if whole(found.get("of")) == index]
    crashed = bool(kept.executed) and not kept.valid
    if crashed or not all(found.get("valid") for found in own):
        return "failed"
    if "settled" not in payloads:
        return "unfinished"
    if "withheld" in payloads:
        return "withheld"
    if "executed" not in payloads:
        return "failed"
    return "accepted" if payloads["settled"][-1].get("accepted") is True else "rejected"


def _run_seconds(measured: list[Mapping[str, Any]], whole: float | None) -> float | None:
    """Wall clock of a step's scripts; a replicate that was remembered took none in this step."""
    took = [s for s in (number(found.get("seconds")) for found in measured) if s is not None]
    if not took:
        return None
    return sum(took) if whole is None or len(took) == 1 else min(sum(took), whole)


def _leader(steps: tuple[Step, ...], higher: bool) -> int | None:
    scored = [step for step in steps if step.state == "accepted" and step.score is not None]
    if not scored:
        return None
    choose = max if higher else min
    return choose(scored, key=lambda step: step.score or 0.0).number


def _suggestions(value: Any) -> tuple[Suggestion, ...]:
    suggestions = [
        Suggestion(
            statement=clean(found.get("statement")),
            component=clean(found.get("component")),
            strength=number(found.get("strength")),
            credence=number(found.get("credence")),
            evidence=clean(found.get("evidence")),
        )
        for found in map(mapping, listed(value))
    ]
    return tuple(sorted(suggestions, key=lambda s: -abs((s.strength or 0) * (s.credence or 0))))


def _weighted(value: Any) -> tuple[Weighted, ...]:
    return tuple(
        Weighted(clean(d.get("statement")), clean(d.get("component")), number(d.get("weight")))
        for d in map(mapping, listed(value))
    )


def _applied(proposed: Mapping[str, Any]) -> tuple[Weighted, ...]:
    directives = [mapping(d) for d in listed(proposed.get("applied"))]
    amounts = [number(amount) for amount in listed(proposed.get("amounts"))]
    if len(amounts) != len(directives):
        amounts = [1.0] * len(directives)
    return tuple(
        Weighted(clean(d.get("statement")), clean(d.get("component")), amount)
        for d, amount in zip(directives, amounts, strict=True)
    )


def _grade(value: Any) -> Grade | None:
    found = mapping(value)
    if not found:
        return None
    return Grade(
        score=number(found.get("score")),
        medal=clean(found.get("medal")) or "none",
        rank=whole(found.get("rank")),
        teams=whole(found.get("teams")),
        above_median=found.get("above_median") is True,
        thresholds=_numbers(found.get("thresholds")),
    )


def _oracle(told: Mapping[str, Any]) -> tuple[int, Grade] | None:
    step, grade = whole(told.get("step")), _grade(told)
    return None if step is None or grade is None else (step, grade)


def _remeasured(told: Mapping[str, Any], higher: bool) -> tuple[int, float | None]:
    score = number(told.get("score")) if told.get("valid") is True else None
    return whole(told.get("of")) or 0, score if score is None or higher else -score


def _steps(value: Any) -> tuple[int, ...]:
    return tuple(step for step in map(whole, listed(value)) if step is not None)


def _numbers(value: Any) -> Mapping[str, float]:
    pairs = ((clean(name), number(item)) for name, item in mapping(value).items())
    return {name: item for name, item in pairs if item is not None}
