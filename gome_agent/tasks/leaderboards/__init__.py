"""Committed leaderboards: what ordinary pipelines score on each bundled task.

A file `<task>.csv` has comment lines `# key: value` (how it was made), then the columns `rank`,
`score` and `pipeline`. They are made by `gome_agent.tasks.leaderboards.make`, never by hand.
"""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import NamedTuple


class Leaderboard(NamedTuple):
    """Scores best first, and how they were made."""

    scores: tuple[float, ...]
    pipelines: tuple[str, ...]
    made: dict[str, str]
    """Comment lines: seed, versions, date, seconds, digest of the data."""

    @property
    def digest(self) -> str:
        """SHA-256 of the split it was made from."""
        return self.made["data"]


def read(name: str) -> Leaderboard:
    """The committed leaderboard of the task `name`.

    Raises:
      FileNotFoundError: if the task has none.
    """
    file = files(__name__) / f"{name}.csv"
    if not file.is_file():
        raise FileNotFoundError(
            f"The task `{name}` has no leaderboard; make one with "
            f"`python -m gome_agent.tasks.leaderboards.make {name}`."
        )
    lines = file.read_text(encoding="utf-8").splitlines()
    comments = [line[1:].partition(":") for line in lines if line.startswith("#")]
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return Leaderboard(
        scores=tuple(float(row["score"]) for row in rows),
        pipelines=tuple(row["pipeline"] for row in rows),
        made={key.strip(): value.strip() for key, _, value in comments},
    )
