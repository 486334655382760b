"""All runs of one strategy in a world: a row a step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from experiments.comparison.submitted import submitted
from experiments.spec import build_strategy
from experiments.study import Rows
from experiments.worlds import build_world
from simulators import Prices, simulate, spending

if TYPE_CHECKING:
    from experiments.comparison.compare import Comparison


def rows(config: Comparison, name: str) -> Rows:
    """Simulate; the value is the true loss of what would be submitted, NaN while nothing is valid.

    Run i has the key of run i of every other strategy: the same start, the same errors of reasoner
    and evaluation, for as long as the runs do the same.
    """
    world, strategy = build_world(config.target), build_strategy(name)
    trace = simulate(
        lambda _: (strategy, world),
        jnp.zeros(1),
        jax.random.key(config.seed),
        steps=config.steps,
        runs=config.seeds,
    )
    trace = jax.tree.map(lambda column: column[0], trace)
    chosen = np.asarray(jax.jit(jax.vmap(partial(submitted, strategy)))(trace.history))
    loss = np.take_along_axis(np.asarray(trace.loss, float), np.maximum(chosen, 0), axis=1)
    loss = np.where(chosen >= 0, loss, np.nan)
    prices = Prices(0.0) if config.cost is None else Prices(1.0, diagnosis=config.cost - 1.0)
    spent = spending(trace, call=config.call, prices=prices, diagnoses=world.diagnoses)
    paid = np.broadcast_to(config.limits.pays(spent), loss.shape)
    return [
        {
            "strategy": name,
            "run": run,
            "step": step,
            "value": float(loss[run, step]),
            "medal": None,
            "paid": bool(paid[run, step]),
            **{currency: float(amount[run, step]) for currency, amount in spent._asdict().items()},
        }
        for run, step in np.ndindex(loss.shape)
    ]
