"""What is known of MLE-bench's competitions: how they are graded, what is wrong with them, medals.

`data/facts.json` has the 22 competitions of the Lite split. Each fact was read in the benchmark's
own `grade.py`, `prepare.py` and `description.md`; a test compares them with a clone.

`data/thresholds.json` has the medal thresholds of all 82. They were computed from the benchmark's
leaderboards, which a clone without git-lfs lacks, and computed once more by its rule from another
copy of Kaggle's private leaderboards (that of MLE-Dojo); `provenance` says how the two compare.
They serve where leaderboards are absent; where they are present, the benchmark judges.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt, PositiveFloat

from gome_agent.tasks.base import Kind, Medal, Predicts
from gome_agent.tasks.medals import MEDALS

Provenance = Literal["confirmed", "median_differs", "differs", "single_source"]
"""Both sources agree; they do but for the median; they do not; there is one source only."""

_NAMES = ("gold", "silver", "bronze", "median")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CompetitionFacts(_Record):
    """One competition, as far as its grader and its files are known."""

    id: str
    modality: str
    metric: str
    lower_is_better: bool
    predicts: Predicts
    kind: Kind
    key: str
    """Column of the submission by which rows are joined; compared with the sample's in any case."""
    predictions: tuple[str, ...]
    """Columns that are graded; all of the sample's but the key if empty (a hundred classes)."""
    carried: tuple[str, ...] = ()
    """Columns of the sample that are neither key nor graded."""
    targets: tuple[str, ...]
    """What is predicted, as the training data call it."""
    classes: tuple[str, ...] = ()
    """Labels; of a binary task the second is the one whose probability is asked for."""
    bounds: tuple[float, float | None] | None = None
    """What the grader accepts; `None`: any finite number, or no numbers."""
    row_sum_tolerance: PositiveFloat | None = None
    """How far from 1 a row may sum; `None`: rows need not."""
    rows_by_position: bool = False
    """Whether ids are ignored and rows compared in their order."""
    columns_by_position: bool = False
    """Whether the names of prediction columns are ignored."""
    refuses_extra_columns: bool = False
    train_files: tuple[str, ...]
    """Within the public folder; a folder ends in `/`."""
    sample: str
    """Name of the sample submission in the public folder."""
    traps: tuple[str, ...] = ()
    """What is easily done wrong, a sentence each, as a prompt may say it; nothing of medals, for
    thresholds are taken from held-out scores."""
    leaks: tuple[str, ...] = ()
    """Where answers can be had, a sentence each: told so that they are not used."""
    raw_gb: PositiveFloat
    """Size of the download."""
    teams: NonNegativeInt

    @property
    def reading(self) -> tuple[str, ...]:
        """How the grader reads a submission where that surprises, a sentence each."""
        told = (
            (self.rows_by_position, "Ids are ignored and rows are compared by position."),
            (self.columns_by_position, "Columns are compared by position, not by name."),
            (
                self.refuses_extra_columns,
                "A column that is not in the sample submission makes the whole file invalid.",
            ),
        )
        return tuple(sentence for holds, sentence in told if holds)

    @property
    def by_rank(self) -> bool:
        """Whether only the order of the predictions in a column counts."""
        return self.metric in ("auc", "mean_auc")


class Thresholds(_Record):
    """Scores that medals need, in the metric's own units, and where they come from."""

    gold: FiniteFloat
    silver: FiniteFloat
    bronze: FiniteFloat
    median: FiniteFloat
    lower_is_better: bool
    teams: NonNegativeInt | None
    """Rows of the second source's leaderboard; `None` without one."""
    provenance: Provenance
    recomputed: Mapping[str, FiniteFloat] = {}
    """What the second source gives, where that differs."""


class Judgement(_Record):
    """What a score is worth on a leaderboard."""

    medal: Medal
    above_median: bool


def known() -> tuple[str, ...]:
    """Ids of the competitions with facts, sorted.

    >>> len(known())
    22
    """
    return tuple(sorted(_data("facts.json")))


def load(competition: str) -> CompetitionFacts | None:
    """Facts of a competition; `None` if there are none.

    >>> load("spooky-author-identification").row_sum_tolerance
    1e-05
    >>> load("AI4Code") is None
    True
    """
    found = _data("facts.json").get(competition)
    return None if found is None else CompetitionFacts(id=competition, **found)


def thresholds(competition: str) -> Thresholds | None:
    """Shipped medal thresholds of a competition; `None` if it is not one of the 82.

    >>> thresholds("random-acts-of-pizza").bronze
    0.6921
    """
    found = _data("thresholds.json").get(competition)
    return None if found is None else Thresholds(**found)


def cross_check(
    competition: str, gold: float, silver: float, bronze: float, median: float
) -> list[str]:
    """Where thresholds of a leaderboard differ from the shipped ones, a sentence each.

    Either of two sources will do. A leaderboard that was cut short, or of other teams, shows here.

    >>> cross_check("random-acts-of-pizza", 0.97908, 0.76482, 0.6921, 0.5996)
    []
    """
    shipped = thresholds(competition)
    if shipped is None:
        return [f"No thresholds are shipped for `{competition}`: nothing to compare with."]
    found = dict(zip(_NAMES, (gold, silver, bronze, median), strict=True))
    told = []
    for name, value in found.items():
        wanted = [getattr(shipped, name), *_second(shipped, name)]
        if not any(_same(value, other) for other in wanted):
            either = " or ".join(f"{other:g}" for other in wanted)
            told.append(
                f"`{competition}`: the leaderboard gives {name} at {value:g}, {either} was expected"
                f" ({shipped.provenance})."
            )
    return told


def judge_by_thresholds(competition: str, score: float) -> Judgement:
    """Medal and place beside the median by the shipped thresholds; equal to one earns the medal.

    Args:
      competition: one of the 82.
      score: finite, in the metric's own units.

    Raises:
      ValueError: there are no thresholds, or the score is not finite.

    >>> judge_by_thresholds("random-acts-of-pizza", 0.6921).medal
    'bronze'
    """
    shipped = thresholds(competition)
    if shipped is None:
        raise ValueError(f"No medal thresholds are shipped for `{competition}`.")
    if not math.isfinite(score):
        raise ValueError(f"The score is {score}; only a finite score can earn a medal.")
    sign = -1.0 if shipped.lower_is_better else 1.0
    earned: list[Medal] = [
        medal for medal in MEDALS if sign * score >= sign * getattr(shipped, medal)
    ]
    return Judgement(
        medal=earned[0] if earned else "none",
        above_median=sign * score > sign * shipped.median,
    )


def _second(shipped: Thresholds, name: str) -> list[float]:
    return [shipped.recomputed[name]] if name in shipped.recomputed else []


def _same(one: float, other: float) -> bool:
    """Equal to the digits that are published."""
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=5e-6)


@cache
def _data(name: str) -> Mapping[str, Any]:
    folder = resources.files("gome_agent.tasks.mlebench") / "data"
    return json.loads((folder / name).read_text(encoding="utf-8"))
