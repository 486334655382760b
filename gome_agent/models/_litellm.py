"""Any provider that litellm knows. litellm is loaded by the first request, or by `warm_up`."""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from gome_agent.models._failures import ParameterRefused, meaning
from gome_agent.models._loading import load, nearest, unknown_provider
from gome_agent.models._prices import Prices, Quote
from gome_agent.models._retry import Passing, Timing, persist, within
from gome_agent.models.base import (
    Exchange,
    ModelError,
    ModelMisconfigured,
    ModelUnavailable,
    Request,
    Usage,
)

_LOG = logging.getLogger("gome_agent.models")
_MARGIN, _OVERHEAD = 1.25, 50
"""Tokenizers differ, and chat templates add a few tokens to each request."""
_LEAST_SECONDS = 1e-3


def _no_limit() -> bool:
    return True


class LiteLLMModel:
    """A model of any provider, asked through litellm. Safe to call from several threads.

    Keys are the provider's environment variables, as litellm reads them; none is ever part of a
    message. Parameters that a provider refuses are left out from then on, with a notice.

    Args:
      name: as litellm names it, such as "openai/gpt-5".
      reasoning_effort: "low", "medium", "high", or what else the provider takes.
      temperature: not sent unless given.
      max_tokens: most tokens of a reply, reasoning included; the provider's own limit if `None`.
      api_base: address of a server that speaks the provider's protocol.
      prices: money for a million tokens of input, cached input and output; litellm's table if
        `None`.
      stream: take replies piece by piece, for providers that cut long silences.
      timeout_per_attempt: seconds.
      patience: seconds that an outage may last before a request is given up.
      on_notice: told what was left out; a warning of the log if `None`.
      timing: clock, sleep and jitter.

    Raises:
      ValueError: an argument is out of range.
    """

    def __init__(
        self,
        name: str,
        *,
        reasoning_effort: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        api_base: str | None = None,
        prices: Prices | Sequence[float] | Mapping[str, float] | None = None,
        stream: bool = False,
        timeout_per_attempt: float = 300.0,
        patience: float = 900.0,
        on_notice: Callable[[str], None] | None = None,
        timing: Timing | None = None,
    ) -> None:
        if not (timeout_per_attempt > 0 and patience > 0):
            raise ValueError(
                "a model needs timeout_per_attempt > 0 and patience > 0, got "
                f"timeout_per_attempt={timeout_per_attempt}, patience={patience}"
            )
        if max_tokens is not None and max_tokens < 1:
            raise ValueError(f"a model needs max_tokens >= 1, got max_tokens={max_tokens}")
        self._name = name
        self._options = {"reasoning_effort": reasoning_effort, "temperature": temperature}
        self._max_tokens = max_tokens
        self._api_base = api_base
        self._prices = None if prices is None else Prices.of(prices)
        self._stream = stream
        self._timeout = timeout_per_attempt
        self._patience = patience
        self._on_notice = on_notice or _LOG.warning
        self._timing = timing or Timing()
        self._left_out: set[str] = set()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of the server that was named, if one was."""
        return () if self._api_base is None else (self._api_base,)

    def __repr__(self) -> str:
        return f"LiteLLMModel({self._name!r})"

    def warm_up(self) -> None:
        """Load litellm (some seconds) and check what can be checked without a request.

        Raises:
          ModelMisconfigured: litellm is missing, knows no such provider, or finds no key for it.
        """
        litellm = load()
        try:
            litellm.get_llm_provider(self._name)
        except Exception:
            raise ModelMisconfigured(unknown_provider(self._name, litellm)) from None
        missing = self._missing_keys()
        if missing and self._api_base is None:
            raise ModelMisconfigured(
                f"`{self._name}` needs {' and '.join(missing)} in the environment"
            )

    def quote(self, request: Request) -> Quote:
        """The most that one attempt at a request takes: estimated, not asked for."""
        litellm = load()
        text = request.prompt
        if request.schema is not None:
            text += json.dumps(request.schema.model_json_schema())
        counted = litellm.token_counter(model=self._name, text=text)
        known = self._table
        longest = self._max_tokens or known.get("max_output_tokens")
        return Quote(int(counted * _MARGIN) + _OVERHEAD, longest, self._money_of)

    def ask(
        self,
        request: Request,
        seconds: float,
        *,
        max_tokens: int | None = None,
        another: Callable[[], bool] = _no_limit,
    ) -> Exchange:
        """Answer within so many seconds; see `Model`.

        Args:
          request: what to ask.
          seconds: wall clock of all attempts and waits.
          max_tokens: most tokens of the reply; the tighter of this and the model's own holds.
          another: asked before an attempt that follows one which may have been charged.
        """
        if not seconds > 0:
            raise ModelUnavailable(f"no time is left to ask `{self._name}`")
        load()
        started = self._timing.clock()
        attempts, charged = 0, 0

        def attempt(left: float) -> Exchange:
            nonlocal attempts, charged
            if charged and not another():
                raise ModelUnavailable("the budget pays no further attempt")
            attempts += 1
            try:
                return self._attempt(request, min(left, self._timeout), max_tokens)
            except Passing as failure:
                charged += failure.charged
                raise

        try:
            exchange = persist(attempt, min(seconds, self._patience), self._timing)
        except Passing as failure:
            waited = self._timing.clock() - started
            raise ModelUnavailable(
                f"`{self._name}` did not answer in {waited:.0f} s and {attempts} attempts; "
                f"the last one: {failure}. Try later, or give it more time (`patience`).",
                Usage(calls=charged),
            ) from None
        except ModelError as error:
            error.usage = Usage(calls=charged)
            raise
        usage = replace(exchange.usage, calls=charged + 1)
        return replace(exchange, usage=usage, seconds=self._timing.clock() - started)

    # -- one attempt ---------------------------------------------------------------------------

    def _attempt(self, request: Request, seconds: float, max_tokens: int | None) -> Exchange:
        """One answer; at once again without a parameter that is refused."""
        ends = self._timing.clock() + seconds
        while True:
            parameters = self._parameters(request, max_tokens)
            left = max(ends - self._timing.clock(), _LEAST_SECONDS)
            try:
                response = within(left, lambda p=parameters, s=left: self._send(request, p, s))
                return self._exchange(response)
            except (Passing, ModelError):
                raise
            except Exception as error:
                failure = meaning(error, self._name, parameters.keys())
                if getattr(error, "status_code", None) == 404:
                    failure = ModelMisconfigured(f"{failure}{nearest(self._name)}")
            if not isinstance(failure, ParameterRefused):
                raise failure
            self._leave_out(failure)

    def _parameters(self, request: Request, max_tokens: int | None) -> dict[str, Any]:
        """What a request could do without."""
        found = {name: value for name, value in self._options.items() if value is not None}
        if request.schema is not None and self._takes_schemas():
            found["response_format"] = request.schema
        if self._stream:
            found["stream_options"] = {"include_usage": True}
        limits = [limit for limit in (max_tokens, self._max_tokens) if limit is not None]
        if limits:
            found["max_tokens"] = min(limits)
        with self._lock:
            found = {name: value for name, value in found.items() if name not in self._left_out}
            if limits and "max_tokens" in self._left_out:
                found["max_completion_tokens"] = min(limits)
        return found

    def _send(self, request: Request, parameters: Mapping[str, Any], seconds: float) -> Any:
        litellm = load()
        server = {} if self._api_base is None else {"api_base": self._api_base}
        if self._api_base is not None and self._missing_keys():
            server["api_key"] = "none"  # a server of one's own need not have keys
        response = litellm.completion(
            model=self._name,
            messages=[{"role": "user", "content": request.prompt}],
            timeout=seconds,
            max_retries=0,
            num_retries=0,
            stream=self._stream,
            **server,
            **parameters,
        )
        if not self._stream:
            return response
        pieces = list(response)
        if not pieces:
            raise Passing("the provider answered with an empty stream", charged=True)
        return litellm.stream_chunk_builder(pieces)

    def _exchange(self, response: Any) -> Exchange:
        if not response.choices:
            raise Passing("the provider answered without a choice", charged=True)
        choice = response.choices[0]
        usage = _usage(response)
        if not choice.message.content and not usage.completion_tokens:
            raise Passing("the provider answered with nothing at all", charged=True)
        return Exchange(
            reply=choice.message.content or "",
            model=str(response.model or self._name),
            usage=replace(usage, money=self._money(usage, response)),
            finish=str(choice.finish_reason or "stop"),
        )

    def _leave_out(self, failure: ParameterRefused) -> None:
        with self._lock:
            if failure.parameter in self._left_out:
                return
            self._left_out.add(failure.parameter)
        self._on_notice(
            f"`{self._name}` does not take `{failure.parameter}`, which is left out from now on: "
            f"{failure}"
        )

    # -- what litellm knows --------------------------------------------------------------------

    @cached_property
    def _table(self) -> Mapping[str, Any]:
        """litellm's entry for the model; empty if it has none."""
        try:
            return load().get_model_info(self._name)
        except Exception:
            return {}

    def _takes_schemas(self) -> bool:
        """As the table says; a model that it does not know is tried."""
        known = self._table
        return not known or bool(known.get("supports_response_schema"))

    def _missing_keys(self) -> list[str]:
        return list(load().validate_environment(self._name)["missing_keys"])

    def _money(self, usage: Usage, response: Any) -> float | None:
        if self._prices is not None:
            return self._prices.money(usage)
        try:
            return float(load().completion_cost(response, model=self._name))
        except Exception:
            return None

    def _money_of(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        if self._prices is not None:
            dearer = max(self._prices.input, self._prices.cached_input)
            return self._prices._replace(input=dearer).money(
                Usage(prompt_tokens, completion_tokens)
            )
        try:
            both = load().cost_per_token(
                model=self._name,
                prompt_tokens=prompt_tokens,
                completion_tokens=completion_tokens,
            )
        except Exception:
            return None
        return math.fsum(both)


def _usage(response: Any) -> Usage:
    """As the provider reports it; zeros for what it does not."""
    told = getattr(response, "usage", None)
    prompt = getattr(told, "prompt_tokens_details", None)
    completion = getattr(told, "completion_tokens_details", None)
    return Usage(
        prompt_tokens=getattr(told, "prompt_tokens", None) or 0,
        completion_tokens=getattr(told, "completion_tokens", None) or 0,
        reasoning_tokens=getattr(completion, "reasoning_tokens", None) or 0,
        cached_tokens=getattr(prompt, "cached_tokens", None) or 0,
    )
