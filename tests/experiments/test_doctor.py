"""`gome doctor` on this machine, whatever it has, and on servers that are there or are not."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from experiments import doctor
from experiments.cli import app
from experiments.runs import RunConfig, execute
from gome_agent.hardware.profiles import PROFILES, UnknownProfile
from gome_agent.hardware.slots import SlotsError


@pytest.fixture
def without_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `nvidia-smi`, and no key."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "")


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


def test_a_model_is_not_asked_but_its_address_is_tried(without_cards) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        there = f"openai/x(api_base='http://127.0.0.1:{port}/v1')"
        asked = f"{there};judge=openai/gpt-5(api_base='http://127.0.0.1:1')"
        _, facts = doctor.examine(doctor.Wanted(model=asked, sandbox="process"))
    assert facts.model_problem == ""
    assert facts.endpoints[f"http://127.0.0.1:{port}/v1"] == ""
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


def test_a_run_remembers_where_its_scripts_run(tmp_path: Path) -> None:
    config = RunConfig("digits", steps=1, hardware="cpu", sandbox="process", reasoner="expert")
    execute(config, tmp_path / "run")
    from experiments.runs import JOURNAL, _config_of
    from gome_agent.journal import Journal

    with Journal.open(tmp_path / "run" / JOURNAL) as journal:
        assert _config_of(journal) == config
