"""What could go wrong with MLE-bench on this machine, found before hours are spent."""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gome_agent.tasks.mlebench import facts
from gome_agent.tasks.mlebench.base import BenchmarkError
from gome_agent.tasks.mlebench.benchmark import Benchmark
from gome_agent.tasks.mlebench.environment import pins
from gome_agent.tasks.mlebench.sizes import gigabytes, needed

FIRST_PAGE = 20
"""Rows of a leaderboard that was downloaded anew: Kaggle's interface gives its first page."""
TOO_NEW_KAGGLE = (1, 7)
"""From this version on its client lacks what the benchmark imports."""
DECIDE_SCORES = ("pandas", "numpy", "scipy", "scikit-learn")
_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """One check, and how it came out."""

    check: str
    ok: bool
    message: str
    fix: str = ""
    """What to do about it; empty if it is well."""


def preflight(
    benchmark: Benchmark, competitions: Iterable[str], environ: Mapping[str, str], user: Path
) -> list[Finding]:
    """All checks.

    Args:
      benchmark: the installation.
      competitions: ids of those that are to be run.
      environ: environment variables, for Kaggle's credentials.
      user: the user's home folder, for the same.

    Raises:
      BenchmarkError: its Python cannot be started, or a competition does not exist.
    """
    ids = list(competitions)
    with benchmark.doctor() as doctor:
        about = doctor.ask("about", packages=[*pins(), "kaggle"])
        if about["path"] is None:
            fix = "run `gome mlebench install SOURCE`"
            return [Finding("benchmark", False, f"cannot be imported: {about['error']}", fix)]
        inventory = doctor.ask("inventory", competitions=ids)
    unprepared = [name for name in ids if inventory[name]["lacking"]]
    return [
        Finding("benchmark", True, f"{about['path']} {benchmark.commit}".strip()),
        packages(about["versions"], pins()),
        leaderboards(inventory),
        thresholds(inventory),
        data(inventory),
        kaggle_client(about["versions"]["kaggle"], wanted=bool(unprepared)),
        kaggle_credentials(environ, user, wanted=bool(unprepared)),
        disk(unprepared, free_gigabytes(benchmark.data_dir)),
    ]


def packages(versions: Mapping[str, str | None], wanted: Mapping[str, str]) -> Finding:
    """Whether the packages that decide scores are those that scores were checked with."""
    wrong = [
        f"{name} {versions[name] or 'is missing'} (wanted {wanted[name]})"
        for name in DECIDE_SCORES
        if versions[name] != wanted[name]
    ]
    if not wrong:
        found = ", ".join(f"{name} {versions[name]}" for name in DECIDE_SCORES)
        return Finding("packages", True, found)
    why = "other versions can reject submissions that are perfect"
    fix = "let `gome mlebench install SOURCE` make the environment"
    return Finding("packages", False, f"{', '.join(wrong)}: {why}", fix)


def leaderboards(inventory: Mapping[str, Any]) -> Finding:
    """Whether medals can be told: tables that are there, and whole."""
    bad = [name for name, told in inventory.items() if told["leaderboard"] != "ok"]
    short = [
        name
        for name, told in inventory.items()
        if told["leaderboard"] == "ok" and told["teams"] <= FIRST_PAGE
    ]
    if bad:
        pointers = all(inventory[name]["leaderboard"] == "pointer" for name in bad)
        what = "are Git LFS pointers" if pointers else "are missing, unreadable or LFS pointers"
        fix = "install git-lfs and run `git lfs pull` in the clone of MLE-bench"
        return Finding("leaderboards", False, f"those of {_some(bad)} {what}", fix)
    if short:
        what = f"those of {_some(short)} have {FIRST_PAGE} rows or fewer: only the first page, "
        fix = "restore them in the clone by `git checkout` and `git lfs pull`"
        return Finding("leaderboards", False, f"{what}so that all thresholds are wrong", fix)
    return Finding("leaderboards", True, f"{len(inventory)} are whole")


