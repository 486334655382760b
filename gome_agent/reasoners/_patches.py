"""A change of a program as the places that change, instead of the whole program again.

Each block has the lines as they are between `<<<<<<< SEARCH` and `=======`, and as they should be
between that and `>>>>>>> REPLACE`. Blocks are applied in order, each to what the ones before it
left. The searched lines must be whole lines that occur exactly once; if any block does not fit,
nothing is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from pydantic import BaseModel

from gome_agent.reasoners._replies import CLOSING, OPENING, parse_json, parse_solution
from gome_agent.reasoners.base import MalformedReply

OPENING_CHANGES, CLOSING_CHANGES = "<changes>", "</changes>"
SEARCH, DIVIDER, REPLACE = "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"
_Model = TypeVar("_Model", bound=BaseModel)


class Block(NamedTuple):
    """Lines to look for, and lines to put in their place."""

    search: tuple[str, ...]
    replace: tuple[str, ...]


def parse_change(reply: object, script: str, model: type[_Model]) -> tuple[str, _Model]:
    """Read a reply that changes a script: the whole new one, or blocks between `<changes>` tags.

    Args:
      reply: what a model returned; besides the change it has one JSON object.
      script: what blocks are applied to.
      model: schema of that object.

    Returns:
      The new script, and the object.

    Raises:
      MalformedReply: the reply has neither format, or a block does not fit; one sentence.
    """
    if not isinstance(reply, str) or OPENING in reply or OPENING_CHANGES not in reply:
        return parse_solution(reply, model)
    counts = reply.count(OPENING_CHANGES), reply.count(CLOSING_CHANGES)
    before, _, rest = reply.partition(OPENING_CHANGES)
    inside, closed, after = rest.partition(CLOSING_CHANGES)
    if counts != (1, 1) or not closed:
        raise MalformedReply(
            f"the reply has {counts[0]} `{OPENING_CHANGES}` and {counts[1]} `{CLOSING_CHANGES}` "
            "tags: one pair, in this order, was asked for"
        )
    changed = apply(script, parse_blocks(inside))
    if OPENING in changed or CLOSING in changed or not changed.strip():
        raise MalformedReply(f"the changes leave nothing, or a `{OPENING}` tag in the solution")
    return changed, parse_json(before + after, model)


def parse_blocks(text: str) -> tuple[Block, ...]:
    """Read blocks; outside of them only blank lines may stand.

    Raises:
      MalformedReply: there is none, or one is not complete; one sentence.
    """
    blocks, search, replace = [], None, None
    for line in text.split("\n"):
        match line.rstrip():
            case marker if marker == SEARCH and search is None:
                search = []
            case marker if marker == DIVIDER and search is not None and replace is None:
                replace = []
            case marker if marker == REPLACE and search is not None and replace is not None:
                blocks.append(Block(tuple(search), tuple(replace)))
                search = replace = None
            case marker if marker in (SEARCH, DIVIDER, REPLACE):
                raise MalformedReply(
                    f"`{marker}` is out of order in block {len(blocks) + 1} of the changes: "
                    f"`{SEARCH}`, `{DIVIDER}`, `{REPLACE}` stand once each, in this order"
                )
            case other if search is None:
                if other:
                    raise MalformedReply(f"{_quoted(line)} stands outside of the blocks of changes")
            case _:
                (search if replace is None else replace).append(line)
    if search is not None:
        raise MalformedReply(f"block {len(blocks) + 1} of the changes has no `{REPLACE}`")
    if not blocks:
        raise MalformedReply(f"there is no `{SEARCH}` block between the `{OPENING_CHANGES}` tags")
    return tuple(blocks)


def apply(script: str, blocks: Sequence[Block]) -> str:
    """The script with all blocks carried out, in order.

    Raises:
      MalformedReply: the lines that a block searches do not occur exactly once; one sentence.

    >>> apply("a = 1\\nb = 2", [Block(("b = 2",), ("b = 3", "c = 4"))])
    'a = 1\\nb = 3\\nc = 4'
    """
    lines = script.split("\n")
    for number, (search, replace) in enumerate(blocks, start=1):
        if not any(line.strip() for line in search):
            raise MalformedReply(f"block {number} of the changes searches for nothing but space")
        found = [
            start
            for start in range(len(lines) - len(search) + 1)
            if tuple(lines[start : start + len(search)]) == search
        ]
        if len(found) != 1:
            raise MalformedReply(
                f"block {number} of the changes, which begins with {_quoted(search[0])}, searches "
                f"for lines that occur {len(found)} times: copy whole lines, spaces included, that "
                "occur exactly once"
            )
        lines[found[0] : found[0] + len(search)] = replace
    return "\n".join(lines)


def _quoted(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")
