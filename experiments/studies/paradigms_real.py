"""Directed rules against tree searches on real tasks, over the reliability of the reasoner.

Bundled tasks, real scripts, held-out answers. The dial corrupts the offline expert's diagnoses
to a known alignment with what it would have said; searches use the same operators, tasks and
budget and do not listen to diagnoses, so that the dial does not move them and each of their runs
serves at every reliability. Runs are paired by seed.

A lead is a difference of held-out utilities in units of the task's spread over all final
submissions, so that tasks can be averaged. A diagnosed step costs c evaluations after the draft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.studies.leads import Lead
from experiments.study import Cell, Rows, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {"hill_climb": "hill climbing", "aide(drafts=3)": "AIDE, 3 drafts"}


@dataclass(frozen=True)
class Config:
    """What is run."""

    tasks: tuple[str, ...] = ("diamonds", "digits", "housing", "visits")
    alignments: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    directed: tuple[str, ...] = ("gome", "momentum")
    searches: tuple[str, ...] = ("hill_climb", "aide(drafts=3)")
    seeds: int = 5
    real_steps: int = 9
    """Budget in evaluations, the draft included."""
    costs: tuple[float, ...] = (1.0, 2.0)
    """Of a diagnosed step, in evaluations."""


def cells(config: Config) -> Sequence[Cell]:
    """One run each; searches have no alignment."""
    arms = [(name, rho) for name in config.directed for rho in config.alignments]
    arms += [(name, None) for name in config.searches]
    return [
        {"task": task, "strategy": strategy, "alignment": alignment, "seed": seed}
        for seed in range(config.seeds)
        for task in config.tasks
        for strategy, alignment in arms
    ]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """A row a step: held-out score of the best validated candidate so far."""
    from experiments.studies.dial import dial_rows

    return dial_rows(
        cell["task"], cell["strategy"], cell["alignment"], cell["seed"], config, scratch
    )


Arm = tuple[str, float | None]
"""A strategy and the reasoner's alignment; None for a search, which does not listen."""


def finals(table: pd.DataFrame, config: Config, cost: float) -> dict[Arm, np.ndarray]:
    """Final utilities of each arm, shape `(tasks, seeds)`, in units of the task's spread.

    What never became valid is as bad as the task's worst final submission.
    """
    import pandas as pd

    from gome_agent.tasks import registry

    affordable = 1 + int((config.real_steps - 1) // cost)
    budget = np.where(table.alignment.isna(), config.real_steps, affordable)
    last = table.assign(budget=budget).query("evaluations == budget")
    last = last.sort_values(["world", "seed"])
    utilities = []
    for task, rows in last.groupby("world"):
        utility = rows.value.map(registry.load(str(task)).facts.metric.utility)
        utility = utility.fillna(utility.min())
        utilities.append(utility / utility.std(ddof=1))
    last = last.assign(utility=pd.concat(utilities))
    shape = len(config.tasks), config.seeds
    found: dict[Arm, np.ndarray] = {}
    for strategy in config.searches:
        found[strategy, None] = (
            last.query("strategy == @strategy").utility.to_numpy().reshape(shape)
        )
    for strategy in config.directed:
        for rho in config.alignments:
            rows = last.query("strategy == @strategy and alignment == @rho")
            found[strategy, rho] = rows.utility.to_numpy().reshape(shape)
    return found


def best_search(utilities: dict[Arm, np.ndarray], config: Config) -> str:
    """The search with the highest mean over tasks and seeds.

    Chosen among several on the runs it is then judged by, which favours it.
    """
    return max(config.searches, key=lambda name: utilities[name, None].mean())


def lead(utilities: dict[Arm, np.ndarray], rule: str, search: str, config: Config) -> Lead:
    """Of a rule over a search at every alignment."""
    mine = np.stack([utilities[rule, rho] for rho in config.alignments], axis=-1)
    return Lead(np.array(config.alignments), mine - utilities[search, None][..., None])


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """A panel a task, the mean lead over the best search, and who wins how often."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    columns = max(3, (len(config.tasks) + 3) // 2)
    figure, axes = plt.subplots(2, columns, figsize=(3.3 * columns, 6.4))
    panels = axes.ravel()
    for task, panel in zip(config.tasks, panels, strict=False):
        _task_panel(panel, table.query("world == @task"), task, config)
    for cost, panel in zip(config.costs, panels[len(config.tasks) :], strict=False):
        _lead_panel(panel, table, cost, config)
    for panel in panels[len(config.tasks) + len(config.costs) :]:
        panel.set_axis_off()
    panels[0].legend(fontsize=7)
    if config.seeds < Config().seeds:
        mark_quick(figure)
    return figure


def _task_panel(axes: Axes, rows: pd.DataFrame, task: str, config: Config) -> None:
    from experiments.style import SERIES
    from gome_agent.tasks import registry

    metric = registry.load(task).facts.metric
    end = rows.query("evaluations == @config.real_steps")
    for name, series in zip((*config.directed, *config.searches), SERIES, strict=False):
        mine = end.query("strategy == @name")
        if name in config.directed:
            by = mine.groupby("alignment").value.agg(["mean", "sem"])
            axes.errorbar(by.index, by["mean"], yerr=1.96 * by["sem"], ms=4, label=name, **series)
        else:
            mean, half = mine.value.mean(), 1.96 * mine.value.sem()
            colour, dashes = series["color"], series["linestyle"]
            axes.axhline(mean, color=colour, ls=dashes, lw=1.2, label=LABELS.get(name, name))
            axes.axhspan(mean - half, mean + half, color=colour, alpha=0.1, lw=0)
    draft = rows.query("evaluations == 1").value.mean()
    axes.axhline(draft, color="#999999", ls=":", lw=1.0, label="first draft")
    if not metric.higher_is_better:
        axes.invert_yaxis()
    axes.set(title=task, xlabel=r"alignment with the expert $\rho$", ylabel=metric.name)


def _lead_panel(axes: Axes, table: pd.DataFrame, cost: float, config: Config) -> None:
    from experiments.style import SERIES

    utilities = finals(table, config, cost)
    search = best_search(utilities, config)
    for rule, series in zip(config.directed, SERIES, strict=False):
        found = lead(utilities, rule, search, config)
        mean, low, high = found.mean()
        axes.plot(found.alignments, mean, ms=4, label=rule, **series)
        axes.fill_between(found.alignments, low, high, color=series["color"], alpha=0.15, lw=0)
    axes.axhline(0.0, color="#555555", lw=1.0)
    axes.set(
        title=f"Lead over {LABELS.get(search, search)}, c = {cost:g}",
        xlabel=r"alignment with the expert $\rho$",
        ylabel="lead in task spreads",
    )
    axes.legend()


STUDY = Study(
    name="paradigms_real",
    question="On real tasks, how reliable must a reasoner be for directed rules to beat the best "
    "tree search?",
    full=Config(),
    quick=Config(
        tasks=("digits", "visits"),
        alignments=(0.0, 1.0),
        seeds=2,
        real_steps=5,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
