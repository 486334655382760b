"""Where installed packages keep the raw data of the bundled tasks.

Packages are located, never imported: importing one only to learn its folder is slow, and listing
tasks must stay fast. Copies outside the installed packages (an installer's download cache, another
environment) are not known here; a sandbox has to hide those on its own.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

SEALED_FOLDERS = {
    "sklearn": "datasets/data",
    "plotnine": "data",
    "statsmodels": "datasets/randhie",
}
"""Folder, inside each package, that holds raw data of some bundled task."""


def package_folder(package: str) -> Path | None:
    """Folder of an installed top-level package, or None if it is not installed."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def data_file(package: str, name: str) -> Path:
    """Path of a data file `name` in the sealed folder of `package`.

    Raises:
      FileNotFoundError: if the package is not installed or its release has no such file.
    """
    folder = package_folder(package)
    if folder is None:
        raise FileNotFoundError(
            f"The data file `{name}` ships inside the package `{package}`, which is not installed; "
            f"install gome with its `tasks` extra."
        )
    path = folder / SEALED_FOLDERS[package] / name
    if not path.is_file():
        raise FileNotFoundError(
            f"The installed `{package}` has no data file `{name}` where it was expected "
            f"(`{path}`); install a release that ships it."
        )
    return path


def sealed() -> tuple[Path, ...]:
    """Folders with raw data of any bundled task, over all installed packages.

    The answers of every task can be read out of these, so all are sealed for each task.
    """
    located = ((package_folder(package), part) for package, part in SEALED_FOLDERS.items())
    return tuple(folder / part for folder, part in located if folder is not None)