def thresholds(inventory: Mapping[str, Any]) -> Finding:
    """Whether leaderboards that are there give the medal thresholds that we know of them."""
    there = {name: told["thresholds"] for name, told in inventory.items() if told["thresholds"]}
    known = {name: found for name, found in there.items() if facts.thresholds(name)}
    wrong = {name: facts.cross_check(name, **found) for name, found in known.items()}
    wrong = {name: told for name, told in wrong.items() if told}
    if wrong:
        first = next(iter(wrong.values()))[0]
        fix = "restore the leaderboards in the clone by `git checkout` and `git lfs pull`"
        return Finding("thresholds", False, f"differs for {_some(list(wrong))}: {first}", fix)
    return Finding("thresholds", True, f"{len(known)} leaderboards give those that are known")


def data(inventory: Mapping[str, Any]) -> Finding:
    """Whether the data of all competitions are prepared, and not in part."""
    lacking = {name: told["lacking"] for name, told in inventory.items() if told["lacking"]}
    if not lacking:
        return Finding("data", True, f"all {len(inventory)} competitions are prepared")
    partly = [name for name in lacking if inventory[name]["begun"]]
    message = f"{len(lacking)} of {len(inventory)} are not prepared: {_some(list(lacking))}"
    if partly:
        message += f"; {_some(partly)} only in part: {lacking[partly[0]][0]}"
    return Finding("data", False, message, "run `gome mlebench prepare`, which goes on")


def kaggle_client(version: str | None, *, wanted: bool) -> Finding:
    """Whether Kaggle's client can download for this benchmark."""
    if not wanted:
        return Finding("kaggle client", True, "is not needed")
    if version is None:
        return Finding("kaggle client", True, "is installed by `gome mlebench prepare`")
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < TOO_NEW_KAGGLE:
        return Finding("kaggle client", True, f"version {version}")
    fix = "run `gome mlebench prepare` with an environment that `gome mlebench install` made"
    return Finding("kaggle client", False, f"version {version}; MLE-bench needs <1.7", fix)


def kaggle_credentials(environ: Mapping[str, str], user: Path, *, wanted: bool) -> Finding:
    """Whether there is a key that Kaggle's old client understands; the key itself is not told."""
    check, fix = "kaggle key", "download kaggle.json from kaggle.com/settings to ~/.kaggle/"
    if not wanted:
        return Finding(check, True, "is not needed")
    if environ.get("KAGGLE_USERNAME") and environ.get("KAGGLE_KEY"):
        return _of_the_old_kind(check, environ["KAGGLE_KEY"], "KAGGLE_KEY", fix)
    folder = Path(environ.get("KAGGLE_CONFIG_DIR") or user / ".kaggle")
    path = folder / "kaggle.json"
    if not path.is_file():
        new = environ.get("KAGGLE_API_TOKEN") or (folder / "access_token").is_file()
        also = "; a new-style token is there, which needs a client that is too new" if new else ""
        return Finding(check, False, f"no `{path}`{also}", fix)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        key = told["key"] if told["username"] else ""
    except (OSError, ValueError, KeyError, TypeError):
        return Finding(check, False, f"`{path}` is not an object with username and key", fix)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        return Finding(check, False, f"`{path}` can be read by others", f"run `chmod 600 {path}`")
    return _of_the_old_kind(check, key, f"`{path}`", fix)


def _of_the_old_kind(check: str, key: object, where: str, fix: str) -> Finding:
    if isinstance(key, str) and key and not key.startswith("KGAT"):
        return Finding(check, True, f"{where} holds a key")
    what = "a new-style token, which the client that MLE-bench needs does not know" if key else ""
    return Finding(check, False, f"{where} holds {what or 'no key'}", f"{fix} (the legacy kind)")


def disk(unprepared: Iterable[str], free: float) -> Finding:
    """Whether there is room for the data that are not prepared yet, in GB."""
    names = list(unprepared)
    most, unknown = needed(names), [name for name in names if gigabytes(name) is None]
    but = f", and the unknown size of {_some(unknown)}" if unknown else ""
    message = f"{free:.0f} GB are free, at most {most:.1f} GB are needed{but}"
    fix = "" if free > most else "free some, or name another disk by --data-dir"
    return Finding("disk", free > most, message, fix)


def free_gigabytes(folder: Path) -> float:
    """Free space where a folder is, or will be."""
    there = next((path for path in (folder, *folder.parents) if path.is_dir()), None)
    if there is None:
        raise BenchmarkError(f"no folder above `{folder}` exists: name another by --data-dir")
    return shutil.disk_usage(there).free / 1e9


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + rest
