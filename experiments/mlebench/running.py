"""The runs of a grid: each is a process of its own, begun or resumed, several at once if asked.

What a crash, a full disk or a wrong name does to one run is recorded beside it and the others go
on. A run at which another process is at work is waited for. Ctrl-C is passed on to the runs, which
write down what they have; the same command goes on.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from experiments.lenient import clean
from experiments.mlebench import cells
from experiments.mlebench.cells import CONSOLE, Progress
from experiments.mlebench.grid import WHERE, Cell, Grid, enter
from gome_agent.holding import held

_TAIL = 4000
_LONGEST = 600
_LOOK_SECONDS = 5.0

What = Literal["begun", "resumed", "kept", "held", "ended"]


class Event(NamedTuple):
    """Something that happened to a cell."""

    cell: Cell
    what: What
    """`kept`: it was finished before; `held`: another process is at work on it, and is waited for:
    then it goes on as if it had not been held."""
    progress: Progress
    """After it."""


class Runner(Protocol):
    """How a run is carried out."""

    def run(self, cell: Cell, folder: Path, *, resume: bool) -> int:
        """Begin a run in an existing folder, or resume it; returns an exit status."""
        ...

    def interrupt(self) -> None:
        """End all that are at work, as Ctrl-C does; those that come later end at once."""
        ...


def execute(
    grid: Grid, out: Path, runner: Runner, on_event: Callable[[Event], None] = lambda event: None
) -> dict[Cell, Progress]:
    """Run what is left of a grid, seeds outermost.

    Args:
      grid: what to run; may extend the grid that the folder holds.
      out: folder, created.
      runner: carries out one run.
      on_event: told of every cell; called from several threads, one at a time.

    Returns:
      How far each cell is now.

    Raises:
      GridError, RunHeld: the folder is of another grid, or of one that is being run.
      KeyboardInterrupt: after all runs have ended; the same call goes on.
    """
    out.mkdir(parents=True, exist_ok=True)
    lock, begun, stopping = threading.Lock(), threading.Event(), threading.Event()

    def tell(event: Event) -> None:
        with lock:
            on_event(event)

    def carry_out(cell: Cell) -> Progress:
        begun.wait()  # until Ctrl-C is listened for
        return _carry_out(cell, cell.folder(out), runner, tell, stopping)

    with held(out), ThreadPoolExecutor(grid.jobs) as pool:
        enter(grid, out)
        try:
            jobs = [pool.submit(carry_out, cell) for cell in grid.cells]
            _finish(jobs, runner, begun, stopping)
        finally:
            stopping.set()
            begun.set()
    return dict(zip(grid.cells, (job.result() for job in jobs), strict=True))


def _finish(
    jobs: Iterable[Future], runner: Runner, begun: threading.Event, stopping: threading.Event
) -> None:
    """Wait for all; every Ctrl-C is passed on to what is at work."""
    interrupted = False
    while True:
        try:
            begun.set()
            wait(list(jobs))
            break
        except KeyboardInterrupt:
            interrupted = True
            stopping.set()
            runner.interrupt()
    if interrupted:
        raise KeyboardInterrupt


def _carry_out(
    cell: Cell,
    folder: Path,
    runner: Runner,
    tell: Callable[[Event], None],
    stopping: threading.Event,
) -> Progress:
    before = _look(folder)
    if before.state != "finished" and not stopping.is_set() and cells.is_held(folder):
        tell(Event(cell, "held", before))
        while cells.is_held(folder) and not stopping.wait(_LOOK_SECONDS):
            pass
        before = _look(folder)
        if before.state == "finished" or stopping.is_set():
            tell(Event(cell, "ended", before))
            return before
    if before.state == "finished" or stopping.is_set():
        tell(Event(cell, "kept", before))
        return before
    resume = before.state == "open"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not resume:
            cells.forget(folder)
        tell(Event(cell, "resumed" if resume else "begun", before))
        status = runner.run(cell, folder, resume=resume)
        after = _look(folder)
        if after.state != "finished" and not stopping.is_set():
            cells.note(folder, _last_words(folder, status), status)
            after = _look(folder)
    except Exception as error:  # one run never takes the others along
        after = Progress("failed" if not resume else "open", sentence=f"{error}")
        with contextlib.suppress(OSError):
            cells.note(folder, after.sentence, 1)
    tell(Event(cell, "ended", after))
    return after


def _look(folder: Path) -> Progress:
    """How far a run is; one that cannot be read is open, with the reason."""
    try:
        return cells.read(folder)
    except Exception as error:
        return Progress("open", sentence=str(error))


def _last_words(folder: Path, status: int) -> str:
    """Why a run stopped: the message of `gome`, or the last line it wrote."""
    said = ""
    with contextlib.suppress(OSError), (folder / CONSOLE).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _TAIL))
        lines = [line.strip() for line in clean(file.read().decode("utf-8", "replace")).split("\n")]
        lines = [line for line in lines if line]
        ours = [line.removeprefix("gome: ") for line in lines if line.startswith("gome: ")]
        said = next(iter([*ours[-1:], *lines[-1:]]), "")[:_LONGEST]
    if status < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-status).name
            said = f"ended by {name}; last line: {said}" if said else f"ended by {name}"
    return said or f"it ended with status {status} and said nothing"


class Subprocesses:
    """Runs as processes of the command line; what they say is appended to `console.log`."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._lock = threading.Lock()
        self._alive: set[subprocess.Popen] = set()
        self._stopped = False

    def run(self, cell: Cell, folder: Path, *, resume: bool) -> int:
        line = resuming(self._grid, folder) if resume else beginning(self._grid, cell, folder)
        with (folder / CONSOLE).open("ab") as console:
            with self._lock:
                if self._stopped:
                    return -signal.SIGINT
                # A session of its own: Ctrl-C comes once, from `interrupt`.
                process = subprocess.Popen(
                    line,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                self._alive.add(process)
            try:
                return process.wait()
            finally:
                with self._lock:
                    self._alive.discard(process)

    def interrupt(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._alive:
                process.send_signal(signal.SIGINT)


def beginning(grid: Grid, cell: Cell, folder: Path) -> list[str]:
    """The command that begins a run."""
    told = {
        "--strategy": cell.strategy,
        "--reasoner": grid.reasoner,
        "--model": grid.model,
        "--steps": grid.steps,
        "--seed": cell.seed,
        "--seconds": grid.seconds,
        "--budget": grid.budget,
        "--seconds-per-run": grid.seconds_per_run,
        "--repairs": grid.repairs,
        "--rehearse": grid.rehearse,
        "--sandbox": grid.sandbox,
        "--hardware": grid.hardware,
        "--python": grid.python,
        "--gpus": grid.gpus,
        "--gpu-slots": grid.gpu_slots,
        "--benchmark": grid.benchmark,
        "--data-dir": grid.data_dir,
        "--out": folder,
    }
    options = [word for name, value in told.items() if value != "" for word in (name, str(value))]
    return [*_GOME, "run", cell.task, *options, *(() if grid.facts else ("--no-facts",))]


def resuming(grid: Grid, folder: Path) -> list[str]:
    """The command that resumes a run, where the grid is now."""
    told = [word for name in WHERE for word in (_option(name), str(getattr(grid, name)))]
    return [*_GOME, "resume", str(folder), *told]


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


_GOME = (sys.executable, "-m", "experiments.cli")
