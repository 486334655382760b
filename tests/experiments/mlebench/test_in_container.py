"""The container's entry as a process, in a made-up container with a loopback grading server."""

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from experiments.mlebench.container import ContainerRollout
from experiments.mlebench.in_container import reserve
from gome_agent.journal import Journal
from gome_agent.tasks import registry
from gome_agent.tasks.mlebench.base import BenchmarkError

pytest.importorskip("httpx")
ROOT = Path(__file__).parents[3]
SOURCE = os.environ.get("GOME_MLEBENCH_SOURCE", "")
PYTHON = os.environ.get("GOME_MLEBENCH_PYTHON", "")
INTEGRATION = ROOT / "integrations" / "mle-bench" / "gome"


class Server(http.server.ThreadingHTTPServer):
    """Speaks /validate and /health, as the benchmark's does; `answers` are given in turn."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[str | int] = []
        self.received: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        name = re.search(r'name="file"; filename="(.*?)"', body)
        assert self.path == "/validate"
        assert name is not None
        content = body.split("\r\n\r\n", 1)[1].rsplit("\r\n--", 1)[0]
        self.server.received.append(content)
        answer = self.server.answers.pop(0) if self.server.answers else "Submission is valid."
        if isinstance(answer, int):
            self.reply(answer, {"error": "An unexpected error occurred."})
        else:
            self.reply(200, {"result": answer})

    def reply(self, status, told):
        text = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    serving = Server()
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture
def home(tmp_path):
    """What the container has under /home."""
    registry.load("digits").prepare(tmp_path / "data")
    (tmp_path / "instructions.txt").write_text("Submit to /home/submission/submission.csv.")
    for name in ("submission", "logs", "code", "agent"):
        (tmp_path / name).mkdir()
    return tmp_path


def start(home, server, *options, limit=600):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "COMPETITION_ID": "made-up",
        "GOME_DATA_DIR": str(home / "data"),
        "GOME_INSTRUCTIONS": str(home / "instructions.txt"),
        "SUBMISSION_DIR": str(home / "submission"),
        "LOGS_DIR": str(home / "logs"),
        "CODE_DIR": str(home / "code"),
        "AGENT_DIR": str(home / "agent"),
        "GOME_SERVER": server.url,
    }
    task = "tests.experiments.mlebench.container_task:InContainer"
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "experiments.mlebench.in_container", "--task", task),
            *("--time-limit", str(limit), "--memory-gib", "4", *options),
        ],
        env=environment,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def placed(home):
    return home / "submission" / "submission.csv"


def wait_for(path, process, seconds=600.0):
    until = time.monotonic() + seconds
    while not path.is_file():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_a_run_leaves_submission_code_and_logs(home, server):
    process = start(home, server, "--steps", "2")
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    registry.load("digits").check(placed(home))
    assert server.received[-1] == placed(home).read_text()
    assert "import" in (home / "code" / "best_solution.py").read_text()
    summary = json.loads((home / "logs" / "summary.json").read_text())
    assert summary["task"] == "mlebench:made-up"
    with Journal.open(home / "logs" / "journal.sqlite") as journal:
        assert len(list(journal.events("settled"))) == 2


@pytest.mark.slow
def test_a_submission_is_there_early_and_sigterm_ends_the_run_within_seconds(home, server):
    process = start(home, server, "--steps", "500", "--grace", "60", limit=3600)
    wait_for(placed(home), process)
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    said = process.communicate(timeout=120)[0]
    assert time.monotonic() - asked < 90
    assert process.returncode == 0, said
    registry.load("digits").check(placed(home))
    with Journal.open(home / "logs" / "journal.sqlite") as journal:
        assert journal.last("interrupted") is not None


@pytest.mark.slow
def test_the_limit_is_kept(home, server):
    began = time.monotonic()
    process = start(home, server, "--steps", "500", limit=60)
    said = process.communicate(timeout=120)[0]
    assert 20 < time.monotonic() - began < 60, said
    assert process.returncode == 0, said
    registry.load("digits").check(placed(home))


def test_without_a_submission_the_status_says_so(home, server):
    (home / "data" / "description.md").unlink()
    process = start(home, server)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert "is this the container of a competition" in said


def rollout(home, server):
    return ContainerRollout("made-up", home / "data", home / "instructions.txt", server.url)


def test_only_validity_is_asked(home, server):
    asked = rollout(home, server)
    submission = home / "some.csv"
    submission.write_text("id,x\n1,2\n")
    assert asked.validate("made-up", submission).valid
    assert server.received == ["id,x\n1,2\n"]
    server.answers = ["Submission invalid! The attempt", 500]
    verdict = asked.validate("made-up", submission)
    assert (verdict.valid, verdict.message) == (False, "Submission invalid! The attempt")
    with pytest.raises(BenchmarkError, match="gave no answer"):
        asked.validate("made-up", submission)
    with pytest.raises(BenchmarkError, match="for `made-up`, not `other`"):
        asked.info("other")
    public = {name for name in dir(asked) if not name.startswith("_")}
    assert public == {"id", "data", "instructions", "server", "competitions", "info", "validate"}


def test_the_competition_is_told_by_its_folder(home, server):
    told = rollout(home, server).info("made-up")
    assert told.public == home / "data"
    assert told.sample == home / "data" / "sample_submission.csv"
    assert "Submit to /home/submission" in told.rules
    assert told.description == (home / "data" / "description.md").read_text()


class Step:
    """As much of a settled step as the keeper looks at."""

    def __init__(self, run, number, score, replicates=1):
        folder = run / "steps" / f"{number:03d}"
        folder.mkdir(parents=True)
        (folder / "submission.csv").write_text(f"{number}")
        self.step, self.replicates = number, replicates
        self.solution = type("S", (), {"valid": True, "score": score, "script": f"# {number}"})


def test_the_best_valid_submission_is_in_place_at_all_times(home, server):
    from experiments.mlebench.keeping import Keeper

    run = home / "agent" / "run"
    keeper = Keeper(rollout(home, server), "made-up", run, placed(home), home / "code")
    server.answers = ["Submission invalid!", 500]
    keeper.on_step(Step(run, 0, 0.5))
    assert placed(home).read_text() == "0"  # better than nothing
    keeper.on_step(Step(run, 1, 0.4))
    assert placed(home).read_text() == "1"  # the server failed, and none was valid so far
    for number, score, shown in [(2, 0.3, "2"), (3, 0.2, "2"), (4, 0.6, "4")]:
        keeper.on_step(Step(run, number, score))
        assert placed(home).read_text() == shown
    server.answers = ["Submission invalid!"]
    keeper.on_step(Step(run, 5, 0.9))
    assert placed(home).read_text() == "4"
    assert (home / "code" / "best_solution.py").read_text() == "# 4"
    keeper.on_step(Step(run, 6, 0.9, replicates=0))
    assert placed(home).read_text() == "4"
    assert len(keeper.said) == 3


def test_what_is_kept_for_the_end_leaves_most_of_the_time():
    for limit in (2.0, 60.0, 1800.0, 43200.0):
        assert 0 < reserve(limit) <= limit / 2
    assert reserve(43200.0) < 0.02 * 43200


@pytest.mark.skipif(
    not (SOURCE and PYTHON),
    reason="set GOME_MLEBENCH_SOURCE to a clone of mle-bench and GOME_MLEBENCH_PYTHON to a Python "
    "that has what it needs",
)
def test_the_benchmarks_own_registry_reads_the_agents(tmp_path):
    import shutil

    shutil.copytree(Path(SOURCE) / "agents", tmp_path / "agents")
    shutil.copytree(INTEGRATION, tmp_path / "agents" / "gome")
    code = """
