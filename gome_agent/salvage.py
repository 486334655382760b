"""What can be read of a damaged journal: everything up to the damage, in a new file.

A run is resumed from whatever is known of its beginning, so that a part of a journal is as good as
all of it, only shorter. The damaged file is kept beside the new one.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

TEXTS = ("script", "log", "prompt", "reply")
"""Where events name texts by their digests."""
_SIDECARS = ("-wal", "-shm")


def is_sound(connection: sqlite3.Connection) -> bool:
    """Whether the file holds together, as far as SQLite can tell."""
    try:
        return connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.DatabaseError:
        return False


def salvage(path: Path, schema: str, version: int) -> int:
    """Put what can be read of a damaged journal in its place.

    Args:
      path: of the journal; what was there is kept as `NAME.damaged`.
      schema: of a new journal.
      version: of that schema.

    Returns:
      Number of events that were saved.

    Raises:
      sqlite3.DatabaseError: nothing can be read of it; it is left as it is.
    """
    mended = path.with_name(f"{path.name}.mended")
    mended.unlink(missing_ok=True)
    source = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    target = sqlite3.connect(mended)
    try:
        target.executescript(schema)
        target.execute(f"PRAGMA user_version={version}")
        saved = 0
        for event, texts in _readable(source):
            target.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", event)
            target.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?)", texts)
            saved += 1
        target.commit()
        if not saved:
            raise sqlite3.DatabaseError("nothing in it can be read")
    finally:
        source.close()
        target.close()
    kept = path.with_name(f"{path.name}.damaged")
    shutil.copyfile(path, kept)
    for suffix in _SIDECARS:
        sidecar = path.with_name(path.name + suffix)
        if sidecar.exists():
            sidecar.rename(path.with_name(kept.name + suffix))
    mended.replace(path)  # at every moment there is a journal
    return saved


def _readable(source: sqlite3.Connection) -> Iterator[tuple[tuple, list[tuple]]]:
    """Events in order with the texts that they name, until one of them cannot be read."""
    try:
        rows = source.execute("SELECT id, time, step, kind, payload FROM events ORDER BY id")
        for event in rows:
            payload = json.loads(event[-1])
            names = [payload[key] for key in TEXTS if isinstance(payload.get(key), str)]
            texts = [_text(source, name) for name in names]
            if None in texts:
                return
            yield event, [text for text in texts if text is not None]
    except (sqlite3.DatabaseError, ValueError):
        return


def _text(source: sqlite3.Connection, name: str) -> tuple[str, str, int] | None:
    row = source.execute("SELECT text FROM blobs WHERE digest = ?", (name,)).fetchone()
    return None if row is None else (name, row[0], len(row[0]))
