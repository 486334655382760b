"""The host loop: what a step commits, withholds, measures again and forgets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_array_equal

import optimizers
from gome_agent.budget import Budget
from gome_agent.journal import Journal
from gome_agent.loop import Agent
from gome_agent.reasoners import Scripted
from gome_agent.reasoners.base import MalformedReply, NoEdit, Solution
from gome_agent.schemas import Diagnosis, Edit, Suggestion
from gome_agent.tasks import registry
from optimizers import Operator

DRAFT = Edit(script="0")


def says(*strengths: float, words: str = "turn knob") -> Diagnosis:
    return Diagnosis(
        suggestions=tuple(
            Suggestion(statement=f"{words} {i}", component="model", strength=strength)
            for i, strength in enumerate(strengths)
        )
    )


def writes(script: str, diagnosis: Diagnosis) -> Edit:
    return Edit(script=script, applied=diagnosis.suggestions and diagnosis.suggestions[:1])


@dataclass
class Meter:
    """Scores a script by the number it is, plus noise that its replicate decides."""

    noise: float = 0.0
    calls: list[tuple[str, int]] = field(default_factory=list)

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        self.calls.append((script, replicate))
        shift = np.random.default_rng([replicate, int(10 * abs(float(script)))]).normal()
        return Solution(script, True, score=float(script) + self.noise * shift, stderr=self.noise)


@pytest.fixture
def build(tmp_path: Path):
    journals = []

    def build(rule, replies, *, steps, evaluator=None, gate=None, policy=None, **options) -> Agent:
        journals.append(Journal.create(tmp_path / f"{len(journals)}.sqlite"))
        return Agent(
            task=registry.load(options.pop("task", "digits")),
            strategy=optimizers.directed(rule, gate=gate, policy=policy),
            reasoner=options.pop("reasoner", Scripted)(replies),
            evaluator=evaluator or Meter(),
            journal=journals[-1],
            budget=Budget(steps),
            public=tmp_path,
            capacity=options.pop("capacity", 4),
            **options,
        )

    yield build
    for journal in journals:
        journal.close()


def kinds(agent: Agent) -> list[str]:
    return [event.kind for event in agent.journal.events()]


def leaves(state) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]


# --- nothing is learned from what was not said ----------------------------------------------------


@pytest.mark.parametrize("failure", [MalformedReply("not JSON"), NoEdit("no idea")])
@pytest.mark.parametrize(
    "rule",
    [
        optimizers.momentum(),
        optimizers.gome(),
        optimizers.learns_from_rejections(optimizers.momentum()),
        optimizers.recipes.WRAPPERS["accumulated"](optimizers.sgd()),
        optimizers.recipes.WRAPPERS["reused"](optimizers.sgd()),
    ],
    ids=["momentum", "gome", "learner", "accumulated", "reused"],
)
def test_a_malformed_diagnosis_changes_nothing_and_is_recorded(build, rule, failure):
    agent = build(rule, [DRAFT, failure], steps=2)
    agent.step()
    before, lexicon = agent.state, agent.lexicon
    step = agent.step()
    assert not step.accepted
    assert not step.solution.valid
    for name in ("params", "rule_state", "score", "stderr", "policy", "gate"):
        for old, new in zip(
            leaves(getattr(before, name)), leaves(getattr(agent.state, name)), strict=True
        ):
            assert_array_equal(old, new)
    assert agent.lexicon == lexicon
    (failed,) = agent.journal.events("failed")
    assert failed.payload == {"error": type(failure).__name__, "reason": str(failure)}


class Drawing(Scripted):
    """Keeps the generators that it was passed."""

    def __init__(self, replies):
        super().__init__(replies)
        self.passed = []

    def diagnose(self, brief, parent, rng):
        self.passed.append(rng)
        return super().diagnose(brief, parent, rng)


class Silent(Drawing):
    draws = False


def test_each_step_has_a_generator_of_its_own(build):
    replies = [DRAFT, NoEdit("a"), NoEdit("b")]
    agent = build(optimizers.sgd(), replies, steps=3, seed=5, reasoner=Drawing)
    agent.run()
    drawn = [rng.random() for rng in agent.reasoner.passed]
    assert drawn == [np.random.default_rng([5, step]).random() for step in (1, 2)]


def test_a_reasoner_that_draws_nothing_has_one_generator_for_the_run(build):
    replies = [DRAFT, NoEdit("a"), NoEdit("b")]
    agent = build(optimizers.sgd(), replies, steps=3, reasoner=Silent)
    agent.run()
    first, second = agent.reasoner.passed
    assert first is second


def test_a_step_without_a_candidate_leaves_a_tree_no_node_to_debug(build):
    told = says(1.0)
    policy = optimizers.search.aide(1, debug_probability=1.0, operator=Operator.DESCEND)
    replies = [NoEdit("no idea"), DRAFT, MalformedReply("prose"), told, writes("1", told)]
    agent = build(optimizers.sgd(), replies, steps=4, policy=policy)
    result = agent.run()
    operators = [step.operator.name for step in result.steps]
    assert operators == ["DRAFT", "DRAFT", "DESCEND", "DESCEND"]
    assert [event.payload["node"] for event in agent.journal.events("settled")] == [-1, 0, -1, 1]
    assert result.chosen == 3


def test_a_repair_that_nobody_can_make_is_not_asked_for_for_ever(build):
    class Broken(Meter):
        def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
            if script == "13":
                return Solution(script, valid=False, failure="crash")
            return super().evaluate(script, step, seconds, replicate)

    policy = optimizers.search.aide(1, debug_probability=1.0, max_debug_depth=0)
    broken = Edit(script="13")
    replies = [DRAFT, broken, NoEdit("nothing simpler is left"), Edit(script="1")]
    agent = build(optimizers.sgd(), replies, steps=4, policy=policy, evaluator=Broken())
    operators = [step.operator.name for step in agent.run().steps]
    assert operators == ["DRAFT", "IMPROVE", "DEBUG", "IMPROVE"]


def test_a_crossover_is_made_from_two_solutions_and_keeps_the_moments_of_the_first(build):
    told = says(1.0)
    crossed = Edit(script="3", applied=told.suggestions, amounts=(0.25,))
    plan = jnp.array(
        [(-1, Operator.DRAFT, -1), (0, Operator.DESCEND, -1), (1, Operator.CROSSOVER, 0)], jnp.int32
    )

    def ask(number, key):
        return optimizers.Expansion(*plan[number]), number + 1

    def tell(number, expansion, observation, accepted):
        return number, number - 1

    policy = optimizers.Policy(lambda steps: steps, lambda nodes: jnp.int32(0), ask, tell)
    asked_of = []

    class Crossing(Scripted):
        def crossover(self, brief, parent, other, rng):
            asked_of.append((parent.script, other.script))
            return super().crossover(brief, parent, other, rng)

    replies = [DRAFT, told, writes("1", told), crossed]
    agent = build(optimizers.momentum(), replies, steps=3, policy=policy, reasoner=Crossing)
    result = agent.run()
    step = result.steps[2]
    assert (step.operator.name, step.parent, step.other) == ("CROSSOVER", 1, 0)
    assert asked_of == [("1", "0")]
    asked = [event.payload for event in agent.journal.events("asked")]
    assert asked[2].items() >= {"operator": "CROSSOVER", "parent": 1, "other": 0}.items()
    assert "other" not in asked[1]
    settled = [event.payload for event in agent.journal.events("settled")]
    of_parent, of_child = (settled[i]["parameters"]["turn knob 0"] for i in (1, 2))
    assert of_child == pytest.approx(of_parent + 0.25)
    assert step.gain == pytest.approx(2.0)
    moments = leaves(agent.state.rule_state)
    assert any(leaf[1].any() for leaf in moments)
    for leaf in moments:
        assert_array_equal(leaf[2], leaf[1])


def test_a_rule_that_diverges_is_a_failed_step_and_the_run_goes_on(build):
    diverging = optax.stateless(lambda updates, params: updates / 0.0)
    agent = build(diverging, [DRAFT, says(1.0), says(1.0)], steps=3)
    result = agent.run()
    assert [step.solution.valid for step in result.steps] == [True, False, False]
    assert "not finite" in result.steps[2].reason
    assert np.isfinite(agent.state.params).all()


def test_two_wordings_of_one_directive_are_carried_out_once(build):
    told = says(1.0)
    twice = Edit(script="1", applied=(*told.suggestions, *told.suggestions), amounts=(0.5, 0.25))
    agent = build(optimizers.sgd(), [DRAFT, told, twice], steps=2)
    agent.run()
    np.testing.assert_allclose(agent.state.params[0, 0], 0.5)


def test_a_rejected_step_keeps_moments_and_parameters_out(build):
    down = says(1.0)
    agent = build(optimizers.momentum(), [DRAFT, down, writes("-1", down)], steps=2)
    agent.step()
    before = agent.state
    assert not agent.step().accepted
    for old, new in zip(leaves(before.rule_state), leaves(agent.state.rule_state), strict=True):
        assert_array_equal(old, new)
    assert_array_equal(before.params, agent.state.params)


# --- several diagnoses before one edit, one diagnosis for several edits ---------------------------


def test_accumulated_diagnoses_are_withheld_until_the_edit(build):
    """The mean of the gathered diagnoses is acted on; nothing is evaluated in between."""
    first, second = says(1.0, 0.0), says(0.0, 3.0)
    rule = optimizers.recipes.WRAPPERS["accumulated"](optimizers.sgd(), every=2)
    meter = Meter()
    agent = build(rule, [DRAFT, first, second, writes("1", second)], steps=3, evaluator=meter)
    result = agent.run()
    assert [step.replicates for step in result.steps] == [1, 0, 1]
    assert [script for script, _ in meter.calls] == ["0", "1"]
    assert kinds(agent).count("withheld") == 1
    assert result.steps[1].reason.startswith("withheld")
    (ranked,) = agent.journal.events("ranked")
    weights = {d["statement"]: d["weight"] for d in ranked.payload["directives"]}
    assert weights == {"turn knob 1": 1.5, "turn knob 0": 0.5}
    assert result.steps[2].accepted
    assert result.chosen == 2


def test_a_reused_diagnosis_is_not_asked_for_again(build):
    """Scripted would fail on an unexpected call: one diagnosis serves both edits."""
    told = says(1.0)
    rule = optimizers.recipes.WRAPPERS["reused"](optimizers.sgd(), every=2)
    replies = [DRAFT, told, writes("1", told), writes("2", told), says(2.0), writes("3", told)]
    agent = build(rule, replies, steps=4)
    result = agent.run()
    assert [step.accepted for step in result.steps] == [True] * 4
    assert kinds(agent).count("reused") == 1
    assert kinds(agent).count("diagnosed") == 2


def test_a_rejection_does_not_keep_a_diagnosis_for_ever(build):
    told = says(1.0)
    rule = optimizers.recipes.WRAPPERS["reused"](optimizers.sgd(), every=2)
    replies = [DRAFT, told, writes("-1", told), writes("-2", told), told, writes("-3", told)]
    assert build(rule, replies, steps=4).run().chosen == 0


def test_diagnoses_are_combined(build):
    replies = [DRAFT, says(1.0, 0.0), says(2.0, 0.0), says(9.0, 1.0)]
    rule = optimizers.recipes.WRAPPERS["consensus"](optimizers.sgd(), how="median")
    agent = build(rule, [*replies, writes("1", says(1.0))], steps=2, diagnoses=3)
    agent.run()
    (ranked,) = agent.journal.events("ranked")
    assert [d["weight"] for d in ranked.payload["directives"]] == [2.0]


def test_one_malformed_diagnosis_of_several_is_left_out(build):
    replies = [DRAFT, says(1.0), MalformedReply("prose"), says(2.0), writes("1", says(1.0))]
    rule = optimizers.recipes.WRAPPERS["consensus"](optimizers.sgd(), how="mean")
    agent = build(rule, replies, steps=2, diagnoses=3)
    agent.run()
    (ranked,) = agent.journal.events("ranked")
    assert [d["weight"] for d in ranked.payload["directives"]] == [1.5]
    assert [event.payload["reason"] for event in agent.journal.events("failed")] == ["prose"]


# --- measuring again ------------------------------------------------------------------------------


def test_an_undecided_gate_measures_candidate_and_parent_again(build):
    told = says(1.0)
    gate = optimizers.gates.improved()._replace(
        undecided=lambda state, observation: observation.gain_stderr > 0.5, replicates=16
    )
    meter = Meter(noise=1.0)
    replies = [DRAFT, told, writes("3", told)]
    agent = build(optimizers.sgd(), replies, steps=2, evaluator=meter, gate=gate)
    step = agent.run().steps[1]
    assert step.replicates == 8  # sqrt(2) / sqrt(n) <= 0.5
    assert meter.calls == [("0", 0), ("3", 0)] + [(s, r) for r in range(1, 8) for s in ("3", "0")]
    one, other = Meter(noise=1.0), Meter(noise=1.0)
    gains = [
        one.evaluate("3", 1, 1.0, r).score - other.evaluate("0", 0, 1.0, r).score for r in range(8)
    ]
    np.testing.assert_allclose(step.gain, np.mean(gains), rtol=1e-5)
    np.testing.assert_allclose(step.gain_stderr, np.sqrt(2 / 8), rtol=1e-5)
    assert len(list(agent.journal.events("replicated"))) == 14
    assert agent.ledger.evaluations == len(meter.calls)


def test_a_candidate_that_fails_when_measured_again_has_failed(build):
    """One good run of two is not a score: the step says that it failed, and cannot be chosen."""

    class Flaky(Meter):
        def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
            if script == "3" and replicate:
                return Solution(script, valid=False, failure="out of memory")
            return super().evaluate(script, step, seconds, replicate)

    told = says(1.0)
    gate = optimizers.gates.improved()._replace(
        undecided=lambda state, observation: observation.replicates < 3, replicates=4
    )
    replies = [DRAFT, told, writes("3", told)]
    agent = build(optimizers.sgd(), replies, steps=2, evaluator=Flaky(noise=0.1), gate=gate)
    result = agent.run()
    assert result.chosen == 0
    step = result.steps[1]
    assert (step.accepted, step.solution.valid) == (False, False)
    assert step.reason == "failed: out of memory"
    assert step.solution.script == "3"


# --- policies that compare folds ------------------------------------------------------------------


def test_a_policy_is_told_the_folds_or_the_mean_for_each_and_the_journal_says_so(build):
    class Folded(Meter):
        """Scores are in a metric's own units: lower is better here."""

        def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
            if script == "7":
                return Solution(script, valid=False, failure="crash")
            folds = {"0": (1.0, 3.0, 2.0), "1": (1.0, 2.0)}.get(script, (3.0,))
            return Solution(script, valid=True, score=-float(np.mean(folds)), folds=folds)

    def tell(state, expansion, observation, accepted):
        told, folds = state
        return (told + 1, folds.at[told].set(observation.folds)), told

    policy = optimizers.Policy(
        capacity=lambda steps: steps,
        init=lambda nodes: (jnp.int32(0), jnp.zeros((nodes, 3))),
        ask=lambda state, key: (optimizers.Expansion(jnp.int32(-1), jnp.int32(0)), state),
        tell=tell,
        folds=3,
    )
    replies = [DRAFT, *(Edit(script=script) for script in "127")]
    agent = build(
        optimizers.sgd(), replies, steps=4, policy=policy, evaluator=Folded(), task="housing"
    )
    agent.run()
    inf = np.inf
    told = [[-1.0, -3.0, -2.0], [-1.5] * 3, [-3.0] * 3, [-inf] * 3]
    assert_array_equal(agent.state.policy[1], told)
    failed = [event.payload for event in agent.journal.events("failed")]
    assert [found["error"] for found in failed] == ["Folds", "Folds"]
    assert "compares 3 folds and the script reports 2" in failed[0]["reason"]


