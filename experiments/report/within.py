"""What happened within one step: versions of its candidate, and what was said of them.

A candidate may be repaired (the new version takes its place), judged (a verdict may fail it) and
refined (the better of the two is kept), before the gate sees one version of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from experiments.lenient import clean, listed, mapping, number
from gome_agent.journal import Event

MomentKind = Literal["written", "repaired", "refined", "judged", "compared", "abandoned"]
_WRITES: dict[str, MomentKind] = {
    "proposed": "written",
    "repaired": "repaired",
    "refined": "refined",
}


@dataclass(frozen=True)
class Moment:
    """One thing that was done with a step's candidate, in a sentence."""

    kind: MomentKind
    sentence: str


@dataclass
class Version:
    """One script of a step with its measurement and its verdict; payloads as journaled."""

    edit: Mapping[str, Any] = field(default_factory=dict)
    executed: Mapping[str, Any] = field(default_factory=dict)
    objection: str = ""
    """Why a judge does not trust its score."""
    refines: bool = False

    @property
    def valid(self) -> bool:
        return bool(self.executed.get("valid")) and not self.objection

    @property
    def failure(self) -> str:
        return clean(self.executed.get("failure")) or self.objection


def kept_version(events: Iterable[Event]) -> Version:
    """The version of a step's candidate that the gate saw; an empty one if none was written."""
    kept = current = Version()
    for event in events:
        told = mapping(event.payload)
        if event.kind in _WRITES:
            current = Version(edit=told, refines=event.kind == "refined")
            kept = kept if current.refines else current
        elif event.kind == "executed":
            current.executed = told
            if current.refines and _better(current, kept):
                kept = current
        elif event.kind == "judged" and told.get("aligned") is False:
            current.objection = _objection(told)
    return kept


def moments_of(events: Iterable[Event]) -> tuple[Moment, ...]:
    """What was done, in order; nothing where a script was just written and run."""
    found, dull = [], True
    for event in events:
        told = mapping(event.payload)
        if event.kind in _WRITES:
            found.append(Moment(_WRITES[event.kind], clean(told.get("note"))))
        elif event.kind == "executed" and found:
            found[-1] = Moment(found[-1].kind, _measured(found[-1].sentence, told))
        elif event.kind == "judged":
            found.append(Moment("judged", _verdict(told)))
        elif event.kind == "compared":
            place = "takes" if told.get("replace") is True else "does not take"
            reason = clean(told.get("reason"))
            sentence = f"a tie with its parent: it {place} its place"
            found.append(Moment("compared", ": ".join(filter(None, (sentence, reason)))))
        elif event.kind == "abandoned":
            found.append(Moment("abandoned", clean(told.get("reason"))))
        dull = dull and all(moment.kind == "written" for moment in found)
    return () if dull else tuple(found)


def _measured(note: str, told: Mapping[str, Any]) -> str:
    outcome = "ran" if told.get("valid") else f"failed: {clean(told.get('failure'))}"
    return "; ".join(filter(None, (note, outcome)))


def _verdict(told: Mapping[str, Any]) -> str:
    if told.get("aligned") is False:
        sentence = _objection(told)
    else:
        said = clean(told.get("evidence"))
        sentence = "its evaluation can be trusted" + (f": {said}" if said else "")
    concerns = "; ".join(filter(None, map(clean, listed(told.get("concerns")))))
    return f"{sentence} (mild concerns: {concerns})" if concerns else sentence


def _objection(told: Mapping[str, Any]) -> str:
    evidence = clean(told.get("evidence"))
    return "its evaluation is not to be trusted" + (f": {evidence}" if evidence else "")


def _better(one: Version, other: Version) -> bool:
    scores = [number(version.executed.get("score")) for version in (one, other)]
    if not one.valid or scores[0] is None:
        return False
    return not other.valid or scores[1] is None or scores[0] > scores[1]
