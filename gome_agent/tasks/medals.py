"""Medals by Kaggle's rule, as MLE-bench applies it to a leaderboard.

With `n` teams the last position that still earns a medal is

    teams      gold              silver          bronze
    1-99       max(1, n/10)      max(1, n/5)     max(1, 2n/5)
    100-249    10                n/5             2n/5
    250-999    10 + n/500        50              100
    1000-      10 + n/500        n/20            n/10

with all divisions rounded down. A threshold is the score at that position, and a score equal to it
earns the medal; to be above the median a score must be strictly better than it. Reference: Chan et
al., MLE-bench: Evaluating Machine Learning Agents on Machine Learning Engineering (2024).

Unlike MLE-bench, the direction is told, not inferred from the order of the leaderboard's rows.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from gome_agent.tasks.base import Grade, Medal, Metric

MEDALS: tuple[Medal, ...] = ("gold", "silver", "bronze")


class Positions(NamedTuple):
    """Last leaderboard position (1 is first) that earns each medal."""

    gold: int
    silver: int
    bronze: int


def positions(teams: int) -> Positions:
    """Last position of each medal on a leaderboard of `teams` rows.

    Args:
      teams: number of leaderboard rows, at least 1.

    Raises:
      ValueError: if there are no teams.

    >>> positions(100)
    Positions(gold=10, silver=20, bronze=40)
    """
    if teams < 1:
        raise ValueError(
            f"`teams` is {teams}; a leaderboard needs at least one row to give medals."
        )
    if teams < 100:
        return Positions(max(1, teams // 10), max(1, teams // 5), max(1, 2 * teams // 5))
    if teams < 250:
        return Positions(10, teams // 5, 2 * teams // 5)
    if teams < 1000:
        return Positions(10 + teams // 500, 50, 100)
    return Positions(10 + teams // 500, teams // 20, teams // 10)


def thresholds(scores: Sequence[float], metric: Metric) -> dict[str, float]:
    """Scores needed for each medal, and the median, in the metric's own units.

    Args:
      scores: one score a team, in any order.
      metric: tells which way is better.

    Raises:
      ValueError: if `scores` is empty or holds a value that is not finite.
    """
    if not all(math.isfinite(score) for score in scores):
        raise ValueError("The leaderboard holds a score that is not finite; remove that row.")
    best_first = sorted(scores, key=metric.utility, reverse=True)
    last = positions(len(best_first))
    needed = {medal: best_first[getattr(last, medal) - 1] for medal in MEDALS}
    return {**needed, "median": statistics.median(best_first)}


def judge(score: float, scores: Sequence[float], metric: Metric) -> Grade:
    """Medal, rank and thresholds of one score against a leaderboard.

    The rank is one more than the number of strictly better teams, so a tie takes the better place.

    Args:
      score: finite, in the metric's own units.
      scores: one score a team, in any order; the judged score is not among them.
      metric: tells which way is better.

    Raises:
      ValueError: if the score or the leaderboard is not finite, or the leaderboard is empty.
    """
    if not math.isfinite(score):
        raise ValueError(f"The score is {score}; only a finite score has a place on a leaderboard.")
    needed = thresholds(scores, metric)
    utility = metric.utility(score)
    earned: list[Medal] = [medal for medal in MEDALS if utility >= metric.utility(needed[medal])]
    return Grade(
        score=score,
        medal=earned[0] if earned else "none",
        thresholds=needed,
        above_median=utility > metric.utility(needed["median"]),
        rank=1 + sum(metric.utility(other) > utility for other in scores),
        teams=len(scores),
    )
