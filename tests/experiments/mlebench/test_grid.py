"""A grid's runs: what is run, in which order, what is left of it, what may change."""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import termios
import threading
import time

import pytest

from experiments.mlebench import cells, grid as grids, running, watching
from experiments.mlebench.grid import Cell, GridError
from gome_agent.holding import RunHeld, held
from tests.experiments.mlebench.made_up import begin, finish, grid


class Runner:
    """Finishes every run at once, but those it is told to break."""

    def __init__(self, breaks=None):
        self.breaks = breaks or {}
        self.calls = []

    def run(self, cell, folder, *, resume):
        self.calls.append((cell, resume))
        (folder / cells.CONSOLE).write_text("some noise\n")
        if cell.competition in self.breaks:
            return self.breaks[cell.competition](cell, folder)
        if not resume:
            begin(folder)
        finish(folder)
        return 0

    def interrupt(self):
        raise AssertionError("nobody pressed Ctrl-C")


def small(**changes):
    return grid(**{"competitions": ("made-up-a", "made-up-b"), "seeds": (0, 1), **changes})


def test_seeds_are_outermost_so_that_a_part_is_balanced():
    made = small()
    assert [cell.seed for cell in made.cells] == [0] * 4 + [1] * 4
    assert len(set(made.cells)) == 8
    folders = {cell.folder(made_path) for made_path in [grids.Path("out")] for cell in made.cells}
    assert len(folders) == 8


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"strategies": ("gomme",)}, "Did you mean `gome`"),
        ({"strategies": ("gome", "gome")}, "given twice: gome"),
        ({"competitions": ("../etc",)}, "not the id of a competition"),
        ({"seeds": ()}, "seeds"),
        ({"budget": "monney=3"}, "Did you mean `money`"),
        ({"seconds": float("inf")}, "seconds"),
        ({"step": 3}, "step"),
        ({"hardware": "v10"}, r"hardware: .*v100"),
    ],
)
def test_a_grid_that_cannot_be_run_is_refused_with_a_reason(changes, told):
    with pytest.raises(GridError, match=told):
        small(**changes)


def test_a_changed_grid_is_refused_and_a_larger_one_is_not(tmp_path):
    grids.enter(small(), tmp_path)
    grids.enter(small(seeds=(0, 1, 2), jobs=2, gpus="1"), tmp_path)
    assert grids.load(tmp_path).seeds == (0, 1, 2)
    with pytest.raises(GridError, match="seeds without 2; steps was 5 and is 6"):
        grids.enter(small(steps=6), tmp_path)
    assert grids.load(tmp_path).steps == 5


def test_a_grid_written_by_another_version_is_refused(tmp_path):
    grids.enter(small(), tmp_path)
    told = json.loads((tmp_path / "grid.json").read_text())
    (tmp_path / "grid.json").write_text(json.dumps({**told, "schema_version": 2}))
    with pytest.raises(GridError, match="schema_version"):
        grids.load(tmp_path)
    with pytest.raises(GridError, match="--out of `gome mlebench run`"):
        grids.load(tmp_path / "nowhere")


def test_states_are_read_from_folders(tmp_path):
    assert cells.read(tmp_path / "a").state == "not begun"
    begin(tmp_path / "b", (0.5, float("-inf"), 0.25), higher_is_better=False)
    progress = cells.read(tmp_path / "b")
    assert (progress.state, progress.steps, progress.best) == ("open", 3, 0.25)
    assert progress.seconds == 3725.0
    finish(tmp_path / "b", ended_by="interrupted")
    assert cells.read(tmp_path / "b").state == "open"
    finish(tmp_path / "b")
    assert cells.read(tmp_path / "b").state == "finished"
    (tmp_path / "b" / "summary.json").unlink()
    assert cells.read(tmp_path / "b").state == "open"


def test_what_is_finished_is_kept_and_what_is_open_resumed(tmp_path):
    made = small(seeds=(0,))
    first, second, *_ = made.cells
    begin(first.folder(tmp_path))
    finish(first.folder(tmp_path))
    begin(second.folder(tmp_path))
    runner, told = Runner(), []
    progress = running.execute(made, tmp_path, runner, told.append)
    assert {each.state for each in progress.values()} == {"finished"}
    assert runner.calls[0] == (second, True)
    assert [resume for _, resume in runner.calls] == [True, False, False]
    assert [event.what for event in told[:3]] == ["kept", "resumed", "ended"]
    again = Runner()
    running.execute(made, tmp_path, again)
    assert again.calls == []


