"""An environment for the benchmark: its clone, a venv with what grading imports, a record of both.

The clone is not installed into the venv but imported from where it is (`PYTHONPATH`): nothing is
built, nothing is written into it, and its lists of splits are found.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gome_agent.tasks.mlebench.base import BenchmarkError
from gome_agent.tasks.mlebench.benchmark import Benchmark, default_data_dir, default_home
from gome_agent.tasks.mlebench.client import clone_of

REQUIREMENTS = Path(__file__).with_name("requirements-mlebench.txt")
KAGGLE = "kaggle==1.6.17"
"""The benchmark's downloads need `kaggle>=1.6,<1.7`; only for preparing."""
PYTHONS = ((3, 11), (3, 12))
"""Versions of Python that the pinned packages have wheels for."""
Told = Callable[[str], None]
_POINTERS = "git-lfs is not installed: leaderboards stay pointers, so that nothing can be graded"
_NAMED = re.compile(
    r"(?:No matching distribution found for|Could not find a version that satisfies the requirement"
    r"|Failed to build|Failed building wheel for|Could not build wheels for) ([\w.-]+)"
)


def pins() -> dict[str, str]:
    """Packages that grading needs, with their versions."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def install(
    source: str,
    home: Path | None = None,
    data_dir: Path | None = None,
    python: Path | None = None,
    told: Told = lambda line: None,
) -> Benchmark:
    """Make the environment, or what is left of it to make, and record it in the home folder.

    Args:
      source: a clone's folder, a git URL (cloned into the home folder), or a Python that can
        import `mlebench` already (then nothing is installed).
      home: where everything goes; `default_home()` if not given.
      data_dir: the benchmark's data folder; that of the benchmark itself if not given.
      python: to make the venv with, 3.11 or 3.12; found if not given.
      told: hears what is being done, a line at a time.

    Raises:
      BenchmarkError: what failed, and what to do.
    """
    home = (home or default_home()).absolute()
    data_dir = (data_dir or default_data_dir()).absolute()
    home.mkdir(parents=True, exist_ok=True)
    if os.access(source, os.X_OK) and Path(source).is_file():
        benchmark = Benchmark(home, Path(source).absolute(), "", "", data_dir)
    else:
        clone = _clone(source, home, told)
        venv = _venv(home, python, told)
        benchmark = Benchmark(home, venv, str(clone), commit_of(clone), data_dir)
        add(benchmark, [f"{name}=={version}" for name, version in pins().items()], told)
    told("trying it")
    require_importable(benchmark)
    benchmark.save()
    return benchmark


def at(source: str, python: Path, data_dir: Path | None, home: Path | None) -> Benchmark:
    """A clone with the packages of some Python, without an installation.

    Raises:
      BenchmarkError: the source is not a clone.
    """
    clone = _local_clone(source)
    data_dir = (data_dir or default_data_dir()).absolute()
    return Benchmark(home or default_home(), python, str(clone), commit_of(clone), data_dir)


def require_importable(benchmark: Benchmark) -> None:
    """Raise unless the benchmark can be imported by its Python.

    Raises:
      BenchmarkError: with the error of the import.
    """
    with benchmark.doctor() as doctor:
        found = doctor.ask("about", packages=[])
    if found["path"] is None:
        raise BenchmarkError(
            f"`{benchmark.python}` cannot import the benchmark ({found['error']}): run "
            "`gome mlebench install SOURCE` with a clone or git URL, which brings what it needs"
        )


def add(benchmark: Benchmark, requirements: Sequence[str], told: Told) -> None:
    """Install what is missing of some pinned packages into the venv that we made.

    Raises:
      BenchmarkError: names the package; or the environment is not ours to change.
    """
    wanted = dict(requirement.split("==") for requirement in requirements)
    with benchmark.doctor() as doctor:
        versions = doctor.ask("about", packages=list(wanted))["versions"]
    missing = [f"{name}=={wanted[name]}" for name in wanted if versions[name] != wanted[name]]
    if not missing:
        return
    if not benchmark.python.is_relative_to(benchmark.home):
        raise BenchmarkError(
            f"`{benchmark.python}` is not ours to change: install {', '.join(missing)} into it, or "
            "let `gome mlebench install SOURCE` make an environment from a clone or git URL"
        )
    told(f"installing {', '.join(missing)}")
    command = [benchmark.python, "-m", "pip", "install", "--disable-pip-version-check", *missing]
    done = _run(command)
    if done.returncode:
        named = sorted(set(_NAMED.findall(done.stderr + done.stdout)))
        which = ", ".join(named) or "one of " + ", ".join(missing)
        raise BenchmarkError(
            f"pip could not install {which}: {_reason(done)}; mend that and run "
            "`gome mlebench install` again, which goes on from here"
        )


def commit_of(clone: Path) -> str:
    """The commit that is checked out, or empty."""
    if shutil.which("git") is None:
        return ""
    done = _run(["git", "-C", clone, "rev-parse", "HEAD"])
    return "" if done.returncode else done.stdout.strip()


def _clone(source: str, home: Path, told: Told) -> Path:
    if "://" not in source and not source.startswith("git@"):
        return _local_clone(source)
    clone, draft = home / "mle-bench", home / "mle-bench.part"
    if clone_of(str(clone)) is None:
        if shutil.which("git") is None:
            raise BenchmarkError("git is not installed: install it, or give a clone's folder")
        told(f"cloning {source}")
        shutil.rmtree(draft, ignore_errors=True)
        done = _run(["git", "clone", source, draft])
        if done.returncode:
            raise BenchmarkError(f"`git clone {source}` failed: {_reason(done)}")
        _local_clone(str(draft))
        draft.replace(clone)
    _pull_large_files(clone, told)
    return clone


def _pull_large_files(clone: Path, told: Told) -> None:
    if shutil.which("git-lfs") is None:
        told(_POINTERS)
        return
    told("fetching the leaderboards (git lfs pull)")
    include = "mlebench/competitions/**/leaderboard.csv"
    done = _run(["git", "-C", clone, "lfs", "pull", "--include", include])
    if done.returncode:
        raise BenchmarkError(f"`git lfs pull` failed in `{clone}`: {_reason(done)}")


def _local_clone(source: str) -> Path:
    clone = clone_of(source)
    if clone is None:
        raise BenchmarkError(
            f"`{source}` is not a clone of MLE-bench (no mlebench/registry.py in it), nor a git "
            "URL, nor a Python"
        )
    return clone.resolve()


def _venv(home: Path, python: Path | None, told: Told) -> Path:
    """The Python of the venv in the home folder, which is made if it is not there."""
    venv = home / "env"
    inside = venv / "bin" / "python"
    ready = venv / "ready"
    if not ready.is_file():
        base = _base(python)
        told(f"making an environment with {base}")
        done = _run([base, "-m", "venv", "--clear", venv])
        if done.returncode:
            raise BenchmarkError(f"`{base} -m venv` failed: {_reason(done)}")
        ready.touch()
    return inside


def _base(python: Path | None) -> Path:
    candidates = (
        [python] if python else [Path(sys.executable), *map(Path, ("python3.11", "python3.12"))]
    )
    for candidate in candidates:
        found = shutil.which(candidate)
        if found and _version(found) in PYTHONS:
            return Path(found)
    tried = ", ".join(f"`{candidate}`" for candidate in candidates)
    raise BenchmarkError(
        f"the benchmark's packages need Python 3.11 or 3.12, which {tried} is not: install one and "
        "name it by --python"
    )


def _version(python: str) -> tuple[int, ...]:
    done = _run([python, "-c", "import sys; print(*sys.version_info[:2])"])
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else ()


def _run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run a program of the installation with the user's own settings, but for Python's."""
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("PYTHON")}
    # Nobody is asked anything, and a clone brings no large files but those that are pulled.
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        env=environment,
    )


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The line that says why a program failed, the first of several."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    errors = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()]
    return (errors[:1] or lines[-1:] or [f"status {done.returncode}"])[0].strip()
