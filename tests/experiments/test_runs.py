"""Runs from names to files, bad scripts included; and the command line around them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import optimizers
from experiments import cli, runs
from experiments.runs import RunConfig
from gome_agent import sandbox
from gome_agent.budget import Budget, BudgetExhausted, Ledger
from gome_agent.evaluator import SandboxEvaluator
from gome_agent.hardware.slots import SlotsError
from gome_agent.journal import Journal, JournalError
from gome_agent.loop import Agent
from gome_agent.reasoners import MalformedReply, NoEdit, Scripted
from gome_agent.sandbox.base import Limits
from gome_agent.schemas import Diagnosis, Edit, Suggestion
from gome_agent.tasks import registry

ROOT = Path(__file__).parents[2]
GOOD = """
import json, shutil
shutil.copyfile("input/sample_submission.csv", "submission.csv")
print(json.dumps({"metric": "accuracy", "folds": [0.1, 0.2]}))
"""
BAD_SCRIPTS = {
    "crash": ("raise RuntimeError('boom')", "exit"),
    "hang": ("while True: pass", "the limit"),
    "NaN": (GOOD.replace("0.2", "float('nan')"), "finite"),
    "silence": ("pass", "printed nothing"),
    "no report": (GOOD + "print('done')", "not a JSON report"),
    "another metric": (GOOD.replace("accuracy", "auc"), "the task asks for"),
    "no submission": (GOOD.replace("shutil.copyfile", "print"), "no submission"),
    "wrong submission": (
        GOOD + "open('submission.csv', 'w').write('id,digit\\nnobody,3\\n')",
        "invalid submission",
    ),
    "memory": ("x = []\nwhile True: x.append(bytearray(10**8))", "MemoryError"),
    "flood": ("while True: print('x' * 10**5)", "output"),
    "syntax": ("def (", "exit"),
}


def agent(tmp_path: Path, replies, steps: int, seconds: float = 4.0) -> Agent:
    task = registry.load("digits")
    task.prepare(tmp_path / "public")
    limits = Limits(wall_seconds=seconds, memory_bytes=2**30, output_bytes=2**16)
    evaluator = SandboxEvaluator(
        task, sandbox.detect(), limits, tmp_path / "public", tmp_path / "steps"
    )
    return Agent(
        task=task,
        strategy=optimizers.directed(optimizers.sgd()),
        reasoner=Scripted(replies),
        evaluator=evaluator,
        journal=Journal.create(tmp_path / "journal.sqlite"),
        budget=Budget(steps),
        public=tmp_path / "public",
        seconds_per_run=seconds,
    )


@pytest.mark.parametrize("name", BAD_SCRIPTS)
def test_a_bad_script_is_a_recorded_failed_step_and_the_run_goes_on(name, tmp_path):
    script, told = BAD_SCRIPTS[name]
    diagnosis = Diagnosis(
        suggestions=(Suggestion(statement="try this", component="model", strength=1.0),)
    )
    better = Edit(script=GOOD.replace("0.2", "0.4"))
    running = agent(
        tmp_path,
        [Edit(script=GOOD), diagnosis, Edit(script=script), diagnosis, better],
        steps=3,
    )
    result = running.run()
    assert [step.solution.valid for step in result.steps] == [True, False, True]
    assert [step.accepted for step in result.steps] == [True, False, True]
    assert told in result.steps[1].solution.failure, result.steps[1].solution.failure
    assert result.chosen == 2
    recorded = [event.payload for event in running.journal.events("executed")]
    assert told in recorded[1]["failure"]


def test_a_reasoner_that_fails_is_a_failed_step_too(tmp_path):
    told = Diagnosis(suggestions=(Suggestion(statement="scale", component="model", strength=1),))
    replies = [Edit(script=GOOD), MalformedReply("not JSON"), Diagnosis(), told, NoEdit("no idea")]
    running = agent(tmp_path, replies, steps=4)
    result = running.run()
    assert [step.solution.valid for step in result.steps] == [True, False, True, False]
    assert result.steps[2].reason.startswith("withheld")  # an empty diagnosis: nothing to try
    assert result.evaluations == 1
    reasons = [event.payload["reason"] for event in running.journal.events("failed")]
    assert reasons == ["not JSON", "no idea"]
    assert result.chosen == 0


def test_budgets_end_with_a_sentence():
    clock = iter([0.0, 0.5, 2.0, 2.0, 2.0]).__next__
    ledger = Ledger(Budget(steps=5, seconds=1.0), clock)
    ledger.read()
    ledger.check()
    ledger.read()
    with pytest.raises(BudgetExhausted, match="1 s of wall clock"):
        ledger.check()
    with pytest.raises(ValueError, match="steps >= 1"):
        Budget(0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "run"
    runs.execute(RunConfig("digits", steps=3), out)
    return out


def test_a_run_leaves_its_files_and_can_be_graded(finished):
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["evaluations"] == 3
    assert summary["accepted"] + summary["rejected"] + summary["failed"] == 3
    assert summary["validation"]["score"] >= summary["first_draft"]
    compile((finished / "best_solution.py").read_text(), "best_solution.py", "exec")
    with Journal.open(finished / "journal.sqlite") as journal:
        kinds = [event.kind for event in journal.events()]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    graded = runs.grade(finished)
    assert 0.8 < graded["held_out"]["score"] <= 1.0
    assert graded["held_out"]["score"] >= graded["first_draft_held_out"]["score"]


def test_a_script_cannot_read_the_answers_from_the_package_that_ships_them(tmp_path):
    """The raw data lie inside installed packages; a walled sandbox must hide them."""
    if sandbox.detect().name == "process":
        pytest.skip("a plain process cannot hide files, and says so")
    thief = "from sklearn.datasets import load_digits\nload_digits()\n" + GOOD
    result = agent(tmp_path, [Edit(script=thief)], steps=1, seconds=20.0).run()
    failure = result.steps[0].solution.failure
    assert "sklearn/datasets/data" in failure, failure
    header = (tmp_path / "public" / "test.csv").read_text().splitlines()[0].split(",")
    assert registry.load("digits").facts.target not in header


def test_same_seed_same_decisions(tmp_path):
    def decisions(name, seed):
        out = tmp_path / name
        config = RunConfig("digits", "aide(drafts=2)", "unreliable(expert, rho=0.4)", 3, seed)
        runs.execute(config, out)
        with Journal.open(out / "journal.sqlite") as journal:
            settled = [{**event.payload, "clock": 0} for event in journal.events("settled")]
            scripts = [event.payload["script"] for event in journal.events("proposed")]
        return settled, scripts

    first, again = decisions("a", 5), decisions("b", 5)
    assert first == again
    assert len(set(first[1])) > 1


def test_a_folder_with_a_run_is_never_overwritten(finished):
    with pytest.raises(JournalError, match="exists"):
        runs.execute(RunConfig("digits", steps=1), finished)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "digit", "--out", "x"], "`digits`"),
        (["run", "digits", "--out", "x", "--strategy", "momentun"], "momentum"),
        (["run", "digits", "--out", "x", "--reasoner", "exprt"], "expert"),
        (["run", "digits", "--out", "x", "--sandbox", "bubblewarp"], "bubblewrap"),
        (["study", "crosover", "--out", "x"], "crossover"),
        (["grade", "nowhere"], "finished run"),
        (["report", "nowhere"], "journal"),
    ],
)
def test_bad_words_name_what_exists_and_do_not_trace_back(words, told, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cli", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


def test_the_lists():
    result = CliRunner().invoke(cli.app, ["tasks"])
    assert all(name in result.output for name in registry.names())
    assert "crossover" in CliRunner().invoke(cli.app, ["study", "list"]).output


def test_ctrl_c_leaves_a_journal_and_a_submission(tmp_path):
    out = tmp_path / "run"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "experiments.cli", "run", "digits", "--steps", "200"),
            *("--strategy", "best_of_n(n=None)", "--out", str(out)),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (out / "steps" / "001").exists():
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert json.loads((out / "summary.json").read_text())["ended_by"] == "interrupted"
    assert (out / "submission.csv").is_file()
    with Journal.open(out / "journal.sqlite") as journal:
        assert journal.last("interrupted") is not None


@pytest.mark.slow
def test_a_run_goes_on_elsewhere_and_what_it_did_is_followed(tmp_path):
    out = tmp_path / "run"
    config = RunConfig("digits", strategy="best_of_n(n=None)", steps=2, sandbox="process")

    def stop(step):
        raise KeyboardInterrupt

    assert runs.execute(config, out, runs.Watching(on_step=stop))["ended_by"] == "interrupted"
    with pytest.raises(SlotsError):
        runs.resume(out, where={"gpus": "none"})
    with pytest.raises(JournalError, match=r"steps cannot change .* These can: python, sandbox"):
        runs.resume(out, where={"steps": 3})
    where = {"python": sys.executable, "gpu_slots": 2, "workers": 1, "sandbox": None}
    steps = []
    summary = runs.resume(out, runs.Watching(on_step=steps.append), where)
    assert summary["ended_by"] != "interrupted"
    assert (summary["python"], summary["gpu_slots"]) == (sys.executable, 2)
    assert [step.step for step in steps] == [0, 1]
    with Journal.open(out / "journal.sqlite") as journal:
        (resumed,) = journal.events("resumed")
        assert len(list(journal.events("proposed"))) == 2
    assert resumed.payload["where"] == where
    assert resumed.payload["sandbox"]["name"] == sandbox.detect().name
    again = runs.replay(out, tmp_path / "again")
    assert (again["python"], again["sandbox"]) == (sys.executable, None)


def test_several_diagnoses_need_a_rule_that_combines_them(tmp_path: Path):
    """Told before anything is written, so that the folder can be used for the next try."""
    config = RunConfig("digits", strategy="momentum", steps=2, diagnoses=3)
    with pytest.raises(optimizers.DiagnosesError, match="consensus"):
        runs.execute(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