import json
from agents.registry import registry
names = ["gome", "gome/momentum", "gome/aide", "gome/hill_climb", "gome/best_of_n",
         "gome/anthropic", "gome/dev", "gome/offline"]
agents = [registry.get_agent(name) for name in names]
parts = "id", "name", "kwargs", "kwargs_type", "env_vars", "privileged"
print(json.dumps([[getattr(agent, part) for part in parts] for agent in agents]))
"""
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{SOURCE}"}
    environment |= {"OPENAI_API_KEY": "made-up", "ANTHROPIC_API_KEY": "made-up"}
    done = subprocess.run(
        [PYTHON, "-B", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    agents = json.loads(done.stdout.splitlines()[-1])
    assert len(agents) == 8
    for name, image, kwargs, kwargs_type, variables, privileged in agents:
        assert (image, kwargs_type, privileged) == ("gome", "argparse", False)
        assert int(variables["TIME_LIMIT_SECS"]) > 0
        assert "OPENAI_API_KEY" in variables or name in ("gome/anthropic", "gome/offline")
        assert_options(kwargs)


def assert_options(kwargs):
    """As `--key value`, they are options of the entry, and the strategy can be built."""
    import typer

    from experiments.mlebench.in_container import app
    from experiments.spec import build_strategy

    words = [word for key, value in kwargs.items() for word in (f"--{key}", str(value))]
    command = typer.main.get_command(app)
    needed = ["--competition", "made-up", "--time-limit", "60"]
    context = command.make_context("entry", [*needed, *words])
    assert context.params["strategy"] == kwargs["strategy"]
    build_strategy(kwargs["strategy"])


def test_every_agent_of_the_plug_in_can_be_started():
    yaml = pytest.importorskip("yaml")
    told = yaml.safe_load((INTEGRATION / "config.yaml").read_text())
    agents = {name: agent for name, agent in told.items() if name.split("/")[0] == "gome"}
    assert len(agents) == 8
    for agent in agents.values():
        assert (agent["start"], agent["dockerfile"]) == ("gome/start.sh", "gome/Dockerfile")
        assert_options(agent["kwargs"])


def test_start_sh_ends_what_does_not_end(tmp_path):
    """With an entry that ignores its limit: the backstop asks it to end, and its status counts."""
    stubborn = tmp_path / "python"
    stubborn.write_text(
        f"#!{sys.executable}\n"
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "print('told', *sys.argv[1:], flush=True)\n"
        "time.sleep(60)\n"
    )
    stubborn.chmod(0o755)
    environment = {**os.environ, "GOME_PYTHON": str(stubborn), "TIME_LIMIT_SECS": "41"}
    environment |= {"AGENT_DIR": str(tmp_path), "LOGS_DIR": str(tmp_path / "logs")}
    began = time.monotonic()
    done = subprocess.run(
        ["bash", INTEGRATION / "start.sh", "--strategy", "aide(drafts=5)"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - began < 40
    assert "--time-limit -19 --strategy aide(drafts=5)" in done.stdout
