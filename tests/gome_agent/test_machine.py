"""The agent's loop as a state machine: lives of one run, each with its happenings and its end.

A life starts a process anew on the journal that there is. Everything from outside (replies,
measurements, the clock) is drawn; when what was drawn for a life is used up the process is killed,
interrupted or misconfigured, within a call or before it. After every life the books are compared:
the world's, the journal's, and those of a replay.
"""

from __future__ import annotations

import functools
import itertools
import json
import random
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest
from hypothesis import Phase, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

import optimizers
from gome_agent import loop
from gome_agent.budget import Budget
from gome_agent.journal import Journal
from gome_agent.loop import INTERRUPTED, Agent
from gome_agent.models import (
    Capped,
    Exchange,
    ModelMisconfigured,
    ModelUnavailable,
    Quote,
    RequestRefused,
    Usage,
)
from gome_agent.models.recorded import Recorded
from gome_agent.reasoners.base import Solution
from gome_agent.reasoners.prompted import Prompted
from gome_agent.recording import OUTSIDE, Diverged
from gome_agent.text import IN_MEMORY
from optimizers.budget import CURRENCIES, Spent
from tests.gome_agent.worlds import TASK, Killed

pytestmark = pytest.mark.filterwarnings("ignore::optimizers.InertSchedule")
sequential = optimizers.gates.sequential_test
STRATEGIES = {
    "chain": (optimizers.directed(optimizers.gome()), 1),
    "ties": (optimizers.directed(optimizers.sgd(), gate=optimizers.gates.hierarchical(z=1.0)), 1),
    "traces": (
        optimizers.directed(
            optimizers.momentum(),
            policy=optimizers.search.traces(3, merge_after=4),
            gate=sequential(replicates=3),
            selector=optimizers.selectors.revalidated(2),
        ),
        3,
    ),
    "search": (optimizers.undirected(optimizers.search.aira_mcts(children=2)), 3),
}
IMPROVED = ("chain",)
"""Those whose gate wants a better score."""
NOTHING = Spent()
PROMPT_TOKENS, COMPLETION_TOKENS = 100, 200
PRICE = 0.001
"""Of a token."""


class Happening(NamedTuple):
    """What comes of the next call, whatever is called."""

    reply: str
    """Of a model."""
    score: float | None
    """Of a script; `None` if it fails."""
    stderr: float = 0.0
    seconds: float = 1.0


HAPPENINGS = st.builds(
    Happening,
    st.sampled_from(
        ["fine"] * 6
        + ["contrary", "unreadable", "unchanged", "refused", "down", "down, but charged"]
    ),
    st.one_of(st.none(), st.integers(-3, 3).map(float), st.floats(-3, 3)),
    st.sampled_from([0.0, 0.5, 2.0]),
    st.sampled_from([0.5, 1.0, 5.0]),
)
ENDS = st.tuples(
    st.sampled_from([Killed, KeyboardInterrupt, ModelMisconfigured]),
    st.sampled_from(["before", "after"]),
)


def chance(seed: int) -> Iterator[Happening]:
    """Happenings without an end."""
    draw = random.Random(seed)
    replies = ["fine"] * 8 + ["contrary", "unreadable", "unchanged", "refused", "down"]
    while True:
        score = None if draw.random() < 0.15 else draw.gauss(0, 1)
        yield Happening(draw.choice(replies), score, draw.choice([0.0, 0.5]))


