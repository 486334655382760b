"""How well does the offline expert know what will help? What it tells against what it measures.

From states that a run visits (the draft, and what following the top suggestions leads to), many of
the directives that apply are carried out, each alone, and trained for real: the best told, and
others drawn at random. Told is strength times credence, as a strategy encodes it; measured is the
relative reduction of the validation error, paired by folds. The alignment is the cosine of the two
vectors, the rank correlation Spearman's; both are of one state, over the directives carried out.

The strengths were set after looking at some of these tasks, so that the numbers flatter the expert
there; how much a task of your own differs is not known from here.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.study import Cell, Rows, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from gome_agent.reasoners.base import Brief, Solution
    from gome_agent.schemas import Suggestion
    from gome_agent.tasks.base import Task


@dataclass(frozen=True)
class Config:
    """What is carried out."""

    tasks: tuple[str, ...] = ("cut", "diamonds", "digits", "housing", "visits")
    depths: tuple[int, ...] = (0, 4)
    """Steps from the draft along the top suggestions, each kept if it scores better."""
    top: int = 10
    """Directives told to be best."""
    others: int = 10
    """Directives drawn from the rest."""
    seconds_per_run: float = 600.0


def cells(config: Config) -> Sequence[Cell]:
    """A state of a task each."""
    return [{"task": task, "depth": depth} for task in config.tasks for depth in config.depths]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """A row a directive that was carried out; failed scripts have no gain."""
    from experiments.studies.dial import Remembered
    from gome_agent import sandbox
    from gome_agent.evaluator import SandboxEvaluator
    from gome_agent.reasoners.base import Brief
    from gome_agent.sandbox.base import Limits
    from gome_agent.tasks import registry

    task = registry.load(cell["task"])
    folder = scratch / "reliability" / f"{cell['task']}-{cell['depth']}"
    public = folder / "public"
    task.prepare(public)
    seconds = config.seconds_per_run
    limits = Limits(wall_seconds=seconds, cpu_seconds=2 * seconds, memory_bytes=4 * 2**30)
    inner = SandboxEvaluator(task, sandbox.detect(None), limits, public, folder / "steps")
    remembered = Remembered(inner, scratch / "evaluations")
    brief = Brief(task.facts, task.description, public, config.top, seconds)
    visit = _Visit(task, brief, remembered, config)
    rows = visit.rows(visit.walk(cell["depth"]))
    shutil.rmtree(folder)
    return [{**cell, **row} for row in rows]


@dataclass
class _Visit:
    """One task's scripts, run one after the other."""

    task: Task
    brief: Brief
    evaluator: Any
    config: Config
    runs: int = 0

    def run(self, script: str) -> Solution:
        self.runs += 1
        return self.evaluator.evaluate(script, self.runs, self.config.seconds_per_run)

    def walk(self, depth: int) -> Solution:
        """The state after so many steps along the top suggestions."""
        from gome_agent.reasoners.base import Attempt, script_digest
        from gome_agent.reasoners.expert import Expert

        expert, rng = Expert(), np.random.default_rng(0)
        state, node = self.run(expert.draft(self.brief, rng).script), 0
        tried = [Attempt(0, None, "DRAFT", (), True, True, 0.0, script_digest(state.script))]
        for step in range(1, depth + 1):
            brief = dataclasses.replace(self.brief, history=tuple(tried))
            told = expert.diagnose(brief, state, rng).suggestions
            edit = expert.edit(brief, state, [(s, s.strength * s.credence) for s in told], rng)
            child = self.run(edit.script)
            gain = child.score - state.score
            better = child.valid and gain > 0
            digest = script_digest(edit.script)
            tried.append(
                Attempt(step, node, "DESCEND", edit.applied, better, child.valid, gain, digest)
            )
            state, node = (child, step) if better else (state, node)
        return state

    def rows(self, state: Solution) -> Rows:
        from gome_agent.reasoners.expert import Expert

        rng = np.random.default_rng(1)
        told = Expert().diagnose(self.brief, state, rng).suggestions
        rest = told[self.config.top :]
        drawn = rng.permutation(len(rest))[: self.config.others]
        chosen = [*told[: self.config.top], *(rest[i] for i in sorted(drawn))]
        return [self.row(state, suggestion, place) for place, suggestion in enumerate(chosen)]

    def row(self, state: Solution, suggestion: Suggestion, place: int) -> dict[str, Any]:
        from gome_agent.reasoners.expert import Expert
        from gome_agent.validation import measured_gain

        edit = Expert().edit(self.brief, state, [(suggestion, 1.0)], np.random.default_rng(0))
        child = self.run(edit.script)
        gain, error = (None, None)
        if child.valid:
            gain, error = measured_gain(child, state, self.task)
        scale = error_of(state, self.task)
        return {
            "place": place,
            "statement": suggestion.statement,
            "component": suggestion.component,
            "told": suggestion.strength * suggestion.credence,
            "gain": None if gain is None else gain / scale,
            "stderr": None if error is None else error / scale,
            "seconds": child.seconds,
            "parent_seconds": state.seconds,
            "parent_score": self.task.facts.metric.utility(state.score),
        }


