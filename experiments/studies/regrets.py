"""The simulated half of the hybrids study: what is lost against the better pure strategy.

Every strategy is the sequential policy behind the gate `improved`, with another side for each step;
run `i` has the same key for all of them, so that what they reached is compared run by run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import optimizers
from experiments.studies.crossings import mean_and_stderr
from experiments.studies.sphere import directed_gated
from gome_theory import Reliability
from optimizers import Operator, Policy, Strategy, search
from simulators import (
    Prices,
    World,
    combined,
    loss_within_summary,
    lumped_oracle,
    lumped_sphere,
    mean_summary,
    noisy_evaluator,
    noisy_oracle,
    quadratic,
    sweep,
)

PURE = {"directed": Operator.DESCEND, "hill_climb": Operator.IMPROVE}
HYBRIDS = ("hand_over", "bandit", "auto")


class Setting(NamedTuple):
    """A world but for its reasoner's alignment; starts have loss 1."""

    dim: int
    build: Callable[[Any, Any, int], World]
    """`(alignment, step of the proposer, dim) -> world`; the first two traced."""
    step: float = 1.0
    """Directed steps, in multiples of the best on a sphere."""


def _lumped(alignment, step, dim, *, evaluator=None, bias_share: float = 0.0) -> World:
    return World(
        lumped_sphere(dim),
        lumped_oracle(Reliability(alignment=alignment, bias_share=bias_share), dim),
        lumped_oracle(Reliability(alignment=0.0), dim, scale=step),
        noisy_evaluator() if evaluator is None else evaluator,
    )


def _noisy(alignment, step, dim) -> World:
    """A scaled noise of 0.7 in every score at all times, and a tenth of the candidates crash."""
    evaluator = noisy_evaluator(0.7 / dim, relative=True, crash_rate=0.1)
    return _lumped(alignment, step, dim, evaluator=evaluator)


def _biased(alignment, step, dim) -> World:
    """A tenth of the energy of the reasoner's errors persists."""
    return _lumped(alignment, step, dim, bias_share=0.1)


def _quadratic(alignment, step, dim) -> World:
    """Condition number 30, mean curvature 1."""
    curvatures = np.geomspace(1.0, 1.0 / 30.0, dim)
    return World(
        quadratic(curvatures / curvatures.mean()),
        noisy_oracle(Reliability(alignment=alignment)),
        noisy_oracle(Reliability(alignment=0.0), scale=step),
        noisy_evaluator(),
    )


SETTINGS: dict[str, Setting] = {
    "sphere, d = 30": Setting(30, _lumped),
    "sphere, d = 100": Setting(100, _lumped),
    "directed steps half as long": Setting(30, _lumped, step=0.5),
    "noisy scores, crashes": Setting(30, _noisy),
    "ill-conditioned": Setting(30, _quadratic),
    "persistent bias": Setting(30, _biased),
}
NOISE_FREE = ("sphere, d = 30", "sphere, d = 100")
"""Where the verdict is made."""


def policies(cost: float, budget: float) -> dict[str, Policy]:
    """The hybrids for that price; the hand-over comes at half the budget."""
    nodes = search.sequential()
    return {
        "hand_over": search.hand_over(nodes, after=round(budget / 2)),
        "bandit": search.bandit(nodes, cost=cost),
        "auto": search.auto(nodes, cost=cost),
    }


def regret_rows(name: str, config: Any) -> list[dict[str, Any]]:
    """Progress, regret and share of directed steps, over alignments, costs and budgets.

    Args:
      name: of a setting.
      config: of the study.
    """
    setting = SETTINGS[name]
    runs = config.runs if name in NOISE_FREE else config.other_runs
    pure = {
        side: simulated(setting, search.sequential(operator), config.costs, runs, config)
        for side, operator in PURE.items()
    }
    rows = []
    for cost in config.costs:
        at_this_price = {side: (reached[cost], share) for side, (reached, share) in pure.items()}
        for hybrid, policy in policies(cost, config.budgets[-1]).items():
            reached, share = simulated(setting, policy, (cost,), runs, config)
            at_this_price[hybrid] = reached[cost], share
        rows += _compared(name, cost, at_this_price, config)
    return rows


def simulated(
    setting: Setting, policy: Policy, costs: tuple[float, ...], runs: int, config: Any
) -> tuple[dict[float, np.ndarray], np.ndarray]:
    """What a policy reaches.

    Returns:
      For each cost the progress in nats, shape `(alignments, runs, budgets)`; and the share of
      directed steps among all of a run, shape `(alignments, runs)`.
    """
    alignments = np.asarray(config.scaled_alignments) / math.sqrt(setting.dim)
    steps = setting.step * directed_gated(alignments, setting.dim).step
    search_step = float(directed_gated(np.zeros(1), setting.dim).step[0])
    # The draft costs 1 and is not counted.
    budgets = 1.0 + jnp.asarray(config.budgets)

    def build(condition):
        alignment, step = condition
        strategy = Strategy(
            policy,
            optimizers.sgd(step),
            optimizers.gates.improved(),
            optimizers.selectors.best(),
        )
        return strategy, setting.build(alignment, search_step, setting.dim)

    losses = {
        str(cost): loss_within_summary(Prices(evaluation=1.0, diagnosis=cost - 1.0), budgets)
        for cost in costs
    }
    kept = sweep(
        build,
        (jnp.asarray(alignments, jnp.float32), jnp.asarray(steps, jnp.float32)),
        jax.random.key(config.seed),
        steps=2 + round(config.budgets[-1]),
        runs=runs,
        summary=combined(
            **losses, share=mean_summary(lambda seen: seen.operator == Operator.DESCEND, first=1)
        ),
    )
    # Every start has loss 1.
    reached = {cost: -np.log(np.asarray(kept[str(cost)], np.float64)) for cost in costs}
    return reached, np.asarray(kept["share"], np.float64)


def _compared(
    name: str, cost: float, strategies: dict[str, tuple[np.ndarray, np.ndarray]], config: Any
) -> list[dict[str, Any]]:
    """One row for each strategy, alignment and budget."""
    rows = []
    for i, r in enumerate(config.scaled_alignments):
        for j, budget in enumerate(config.budgets):
            reached = {strategy: values[i, :, j] for strategy, (values, _) in strategies.items()}
            better = max(PURE, key=lambda side: reached[side].mean())
            for strategy, progress in reached.items():
                value, stderr = mean_and_stderr(progress)
                regret, regret_stderr = mean_and_stderr(
                    (reached[better] - progress) / reached[better].mean()
                )
                rows.append(
                    {
                        "world": name,
                        "cost": cost,
                        "budget": budget,
                        "r": r,
                        "strategy": strategy,
                        "better": better,
                        "value": float(value),
                        "stderr": float(stderr),
                        "regret": float(regret),
                        "regret_stderr": float(regret_stderr),
                        "directed": float(strategies[strategy][1][i].mean()),
                    }
                )
    return rows
