"""Bytes and back: exact, deterministic, and never trusting what is read."""

import io
import json
import os
import struct
import zipfile
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import optimizers
from optimizers import serialization
from optimizers.serialization import dumps, loads, restore, save


class Pair(NamedTuple):
    left: object
    right: object


def bits(leaf):
    """Everything that tells two leaves apart: type, dtype, weakness, shape and bits."""
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return str(leaf.dtype), leaf.shape, np.asarray(jax.random.key_data(leaf)).tobytes()
    if hasattr(leaf, "dtype"):
        weak = getattr(leaf, "weak_type", None)
        kind = "jax" if isinstance(leaf, jax.Array) else type(leaf)
        return kind, str(leaf.dtype), weak, leaf.shape, np.asarray(leaf).tobytes()
    return (type(leaf), struct.pack("<d", leaf) if isinstance(leaf, float) else leaf)


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    assert [bits(x) for x in jax.tree.leaves(a)] == [bits(x) for x in jax.tree.leaves(b)]
    return True


PAYLOADS = np.array([0x7FC00001, 0xFFC12345, 0x80000000, 0x00000001, 0x7F800000], np.uint32)

TREES = {
    "nan payloads, -0, subnormals": jnp.array(PAYLOADS.view(np.float32)),
    "bfloat16": jnp.array([1.5, -0.0, jnp.nan, jnp.inf], jnp.bfloat16),
    "float16": jnp.array([[1.5], [-0.0]], jnp.float16),
    "float8": jnp.array([1.5, -2.0], jnp.float8_e4m3fn),
    "integers": [jnp.array([-1, 2], jnp.int8), jnp.array(2**32 - 1, jnp.uint32)],
    "booleans": jnp.array([True, False]),
    "complex": jnp.array([1 - 2j], jnp.complex64),
    "empty": [jnp.zeros((0, 3)), jnp.zeros((2, 0), jnp.int32)],
    "weak": [jnp.full((3,), -jnp.inf), jnp.asarray(0.1), jnp.asarray(3), jnp.float32(3)],
    "keys": [jax.random.key(3), jax.random.split(jax.random.key(3, impl="rbg"), 3)],
    "old keys": jax.random.PRNGKey(3),
    "numpy": [np.arange(6.0).reshape(2, 3).T, np.float64(0.1), np.arange(3, dtype=np.int64)],
    "python": (3, -(2**20_000), 0.1, -0.0, float("nan"), True, None, 1 - 2j),
    "nothing": None,
    "structure": {"a": Pair((), optax.EmptyState()), "b": [optax.MaskedNode(), Pair(1, None)]},
    "history": optimizers.History(jnp.ones(3), jnp.zeros(3), jnp.ones(3, bool), jnp.ones(3, bool)),
}


@pytest.mark.parametrize("name", TREES)
def test_round_trip_is_exact_to_the_bit(name):
    tree = TREES[name]
    assert same(loads(dumps(tree), tree), tree)


@pytest.mark.parametrize("name", sorted(set(TREES) - {"python", "structure", "numpy"}))
def test_shapes_alone_are_enough_to_load(name):
    tree = TREES[name]
    assert same(loads(dumps(tree), jax.eval_shape(lambda: tree)), tree)


@settings(max_examples=50)
@given(
    arrays(
        st.sampled_from([np.float16, np.float32, np.int32, np.uint8, np.bool_, np.complex64]),
        array_shapes(min_dims=0, min_side=0, max_side=4),
    )
)
def test_any_array_comes_back(array):
    tree = {"jax": jnp.array(array), "numpy": array}
    assert same(loads(dumps(tree), tree), tree)


def test_big_endian_arrays_come_back_as_the_same_numbers():
    tree = np.arange(3, dtype=">f4")
    assert loads(dumps(tree), tree).tolist() == [0, 1, 2]


def test_double_precision_needs_the_same_precision_to_load():
    with jax.enable_x64(True):
        tree = jnp.array([0.1, 1e300])
        assert tree.dtype == jnp.float64
        data = dumps(tree)
        assert same(loads(data, tree), tree)
    with pytest.raises(ValueError, match="enable_x64"):
        loads(data, tree)


def test_equal_trees_give_equal_bytes_and_different_ones_do_not():
    def tree(x):
        return {"b": jnp.array(PAYLOADS.view(np.float32)), "a": Pair(x, jax.random.key(1))}

    assert dumps(tree(1.0)) == dumps(tree(1.0))
    assert dumps(tree(0.0)) != dumps(tree(-0.0))


def test_numpy_opens_it_without_pickle():
    with np.load(io.BytesIO(dumps({"a": jnp.arange(3)})), allow_pickle=False) as file:
        assert json.loads(file["header"].tobytes())["schema"] == serialization.SCHEMA
        assert file["leaf_0"].tolist() == [0, 1, 2]


