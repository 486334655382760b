"""What a language model is here: one request in, one exchange out, or one of four errors.

Everything else (which provider, how often to try again, what it costs) is behind this. Deadlines
are the caller's: a model that cannot answer in time says so and never extends one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import BaseModel

from optimizers.budget import Spent


@dataclass(frozen=True)
class Request:
    """One question to a model."""

    purpose: str
    """What it is for: `diagnose`, `edit`, `judge`, ...; decides the role's model, and accounts."""
    prompt: str
    schema: type[BaseModel] | None = None
    """What the reply should be, for providers that can be held to a JSON schema; the reply is text
    all the same, and is validated by whoever asked."""
    step: int | None = None
    """Step of the run that it belongs to."""


@dataclass(frozen=True)
class Usage:
    """What an exchange took, as the provider reports it; all of its attempts together."""

    prompt_tokens: int = 0
    """Cached ones included."""
    completion_tokens: int = 0
    """Reasoning included."""
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    money: float | None = None
    """In the currency of the prices; `None` if no price is known."""
    calls: int = 1
    """Attempts that a provider may have charged for."""

    @property
    def spent(self) -> Spent:
        """In the currencies of a budget."""
        tokens = self.prompt_tokens + self.completion_tokens
        return Spent(calls=self.calls, tokens=tokens, money=self.money or 0.0)


@dataclass(frozen=True)
class Exchange:
    """A request that was answered."""

    reply: str
    """Whatever came back, empty and nonsense included."""
    model: str
    """Name of the model that answered, as the provider gives it."""
    usage: Usage = Usage()
    seconds: float = 0.0
    """Wall clock, waiting between attempts included."""
    finish: str = "stop"
    """Why the reply ends: `stop`, `length`, `content_filter`, `tool_calls`, or another word."""


class ModelError(RuntimeError):
    """No reply could be had; the message says why, after how long, and what to do.

    Attributes:
      usage: what the attempts took all the same.
    """

    def __init__(self, message: str, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.usage = usage or Usage(calls=0)


class ModelUnavailable(ModelError):
    """The provider could not be reached or did not answer until the deadline: try later."""


class RequestRefused(ModelError):
    """The provider refuses this request (content policy, too long a prompt): another may pass."""


class ModelMisconfigured(ModelError):
    """Nothing can pass: wrong key, unknown model, no permission. The run should end."""


@runtime_checkable
class Model(Protocol):
    """Answers requests. Safe to call from several threads at once."""

    @property
    def name(self) -> str: ...

    def ask(self, request: Request, seconds: float) -> Exchange:
        """Answer within so many seconds of wall clock.

        Raises:
          ModelUnavailable, RequestRefused, ModelMisconfigured: as they say.
        """
        ...