@dataclass
class World:
    """Answers, measures, counts and keeps the time, over all lives of a run."""

    budget: Budget
    now: float = 0.0
    paid: Spent = NOTHING
    ran: Counter = field(default_factory=Counter)
    lost_calls: Spent = NOTHING
    """Paid in calls that the process did not survive."""
    lost_runs: Counter = field(default_factory=Counter)
    happenings: Iterator[Happening] = field(default_factory=lambda: iter(()))
    end: tuple[type[BaseException], str] = (Killed, "before")
    names: Iterator[int] = field(default_factory=itertools.count)
    late: list[str] = field(default_factory=list)
    died: bool = False
    """Whether the process has come to its end by its last happening."""
    name: str = "world"

    def quote(self, request) -> Quote:
        return Quote(
            PROMPT_TOKENS, COMPLETION_TOKENS, lambda prompt, reply: PRICE * (prompt + reply)
        )

    def ask(self, request, seconds, *, max_tokens=None, another: Callable[[], bool] = lambda: True):
        happening, over = self._next(ModelMisconfigured)
        tokens = 150 if max_tokens is None else min(150, max_tokens)
        usage = Usage(PROMPT_TOKENS, tokens, money=PRICE * (PROMPT_TOKENS + tokens))
        if happening.reply in ("refused", "down"):
            usage = Usage(calls=0)
        self.paid += usage.spent
        if over:
            self.lost_calls += usage.spent
            raise over
        self.now += happening.seconds
        if happening.reply == "refused":
            raise RequestRefused("no", usage)
        if happening.reply.startswith("down"):
            raise ModelUnavailable("down", usage)
        return Exchange(self._reply(request, happening.reply), self.name, usage)

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        if seconds > max(1.0, self.budget.seconds - self.now):
            self.late.append(f"{seconds} s for a script at {self.now}")
        happening, over = self._next(None)
        done = script, step, replicate
        self.ran[done] += 1
        if over:
            self.lost_runs[done] += 1
            raise over
        self.now += happening.seconds
        if happening.score is None:
            return Solution(script, False, failure="it crashed", outcome="error", log="Traceback")
        score, stderr, seconds = happening.score, happening.stderr, happening.seconds
        return Solution(script, True, score=score, stderr=stderr, seconds=seconds, outcome="ok")

    def _next(self, misconfigured: type[BaseException] | None):
        """The next happening, and what ends the process after it if it is the last."""
        happening = next(self.happenings, None)
        self.died = happening is None
        if happening is not None:
            return happening, None
        kind, when = self.end
        if kind is ModelMisconfigured:
            kind, when = misconfigured or Killed, "before"
        if when == "before":
            raise kind("over")
        return Happening("fine", 0.0), kind("over")

    def _reply(self, request, kind: str) -> str:
        purpose = request.purpose
        if purpose == "repair":  # the question that is asked again; its form is the first one's
            purpose = "judge" if "aligned" in request.prompt else purpose
        if kind == "unreadable":
            return "I cannot say"
        yes = kind != "contrary"
        if purpose == "judge":
            return json.dumps({"aligned": yes, "evidence": "line 1"})
        if purpose == "prefer":
            return json.dumps({"replace": yes})
        if purpose == "diagnose":
            return self._diagnosis("improves" if yes else "worsens")
        header: dict[str, object] = {"note": f"no. {next(self.names)}"}
        if purpose == "edit":
            header["applied"] = [1]
        elif purpose in ("improve", "crossover", "refine"):
            header["applied"] = []
        script = "unchanged" if kind == "unchanged" else f"print({next(self.names)})"
        return f"<solution>\n{script}\n</solution>\n{json.dumps(header)}"

    def _diagnosis(self, effect: str) -> str:
        names = ("alignment", "impact", "novelty", "feasibility", "risk_reward")
        challenge = {"kind": "trace", "statement": "slow", "evidence": "", "impact": ""}
        hypotheses = [
            {
                "challenge": 1,
                "statement": f"turn knob {next(self.names) % 7}",
                "component": "model",
                "effect": effect,
                "scores": dict.fromkeys(names, 5.0),
                "credence": 0.9,
            }
            for _ in range(2)
        ]
        hypotheses[1]["statement"] += " back"
        return json.dumps({"challenges": [challenge], "hypotheses": hypotheses})


def nobody(*_: object, **__: object):
    raise AssertionError("a run that is only followed asks nobody")


