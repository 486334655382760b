"""A competition of MLE-bench as the task of a run. It holds no way to a score."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gome_agent.tasks.base import Grade, InvalidSubmission, Metric, TaskFacts
from gome_agent.tasks.mlebench import facts as known, submission as submissions
from gome_agent.tasks.mlebench.base import PREFIX, BenchmarkError, Competition, Rollout
from gome_agent.tasks.mlebench.facts import CompetitionFacts

DESCRIPTION = 20_000
"""Characters of the benchmark's description in a prompt: its head, where task, metric and form of
the submission stand, and what it says of the data; the whole is in `input/description.md`. Of all
82, five are longer, none of Lite."""
_DATA = re.compile(r"^# *\**(?:data|dataset)\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class MleBenchTask:
    """A `Task` over what an open run may ask. Nothing is read before it is needed.

    Where the data are not prepared, or do not fit what is known, `BenchmarkError` is raised.
    """

    competition: str
    rollout: Rollout
    told: bool = True
    """Whether a run is told what is known beyond the benchmark's description: how the grader reads
    a submission, traps, and leaks that are forbidden."""

    @cached_property
    def info(self) -> Competition:
        """What the benchmark says of the competition."""
        return self.rollout.info(self.competition)

    @cached_property
    def known(self) -> CompetitionFacts | None:
        """What we know of it beyond that; `None` outside the Lite split."""
        return known.load(self.competition)

    @cached_property
    def sample(self) -> Path:
        """The sample submission in the public folder: a CSV file, or a zip of one."""
        public, found = self.info.public, self.info.sample
        if found is None or not found.is_file():
            raise BenchmarkError(
                f"There is no one sample submission in the public data `{public}` of "
                f"`{self.competition}`: prepare them again."
            )
        if not found.resolve().is_relative_to(public.resolve()):
            raise BenchmarkError(
                f"The sample submission `{found}` is not in the public data, where a program "
                f"may see it."
            )
        return found

    @cached_property
    def layout(self) -> submissions.Layout:
        """Columns of a submission."""
        return submissions.layout(self.sample, self.known)

    @property
    def facts(self) -> TaskFacts:
        """What may be told about the task."""
        return self._facts

    @property
    def description(self) -> str:
        """The benchmark's description, cut, and what holds for every program of this run."""
        return self._description

    @cached_property
    def _facts(self) -> TaskFacts:
        form, one = self.layout, self.known
        metric = _metric(self.competition, self.info, one)
        if one is None:
            return TaskFacts(
                name=PREFIX + self.competition,
                title=self.info.name,
                kind="other",
                metric=metric,
                id_column=form.key,
                target=", ".join(form.predictions),
                prediction_columns=form.predictions,
                source=_SOURCE,
                modality="unknown",
                columns=form.columns,
                rows_sum_to_one=False,
            )
        forbidden = tuple(f"{leak} Do not use this: it is no prediction." for leak in one.leaks)
        one_a_class = one.row_sum_tolerance is not None
        return TaskFacts(
            name=PREFIX + self.competition,
            title=self.info.name,
            kind=one.kind,
            metric=metric,
            id_column=form.key,
            target=", ".join(one.targets),
            prediction_columns=form.predictions,
            classes=form.predictions if one_a_class else one.classes,
            source=_SOURCE,
            modality=one.modality,
            notes=(*one.reading, *one.traps, *forbidden) if self.told else (),
            columns=form.columns,
            rows_sum_to_one=one_a_class,
        )

    @cached_property
    def _description(self) -> str:
        parts = (cut(self.info.description.strip()), self.info.rules.strip(), self._rules())
        return "\n\n".join(part for part in parts if part)

    def _rules(self) -> str:
        metric, form = self.facts.metric, self.layout
        better = "higher" if metric.higher_is_better else "lower"
        shown = ",".join(form.columns if len(form.columns) <= 16 else (*form.columns[:6], "..."))
        files = ", ".join(
            f"input/{name}" for name in (self.known.train_files if self.known and self.told else ())
        )
        training = f" Training data: {files}." if files else ""
        return f"""## Rules of this run
- The metric is reported as `{metric.name}`; {better} is better.
- `submission.csv` has exactly the columns of input/{self.sample.name} in their order, `{shown}`,
  and exactly its rows, in its order. Numbers are written with all digits.
- `input` is read-only and links to large data: never copy it whole. Unzip what is zipped into the
  current folder, which is emptied after each run.{training}
- Predictions come from a model that is trained here on these data. No labels, solutions or data
  from elsewhere; pretrained weights only if they are installed."""

    @property
    def sealed(self) -> tuple[Path, ...]:
        """Where the benchmark keeps answers."""
        return self.info.sealed

    def prepare(self, public: Path) -> None:
        """Make `public` a link to the benchmark's public folder: it may hold 100 GB.

        Raises:
          BenchmarkError: something else is there.
        """
        data = self.info.public.resolve()
        if public.is_symlink() and not public.exists():
            public.unlink()  # to data that have moved
        if public.exists():
            if public.resolve() == data:
                return
            raise BenchmarkError(
                f"`{public}` is not a link to the data of `{self.competition}` in `{data}`: move "
                f"it away, or give the run another folder."
            )
        public.parent.mkdir(parents=True, exist_ok=True)
        public.symlink_to(data, target_is_directory=True)

    def repair(self, submission: Path) -> tuple[str, ...]:
        """Repair a file in place, where that is safe; the original stays as `NAME.original.csv`.

        Returns:
          What was done or is to be said, a sentence each.

        Raises:
          InvalidSubmission: it cannot be repaired; the file is as it was.
        """
        found = submissions.repair(submission, self.sample, self.known)
        if found.path != submission:
            os.replace(submission, submission.with_name(f"{submission.stem}.original.csv"))
            os.replace(found.path, submission)
        return found.notes

    def check(self, submission: Path) -> None:
        """Compare with the sample, then let the benchmark say whether it could grade the file.

        A benchmark that cannot be asked is no fault of the submission: a warning, no refusal.

        Raises:
          InvalidSubmission: with one sentence of ours, or the benchmark's message.
        """
        submissions.check(submission, self.sample, self.known)
        try:
            found = self.rollout.validate(self.competition, submission)
        except BenchmarkError as error:
            told = f"`{submission}` was not validated by the benchmark: {error}"
            warnings.warn(told, RuntimeWarning, stacklevel=2)
            return
        if not found.valid:
            raise InvalidSubmission(f"The benchmark refuses it: {found.message}")

    def grade(self, submission: Path) -> Grade:
        """Refuse: this task holds no way to a score.

        Raises:
          BenchmarkError: always.
        """
        raise BenchmarkError(
            f"`{PREFIX}{self.competition}` is graded only after the run is closed: "
            f"`gome mlebench grade`."
        )


