"""What a provider's failure means: try again, ask otherwise, or end; and what usage it reported.

By status, then by class name: litellm's exceptions carry responses and do not survive a pickle, so
none of them leaves this package.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from gome_agent.models._redact import redacted
from gome_agent.models._retry import Passing, retry_after
from gome_agent.models.base import ModelError, ModelMisconfigured, RequestRefused

_LONGEST = 400
_REFUSALS = ("ContentPolicyViolationError", "ContextWindowExceededError", "RejectedRequestError")
_OUT_OF_MONEY = ("insufficient_quota", "exceeded your current quota", "credit balance is too low")
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "reasoning_effort": ("reasoning_effort", "reasoning.effort", "thinking"),
    "response_format": ("response_format", "json_schema", "output_config", "schema"),
    "stream_options": ("stream_options",),
    "max_tokens": ("max_tokens",),
}
"""How messages name the parameters that we send."""
_ADVICE = {
    401: "check the provider's key in the environment",
    402: "the account has no credit left",
    403: "the key has no permission for this model",
    404: "check the model's name and `api_base`",
}


class ParameterRefused(Exception):
    """The provider does not take a parameter for this model."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


def meaning(
    error: Exception, model: str, sent: Collection[str]
) -> ModelError | Passing | ParameterRefused:
    """What a failed attempt comes to.

    Args:
      error: as litellm raised it, or whatever came of a response it could not read.
      model: for the message.
      sent: parameters that the request could do without.
    """
    words = told(error)
    status = getattr(error, "status_code", None)
    if isinstance(error, ImportError):
        return ModelMisconfigured(f"`{model}` needs a package that is not installed: {words}")
    if type(error).__name__ in _REFUSALS:
        return RequestRefused(f"`{model}` refuses this request: {words}")
    if any(sign in words for sign in _OUT_OF_MONEY):
        return ModelMisconfigured(f"`{model}` cannot be used: {_ADVICE[402]}: {words}")
    if status in _ADVICE:
        return ModelMisconfigured(f"`{model}` cannot be used: {_ADVICE[status]}: {words}")
    if "LLM Provider NOT provided" in words:
        return ModelMisconfigured(
            f"`{model}` names no provider: write PROVIDER/MODEL, such as openai/gpt-5"
        )
    if status in (400, 413, 422):
        named = _parameter(words, sent)
        if named:
            return ParameterRefused(named, words)
        return RequestRefused(f"`{model}` refuses this request: {words}")
    headers = getattr(error, "litellm_response_headers", None)
    known = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
    return Passing(words, retry_after(known, time.time()), charged=headers is None)


def told(error: Exception) -> str:
    """One line on an exception, without keys."""
    words = redacted(" ".join(str(error).split())) or type(error).__name__
    words = words.removeprefix(f"litellm.{type(error).__name__}: ")
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."


def _parameter(words: str, sent: Collection[str]) -> str | None:
    for parameter, spellings in _SPELLINGS.items():
        if parameter in sent and any(spelling in words for spelling in spellings):
            return parameter
    return None