class Life(RuleBasedStateMachine):
    """One run and its lives."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "journal.sqlite"
        Journal.create(self.path).close()
        self.ended = ""

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize(
        name=st.sampled_from(sorted(STRATEGIES)),
        limits=st.fixed_dictionaries(
            {"steps": st.integers(1, 9)},
            optional={
                "evaluations": st.integers(1, 14),
                "calls": st.integers(1, 30),
                "tokens": st.integers(250, 8000),
                "money": st.floats(0.25, 8.0),
                "seconds": st.floats(1.0, 60.0),
            },
        ),
        options=st.fixed_dictionaries(
            {"repairs": st.integers(0, 2), "refines": st.booleans(), "judges": st.booleans()}
        ),
    )
    def begin(self, name, limits, options) -> None:
        self.name, self.options = name, options
        self.budget = Budget(**limits)
        self.world = World(self.budget)

    # -- rules ---------------------------------------------------------------------------------

    @precondition(lambda self: not self.ended)
    @rule(happenings=st.lists(HAPPENINGS, max_size=20), end=ENDS)
    def live(self, happenings, end) -> None:
        """A process that does not survive its last happening, if it comes to that."""
        self.world.happenings, self.world.end = iter(happenings), end
        self._live()

    @precondition(lambda self: not self.ended)
    @rule(seed=st.integers(0, 10**6))
    def live_on(self, seed) -> None:
        """A process that comes to the end of the run."""
        self.world.happenings = chance(seed)
        self._live()
        assert self.ended

    @precondition(lambda self: self.ended)
    @rule()
    def resume_what_is_over(self) -> None:
        before, happened = self._events(), (self.world.paid, self.world.ran.copy())
        self.world.happenings = chance(0)
        self._live()
        assert self._events() == before
        assert (self.world.paid, self.world.ran) == happened

    def _live(self) -> None:
        journal = Journal.resume(self.path)
        world = self.world
        world.died = False
        assert journal.recording is not None
        spent = journal.recording.spent._replace(seconds=world.now)
        recorded = Recorded(Capped(world, self.budget, spent, clock=lambda: world.now), journal)
        agent = self._agent(journal, Prompted(recorded), world)
        agent.ledger.clock = lambda: world.now
        agent.ledger.started = 0.0
        flushed = True
        try:
            result = agent.run()
            self.ended = "" if result.ended_by == INTERRUPTED else result.ended_by
        except Killed:
            journal.forget()
            flushed, result = False, None
        except ModelMisconfigured:
            result = None
        journal.close()
        self._audit()
        again, result_again = self._replay()
        assert again._steps == agent._steps
        if flushed:
            same(state(again), state(agent))
        if self.ended:
            assert result is not None
            assert result_again is not None
            assert result_again.submitted == result.submitted
            assert result_again.ended_by == result.ended_by
        self._judge_steps(agent._steps)
        if world.died:  # by Ctrl-C, while finalists were measured: who resumes measures the others
            self.ended = ""

    def _agent(self, journal, reasoner, evaluator) -> Agent:
        strategy, in_flight = STRATEGIES[self.name]
        return Agent(
            task=TASK,
            strategy=strategy,
            reasoner=reasoner,
            evaluator=evaluator,
            journal=journal,
            budget=self.budget,
            public=Path(),
            capacity=4,
            in_flight=in_flight,
            workers=1,
            **self.options,
        )

    def _replay(self):
        """The run once more, from its journal alone; as far as that goes."""
        with Journal.open(self.path) as earlier:
            strict = earlier.as_recording(strict=True)
            with Journal.create(IN_MEMORY, replays=strict) as journal:
                evaluator = World(self.budget)
                evaluator.evaluate = nobody
                agent = self._agent(journal, Prompted(Recorded(None, journal)), evaluator)
                if self.ended:
                    result = agent.run()
                    assert strict.over
                else:
                    with pytest.raises(Diverged, match=r"the recording ends|there is none"):
                        agent.run()
                    result = None
                    journal.forget()
        return agent, result

    # -- invariants ----------------------------------------------------------------------------

    def _events(self) -> list[tuple]:
        with Journal.open(self.path) as journal:
            return [
                (event.step, event.kind, event.payload)
                for event in journal.events()
                if event.kind not in OUTSIDE
            ]

    def _audit(self) -> None:
        """What was really done is what is on record, and within the budget."""
        events, world, limits = self._events(), self.world, self.budget
        paid = sum((Spent(**p["spent"]) for _, k, p in events if k == "exchanged"), Spent())
        kept = world.paid - world.lost_calls
        assert np.allclose(kept, paid)
        for currency in ("calls", "tokens", "money"):
            assert getattr(kept, currency) <= getattr(limits, currency) * (1 + 1e-9), currency
        runs = Counter(
            (payload["script"], payload.get("of", step), payload.get("replicate", 0))
            for step, kind, payload in events
            if kind in ("executed", "replicated", "revalidated")
        )
        really = world.ran - world.lost_runs
        assert sorted(runs.values()) == sorted(really.values())
        assert really.total() <= limits.evaluations
        assert not world.late
        assert all(p["clock"] < limits.seconds for _, kind, p in events if kind == "asked")
        self._require_form(events)

    def _require_form(self, events) -> None:
        by_step = defaultdict(list)
        for step, kind, _ in events:
            by_step[step].append(kind)
        after = by_step.pop(None, [])
        assert after in ([], *(["ended"] + ["revalidated"] * n for n in range(3)))
        assert sorted(by_step) == list(range(len(by_step)))
        assert len(by_step) <= self.budget.steps
        open_steps = 0
        for kinds in by_step.values():
            assert kinds[0] == "asked"
            assert kinds.count("asked") == 1
            over = [kind for kind in kinds if kind in ("settled", "abandoned")]
            assert len(over) <= 1
            assert not over or kinds[-1] in over
            open_steps += not over
        assert open_steps <= STRATEGIES[self.name][1]
        if self.ended:
            assert after
            assert not open_steps

    def _judge_steps(self, steps) -> None:
        by_number = {step.step: step for step in steps}
        for step in steps:
            if step.accepted and self.name in IMPROVED and step.parent is not None:
                parent = by_number[step.parent]
                assert not parent.solution.valid or step.solution.score >= parent.solution.score
        if self.name == "chain":
            best = [step.solution.score for step in steps if step.accepted]
            assert best == sorted(best)
        spent = [step.spent for step in steps]
        for one, other in itertools.pairwise(spent):
            assert all(getattr(one, c) <= getattr(other, c) for c in CURRENCIES)


def state(agent: Agent) -> tuple:
    """All that a run has come to."""
    run = agent.state._replace(key=jax.random.key_data(agent.state.key))
    told = agent.lexicon, agent._node_step, agent._begun, agent._briefing.attempts
    return jax.tree.map(np.asarray, run), told


def same(one: tuple, other: tuple) -> None:
    """Equal to the last digit."""
    jax.tree.map(np.testing.assert_array_equal, one[0], other[0])
    assert one[1] == other[1]


def test_lives_of_a_run(monkeypatch):
    monkeypatch.setattr(loop, "Compiled", functools.cache(loop.Compiled))
    monkeypatch.setattr("gome_agent.journal.WORTH_KEEPING_S", -1.0)  # what is finished is on disk
    run_state_machine_as_test(
        Life,
        # A failing life is short enough to be read, and shrinking it takes minutes.
        settings=settings(
            max_examples=40, stateful_step_count=5, deadline=None, phases=[Phase.generate]
        ),
    )
