"""Evaluate a script: run it in the sandbox, take out what it may leave, climb the ladder."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from gome_agent.hardware.slots import GpuSlots, NoSlot
from gome_agent.hardware.wanting import wants_gpu
from gome_agent.journal import Journal, digest
from gome_agent.reasoners.base import Solution
from gome_agent.records import solution_of
from gome_agent.sandbox import remove_tree
from gome_agent.sandbox.base import Limits, Sandbox
from gome_agent.sandbox.outputs import read_output
from gome_agent.tasks.base import InvalidSubmission, Repairs, Task
from gome_agent.tasks.sampling import same_rows, sample
from gome_agent.validation import judge

MAX_SUBMISSION_BYTES = 256 * 2**20


class EvaluationImpossible(RuntimeError):
    """Nothing can be measured here any more, for no fault of a script: the run has to stop."""


class Evaluator(Protocol):
    """From a script to what is known of it. A failing script is a `Solution`, not an error."""

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        """Run one script.

        Args:
          script: Python source.
          step: where its files are kept.
          seconds: wall clock it may use at most.
          replicate: which measurement of it; the seed of its validation split.
        """
        ...


@runtime_checkable
class Stoppable(Protocol):
    """An evaluator whose scripts can be ended from another thread."""

    def stop(self) -> None: ...


@runtime_checkable
class KeepsVersions(Protocol):
    """An evaluator that leaves files, of which those of an earlier version can be had again."""

    def keep(self, script: str, step: int) -> None: ...


@runtime_checkable
class Rehearses(Protocol):
    """An evaluator that can try a script on a sample of the data."""

    def rehearse(self, script: str, step: int, seconds: float) -> Solution | None:
        """What came of it, without a meaning for the score; `None` if there is no sample."""
        ...


@dataclass(frozen=True)
class SandboxEvaluator:
    """The real evaluator: scripts run in a sandbox on the task's public data."""

    task: Task
    sandbox: Sandbox
    limits: Limits
    public: Path
    """Prepared public data."""
    steps: Path
    """Folder that receives `NNN/solution.py` and `NNN/submission.csv`.

    A replicate's files go to `NNN/replicate_R`. Scripts find their replicate's number in the file
    `replicate` of the folder they run in; what a replicate showed is remembered.
    """
    sample_rows: int = 0
    """Rows of the sample on which scripts are tried first; 0: they are not."""
    slots: GpuSlots | None = None
    """Cards to share: a script that may compute on one waits for it, the others see none."""
    seconds_left: Callable[[], float] = lambda: float("inf")
    """Of the run's clock, on which waiting for a card counts; not on the script's."""
    _replicates: dict[tuple[str, int], Solution] = field(default_factory=dict, repr=False)
    _sampling: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _stopped: threading.Event = field(default_factory=threading.Event, repr=False)

    def stop(self) -> None:
        """Give up the scripts that run, in whatever threads, and those to come."""
        self._stopped.set()

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        kept = step_folder(self.steps, step)
        if not replicate:
            return self._run(script, kept, seconds, replicate)
        known = self._replicates.get((script, replicate))
        if known is None:
            known = self._run(script, kept / f"replicate_{replicate}", seconds, replicate)
            self._replicates[script, replicate] = known
        return known

    def keep(self, script: str, step: int) -> None:
        """Put the files of this version of a step's script in their place again."""
        kept = step_folder(self.steps, step)
        version = _version(kept, script)
        (kept / "submission.csv").unlink(missing_ok=True)
        if version.is_file():
            _link(version, kept / "submission.csv")
            (kept / "solution.py").write_text(script, encoding="utf-8", errors="replace")

    def rehearse(self, script: str, step: int, seconds: float) -> Solution | None:
        """Try a script on a sample of the data: does it run, report, and write a submission?"""
        small = self.steps / "sample"
        if not self.sample_rows or not self._has_sample(small):
            return None
        kept = step_folder(self.steps, step) / "rehearsal"
        return self._run(script, kept, seconds, 0, small)

    def _has_sample(self, small: Path) -> bool:
        with self._sampling:
            return small.is_dir() or sample(self.public, small, self.sample_rows)

    def remember(self, journal: Journal) -> None:
        """Know again the replicates that an earlier process of this run has measured."""
        for kind in ("replicated", "revalidated"):
            for event in journal.events(kind):
                told = event.payload
                script, log = journal.text(told["script"]), journal.text(told["log"])
                solution = solution_of(told, script, log)
                self._replicates[script, told["replicate"]] = solution

    def _run(
        self, script: str, kept: Path, seconds: float, replicate: int, small: Path | None = None
    ) -> Solution:
        if not self.public.is_dir():
            raise EvaluationImpossible(
                f"the public data `{self.public}` are gone: put them back, then `gome resume`"
            )
        try:
            return self._run_in(script, kept, seconds, replicate, small)
        except OSError as error:
            raise EvaluationImpossible(
                f"the files of a step cannot be written in `{kept}`: {error}. What is finished is "
                "kept: mend that (free some space, say), then `gome resume`"
            ) from error

    def _run_in(
        self, script: str, kept: Path, seconds: float, replicate: int, small: Path | None
    ) -> Solution:
        work = kept / "work"
        with contextlib.suppress(OSError):
            remove_tree(work)
        work.mkdir(parents=True)
        for stale in ("submission.csv", "submission.original.csv"):
            (kept / stale).unlink(missing_ok=True)
        (kept / "solution.py").write_text(script, encoding="utf-8", errors="replace")
        (work / "replicate").write_text(str(replicate))
        data = small or self.public
        try:
            with self._cards(script) as gpus:
                limits = self._limits(seconds, gpus)
                execution = self.sandbox.run(script, work, data, limits, self.task.sealed)
            content = read_output(work, "submission.csv", MAX_SUBMISSION_BYTES)
        except NoSlot as error:
            return Solution(script, valid=False, failure=str(error))
        finally:
            with contextlib.suppress(OSError):
                remove_tree(work)
        submission = kept / "submission.csv" if content is not None else None
        if submission is not None and content is not None:
            submission.write_bytes(content)
        notes: list[str] = []
        check = partial(_check, self.task, notes) if small is None else partial(_check_rows, small)
        solution = judge(self.task, script, execution, submission, check)
        if submission is not None:
            version = _version(kept, script)
            version.parent.mkdir(exist_ok=True)
            _link(submission, version)
        return _with_notes(solution, notes)

    @contextlib.contextmanager
    def _cards(self, script: str) -> Iterator[tuple[int, ...]]:
        """The GPUs that a script may use, its own for as long as it runs."""
        if self.slots is None:
            yield self.limits.gpus
        elif not wants_gpu(script):
            yield ()
        else:
            with self.slots.hold(self._stopped.is_set, self.seconds_left) as card:
                yield (card,)

    def _limits(self, seconds: float, gpus: tuple[int, ...]) -> Limits:
        wall = min(self.limits.wall_seconds, seconds, max(1.0, self.seconds_left()))
        return replace(self.limits, wall_seconds=wall, gpus=gpus, stop=self._stopped.is_set)


