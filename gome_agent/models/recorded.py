"""A model whose exchanges are in the journal: nothing is asked, or paid for, twice.

Every exchange is written, and on disk, before anything is done with the reply. Where a run is
followed (resumed or replayed) replies come from its journal; a prompt that differs from the
recorded one is an error and never a guess.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from gome_agent.budget import BudgetExhausted
from gome_agent.journal import Journal, digest
from gome_agent.models.base import (
    Exchange,
    Model,
    ModelError,
    ModelUnavailable,
    Request,
    RequestRefused,
    Usage,
)
from gome_agent.recording import Diverged
from optimizers.budget import Spent

_ERRORS = {kind.__name__: kind for kind in (ModelUnavailable, RequestRefused, BudgetExhausted)}


class Recorded:
    """A model with a memory in the journal.

    A wrong key or an unknown model is not recorded: once it is mended the run can go on.

    Args:
      model: that answers what is not recorded; `None` where everything must be.
      journal: of the run.
    """

    def __init__(self, model: Model | None, journal: Journal) -> None:
        self._model = model
        self._journal = journal
        self._lock = threading.Lock()
        self._spent = Spent()

    @property
    def name(self) -> str:
        return "recorded" if self._model is None else self._model.name

    @property
    def usage(self) -> Spent:
        """By all exchanges of the run, those of earlier processes included."""
        return self._spent

    def ask(self, request: Request, seconds: float) -> Exchange:
        """Answer from the journal or from the model.

        Raises:
          Diverged: the recorded exchange is another one, or there is none and no model.
          ModelError, BudgetExhausted: as the model raises them, recorded ones again.
        """
        prompt = self._journal.kept(request.prompt)
        known = self._journal.answer(request.step, "exchanged")
        if known is not None:
            return self._from(known.payload, request, prompt)
        if self._model is None:
            raise Diverged(
                f"step {request.step} asks a model ({request.purpose}) and there is none"
            )
        told: dict[str, Any] = {"purpose": request.purpose, "prompt": self._journal.store(prompt)}
        exchange = failure = None
        try:
            exchange = self._model.ask(request, seconds)
            # As it will be read again, if ever: without secrets, and not too long.
            exchange = replace(exchange, reply=self._journal.kept(exchange.reply))
            told |= _told(exchange) | {"reply": self._journal.store(exchange.reply)}
        except (ModelUnavailable, RequestRefused) as error:
            failure, told = error, told | _refused(error, error.usage)
        except BudgetExhausted as error:
            failure, told = error, told | _refused(error, Usage(calls=0))
        self._keep(told, request.step)
        if failure is not None or exchange is None:
            raise failure or AssertionError
        return exchange

    def _from(self, told: Mapping[str, Any], request: Request, prompt: str) -> Exchange:
        if (told["purpose"], told["prompt"]) != (request.purpose, digest(prompt)):
            raise Diverged(
                f"at step {request.step} the recorded exchange is another one: `{told['purpose']}` "
                f"with prompt {told['prompt'][:12]}, and now `{request.purpose}` is asked with "
                f"prompt {digest(prompt)[:12]}; prompts, task and versions must be the same"
            )
        self._journal.store(prompt)
        self._keep(told, request.step)
        if "error" in told:
            raise _ERRORS[told["error"]](told["message"])
        usage = Usage(**told["usage"])
        reply = self._journal.followed_text(told["reply"])
        return Exchange(reply, told["model"], usage, told["seconds"], told["finish"])

    def _keep(self, told: Mapping[str, Any], step: int | None) -> None:
        with self._lock:
            self._spent += Spent(**told["spent"])
        self._journal.append("exchanged", told, step)
        self._journal.flush()


def _told(exchange: Exchange) -> dict[str, Any]:
    return {
        "model": exchange.model,
        "usage": asdict(exchange.usage),
        "spent": exchange.usage.spent._asdict(),
        "seconds": exchange.seconds,
        "finish": exchange.finish,
    }


def _refused(error: ModelError | BudgetExhausted, usage: Usage) -> dict[str, Any]:
    told = {"usage": asdict(usage), "spent": usage.spent._asdict()}
    return told | {"error": type(error).__name__, "message": str(error)}
