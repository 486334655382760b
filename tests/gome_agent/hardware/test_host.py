"""Control groups, data and weights, in folders made for it."""

from __future__ import annotations

from pathlib import Path

from gome_agent.hardware.host import (
    data_size,
    groups_of,
    keys_in,
    look,
    memory_limit,
    quota,
)
from gome_agent.sandbox.interpreter import Interpreter, ours


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_limits_of_version_2_count_from_every_group_above(tmp_path: Path) -> None:
    write(tmp_path / "jobs" / "cpu.max", "200000 100000\n")
    write(tmp_path / "jobs" / "memory.max", "max\n")
    write(tmp_path / "jobs" / "one" / "cpu.max", "max 100000\n")
    write(tmp_path / "jobs" / "one" / "memory.max", "1073741824\n")
    groups = list(groups_of("0::/jobs/one\n", tmp_path))
    assert quota(groups) == 2.0
    assert memory_limit(groups) == 2**30


def test_limits_of_version_1(tmp_path: Path) -> None:
    write(tmp_path / "cpu,cpuacct" / "docker" / "a" / "cpu.cfs_quota_us", "150000\n")
    write(tmp_path / "cpu,cpuacct" / "docker" / "a" / "cpu.cfs_period_us", "100000\n")
    write(tmp_path / "memory" / "docker" / "a" / "memory.limit_in_bytes", f"{2**33}\n")
    write(tmp_path / "memory" / "memory.limit_in_bytes", "9223372036854771712\n")
    told = "4:memory:/docker/a\n3:cpu,cpuacct:/docker/a\n1:name=systemd:/docker/a\n"
    groups = list(groups_of(told, tmp_path))
    assert quota(groups) == 1.5
    assert memory_limit(groups) == 2**33


def test_a_container_sees_its_own_group_at_the_root(tmp_path: Path) -> None:
    write(tmp_path / "cpu" / "cpu.cfs_quota_us", "-1\n")
    write(tmp_path / "cpu" / "cpu.cfs_period_us", "100000\n")
    write(tmp_path / "memory" / "memory.limit_in_bytes", "4096\n")
    groups = list(groups_of("2:memory:/docker/unseen\n1:cpu:/docker/unseen\n", tmp_path))
    assert quota(groups) is None
    assert memory_limit(groups) == 4096
    assert quota([]) is None
    assert memory_limit([]) is None


def test_data_are_added_up(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b.csv", "x" * 100)
    write(tmp_path / "c.csv", "x" * 11)
    assert data_size(tmp_path) == (111, "")
    assert data_size(tmp_path / "c.csv") == (None, f"`{tmp_path / 'c.csv'}` is not a folder")


def test_weights_that_scripts_can_load(tmp_path: Path) -> None:
    python = Interpreter("/python", (str(tmp_path),))
    assert look(python, None, tmp_path).weights == ()
    assert python.variables == {}
    hub = tmp_path / "weights" / "huggingface" / "hub"
    (hub / "models--timm--resnet50.a1_in1k").mkdir(parents=True)
    write(tmp_path / "weights" / "torch" / "hub" / "checkpoints" / "resnet18.pth", "")
    found = look(python, None, tmp_path).weights
    assert found == ("timm/resnet50.a1_in1k", "resnet18.pth")
    assert python.variables["HF_HOME"] == str(tmp_path / "weights" / "huggingface")


def test_this_machine(tmp_path: Path) -> None:
    here = look(ours(), tmp_path, tmp_path)
    assert here.cores >= 1
    assert here.ram is not None
    assert here.ram > 2**28
    assert here.disk_free > 0
    assert here.data == 0
    assert here.clock > here.newest_file - 86400
    assert here.cards or here.no_cards


def test_only_names_of_keys_are_kept() -> None:
    found = keys_in({"OPENAI_API_KEY": "sk-314159", "OTHER": "sk-271828", "XAI_API_KEY": " "})
    assert found == ("OPENAI_API_KEY",)
