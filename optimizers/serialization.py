"""States that survive the process: a pytree of arrays to bytes and back, exact to the bit.

The format is an ordinary `.npz` (uncompressed, no pickle): one array per leaf in the order of the
tree, and a JSON header with the schema version and each leaf's key path, dtype and shape. Structure
is not stored: NamedTuples, `optax.EmptyState` and everything else that is not an array come from
`like`, a tree of the shape that is expected. So reading executes nothing, and a state of another
rule, capacity or dtype is refused by name instead of being squeezed in.

>>> import jax.numpy as jnp
>>> state = {"mu": jnp.array([1.0, -0.0]), "count": jnp.array(3)}
>>> loads(dumps(state), like=state)["count"]
Array(3, dtype=int32, weak_type=True)
>>> loads(dumps(state), like={"mu": jnp.zeros(3), "count": jnp.array(0)})
Traceback (most recent call last):
ValueError: the saved state does not fit: `['mu']` has shape (2,), expected (3,). ...
"""

from __future__ import annotations

import io
import json
import os
import secrets
import zipfile
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from optimizers._leaves import UNREADABLE, Leaf, damaged, describe, restored, storable, weakened

Tree = TypeVar("Tree")

SCHEMA = 1
"""Version of the format; grows when older readers would misread newer files."""

_FORMAT = "gome state"
_HEADER = "header"


def dumps(tree: Any, *, note: str = "") -> bytes:
    """The bytes of a tree: a `Run`, a rule's state, a `History`, any pytree of arrays.

    Equal trees give equal bytes, so bytes may be compared or hashed.

    Args:
      tree: leaves are JAX or numpy arrays of any dtype, typed PRNG keys, or Python numbers.
      note: a line for error messages, e.g. the spec of the strategy.

    Returns:
      An `.npz` file; `numpy.load` opens it with `allow_pickle=False`.

    Raises:
      TypeError: a leaf is none of these.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    described = [describe(path, leaf) for path, leaf in leaves]
    header = {
        "format": _FORMAT,
        "schema": SCHEMA,
        "note": note,
        "leaves": [leaf._asdict() for leaf in described],
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    arrays = {_HEADER: np.frombuffer(text, np.uint8)}
    for index, (_, leaf) in enumerate(leaves):
        arrays[f"leaf_{index}"] = storable(leaf)

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()


def loads(data: bytes, like: Tree) -> Tree:
    """The tree that `dumps` wrote, leaf for leaf as it was.

    Args:
      data: from `dumps`.
      like: a tree of the same structure, shapes and dtypes; its values do not matter and may be
        `jax.ShapeDtypeStruct`, so `jax.eval_shape` of whatever builds the state will do.

    Returns:
      The tree. Leaves are numpy where `like` is numpy, Python numbers where they were, else JAX.

    Raises:
      ValueError: the bytes are truncated, damaged or of a newer version, or the state does not fit
        `like`; the message names the first leaf that differs, and how.
    """
    archive, header = _opened(data)
    saved = header["leaves"]
    targets, structure = jax.tree_util.tree_flatten_with_path(like)
    _check_fit(saved, [describe(path, leaf) for path, leaf in targets], header["note"])
    names = [f"leaf_{index}.npy" for index in range(len(saved))]
    if archive.namelist() != [f"{_HEADER}.npy", *names]:
        raise damaged("its parts are not those that its header lists")
    leaves = [
        restored(_member(archive, name), leaf, target)
        for name, leaf, (_, target) in zip(names, saved, targets, strict=True)
    ]
    return structure.unflatten(weakened(leaves, [leaf.weak for leaf in saved]))


def save(path: str | os.PathLike[str], tree: Any, *, note: str = "") -> None:
    """Write a tree to a file, entirely or not at all.

    The bytes go to a temporary file beside it and reach the disk before they take the name, so a
    full disk, a kill or a power cut leaves the previous file as it was.

    Args:
      path: of the file; its folder must exist.
      tree: as for `dumps`.
      note: as for `dumps`.
    """
    path = Path(path)
    data = dumps(tree, note=note)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def restore(path: str | os.PathLike[str], like: Tree) -> Tree:
    """Read what `save` wrote.

    Args:
      path: of the file.
      like: as for `loads`.

    Raises:
      ValueError: as `loads`, or the file is far larger than such a state can be.
      FileNotFoundError: there is no such file.
    """
    path = Path(path)
    size, limit = path.stat().st_size, _plausible_size(like)
    if size > limit:
        raise ValueError(
            f"`{path}` has {size} bytes and a state like this one at most {limit}: it holds "
            "something else, and was not read"
        )
    try:
        return loads(path.read_bytes(), like)
    except ValueError as error:
        raise ValueError(f"cannot restore `{path}`: {error}") from error


# --- the file -------------------------------------------------------------------------------------


def _opened(data: bytes) -> tuple[zipfile.ZipFile, dict[str, Any]]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except UNREADABLE as error:
        raise damaged(str(error)) from error
    text = _member(archive, f"{_HEADER}.npy").tobytes()
    try:
        header = json.loads(text)
        if header["format"] != _FORMAT or header["schema"] < 1:
            raise ValueError("it says that it is something else")
    except UNREADABLE as error:
        raise damaged(f"its header cannot be read ({error})") from error
    if header["schema"] > SCHEMA:
        raise ValueError(
            f"the state was saved with schema version {header['schema']}, and this version of "
            f"`optimizers` reads up to {SCHEMA}: update the package"
        )
    try:
        leaves = [Leaf(**{**leaf, "shape": tuple(leaf["shape"])}) for leaf in header["leaves"]]
        return archive, {"leaves": leaves, "note": str(header["note"])}
    except UNREADABLE as error:
        raise damaged(f"its header is incomplete ({error})") from error


def _member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array of the archive. Nothing is allocated beyond the bytes that are there."""
    try:
        entry = archive.getinfo(name)
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError("it is compressed, which states never are")
        data = archive.read(entry)
        file = io.BytesIO(data)
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("unknown version of the array format")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if fortran or dtype.hasobject:
            raise ValueError("states never hold arrays of this kind")
        return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape).copy()
    except UNREADABLE as error:
        raise damaged(f"`{name}` cannot be read ({error})") from error


