"""What is asked of the benchmark: while a run is open, and after it was closed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import (
    BaseModel,
    ConfigDict,
    FiniteFloat,
    SerializerFunctionWrapHandler,
    field_serializer,
    model_serializer,
)

PREFIX = "mlebench:"
"""Task names are `mlebench:COMPETITION`, e.g. `mlebench:spooky-author-identification`."""


class BenchmarkError(RuntimeError):
    """The benchmark cannot answer: what is missing or wrong, and what to do about it."""


@dataclass(frozen=True)
class Competition:
    """What may be known of a competition while a run is open. Paths are the registry's."""

    id: str
    name: str
    description: str
    """Markdown, as the benchmark has it."""
    public: Path
    """Folder of the public data."""
    sample: Path | None
    """The sample submission within `public`; `None` if there is none that a program may see."""
    sealed: tuple[Path, ...]
    """Existing paths that hold answers: hidden from every script."""
    teams: int
    """Rows of the leaderboard; 0 if it is absent or not materialised."""
    lower_is_better: bool | None
    """As the benchmark infers it from the leaderboard; `None` without one."""
    rules: str = ""
    """What holds beyond the description, as Markdown; never cut."""


@dataclass(frozen=True)
class Validity:
    """Whether the benchmark could grade a submission; never how well it does."""

    valid: bool
    message: str


class Rollout(Protocol):
    """All that an open run may ask. There is no way from here to a score."""

    def competitions(self, split: str = "all") -> tuple[str, ...]:
        """Ids of a split: `all`, `lite` (= `low`), `medium`, `high`, `dev`, ..."""
        ...

    def info(self, competition: str) -> Competition:
        """Raises `BenchmarkError`: no such competition, or its data are not prepared."""
        ...

    def validate(self, competition: str, submission: Path) -> Validity: ...


class Report(BaseModel):
    """The benchmark's own report on one submission, field by field.

    A score that JSON has no number for is written as text, which `float` reads, as the benchmark
    reads its reports.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    competition_id: str
    score: float | None
    """`None` without a valid submission; a metric may overflow, so it need not be finite."""
    gold_threshold: FiniteFloat
    silver_threshold: FiniteFloat
    bronze_threshold: FiniteFloat
    median_threshold: FiniteFloat
    any_medal: bool
    gold_medal: bool
    silver_medal: bool
    bronze_medal: bool
    above_median: bool
    submission_exists: bool
    valid_submission: bool
    is_lower_better: bool
    created_at: datetime
    submission_path: str
    shipped_thresholds: bool = False
    """Whether medals were judged by thresholds that we ship, for want of a leaderboard: then it is
    not the benchmark's report, and says so wherever it is written."""

    @model_serializer(mode="wrap")
    def _marked(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told = written(self)
        return {key: told[key] for key in told if key != "shipped_thresholds" or told[key]}

    @field_serializer("score", when_used="json")
    def _as_json(self, score: float | None) -> float | str | None:
        return score if score is None or math.isfinite(score) else str(score)


class Final(Protocol):
    """Grading. Only for runs that are closed: an implementation is made from proof of that."""

    def score(self, competition: str, submission: Path) -> Report:
        """Raises `BenchmarkError`: data or leaderboard are not there, or the grader failed."""
        ...
