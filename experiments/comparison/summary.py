"""From the rows of all runs to curves, areas, final values, and what may be said of them.

A run's progress is a step function of what it has spent. Before anything valid is there it is as
bad as the worst value that any run of the comparison showed; a final submission that does not exist
loses to any that does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.comparison import statistics
from experiments.comparison.statistics import Interval
from optimizers.budget import CURRENCIES, Spent

if TYPE_CHECKING:
    from experiments.comparison.compare import Comparison

GRID = 200


class NothingToCompare(ValueError):
    """No run showed anything within the budget."""


class Run(NamedTuple):
    """What counts of one run: what the budget paid."""

    at: np.ndarray
    """Spent after each step, in the unit of the comparison."""
    utility: np.ndarray
    """Of what would be submitted, higher is better; NaN while there is nothing."""
    spent: Spent
    medal: bool
    unspent: bool
    """Whether it ended by its steps, with something left of everything else."""

    @property
    def final(self) -> float:
        """Utility of the final submission, -inf if there is none."""
        known = self.utility[-1] if self.utility.size else np.nan
        return float(np.nan_to_num(known, nan=-np.inf))


class Curve(NamedTuple):
    """Mean progress of a strategy in the metric's own units, with its interval."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Analysis(NamedTuple):
    """What a comparison came to."""

    table: pd.DataFrame
    """A row a strategy; see `analyse`."""
    unit: str
    """Currency of the horizontal axis."""
    places: np.ndarray
    """On that axis."""
    curves: Mapping[str, Curve]


def analyse(table: pd.DataFrame, config: Comparison) -> Analysis:
    """Compare the strategies of a table of rows.

    Columns of the result, each quantity with `_low` and `_high` ends of its 95 % interval:
    `final` (mean), `area` (mean height of the progress curve up to the common end), `medals` (share
    of runs with any), and against the baseline `gain` (mean difference of final values, positive is
    better), `improvement` (probability of a better final value in the same run), `p` (sign test)
    and `p_holm` (Holm over all strategies but the baseline). Then what was spent on average, and
    the numbers of runs `without` a submission and `unspent`.

    Raises:
      NothingToCompare: no run has a valid candidate that the budget paid.
    """
    sign = 1.0 if config.metric[1] else -1.0
    unit = next((name for name in config.limits.limits if name != "steps"), "evaluations")
    runs = _runs(table, config, sign, unit)
    shown = np.concatenate([run.utility for each in runs.values() for run in each])
    if not np.isfinite(shown).any():
        raise NothingToCompare(
            f"no run has a valid candidate within the budget ({config.budget or 'steps'}): "
            "give more of it, or read the journals in `runs` for the failures"
        )
    worst = float(np.nanmin(shown))
    end = config.limits.limits.get(unit) or _common_end(runs)
    # Every count where there are few: a curve changes there only.
    few = unit in ("evaluations", "calls") and end <= GRID
    places = np.append(np.arange(end), end) if few else np.linspace(0.0, end, GRID)
    curves, rows = {}, []
    for name, mine in runs.items():
        heights = [np.nan_to_num(run.utility, nan=worst) for run in mine]
        # A hair further, for sums that round.
        heights_at = [
            statistics.at(run.at, height, np.nan, places * (1 + 1e-9))
            for run, height in zip(mine, heights, strict=True)
        ]
        curves[name] = _curve(np.array(heights_at), sign, config.seed)
        areas = [
            statistics.area(run.at, height, worst, end)
            for run, height in zip(mine, heights, strict=True)
        ]
        finals = [np.nan_to_num(run.final, neginf=worst) for run in mine]
        row: dict[str, Any] = {"strategy": name, "runs": len(mine)}
        row |= _columns("final", _turned(statistics.mean(finals, config.seed), sign))
        row |= _columns("area", _turned(statistics.mean(areas, config.seed), sign))
        if config.is_task:
            medals = sum(run.medal for run in mine)
            row |= _columns("medals", statistics.share(medals, len(mine)))
        if name != config.baseline:
            row |= _versus(mine, runs[config.baseline], worst, config.seed)
        spent = sum((run.spent for run in mine), Spent())
        row |= {currency: getattr(spent, currency) / len(mine) for currency in CURRENCIES}
        row["without"] = sum(run.final == -np.inf for run in mine)
        row["unspent"] = sum(run.unspent for run in mine)
        rows.append(row)
    result = pd.DataFrame(rows)
    rivals = result.strategy != config.baseline
    result.loc[rivals, "p_holm"] = statistics.holm(result.loc[rivals, "p"])
    return Analysis(result, unit, places, curves)


def _runs(table: pd.DataFrame, config: Comparison, sign: float, unit: str) -> dict[str, list[Run]]:
    """The runs of each strategy, in the same order of pairs."""
    pairs = sorted(table.run.unique())
    return {
        name: [_run(mine.loc[mine.run == pair], config, sign, unit) for pair in pairs]
        for name in config.strategies
        for mine in [table.loc[table.strategy == name]]
    }


def _run(rows: pd.DataFrame, config: Comparison, sign: float, unit: str) -> Run:
    paid = rows.loc[rows.paid.astype(bool)]
    columns = paid[list(CURRENCIES)]
    spent = Spent(*columns.iloc[-1].tolist()) if len(paid) else Spent()
    limits = config.limits.limits
    left = all(getattr(spent, name) < limits[name] for name in limits if name != "steps")
    return Run(
        at=paid[unit].to_numpy(float),
        utility=sign * paid.value.to_numpy(float),
        spent=spent,
        medal=len(paid) > 0 and paid.medal.iloc[-1] in ("gold", "silver", "bronze"),
        unspent=len(paid) == len(rows) and len(limits) > 1 and left,
    )


def _versus(mine: list[Run], base: list[Run], worst: float, seed: int) -> dict[str, float]:
    """Gain and probability of improvement on the baseline."""
    a, b = (np.array([run.final for run in each]) for each in (mine, base))
    known_a, known_b = (np.nan_to_num(finals, neginf=worst) for finals in (a, b))
    return {
        **_columns("gain", statistics.mean_difference(known_a, known_b, seed)),
        **_columns("improvement", statistics.probability_of_improvement(a, b, seed)),
        "p": statistics.sign_test(a, b),
    }


def _common_end(runs: Mapping[str, list[Run]]) -> float:
    """How far the least spending strategy goes on average."""
    ends = [np.mean([run.at[-1] if run.at.size else 0.0 for run in each]) for each in runs.values()]
    return float(min(end for end in ends if end > 0)) if any(ends) else 1.0


def _curve(heights: np.ndarray, sign: float, seed: int) -> Curve:
    """From where every run has something on."""
    curves = (sign * band for band in statistics.band(heights, seed))
    mean, one, other = curves
    return Curve(mean, np.minimum(one, other), np.maximum(one, other))


def _turned(interval: Interval, sign: float) -> Interval:
    """Back in the metric's own units."""
    value, *ends = (sign * number for number in interval)
    return Interval(value, min(ends), max(ends))


def _columns(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
