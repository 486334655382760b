"""Task names, and loading one by its name."""

from __future__ import annotations

import difflib
from pathlib import Path

from gome_agent.tasks.base import Task
from gome_agent.tasks.bundled import BundledTask
from gome_agent.tasks.catalogue import RECIPES
from gome_agent.tasks.mlebench.base import PREFIX


class UnknownTask(LookupError):
    """No task has that name; the message lists those that exist."""


def names() -> tuple[str, ...]:
    """Names of all tasks, sorted.

    >>> "digits" in names()
    True
    """
    return tuple(sorted(RECIPES))


def load(
    name: str, benchmark: Path | None = None, data_dir: Path | None = None, *, told: bool = True
) -> Task:
    """The task called `name`. No data are read until they are needed.

    Args:
      name: a bundled task, or `mlebench:COMPETITION`.
      benchmark: folder in which MLE-bench is installed, if not the usual one.
      data_dir: its prepared data, if not those of the installation; they do without one.
      told: whether a run is told what is known of a competition beyond its description.

    Raises:
      UnknownTask: naming the nearest match and all that exist.
      BenchmarkError: MLE-bench is not installed there, and no data were named.

    >>> load("digits").facts.metric.name
    'accuracy'
    """
    if name.startswith(PREFIX):
        return _competition(name.removeprefix(PREFIX), benchmark, data_dir, told)
    if name in RECIPES:
        return BundledTask(RECIPES[name])
    close = difflib.get_close_matches(name, RECIPES, n=1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    listed = ", ".join(f"`{known}`" for known in names())
    raise UnknownTask(
        f"There is no task `{name}`.{hint} The tasks are {listed}, and `{PREFIX}COMPETITION` for "
        f"those of MLE-bench."
    )


def _competition(
    competition: str, benchmark: Path | None, data_dir: Path | None, told: bool
) -> Task:
    from gome_agent.tasks.mlebench import data_only
    from gome_agent.tasks.mlebench.task import MleBenchTask

    rollout = data_only.rollout(benchmark, data_dir)
    ids = rollout.competitions()
    if competition not in ids:
        close = difflib.get_close_matches(competition, ids, n=1)
        hint = f" Did you mean `{PREFIX}{close[0]}`?" if close else ""
        raise UnknownTask(f"MLE-bench has no competition `{competition}`.{hint}")
    return MleBenchTask(competition, rollout, told)
