"""Which GPUs a script sees: with false device nodes everywhere, with a real one where there is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gome_agent.sandbox import SandboxUnavailable, _gpus
from tests.gome_agent.sandbox_world import World

LOOK = """
import os
print(*sorted(name for name in os.listdir('/dev') if name.startswith('nvidia')))
print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['NVIDIA_VISIBLE_DEVICES'])
"""


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like `/dev` on a machine with two GPUs; devices that read as zeros for root."""
    folder = tmp_path / "dev"
    folder.mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-unknown"):
        try:
            os.mknod(folder / name, stat.S_IFCHR | 0o666, os.makedev(1, 5))
        except PermissionError:
            (folder / name).write_bytes(bytes(4))
    monkeypatch.setattr(_gpus, "DEVICES", folder)
    return folder


def test_none_by_default(world: World, nodes: Path) -> None:
    result = world.run(LOOK)
    seen = result.stdout.splitlines()
    assert result.outcome == "ok", result
    assert seen[1] == " void"
    if world.walls:
        assert seen[0] == ""


def test_exactly_those_that_are_given(world: World, nodes: Path) -> None:
    if world.kind not in ("bubblewrap", "namespaces"):
        pytest.skip("this backend does not make device nodes itself")
    result = world.run(LOOK + "print(open('/dev/nvidia1', 'rb').read(4))", gpus=(1,))
    assert result.outcome == "ok", result
    assert result.stdout.splitlines() == ["nvidia-uvm nvidia1 nvidiactl", "0 1", repr(bytes(4))]


def test_a_process_is_only_asked(world: World, nodes: Path) -> None:
    if world.kind != "process":
        pytest.skip("this backend has walls")
    result = world.run("import os; print(os.environ['CUDA_VISIBLE_DEVICES'])", gpus=(1,))
    assert result.stdout == "1\n"


def test_a_gpu_that_is_not_there(world: World, nodes: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="no GPU 7 here"):
        world.run("pass", gpus=(7,))


def test_addresses_are_free_with_a_gpu_but_memory_is_not(world: World, nodes: Path) -> None:
    script = "import mmap, time\nspace = mmap.mmap(-1, 2**33, mmap.MAP_PRIVATE)\n"
    assert world.run(script, gpus=(0,)).outcome == "ok"
    assert world.run(script).outcome != "ok"
    result = world.run(
        script + "space.write(b'x' * 2**28)\ntime.sleep(9)", gpus=(0,), memory_bytes=2**28
    )
    assert result.outcome == "memory"


@pytest.mark.gpu
def test_a_real_gpu_computes(world: World) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU here")
    script = (
        "import torch\nprint(torch.cuda.device_count(), torch.ones(3, device='cuda').sum().item())"
    )
    limits = {"memory_bytes": 2**34, "processes": 64, "wall_seconds": 120.0}
    assert world.run(script, gpus=(0,), **limits).stdout == "1 3.0\n"
    none = world.run("import torch; print(torch.cuda.is_available())", **limits)
    assert none.stdout == "False\n", none