def test_one_run_that_fails_is_recorded_and_the_others_go_on(tmp_path):
    def refuses(cell, folder):
        (folder / cells.CONSOLE).write_text("a warning\ngome: no key for the model\n")
        return 2

    def dies(cell, folder):
        begin(folder)
        return -signal.SIGKILL

    def raises(cell, folder):
        raise OSError("no space left")

    made = small(competitions=("a", "b", "c", "d"), strategies=("gome",), seeds=(0,))
    progress = running.execute(made, tmp_path, Runner({"a": refuses, "b": dies, "c": raises}))
    by_name = {cell.competition: each for cell, each in progress.items()}
    assert (by_name["a"].state, by_name["a"].sentence) == ("failed", "no key for the model")
    assert by_name["b"].state == "open"
    assert by_name["b"].sentence.startswith("ended by SIGKILL")
    assert (by_name["c"].state, by_name["c"].sentence) == ("failed", "no space left")
    assert by_name["d"].state == "finished"
    noted = json.loads((Cell("a", "gome", 0).folder(tmp_path) / "cell.json").read_text())
    assert noted == {"schema_version": 1, "sentence": "no key for the model", "status": 2}
    mended = running.execute(made, tmp_path, Runner())
    assert {(each.state, each.sentence) for each in mended.values()} == {("finished", "")}


def test_a_journal_without_a_run_is_begun_anew(tmp_path):
    from gome_agent.journal import Journal

    made = small(competitions=("a",), strategies=("gome",), seeds=(0,))
    folder = made.cells[0].folder(tmp_path)
    folder.mkdir(parents=True)
    Journal.create(folder / "journal.sqlite").close()
    assert running.execute(made, tmp_path, Runner())[made.cells[0]].state == "finished"


class Elsewhere:
    """Holds a run, as a process whose grid was killed does, until the grid has seen it."""

    def __init__(self, folder, end=lambda folder: None):
        self.seen, self.told, self.held = threading.Event(), [], threading.Event()
        self._thread = threading.Thread(target=self._hold, args=(folder, end))

    def _hold(self, folder, end):
        with held(folder):
            self.held.set()
            self.seen.wait(20)
            end(folder)

    def __enter__(self):
        self._thread.start()
        assert self.held.wait(20)
        return self

    def __exit__(self, *exc_info):
        self.seen.set()
        self._thread.join()

    def on_event(self, event):
        self.told.append(event.what)
        self.seen.set()


@pytest.mark.parametrize(
    ("end", "told", "calls"),
    [(finish, ["held", "ended"], 0), (lambda folder: None, ["held", "resumed", "ended"], 1)],
)
def test_a_run_that_another_process_holds_is_waited_for(tmp_path, monkeypatch, end, told, calls):
    monkeypatch.setattr(running, "_LOOK_SECONDS", 0.01)
    made = small(competitions=("a",), strategies=("gome",), seeds=(0,))
    folder = made.cells[0].folder(tmp_path)
    begin(folder)
    runner = Runner()
    with Elsewhere(folder, end) as other:
        progress = running.execute(made, tmp_path, runner, other.on_event)
    assert other.told == told
    assert runner.calls == [(made.cells[0], True)] * calls
    assert progress[made.cells[0]].state == "finished"


def test_ctrl_c_ends_the_waiting_and_leaves_the_other_process_alone(tmp_path):
    made = small(competitions=("a",), strategies=("gome",), seeds=(0,))
    folder = made.cells[0].folder(tmp_path)
    begin(folder)

    class Nobody(Runner):
        def interrupt(self):
            pass

    def on_event(event):
        told.append(event.what)
        if event.what == "held":
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    told = []
    with Elsewhere(folder), pytest.raises(KeyboardInterrupt):
        running.execute(made, tmp_path, Nobody(), on_event)
    assert told == ["held", "ended"]
    assert cells.read(folder).state == "open"


def test_a_grid_that_another_process_runs_is_refused(tmp_path):
    made = small()
    with held(tmp_path), pytest.raises(RunHeld):
        running.execute(made, tmp_path, Runner())


def test_jobs_are_runs_at_once(tmp_path):
    both = threading.Barrier(2, timeout=20)

    class Meets(Runner):
        def run(self, cell, folder, *, resume):
            both.wait()
            return super().run(cell, folder, resume=resume)

    made = small(seeds=(0,), jobs=2)
    progress = running.execute(made, tmp_path, Meets())
    assert {each.state for each in progress.values()} == {"finished"}


INTERRUPTED = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from experiments.mlebench import running, showing
from tests.experiments.mlebench import made_up

running.beginning = lambda grid, cell, folder: [sys.executable, "-c", '''
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.experiments.mlebench import made_up
folder = Path(sys.argv[1])
made_up.begin(folder)
print("at work", flush=True)
try:
    time.sleep(600)
except KeyboardInterrupt:
    made_up.finish(folder, ended_by="interrupted")
    sys.exit(130)
''', str(folder)]
grid = made_up.grid(competitions=("a", "b"), strategies=("gome",), seeds=(0,))
sys.exit(showing.run(grid, Path(sys.argv[1]), 0))
"""


def at_a_terminal(line):
    """A process that leads the session of a terminal of its own, and the terminal's other end."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        line,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    return process, ours


