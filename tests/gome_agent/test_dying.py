"""Processes that die, disks that fail, clocks that jump: what was finished is not lost."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import optimizers
from gome_agent import sandbox
from gome_agent.budget import Budget
from gome_agent.evaluator import EvaluationImpossible, SandboxEvaluator
from gome_agent.holding import RunHeld, held
from gome_agent.journal import Journal, JournalError
from gome_agent.loop import INTERRUPTED, Agent
from gome_agent.reasoners import Scripted
from gome_agent.sandbox.base import Limits
from gome_agent.schemas import Edit
from tests.gome_agent.worlds import TASK, Scale, Writer

STRATEGY = optimizers.directed(optimizers.gome(), policy=optimizers.search.traces(2))


def agent(journal: Journal, evaluator=None, steps: int = 10, **options) -> Agent:
    return Agent(
        task=TASK,
        strategy=STRATEGY,
        reasoner=Writer(),
        evaluator=evaluator or Scale(),
        journal=journal,
        budget=Budget(steps),
        public=Path(),
        seed=3,
        capacity=8,
        **{"in_flight": 2, **options},
    )


def decisions(result) -> list[tuple]:
    return [(step.accepted, step.gain, step.solution.script) for step in result.steps]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "journal.sqlite"
    with Journal.create(path) as journal:
        return path, decisions(agent(journal).run())


LIFE = """
import sys, time
from pathlib import Path
from gome_agent.journal import Journal
from tests.gome_agent.test_dying import agent
from tests.gome_agent.worlds import Scale

path = Path(sys.argv[1])
if not path.exists():
    Journal.create(path).close()
with Journal.resume(path) as journal:
    running = agent(journal, Scale(during=lambda: time.sleep(0.02)))
    print("begins", flush=True)
    print(len(running.run().steps), flush=True)
