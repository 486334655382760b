"""What proves that a run is over, and what does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gome_agent.closing import JOURNAL, RunOpen, closed, closed_around
from gome_agent.holding import RunHeld, held
from gome_agent.journal import Journal, JournalError

OVER = ("started", {}), ("finished", {"ended_by": "all 3 evaluations are used"})
INTERRUPTED = ("started", {}), ("finished", {"ended_by": "interrupted"})


def make_run(folder: Path, *events) -> Path:
    folder.mkdir(parents=True)
    with Journal.create(folder / JOURNAL) as journal:
        for kind, payload in events:
            journal.append(kind, payload)
    (folder / "submission.csv").write_text("id,value\n")
    return folder


def test_a_run_that_finished_is_closed_while_it_is_held(tmp_path):
    run = make_run(tmp_path / "run", *OVER)
    with closed(run) as proof:
        assert proof.require(run / "submission.csv") == run / "submission.csv"
        with pytest.raises(RunHeld), held(run):
            pass
    with held(run):
        pass
    with pytest.raises(RunOpen, match="no longer held"):
        proof.require(run / "submission.csv")


def test_a_proof_that_was_not_entered_proves_nothing(tmp_path):
    run = make_run(tmp_path / "run", *OVER)
    with pytest.raises(RunOpen, match="no longer held"):
        closed(run).require(run / "submission.csv")


@pytest.mark.parametrize(
    "events",
    [
        (),
        OVER[:1],
        INTERRUPTED,
        (*INTERRUPTED, ("resumed", {})),
        (*OVER, ("resumed", {})),
    ],
    ids=["empty", "killed", "interrupted", "gone on with", "gone on with after its end"],
)
def test_a_run_that_can_go_on_is_open(tmp_path, events):
    run = make_run(tmp_path / "run", *events)
    for around in (closed(run), closed_around(run / "submission.csv")):
        with pytest.raises(RunOpen, match="gome resume"), around:
            pass
    with held(run):
        pass  # nothing is held after a refusal


def test_a_run_that_was_resumed_to_its_end_is_closed(tmp_path):
    run = make_run(tmp_path / "run", *INTERRUPTED, ("resumed", {}), OVER[1], ("graded", {}))
    with closed(run) as proof:
        assert proof.require(run / "submission.csv") == (run / "submission.csv").resolve()


def test_one_open_run_keeps_all_of_them_from_being_closed(tmp_path):
    over, still = make_run(tmp_path / "a", *OVER), make_run(tmp_path / "b", *OVER[:1])
    with pytest.raises(RunOpen, match="/b"), closed(over, still):
        pass
    with held(over):
        pass


def test_a_folder_named_twice_is_one_run(tmp_path):
    run = make_run(tmp_path / "run", *OVER)
    (tmp_path / "other").symlink_to(run)
    with closed(run, tmp_path / "other") as proof:
        file = tmp_path / "other" / "submission.csv"
        assert proof.require(file) == (run / "submission.csv").resolve()


def test_a_run_at_work_in_another_process_is_not_closed(tmp_path):
    run = make_run(tmp_path / "run", *OVER)
    code = f"""
from pathlib import Path
from gome_agent.holding import held
with held(Path({str(run)!r})):
    print("held", flush=True)
    input()
"""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        for around in (closed(run), closed_around(run / "submission.csv")):
            with pytest.raises(RunHeld), around:
                pass
        other.communicate(b"\n")
    with closed(run):
        pass


def test_a_folder_without_a_journal_is_no_run_and_gets_no_lock(tmp_path):
    with pytest.raises(JournalError, match="no journal"), closed(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_files_elsewhere_are_not_the_runs(tmp_path):
    run = make_run(tmp_path / "run", *OVER)
    other = make_run(tmp_path / "other", *OVER[:1])
    (run / "link.csv").symlink_to(other / "submission.csv")
    (run / "link").symlink_to(other)
    with closed(run) as proof:
        for file in (
            other / "submission.csv",
            run / "../other/submission.csv",
            run / "link.csv",
            run / "link/submission.csv",
            tmp_path / "running.csv",
        ):
            with pytest.raises(RunOpen, match="not a file of the runs"):
                proof.require(file)


def test_a_file_of_no_run_can_be_named_by_hand(tmp_path):
    file = tmp_path / "mine.csv"
    with closed_around(file) as proof:
        assert proof.require(file) == file
        with pytest.raises(RunOpen, match="not a file"):
            proof.require(tmp_path / "another.csv")


def test_by_hand_no_file_in_an_open_run_can_be_named_at_any_depth_or_by_a_link(tmp_path):
    run = make_run(tmp_path / "run", *OVER[:1])
    deep = run / "steps" / "3" / "submission.csv"
    deep.parent.mkdir(parents=True)
    deep.touch()
    (tmp_path / "innocent.csv").symlink_to(deep)
    (tmp_path / "folder").symlink_to(deep.parent)
    for file in (deep, tmp_path / "innocent.csv", tmp_path / "folder" / "submission.csv"):
        with pytest.raises(RunOpen), closed_around(file):
            pass
    # A run that is over within an open one is not over either.
    inner = make_run(run / "inner", *OVER)
    with pytest.raises(RunOpen), closed_around(inner / "submission.csv"):
        pass
