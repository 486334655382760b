"""Whole runs with a model behind an address: by command line, over HTTP, through faults, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from gome_agent.journal import Journal
from gome_agent.models.offline import ExpertResponder
from gome_agent.models.serving import Reply, ScriptedServer, parse_faults
from gome_agent.tasks import registry

pytest.importorskip("litellm")
KEY = "sk-planted-31415926535897"
FAULTS = "429:1,ok*3,500,ok*2,cut,ok*2,html,ok*3,not_json,ok*2,length,tool_call,ok*2,503"
STEPS = 7


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "experiments.cli", *arguments]


def run_command(out: Path, url: str, *more: str) -> list[str]:
    return command(
        *("run", "digits", "--out", str(out), "--steps", str(STEPS), "--in-flight", "3"),
        *("--strategy", "gome(policy=traces(count=3, merge_after=5))", "--repairs", "1"),
        *("--model", f"openai/any(api_base='{url}', prices=(1.0, 0.1, 8.0))"),
        *more,
    )


def environment() -> dict[str, str]:
    return {**os.environ, "OPENAI_API_KEY": KEY, "COLUMNS": "200"}


def call(line: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, capture_output=True, text=True, env=environment(), check=False)


@pytest.fixture(scope="module")
def expert(tmp_path_factory) -> ExpertResponder:
    public = tmp_path_factory.mktemp("public")
    task = registry.load("digits")
    task.prepare(public)
    return ExpertResponder(task, public)


def decisions(out: Path) -> list[dict]:
    with Journal.open(out / "journal.sqlite") as journal:
        settled = sorted(journal.events("settled"), key=lambda event: event.step or 0)
        return [{**event.payload, "clock": 0} for event in settled]


@pytest.fixture(scope="module")
def finished(expert, tmp_path_factory):
    """A run in three traces against a server that fails in many ways."""
    out = tmp_path_factory.mktemp("llm") / "run"
    with ScriptedServer(expert, parse_faults(FAULTS), key=KEY) as server:
        ended = call(run_command(out, server.url, "--budget", "money=1.5"))
        asked = len(server.requests)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return out, ended.stdout, asked


def test_a_run_through_faults_ends_within_its_budget(finished):
    out, said, asked = finished
    summary = json.loads((out / "summary.json").read_text())
    assert summary["ended_by"] == f"all {STEPS} steps are used"
    assert 0 < summary["money"] <= 1.5
    assert summary["submission"] == "submission.csv"
    assert "calls" in said
    with Journal.open(out / "journal.sqlite") as journal:
        exchanged = [event.payload for event in journal.events("exchanged")]
    assert sum(told["spent"]["calls"] for told in exchanged) == summary["calls"] <= asked
    assert sum(told["spent"]["tokens"] for told in exchanged) == summary["tokens"]
    purposes = Counter(told["purpose"] for told in exchanged)
    assert purposes["draft"] >= 3
    assert purposes["judge"]
    assert purposes["repair"], "no reply was ever malformed: the faults did not come"


def test_the_key_is_nowhere(finished):
    out, said, _ = finished
    assert KEY not in said
    for file in out.rglob("*"):
        if file.is_file():
            assert KEY.encode() not in file.read_bytes(), file


def test_costs_and_report_can_be_read(finished):
    out, _, _ = finished
    told = json.loads(call(command("costs", str(out), "--json")).stdout)
    summary = json.loads((out / "summary.json").read_text())
    assert json.dumps(told).count("diagnose") >= 1
    assert str(summary["tokens"]) in json.dumps(told)
    assert call(command("report", str(out))).returncode == 0
    assert "diagnose" in (out / "report.html").read_text()


def test_a_replay_asks_nobody(finished, tmp_path):
    out, _, _ = finished
    ended = call(command("run", "--replay", str(out), "--out", str(tmp_path / "again")))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert decisions(tmp_path / "again") == decisions(out)
    first, again = (
        json.loads((folder / "summary.json").read_text()) for folder in (out, tmp_path / "again")
    )
    for name in ("best_step", "validation", "tokens", "money", "calls", "ended_by"):
        same = pytest.approx(first[name]) if name == "money" else first[name]  # a sum in any order
        assert again[name] == same, name
    assert (tmp_path / "again" / "submission.csv").read_bytes() == (
        out / "submission.csv"
    ).read_bytes()


def test_a_killed_run_pays_for_nothing_twice(expert, tmp_path):
    out = tmp_path / "run"
    with ScriptedServer(expert) as server:
        line = run_command(out, server.url)
        with subprocess.Popen(line, env=environment(), stdout=subprocess.DEVNULL) as process:
            until = time.monotonic() + 120
            while len(server.requests) < 8 and time.monotonic() < until:
                time.sleep(0.05)
            process.kill()
        ended = call(command("resume", str(out)))
        assert ended.returncode == 0, ended.stdout + ended.stderr
        asked = len(server.requests)
    with Journal.open(out / "journal.sqlite") as journal:
        kept = len(list(journal.events("exchanged")))
        resumed = len(list(journal.events("resumed")))
    assert resumed == 1
    assert len(decisions(out)) == STEPS
    # What was under way when it was killed is asked for again, at most one call a trace.
    assert kept <= asked <= kept + 3
    assert call(command("resume", str(out))).returncode == 0
    assert len(decisions(out)) == STEPS


def test_a_second_ctrl_c_does_not_wait_for_replies(tmp_path):
    def slow(body):
        time.sleep(25)
        return Reply("too late")

    out = tmp_path / "run"
    with ScriptedServer(slow) as server:
        with subprocess.Popen(
            run_command(out, server.url),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            until = time.monotonic() + 60
            while not server.requests and time.monotonic() < until:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            time.sleep(1.0)
            assert process.poll() is None, "replies on their way are waited for"
            interrupted = time.monotonic()
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        assert time.monotonic() - interrupted < 15
    assert process.returncode == 130
    assert "gome resume" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_wrong_key_ends_the_run_and_the_right_one_goes_on(expert, tmp_path):
    out = tmp_path / "run"
    with ScriptedServer(expert, key="another-key-entirely") as server:
        ended = call(run_command(out, server.url))
        port = int(server.url.rsplit(":", 1)[1].split("/")[0])
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert KEY not in ended.stderr
    with ScriptedServer(expert, key=KEY, port=port):
        ended = call(command("resume", str(out)))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(decisions(out)) == STEPS
