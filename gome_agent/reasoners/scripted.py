"""A reasoner that says what it was given, in order: for tests, examples and replay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from gome_agent.reasoners.base import Brief, MalformedReply, NoEdit, Ranked, Solution
from gome_agent.schemas import Diagnosis, Edit, Preference, Verdict

Reply = Diagnosis | Edit | Verdict | Preference | NoEdit | MalformedReply
_R = TypeVar("_R", Diagnosis, Edit, Verdict, Preference)


class OutOfScript(RuntimeError):
    """A scripted reasoner was asked for something that its script does not have next."""


class Scripted:
    """Replays replies in order; `NoEdit` and `MalformedReply` among them are raised.

    It keeps its place, so that one object serves one run. It is one that `Judges` if there is a
    `Verdict` among the replies, one that `Compares` if there is a `Preference`.

    Args:
      replies: a `Diagnosis` for each call of `diagnose`, a `Verdict` for `judge`, a `Preference`
        for `prefer`, and an `Edit` for each other call.

    >>> reasoner = Scripted([Edit(script="print(1)")])
    >>> reasoner.draft(None, None).script
    'print(1)'
    """

    def __init__(self, replies: Iterable[Reply]) -> None:
        self._replies = tuple(replies)
        self._next = 0
        # Protocols are recognized by their methods: have those that there are replies for.
        if any(isinstance(reply, Verdict) for reply in self._replies):
            self.judge = self._judge
        if any(isinstance(reply, Preference) for reply in self._replies):
            self.prefer = self._prefer

    @property
    def name(self) -> str:
        return "scripted"

    @property
    def remaining(self) -> int:
        """Number of replies that were not asked for yet."""
        return len(self._replies) - self._next

    def draft(self, brief: Brief, rng: np.random.Generator) -> Edit:
        """The next reply, which must be an `Edit`."""
        return self._take("draft", Edit)

    def diagnose(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Diagnosis:
        """The next reply, which must be a `Diagnosis`."""
        return self._take("diagnose", Diagnosis)

    def edit(
        self, brief: Brief, parent: Solution, ranked: Ranked, rng: np.random.Generator
    ) -> Edit:
        """The next reply, which must be an `Edit`; the ranking is not looked at."""
        return self._take("edit", Edit)

    def improve(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """The next reply, which must be an `Edit`."""
        return self._take("improve", Edit)

    def crossover(
        self, brief: Brief, parent: Solution, other: Solution, rng: np.random.Generator
    ) -> Edit:
        """The next reply, which must be an `Edit`."""
        return self._take("crossover", Edit)

    def debug(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Edit:
        """The next reply, which must be an `Edit`."""
        return self._take("debug", Edit)

    def refine(self, brief: Brief, solution: Solution, rng: np.random.Generator) -> Edit:
        """The next reply, which must be an `Edit`."""
        return self._take("refine", Edit)

    def _judge(self, brief: Brief, solution: Solution) -> Verdict:
        return self._take("judge", Verdict)

    def _prefer(self, brief: Brief, parent: Solution, child: Solution) -> Preference:
        return self._take("prefer", Preference)

    def _take(self, asked: str, kind: type[_R]) -> _R:
        """The next reply if it is of the right kind.

        Raises:
          OutOfScript: there is no reply left, or the next one is of another kind.
        """
        if not self.remaining:
            raise OutOfScript(
                f"`{asked}` was asked of a scripted reasoner after all of its "
                f"{len(self._replies)} replies: give it more, or ask for fewer steps"
            )
        reply = self._replies[self._next]
        if not isinstance(reply, (kind, NoEdit, MalformedReply)):
            raise OutOfScript(
                f"`{asked}` needs {kind.__name__}, but reply {self._next + 1} of "
                f"{len(self._replies)} is {type(reply).__name__}: the calls came in another order"
            )
        self._next += 1
        if isinstance(reply, Exception):
            raise reply
        return reply
