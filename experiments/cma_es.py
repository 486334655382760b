"""CMA-ES in a simulated world: what a numeric optimizer finds with the same evaluations.

A floor, not a rival: it needs a vector to sample, which agents do not have, and it ignores
reasoners. The implementation is pycma (Hansen, arXiv:1604.00772) with its default settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from optimizers import Operator
from simulators.rollout import World, world_key

if TYPE_CHECKING:
    from cma import CMAEvolutionStrategy

# Folded into the key of an evaluation.
_CMA = 2**32 - 16


class DiscreteWorld(ValueError):
    """CMA-ES was asked to search a world whose solutions are not free vectors."""


def cma_es(
    world: World, key: Key[Array, ""], steps: int, runs: int, relative_step: float = 0.5
) -> tuple[Float[np.ndarray, "runs steps"], Float[np.ndarray, "runs steps"]]:
    """Run CMA-ES from the starting points that strategies draft first.

    Run `i` has the key that it has in `simulate`, and so the same starting point; its first
    evaluation is of that point. What fails counts as worst.

    Args:
      world: its landscape and its evaluator are used.
      key: split into one key a run.
      steps: evaluations per run.
      runs: number of runs.
      relative_step: initial standard deviation in units of the root mean square of the start's
        coordinates, measured from the optimum.

    Returns:
      True loss and measured score (NaN where it failed) of each candidate in order.

    Raises:
      DiscreteWorld: the landscape is one of edits, or retracts updates.
    """
    landscape = world.landscape
    if landscape.edits is not None or landscape.retract is not None:
        raise DiscreteWorld(
            "CMA-ES samples free vectors, and the solutions of this world are not: leave it out"
        )
    optimum = np.zeros(landscape.dim) if landscape.optimum is None else landscape.optimum
    evaluate = jax.jit(_evaluator(world))
    losses, scores = np.empty((2, runs, steps), np.float32)
    for i, run in enumerate(jax.random.split(key, runs)):
        start = np.asarray(landscape.start(world_key(run, jnp.int32(0))), float)
        step = relative_step * float(np.sqrt(np.mean((start - optimum) ** 2)))
        candidates = _candidates(_strategy(start, step, seed=i + 1), start)
        place, answer = 0, None
        while place < steps:
            asked = candidates.send(answer)
            # Of one shape always: one compilation.
            numbers = jnp.arange(place, place + len(asked))
            loss, score = (np.asarray(x) for x in evaluate(run, numbers, jnp.asarray(asked)))
            taken = min(len(asked), steps - place)
            losses[i, place : place + taken] = loss[:taken]
            scores[i, place : place + taken] = score[:taken]
            place, answer = place + taken, score
    return losses, scores


def _strategy(start: np.ndarray, step: float, seed: int) -> CMAEvolutionStrategy:
    import cma

    return cma.CMAEvolutionStrategy(start, step, {"seed": seed, "verbose": -9})


def _candidates(strategy: CMAEvolutionStrategy, start: np.ndarray):
    """Populations, the first led by the starting point; is sent their scores."""
    first = True
    while True:
        asked = strategy.ask()
        if first:
            asked[0] = start
        score = yield np.array(asked, np.float32)
        strategy.tell(asked, [np.inf if np.isnan(s) else -float(s) for s in score])
        first = False


def _evaluator(world: World):
    landscape = world.landscape

    def one(key: Key[Array, ""], number: Int[Array, ""], x: Float[Array, " dim"]):
        key = jax.random.fold_in(world_key(key, number), _CMA)
        shown = (landscape.shown or landscape.loss)(x)
        measured = world.evaluator.measure(key, shown, jnp.int32(Operator.IMPROVE))
        valid = measured.valid
        if landscape.runs is not None:
            valid &= landscape.runs(x)
        return landscape.loss(x), jnp.where(valid, measured.score, jnp.nan)

    return jax.vmap(one, in_axes=(None, 0, 0))
