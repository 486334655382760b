"""A pipeline: components with options that interact, crash and cost time."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from simulators._ranges import require_count, require_range
from simulators.landscapes._base import Landscape
from simulators.landscapes._bits import most_wanted

_LARGEST_ENUMERATION = 2**18


class _Tables(NamedTuple):
    """One number for each of the `options ** components` pipelines, in C order of the options."""

    loss: np.ndarray
    runs: np.ndarray
    repaired: np.ndarray


def pipeline(
    components: int,
    options: int,
    seed: int,
    *,
    interactions: float = 0.5,
    crash_share: float = 0.1,
) -> Landscape:
    """Choose one option for each component (data, features, model, validation, ...).

    A pipeline is worth the sum of its options and of their pairwise interactions, all normal. Some
    pairs of options crash. Option 0 of every component is safe: it crashes with nothing, and
    `repair` goes back to it in the later component of every pair that crashes. Times of options are
    exponential; a pipeline takes one second on average.

    A point holds one-hot blocks, component by component. A start is uniform among the pipelines
    that run and has loss 1 on average. One that does not run has the loss of the worst that does,
    which nobody gets to see, and takes as long as if it ran. Everything is tabulated, so the
    optimum (of those that run) is exact.

    Args:
      components: at least 2.
      options: of each component, at least 2; at most 2^18 pipelines in all.
      seed: of the effects, crashes and times.
      interactions: share of the variance that is due to interactions, in [0, 1].
      crash_share: probability that two options, neither of them safe, crash together.

    Raises:
      ValueError: a parameter is out of its range.
    """
    components = require_count("components", components, 2, "a pipeline has parts that interact")
    options = require_count("options", options, 2, "a component leaves a choice")
    require_range("interactions", interactions, 0.0, 1.0, "a share of the variance")
    require_range("crash_share", crash_share, 0.0, 1.0, "a probability")
    if options**components > _LARGEST_ENUMERATION:
        raise ValueError(
            f"`options` ** `components` is {options}^{components}, more than the "
            f"{_LARGEST_ENUMERATION} pipelines that are enumerated to know the optimum. "
            "Pass fewer of either."
        )
    generator = np.random.default_rng(seed)
    table = _tabulate(generator, components, options, interactions, crash_share)
    times = generator.exponential(size=(components, options))
    times = jnp.asarray(times / times.mean(axis=1).sum(), jnp.float32).ravel()
    losses, running = jnp.asarray(table.loss, jnp.float32), jnp.asarray(table.runs)
    repaired = jnp.asarray(table.repaired, jnp.int32)
    starts = jnp.asarray(np.flatnonzero(table.runs), jnp.int32)
    strides = options ** np.arange(components)[::-1]

    def chosen(x):
        return jnp.argmax(x.reshape(components, options), axis=1)

    def number(x):
        return chosen(x) @ strides

    def point(number):
        return jax.nn.one_hot((number // strides) % options, options).ravel()

    def effects(x):
        steps = (np.arange(options) - chosen(x)[:, None]) * strides[:, None]
        here = number(x)
        return (losses[here + steps] - losses[here]).ravel()

    def retract(x, update):
        which, wanted = most_wanted(1.0 - x, update)
        component, option = which // options, which % options
        moved = chosen(x).at[component].set(option)
        return jnp.where(wanted, jax.nn.one_hot(moved, options).ravel(), x)

    return Landscape(
        components * options,
        loss=lambda x: losses[number(x)],
        start=lambda key: point(jax.random.choice(key, starts)),
        smoothness=1.0,
        gradient=effects,
        edits=lambda x: 1.0 - x,
        retract=retract,
        runs=lambda x: running[number(x)],
        repair=lambda x: point(repaired[number(x)]),
        seconds=lambda x: jnp.dot(times, x),
        optimum=point(int(np.where(table.runs, table.loss, np.inf).argmin())),
    )


def _tabulate(generator, components, options, interactions, crash_share) -> _Tables:
    grid = np.indices((options,) * components).reshape(components, -1)
    pairs = list(itertools.combinations(range(components), 2))
    main = generator.normal(size=(components, options)) * np.sqrt((1 - interactions) / components)
    value = np.take_along_axis(main, grid, axis=1).sum(axis=0)
    offends = np.zeros(grid.shape, bool)
    for first, second in pairs:
        effect = generator.normal(size=(options, options)) * np.sqrt(interactions / len(pairs))
        crash = generator.random((options, options)) < crash_share
        crash[0, :] = crash[:, 0] = False
        value += effect[grid[first], grid[second]]
        offends[second] |= crash[grid[first], grid[second]]
    runs = np.logical_not(offends.any(axis=0))
    loss = value - value[runs].min()
    loss = np.where(runs, loss, loss[runs].max()) / loss[runs].mean()
    strides = options ** np.arange(components)[::-1]
    return _Tables(loss, runs, strides @ np.where(offends, 0, grid))
