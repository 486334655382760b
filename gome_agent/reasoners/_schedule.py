"""What is asked for when: scenario or trace, and draft, improve or ensemble.

Pure functions of what a run has come to. The constants are those of the agent published with the
paper (arXiv 2603.01692).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from gome_agent.reasoners.base import Attempt, script_digest

Stage = Literal["draft", "improve", "ensemble"]
SOURCES = 3
"""Challenges are shared out between scenario and trace in so many parts."""


class Tally(NamedTuple):
    """What has been tried on the way to a solution and from it."""

    accepted: int
    """Accepted ancestors, the solution itself included."""
    failed: int
    """Attempts from it or an ancestor, or ancestors, that were not accepted."""


def scenario_share(accepted: int, failed: int) -> int:
    """How many of three parts of the challenges come from the scenario; the rest from the trace.

        w = floor((3 s + 2 f) / 2)        m = max(0, 3 - floor(w / 4))

    At first all that can be read is the task; with experience, what happened tells more. The share
    falls after 4, 8 and 12 failures, or after 3, 6 and 8 successes.

    Args:
      accepted: number s of accepted attempts on the trace.
      failed: number f of the others.

    >>> [scenario_share(0, failed) for failed in (0, 3, 4, 8, 12)]
    [3, 3, 2, 1, 0]
    """
    experience = (3 * accepted + 2 * failed) // 2
    return max(0, SOURCES - experience // 4)


def challenges_asked(share: int, top: int) -> tuple[int, int]:
    """Most challenges of the scenario and of the trace: `top`, shared out, halves to the scenario.

    >>> [challenges_asked(share, 5) for share in (3, 2, 1, 0)]
    [(5, 0), (3, 2), (2, 3), (0, 5)]
    """
    scenario = (2 * top * share + SOURCES) // (2 * SOURCES)
    return scenario, top - scenario


def tally(history: Sequence[Attempt], script: str) -> Tally:
    """What was tried on the trace of a solution: its ancestors, and what failed from any of them.

    Steps that were withheld are no attempts. A solution that the history does not know (a reasoner
    may be told less than everything) is on one trace with all of it.

    Args:
      history: attempts in order.
      script: of the solution.
    """
    tried = [attempt for attempt in history if attempt.script_digest or not attempt.valid]
    trace = _trace(tried, script)
    if not trace:
        return Tally(sum(a.accepted for a in tried), sum(not a.accepted for a in tried))
    accepted = sum(a.accepted for a in tried if a.step in trace)
    failed = sum(not a.accepted for a in tried if a.step in trace or a.parent in trace)
    return Tally(accepted, failed)


def rejected(history: Sequence[Attempt], script: str) -> list[Attempt]:
    """What was tried from a solution and not accepted, in order; empty if it is not known."""
    step = _step_of(history, script)
    if step is None:
        return []
    return [a for a in history if a.parent == step and not a.accepted and a.applied]


def stage(used: float, draft_until: float = 0.1, ensemble_from: float = 0.7) -> Stage:
    """The phase of a run by the share of its budget that is used.

    Draft below the first bound, ensemble above the second, improvement between them.

    >>> stage(0.05), stage(0.1), stage(0.7), stage(0.71)
    ('draft', 'improve', 'improve', 'ensemble')
    """
    if used < draft_until:
        return "draft"
    return "ensemble" if used > ensemble_from else "improve"


def _trace(history: Sequence[Attempt], script: str) -> set[int]:
    """Steps of a solution and its ancestors; empty if it is not known."""
    parents = {attempt.step: attempt.parent for attempt in history}
    step, trace = _step_of(history, script), set()
    while step is not None and step not in trace:
        trace.add(step)
        step = parents.get(step)
    return trace


def _step_of(history: Sequence[Attempt], script: str) -> int | None:
    digest = script_digest(script)
    return next((a.step for a in reversed(history) if a.script_digest == digest), None)
