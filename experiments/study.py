"""What a study is: independent cells, a table of their rows, a figure, a manifest.

A study is a value. `execute` runs its cells in order, keeps each finished cell on disk so that an
interrupted study goes on where it stopped, and leaves `table.parquet`, the same as `table.csv`,
`figure.svg`, `figure.png` and `manifest.json`. A long cell that sweeps can keep its chunks in the
scratch folder (`simulators.Checkpoint`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.runs import versions, write_json

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Cell = Mapping[str, Any]
"""JSON-serialisable description of one independent piece of work."""
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Study:
    """A question, how to answer it, and how to draw the answer."""

    name: str
    question: str
    full: Any
    """Configuration (a frozen dataclass) of the committed results."""
    quick: Any
    """A smaller one that answers in a minute; its figure says so."""
    cells: Callable[[Any], Sequence[Cell]]
    run_cell: Callable[[Any, Cell, Path], Rows]
    """`(config, cell, scratch folder) -> rows`."""
    figure: Callable[[pd.DataFrame, Any], Figure]
    verdict: Callable[[pd.DataFrame, Any], str | None] | None = None
    """`(table, config) -> why the study fails`, for studies that test something; the command then
    exits with an error."""
    decides: Callable[[Any, Cell], Any] | None = None
    """`(config, cell) -> all that the cell's rows depend on`, for studies of which parts can be
    kept when others change; the whole configuration and the cell if not given."""


def execute(
    study: Study,
    config: Any,
    out: Path,
    on_cell: Callable[[int, int, Cell, bool], None] = lambda done, total, cell, cached: None,
) -> pd.DataFrame:
    """Run a study, or what is left of it, and write its files.

    Args:
      study: what to run.
      config: an instance of the study's configuration.
      out: folder, created. Cells finished earlier with the same configuration (see `Study.decides`)
        are not run again.
      on_cell: told `(cells done, cells in all, the cell, whether it was kept from before)`.

    Returns:
      The table.
    """
    import pandas as pd

    started = time.time()
    kept = out / "cells"
    kept.mkdir(parents=True, exist_ok=True)
    cells = study.cells(config)
    rows: Rows = []
    for done, cell in enumerate(cells):
        path = kept / f"{_digest(study, config, cell)}.json"
        cached = _is_whole(path)
        if not cached:
            write_json(path, [_plain(row) for row in study.run_cell(config, cell, out / "scratch")])
        rows += json.loads(path.read_text(encoding="utf-8"))
        on_cell(done + 1, len(cells), cell, cached)
    table = pd.DataFrame(rows)
    table.to_parquet(out / "table.parquet", index=False)
    table.to_csv(out / "table.csv", index=False)
    draw(study, config, table, out)
    write_json(out / "manifest.json", manifest(study, config, time.time() - started))
    return table


def draw(study: Study, config: Any, table: pd.DataFrame, out: Path) -> None:
    """Write `figure.svg` and `figure.png` from a table."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from experiments.style import figure_style

    with figure_style():
        figure = study.figure(table, config)
        figure.savefig(out / "figure.svg", metadata={"Date": None})
        figure.savefig(out / "figure.png")
        plt.close(figure)


def manifest(study: Study, config: Any, seconds: float) -> dict[str, Any]:
    """What someone else needs to get the same numbers."""
    return {
        "study": study.name,
        "question": study.question,
        "config": dataclasses.asdict(config),
        "quick": config == study.quick,
        "versions": versions(),
        "commit": _commit(),
        "machine": {"processor": platform.machine(), "system": platform.system()},
        "seconds": round(seconds, 1),
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _is_whole(path: Path) -> bool:
    """Whether a cell is finished and its file undamaged."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return True


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row with NaN as null: JSON has no NaN, and a table reads null as missing."""
    return {name: None if value != value else value for name, value in row.items()}


def _digest(study: Study, config: Any, cell: Cell) -> str:
    everything = [dataclasses.asdict(config), dict(cell)]
    decides = study.decides(config, cell) if study.decides else everything
    text = json.dumps([study.name, decides], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _commit() -> str | None:
    """Commit of the checkout the code runs from, with `+changes` if it is not clean."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    # What studies leave under results/ is not what they were made with.
    changes = ("status", "--porcelain", "--", ":/", ":!results")
    try:
        return git("rev-parse", "HEAD") + ("+changes" if git(*changes) else "")
    except (OSError, subprocess.CalledProcessError):
        return None
