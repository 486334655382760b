"""What the benchmark's container runs: one competition within a time limit, then gone.

The container's harness neither ends an agent nor reads its exit status: what counts is the file
that lies in the folder of submissions in the end. So it lies there from the first valid one on, and
this process ends by itself: first by its budget, then by an alarm, at last by a timer.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

TASK = "gome_agent.tasks.mlebench.task:MleBenchTask"
_LEAST_RESERVE, _MOST_RESERVE = 30.0, 600.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def reserve(limit: float) -> float:
    """Seconds of a time limit that are kept for choosing and writing.

    >>> reserve(43200.0), reserve(1800.0), reserve(40.0)
    (600.0, 90.0, 20.0)
    """
    return min(limit / 2, _MOST_RESERVE, max(_LEAST_RESERVE, limit / 20))


@app.command()
def main(
    competition: Annotated[str, typer.Option(envvar="COMPETITION_ID")],
    time_limit: Annotated[float, typer.Option(envvar="TIME_LIMIT_SECS", min=1)],
    strategy: Annotated[str, typer.Option()] = "gome",
    reasoner: Annotated[str, typer.Option()] = "",
    model: Annotated[str, typer.Option()] = "",
    steps: Annotated[int, typer.Option(min=1)] = 500,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    budget: Annotated[str, typer.Option()] = "",
    seconds_per_run: Annotated[float, typer.Option(min=1)] = 3600.0,
    memory_gib: Annotated[float, typer.Option(min=0.1)] = 64.0,
    repairs: Annotated[int, typer.Option(min=0)] = 2,
    sandbox: Annotated[str, typer.Option()] = "",
    python: Annotated[str, typer.Option(envvar="GOME_SCRIPTS_PYTHON")] = "",
    hardware: Annotated[str, typer.Option()] = "",
    gpus: Annotated[str, typer.Option()] = "",
    data: Annotated[Path, typer.Option(envvar="GOME_DATA_DIR")] = Path("/home/data"),
    instructions: Annotated[Path, typer.Option(envvar="GOME_INSTRUCTIONS")] = Path(
        "/home/instructions.txt"
    ),
    submissions: Annotated[Path, typer.Option(envvar="SUBMISSION_DIR")] = Path("/home/submission"),
    logs: Annotated[Path, typer.Option(envvar="LOGS_DIR")] = Path("/home/logs"),
    code: Annotated[Path, typer.Option(envvar="CODE_DIR")] = Path("/home/code"),
    agent: Annotated[Path, typer.Option(envvar="AGENT_DIR")] = Path("/home/agent"),
    server: Annotated[str, typer.Option(envvar="GOME_SERVER")] = "http://localhost:5000",
    grace: Annotated[
        float, typer.Option(min=1, help="Seconds from SIGTERM to the end at the latest.")
    ] = 20.0,
    task: Annotated[
        str, typer.Option(help="package.module:function of the competition and a rollout.")
    ] = TASK,
) -> None:
    """Run one competition; status 0 if a submission is in place at the end."""
    from experiments.mlebench.container import ContainerRollout
    from experiments.mlebench.keeping import Keeper
    from experiments.runs import RunConfig
    from gome_agent.tasks.mlebench.base import PREFIX

    rollout = ContainerRollout(competition, data, instructions, server.rstrip("/"))
    out = agent / "run"
    keeper = Keeper(rollout, competition, out, submissions / "submission.csv", code)
    kept = reserve(time_limit)
    config = RunConfig(
        task=PREFIX + competition,
        strategy=strategy,
        reasoner=reasoner or ("prompted" if model else "expert"),
        model=model,
        steps=steps,
        seed=seed,
        seconds=max(1.0, time_limit - _age() - kept),
        budget=budget,
        seconds_per_run=seconds_per_run,
        memory_gib=memory_gib,
        repairs=repairs,
        sandbox=sandbox or None,
        python=python,
        hardware=hardware,
        gpus=gpus,
    )

    def leave() -> None:
        """For good: replies on their way and threads of libraries are not waited for."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0 if keeper.in_place else 1)

    try:
        with _ended_in_time(time_limit - _age(), kept, grace, leave):
            _carry_out(config, rollout, keeper, task)
    except KeyboardInterrupt:
        print("gome: interrupted", file=sys.stderr)
    except Exception:
        traceback.print_exc()
    for line in keeper.said:
        print(f"gome: not valid: {line}", file=sys.stderr)
    with contextlib.suppress(OSError, sqlite3.Error):
        _save(out, logs)
    leave()


def _carry_out(config: Any, rollout: Any, keeper: Any, task: str) -> None:
    from experiments import runs

    module, _, name = task.partition(":")
    build = getattr(importlib.import_module(module), name)
    competition = build(keeper.competition, rollout)
    try:
        runs.execute(config, keeper.run, runs.Watching(on_step=keeper.on_step), competition)
    finally:
        keeper.finish()


@contextmanager
def _ended_in_time(left: float, kept: float, grace: float, leave: Any) -> Iterator[None]:
    """Press Ctrl-C when asked to end or when the budget was overrun; `leave` if that is not enough.

    Args:
      left: seconds to the limit.
      kept: how many of them the budget leaves.
      grace: from being asked to leaving.
      leave: ends the process.
    """
    asked = threading.Event()

    def end(number: int, frame: Any) -> None:
        if asked.is_set():
            return
        asked.set()
        _later(min(grace, kept / 3), leave)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, end)
    signal.setitimer(signal.ITIMER_REAL, max(0.1, left - kept / 2))
    _later(max(0.2, left - kept / 10), leave)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def _later(seconds: float, call: Any) -> None:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


def _age() -> float:
    """Seconds since this process was started."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def _save(out: Path, logs: Path) -> None:
    """Copy what tells of the run to where the benchmark keeps logs."""
    from experiments.mlebench.container import put
    from gome_agent.journal import JOURNAL

    logs.mkdir(parents=True, exist_ok=True)
    if (out / "summary.json").is_file():
        put(out / "summary.json", logs / "summary.json")
    if (out / JOURNAL).is_file():
        with (
            contextlib.closing(sqlite3.connect(out / JOURNAL)) as source,
            contextlib.closing(sqlite3.connect(logs / JOURNAL)) as target,
        ):
            source.backup(target)


if __name__ == "__main__":
    app()
