"""A comparison as a study: what is compared, at which budget, in which cells.

On a world a cell is a strategy with all its runs; run i has the same key for every strategy. On a
task a cell is one run; runs of one seed share everything that the seed decides, the reasoner's
errors included. Kept cells serve a later comparison with more strategies or seeds.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments import spec
from experiments.comparison import figure, runs_of_task, runs_of_world
from experiments.spec import SpecError
from experiments.study import Cell, Rows, Study
from experiments.worlds import WORLDS, build_world
from gome_agent.choosing import require_blind
from gome_agent.tasks import registry
from optimizers.budget import Budget, Spent, parse_budget, parse_spent


class ComparisonError(ValueError):
    """A comparison that cannot be made; says why and what to change."""


@dataclass(frozen=True)
class Comparison:
    """Everything that decides a comparison; saved with it.

    Raises:
      ComparisonError, SpecError, BudgetError: it cannot be made.
    """

    target: str
    """Name of a task, or a world with arguments."""
    strategies: tuple[str, ...]
    baseline: str
    """The strategy that the others are compared with."""
    steps: int
    """Most steps of a run, whatever is left of the budget then."""
    budget: str = ""
    """Limits of a run, as `parse_budget` reads them."""
    seeds: int = 20
    """Runs of each strategy."""
    seed: int = 0
    """The first of them; on a world, that of the key of all."""
    reasoner: str = "expert"
    """On a task; a world's reasoner is among its arguments."""
    cost: float | None = None
    """On a world: price of a diagnosed step in undirected ones, in which money is then counted."""
    per_call: str = ""
    """Tokens, money and seconds of a call, for reasoners that cannot tell."""
    seconds_per_run: float = 120.0
    """Wall clock of one script."""
    sandbox: str | None = None

    def __post_init__(self) -> None:
        for strategy in self.strategies:
            self._require(strategy)
        if len(set(self.strategies)) < max(2, len(self.strategies)):
            raise ComparisonError(
                f"--strategies is {', '.join(self.strategies) or 'empty'}: give two or more that "
                "differ, e.g. 'gome;aide(drafts=5);best_of_n'"
            )
        if self.baseline not in self.strategies:
            raise SpecError(spec.unknown("baseline", self.baseline, self.strategies))
        if self.seeds < 2:
            raise ComparisonError(
                f"--seeds is {self.seeds}: one run shows no spread, take 2 or more"
            )
        if self.cost is not None and not (self.cost > 0 and math.isfinite(self.cost)):
            raise ComparisonError(f"--cost is {self.cost:g}: a step has a price above 0")
        _ = self.limits, self.call
        if self.is_task:
            spec.build_reasoner(self.reasoner)
            if self.cost is not None:
                raise ComparisonError(
                    "--cost prices the steps of a world; on a task the reasoner tells what it "
                    "spends, or give --per-call 'tokens=2000,money=0.01'"
                )
        else:
            build_world(self.target)

    def _require(self, strategy: str) -> None:
        """Refuse what cannot be compared here."""
        if not runs_of_world.is_floor(strategy):
            selector = spec.build_strategy(strategy).selector
            if self.is_task:
                require_blind(selector)
        elif self.is_task:
            raise ComparisonError(
                f"`{strategy}` samples vectors and cannot write solutions: it is for worlds only"
            )

    @property
    def is_task(self) -> bool:
        """Whether the target is a task.

        Raises:
          SpecError: it is neither task nor world.
        """
        if self.target in registry.names():
            return True
        name = spec.parse(self.target).name
        if ":" not in name and name not in WORLDS:
            raise SpecError(spec.unknown("task or world", name, (*registry.names(), *WORLDS)))
        return False

    @property
    def limits(self) -> Budget:
        return parse_budget(self.budget, steps=self.steps)

    @property
    def call(self) -> Spent:
        return parse_spent(self.per_call)

    @property
    def metric(self) -> tuple[str, bool]:
        """What a value is, and whether higher is better."""
        if not self.is_task:
            return "true loss", False
        metric = registry.load(self.target).facts.metric
        return f"held-out {metric.name}", metric.higher_is_better


def default_steps(budget: str) -> int:
    """How many steps a run may take where only a budget is given: one for each evaluation or call.

    Raises:
      ComparisonError: the budget limits neither.
      BudgetError: it cannot be read.
    """
    limits = parse_budget(budget).limits
    for name in ("steps", "evaluations", "calls"):
        if name in limits:
            return math.ceil(limits[name])
    raise ComparisonError(
        "give --steps N, the most steps of a run: only a budget of evaluations or calls implies it"
    )


def comparison(config: Comparison) -> Study:
    """The study that answers it."""
    return Study(
        name="compare",
        question=f"which of {', '.join(config.strategies)} does best on {config.target}?",
        full=config,
        quick=None,
        cells=_cells,
        run_cell=_run_cell,
        figure=figure.draw,
        decides=_decides,
    )


def _cells(config: Comparison) -> list[Cell]:
    if not config.is_task:
        return [{"strategy": strategy} for strategy in config.strategies]
    seeds = range(config.seed, config.seed + config.seeds)
    return [{"strategy": s, "seed": seed} for seed in seeds for s in config.strategies]


def _run_cell(config: Comparison, cell: Cell, scratch: Path) -> Rows:
    if config.is_task:
        return runs_of_task.rows(config, cell["strategy"], cell["seed"], scratch.parent / "runs")
    return runs_of_world.rows(config, cell["strategy"])


def _decides(config: Comparison, cell: Cell) -> Any:
    """The configuration without what other cells are."""
    others = {"strategies", "baseline"} | ({"seeds", "seed"} if config.is_task else set())
    kept = {name: value for name, value in asdict(config).items() if name not in others}
    return [kept, dict(cell)]