def _link(file: Path, to: Path) -> None:
    """The same content at a second place; copied where a file system has no links."""
    to.unlink(missing_ok=True)
    try:
        os.link(file, to)
    except OSError:
        shutil.copyfile(file, to)


def _version(kept: Path, script: str) -> Path:
    """Where the submission of one of several versions of a step's script is kept."""
    return kept / "versions" / f"{digest(script)[:16]}.csv"


def _check(task: Task, notes: list[str], submission: Path) -> None:
    """The task's check, of a file that was repaired before, if the task repairs."""
    if isinstance(task, Repairs):
        notes.extend(task.repair(submission))
    task.check(submission)


def _with_notes(solution: Solution, notes: Sequence[str]) -> Solution:
    """Tell what was said of the submission, where a reasoner reads it."""
    if not notes:
        return solution
    told = "\n".join(f"submission.csv: {note}" for note in notes)
    return replace(
        solution,
        feedback={**solution.feedback, "submission": list(notes)},
        log=f"{solution.log}\n{told}".strip(),
    )


def _check_rows(small: Path, submission: Path) -> None:
    wrong = same_rows(submission, small / "sample_submission.csv")
    if wrong:
        raise InvalidSubmission(wrong)


def step_folder(steps: Path, step: int) -> Path:
    """Where the files of a step are kept."""
    return steps / f"{step:03d}"
