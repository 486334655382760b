"""The probe runs in a sandbox, under another interpreter, and survives parts that do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gome_agent.hardware import _probe
from gome_agent.hardware._probe import MARK, PARTS
from gome_agent.hardware.probing import probe
from gome_agent.sandbox import Execution, Limits, detect

LIMITS = Limits(wall_seconds=60.0, memory_bytes=2**32)
# A torch that claims a card, and brings the process down when anything is computed on it.
TORCH = """
import ctypes
__version__ = "0.0"
class version: cuda = "12.8"
class backends:
    class cudnn:
        version = staticmethod(lambda: 91002)
class _C:
    _cuda_getArchFlags = staticmethod(lambda: "sm_70 sm_90")
class cuda:
    is_available = staticmethod(lambda: True)
    device_count = staticmethod(lambda: 1)
    is_bf16_supported = staticmethod(lambda including_emulation=True: including_emulation)
def manual_seed(seed):
    ctypes.string_at(0)
"""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probed") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "torch.py").write_text(TORCH)
    return folder / "bin" / "python"


def test_a_part_that_crashes_is_told_and_the_others_run(other: Path) -> None:
    found = probe(detect(None, other), LIMITS)
    assert set(found) == set(PARTS)
    assert found["machine"].values["prefix"] == str(other.parents[1])
    assert found["torch"].values["architectures"] == ["sm_70", "sm_90"]
    for part in ("matmul", "training"):
        assert found[part].state == "failed"
        assert "SIGSEGV" in found[part].reason
    assert found["bf16"].values == {"native": False, "claimed": True}
    assert found["jax"].state == "absent"
    assert found["card"].state == "failed"  # an ordinary error, in its own words
    assert "AttributeError" in found["card"].reason


class Says:
    """A sandbox whose scripts print what they want."""

    name, not_covered = "says", ()

    def __init__(self, *lines: str) -> None:
        self.lines, self.runs = lines, 0

    def run(self, script, workdir, data, limits, sealed=()) -> Execution:
        self.runs += 1
        return Execution("timeout", None, 1.0, "\n".join(self.lines), "", "still ran after 1 s")


def test_what_nobody_asked_for_is_not_believed() -> None:
    lines = (
        MARK + '{"part": "torch", "state": "done", "values": {}, "more": 1}',
        MARK + '{"part": "other", "state": "done"}',
        MARK + "[" * 10,
        "noise of a library",
        MARK + '{"part": "torch", "state": "begun"}',
    )
    sandbox = Says(*lines)
    found = probe(sandbox, LIMITS, ("torch", "card"))
    assert found["torch"].reason == "its process ended: still ran after 1 s"
    assert found["card"].state == "failed"
    assert sandbox.runs == 2


def test_a_step_of_training_on_processors() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed here")
    losses = _probe.training("cpu")["losses"]
    assert losses[-1] < losses[0]
