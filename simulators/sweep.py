"""Sweeps that are too large to keep: summaries only, in chunks, on all devices, resumable.

Conditions and runs are one list of work, cut into chunks of equal size, so that one compilation
serves them all. Devices take chunks in turns and run the same program, each by itself: a program
that is partitioned over devices is optimised differently and rounds differently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil, prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding
from jaxtyping import Array, Key, PyTree

import optimizers
from optimizers import Strategy
from simulators.batches import one_run
from simulators.checkpoints import Checkpoint, load, save
from simulators.rollout import World, situate, step, world_key
from simulators.summaries import Summary

GIB = 2**30
# A batch of one is no batch to the compiler, which then rounds differently.
_SMALLEST = 2


class Plan(NamedTuple):
    """How a sweep is cut, and what that takes."""

    chunk: int
    """Runs in a chunk."""
    bytes: int
    """Of all results and of one chunk, on all devices together."""
    compute: Sequence[Callable[[Any, Any], Any]]
    """For each device, `(conditions, key data) -> values`, all with a leading axis of runs."""
    values: PyTree[jax.ShapeDtypeStruct]
    """What is kept of one run."""


def program_bytes(program: Any) -> int:
    """Memory that a compiled program takes while it runs; 0 where the backend does not tell."""
    used = program.memory_analysis()
    if used is None:
        return 0
    return used.temp_size_in_bytes + used.argument_size_in_bytes + used.output_size_in_bytes


def summarize(
    strategy: Strategy,
    world: World,
    key: Key[Array, ""],
    steps: int,
    summary: Summary,
    common: Key[Array, ""] | None = None,
) -> Any:
    """`rollout`, of which only a summary is kept. Pure: jit it, vmap it.

    Args:
      strategy: what decides.
      world: landscape, oracles, evaluator and frame.
      key: the run's key.
      steps: evaluations, drafts included.
      summary: folded over the steps.
      common: as for `rollout`.
    """
    run = optimizers.init(strategy, jnp.zeros(world.landscape.dim), key, steps)

    def fold(number, carry):
        state, kept = carry
        state, (seen, _) = step(strategy, world, state, world_key(key, number))
        return state, summary.update(kept, number, seen)

    start = (run, situate(world, key, common)), summary.init()
    _, kept = jax.lax.fori_loop(0, steps, fold, start)
    return summary.value(kept)


def sweep(
    build: Callable[[Any], tuple[Strategy, World]],
    conditions: PyTree[Array],
    key: Key[Array, ""],
    *,
    steps: int,
    runs: int,
    summary: Summary,
    traces: int | None = None,
    memory: int = 2 * GIB,
    chunk: int = 4096,
    devices: Sequence[Any] | None = None,
    on_chunk: Callable[[int, int, bool], None] = lambda done, total, kept: None,
    checkpoint: Checkpoint | None = None,
) -> Any:
    """Many runs under many conditions, of which only summaries are kept.

    Run `i` has the same key under every condition, the one that it has in `simulate`. On a CPU
    there are as many devices as `XLA_FLAGS=--xla_force_host_platform_device_count=N` says.

    Args:
      build: from one condition (a slice of `conditions`, traced) to a strategy and a world.
      conditions: pytree of arrays with a common leading axis.
      key: split into one key a run.
      steps: evaluations per run, at least 2.
      runs: runs per condition.
      summary: what to keep of a trace.
      traces: independent traces per run, as for `simulate`.
      memory: bytes that the results and one chunk may take, on all devices together.
      chunk: most runs in a chunk, whatever fits: progress and checkpoints are by chunks.
      devices: where to run; all there are if not given.
      on_chunk: told `(runs done, runs in all, whether this chunk was kept from before)`.
      checkpoint: where finished chunks are kept, and found again.

    Returns:
      The summary's value as NumPy arrays with leading axes `(conditions, runs)`, and
      `(conditions, runs, traces)` if `traces` is given.

    Raises:
      ValueError: an argument is out of its range, or the conditions have no common leading axis.
      MemoryError: `memory` does not hold the results and the smallest chunk; before anything runs.
    """
    number = _conditions(conditions)
    for name, value, least in (
        ("steps", steps, 2),
        ("runs", runs, 1),
        ("traces", 1 if traces is None else traces, 1),
        ("chunk", chunk, 1),
    ):
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}, got {value}")
    devices = jax.devices() if devices is None else list(devices)
    if not devices:
        raise ValueError("`devices` is empty: a sweep needs at least one, or None for all")
    conditions = jax.tree.map(np.asarray, conditions)
    keys = np.asarray(jax.random.key_data(jax.random.split(key, runs)))
    implementation = jax.random.key_impl(key)

    def one(condition, key, common):
        return summarize(*build(condition), key, steps, summary, common)

    def one_of_chunk(condition, data):
        key = jax.random.wrap_key_data(data, impl=implementation)
        return one_run(one, traces)(condition, key)

    def work(numbers):
        at = jax.tree.map(lambda leaf: leaf[numbers // runs], conditions)
        return at, keys[numbers % runs]

    total = number * runs
    planned = plan(one_of_chunk, work, total, memory=memory, chunk=chunk, devices=devices)
    like, structure = jax.tree.flatten(planned.values)
    results = [np.empty((total, *leaf.shape), leaf.dtype) for leaf in like]
    name = "" if checkpoint is None else checkpoint.digest((conditions, keys, steps, traces or 0))

    def begin(rows: range, compute):
        """Where a chunk is kept, whether it was, and its values, perhaps still being computed."""
        file = checkpoint and checkpoint.folder / f"{name}-{rows.start}-{rows.stop}.npz"
        expected = [((len(rows), *leaf.shape), leaf.dtype) for leaf in like]
        found = load(file, expected) if file else None
        if found is not None:
            return file, True, found
        # The last chunk is filled up with the last run: one shape, one compilation.
        numbers = np.minimum(np.arange(rows.start, rows.start + planned.chunk), total - 1)
        return file, False, jax.tree.leaves(compute(*work(numbers)))

    chunks = [range(total)[i : i + planned.chunk] for i in range(0, total, planned.chunk)]
    for i in range(0, len(chunks), len(devices)):
        group = chunks[i : i + len(devices)]
        begun = [begin(*each) for each in zip(group, planned.compute, strict=False)]
        for rows, (file, kept, leaves) in zip(group, begun, strict=True):
            values = [np.asarray(leaf)[: len(rows)] for leaf in leaves]
            if file and not kept:
                save(file, values)
            for result, leaf in zip(results, values, strict=True):
                result[rows.start : rows.stop] = leaf
            on_chunk(rows.stop, total, kept)
    shaped = [result.reshape(number, runs, *result.shape[1:]) for result in results]
    return jax.tree.unflatten(structure, shaped)


def plan(
    one: Callable[[Any, Any], Any],
    work: Callable[[np.ndarray], tuple[Any, Any]],
    total: int,
    *,
    memory: int,
    chunk: int,
    devices: Sequence[Any],
) -> Plan:
    """Compile the largest chunk that fits.

    Args:
      one: `(condition, key data) -> value` of one run.
      work: arguments of runs with these numbers, each with a leading axis.
      total: number of runs.
      memory, chunk, devices: as for `sweep`.

    Raises:
      MemoryError: not even the smallest chunk fits.
    """
    first = work(np.zeros(1, int))
    values = jax.eval_shape(one, *jax.tree.map(lambda leaf: leaf[0], first))
    results = total * sum(
        prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(values)
    )

    def compiled(device, size):
        def shape(leaf):
            return jax.ShapeDtypeStruct((size, *leaf.shape[1:]), leaf.dtype)

        here = jax.jit(
            jax.vmap(one),
            in_shardings=SingleDeviceSharding(device),
            out_shardings=SingleDeviceSharding(device),
        )
        return here.lower(*jax.tree.map(shape, first)).compile()

    size = max(min(chunk, ceil(total / len(devices))), _SMALLEST)
    while True:
        program = compiled(devices[0], size)
        of_chunks = len(devices) * program_bytes(program)
        needed = results + of_chunks
        if needed <= memory:
            break
        if size == _SMALLEST:
            raise MemoryError(
                f"the sweep needs {_mib(needed)} and `memory` is {_mib(memory)}: {_mib(results)} "
                f"for the results of {total:,} runs and {_mib(of_chunks)} for chunks of {size} on "
                f"{len(devices)} device(s); give it more, or fewer runs, conditions or steps"
            )
        fits = int(size * max(memory - results, 0) / of_chunks)
        size = max(min(fits, size - 1), _SMALLEST)
    with ThreadPoolExecutor() as pool:
        others = pool.map(lambda device: compiled(device, size), devices[1:])
        return Plan(size, needed, [program, *others], values)


def _mib(number: int) -> str:
    return f"{number / 2**20:,.1f} MiB"


def _conditions(conditions: PyTree[Array]) -> int:
    """Length of the common leading axis."""
    leaves = jax.tree.leaves(conditions)
    lengths = {np.shape(leaf)[:1] for leaf in leaves}
    if len(lengths) != 1 or () in lengths:
        shapes = ", ".join(str(np.shape(leaf)) for leaf in leaves) or "none"
        raise ValueError(
            "`conditions` must be arrays with a common leading axis, one entry a condition; got "
            f"arrays of shape {shapes}"
        )
    ((number,),) = lengths
    if number == 0:
        raise ValueError("`conditions` is empty: its leading axis has length 0")
    return number