# --- what does not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("saved", "like", "message"),
    [
        ({"a": 1}, {"b": 1}, r"`\['a'\]` where `\['b'\]`"),
        ([1, 2], [1], r"leaf `\[1\]`, which is not expected"),
        ([1], [1, 2], r"ends before `\[1\]`"),
        ([1], [1.0], r"`\[0\]` is of kind `int`, expected `float`"),
        (jnp.zeros(3), jnp.zeros(4), r"shape \(3,\), expected \(4,\)"),
        (jnp.zeros(3), jnp.zeros(3, jnp.bfloat16), "dtype float32, expected bfloat16"),
        (jax.random.key(0), jax.random.key(0, impl="rbg"), "key<fry>, expected key<rbg>"),
        (Pair(jnp.zeros(2), 1), Pair(jnp.zeros(2), 1.0), r"`\.right`"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_by_name(saved, like, message):
    with pytest.raises(ValueError, match=message):
        loads(dumps(saved), like)


def test_the_rule_that_it_was_saved_with_is_named():
    def run(rule, steps=4):
        strategy = optimizers.directed(rule, policy=optimizers.search.aide())
        return optimizers.init(strategy, jnp.zeros(3), jax.random.key(0), steps)

    data = dumps(run(optimizers.adam()), note="adam(learning_rate=0.1)")
    with pytest.raises(ValueError, match=r"rule_state.*saved with.*`adam\(learning_rate=0.1\)`"):
        loads(data, run(optimizers.momentum()))
    with pytest.raises(ValueError, match=r"`\.params` has shape \(4, 3\), expected \(8, 3\)"):
        loads(data, run(optimizers.adam(), steps=8))


@pytest.mark.parametrize("leaf", ["text", object(), np.array(["a"]), np.array([None])])
def test_what_is_no_number_cannot_be_saved(leaf):
    with pytest.raises(TypeError, match=r"`\['x'\]`"):
        dumps({"x": leaf})


# --- hostile and damaged bytes -------------------------------------------------------------------

STATE = {"m": jnp.arange(5.0), "key": jax.random.key(0), "n": 7}


def rewritten(data, change, compression=zipfile.ZIP_STORED):
    """The archive with its parts changed, otherwise well-formed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return buffer.getvalue()


def npy(array, **kwargs):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **kwargs)
    return file.getvalue()


def with_header(**changes):
    def change(parts):
        header = json.loads(np.load(io.BytesIO(parts["header.npy"])).tobytes())
        text = json.dumps({**header, **changes}).encode()
        parts["header.npy"] = npy(np.frombuffer(text, np.uint8))

    return change


def test_a_newer_version_is_refused():
    data = rewritten(dumps(STATE), with_header(schema=serialization.SCHEMA + 1))
    with pytest.raises(ValueError, match="update the package"):
        loads(data, STATE)


class Bomb:
    def __reduce__(self):
        return os._exit, (13,)


def replaced(name, content):
    return lambda parts: parts.__setitem__(name, content)


HUGE = npy(np.zeros(5, np.float32)).replace(b"(5,), }" + b" " * 12, b"(5000000000000,), }")
assert len(HUGE) == len(npy(np.zeros(5, np.float32)))
HOSTILE = {
    "pickle": replaced("leaf_0.npy", npy(np.array([Bomb()]), allow_pickle=True)),
    "pickled header": replaced("header.npy", npy(np.array([Bomb()]), allow_pickle=True)),
    "claims terabytes": replaced("leaf_1.npy", HUGE),
    "another dtype": replaced("leaf_1.npy", npy(np.zeros(5, np.float64))),
    "another shape": replaced("leaf_1.npy", npy(np.zeros(6, np.float32))),
    "short key": replaced("leaf_0.npy", npy(np.zeros(1, np.uint32))),
    "no number": replaced("leaf_2.npy", npy(np.frombuffer(b"spam", np.uint8))),
    "missing part": lambda parts: parts.pop("leaf_2.npy"),
    "one part more": replaced("leaf_3.npy", b""),
    "no header": lambda parts: parts.pop("header.npy"),
    "header of another kind": with_header(format="else"),
    "header without leaves": with_header(leaves=3),
    "header without version": with_header(schema="1"),
    "deep header": replaced("header.npy", npy(np.frombuffer(b"[" * 100_000, np.uint8))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(name):
    with pytest.raises(ValueError, match="damaged"):
        loads(rewritten(dumps(STATE), HOSTILE[name]), STATE)


def test_compressed_files_are_refused_before_they_are_unpacked():
    zeros = replaced("header.npy", npy(np.zeros(50_000_000, np.uint8)))
    bomb = rewritten(dumps(STATE), zeros, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    with pytest.raises(ValueError, match="compressed"):
        loads(bomb, STATE)


def test_truncated_bytes_are_refused():
    data = dumps(STATE)
    for length in range(0, len(data), 7):
        with pytest.raises(ValueError, match="damaged"):
            loads(data[:length], STATE)


def test_a_flipped_bit_is_noticed_or_harmless():
    data = dumps(STATE)
    refused = 0
    for position in range(0, len(data), 5):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        try:
            read = loads(bytes(flipped), STATE)
        except ValueError:
            refused += 1
        else:  # a date, an attribute: nothing that is read
            assert same(read, STATE)
    assert refused > len(data) / 5 / 2


# --- files ---------------------------------------------------------------------------------------


def test_a_file_comes_back_and_is_replaced(tmp_path):
    path = tmp_path / "state.npz"
    save(path, STATE)
    save(path, {**STATE, "n": 8})
    assert restore(path, STATE)["n"] == 8
    assert os.listdir(tmp_path) == ["state.npz"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, failing):
    path = tmp_path / "state.npz"
    save(path, STATE)

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(serialization.os, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        save(path, {**STATE, "n": 8})
    monkeypatch.undo()
    assert restore(path, STATE)["n"] == 7
    assert os.listdir(tmp_path) == ["state.npz"]


def test_a_file_that_is_far_too_large_is_not_read(tmp_path):
    path = tmp_path / "state.npz"
    with open(path, "wb") as file:
        file.truncate(1 << 32)
    with pytest.raises(ValueError, match="was not read"):
        restore(path, STATE)


def test_the_file_is_named_when_it_cannot_be_read(tmp_path):
    path = tmp_path / "state.npz"
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"state\.npz.*damaged"):
        restore(path, STATE)
    with pytest.raises(FileNotFoundError):
        restore(tmp_path / "none.npz", STATE)