def error_of(state: Solution, task: Task) -> float:
    """A state's error: its score, or what is missing to 1 where higher is better."""
    return 1.0 - state.score if task.facts.metric.higher_is_better else -state.score


def agreement(told: np.ndarray, gain: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Cosine and Spearman's correlation, with 95% bootstrap intervals over directives.

    Args:
      told: strength times credence, shape `(n,)`.
      gain: measured, shape `(n,)`.
      seed: of the resampling.
    """
    from scipy import stats

    def both(rows: np.ndarray) -> tuple[float, float]:
        one, other = told[rows], gain[rows]
        norm = float(np.linalg.norm(one) * np.linalg.norm(other))
        varied = np.ptp(one) > 0 and np.ptp(other) > 0
        correlation: Any = stats.spearmanr(one, other) if varied else None
        rank = float(correlation.statistic) if varied else 0.0
        return (float(one @ other) / norm if norm else 0.0), rank

    n = len(told)
    rng = np.random.default_rng(seed)
    cosine, rank = both(np.arange(n))
    drawn = np.array([both(rng.integers(0, n, n)) for _ in range(1000)])
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return {
        "cosine": cosine,
        "cosine_low": float(low[0]),
        "cosine_high": float(high[0]),
        "rank": rank,
        "rank_low": float(low[1]),
        "rank_high": float(high[1]),
    }


def agreements(table: pd.DataFrame) -> pd.DataFrame:
    """A row a state: `agreement`, how many directives ran, and the share of the top five that
    helped beside that of all."""
    import pandas as pd

    rows = []
    for key, state in table.groupby(["task", "depth"]):
        task, depth = key  # pyright: ignore[reportGeneralTypeIssues]
        ran = state.dropna(subset=["gain"])
        top = ran[ran.place < 5]
        found = agreement(ran.told.to_numpy(float), ran.gain.to_numpy(float))
        rows.append(
            {
                "task": task,
                "depth": depth,
                "directives": len(ran),
                **found,
                "top_helped": float((top.gain > 0).mean()),
                "helped": float((ran.gain > 0).mean()),
            }
        )
    return pd.DataFrame(rows)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Measured gain over told strength, a panel a task; filled points are from later states."""
    import matplotlib.pyplot as plt

    from experiments.style import SERIES, mark_quick

    figure, axes = plt.subplots(1, len(config.tasks), figsize=(3.1 * len(config.tasks), 3.4))
    for task, panel in zip(config.tasks, np.ravel(axes), strict=True):
        for depth, series in zip(config.depths, SERIES, strict=False):
            state = table.query("task == @task and depth == @depth").dropna(subset=["gain"])
            found = agreement(state.told.to_numpy(float), state.gain.to_numpy(float))
            label = f"step {depth}: cosine {found['cosine']:.2f}, rank {found['rank']:.2f}"
            panel.errorbar(
                state.told, state.gain, yerr=state.stderr, fmt="o", ms=3.5, lw=0.8,
                color=series["color"], label=label,
            )  # fmt: skip
        panel.axhline(0.0, color="#999999", lw=0.8)
        panel.set_yscale("symlog", linthresh=0.05)
        panel.set_title(task)
        panel.set_xlabel("told: strength x credence")
        panel.legend(fontsize=7)
    np.ravel(axes)[0].set_ylabel("measured relative reduction of the error")
    if config.top < Config().top:
        mark_quick(figure)
    return figure


STUDY = Study(
    name="reliability",
    question="Do the directives that the offline expert ranks first truly help most?",
    full=Config(),
    quick=Config(tasks=("digits", "housing"), depths=(0,), top=3, others=3),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
