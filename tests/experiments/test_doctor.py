"""`gome doctor` on this machine, whatever it has, and on servers that are there or are not."""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from experiments import doctor
from experiments.cli import app
from experiments.runs import JOURNAL, RunConfig, _config_of, execute, replay
from gome_agent.hardware.probing import probe
from gome_agent.hardware.profiles import PROFILES, UnknownProfile
from gome_agent.hardware.slots import SlotsError
from gome_agent.journal import Journal
from gome_agent.models import build_model
from gome_agent.sandbox import SandboxUnavailable
from gome_agent.text import IN_MEMORY


@pytest.fixture
def without_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `nvidia-smi`, and no key."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    quick = partial(probe, parts=("machine", "packages"))  # no library is imported
    monkeypatch.setattr(doctor, "probe", quick)


def test_a_machine_without_a_card(without_cards, tmp_path: Path) -> None:
    wanted = doctor.Wanted(profile="v100", data=tmp_path, sandbox="process")
    console = Console(file=io.StringIO(), width=200)
    assert doctor.show(wanted, console=console) == 1
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("`nvidia-smi` is not on this machine's PATH", "not ready for v100: gpu"):
        assert words in text
    assert "checks could not be made" in text


def test_as_json(without_cards, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_API_KEY", "xai-3141592653")
    done = CliRunner().invoke(app, ["doctor", "--json", "--sandbox", "process"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["profile"], told["passes"]) == ("cpu", True)
    findings = {one["check"]: one for one in told["findings"]}
    assert set(findings["disk"]) == {"check", "state", "says", "fix", "needed"}
    assert "XAI_API_KEY" in findings["model keys"]["says"]
    assert "3141592653" not in done.output
    assert not {"gpu", "torch", "driver"} & set(findings)


def test_an_interpreter_that_does_not_run(without_cards, tmp_path: Path) -> None:
    hardware, facts = doctor.examine(doctor.Wanted(python=str(tmp_path / "absent")))
    assert hardware == PROFILES["cpu"]
    assert "does not run as Python" in facts.no_sandbox
    assert not facts.probed


def test_addresses_of_servers() -> None:
    built = build_model("openai/x(api_base='http://h:1');judge=openai/y(api_base='http://h:2/v1')")
    assert built.addresses == ("http://h:1", "http://h:2/v1")
    assert build_model("openai/x").addresses == ()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert doctor.reachable(f"http://{address}/v1") == ""
        assert doctor.reachable(address) == ""
    assert "refused" in doctor.reachable(f"http://{address}/v1")
    assert doctor.reachable("http://[::1")


@pytest.mark.slow
def test_a_model_is_not_asked_but_its_keys_are_looked_for(without_cards) -> None:
    asked = doctor.Wanted(model="openai/x(api_base='http://127.0.0.1:1')", sandbox="process")
    _, facts = doctor.examine(asked)
    assert facts.model_problem == ""
    assert "refused" in facts.endpoints["http://127.0.0.1:1"]
    _, facts = doctor.examine(doctor.Wanted(model="openai/gpt-5", sandbox="process"))
    assert "OPENAI_API_KEY" in (facts.model_problem or "")


def test_what_is_mistyped(tmp_path: Path) -> None:
    with pytest.raises(UnknownProfile):
        doctor.examine(doctor.Wanted(profile="v10"))
    with pytest.raises(UnknownProfile):
        execute(RunConfig("digits", hardware="v10"), tmp_path / "run")
    with pytest.raises(SlotsError):
        execute(RunConfig("digits", gpus="first"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_limits_follow_the_profile() -> None:
    limits = RunConfig("digits", hardware="v100", seconds_per_run=100.0).limits
    assert (limits.threads, limits.wall_seconds, limits.cpu_seconds) == (12, 200.0, 2400.0)
    assert limits.memory_bytes == int(0.9 * 220 * 2**30)
    assert RunConfig("digits").limits.threads == 1


def test_a_profile_with_a_card_gives_scripts_its_first_one() -> None:
    def cards(**settings: str) -> tuple[int, ...]:
        slots = RunConfig("digits", **settings).slots  # type: ignore[arg-type]
        return () if slots is None else slots.gpus

    assert cards(hardware="v100") == (0,)
    assert cards(hardware="v100", gpus="1,2") == (1, 2)
    assert cards(hardware="v100", gpus="none") == cards(hardware="cpu") == cards() == ()


def test_a_card_that_is_not_there_is_told_before_anything_runs(tmp_path: Path) -> None:
    if list(Path("/dev").glob("nvidia[0-9]*")):
        pytest.skip("there are GPUs here")
    with pytest.raises(SandboxUnavailable, match="no GPU 0"):
        execute(RunConfig("digits", hardware="v100"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_replay_needs_neither_the_interpreter_nor_the_cards(tmp_path: Path) -> None:
    env = tmp_path / "env"
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", "--without-pip", env], check=True)
    config = RunConfig("digits", steps=1, sandbox="process", python=str(env / "bin" / "python"))
    summary = execute(config, tmp_path / "run")  # without packages: a failed step, recorded
    assert summary["failed"] == 1
    shutil.rmtree(env)
    again = replay(tmp_path / "run", tmp_path / "again")
    assert {**again, "wall_seconds": 0} == {**summary, "wall_seconds": 0}
    with pytest.raises(SandboxUnavailable):
        execute(config, tmp_path / "other")


def test_a_journal_tells_where_scripts_run() -> None:
    config = RunConfig("digits", hardware="cpu", weights=("timm/resnet50",), gpus="0", gpu_slots=2)
    with Journal.create(IN_MEMORY) as journal:
        journal.append("started", {"config": asdict(config)})
        assert _config_of(journal) == config


@pytest.mark.slow
def test_a_run_in_another_environment(tmp_path: Path) -> None:
    env = tmp_path / "env"
    options = ("--without-pip", "--system-site-packages")
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", *options, env], check=True)
    (packages,) = env.glob("lib/python*/site-packages")
    ours = ":".join(path for path in sys.path if path.endswith("site-packages"))
    (packages / "ours.pth").write_text("\n".join(ours.split(":")) + "\n")
    (env / "weights" / "torch" / "hub" / "checkpoints").mkdir(parents=True)
    (env / "weights" / "torch" / "hub" / "checkpoints" / "resnet18.pth").touch()
    python = str(env / "bin" / "python")
    config = RunConfig("digits", steps=1, hardware="cpu", sandbox="process", python=python)
    summary = execute(config, tmp_path / "run")
    assert summary["validation"] is not None
    with Journal.open(tmp_path / "run" / JOURNAL) as journal:
        assert _config_of(journal) == replace(config, weights=("resnet18.pth",))
