"""One model for each purpose, as it is typed:
`openai/gpt-5;judge=openai/gpt-5-mini(reasoning_effort=low)`."""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from gome_agent.models._capped import Metered
from gome_agent.models._litellm import LiteLLMModel
from gome_agent.models._prices import Quote
from gome_agent.models.base import Exchange, ModelMisconfigured, Request

PURPOSES = (
    "draft",
    "diagnose",
    "edit",
    "improve",
    "crossover",
    "debug",
    "judge",
    "prefer",
    "refine",
    "critique",
    "repair",
)
"""What a request may be for."""
_HIDDEN = ("name", "on_notice", "timing")


class Roles:
    """Asks the model of a request's purpose; the default where a purpose has none.

    Raises:
      ModelMisconfigured: a purpose does not exist.
    """

    def __init__(self, default: Metered, by_purpose: Mapping[str, Metered] | None = None) -> None:
        self._default = default
        self._by_purpose = dict(by_purpose or {})
        for purpose in self._by_purpose:
            _require_purpose(purpose)

    @property
    def name(self) -> str:
        """As it is typed, without arguments."""
        others = (f"{purpose}={model.name}" for purpose, model in self._by_purpose.items())
        return ";".join((self._default.name, *others))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of the servers that were named."""
        models = (self._default, *self._by_purpose.values())
        found = (one.addresses for one in models if isinstance(one, LiteLLMModel))
        return tuple(dict.fromkeys(address for some in found for address in some))

    def model_for(self, purpose: str) -> Metered:
        """Who answers requests of a purpose."""
        return self._by_purpose.get(purpose, self._default)

    def quote(self, request: Request) -> Quote:
        """That of the purpose's model."""
        return self.model_for(request.purpose).quote(request)

    def ask(self, request: Request, seconds: float, **limits: Any) -> Exchange:
        """As the purpose's model."""
        return self.model_for(request.purpose).ask(request, seconds, **limits)

    def warm_up(self) -> None:
        """Check each model that can be checked without a request.

        Raises:
          ModelMisconfigured: as `LiteLLMModel.warm_up`.
        """
        for model in (self._default, *self._by_purpose.values()):
            if isinstance(model, LiteLLMModel):
                model.warm_up()


def build_model(text: str, **options: Any) -> LiteLLMModel | Roles:
    """Models from their text: `MODEL`, or `MODEL;PURPOSE=MODEL;...`.

    A model is a name of litellm's, with arguments of `LiteLLMModel` in brackets if any. Arguments
    are literals; a bare word is a text.

    Args:
      text: what was typed.
      options: arguments of every model that the text does not give itself.

    Raises:
      ModelMisconfigured: the text cannot be read, or a purpose or an argument does not exist.

    Example:
      >>> build_model("openai/gpt-5;judge=openai/gpt-5-mini(reasoning_effort=low)").name
      'openai/gpt-5;judge=openai/gpt-5-mini'
    """
    default: LiteLLMModel | None = None
    others: dict[str, Metered] = {}
    for part in _split(text):
        purpose, separator, model = part.partition("=")
        if not separator or "(" in purpose:
            if default is not None:
                raise ModelMisconfigured(
                    f"{text!r} gives two models for everything: write PURPOSE=MODEL for the second"
                )
            default = _one(part, options)
            continue
        purpose = purpose.strip()
        _require_purpose(purpose)
        if purpose in others:
            raise ModelMisconfigured(f"{text!r} gives a model for `{purpose}` twice")
        others[purpose] = _one(model, options)
    if default is None:
        raise ModelMisconfigured(
            f"{text!r} gives no model for everything else: write e.g. openai/gpt-5 first"
        )
    return Roles(default, others) if others else default


def _one(text: str, options: Mapping[str, Any]) -> LiteLLMModel:
    name, bracket, arguments = text.strip().partition("(")
    given = _arguments(text.strip(), f"_({arguments}") if bracket else {}
    known = [p for p in inspect.signature(LiteLLMModel).parameters if p not in _HIDDEN]
    for argument in given:
        if argument not in known:
            raise ModelMisconfigured(_unknown("argument", argument, known))
    if not name.strip():
        raise ModelMisconfigured(f"{text!r} names no model: write e.g. openai/gpt-5")
    try:
        return LiteLLMModel(name.strip(), **{**options, **given})
    except (TypeError, ValueError) as error:
        raise ModelMisconfigured(f"`{name}` refuses its arguments: {error}") from None


def _arguments(text: str, expression: str) -> dict[str, Any]:
    try:
        node = ast.parse(expression, mode="eval").body
        if not isinstance(node, ast.Call) or node.args or not all(k.arg for k in node.keywords):
            raise ValueError("arguments are given by name")
        return {str(k.arg): _value(k.value) for k in node.keywords}
    except (SyntaxError, ValueError):
        raise ModelMisconfigured(
            f"cannot read {text!r}: write arguments by name, e.g. "
            "openai/gpt-5(reasoning_effort=low, max_tokens=8000)"
        ) from None


def _value(node: ast.expr) -> Any:
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)


def _split(text: str) -> list[str]:
    """Parts between semicolons outside of quotes."""
    parts, quote = [""], ""
    for letter in text:
        if letter in "'\"" and quote in ("", letter):
            quote = "" if quote else letter
        if letter == ";" and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _require_purpose(purpose: str) -> None:
    if purpose not in PURPOSES:
        raise ModelMisconfigured(_unknown("purpose", purpose, PURPOSES))


def _unknown(kind: str, name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return f"unknown {kind} `{name}`.{hint} There are: {', '.join(known)}."
