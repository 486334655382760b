"""What a selector submits at the end of a simulated run, and what that cost beyond the search."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

import optimizers
from optimizers import Operator, Selector
from simulators.rollout import Recording, Trace, World


def submitted(
    selector: Selector, world: World, trace: Trace, recording: Recording, key: Key[Array, ""]
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """True loss of what a selector submits. Pure: jit it, vmap it over runs.

    The first candidates in rank are measured once more if the selector `revalidates`, with the
    world's evaluator: a candidate that ran runs again. If it `averages`, the mean of their
    parameters is submitted. That is the mean of their predictions for a model that is linear in its
    parameters; of others it is a model of its own. A selector that reads the answers is told minus
    the true loss of every candidate.

    Args:
      selector: what decides.
      world: as it was in the run.
      trace: of a run, from `rollout`.
      recording: of the same run.
      key: for the fresh measurements.

    Returns:
      The loss, +inf if no candidate is valid; and the evaluations that were made beyond the run's.

    Raises:
      ValueError: the selector averages and the landscape has no means: it is discrete, or given by
        its sufficient statistic; or the world turns by itself, so that recorded parameters have
        lost their meaning; or the selector needs scores that the trace does not have.
    """
    if selector.averages > 1:
        _require_means(world)
    history = trace.history
    if selector.reads_test:
        history = history._replace(test=-trace.loss)
    places = max(selector.revalidates, selector.averages, 1)
    ranked = optimizers.ranking(selector, history, places)
    evaluations = jnp.zeros((), jnp.int32)
    if selector.revalidates:
        first = ranked[: selector.revalidates]
        fresh = _measure_again(world, recording.params[first], key)
        fresh = jnp.where(first >= 0, fresh, -jnp.inf)
        order = jnp.argsort(-fresh, stable=True)
        ranked = ranked.at[: selector.revalidates].set(first[order])
        evaluations = (first >= 0).sum().astype(jnp.int32)
    members = ranked[: selector.averages]
    counted = (members >= 0)[:, None]
    mean = (recording.params[members] * counted).sum(axis=0) / counted.sum().clip(1)
    loss = trace.loss[members[0]] if selector.averages == 1 else world.landscape.loss(mean)
    return jnp.where(members[0] >= 0, loss, jnp.inf), evaluations


def _measure_again(world: World, params: Float[Array, "candidates dim"], key: Key[Array, ""]):
    shown = world.landscape.shown or world.landscape.loss
    keys = jax.random.split(key, len(params))

    def score(key, candidate):
        return world.evaluator.measure(key, shown(candidate), jnp.int32(Operator.IMPROVE)).score

    return jax.vmap(score)(keys, params)


def _require_means(world: World) -> None:
    landscape = world.landscape
    if landscape.edits is not None or landscape.retract is not None:
        raise ValueError(
            "the mean of solutions that are discrete, or lumped into a few numbers, is none: a "
            "selector that averages needs free coordinates, as `sphere` and `quadratic` have"
        )
    if world.frame is not None:
        raise ValueError(
            "a world that turns by itself has other coordinates at every step: a selector that "
            "averages needs one without a `frame`"
        )
