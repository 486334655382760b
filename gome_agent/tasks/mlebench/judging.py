"""Medals where the benchmark's leaderboard is absent: by thresholds that we ship, and marked."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, FiniteFloat

from gome_agent.tasks.mlebench.base import BenchmarkError, Report
from gome_agent.tasks.mlebench.facts import judge_by_thresholds, thresholds


class Unranked(BaseModel):
    """What the benchmark tells of a submission without a leaderboard."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    submission_exists: bool
    score: FiniteFloat | None
    """`None` without a valid submission."""


def judged(competition: str, submission: str, told: Unranked) -> Report:
    """A report with the grader's score and our medals; `shipped_thresholds` marks it.

    Args:
      competition: id.
      submission: path of what was graded.
      told: by the benchmark.

    Raises:
      BenchmarkError: no thresholds are shipped for the competition.
    """
    shipped = thresholds(competition)
    if shipped is None:
        raise BenchmarkError(
            f"`{competition}` has no leaderboard, and no thresholds of it are shipped: fetch the "
            "benchmark's leaderboards (git lfs pull)"
        )
    judgement = None if told.score is None else judge_by_thresholds(competition, told.score)
    medal = "none" if judgement is None else judgement.medal
    return Report(
        competition_id=competition,
        score=told.score,
        gold_threshold=shipped.gold,
        silver_threshold=shipped.silver,
        bronze_threshold=shipped.bronze,
        median_threshold=shipped.median,
        any_medal=medal != "none",
        gold_medal=medal == "gold",
        silver_medal=medal == "silver",
        bronze_medal=medal == "bronze",
        above_median=judgement is not None and judgement.above_median,
        submission_exists=told.submission_exists,
        valid_submission=told.score is not None,
        is_lower_better=shipped.lower_is_better,
        created_at=datetime.now(UTC),
        submission_path=submission,
        shipped_thresholds=True,
    )
