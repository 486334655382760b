"""One leaf of a state: what is said of it, how numpy stores it, and how it comes back."""

from __future__ import annotations

import struct
import zipfile
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_PYTHON = (bool, int, float, complex)
UNREADABLE = (
    zipfile.BadZipFile,
    struct.error,
    KeyError,
    ValueError,
    TypeError,
    RuntimeError,
    NotImplementedError,
    RecursionError,
    OverflowError,
    EOFError,
    OSError,
)
"""What parsing bytes that nobody vouches for may raise."""


class Leaf(NamedTuple):
    """What the header says of one leaf."""

    path: str
    kind: str
    """`array`, `key`, or the name of a Python type."""
    dtype: str
    shape: tuple[int, ...]
    weak: bool = False
    """JAX's weak typing: without it a restored state could promote differently."""
    impl: str = ""
    """Of a typed PRNG key."""


def describe(path: Any, leaf: Any) -> Leaf:
    """The leaf in words.

    Raises:
      TypeError: it cannot be saved.
    """
    where = jax.tree_util.keystr(path)
    if type(leaf) in _PYTHON:
        return Leaf(where, type(leaf).__name__, "", ())
    dtype, shape = getattr(leaf, "dtype", None), getattr(leaf, "shape", None)
    if dtype is None or shape is None:
        raise TypeError(
            f"`{where}` is a {type(leaf).__name__}: only arrays, PRNG keys and numbers can be saved"
        )
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        impl = str(jax.random.key_impl(leaf)) if isinstance(leaf, jax.Array) else ""
        return Leaf(where, "key", str(dtype), tuple(shape), impl=impl)
    if dtype.hasobject or dtype.names or dtype.kind not in "biufcV":
        raise TypeError(f"`{where}` has dtype {dtype}: only numbers and booleans can be saved")
    weak = bool(getattr(leaf, "weak_type", False))
    return Leaf(where, "array", dtype.name, tuple(shape), weak)


def storable(leaf: Any) -> np.ndarray:
    """The leaf as an array that numpy can write by itself, bit for bit."""
    if type(leaf) is int:
        return np.frombuffer(hex(leaf).encode(), np.uint8)  # Python integers have no largest
    if type(leaf) in _PYTHON:
        return np.asarray(leaf)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    array = np.asarray(leaf)
    array = np.ascontiguousarray(array).reshape(array.shape)  # which makes scalars vectors
    stored = _stored_dtype(array.dtype)
    return array.astype(stored) if stored.kind == array.dtype.kind else array.view(stored)


def _stored_dtype(dtype: np.dtype) -> np.dtype:
    """Little-endian; bfloat16 and its kin, which numpy does not know, as unsigned integers."""
    return np.dtype(f"<u{dtype.itemsize}") if dtype.kind == "V" else dtype.newbyteorder("<")


def restored(array: np.ndarray, leaf: Leaf, target: Any) -> Any:
    """The leaf from its array; everything is checked, for the header may lie."""
    if leaf.kind == "int":
        text = _matching(array, np.dtype(np.uint8), (array.size,), leaf).tobytes()
        try:
            return int(text, 16)
        except ValueError as error:
            raise damaged(f"`{leaf.path}` is not an integer") from error
    if leaf.kind in ("bool", "float", "complex"):
        return _matching(array, np.dtype(leaf.kind), (), leaf).item()
    if leaf.kind == "key":
        try:
            key = jax.random.wrap_key_data(jnp.array(array), impl=leaf.impl)
        except UNREADABLE as error:
            raise damaged(f"`{leaf.path}` is no key of kind {leaf.impl!r}") from error
        if (key.dtype, key.shape) != (target.dtype, leaf.shape):
            raise damaged(f"`{leaf.path}` is not the key that its header describes")
        return key
    dtype = np.dtype(target.dtype)
    array = _matching(array, _stored_dtype(dtype), leaf.shape, leaf)
    array = array.view(dtype) if dtype.kind == "V" else array.astype(dtype)
    if isinstance(target, np.generic):
        return array[()]
    if isinstance(target, np.ndarray):
        return array
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise ValueError(
            f"`{leaf.path}` has dtype {dtype}, which JAX would cut in half here: load it inside "
            "`with jax.enable_x64(True)`"
        )
    return jnp.array(array)


def _matching(array: np.ndarray, dtype: np.dtype, shape: tuple, leaf: Leaf) -> np.ndarray:
    if (array.dtype, array.shape) != (dtype, shape):
        raise damaged(f"`{leaf.path}` is not the array that its header describes")
    return array


def weakened(leaves: list, weak: list[bool]) -> list:
    """Make leaves weakly typed again. The public way is a compiled identity on weak shapes."""
    chosen = [i for i, leaf in enumerate(leaves) if weak[i] and isinstance(leaf, jax.Array)]
    if not chosen:
        return leaves
    strong = [leaves[i] for i in chosen]
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype, weak_type=True) for x in strong]
    converted = jax.jit(lambda *xs: xs).lower(*shapes).compile()(*strong)
    replaced = dict(zip(chosen, converted, strict=True))
    return [replaced.get(i, leaf) for i, leaf in enumerate(leaves)]


def damaged(why: str) -> ValueError:
    """The error for bytes that `dumps` did not write."""
    return ValueError(f"this is no saved state, or a damaged one: {why}")
