"""What a model wrote, as what was asked for: strictly, or `MalformedReply` with the reason.

Two formats. A diagnosis is one JSON object. An edit is the whole new solution, verbatim, between
one pair of `<solution>` tags, and one JSON object outside of them: programs need no escapes, and a
reply that was cut short has no closing tag. A JSON object may stand in one fenced block, with prose
around the block; a byte-order mark and one leading block of thoughts are left out; nothing else is
forgiven, because a reply that was guessed at is worse than none.
"""

from __future__ import annotations

import json
import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gome_agent.reasoners.base import MalformedReply

OPENING, CLOSING = "<solution>", "</solution>"
_Model = TypeVar("_Model", bound=BaseModel)
_THOUGHTS = re.compile(r"\s*<(think|thinking)>.*?</\1>", re.DOTALL)
_FENCED = re.compile(r"^```(?:json)?[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)


def parse_json(reply: object, model: type[_Model]) -> _Model:
    """Read a reply that is one JSON object.

    Args:
      reply: what the model returned; only text can be read.
      model: schema; types are not converted.

    Raises:
      MalformedReply: one sentence that says why.

    >>> from gome_agent.schemas import Diagnosis
    >>> parse_json('{"summary": "fine as it is"}', Diagnosis).suggestions
    ()
    """
    text = _unfenced(_text(reply))
    try:
        # Pydantic's own parser takes the last of two equal keys and reads NaN: look first.
        _STRICT.decode(text)
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the reply"
        raise MalformedReply(f"`{where}` of the reply does not fit: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise MalformedReply(f"the reply is not one JSON object: {error}") from None


def parse_solution(reply: object, model: type[_Model]) -> tuple[str, _Model]:
    """Read a reply that is a solution between tags and one JSON object.

    The solution is taken as it stands, less the line breaks next to the tags. It cannot contain
    the tags themselves.

    Raises:
      MalformedReply: one sentence that says why.
    """
    text = _text(reply)
    if text.count(OPENING) != 1 or text.count(CLOSING) != 1:
        raise MalformedReply(
            f"the reply has {text.count(OPENING)} `{OPENING}` and {text.count(CLOSING)} "
            f"`{CLOSING}` tags: one of each was asked for"
        )
    before, _, rest = text.partition(OPENING)
    solution, closed, after = rest.partition(CLOSING)
    if not closed:
        raise MalformedReply(f"`{CLOSING}` stands before `{OPENING}` in the reply")
    if not solution.strip():
        raise MalformedReply(f"there is nothing between the `{OPENING}` tags of the reply")
    return solution.removeprefix("\n").removesuffix("\n"), parse_json(before + after, model)


def _text(reply: object) -> str:
    if not isinstance(reply, str):
        raise MalformedReply(f"the model returned {type(reply).__name__}, not text")
    text = _without_thoughts(reply.removeprefix("\ufeff"))
    if not text.strip():
        raise MalformedReply("the reply is empty")
    return text


def _without_thoughts(text: str) -> str:
    """The text after the block of thoughts that it begins with, if it does."""
    thoughts = _THOUGHTS.match(text)
    return text[thoughts.end() :] if thoughts else text


def _unfenced(text: str) -> str:
    """The content of the only fenced block if there is one, else all of the text."""
    if text.lstrip().startswith("{"):
        return text
    blocks = _FENCED.findall(text)
    if len(blocks) > 1 or text.count("```") > 2:
        raise MalformedReply("the reply has several fenced blocks: one JSON object was asked for")
    return blocks[0] if blocks else text


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"a key appears twice among {sorted(key for key, _ in pairs)}")
    return found


_STRICT = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_without_repeats)
