"""Who wins where: directed rules, tree searches and hybrids in one simulated world.

The sphere in 30 dimensions, where theory knows the right step lengths, with reasoners of every
reliability, noisy scores and candidates that do not run. A budget is a number of undirected
evaluations; a diagnosed step costs `cost` of them. What counts is what would be submitted: the true
loss of the candidate with the best score, in nats below the start.

Every strategy takes the length of its moves from a small grid, in units of the best one of a
noise-free hill climb, tuned once at a reference condition with keys of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.studies.leads import Lead
from experiments.study import Cell, Rows, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FLOOR = "cma_es"
SIDES = ("directed", "search", "hybrid", "floor")


@dataclass(frozen=True)
class Config:
    """What is simulated."""

    dim: int = 30
    scaled_alignments: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
    """Values of r = rho sqrt(d)."""
    budgets: tuple[int, ...] = (20, 50, 100, 200)
    noises: tuple[float, ...] = (0.0, 0.02, 0.1)
    """Standard deviation of a score, in units of the loss at the start."""
    crash_rates: tuple[float, ...] = (0.1, 0.3, 0.5)
    repair_rate: float = 0.6
    cost: float = 2.0
    directed: tuple[str, ...] = ("sgd", "momentum(decay=0.5)", "gome")
    searches: tuple[str, ...] = (
        "hill_climb",
        "best_of_n",
        "random_tree",
        "beam",
        "aide",
        "aide_mlebench",
        "aira_mcts",
        "aira_evo",
        "ab_mcts_a",
        "ml_master",
        "mlevolve",
        "map_elites",
        "gepa_pareto",
    )
    hybrids: tuple[str, ...] = ("hand_over", "bandit", "auto")
    floor: bool = True
    folds: int = 5
    """For searches that compare folds; each then shows coordinates of its own."""
    lengths: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0, 2.0)
    reference: tuple[float, float, float] = (1.0, 0.02, 0.3)
    """r, noise and crash rate at which lengths are tuned, at the third budget."""
    runs: int = 128
    floor_runs: int = 32
    seed: int = 0
    shown: tuple[int, float, float] = (100, 0.02, 0.3)
    """Budget, noise and crash rate of the curves."""

    @property
    def grid(self) -> list[tuple[float, float]]:
        """Pairs of noise and crash rate."""
        return [(noise, crash) for noise in self.noises for crash in self.crash_rates]

    def side(self, name: str) -> str:
        """Of `SIDES`, the one that a strategy is on."""
        members = (self.directed, self.searches, self.hybrids, (FLOOR,))
        return next(side for side, names in zip(SIDES, members, strict=True) if name in names)


def cells(config: Config) -> Sequence[Cell]:
    """A budget each: strategies of one budget are compared run by run."""
    return [{"budget": budget} for budget in config.budgets]


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """Finals of every strategy, leads of directed rules over the best search, crossovers."""
    budget = cell["budget"]
    grid = config.grid
    listens = {*config.directed, *config.hybrids}
    finals: dict[str, np.ndarray] = {}
    rows: Rows = []
    for name in (*config.directed, *config.searches, *config.hybrids):
        length = tuned(name, config)
        alignments = config.scaled_alignments if name in listens else (0.0,)
        conditions = [(r, n, c, length) for n, c in grid for r in alignments]
        nats = simulated(name, np.array(conditions), budget, config.runs, config.seed, config)
        finals[name] = nats.reshape(len(grid), len(alignments), config.runs)
        rows += _final_rows(name, finals[name], alignments if name in listens else (None,), config)
    if config.floor:
        floor = np.stack([cma(n, c, budget, config) for n, c in grid])[:, None, :]
        rows += _final_rows(FLOOR, floor, (None,), config)
    for i, (noise, crash) in enumerate(grid):
        shared = {"noise": noise, "crash_rate": crash}
        rows += [row | shared for row in _lead_rows({k: v[i] for k, v in finals.items()}, config)]
    return [{"budget": budget, **row} for row in rows]


@cache
def tuned(name: str, config: Config) -> float:
    """The length that ends best on average at the reference condition, on other keys."""
    r, noise, crash = config.reference
    conditions = np.array([(r, noise, crash, length) for length in config.lengths])
    budget = config.budgets[min(2, len(config.budgets) - 1)]
    nats = simulated(name, conditions, budget, config.runs, config.seed + 1, config)
    return config.lengths[int(nats.mean(axis=1).argmax())]


def simulated(
    name: str, conditions: np.ndarray, budget: int, runs: int, seed: int, config: Config
) -> np.ndarray:
    """Nats below the start of what would be submitted, shape `(conditions, runs)`.

    Args:
      name: spec of the strategy.
      conditions: rows of r, noise, crash rate and length.
      budget: in undirected evaluations; also the most steps.
      runs: for each condition.
      seed: of the keys.
      config: of the study.
    """
    import warnings

    import jax

    import gome_theory
    import optimizers
    from experiments.spec import build_strategy
    from gome_theory import Reliability
    from simulators import (
        Prices,
        World,
        best_loss_within_summary,
        noisy_evaluator,
        noisy_oracle,
        sphere,
        sweep,
    )

    strategy, landscape = build_strategy(name), sphere(config.dim)
    unit = float(gome_theory.hill_climb_rate(config.dim).step)
    folds = config.folds if strategy.policy.folds else 0

    def build(condition):
        r, noise, crash, length = condition
        reasoner = Reliability(alignment=r / math.sqrt(config.dim))
        evaluator = noisy_evaluator(
            noise, crash_rate=crash, repair_rate=config.repair_rate, folds=folds
        )
        step = unit * length
        return strategy, World(
            landscape,
            noisy_oracle(reasoner, scale=step),
            noisy_oracle(Reliability(alignment=0.0), scale=step),
            evaluator,
        )

    with warnings.catch_warnings():
        # What cannot act in a small budget is part of what is compared.
        warnings.simplefilter("ignore", optimizers.InertSchedule)
        loss = sweep(
            build,
            tuple(conditions.astype(np.float32).T),
            jax.random.key(seed),
            steps=budget,
            runs=runs,
            summary=best_loss_within_summary(Prices(diagnosis=config.cost - 1.0), budget),
        )
    return _nats(np.asarray(loss, float))


def cma(noise: float, crash: float, budget: int, config: Config) -> np.ndarray:
    """The same of CMA-ES, shape `(floor_runs,)`."""
    import jax

    from experiments.cma_es import cma_es
    from gome_theory import Reliability
    from simulators import World, noisy_evaluator, noisy_oracle, sphere

    nobody = noisy_oracle(Reliability(alignment=0.0))
    evaluator = noisy_evaluator(noise, crash_rate=crash)
    world = World(sphere(config.dim), nobody, nobody, evaluator)
    loss, score = cma_es(world, jax.random.key(config.seed), budget, config.floor_runs)
    chosen = np.nan_to_num(score, nan=-np.inf).argmax(axis=1)
    submitted = loss[np.arange(config.floor_runs), chosen]
    return _nats(np.where(np.isfinite(score).any(axis=1), submitted, np.nan))


def _nats(loss: np.ndarray) -> np.ndarray:
    """Below the start, whose loss is 1; nothing submitted is no progress."""
    return -np.log(np.nan_to_num(loss, nan=1.0))


def _final_rows(name: str, nats: np.ndarray, alignments: Sequence[Any], config: Config) -> Rows:
    return [
        {
            "kind": "final",
            "strategy": name,
            "side": config.side(name),
            "r": r,
            "noise": noise,
            "crash_rate": crash,
            "value": float(runs.mean()),
            "stderr": float(runs.std(ddof=1) / math.sqrt(runs.size)),
        }
        for (noise, crash), of_r in zip(config.grid, nats, strict=True)
        for r, runs in zip(alignments, of_r, strict=True)
    ]


def _lead_rows(finals: dict[str, np.ndarray], config: Config) -> Rows:
    """Of each directed rule and hybrid over the best search, and where it overtakes it.

    The best search is chosen by the runs it is then judged by, which favours it.
    """
    search = max(config.searches, key=lambda name: finals[name].mean())
    rows: Rows = []
    for name in (*config.directed, *config.hybrids):
        runs = (finals[name] - finals[search]).T[None]
        lead = Lead(np.array(config.scaled_alignments), runs)
        shared = {"strategy": name, "side": config.side(name), "search": search}
        rows += [
            {"kind": "lead", "r": r, "value": value, "low": low, "high": high, **shared}
            for r, value, low, high in zip(
                config.scaled_alignments, *(a.tolist() for a in lead.mean()), strict=True
            )
        ]
        value, low, high = (x if math.isfinite(x) else math.nan for x in lead.crossover())
        rows.append({"kind": "crossover", "value": value, "low": low, "high": high, **shared})
    return rows


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """The map of leads at every budget, and all strategies at one condition."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick

    figure = plt.figure(figsize=(12.5, 7.6))
    grid = figure.add_gridspec(2, len(config.budgets), height_ratios=(1.0, 1.15))
    limit = float(table.query("kind == 'lead' and side == 'directed'").value.abs().quantile(0.95))
    image = None
    for column, budget in enumerate(config.budgets):
        axes = figure.add_subplot(grid[0, column])
        image = _map(axes, table.query("budget == @budget"), limit, config)
        axes.set_title(f"budget {budget}")
        if column:
            axes.set_yticklabels([])
        else:
            axes.set_ylabel("score noise, crash rate")
    if image is not None:
        label = "best directed rule - best search, nats"
        figure.colorbar(image, ax=figure.axes[: len(config.budgets)], label=label, shrink=0.9)
    bottom = grid[1, :].subgridspec(1, 2, width_ratios=(1.6, 1.0))
    _curves(figure.add_subplot(bottom[0]), table, config)
    _ranks(figure.add_subplot(bottom[1]), table, config)
    if config.runs < Config().runs:
        mark_quick(figure)
    return figure


