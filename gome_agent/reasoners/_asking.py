"""Asking a model so that a reply which cannot be read costs one more call, not the step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from gome_agent.models.base import Model, Request
from gome_agent.reasoners.base import MalformedReply

AGAIN = "Your last reply could not be used: "
"""What the second question has beyond the first begins with this, after a blank line."""
REPAIR = "repair"
_LONGEST_REASON = 500
_CUT_SHORT = "it was cut off because it was too long"
_T = TypeVar("_T")


def asked_again(
    model: Model, request: Request, seconds: float, parse: Callable[[object], _T]
) -> _T:
    """Ask; if the reply cannot be read, ask once more with the reason.

    Args:
      model: who is asked.
      request: the question; the second one is the same with the reason appended, for the purpose
        `repair`. What was replied is not: the question would grow without a bound.
      seconds: wall clock for both together.
      parse: reads a reply; what it raises but `MalformedReply` is raised on.

    Raises:
      MalformedReply: the second reply cannot be read either.
      ModelError: as `Model.ask`.
    """
    deadline = time.monotonic() + seconds
    exchange = model.ask(request, seconds)
    try:
        return parse(exchange.reply)
    except MalformedReply as error:
        reason = _CUT_SHORT if exchange.finish == "length" else str(error)[:_LONGEST_REASON]
    prompt = f"{request.prompt}\n\n{AGAIN}{reason}. Reply again."
    left = max(deadline - time.monotonic(), 0.0)  # the model says, and records, that it is none
    return parse(model.ask(replace(request, purpose=REPAIR, prompt=prompt), left).reply)
