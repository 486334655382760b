"""Asking a model so that a reply which cannot be read costs one more call, not the step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from gome_agent.models.base import Model, Request
from gome_agent.reasoners.base import MalformedReply

_T = TypeVar("_T")


def asked_again(
    model: Model, request: Request, seconds: float, parse: Callable[[object], _T]
) -> _T:
    """Ask; if the reply cannot be read, ask once more with the reason.

    Args:
      model: who is asked.
      request: the question; the second one is the same with the reason appended, for the purpose
        `repair`.
      seconds: wall clock for both together.
      parse: reads a reply; what it raises but `MalformedReply` is raised on.

    Raises:
      MalformedReply: the second reply cannot be read either.
      ModelError: as `Model.ask`.
    """
    deadline = time.monotonic() + seconds
    try:
        return parse(model.ask(request, seconds).reply)
    except MalformedReply as error:
        prompt = f"{request.prompt}\n\nYour last reply could not be used: {error}. Reply again."
    repair = replace(request, purpose="repair", prompt=prompt)
    return parse(model.ask(repair, max(deadline - time.monotonic(), 0.0)).reply)
