"""A run that was killed, any number of times and anywhere, ends as one that was not."""

from __future__ import annotations

import functools
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

import optimizers
from gome_agent import loop
from gome_agent.budget import Budget
from gome_agent.journal import SCHEMA_VERSION, Journal, JournalError
from gome_agent.loop import Agent
from gome_agent.recording import OUTSIDE, Diverged
from tests.gome_agent.worlds import TASK, Fate, Killed, Scale, Writer, spent, truncate

pytestmark = pytest.mark.filterwarnings("ignore::optimizers.InertSchedule")
STEPS = 12
STRATEGIES = {
    "gome": (optimizers.directed(optimizers.gome()), 1),
    "replicating": (
        optimizers.directed(
            optimizers.momentum(), gate=optimizers.gates.sequential_test(replicates=3)
        ),
        1,
    ),
    "tree": (optimizers.undirected(optimizers.search.aide(drafts=2)), 1),
    "traces": (
        optimizers.directed(optimizers.gome(), policy=optimizers.search.traces(3, merge_after=8)),
        3,
    ),
    "side by side": (optimizers.undirected(optimizers.search.aira_mcts(children=2)), 3),
    "revalidating": (
        optimizers.directed(optimizers.sgd(), selector=optimizers.selectors.revalidated(3)),
        1,
    ),
}


@pytest.fixture(autouse=True, scope="module")
def _compiled_once():
    """Agents of one strategy share their programs."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "Compiled", functools.cache(loop.Compiled))
        yield


def agent(name: str, journal: Journal, fate: Fate | None = None, **options) -> Agent:
    strategy, in_flight = STRATEGIES[name]
    fate = fate or Fate()
    return Agent(
        task=TASK,
        strategy=strategy,
        reasoner=Writer(fate),
        evaluator=Scale(fate),
        journal=journal,
        budget=Budget(STEPS, evaluations=40),
        public=Path(),
        seed=3,
        capacity=8,
        repairs=1,
        **{"in_flight": in_flight, "workers": 1, **options},
    )


def told(path: Path) -> list[tuple]:
    """The events that decide, step by step, without the clock."""
    with Journal.open(path) as journal:
        events = [event for event in journal.events() if event.kind not in OUTSIDE]
    unclocked = [
        (event.step, event.kind, {k: v for k, v in event.payload.items() if k != "clock"})
        for event in events
    ]
    return sorted(unclocked, key=lambda event: -1 if event[0] is None else event[0])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of each strategy that nobody disturbed, and its journal."""
    folder = tmp_path_factory.mktemp("whole")
    runs = {}
    for name in STRATEGIES:
        path = folder / f"{name}.sqlite"
        with Journal.create(path) as journal:
            running = agent(name, journal)
            runs[name] = (path, running.run())
        assert Counter(_ran(path)) == running.evaluator.ran
    return runs


def same(one, other) -> None:
    """Decisions, scores and submission are equal."""
    for a, b in zip(one.steps, other.steps, strict=True):
        assert a._replace(spent=None) == b._replace(spent=None) or str(a) == str(b)
    assert one.submitted == other.submitted
    assert [f.solution.score for f in one.revalidated] == [
        f.solution.score for f in other.revalidated
    ]
    assert spent(one.steps) == spent(other.steps)
    assert one.ended_by == other.ended_by


@pytest.mark.parametrize("name", STRATEGIES)
def test_killed_at_every_boundary_of_the_journal(name, whole, tmp_path):
    path, undisturbed = whole[name]
    number = sqlite3.connect(path).execute("SELECT max(id) FROM events").fetchone()[0]
    cut = tmp_path / "cut.sqlite"
    for kept in range(0, number + 1, 1 if name == "side by side" else 3):
        truncate(path, cut, kept)
        before = Counter(_ran(cut))
        with Journal.resume(cut) as journal:
            again = agent(name, journal)
            same(undisturbed, again.run())
            assert journal.recording.over
        assert told(cut) == told(path)
        assert before + again.evaluator.ran == Counter(_ran(path)), "a script was run twice"