"""


def kill_until_it_ends(path: Path, kills: int, seed: int) -> int:
    """Run in processes that are killed after random times; the last one is left alone."""
    rng = random.Random(seed)
    died = 0
    for life in range(kills + 1):
        command = [sys.executable, "-c", LIFE, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
            if life < kills:
                time.sleep(rng.uniform(0.0, 0.5))
                process.kill()
            died += process.wait() == -signal.SIGKILL
    return died


@pytest.mark.parametrize(
    ("kills", "seed"),
    [(2, 0), *(pytest.param(25, seed, marks=pytest.mark.slow) for seed in range(4))],
)
def test_killed_for_real(kills, seed, whole, tmp_path):
    path = tmp_path / "journal.sqlite"
    died = kill_until_it_ends(path, kills, seed)
    assert died > 0
    with Journal.resume(path) as journal:
        again = agent(journal)
        assert decisions(again.run()) == whole[1]
    assert not again.evaluator.ran


def test_a_second_process_on_a_run_is_refused(tmp_path):
    script = (
        "import sys; from pathlib import Path; from gome_agent.holding import held, RunHeld\n"
        "try:\n  with held(Path(sys.argv[1])): print('in')\n"
        "except RunHeld as refusal: print(refusal)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with held(tmp_path):
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "another process is at work" in told
        with pytest.raises(RunHeld), held(tmp_path):
            pass
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "in\n"


def test_the_clock_of_a_process_that_was_killed_is_known(tmp_path):
    """It is renewed every second, by a thread, whatever the process waits for."""
    script = (
        "import sys, time; from pathlib import Path; from gome_agent.holding import held\n"
        "with held(Path(sys.argv[1])) as before: print(before, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    used = []
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            used.append(float(process.stdout.readline()))
            time.sleep(1.5)
            process.kill()
    with held(tmp_path) as before:
        used.append(before)
    assert used[0] == 0
    # Counted from when the lock was taken, in steps of a second.
    assert 0.9 < used[1] < used[2]


@pytest.mark.slow
def test_a_clock_that_jumps_is_no_matter(tmp_path, whole, monkeypatch):
    jumps = np.random.default_rng(0)
    monkeypatch.setattr("gome_agent.journal.time.time", lambda: jumps.normal() * 1e9)
    with Journal.create(tmp_path / "journal.sqlite") as journal:
        result = agent(journal).run()
    assert decisions(result) == whole[1]
    assert 0 <= result.seconds < 600
    with Journal.resume(tmp_path / "journal.sqlite") as journal:
        assert decisions(agent(journal).run()) == whole[1]


@pytest.mark.parametrize("seed", range(6))
def test_damage_costs_what_comes_after_it(seed, whole, tmp_path):
    """A late page is overwritten with noise: the run goes on from what can still be read."""
    path = tmp_path / "journal.sqlite"
    source = sqlite3.connect(whole[0])
    source.execute("VACUUM INTO ?", (str(path),))
    source.close()
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    page = 4096
    pages = len(content) // page
    last = pages - 1 if seed == 0 else int(rng.integers(pages // 2, pages))
    content[last * page : (last + 1) * page] = rng.bytes(page)
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="was damaged: [0-9]+ events"):
        journal = Journal.resume(path)
    with journal:
        assert decisions(agent(journal).run()) == whole[1]
    assert path.with_name("journal.sqlite.damaged").read_bytes() == bytes(content)


def test_a_torn_end_of_the_log_is_not_there(whole, tmp_path):
    """A power cut in the middle of a write leaves half a frame."""
    path = tmp_path / "journal.sqlite"
    with Journal.create(path) as journal:
        agent(journal).run()
        journal.flush()
        copy = tmp_path / "copy.sqlite"
        copy.write_bytes(path.read_bytes())
        log = path.with_name("journal.sqlite-wal").read_bytes()
        copy.with_name("copy.sqlite-wal").write_bytes(log[: len(log) * 2 // 3] + b"torn")
    with Journal.resume(copy) as journal:
        assert decisions(agent(journal).run()) == whole[1]


def test_what_is_no_journal_at_all_is_not_mended(tmp_path):
    (tmp_path / "journal.sqlite").write_bytes(b"noise" * 5000)
    with pytest.raises(JournalError, match="cannot be read"):
        Journal.resume(tmp_path / "journal.sqlite")


def test_a_disk_that_cannot_be_written_to_any_more(tmp_path, whole, monkeypatch):
    monkeypatch.setattr("gome_agent.journal.WORTH_KEEPING_S", -1.0)
    path = tmp_path / "journal.sqlite"
    with Journal.create(path) as journal:
        running = agent(journal)
        settled = []

        def on_step(step):
            settled.append(step)
            if len(settled) == 3:
                journal._connection.execute("PRAGMA query_only=1")

        running.on_step = on_step
        with pytest.raises(JournalError, match=r"readonly .*gome resume"):
            running.run()
        journal.forget()
    with Journal.resume(path) as journal:
        assert decisions(agent(journal).run()) == whole[1]


SCRIPT = """
import json, shutil, time
time.sleep({seconds})
shutil.copyfile("input/sample_submission.csv", "submission.csv")
print(json.dumps({{"metric": "accuracy", "folds": [{score}]}}))
"""


def real(tmp_path: Path, journal: Journal, scripts: list[str], **options) -> Agent:
    TASK.prepare(tmp_path / "public")
    limits = Limits(wall_seconds=60.0, memory_bytes=2**30)
    evaluator = SandboxEvaluator(
        TASK, sandbox.detect(), limits, tmp_path / "public", tmp_path / "steps"
    )
    return Agent(
        task=TASK,
        strategy=optimizers.undirected(optimizers.search.random_tree()),
        reasoner=Scripted([Edit(script=script) for script in scripts]),
        evaluator=evaluator,
        journal=journal,
        budget=Budget(len(scripts)),
        public=tmp_path / "public",
        **options,
    )


def test_data_that_vanish_stop_the_run_and_it_goes_on_when_they_are_back(tmp_path):
    scripts = [SCRIPT.format(seconds=0, score=0.1 * i) for i in range(3)]
    path = tmp_path / "journal.sqlite"
    with Journal.create(path) as journal:
        running = real(tmp_path, journal, scripts)
        running.step()
        (tmp_path / "public").rename(tmp_path / "elsewhere")
        with pytest.raises(EvaluationImpossible, match="are gone"):
            running.run()
    (tmp_path / "elsewhere").rename(tmp_path / "public")
    with Journal.resume(path) as journal:
        result = real(tmp_path, journal, scripts).run()
    assert [step.solution.valid for step in result.steps] == [True] * 3


@pytest.mark.parametrize("workers", [1, 3])
def test_ctrl_c_ends_scripts_at_once_and_the_run_goes_on_from_there(workers, tmp_path):
    scripts = [SCRIPT.format(seconds=0, score=0.5)]
    scripts += [SCRIPT.format(seconds=45, score=0.6)] * 3
    path = tmp_path / "journal.sqlite"
    with Journal.create(path) as journal:
        running = real(tmp_path, journal, scripts, in_flight=3, workers=workers)
        timer = threading.Timer(4.0, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        started = time.monotonic()
        result = running.run()
        assert time.monotonic() - started < 20
    assert result.ended_by == INTERRUPTED
    assert len(result.steps) == 1
    quick = [scripts[0], *[SCRIPT.format(seconds=0, score=0.6)] * 3]
    with Journal.resume(path) as journal, pytest.raises(Exception, match="was recorded"):
        real(tmp_path, journal, quick, in_flight=3, workers=workers).run()
