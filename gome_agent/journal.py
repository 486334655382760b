"""The journal: an append-only log of events in SQLite, from which a whole run can be read.

One file holds everything that happened, in order; scripts and logs are stored once each under
their digest. Nothing is ever updated or deleted, nothing is pickled, no secret is written. Readers
may open it while the run is on (write-ahead logging). A run that is followed (`Recording`) writes
only what goes beyond what is there.

Schema versions: 1; 2 (a text that is longer than the limit is cut in the middle, and its full
length is kept).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from gome_agent.events import Event as Event, Kind as Kind
from gome_agent.recording import OUTSIDE, Recording
from gome_agent.salvage import is_sound, salvage
from gome_agent.secrets import Redact, nothing_to_redact

JOURNAL = "journal.sqlite"
"""Name of the file in the folder of a run."""
SCHEMA_VERSION = 2
TEXT_CHARACTERS = 2**20
"""Longer texts are cut in the middle."""
_WITH_MARK = TEXT_CHARACTERS + 100
WORTH_KEEPING_S = 0.05
"""A killed run loses at most the events of this much time."""

_SCHEMA = """
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  time REAL NOT NULL,
  step INTEGER,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL
);
CREATE TABLE blobs (
  digest TEXT PRIMARY KEY, text TEXT NOT NULL, characters INTEGER
) WITHOUT ROWID;
"""
_MIGRATIONS = {1: "ALTER TABLE blobs ADD COLUMN characters INTEGER"}
"""From each version to the next."""


class JournalError(RuntimeError):
    """The file is not a journal that can be used; the message says why and what to do."""


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    in_memory = str(path) == ":memory:"
    uri = "file::memory:" if in_memory else f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def _mend(path: Path) -> None:
    """Replace a damaged journal by what can be read of it."""
    if not path.is_file():
        return
    try:
        connection = _connect(path, "ro")
        sound = is_sound(connection)
        connection.close()
        if not sound:
            saved = salvage(path, _SCHEMA, SCHEMA_VERSION)
            warnings.warn(
                f"`{path}` was damaged: {saved} events could be read, and the run goes on from "
                "there; the damaged file is kept beside it",
                stacklevel=3,
            )
    except sqlite3.Error as error:
        raise JournalError(f"`{path}` cannot be read as a journal: {error}") from error


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    for old in range(version, SCHEMA_VERSION):
        script = f"BEGIN; {_MIGRATIONS[old]}; PRAGMA user_version={old + 1}; COMMIT;"
        connection.executescript(script)


def cut(text: str, limit: int) -> str:
    """Head and tail of a text that is too long: causes stand at either end.

    >>> len(cut("x" * 5000, 1000)) < 1100
    True
    """
    if len(text) <= limit:
        return text
    half = limit // 2
    left_out = f"\n[... {len(text) - limit} characters left out ...]\n"
    return text[: limit - half] + left_out + text[len(text) - half :]


def digest(text: str) -> str:
    """SHA-256 of a text, in hex: the name under which it is stored."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Journal:
    """Append events, store texts, read them back. Use as a context manager; safe for threads.

    Attributes:
      recording: what an earlier process of this run did, or the run that is replayed; `None` for
        a run that is only itself.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        recording: Recording | None = None,
        redact: Redact = nothing_to_redact,
    ) -> None:
        self._connection = connection
        self._path = path
        self._redact = redact
        self._lock = threading.RLock()
        self._events: list[tuple[float, int | None, Kind, str]] = []
        self._texts: dict[str, tuple[str, int]] = {}
        self._flushed = time.monotonic()
        self.recording = recording

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        replays: Recording | None = None,
        redact: Redact = nothing_to_redact,
    ) -> Journal:
        """Start a new journal.

        Args:
          path: of the file.
          replays: a run that is to be followed to its end; everything is written here, too.
          redact: takes secrets out of a text before it is written.

        Raises:
          JournalError: the file exists already (a journal is never overwritten), or cannot be made.
        """
        if path.exists():
            raise JournalError(
                f"`{path}` exists: it holds an earlier run. Go on with it by `gome resume`, choose "
                "another output folder, or move that one away."
            )
        try:
            connection = _connect(path, "rwc")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        except sqlite3.Error as error:
            raise JournalError(f"`{path}` cannot be written: {error}") from error
        return cls(connection, path, recording=replays, redact=redact)

    @classmethod
    def open(
        cls, path: Path, *, read_only: bool = True, redact: Redact = nothing_to_redact
    ) -> Journal:
        """Open an existing journal; one that an earlier version wrote is migrated if written to.

        Raises:
          JournalError: there is none, it is damaged, or a later version of gome wrote it.
        """
        if not path.is_file():
            raise JournalError(f"no journal at `{path}`: is this the folder of a run?")
        try:
            connection = _connect(path, "ro" if read_only else "rw")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if not 1 <= version <= SCHEMA_VERSION:
                raise JournalError(
                    f"`{path}` has journal version {version}, this gome reads versions 1 to "
                    f"{SCHEMA_VERSION}: use the gome that wrote it"
                )
            if not read_only:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=NORMAL")
                _migrate(connection, version)
        except sqlite3.Error as error:
            raise JournalError(f"`{path}` cannot be read as a journal: {error}") from error
        return cls(connection, path, redact=redact)

    @classmethod
    def resume(cls, path: Path, *, redact: Redact = nothing_to_redact) -> Journal:
        """Open the journal of a run that is to go on; of a damaged one, what can be read.

        Raises:
          JournalError: as `open`.

        Warns:
          UserWarning: it was damaged; how much is left.
        """
        _mend(path)
        journal = cls.open(path, read_only=False, redact=redact)
        journal.recording = journal.as_recording(strict=False)
        return journal

    def as_recording(self, *, strict: bool) -> Recording:
        """Everything in it, to be followed."""
        return Recording(list(self.events()), self.text, strict=strict)

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

        Where the run is followed the event is compared with the recorded one, and written only if
        it is not in this file already.

        Args:
          kind: what happened.
          payload: JSON-serialisable; NaN and infinities are stored as strings.
          step: evaluation it belongs to.

        Raises:
          Diverged: the run that is followed did something else.
        """
        text = self._redact(encode(payload))
        with self._lock:
            if self.recording is not None and kind not in OUTSIDE:
                known = self.recording.follow(kind, json.loads(text), step)
                if known and not self.recording.strict:
                    return
            self._events.append((time.time(), step, kind, text))

    def answer(self, step: int | None, *kinds: Kind) -> Event | None:
        """What came from outside at this place of a run that is followed; see `Recording.answer`.

        `None` also where no run is followed.
        """
        if self.recording is None:
            return None
        with self._lock:
            return self.recording.answer(step, kinds)

    def ahead(self, step: int | None) -> Event | None:
        """The next event of a step in the run that is followed, if there is one."""
        if self.recording is None:
            return None
        with self._lock:
            return self.recording.peek(step)

    def as_kept(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """A payload as it will be read again: through JSON, without secrets."""
        return json.loads(self._redact(encode(payload)))

    def forget(self) -> None:
        """Drop what was recorded since the last flush."""
        with self._lock:
            self._events.clear()
            self._texts.clear()

    def store(self, text: str) -> str:
        """Store a text once and return its digest; see `TEXT_CHARACTERS`."""
        kept = self.kept(text)
        name = digest(kept)
        with self._lock:
            self._texts[name] = (kept, len(text))
        return name

    def kept(self, text: str) -> str:
        """A text as it will be read again: without secrets and what UTF-8 lacks, and not too long.

        That of a text that is kept is the text itself.
        """
        text = self._redact(text).encode("utf-8", "replace").decode("utf-8")
        return text if len(text) <= _WITH_MARK else cut(text, TEXT_CHARACTERS)

    def checkpoint(self) -> None:
        """Flush, unless so little time has passed that little could be lost.

        Call it before and after anything that may be slow or paid for.
        """
        if time.monotonic() - self._flushed > WORTH_KEEPING_S:
            self.flush()

    def flush(self) -> None:
        """Write what was recorded, all of it or nothing: one transaction.

        Raises:
          JournalError: it cannot be written (a full disk); what was recorded is kept, and a later
            flush tries again.
        """
        with self._lock:
            self._flushed = time.monotonic()
            if not self._events and not self._texts:
                return
            execute, committing = self._connection.execute, False
            try:
                execute("BEGIN")
                insert = "INSERT INTO events (time, step, kind, payload) VALUES (?, ?, ?, ?)"
                self._connection.executemany(insert, self._events)
                texts = [(name, *told) for name, told in self._texts.items()]
                self._connection.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?)", texts)
                committing = True
                execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    execute("ROLLBACK")
                elif committing:
                    self.forget()  # Ctrl-C came when all was written
                if isinstance(error, sqlite3.OperationalError):
                    raise JournalError(
                        f"`{self._path}` cannot be written: {error}. What it holds is kept: mend "
                        "that (free some space, make the disk writable), then `gome resume`"
                    ) from error
                raise
            self.forget()

    def text(self, name: str) -> str:
        """The text stored under a digest.

        Raises:
          KeyError: nothing is stored under it.
        """
        self.flush()
        with self._lock:
            row = self._connection.execute("SELECT text FROM blobs WHERE digest = ?", (name,))
            found = row.fetchone()
        if found is None:
            raise KeyError(f"no text with digest {name!r} in this journal")
        return found[0]

    def followed_text(self, name: str) -> str:
        """A text of the run that is followed, which may be in another file; as `text`."""
        if self.recording is None:
            return self.text(name)
        text = self.recording.text(name)
        self.store(text)
        return text

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


def encode(payload: Mapping[str, Any]) -> str:
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
