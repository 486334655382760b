"""Where the sample submission is among public data, which have no one name for it."""

from __future__ import annotations

from pathlib import Path

from gome_agent.tasks.mlebench import facts


def published(competition: str, public: Path) -> Path | None:
    """The sample submission: a CSV file or a zip of one; `None` if there is none, or no one.

    Args:
      competition: by whose facts it is found; by its name if nothing is known of it.
      public: folder of the public data.
    """
    known = facts.load(competition)
    if known is not None:
        path = public / known.sample
        return path if path.is_file() else None
    files = sorted(path for path in public.iterdir() if path.is_file())
    like = [path for path in files if "samplesubmission" in _squeezed(path.name)]
    tables = [path for path in like if path.suffix == ".csv"] or [
        path for path in like if ".csv" in path.name
    ]
    return tables[0] if len(tables) == 1 else None


def _squeezed(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
