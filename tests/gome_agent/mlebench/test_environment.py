"""Where the benchmark comes from, what is made for it, and what is said when that fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gome_agent.tasks.mlebench import environment
from gome_agent.tasks.mlebench.base import BenchmarkError
from gome_agent.tasks.mlebench.benchmark import Benchmark
from gome_agent.tasks.mlebench.environment import at, install
from tests.gome_agent.mlebench import minibench


@pytest.fixture
def clone(tmp_path):
    return minibench.build(tmp_path / "clone")


@pytest.fixture
def here(monkeypatch):
    """Our own Python in place of a venv, whose packages are taken as they are."""
    monkeypatch.setattr(environment, "_venv", lambda home, python, told: Path(sys.executable))
    monkeypatch.setattr(environment, "pins", dict)


def git(folder: Path, *arguments: str) -> str:
    settings = {
        f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_from_a_clone(here, clone, tmp_path):
    made = install(str(clone), tmp_path / "home", tmp_path / "data")
    assert made == Benchmark.load(tmp_path / "home")
    assert (made.source, made.commit) == (str(clone), "")
    with made.rollout() as rollout:
        assert rollout.competitions("lite") == ("coins", "words")


def test_from_a_git_url_and_again(here, clone, tmp_path):
    git(clone, "init", "-q")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "all")
    lines: list[str] = []
    home = tmp_path / "home"
    (home / "mle-bench.part").mkdir(parents=True)  # of an attempt that was interrupted
    made = install(f"file://{clone}", home, tmp_path / "data", told=lines.append)
    assert made.source == str(home / "mle-bench")
    assert made.commit == git(clone, "rev-parse", "HEAD")
    assert lines[0] == f"cloning file://{clone}"
    lines.clear()
    assert install(f"file://{clone}", home, tmp_path / "data", told=lines.append) == made
    assert not [line for line in lines if line.startswith("cloning")]


def test_from_a_python_that_has_it(clone, tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={clone} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    made = install(str(python), tmp_path / "home", tmp_path / "data")
    assert (made.python, made.source) == (python, "")
    with made.rollout() as rollout:
        assert "coins" in rollout.competitions()


def test_from_a_python_that_lacks_it(tmp_path):
    with pytest.raises(
        BenchmarkError, match=r"cannot import the benchmark .*No module named 'mleb"
    ):
        install(sys.executable, tmp_path / "home")
    with pytest.raises(BenchmarkError, match="not installed"):
        Benchmark.load(tmp_path / "home")


def test_from_what_is_no_source(tmp_path):
    for source in (str(tmp_path), "nowhere", str(tmp_path / "none")):
        with pytest.raises(BenchmarkError, match="is not a clone of MLE-bench"):
            install(source, tmp_path / "home")
    with pytest.raises(BenchmarkError, match=r"git clone .* failed: fatal: .*/none"):
        install(f"file://{tmp_path}/none", tmp_path / "home")


def test_a_python_that_the_packages_have_no_wheels_for(clone, tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\necho 3 9\n")
    old.chmod(0o755)
    with pytest.raises(BenchmarkError, match=r"need Python 3\.11 or 3\.12, which `.*` is not"):
        install(str(clone), tmp_path / "home", python=old)


@pytest.mark.slow
def test_the_package_that_pip_fails_at_is_named(clone, tmp_path, monkeypatch):
    """A real venv and a real pip, which may ask nobody."""
    monkeypatch.setattr(environment, "pins", lambda: {"no-such-package-of-gome": "1.0"})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    home = tmp_path / "home"
    with pytest.raises(BenchmarkError, match="could not install no-such-package-of-gome: ERROR"):
        install(str(clone), home)
    lines: list[str] = []
    with pytest.raises(BenchmarkError, match="goes on from here"):
        install(str(clone), home, told=lines.append)
    assert lines == ["installing no-such-package-of-gome==1.0"]  # the venv was there


def test_packages_are_not_put_into_environments_of_others(clone, tmp_path):
    benchmark = at(str(clone), Path(sys.executable), tmp_path, tmp_path / "home")
    with pytest.raises(BenchmarkError, match="is not ours to change: install no-such-package==1"):
        environment.add(benchmark, ["no-such-package==1"], print)