@pytest.mark.slow
@pytest.mark.parametrize("how", ["Ctrl-C", "the terminal goes away"])
def test_ctrl_c_ends_all_and_the_same_command_goes_on(tmp_path, how):
    """In real processes: the signal goes to the grid alone, and reaches what it started."""
    root = str(grids.Path(__file__).parents[3])
    code = INTERRUPTED.format(root=root)
    console = Cell("a", "gome", 0).folder(tmp_path) / cells.CONSOLE
    line = [sys.executable, "-c", code, str(tmp_path)]
    process, terminal = at_a_terminal(line)
    with process:
        until = time.monotonic() + 300
        while not (console.is_file() and "at work" in console.read_text()):
            assert time.monotonic() < until
            assert process.poll() is None
            if select.select([terminal], [], [], 0.05)[0]:
                os.read(terminal, 2**16)
        if how == "Ctrl-C":
            os.kill(process.pid, signal.SIGINT)
        else:
            os.close(terminal)
        assert process.wait(timeout=300) == 130
    if how == "Ctrl-C":
        os.close(terminal)
    made = grid(competitions=("a", "b"), strategies=("gome",), seeds=(0,))
    first, second = made.cells
    assert cells.read(first.folder(tmp_path)).state == "open"
    assert not (first.folder(tmp_path) / "cell.json").exists()
    assert cells.read(second.folder(tmp_path)).state == "not begun"
    runner = Runner()
    running.execute(made, tmp_path, runner)
    assert runner.calls == [(first, True), (second, False)]


def test_the_command_of_a_run_has_what_the_grid_says():
    made = small(model="openai/any", budget="money=3", hardware="v100", gpus="0", gpu_slots=2)
    line = running.beginning(made, made.cells[0], grids.Path("out"))
    told = dict(zip(line[5::2], line[6::2], strict=True))
    assert line[3:5] == ["run", "mlebench:made-up-a"]
    assert told["--strategy"] == "gome"
    assert told["--budget"] == "money=3"
    assert (told["--hardware"], told["--gpus"], told["--seed"]) == ("v100", "0", "0")
    assert told["--gpu-slots"] == "2"
    assert "--python" not in told


def test_the_command_of_a_run_is_understood():
    import typer

    from experiments.cli import app

    command = typer.main.get_command(app).commands["run"]
    for made in (
        small(),
        small(hardware="v100", gpus="none", data_dir="data"),
        small(hardware="v100", gpus="0,1", benchmark="home", model="a/b"),
    ):
        words = running.beginning(made, made.cells[0], grids.Path("out"))[4:]
        context = command.make_context("run", words)
        assert context.params["task"] == "mlebench:made-up-a"
        assert context.params["gpus"] == made.gpus


def test_a_run_is_resumed_where_the_grid_is_now(tmp_path):
    import typer

    from experiments import runs
    from experiments.cli import app

    grids.enter(small(gpus="0", python="here/python"), tmp_path)
    moved = small(gpus="1", gpu_slots=2, sandbox="process", benchmark="there")
    grids.enter(moved, tmp_path)
    command = typer.main.get_command(app).commands["resume"]
    words = running.resuming(moved, tmp_path)[4:]
    params = command.make_context("resume", words).params
    assert {name: params[name] for name in grids.WHERE} == {
        name: getattr(moved, name) for name in grids.WHERE
    }
    assert params["python"] == ""
    assert set(grids.WHERE) <= set(runs.WHERE)


def test_what_is_ahead_is_told_before(tmp_path):
    made = small(seeds=(0,), jobs=2)
    first = made.cells[0].folder(tmp_path)
    assert "unknown until a run is finished" in told(made, tmp_path)
    begin(first)
    text = told(made, tmp_path)
    assert "4 runs: 2 competitions x 2 strategies x 1 seeds (3 not begun, 1 open)" in text
    assert "at most 23:28 h, 2 at once, 12:00 h each" in text
    assert "data: 5.00 GiB" in text
    finish(first)
    assert "GiB more by the runs that are finished" in told(made, tmp_path)


def told(made, out):
    return watching.tell_ahead(made, watching.ahead(made, out), 5 * watching.GIB)


def test_the_board_shows_what_is_at_work(tmp_path):
    from rich.console import Console

    made = small(seeds=(0,))
    board = watching.Board(made, tmp_path)
    at_work, failed, kept, other = made.cells
    begin(at_work.folder(tmp_path))
    progress = cells.Progress("not begun")
    assert board.on_event(running.Event(at_work, "begun", progress)).startswith("begun: made-up-a")
    told = board.on_event(running.Event(other, "held", progress))
    assert told.startswith("running elsewhere: made-up-b, aide")
    gone = cells.Progress("failed", sentence="no key")
    assert board.on_event(running.Event(failed, "ended", gone)).endswith("0 steps: no key")
    assert board.on_event(running.Event(kept, "kept", cells.Progress("finished"))) == ""
    console = Console(width=200)
    with console.capture() as captured:
        console.print(board.table())
    shown = captured.get()
    assert "3/5" in shown
    assert "0.8" in shown
    assert "1:02 h of 12:00 h" in shown
    assert "2 running, 1 failed, 1 finished, 0 to come" in shown
    assert "running elsewhere" in shown