def _map(axes: Axes, rows: pd.DataFrame, limit: float, config: Config):
    """Lead of the best directed rule over the best search; hatched where it is not certain."""
    grid = config.grid
    leads = rows.query("kind == 'lead' and side == 'directed'")
    leads = leads.set_index(["noise", "crash_rate", "r"]).sort_index()
    shape = len(grid), len(config.scaled_alignments)
    value, certain = np.zeros(shape), np.zeros(shape, bool)
    for i, (noise, crash) in enumerate(grid):
        for j, r in enumerate(config.scaled_alignments):
            here = leads.loc[[(noise, crash, r)]]
            best = here.iloc[int(here.value.to_numpy().argmax())]
            value[i, j] = best.value
            certain[i, j] = best.low > 0 or best.high < 0
    image = axes.imshow(value, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto", origin="lower")
    for i, j in np.argwhere(~certain):
        axes.text(j, i, "?", ha="center", va="center", fontsize=8, color="#333333")
    axes.grid(False)
    axes.set_xticks(range(shape[1]), [f"{r:g}" for r in config.scaled_alignments])
    axes.set_yticks(range(shape[0]), [f"{n:g}, {c:.0%}" for n, c in grid])
    axes.set_xlabel(r"reliability $r = \rho\sqrt{d}$")
    return image


def _shown(table: pd.DataFrame, config: Config) -> pd.DataFrame:
    condition = "budget == {} and noise == {} and crash_rate == {}".format(*config.shown)
    return table.query(f"kind == 'final' and {condition}")


def _curves(axes: Axes, table: pd.DataFrame, config: Config) -> None:
    """What listens to diagnoses, over reliability, and the best search at one condition."""
    from experiments.style import SERIES, label_end, simulated as drawn

    budget, noise, crash = config.shown
    here, right = _shown(table, config), config.scaled_alignments[-1]
    for name, series in zip((*config.directed, *config.hybrids), SERIES, strict=False):
        mine = here.query("strategy == @name").sort_values("r")
        drawn(axes, mine.r, mine.value, mine.stderr, series, band=True)
        axes.plot([], [], color=series["color"], linestyle=series["linestyle"], label=name)
    searches = here.query("side == 'search'")
    best = searches.iloc[int(searches.value.to_numpy().argmax())]
    level = [float(best.value)] * 2
    axes.plot([0.0, right], level, color="#555555", lw=1.2)
    label_end(axes, [0.0, right], level, f"{best.strategy}, best search", "#555555")
    axes.legend(loc="upper left")
    axes.set(
        title=f"Budget {budget}, noise {noise:g}, crash rate {crash:.0%}; "
        f"a diagnosed step costs {config.cost:g}",
        xlabel=r"reliability $r = \rho\sqrt{d}$",
        ylabel="nats below the start",
    )


def _ranks(axes: Axes, table: pd.DataFrame, config: Config) -> None:
    """What does not listen, at the same condition."""
    here = _shown(table, config).query("side == 'search' or side == 'floor'").sort_values("value")
    places = np.arange(len(here))
    colours = ["#000000" if side == "floor" else "#555555" for side in here.side]
    axes.hlines(places, 0, here.value, color="#CCCCCC", lw=1.0)
    axes.errorbar(here.value, places, xerr=1.96 * here.stderr, fmt="none", color="#555555", lw=1.0)
    axes.scatter(here.value, places, color=colours, s=16, zorder=3)
    names = [f"{n} (numeric floor)" if n == FLOOR else n for n in here.strategy]
    axes.set_yticks(places, names)
    axes.set(title="Searches at the same condition", xlabel="nats below the start")


STUDY = Study(
    name="paradigms",
    question="Which of directed rules, tree searches and hybrids wins at which reliability, "
    "budget, noise and crash rate?",
    full=Config(),
    quick=Config(
        scaled_alignments=(0.0, 1.0, 2.0),
        budgets=(20, 50),
        noises=(0.0, 0.1),
        crash_rates=(0.3,),
        directed=("sgd", "gome"),
        searches=("hill_climb", "aide", "best_of_n"),
        hybrids=(),
        lengths=(0.5, 1.0),
        runs=32,
        floor_runs=4,
        shown=(50, 0.1, 0.3),
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
)
