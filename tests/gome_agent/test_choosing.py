"""What is submitted at the end: the ranking, fresh measurements, and what if they cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import jax.numpy as jnp
import pytest
from hypothesis import given, strategies as st

import optimizers
from gome_agent.budget import Budget
from gome_agent.choosing import SelectorError
from gome_agent.journal import Journal
from gome_agent.loop import Agent
from gome_agent.measuring import FRESH_SPLIT
from gome_agent.reasoners import Scripted
from gome_agent.reasoners.base import Solution
from gome_agent.schemas import Edit
from gome_agent.tasks import registry
from gome_agent.text import optimise_text
from optimizers import recipes

SELECTORS = recipes.SELECTORS


@dataclass
class Finals:
    """Scores scripts, which are their numbers, by a table for the search and one for afterwards."""

    scores: list[float | None]
    fresh: list[float | None] = field(default_factory=list)
    folds: list[tuple[float, ...]] = field(default_factory=list)
    before: Callable[[int], None] = lambda calls: None
    calls: list[tuple[int, int]] = field(default_factory=list)

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        self.before(len(self.calls))
        self.calls.append((step, replicate))
        score = (self.fresh if replicate else self.scores)[int(script)]
        if score is None:
            return Solution(script, valid=False, failure="crash")
        folds = self.folds[int(script)] if self.folds else ()
        return Solution(script, valid=True, score=score, stderr=0.1, folds=folds)


def _agent(selector, evaluator: Finals, journal: Journal, public: Path, task="digits") -> Agent:
    """Every candidate is a draft."""
    drafts = optimizers.Policy(
        capacity=lambda steps: 1,
        init=lambda nodes: jnp.int32(0),
        ask=lambda state, key: (optimizers.Expansion(jnp.int32(-1), jnp.int32(0)), state),
        tell=lambda state, *seen: (state, jnp.int32(0)),
    )
    return Agent(
        task=registry.load(task),
        strategy=optimizers.undirected(drafts, selector=selector),
        reasoner=Scripted([Edit(script=str(i)) for i in range(len(evaluator.scores))]),
        evaluator=evaluator,
        journal=journal,
        budget=Budget(len(evaluator.scores)),
        public=public,
        capacity=2,
    )


@pytest.fixture
def build(tmp_path: Path):
    journals = []

    def build(selector, evaluator: Finals, task="digits") -> Agent:
        journals.append(Journal.create(tmp_path / f"{len(journals)}.sqlite"))
        return _agent(selector, evaluator, journals[-1], tmp_path, task)

    yield build
    for journal in journals:
        journal.close()


def test_the_best_fresh_score_of_the_finalists_is_submitted(build):
    finals = Finals([1.0, 4.0, 3.0, 2.0], fresh=[9.0, 1.0, 2.5, 2.0])
    agent = build(SELECTORS["revalidated"](3), finals)
    result = agent.run()
    assert finals.calls[4:] == [(step, FRESH_SPLIT) for step in (1, 2, 3)]
    assert [found.step for found in result.revalidated] == [1, 2, 3]
    assert [found.solution.score for found in result.revalidated] == [1.0, 2.5, 2.0]
    assert (result.chosen, result.submitted, result.note) == (2, (2,), "")
    assert result.evaluations == agent.ledger.evaluations == 7
    assert len(result.steps) == 4
    again = [event.payload for event in agent.journal.events("revalidated")]
    assert [(found["of"], found["score"]) for found in again] == [(1, 1.0), (2, 2.5), (3, 2.0)]
    assert not list(agent.journal.events("replicated"))


@given(
    scores=st.lists(st.integers(0, 9), min_size=1, max_size=8, unique=True),
    fresh=st.permutations(range(8)),
    wanted=st.integers(1, 5),
    averages=st.integers(1, 4),
)
def test_order_of_rank_then_of_fresh_scores(scores, fresh, wanted, averages):
    """Against the definition, in plain Python."""
    selector = SELECTORS["revalidated"](wanted)._replace(averages=averages)
    evaluator = Finals(list(map(float, scores)), fresh=list(map(float, fresh)))
    with Journal.create(Path(":memory:")) as journal:
        agent = _agent(selector, evaluator, journal, Path())
        result = agent.run()
    by_score = sorted(range(len(scores)), key=lambda i: -scores[i])
    finalists = sorted(by_score[:wanted], key=lambda i: -fresh[i])
    rest = by_score[wanted:]
    assert result.submitted == tuple((finalists + rest)[:averages])


def test_an_average_takes_the_first_in_rank_and_no_more_than_are_valid(build):
    finals = [1.0, None, 3.0, 2.0]
    assert build(SELECTORS["ensemble"](2), Finals(finals)).run().submitted == (2, 3)
    assert build(SELECTORS["ensemble"](6), Finals(finals)).run().submitted == (2, 3, 0)
    nothing = build(SELECTORS["ensemble"](2), Finals([None, None])).run()
    assert (nothing.submitted, nothing.chosen, nothing.best) == ((), None, None)


def test_a_finalist_that_fails_afresh_goes_last(build):
    finals = Finals([1.0, 4.0, 3.0], fresh=[0.0, None, 0.0])
    result = build(SELECTORS["revalidated"](3), finals).run()
    assert result.chosen == 2
    assert result.note == "measured again, steps 1 failed"
    assert [found.solution.valid for found in result.revalidated] == [False, True, True]
    result = build(SELECTORS["revalidated"](2), Finals([1.0, 4.0], fresh=[None, None])).run()
    assert result.chosen == 1


@pytest.mark.parametrize(("at", "measured", "chosen"), [(3, 0, 1), (5, 2, 2)])
def test_when_the_time_is_up_what_was_measured_decides_and_the_rest_is_rank(
    build, at, measured, chosen
):
    finals = Finals([1.0, 4.0, 3.0], fresh=[9.0, 1.0, 2.0])
    agent = build(SELECTORS["revalidated"](3), finals)
    agent.ledger.clock = lambda: float(len(finals.calls) >= at) + agent.ledger.started
    agent.ledger.budget = Budget(3, seconds=1.0)
    result = agent.run()
    assert result.chosen == chosen
    assert len(result.revalidated) == measured
    assert result.note.startswith(f"{measured} of 3 candidates were measured again")
    assert result.note.endswith("chosen by rank") == (measured == 0)


def test_ctrl_c_ends_the_finals_and_an_interrupted_search_has_none(build):
    def stop(at):
        def before(calls):
            if calls == at:
                raise KeyboardInterrupt

        return before

    finals = Finals([1.0, 4.0, 3.0], fresh=[9.0, 1.0, 2.0], before=stop(4))
    result = build(SELECTORS["revalidated"](3), finals).run()
    assert [found.step for found in result.revalidated] == [1]
    assert result.chosen == 1
    finals = Finals([1.0, 4.0, 3.0], fresh=[9.0, 1.0, 2.0], before=stop(2))
    result = build(SELECTORS["revalidated"](3), finals).run()
    assert (result.ended_by, result.revalidated, result.chosen) == ("interrupted", (), 1)


def test_a_script_that_ignores_its_split_is_told(build):
    finals = Finals([1.0, 2.0], fresh=[1.0, 2.0], folds=[(1.0, 1.0), (2.0, 2.0)])
    note = build(SELECTORS["revalidated"](2), finals).run().note
    assert "steps 1, 0 gave the same folds" in note


def test_maximin_sees_fold_scores_in_higher_is_better_units(build):
    """Housing is scored by an error: the folds' utilities are their negatives."""
    folds = [(1.0, 5.0), (4.0, 4.0), (9.0, 9.0)]
    finals = Finals([-3.0, -4.0, -9.0], folds=folds)
    assert build(SELECTORS["maximin"](), finals, task="housing").run().chosen == 1
    finals = Finals([3.0, 4.0, 9.0], folds=[(1.0, 5.0), (4.0, 4.0), (9.0, 2.0)])
    assert build(SELECTORS["maximin"](), finals, task="digits").run().chosen == 1


def test_without_equal_folds_the_score_decides_and_the_note_says_so(build):
    finals = Finals([3.0, 4.0], folds=[(3.0, 3.0), (0.0, 6.0, 6.0)])
    result = build(SELECTORS["maximin"](), finals).run()
    assert result.chosen == 1
    assert result.note.startswith("chosen by score alone: `maximin` compares fold scores")


def test_nothing_runs_with_a_selector_that_reads_the_answers(build):
    finals = Finals([1.0])
    with pytest.raises(SelectorError, match="reads the answers"):
        build(SELECTORS["oracle_on_test"](), finals)
    assert finals.calls == []


def test_texts_are_not_averaged():
    strategy = optimizers.directed(optimizers.sgd(), selector=SELECTORS["ensemble"](2))
    with pytest.raises(ValueError, match="no average"):
        optimise_text("x", lambda text: [(1.0, "")], lambda prompt: "", strategy=strategy)