def test_a_policy_without_folds_gets_five_numbers(build):
    seen = []
    agent = build(optimizers.sgd(), [DRAFT], steps=1)
    conclude = agent._compiled.conclude
    agent._compiled.conclude = lambda *args: (seen.append(args[-1].numbers), conclude(*args))[1]
    agent.run()
    assert [numbers.shape for numbers in seen] == [(5,)]


# --- a full lexicon -------------------------------------------------------------------------------


def test_an_evicted_directive_leaves_no_moments_behind(build):
    """The newcomer in its slot starts as any newborn does, and the journal replays the lexicon."""
    old, new = says(1.0), says(5.0, words="pull lever")
    rule = optax.sgd(1.0, momentum=0.9)
    replies = [DRAFT, old, writes("1", old), new, writes("2", new)]
    agent = build(rule, replies, steps=3, capacity=1)
    agent.run()
    assert [d.statement for d in agent.lexicon.directives] == ["pull lever 0"]
    ranked = [event.payload["directives"] for event in agent.journal.events("ranked")]
    assert [[d["weight"] for d in directives] for directives in ranked] == [[1.0], [5.0]]
    np.testing.assert_allclose(agent.state.params[0], [5.0])
    recorded = [
        optimizers.event_from_dict(event)
        for entry in agent.journal.events()
        for event in entry.payload.get("lexicon", ())
    ]
    assert optimizers.replay(optimizers.Lexicon(1), recorded) == agent.lexicon


def test_what_an_evicted_directive_was_told_does_not_pass_to_the_newcomer(build):
    """The second diagnosis of one step takes the slot of which the first one spoke."""
    old, new = says(1.0), says(5.0, words="pull lever")
    rule = optimizers.consensus(optimizers.sgd(), how="mean")
    replies = [DRAFT, old, new, writes("1", new)]
    agent = build(rule, replies, steps=2, capacity=1, diagnoses=2)
    agent.run()
    assert [d.statement for d in agent.lexicon.directives] == ["pull lever 0"]
    (ranked,) = agent.journal.events("ranked")
    assert [d["weight"] for d in ranked.payload["directives"]] == [2.5]  # and not (1 + 5) / 2
