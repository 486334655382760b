"""Scripts run under the interpreter that is asked for, on every backend that works here."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gome_agent.sandbox import SandboxUnavailable, detect, interpreter
from tests.gome_agent.sandbox_world import LIMITS, World

LOOK = """
import sys
print(sys.prefix, sys.executable)
import only_there
print(only_there.SAYS)
"""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin/python` of a second environment, with a module that no other has."""
    folder = tmp_path_factory.mktemp("solutions") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "only_there.py").write_text("SAYS = 'from the environment of solutions'")
    return folder / "bin" / "python"


def test_a_script_runs_in_the_other_environment(world: World, other: Path) -> None:
    if world.kind.startswith("docker"):
        pytest.skip("the interpreter is the image's")
    sandbox = replace(world.sandbox, python=interpreter(other))  # type: ignore[type-var]
    result = replace(world, sandbox=sandbox).run(LOOK)
    assert result.outcome == "ok", result
    assert result.stdout.splitlines() == [
        f"{other.parents[1]} {other}",
        "from the environment of solutions",
    ]


def test_ours_does_not_see_it(world: World, other: Path) -> None:
    result = world.run(LOOK)
    assert result.outcome == "error"
    assert "only_there" in result.stderr


def test_the_environment_cannot_be_written_to(world: World, other: Path) -> None:
    if not world.walls or world.kind.startswith("docker"):
        pytest.skip("no walls, or an image's own")
    sandbox = replace(world.sandbox, python=interpreter(other))  # type: ignore[type-var]
    script = "import sys; open(sys.prefix + '/planted', 'w')"
    result = replace(world, sandbox=sandbox).run(script)
    assert "Read-only file system" in result.stderr
    assert not (other.parents[1] / "planted").exists()


def test_detecting_tries_that_interpreter(other: Path, tmp_path: Path) -> None:
    found = detect("process", other)
    result = found.run("import only_there", tmp_path / "run", other.parent, LIMITS)
    assert result.outcome == "ok", result
    # It runs, but has lost its library: only a script in the sandbox shows it.
    broken = tmp_path / "broken"
    broken.write_text(
        f'#!/bin/sh\n[ "$2" = -c ] && exec {sys.executable} "$@"\necho no library >&2\nexit 1\n'
    )
    broken.chmod(0o755)
    with pytest.raises(SandboxUnavailable, match="no library"):
        detect("process", broken)


def test_what_is_no_python(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="does not run as Python"):
        interpreter(tmp_path / "absent")
    with pytest.raises(SandboxUnavailable, match="does not run as Python"):
        interpreter("/bin/echo")
    old = tmp_path / "old"
    old.write_text('#!/bin/sh\necho \'[[3, 8, 1], "/a", "/b", "/c"]\'\n')
    old.chmod(0o755)
    with pytest.raises(SandboxUnavailable, match=r"is Python 3\.8\.1; scripts need 3\.9"):
        interpreter(old)


def test_links_to_an_environment_are_not_followed(other: Path) -> None:
    assert os.path.islink(other)
    assert interpreter(other).executable == str(other)
    assert interpreter(other).prefixes[0] == str(other.parents[1])
