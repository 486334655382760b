"""Host overhead of a step, calls and prompt tokens: every library takes turns on the same toy.

Each library has a process of its own. In every round each takes the same number of steps, forward
in even rounds and backward in odd ones, so that what else the machine does falls on all of them;
the ratio to ours is taken within a round, and then the median over rounds.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from experiments.bench.environments import environment, pinned

ROOT = Path(__file__).parents[2]
OURS = "gome, sgd"
EARLY, LATE = 5, 500
CLOCKS = ("seconds", "cpu_seconds")


@dataclass(frozen=True)
class Contender:
    """One row of the comparison."""

    name: str
    command: tuple[str, ...]
    continues: bool = True
    """Whether steps of different rounds belong to one run, so that growth can be read off."""


@dataclass
class Row:
    """What a contender came to; numbers are medians."""

    name: str
    missing: str = ""
    ms: float | None = None
    """Milliseconds a step."""
    cpu_ms: float | None = None
    """The same in CPU time of the process."""
    ratio: float | None = None
    """`ms` in units of ours, within rounds."""
    cpu_ratio: float | None = None
    """`cpu_ms` in units of ours, within rounds."""
    forward_calls: float | None = None
    optimizer_calls: float | None = None
    optimizer_tokens: float | None = None
    tokens_early: int | None = None
    """Prompt tokens of the optimizer at step 5."""
    tokens_late: int | None = None
    """The same at step 500, or at the last one if there were fewer."""
    _laps: list[list[dict]] = field(default_factory=list, repr=False)


class WorkerFailed(RuntimeError):
    """A worker ended or answered something else than asked for."""


@dataclass
class Worker:
    """A contender's process."""

    process: subprocess.Popen[str]

    def order(self, steps: int) -> list[dict]:
        """Let it take so many steps; what each of them took."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerFailed("it ended") from error
        return self.answer()

    def answer(self):
        """Its next line.

        Raises:
          WorkerFailed: it ended instead.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise WorkerFailed("it ended without an answer")
        return json.loads(line)


@contextmanager
def started(contender: Contender, errors: Path) -> Iterator[Worker]:
    """A contender's process, until the end of the block."""
    # What a peer would ask the network at import stays local; its own journal goes where it runs.
    quiet = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "OMP_NUM_THREADS": "1"}
    with errors.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            contender.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
            env=quiet,
        )
        try:
            yield Worker(process)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


_MODULES = {"textgrad": "textgrad", "trace-opt": "trace", "gepa": "gepa"}
"""Peers that optimise prompts, and the modules that drive them."""


def contenders(environments: Path, *, install: bool) -> tuple[list[Contender], list[Row]]:
    """Ours and the peers that can be had; and a row for each that cannot."""
    here = [
        Contender(f"gome, {rule}", _module(sys.executable, "gome", rule))
        for rule in ("sgd", "gome")
    ]
    missing = []
    for requirement in pinned(*_MODULES):
        made = environment(requirement, environments, install=install)
        if made.missing:
            missing.append(Row(requirement.replace("==", " "), missing=made.missing))
            continue
        here += _of_peer(made.name, requirement.replace("==", " "), str(made.python))
    return here, missing


def _of_peer(name: str, label: str, python: str) -> list[Contender]:
    if name == "gepa":
        return [
            Contender(f"{label}, {mode}", _module(python, _MODULES[name], mode), continues=False)
            for mode in ("rejected", "accepted", "saved")
        ]
    return [Contender(label, _module(python, _MODULES[name]))]


def _module(python: str, name: str, *arguments: str) -> tuple[str, ...]:
    return (python, "-m", f"experiments.bench.peers.{name}", *arguments)


def measure(compared: Sequence[Contender], out: Path, *, rounds: int, steps: int) -> list[Row]:
    """Let contenders take turns.

    Args:
      compared: ours among them, under the name `OURS`.
      out: folder for what the workers write on standard error.
      rounds: turns of each; the first is a warm-up and is not counted for times.
      steps: steps a turn.

    Returns:
      A row a contender, with `missing` set if its process failed.

    Raises:
      WorkerFailed: ours failed.
    """
    rows = {contender.name: Row(contender.name) for contender in compared}
    with ExitStack() as stack:
        errors = {name: out / f"{re.sub('[^a-z0-9.]+', '-', name)}.log" for name in rows}
        starting = {
            contender.name: stack.enter_context(started(contender, errors[contender.name]))
            for contender in compared
        }
        workers: dict[str, Worker] = {}
        for name, worker in starting.items():
            try:
                worker.answer()
                workers[name] = worker
            except WorkerFailed as failure:
                rows[name].missing = f"{failure}: {_last_line(errors[name])}"
        for number in range(rounds):
            turn = list(workers) if number % 2 == 0 else list(reversed(workers))
            for name in turn:
                try:
                    rows[name]._laps.append(workers[name].order(steps))
                except WorkerFailed as failure:
                    rows[name].missing = f"{failure} in round {number}: {_last_line(errors[name])}"
                    del workers[name]
    if rows[OURS].missing:
        raise WorkerFailed(f"ours failed, there is nothing to compare with: {rows[OURS].missing}")
    ours = rows[OURS]
    baseline = {clock: _round_medians(ours, clock) for clock in CLOCKS}
    for contender in compared:
        _summarise(rows[contender.name], baseline, continues=contender.continues)
    return list(rows.values())


def _round_medians(row: Row, clock: str) -> list[float]:
    return [statistics.median(lap[clock] for lap in laps) for laps in row._laps[1:]]


def _paired(row: Row, baseline: dict[str, list[float]], clock: str) -> tuple[float, float]:
    """Milliseconds a step, and the ratio to ours."""
    medians = _round_medians(row, clock)
    ratios = [mine / ours for mine, ours in zip(medians, baseline[clock], strict=True)]
    return 1e3 * statistics.median(medians), statistics.median(ratios)


def _summarise(row: Row, baseline: dict[str, list[float]], *, continues: bool) -> None:
    laps = [lap for laps in row._laps for lap in laps]
    if row.missing or not laps:
        return
    row.ms, row.ratio = _paired(row, baseline, "seconds")
    row.cpu_ms, row.cpu_ratio = _paired(row, baseline, "cpu_seconds")
    row.forward_calls = statistics.median(lap["forward_calls"] for lap in laps)
    row.optimizer_calls = statistics.median(lap["optimizer_calls"] for lap in laps)
    row.optimizer_tokens = statistics.median(lap["optimizer_tokens"] for lap in laps)
    if continues:
        row.tokens_early = laps[EARLY - 1]["optimizer_tokens"]
        row.tokens_late = laps[min(LATE, len(laps)) - 1]["optimizer_tokens"]


def as_record(row: Row) -> dict:
    """A row for JSON."""
    return {name: value for name, value in asdict(row).items() if not name.startswith("_")}


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"
