"""An environment of solutions holds what is pinned, and keeps to it."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gome_agent.hardware import solutions
from gome_agent.hardware.profiles import PROFILES, profile
from gome_agent.hardware.solutions import SolutionsError, install, pins, requirements


def wheel(folder: Path, version: str) -> None:
    """A package of one module."""
    info = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as file:
        file.writestr("tiny.py", f"VERSION = {version!r}\n")
        file.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"
        )
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(
            f"{info}/RECORD", f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )


@pytest.mark.parametrize("name", PROFILES)
def test_everything_is_pinned(name: str) -> None:
    lines = [line for line in requirements(profile(name)).splitlines() if line[:1] not in ("#", "")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", line), line


def test_pins_are_those_that_the_card_supports() -> None:
    for hardware in PROFILES.values():
        if hardware.cudnn_before is not None:
            pinned = pins(hardware)["nvidia-cudnn-cu12"].split(".")
            assert tuple(map(int, pinned[:2])) < hardware.cudnn_before
    # Later wheels of PyTorch carry no code for Volta.
    assert tuple(map(int, pins(profile("v100"))["torch"].split("."))) < (2, 11)
    assert "torch" not in pins(profile("cpu"))


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry in a folder, with two versions of one package; the first one is pinned."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        wheel(folder, version)
    text = f"--no-index\n--find-links {folder}\ntiny==1.0\n"
    monkeypatch.setattr(solutions, "requirements", lambda hardware: text)
    return folder


@pytest.mark.slow
def test_an_environment_keeps_to_what_was_installed(shelf: Path, tmp_path: Path) -> None:
    made = install(profile("cpu"), tmp_path / "env")
    assert "tiny==1.0" in made.packages
    shown = subprocess.run(
        [made.python, "-c", "import sys, tiny; print(sys.prefix, tiny.VERSION)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == [str(tmp_path / "env"), "1.0"]
    upgrade = ("-m", "pip", "install", "--no-index", "--find-links", str(shelf), "tiny==2.0")
    refused = subprocess.run([made.python, *upgrade], capture_output=True, text=True, check=False)
    assert refused.returncode
    assert "constraint" in refused.stderr + refused.stdout
    assert solutions.resolve(profile("cpu")) == ("tiny==1.0",)
    with pytest.raises(SolutionsError, match="is not empty"):
        install(profile("cpu"), tmp_path / "env")


def test_what_goes_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(SolutionsError, match="did not start"):
        install(profile("cpu"), tmp_path / "new", str(tmp_path / "absent"))
    with pytest.raises(SolutionsError, match="failed:\n"):
        solutions._run([sys.executable, "-c", "raise SystemExit('no such thing')"], {})
