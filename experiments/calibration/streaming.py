"""Large JSON files, one small value at a time.

Python's own writer puts `NaN` and `Infinity` into files, which are not JSON; they are read as null.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import ijson
from ijson.common import ObjectBuilder

_CHUNK = 1 << 16
# A string, closed or not (group 1), or one of the words.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+("|\\?\Z)|-?\bInfinity\b|\bNaN\b', re.DOTALL)
_LONGEST_WORD = len(b"-Infinity")


class FormatError(ValueError):
    """The file is not in the format; the message says where and what was expected."""


class StrictJson:
    """A file-like reader that replaces NaN and infinities, outside strings, by null."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """More bytes; empty at the end."""
        if size == 0:  # asked before anything is read, to see whether these are bytes
            return b""
        while True:
            chunk = self._file.read(_CHUNK)
            text = self._rest + chunk
            if not text:
                return b""
            cut = len(text) if not chunk else _safe_end(text)
            self._rest = text[cut:]
            if cut:
                return _TOKEN.sub(_replace, text[:cut])


def _replace(match: re.Match[bytes]) -> bytes:
    return match[0] if match[0].startswith(b'"') else b"null"


def _safe_end(text: bytes) -> int:
    """Where the text may be cut: not in a string, nor in a word that might be one of ours."""
    end = 0
    for match in _TOKEN.finditer(text):
        if match[0].startswith(b'"') and match[1] != b'"':
            return match.start()
        end = match.end()
    return max(end, len(text) - _LONGEST_WORD)


def entries(path: Path) -> Iterator[tuple[str, str, Any]]:
    """The values of a file `{task: {key: value}}`, one at a time, as `(task, key, value)`.

    A list in place of the inner object is read too, with keys `loop_0`, `loop_1`, ...

    Raises:
      FormatError: the file is not JSON, or not an object of objects. What came before the error
        has been handed out by then.
    """
    with path.open("rb") as file:
        events = ijson.basic_parse(StrictJson(file), use_float=True)
        try:
            yield from _walk(path, events)
        except (ijson.JSONError, UnicodeDecodeError, OverflowError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise FormatError(f"`{path}` is not complete, valid JSON: {reason}") from error


def _walk(path: Path, events: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    if next(events, ("", None))[0] != "start_map":
        raise FormatError(
            f"`{path}` does not hold an object of tasks: expected {{task: {{loop_0: ...}}}}"
        )
    task, key, count, depth = "", "", 0, 1
    listed = False
    builder: ObjectBuilder | None = None
    for event, value in events:
        opens, closes = event.startswith("start_"), event.startswith("end_")
        if builder is not None:
            builder.event(event, value)
            depth += opens - closes
            if depth == 2:
                yield task, key, builder.value
                builder, count = None, count + 1
        elif event == "map_key":
            task, key = (value, key) if depth == 1 else (task, value)
        elif depth == 1 and opens:
            listed, count, depth = event == "start_array", 0, 2
        elif closes:
            depth -= 1
        elif depth == 2:
            key = f"loop_{count}" if listed else key
            if opens:
                started = ObjectBuilder()
                started.event(event, value)
                builder, depth = started, 3
            else:
                yield task, key, value
                count += 1