def cut(description: str) -> str:
    """At most about `DESCRIPTION` characters: the head, and what is said of the data.

    >>> cut("short")
    'short'
    """
    if len(description) <= DESCRIPTION:
        return description
    start = next((found.start() for found in _DATA.finditer(description)), len(description))
    half, data = DESCRIPTION // 2, len(description) - start
    head = description[: min(start, max(half, DESCRIPTION - data))]
    tail = description[start : start + DESCRIPTION - len(head)]
    left = len(description) - len(head) - len(tail)
    said = f"[... {left} characters left out; all of it is in input/description.md ...]"
    return f"{head}\n{said}\n{tail}".rstrip()


_SOURCE = "MLE-bench (Chan et al., 2024); the data are Kaggle's, under the competition's rules."


def _metric(competition: str, info: Competition, one: CompetitionFacts | None) -> Metric:
    """Name and direction of the metric; only the benchmark can compute it."""
    shipped = known.thresholds(competition)
    told = [one, shipped]
    lower = next((source.lower_is_better for source in told if source), info.lower_is_better)
    if lower is None:
        raise BenchmarkError(
            f"Nothing tells whether a lower score of `{competition}` is better: fetch the "
            f"benchmark's leaderboards (git lfs pull)."
        )
    if info.lower_is_better not in (None, lower):
        raise BenchmarkError(
            f"The benchmark's leaderboard of `{competition}` says that "
            f"{'lower' if info.lower_is_better else 'higher'} scores are better, which is wrong: "
            f"the file is damaged; fetch it again (git lfs pull)."
        )
    low, high = (one.bounds if one else None) or (None, None)
    return Metric(
        name=one.metric if one else "score",
        higher_is_better=not lower,
        function=_refuse,
        predicts=one.predicts if one else "text",
        bounds=(-np.inf if low is None else low, np.inf if high is None else high),
    )


def _refuse(answers: np.ndarray, predictions: np.ndarray) -> float:
    raise BenchmarkError("The benchmark computes its metrics itself, after a run is closed.")
