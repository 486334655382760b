"""Prepare a work folder for one script and clean it afterwards.

The folder may have been written by an earlier hostile script, so nothing in it is trusted: the
script is saved to a new file, never through a link that lies there, and whatever is in the place
of `input` is removed first and last, so that no path to the data stays behind.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from gome_agent.sandbox.base import SandboxUnavailable

SCRIPT = "solution.py"


@contextlib.contextmanager
def prepared(
    script: str,
    workdir: Path,
    data: Path,
    sealed: Sequence[Path],
    access: Literal["link", "mount"],
) -> Iterator[None]:
    """Save the script and make `input`; remove `input` afterwards.

    Args:
      script: Python source.
      workdir: made if missing; its `solution.py` and `input` are replaced.
      data: folder with the task's public files.
      sealed: paths that are going to be hidden.
      access: `link` makes `input` a link to the data, `mount` an empty folder to mount them on.

    Raises:
      ValueError: the data are no folder, or lie in the work folder, where they would be lost; or
        a sealed path does not exist (a misspelt seal protects nothing).
      SandboxUnavailable: something in the work folder cannot be replaced.
    """
    if not data.is_dir():
        raise ValueError(f"the data folder `{data}` is not a folder")
    if data.resolve().is_relative_to(workdir.resolve()):
        raise ValueError(
            f"the data `{data}` lie inside the work folder `{workdir}`, where the script can"
            " write; keep them elsewhere"
        )
    for path in sealed:
        if not path.exists():
            raise ValueError(
                f"the sealed path `{path}` does not exist, so it cannot be hidden; check its name"
            )
    workdir.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(workdir.stat().st_mode)
    entry = workdir / "input"
    _remove(entry)
    _remove(workdir / SCRIPT)
    _write_new(workdir / SCRIPT, script)
    if access == "link":
        entry.symlink_to(data.resolve(), target_is_directory=True)
    else:
        entry.mkdir()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # a script may close its own folder, or remove it
            os.chmod(workdir, mode)
        _remove(entry)


@contextlib.contextmanager
def temporary_folder(workdir: Path) -> Iterator[Path]:
    """Make a folder for temporary files inside a work folder; remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=".tmp-", dir=workdir)).resolve()
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            remove_tree(folder)


def _write_new(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
        # A model may write lone surrogates: Python shall report them as the script's own error.
        file.write(text.encode("utf-8", "surrogatepass"))


def remove_tree(folder: Path) -> None:
    """Remove a folder that a hostile script has filled; links are not followed.

    Everything inside a folder is moved up to the top before the folder goes, so that neither
    depth nor the length of a path matters; permissions that the script took away are given back.

    Raises:
      OSError: something cannot be removed.
    """
    os.chmod(folder, 0o700)
    while names := os.listdir(folder):
        for path in (folder / name for name in names):
            if path.is_symlink() or not path.is_dir():
                path.unlink()
                continue
            os.chmod(path, 0o700)
            for inner in os.listdir(path):
                # A name of our own: no entry that is still to come can have it.
                os.rename(path / inner, folder / secrets.token_hex(16))
            path.rmdir()
    folder.rmdir()


def _remove(path: Path) -> None:
    """Remove whatever is at a path without following links."""
    try:
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        elif os.path.lexists(path):
            path.unlink()
    except OSError as error:
        raise SandboxUnavailable(
            f"`{path}`, left by an earlier script, cannot be removed ({error});"
            " use a fresh work folder"
        ) from error
