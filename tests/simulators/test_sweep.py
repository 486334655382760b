"""Sweeps: the same numbers however they are cut, and memory that does not grow with steps."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optimizers
from gome_theory import Reliability
from simulators import (
    Checkpoint,
    Prices,
    World,
    acceptance_rate,
    best_loss_within_summary,
    combined,
    log_progress,
    log_progress_summary,
    loss_within,
    loss_within_summary,
    mean_summary,
    noisy_evaluator,
    noisy_oracle,
    simulate,
    spent,
    sphere,
    summarize,
    sweep,
)

BUDGETS = np.array([1.0, 5.0, 11.0, 100.0])
PRICES = Prices(diagnosis=1.0)
SUMMARY = combined(
    rate=log_progress_summary(),
    accepted=acceptance_rate(),
    within=loss_within_summary(PRICES, jnp.asarray(BUDGETS)),
)
CONDITIONS = np.array([0.2, 0.5, 0.8], np.float32)
SIZE = {"steps": 12, "runs": 5}
KEY = 3


def build(rho):
    world = World(
        sphere(8),
        noisy_oracle(Reliability(alignment=rho)),
        noisy_oracle(Reliability(alignment=0.0), scale=0.3),
        noisy_evaluator(0.01),
    )
    return optimizers.directed(optimizers.momentum(0.1, 0.5)), world


def swept(**changes):
    arguments = {"steps": 12, "runs": 5, "summary": SUMMARY, **changes}
    return sweep(build, CONDITIONS, jax.random.key(KEY), **arguments)


def assert_identical(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.fixture(scope="module")
def whole():
    return swept()


def test_a_summary_is_what_the_trace_would_tell(whole):
    trace = simulate(build, jnp.asarray(CONDITIONS), jax.random.key(KEY), **SIZE)
    np.testing.assert_allclose(whole["rate"], log_progress(trace), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(whole["accepted"], trace.accepted[..., 1:].mean(-1), rtol=1e-6)
    within = loss_within(trace, PRICES, jnp.asarray(BUDGETS))
    np.testing.assert_allclose(whole["within"], within, rtol=1e-6)
    assert np.isfinite(within[..., 1]).all()
    assert np.isnan(within[..., 3]).all()  # A budget that outlasts the run.


def test_what_a_budget_submits_is_what_the_trace_would_tell():
    trace = simulate(build, jnp.asarray(CONDITIONS), jax.random.key(KEY), **SIZE)
    paid = np.asarray(spent(trace, PRICES)) <= 9.0
    chosen = np.where(paid, trace.score, -np.inf).argmax(axis=-1)[..., None]
    submitted = np.take_along_axis(np.asarray(trace.loss), chosen, axis=-1)[..., 0]
    found = swept(summary=best_loss_within_summary(PRICES, 9.0))
    np.testing.assert_allclose(found, submitted, rtol=1e-6)
    assert not paid.all()


@pytest.mark.parametrize("chunk", [4, 2])
def test_chunks_change_nothing_and_are_reported(whole, chunk):
    told = []
    assert_identical(swept(chunk=chunk, on_chunk=lambda *now: told.append(now)), whole)
    assert told == [(min(i, 15), 15, False) for i in range(chunk, 15 + chunk, chunk)]


def test_two_devices_give_the_same_bits(whole, tmp_path):
    script = (
        "import jax, numpy as np\n"
        "from tests.simulators.test_sweep import swept\n"
        "assert len(jax.devices()) == 2\n"
        f"np.savez(r'{tmp_path / 'two.npz'}', **swept(chunk=4))\n"
    )
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, **flags})
    with np.load(tmp_path / "two.npz") as two:
        assert_identical(dict(two), whole)


def test_one_compilation_whatever_the_number_of_conditions_and_chunks():
    compiled = []

    def listen(event, duration, **_):
        if event.endswith("backend_compile_duration"):
            compiled.append(duration)

    def compilations(conditions, chunk):
        compiled.clear()
        sweep(
            build,
            conditions,
            jax.random.key(KEY),
            steps=6,
            runs=5,
            summary=mean_summary(lambda seen: seen.loss),
            chunk=chunk,
        )
        return len(compiled)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        compilations(CONDITIONS, 15)  # Splitting the key compiles too, once.
        assert compilations(CONDITIONS, 15) == 1
        assert compilations(np.linspace(0.1, 0.9, 20, dtype=np.float32), 3) == 1
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def test_memory_does_not_grow_with_steps():
    def used(steps):
        def many(rho, keys):
            return jax.vmap(lambda key: summarize(*build(rho), key, steps, SUMMARY))(keys)

        keys = jax.random.split(jax.random.key(0), 16)
        analysis = jax.jit(many).lower(0.5, keys).compile().memory_analysis()
        return analysis.temp_size_in_bytes + analysis.output_size_in_bytes

    assert used(2000) == used(20)


def test_traces_share_a_run(whole):
    found = swept(traces=3)
    assert found["rate"].shape == (3, 5, 3)
    trace = simulate(build, jnp.asarray(CONDITIONS), jax.random.key(KEY), **SIZE, traces=3)
    np.testing.assert_allclose(found["rate"], log_progress(trace), rtol=1e-5, atol=1e-7)


def test_an_interrupted_sweep_goes_on_where_it_stopped(whole, tmp_path):
    checkpoint = Checkpoint(tmp_path / "chunks", "momentum on a sphere, 1")

    def interrupt(done, total, kept):
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(chunk=4, checkpoint=checkpoint, on_chunk=interrupt)
    told = []
    again = swept(
        chunk=4, checkpoint=checkpoint, on_chunk=lambda done, total, kept: told.append(kept)
    )
    assert told == [True, True, False, False]
    assert_identical(again, whole)

    files = sorted(checkpoint.folder.iterdir())
    assert [file.suffix for file in files] == [".npz"] * 4
    content = bytearray(files[0].read_bytes())
    content[content.index(whole["rate"][0, :4].tobytes())] ^= 0xFF
    files[0].write_bytes(content)
    files[1].write_bytes(files[1].read_bytes()[:100])
    told.clear()
    again = swept(
        chunk=4, checkpoint=checkpoint, on_chunk=lambda done, total, kept: told.append(kept)
    )
    assert sorted(told) == [False, False, True, True]
    assert_identical(again, whole)


def test_another_sweep_does_not_find_the_chunks_of_this_one():
    checkpoint = Checkpoint(None, "words")  # type: ignore[arg-type]
    arguments = (CONDITIONS, np.arange(4), 12, 0)
    names = {
        checkpoint.digest(arguments),
        checkpoint.digest((CONDITIONS + 0.1, *arguments[1:])),
        checkpoint.digest((CONDITIONS, np.arange(4) + 1, 12, 0)),
        checkpoint.digest((CONDITIONS, np.arange(4), 13, 0)),
        Checkpoint(None, "others").digest(arguments),  # type: ignore[arg-type]
    }
    assert len(names) == 5
    assert checkpoint.digest((CONDITIONS.copy(), *arguments[1:])) in names


def test_what_does_not_fit_is_said_before_anything_runs():
    told = []
    with pytest.raises(MemoryError, match=r"needs .* MiB and `memory` is 0\.0 MiB"):
        swept(memory=1000, on_chunk=lambda *now: told.append(now))
    assert not told


def test_memory_decides_the_size_of_a_chunk(whole):
    told = []
    found = swept(memory=8000, on_chunk=lambda done, total, kept: told.append(done))
    assert len(told) > 1
    assert_identical(found, whole)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"runs": 0}, "`runs` must be at least 1"),
        ({"steps": 1}, "`steps` must be at least 2"),
        ({"traces": 0}, "`traces` must be at least 1"),
        ({"chunk": 0}, "`chunk` must be at least 1"),
        ({"devices": []}, "`devices` is empty"),
    ],
)
def test_arguments_out_of_range_are_named(changes, named):
    with pytest.raises(ValueError, match=named):
        swept(**changes)


@pytest.mark.parametrize(
    ("conditions", "named"),
    [
        (np.zeros(0), "`conditions` is empty"),
        ((np.zeros(2), np.zeros(3)), "common leading axis"),
        (np.float32(1.0), "common leading axis"),
        ((), "common leading axis"),
    ],
)
def test_conditions_must_be_a_list_of_some(conditions, named):
    with pytest.raises(ValueError, match=named):
        sweep(build, conditions, jax.random.key(0), **SIZE, summary=SUMMARY)
