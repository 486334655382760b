"""What the tests of models share: a model that asks a scripted server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gome_agent.models import LiteLLMModel, Request, Timing
from gome_agent.models.serving import Reply, ScriptedServer, parse_faults

ASK = Request("diagnose", "What to change?")


class Time:
    """A clock that moves by its sleeps, and by what a test adds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def timing(self) -> Timing:
        return Timing(self.clock, self.sleep, lambda: 0.5)


@contextmanager
def served(
    respond: Any = "fine",
    faults: str = "",
    *,
    refuses=(),
    key=None,
    name="openai/x",
    **options: Any,
) -> Iterator[tuple[LiteLLMModel, ScriptedServer]]:
    """A model and the server behind it; waits take no time unless a timing is given."""
    answer = respond if callable(respond) else lambda body: respond
    options = {"timing": Time().timing, **options}
    with ScriptedServer(answer, parse_faults(faults), refuses=refuses, key=key) as server:
        yield LiteLLMModel(name, api_base=server.url, **options), server


__all__ = ["ASK", "Reply", "Time", "served"]
