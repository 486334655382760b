"""Task names, and loading one by its name."""

from __future__ import annotations

import difflib

from gome_agent.tasks.base import Task
from gome_agent.tasks.bundled import BundledTask
from gome_agent.tasks.catalogue import RECIPES


class UnknownTask(LookupError):
    """No task has that name; the message lists those that exist."""


def names() -> tuple[str, ...]:
    """Names of all tasks, sorted.

    >>> "digits" in names()
    True
    """
    return tuple(sorted(RECIPES))


def load(name: str) -> Task:
    """The task called `name`. No data are read until they are needed.

    Raises:
      UnknownTask: naming the nearest match and all that exist.

    >>> load("digits").facts.metric.name
    'accuracy'
    """
    if name in RECIPES:
        return BundledTask(RECIPES[name])
    close = difflib.get_close_matches(name, RECIPES, n=1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    listed = ", ".join(f"`{known}`" for known in names())
    raise UnknownTask(f"There is no task `{name}`.{hint} The tasks are {listed}.")
