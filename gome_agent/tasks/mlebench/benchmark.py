"""An installation of MLE-bench, and the two ways to ask it: while a run is open, and afterwards."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from gome_agent.closing import Closed
from gome_agent.tasks.mlebench.base import BenchmarkError, Competition, Report, Validity
from gome_agent.tasks.mlebench.client import Worker
from gome_agent.tasks.mlebench.judging import Unranked, judged
from gome_agent.tasks.mlebench.samples import published

SPLITS = Path(__file__).with_name("splits.json")
INSTALLATION = "installation.json"
VALIDATION_SECONDS = 900.0
"""The longest that an open run waits for an answer: its clock goes on."""


def caches() -> Path:
    """Where programs of this user keep what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def default_home() -> Path:
    """Folder of the installation, if no other is named."""
    return caches() / "gome" / "mlebench"


def default_data_dir() -> Path:
    """Where MLE-bench itself keeps its data by default."""
    return caches() / "mle-bench" / "data"


class _Installation(BaseModel):
    """What `installation.json` holds."""

    model_config = ConfigDict(extra="forbid")

    python: Path
    source: str
    commit: str
    data_dir: Path


class NotInstalled(BenchmarkError):
    """There is no record of an installation."""


@dataclass(frozen=True)
class Benchmark:
    """Where the benchmark is. Making one starts nothing and checks nothing."""

    home: Path
    """Folder with all that we made for it."""
    python: Path
    """An interpreter with the benchmark's packages."""
    source: str
    """A clone; empty if `python` imports the benchmark from elsewhere."""
    commit: str
    """Of the clone; empty if it is not known."""
    data_dir: Path

    @classmethod
    def load(cls, home: Path | None = None) -> Benchmark:
        """The installation that `gome mlebench install` made.

        Raises:
          NotInstalled: there is none.
          BenchmarkError: its record is damaged.
        """
        home = home or default_home()
        path = home / INSTALLATION
        try:
            told = _Installation.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NotInstalled(
                f"MLE-bench is not installed in `{home}`: run `gome mlebench install SOURCE`, "
                "where SOURCE is a clone, a git URL, or a Python that has it; or name data that "
                "are prepared by --data-dir, to run without grading"
            ) from None
        except (ValidationError, UnicodeDecodeError) as error:
            raise BenchmarkError(
                f"`{path}` is damaged ({_first(error)}): run `gome mlebench install` again"
            ) from error
        return cls(home, told.python, told.source, told.commit, told.data_dir)

    def save(self) -> None:
        """Write the record that `load` reads; all of it or nothing."""
        told = {
            "python": str(self.python),
            "source": self.source,
            "commit": self.commit,
            "data_dir": str(self.data_dir),
        }
        draft = self.home / f"{INSTALLATION}.tmp"
        draft.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        draft.replace(self.home / INSTALLATION)

    def rollout(self) -> Rollouts:
        """What an open run may ask; use as a context manager, or close it."""
        worker = Worker(self.python, "rollout", self.data_dir, self.source, VALIDATION_SECONDS)
        return Rollouts(worker)

    def final(self, closed: Closed, *, shipped_thresholds: bool = False) -> Grading:
        """Grading of runs that are over; use as a context manager, or close it.

        Args:
          closed: proof that they are.
          shipped_thresholds: where a leaderboard is absent, judge by what we ship; see
            `judging.judged`.
        """
        worker = Worker(self.python, "final", self.data_dir, self.source)
        return Grading(worker, closed, shipped_thresholds)

    def doctor(self) -> Worker:
        """State of the installation and of the data; no answers, no grading."""
        return Worker(self.python, "doctor", self.data_dir, self.source)


class Rollouts:
    """A `Rollout`. Its process knows no operation that scores. Safe for threads."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def __enter__(self) -> Rollouts:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the benchmark's process."""
        self._worker.close()

    def competitions(self, split: str = "all") -> tuple[str, ...]:
        return ids_of(self._worker, split)

    def info(self, competition: str) -> Competition:
        found = _checked(Competition, self._worker.ask("info", competition=competition))
        if found.sample is None:  # or private, while a copy of it is published
            found = replace(found, sample=published(competition, found.public))
        if found.sample is not None and not found.sample.is_relative_to(found.public):
            raise BenchmarkError(f"the sample of `{competition}` is not public: {found.sample}")
        return found

    def validate(self, competition: str, submission: Path) -> Validity:
        if submission.is_symlink():
            return Validity(False, "The submission is a link, not a file.")
        path = str(submission.absolute())
        told = self._worker.ask("validate", competition=competition, submission=path)
        return _checked(Validity, told)


class Grading:
    """A `Final`: grades what lies in runs that are held closed, while they are."""

    def __init__(self, worker: Worker, closed: Closed, shipped_thresholds: bool = False) -> None:
        self._worker, self._closed, self._shipped = worker, closed, shipped_thresholds

    def __enter__(self) -> Grading:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the benchmark's process."""
        self._worker.close()

    def score(self, competition: str, submission: Path) -> Report:
        """The benchmark's report on a file of a closed run.

        Raises:
          RunOpen: the run is no longer held closed, or the file is not of it.
          BenchmarkError: as `Final.score`.
        """
        path = str(self._closed.require(submission))
        if self._shipped and self._worker.ask("absent", competition=competition):
            told = self._worker.ask("score_unranked", competition=competition, submission=path)
            return judged(competition, path, _checked(Unranked, told))
        return _checked(Report, self._worker.ask("score", competition=competition, submission=path))


def ids_of(worker: Worker, split: str) -> tuple[str, ...]:
    """Ids of a split: the benchmark's list, else the one that is shipped.

    Raises:
      BenchmarkError: no such split.
    """
    found = worker.ask("competitions", split=split)
    return tuple(shipped_split(split) if found is None else _checked(list[str], found))


def shipped_split(split: str) -> list[str]:
    """Ids of a split as we ship them, for installations that lack the benchmark's lists.

    Raises:
      BenchmarkError: no such split.
    """
    splits = json.loads(SPLITS.read_text(encoding="utf-8"))["splits"]
    splits["all"] = sorted({*splits["split75"], *splits["dev"]})
    name = "low" if split == "lite" else split
    if name not in splits:
        raise BenchmarkError(f"no split `{split}`: there are lite, {', '.join(splits)}")
    return splits[name]


def _checked(kind: Any, value: Any) -> Any:
    """A reply of the benchmark's process as one of our types; nothing from outside is believed."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise BenchmarkError(f"MLE-bench's answer cannot be used: {_first(error)}") from error


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    told = error.errors()[0]
    return f"{'.'.join(map(str, told['loc']))}: {told['msg']}".lstrip(": ")
