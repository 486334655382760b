"""All runs of one strategy in a world: a row a step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from experiments.cma_es import cma_es
from experiments.comparison.submitted import submitted
from experiments.spec import Spec, build_strategy, call, parse
from experiments.study import Rows
from experiments.worlds import build_world
from optimizers import Strategy
from optimizers.budget import Spent
from simulators import Prices, Recording, Trace, World, rollout, selection, spending

if TYPE_CHECKING:
    from experiments.comparison.compare import Comparison

FLOOR = "cma_es"
"""No strategy, since it samples vectors itself; may be compared with strategies in a world."""


def is_floor(name: str) -> bool:
    """Whether a name, with arguments, is that of the numeric floor."""
    return parse(name).name == FLOOR


def rows(config: Comparison, name: str) -> Rows:
    """Simulate; the value is the true loss of what would be submitted, NaN while nothing is valid.

    Run i has the key of run i of every other strategy: the same start, the same errors of reasoner
    and evaluation, for as long as the runs do the same.
    """
    if is_floor(name):
        loss, spent = _floor(config, parse(name))
        return _table(config, name, loss, spent, np.ones(loss.shape, bool))
    world, strategy = build_world(config.target), build_strategy(name)
    keys = jax.random.split(jax.random.key(config.seed), config.seeds)
    trace, recording = jax.jit(jax.vmap(lambda key: rollout(strategy, world, key, config.steps)))(
        keys
    )
    prices = Prices(0.0) if config.cost is None else Prices(1.0, diagnosis=config.cost - 1.0)
    spent = spending(trace, call=config.call, prices=prices, diagnoses=world.diagnoses)
    history = trace.history._replace(test=-trace.loss)
    chosen = np.asarray(jax.jit(jax.vmap(partial(submitted, strategy)))(history))
    loss = np.take_along_axis(np.asarray(trace.loss, float), np.maximum(chosen, 0), axis=1)
    loss, taken = np.where(chosen >= 0, loss, np.nan), np.ones(loss.shape, bool)
    selector = strategy.selector
    if selector.revalidates or selector.averages > 1:
        loss, spent, taken = _finished(config, strategy, world, trace, recording, keys, loss, spent)
    return _table(config, name, loss, spent, taken)


def _finished(
    config: Comparison,
    strategy: Strategy,
    world: World,
    trace: Trace,
    recording: Recording,
    keys: jax.Array,
    loss: np.ndarray,
    spent: Spent,
) -> tuple[np.ndarray, Spent, np.ndarray]:
    """The last step that is paid has what is measured again, or averaged, after it.

    Returns:
      Losses, what was spent, and which steps were taken: the search ends before the reserve.
    """
    reserve = Spent(strategy.selector.revalidates)
    paid = np.broadcast_to(config.limits.pays(spent + reserve), loss.shape)
    seen = trace._replace(valid=trace.valid & jnp.asarray(paid))
    select = partial(selection.submitted, strategy.selector, world)
    final, extra = jax.jit(jax.vmap(select))(seen, recording, keys)
    final = np.where(np.isfinite(final), np.asarray(final, float), np.nan)
    last = np.maximum(paid.sum(axis=1) - 1, 0)
    runs = np.arange(len(last))
    loss, evaluations = loss.copy(), np.array(spent.evaluations)
    loss[runs, last] = final
    evaluations[runs, last] += np.asarray(extra)
    taken = np.arange(loss.shape[1]) <= last[:, None]
    return loss, spent._replace(evaluations=evaluations), taken


def _floor(config: Comparison, spec: Spec) -> tuple[np.ndarray, Spent]:
    """Losses of the best score so far, and what they cost: evaluations only."""
    world = build_world(config.target)
    arguments = (world, jax.random.key(config.seed), config.steps, config.seeds)
    losses, scores = call(cma_es, spec, (*arguments, *spec.args), spec.kwargs)
    score = np.nan_to_num(scores, nan=-np.inf)
    leads = score >= np.maximum.accumulate(score, axis=1)
    leader = np.maximum.accumulate(np.where(leads, np.arange(config.steps), 0), axis=1)
    loss = np.take_along_axis(np.asarray(losses, float), leader, axis=1)
    known = np.isfinite(np.maximum.accumulate(score, axis=1))
    each = np.ones_like(loss).cumsum(axis=1)
    nothing = np.zeros_like(each)
    money = nothing if config.cost is None else each
    spent = Spent(each, nothing, nothing, money, each, each)
    return np.where(known, loss, np.nan), spent


def _table(
    config: Comparison, name: str, loss: np.ndarray, spent: Spent, taken: np.ndarray
) -> Rows:
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
        if taken[run, step]
    ]
