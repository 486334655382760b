"""The journal: an append-only log of events in SQLite, from which a whole run can be read.

One file holds everything that happened, in order; scripts and logs are stored once each under
their digest. Nothing is ever updated or deleted, nothing is pickled. Readers may open it while the
run is on (write-ahead logging).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic_core import PydanticSerializationError, to_json

SCHEMA_VERSION = 1
WORTH_KEEPING_S = 0.05
"""A killed run loses at most the events of this much time."""

Kind = Literal[
    "started",
    "asked",
    "diagnosed",
    "reused",
    "ranked",
    "withheld",
    "proposed",
    "admitted",
    "executed",
    "replicated",
    "settled",
    "failed",
    "interrupted",
    "revalidated",
    "finished",
    "graded",
]

_SCHEMA = """
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  time REAL NOT NULL,
  step INTEGER,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL
);
CREATE TABLE blobs (digest TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Event:
    """One thing that happened."""

    id: int
    time: float
    """Seconds since the epoch."""
    step: int | None
    kind: Kind
    payload: Mapping[str, Any]


class JournalError(RuntimeError):
    """The file is not a journal that can be used; the message says why and what to do."""


def digest(text: str) -> str:
    """SHA-256 of a text, in hex: the name under which it is stored."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Journal:
    """Append events, store texts, read them back. Use as a context manager."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._events: list[tuple[float, int | None, Kind, str]] = []
        self._texts: dict[str, str] = {}
        self._flushed = time.monotonic()

    @classmethod
    def create(cls, path: Path) -> Journal:
        """Start a new journal.

        Raises:
          JournalError: the file exists already; a journal is never overwritten.
        """
        if path.exists():
            raise JournalError(
                f"`{path}` exists: it holds an earlier run. Choose another output folder, "
                "or move that one away."
            )
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        return cls(connection)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = True) -> Journal:
        """Open an existing journal.

        Raises:
          JournalError: there is none, it is damaged, or another version of gome wrote it.
        """
        if not path.is_file():
            raise JournalError(f"no journal at `{path}`: is this the folder of a run?")
        mode = "ro" if read_only else "rw"
        uri = f"{path.resolve().as_uri()}?mode={mode}"
        try:
            connection = sqlite3.connect(uri, uri=True, isolation_level=None)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.DatabaseError as error:
            raise JournalError(f"`{path}` cannot be read as a journal: {error}") from error
        if version != SCHEMA_VERSION:
            raise JournalError(
                f"`{path}` has journal version {version}, this gome reads version "
                f"{SCHEMA_VERSION}: use the gome that wrote it"
            )
        return cls(connection)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is left and close the file."""
        try:
            self.flush()
        finally:
            self._connection.close()

    def append(self, kind: Kind, payload: Mapping[str, Any], step: int | None = None) -> None:
        """Record an event; it is on disk, with all before it, after the next `flush`.

        Args:
          kind: what happened.
          payload: JSON-serialisable; NaN and infinities are stored as strings.
          step: evaluation it belongs to.
        """
        self._events.append((time.time(), step, kind, _encode(payload)))

    def forget(self) -> None:
        """Drop what was recorded since the last flush."""
        self._events.clear()
        self._texts.clear()

    def store(self, text: str) -> str:
        """Store a text once and return its digest."""
        name = digest(text)
        self._texts[name] = text.encode("utf-8", "replace").decode("utf-8")
        return name

    def checkpoint(self) -> None:
        """Flush, unless so little time has passed that little could be lost.

        Call it before and after anything that may be slow or paid for.
        """
        if time.monotonic() - self._flushed > WORTH_KEEPING_S:
            self.flush()

    def flush(self) -> None:
        """Write what was recorded, all of it or nothing: one transaction."""
        self._flushed = time.monotonic()
        if not self._events and not self._texts:
            return
        execute = self._connection.execute
        execute("BEGIN")
        try:
            insert = "INSERT INTO events (time, step, kind, payload) VALUES (?, ?, ?, ?)"
            self._connection.executemany(insert, self._events)
            texts = self._texts.items()
            self._connection.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?)", texts)
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        self.forget()

    def text(self, name: str) -> str:
        """The text stored under a digest.

        Raises:
          KeyError: nothing is stored under it.
        """
        self.flush()
        row = self._connection.execute("SELECT text FROM blobs WHERE digest = ?", (name,))
        found = row.fetchone()
        if found is None:
            raise KeyError(f"no text with digest {name!r} in this journal")
        return found[0]

    def events(self, kind: Kind | None = None) -> Iterator[Event]:
        """Events in order, all or of one kind."""
        self.flush()
        rows = self._connection.execute(
            "SELECT id, time, step, kind, payload FROM events"
            " WHERE ?1 IS NULL OR kind = ?1 ORDER BY id",
            (kind,),
        )
        for number, when, step, name, payload in rows:
            yield Event(number, when, step, name, json.loads(payload))

    def last(self, kind: Kind) -> Event | None:
        """The latest event of a kind, or `None`."""
        return next(reversed(list(self.events(kind))), None)


def _encode(payload: Mapping[str, Any]) -> str:
    """JSON by pydantic's serialiser, in a third of the time of `json`, where that will do."""
    try:
        text = to_json(payload).decode()
        if "NaN" not in text and "Infinity" not in text:
            return text
    except PydanticSerializationError:
        pass  # half of a surrogate pair, which `json` can escape; or no JSON: `json` will say so
    return json.dumps(_finite(payload), allow_nan=False)


def _finite(value: Any) -> Any:
    """The value with floats that JSON lacks written as text, so that strict readers can read it."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