def _ran(path: Path):
    """Scripts with results on record."""
    with Journal.open(path) as journal:
        for kind in ("executed", "replicated", "revalidated"):
            for event in journal.events(kind):
                step = event.payload.get("of", event.step)
                script = journal.text(event.payload["script"])
                yield script, step, event.payload.get("replicate", 0)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(STRATEGIES)),
    deaths=st.lists(st.integers(0, 40), max_size=6),
)
def test_killed_any_number_of_times_and_anywhere(name, deaths, whole, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "journal.sqlite"
    Journal.create(path).close()
    ran = []
    for at in (*deaths, float("inf")):
        journal = Journal.resume(path)
        running = agent(name, journal, Fate(at))
        try:
            result = running.run()
        except Killed:
            # What was recorded and not flushed dies with the process.
            journal.forget()
        ran.append(running.evaluator.ran)
        journal.close()
    same(whole[name][1], result)
    assert told(path) == told(whole[name][0])


@pytest.mark.parametrize("name", ["side by side", "traces"])
@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_serial_and_parallel_runs_decide_alike(name, workers, whole, tmp_path):
    path, undisturbed = whole[name]
    with Journal.create(tmp_path / "journal.sqlite") as journal:
        same(undisturbed, agent(name, journal, workers=workers).run())
    assert told(tmp_path / "journal.sqlite") == told(path)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_replay_decides_the_same_and_asks_nobody(name, whole, tmp_path):
    path, undisturbed = whole[name]
    with Journal.open(path) as earlier:
        recording = earlier.as_recording(strict=True)
        with Journal.create(tmp_path / "journal.sqlite", replays=recording) as journal:
            again = agent(name, journal)
            same(undisturbed, again.run())
    assert not again.evaluator.ran
    assert told(tmp_path / "journal.sqlite") == told(path)


def test_a_replay_of_a_run_that_was_killed_says_where_it_ends(whole, tmp_path):
    truncate(whole["gome"][0], tmp_path / "cut.sqlite", 20)
    with Journal.open(tmp_path / "cut.sqlite") as earlier:
        recording = earlier.as_recording(strict=True)
        with Journal.create(tmp_path / "new.sqlite", replays=recording) as journal:
            with pytest.raises(Diverged, match="the recording ends"):
                agent("gome", journal).run()
            journal.forget()


def test_another_run_is_not_mistaken_for_this_one(whole, tmp_path):
    """A seed, a rule or a reasoner that is not the same is found where it first matters."""
    truncate(whole["gome"][0], tmp_path / "cut.sqlite", 10**6)
    with Journal.resume(tmp_path / "cut.sqlite") as journal:
        running = agent("gome", journal)
        running.reasoner.draft = lambda brief, rng: Writer().edit(brief, None, (), rng)
        with pytest.raises(Diverged, match=r"at step 0, .* was recorded"):
            running.run()
    truncate(whole["gome"][0], tmp_path / "cut.sqlite", 10**6)
    with Journal.resume(tmp_path / "cut.sqlite") as journal:
        running = agent("replicating", journal)
        with pytest.raises(Diverged, match="was recorded"):
            running.run()


def test_time_that_was_used_is_used(whole, tmp_path):
    truncate(whole["gome"][0], tmp_path / "cut.sqlite", 20)
    with Journal.resume(tmp_path / "cut.sqlite") as journal:
        running = agent("gome", journal, seconds_before=1e6)
        running.budget = running.ledger.budget = Budget(STEPS, seconds=1e6)
        result = running.run()
    assert "wall clock" in result.ended_by
    assert 0 < len(result.steps) < STEPS
    assert result.seconds >= 1e6


def test_journals_of_the_first_version_are_migrated(whole, tmp_path):
    old = tmp_path / "old.sqlite"
    truncate(whole["gome"][0], old, 30)
    with sqlite3.connect(old) as connection:
        connection.execute("ALTER TABLE blobs DROP COLUMN characters")
        connection.execute("PRAGMA user_version=1")
    connection.close()
    with Journal.open(old) as journal:
        assert len(list(journal.events())) == 30
    with Journal.resume(old) as journal:
        same(whole["gome"][1], agent("gome", journal).run())
    version = sqlite3.connect(old).execute("PRAGMA user_version").fetchone()
    assert version == (SCHEMA_VERSION,)


def test_a_disk_that_is_full_ends_the_run_with_a_sentence_and_loses_nothing(
    whole, tmp_path, monkeypatch
):
    monkeypatch.setattr("gome_agent.journal.WORTH_KEEPING_S", -1.0)
    path = tmp_path / "journal.sqlite"
    with Journal.create(path) as journal:
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count={pages + 3}")
        running = agent("gome", journal)
        with pytest.raises(JournalError, match="gome resume"):
            running.run()
        journal.forget()
    with Journal.resume(path) as journal:
        same(whole["gome"][1], agent("gome", journal).run())