def _check_fit(saved: list[Leaf], expected: list[Leaf], note: str) -> None:
    """Raise on the first leaf that differs."""
    for have, want in zip_longest(saved, expected):
        difference = _difference(have, want)
        if difference:
            origin = f" It was saved with rule or strategy `{note}`." if note else ""
            raise ValueError(
                f"the saved state does not fit: {difference}.{origin} Load it with the strategy, "
                "the number of steps and the dimension that it was saved with"
            )


def _difference(have: Leaf | None, want: Leaf | None) -> str:
    if have is None:
        return f"it ends before `{want.path}`, which is expected" if want else ""
    if want is None:
        return f"it has a leaf `{have.path}`, which is not expected"
    if have.path != want.path:
        return f"it has `{have.path}` where `{want.path}` is expected"
    if have.kind != want.kind:
        return f"`{have.path}` is of kind `{have.kind}`, expected `{want.kind}`"
    if have.dtype != want.dtype:
        return f"`{have.path}` has dtype {have.dtype}, expected {want.dtype}"
    if have.shape != want.shape:
        return f"`{have.path}` has shape {have.shape}, expected {want.shape}"
    return ""


def _plausible_size(like: Any) -> int:
    """Bytes that a file for such a tree cannot exceed by much, so that nothing larger is read."""
    sizes = [
        int(np.prod(getattr(leaf, "shape", ()))) * getattr(leaf.dtype, "itemsize", 8)
        if hasattr(leaf, "dtype")
        else 64
        for leaf in jax.tree.leaves(like)
    ]
    return 2 * sum(sizes) + 4096 * len(sizes) + (64 << 20)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable; systems that cannot open a folder do it by themselves."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
