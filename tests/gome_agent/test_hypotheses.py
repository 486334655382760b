"""From scored hypotheses to a gradient: monotone in scores, odd in the sign, linear in credence."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, strategies as st
from pydantic import ValidationError

import optimizers
from gome_agent.reasoners import MalformedReply
from gome_agent.reasoners._hypotheses import (
    WEIGHTS,
    Challenge,
    Critique,
    Hypotheses,
    Hypothesis,
    Rewritten,
    Scores,
    rewritten,
    strength,
    to_diagnosis,
)

DIMENSIONS = ("alignment", "impact", "novelty", "feasibility", "risk_reward")
SCORES = st.fixed_dictionaries({name: st.integers(1, 10) for name in DIMENSIONS})
EFFECTS = st.sampled_from(["improves", "worsens"])
CREDENCES = st.floats(0, 1)
CHALLENGE = Challenge(kind="trace", statement="It overfits", evidence="folds", impact="lower gap")
MIDDLING = Scores(**dict.fromkeys(DIMENSIONS, 5))


def hypothesis(statement="Prune the trees", effect="improves", scores=MIDDLING, credence=0.5):
    return Hypothesis(
        statement=statement,
        component="model",
        effect=effect,
        scores=scores,
        credence=credence,
        challenge=1,
    )


def told(*found):
    return Hypotheses(summary="s", challenges=(CHALLENGE,), hypotheses=found)


def test_by_hand():
    # 0.2 * 6 + 0.4 * 3 + 0.2 * 8 + 0.1 * 7 + 0.1 * 4 = 5.1 ninths
    scores = Scores(alignment=7, impact=4, novelty=9, feasibility=8, risk_reward=5)
    assert strength("improves", scores) == pytest.approx(5.1 / 9)
    assert strength("worsens", scores) == pytest.approx(-5.1 / 9)
    assert strength("improves", Scores(**dict.fromkeys(DIMENSIONS, 1))) == 0
    assert strength("improves", Scores(**dict.fromkeys(DIMENSIONS, 10))) == pytest.approx(1)


def test_the_weights_are_those_of_the_published_agent():
    assert dict(zip(DIMENSIONS, (0.2, 0.4, 0.2, 0.1, 0.1), strict=True)) == WEIGHTS


@given(scores=SCORES, effect=EFFECTS)
def test_the_strength_is_bounded_and_odd_in_the_effect(scores, effect):
    value = strength(effect, Scores(**scores))
    other = "worsens" if effect == "improves" else "improves"
    assert strength(other, Scores(**scores)) == -value
    assert abs(value) <= 1 + 1e-12
    assert value >= 0 if effect == "improves" else value <= 0


@given(scores=SCORES, name=st.sampled_from(DIMENSIONS))
def test_the_strength_rises_with_every_score(scores, name):
    assume(scores[name] < 10)
    better = {**scores, name: scores[name] + 1}
    rise = strength("improves", Scores(**better)) - strength("improves", Scores(**scores))
    assert rise == pytest.approx(WEIGHTS[name] / 9)


@given(first=SCORES, second=SCORES)
def test_strengths_rank_as_the_published_score_does(first, second):
    def published(scores):
        return sum(10 * WEIGHTS[name] * scores[name] for name in DIMENSIONS)

    assume(abs(published(first) - published(second)) > 1e-6)
    by_strength = strength("improves", Scores(**first)) > strength("improves", Scores(**second))
    assert by_strength == (published(first) > published(second))


@given(scores=SCORES, effect=EFFECTS, credence=CREDENCES)
def test_the_gradient_is_linear_in_the_credence(scores, effect, credence):
    def gradient(credence):
        diagnosis = to_diagnosis(told(hypothesis("a", effect, Scores(**scores), credence)))
        lexicon = optimizers.Lexicon(4)
        return float(optimizers.encode(lexicon, diagnosis.to_core()).gradient.sum())

    assert gradient(1.0) == pytest.approx(-strength(effect, Scores(**scores)), abs=1e-6)
    assert gradient(credence) == pytest.approx(credence * gradient(1.0), abs=1e-6)


def test_the_challenge_is_the_evidence():
    (suggestion,) = to_diagnosis(told(hypothesis())).suggestions
    assert suggestion.evidence == "trace: It overfits | folds | lower gap"
    assert suggestion.statement == "Prune the trees"


@pytest.mark.parametrize("challenge", [0, -1, 2])
def test_a_hypothesis_answers_a_challenge_that_there_is(challenge):
    with pytest.raises(ValidationError, match="number them from 1"):
        told(hypothesis().model_copy(update={"challenge": challenge}))


def rewriting(number, statement="Prune harder", effect="worsens"):
    return Rewritten(
        number=number,
        critique="too weak",
        statement=statement,
        component="data",
        effect=effect,
        scores=MIDDLING,
        credence=0.9,
    )


@given(number=st.integers(1, 3))
def test_criticism_changes_what_it_names_and_nothing_else(number):
    before = told(hypothesis("a"), hypothesis("b"), hypothesis("c"))
    after = rewritten(before, Critique(rewritten=(rewriting(number),)))
    changed = after.hypotheses[number - 1]
    assert (changed.statement, changed.component, changed.effect) == (
        "Prune harder",
        "data",
        "worsens",
    )
    assert changed.challenge == 1
    kept = [i for i in range(3) if i != number - 1]
    assert [after.hypotheses[i] for i in kept] == [before.hypotheses[i] for i in kept]
    assert rewritten(before, Critique()) == before


def test_criticism_of_what_there_is_not():
    with pytest.raises(MalformedReply, match="there are 1"):
        rewritten(told(hypothesis()), Critique(rewritten=(rewriting(2),)))
    with pytest.raises(ValidationError, match="not different"):
        Critique(rewritten=(rewriting(1), rewriting(1)))
