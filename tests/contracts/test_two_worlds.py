"""One rule, two worlds: the diagram commutes.

A simulated run is recorded; its diagnoses, moves and measurements are replayed, as text and
numbers, through the agent's own loop with a scripted reasoner and a toy evaluator. Every choice of
node and operator and every decision must be the same, every candidate within 1e-6, for every rule,
gate and policy there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import optimizers
from gome_agent.budget import Budget
from gome_agent.journal import Journal
from gome_agent.loop import Agent
from gome_agent.reasoners import Scripted
from gome_agent.reasoners.base import Solution
from gome_agent.schemas import Diagnosis, Directive, Edit, Suggestion
from gome_theory import Reliability
from optimizers import GATES, POLICIES, RULES, Expansion, Operator, Policy, Strategy
from optimizers.recipes import WRAPPERS
from simulators import (
    Recording,
    World,
    noisy_evaluator,
    noisy_oracle,
    quadratic,
    rollout,
    spending,
)

pytestmark = pytest.mark.filterwarnings("ignore::optimizers.InertSchedule")
DIM, STEPS = 5, 24
COORDINATES = tuple(
    Directive(statement=f"increase coordinate {i}", component="model") for i in range(DIM)
)


class Pair(NamedTuple):
    """The two best candidates, and how many came."""

    told: Array
    score: Array


def crossing() -> Policy:
    """Two drafts; then crossovers of the two best, better one first, alternate with improvements.

    A slot is overwritten by any candidate that is better than the worse of the two.
    """

    def ask(state, key):
        best = jnp.argmax(state.score)
        drafts, crosses = state.told < 2, state.told % 2 == 0
        operator = jnp.where(crosses, Operator.CROSSOVER, Operator.IMPROVE)
        return Expansion(
            parent=jnp.where(drafts, -1, best),
            operator=jnp.where(drafts, Operator.DRAFT, operator).astype(jnp.int32),
            other=jnp.where(~drafts & crosses, 1 - best, -1),
        ), state

    def tell(state, expansion, observation, accepted):
        told = Pair(state.told + 1, state.score)
        worst = jnp.argmin(state.score)
        better = observation.valid & (observation.score > state.score[worst])
        score = jnp.where(better, state.score.at[worst].set(observation.score), state.score)
        return told._replace(score=score), jnp.where(better, worst, -1)

    def init(nodes):
        return Pair(jnp.zeros((), jnp.int32), jnp.full((nodes,), -jnp.inf))

    # What comes to no candidate counts too, as in `tell`.
    return Policy(
        lambda steps: 2, init, ask, tell, lambda s, expansion: s._replace(told=s.told + 1)
    )


class Archive(NamedTuple):
    """The fold scores of every candidate that was kept."""

    stored: Array
    folds: Array


def by_worst_fold(folds: int = 4) -> Policy:
    """Improves the candidate whose worst fold is best; keeps every candidate that ran."""

    def ask(state, key):
        parent = jnp.argmax(state.folds.min(axis=-1))
        drafts = state.stored == 0
        return Expansion(
            parent=jnp.where(drafts, -1, parent),
            operator=jnp.where(drafts, Operator.DRAFT, Operator.IMPROVE).astype(jnp.int32),
        ), state

    def tell(state, expansion, observation, accepted):
        slot = jnp.where(observation.valid, state.stored, -1)
        row = jnp.where(observation.valid, slot, len(state.folds))
        kept = state.folds.at[row].set(observation.folds, mode="drop")
        return Archive(state.stored + observation.valid, kept), slot

    def init(nodes):
        return Archive(jnp.zeros((), jnp.int32), jnp.full((nodes, folds), -jnp.inf))

    return Policy(lambda steps: steps, init, ask, tell, folds=folds)


STRATEGIES: dict[str, Strategy] = {
    **{
        f"{rule} x {gate}": optimizers.directed(RULES[rule](learning_rate=0.2), gate=GATES[gate]())
        for rule in RULES
        for gate in (GATES if rule in ("momentum", "gome") else ["improved"])
    },
    **{
        f"{wrapper}(momentum) x improved": optimizers.directed(
            WRAPPERS[wrapper](optimizers.momentum(0.2, 0.5))
        )
        for wrapper in WRAPPERS
    },
    "three diagnoses, consensus(momentum) x improved": optimizers.directed(
        optimizers.consensus(optimizers.momentum(0.2, 0.5), how="median")
    ),
    **{f"{name} x always": optimizers.undirected(POLICIES[name]()) for name in POLICIES},
    "four folds, their worst x always": optimizers.undirected(by_worst_fold()),
    "four folds, their worst, measured twice": optimizers.undirected(
        by_worst_fold(),
        gate=GATES["improved"]()._replace(
            undecided=lambda _, seen: jnp.isfinite(seen.gain) & (seen.replicates < 2), replicates=2
        ),
    ),
    "crossing x always": optimizers.undirected(crossing()),
    "hill_climb": optimizers.hill_climb(),
    "aide, directed by gome": optimizers.directed(
        RULES["gome"](learning_rate=0.2),
        policy=POLICIES["aide"](drafts=2, operator=Operator.DESCEND),
        gate=GATES["always"](),
    ),
}


@dataclass(frozen=True)
class ToyEvaluator:
    """Answers with the recorded measurements: a script names the candidate that it is."""

    recording: Recording
    now: list[int]
    """The candidate that was evaluated last; a replicate of any other is one of its parent."""

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        if not replicate:
            self.now.append(step)
        measured = self.recording.candidate if step == self.now[-1] else self.recording.parent
        seen = jax.tree.map(lambda x: x[self.now[-1], replicate], measured)
        if not seen.valid:
            return Solution(script, valid=False, failure="recorded crash")
        folds = () if seen.folds is None else tuple(seen.folds.tolist())
        score, stderr = float(seen.score), float(seen.stderr)
        return Solution(script, valid=True, score=score, stderr=stderr, folds=folds)


def diagnosis(gradient: np.ndarray) -> Diagnosis:
    return Diagnosis(
        suggestions=tuple(
            Suggestion(statement=d.statement, component=d.component, strength=-float(g))
            for d, g in zip(COORDINATES, gradient, strict=True)
        )
    )


def replies(trace, recording) -> Iterator[Diagnosis | Edit]:
    """What the simulated reasoner said, in the words of the agent."""
    for step in range(STEPS):
        script = f"# candidate {step}"
        whole = Edit(script=script, applied=COORDINATES)
        match Operator(int(trace.operator[step])):
            case Operator.DESCEND:
                if trace.diagnosed[step]:
                    yield from map(diagnosis, np.atleast_2d(recording.direction[step]))
                if trace.evaluations[step] > 0:
                    yield whole
            case Operator.IMPROVE:
                yield whole.model_copy(
                    update={"amounts": tuple(-float(g) for g in recording.direction[step])}
                )
            case Operator.DRAFT:
                yield whole.model_copy(
                    update={"amounts": tuple(float(x) for x in recording.params[step])}
                )
            case Operator.CROSSOVER:
                # A slot holds what was stored last in it before this step.
                held = np.flatnonzero(trace.slot[:step] == trace.parent[step])[-1]
                moved = recording.params[step] - recording.params[held]
                yield whole.model_copy(update={"amounts": tuple(map(float, moved))})
            case Operator.DEBUG:
                yield Edit(script=script)


def test_every_rule_gate_and_policy_is_covered():
    covered = " ".join(STRATEGIES)
    assert all(name in covered for name in (*RULES, *WRAPPERS, *GATES, *POLICIES))


@pytest.mark.parametrize("name", STRATEGIES)
def test_decisions_and_parameters_agree(name: str, tmp_path: Path, a_task):
    strategy = STRATEGIES[name]
    world = World(
        landscape=quadratic(np.geomspace(1.0, 0.1, DIM)),
        reasoner=noisy_oracle(Reliability(alignment=0.6, hallucination=0.1)),
        proposer=noisy_oracle(Reliability(alignment=0.0), scale=0.4),
        evaluator=noisy_evaluator(0.02, crash_rate=0.15, folds=strategy.policy.folds),
        diagnoses=3 if name.startswith("three diagnoses") else 1,
    )
    seed = 7
    simulated = jax.jit(
        lambda: rollout(strategy, world, jax.random.key(seed), STEPS),
        compiler_options={"xla_backend_optimization_level": 0},
    )
    trace, recording = simulated()

    with Journal.create(tmp_path / "journal.sqlite") as journal:
        agent = Agent(
            task=a_task,
            strategy=strategy,
            reasoner=Scripted(replies(trace, recording)),
            evaluator=ToyEvaluator(recording, []),
            journal=journal,
            budget=Budget(STEPS),
            public=tmp_path,
            seed=seed,
            capacity=DIM + 3,
            diagnoses=world.diagnoses,
        )
        result = agent.run()
        settled = [event.payload for event in journal.events("settled")]

    assert [step.operator for step in result.steps] == trace.operator.tolist()
    assert [step.accepted for step in result.steps] == trace.accepted.tolist()
    assert [payload["node"] for payload in settled] == trace.slot.tolist()
    if strategy.policy.folds:
        kept = np.flatnonzero(trace.valid)
        assert (np.asarray(agent.state.policy.folds)[: len(kept)] != -np.inf).all()
        by_score = [np.argmax(trace.score[:step]) for step in range(1, STEPS)]
        assert [step.parent for step in result.steps[1:]] != by_score
    if name.startswith("crossing"):
        crossed = [step for step in result.steps if step.operator == Operator.CROSSOVER]
        assert len(crossed) > STEPS // 3
        assert all(step.other is not None and step.other != step.parent for step in crossed)
    for step, payload in enumerate(settled):
        real = [payload["parameters"].get(d.statement, 0.0) for d in COORDINATES]
        np.testing.assert_allclose(real, recording.params[step], atol=1e-6)
    chosen = int(optimizers.choose(strategy.selector, trace.history))
    assert result.chosen == (chosen if chosen >= 0 else None)
    paid = spending(trace, diagnoses=world.diagnoses)
    for currency in ("evaluations", "calls", "steps"):
        counted = [getattr(step.spent, currency) for step in result.steps]
        assert counted == getattr(paid, currency).tolist()
