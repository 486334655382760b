"""What a run did before, as something to follow: the one mechanism of resuming and replaying.

A run is a function of what comes from outside: replies of a model, results of scripts, readings of
the clock. All three are events of the journal. A run that is started again from its first step,
and is given these answers instead of asking for them, comes to the same state, decision for
decision; each event that it then records is compared with the one that is there. Nothing of the
state itself has to be stored, and a difference is found where it arises.

Events belong to steps, and within a step their order is fixed, so that steps may be under way side
by side.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from gome_agent.events import Event, Kind
from optimizers.budget import Spent

OUTSIDE: frozenset[Kind] = frozenset(
    {"started", "resumed", "interrupted", "finished", "graded", "stopped"}
)
"""Kinds that tell of the process that runs, not of what it decides; never compared."""
_TOLERANCE = 1e-5


class Diverged(RuntimeError):
    """A run that is followed does something else than it did before."""


class Recording:
    """The events of a run that were recorded earlier, in order, step by step.

    Args:
      events: of its journal.
      text: the text that is stored under a digest.
      strict: whether going on beyond the recording is an error, as in a replay; a resumed run goes
        on for real.
    """

    def __init__(
        self, events: Iterable[Event], text: Callable[[str], str], *, strict: bool
    ) -> None:
        self._queues: dict[int | None, deque[Event]] = {}
        self.text = text
        self.strict = strict
        self.seconds = 0.0
        """The latest reading of its clock."""
        self.spent = Spent()
        """On models."""
        for event in events:
            if event.kind not in OUTSIDE:
                self._queues.setdefault(event.step, deque()).append(event)
            self.seconds = max(self.seconds, float(event.payload.get("clock", 0.0)))
            if event.kind == "exchanged":
                self.spent += Spent(**event.payload["spent"])

    @property
    def over(self) -> bool:
        """Whether all of it has been followed."""
        return not any(self._queues.values())

    def peek(self, step: int | None) -> Event | None:
        """The next event of a step, if there is one."""
        queue = self._queues.get(step)
        return queue[0] if queue else None

    def answer(self, step: int | None, kinds: Collection[Kind]) -> Event | None:
        """What came from outside at this place of the step; `None` if it has to be asked for.

        Raises:
          Diverged: something else came there, or nothing, and the recording is all there is.
        """
        event = self.peek(step)
        if event is None:
            if self.strict:
                raise Diverged(
                    f"{_place(step)} the recording ends where one of {', '.join(sorted(kinds))} is "
                    "needed: it is of a run that did not come to its end, or of other settings"
                )
            return None
        if event.kind not in kinds:
            raise Diverged(
                f"{_place(step)} `{event.kind}` was recorded where the run now comes to one of "
                f"{', '.join(sorted(kinds))}: {_CAUSES}"
            )
        return event

    def follow(self, kind: Kind, payload: Mapping[str, Any], step: int | None) -> bool:
        """Compare an event with the recorded one in its place, and go on to the next.

        Args:
          kind: of the event.
          payload: as it reads after a passage through JSON.
          step: that it belongs to.

        Returns:
          Whether there was one; `False` beyond the recording.

        Raises:
          Diverged: it is another event, or there is none and the recording is all there is.
        """
        event = self.peek(step)
        if event is None:
            if self.strict:
                self.answer(step, (kind,))
            return False
        if event.kind != kind or not _alike(event.payload, payload):
            raise Diverged(
                f"{_place(step)} `{event.kind}` was recorded with {_short(event.payload)}, and the "
                f"run now says `{kind}` with {_short(payload)}: {_CAUSES}"
            )
        self._queues[step].popleft()
        return True


_CAUSES = "other versions of packages or of the code, other data, or another machine are the causes"


def _place(step: int | None) -> str:
    return "after the last step," if step is None else f"at step {step},"


def _alike(one: Any, other: Any) -> bool:
    """Equal, but for the last digits of numbers."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    numbers = (int, float)
    if isinstance(one, numbers) and isinstance(other, numbers):
        return math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return one == other


def _short(payload: Mapping[str, Any], limit: int = 200) -> str:
    text = repr(dict(payload))
    return text if len(text) <= limit else text[:limit] + "..."
