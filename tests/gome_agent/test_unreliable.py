"""The dial: the alignment that is asked for is the alignment that is measured."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from gome_agent.reasoners import (
    Brief,
    Expert,
    HasVocabulary,
    Reasoner,
    Scripted,
    Solution,
    Unreliable,
)
from gome_agent.reasoners.expert import Plan, render
from gome_agent.reasoners.unreliable import corrupt, persistent_direction
from gome_agent.schemas import Diagnosis, Directive, Edit, Suggestion
from gome_agent.tasks import metrics
from gome_agent.tasks.base import TaskFacts

FACTS = TaskFacts("t", "T", "regression", metrics.RMSE, "row", "y", ("y",))
BRIEF = Brief(FACTS, "", Path("nowhere"), steps_left=1, seconds_per_run=1.0)
PARENT = Solution("plan: {}", valid=True)


def _directives(count: int) -> tuple[Directive, ...]:
    return tuple(Directive(statement=f"do thing {i}", component="model") for i in range(count))


def _diagnosis(strengths: np.ndarray) -> Diagnosis:
    pairs = zip(_directives(len(strengths)), strengths, strict=True)
    suggestions = (
        Suggestion(
            **directive.model_dump(),
            strength=2.0 * float(strength),
            credence=0.5,
            evidence="the truth",
        )
        for directive, strength in pairs
        if strength
    )
    return Diagnosis(summary="the truth", suggestions=tuple(suggestions))


class Steady(Scripted):
    """Gives the same diagnosis at every call, over a vocabulary of `len(strengths)` directives."""

    def __init__(self, strengths: np.ndarray) -> None:
        super().__init__([])
        self.strengths = np.asarray(strengths, float)

    def vocabulary(self, brief: Brief, parent: Solution) -> tuple[Directive, ...]:
        return _directives(len(self.strengths))

    def diagnose(self, brief: Brief, parent: Solution, rng: np.random.Generator) -> Diagnosis:
        return _diagnosis(self.strengths)


def _told(reasoner: Unreliable, dimension: int, rng: np.random.Generator) -> np.ndarray:
    """A corrupted diagnosis as a vector in the order of `_directives`."""
    diagnosis = reasoner.diagnose(BRIEF, PARENT, rng)
    strength = {s.statement: s.strength * s.credence for s in diagnosis.suggestions}
    return np.array([strength[d.statement] for d in _directives(dimension)])


def _truth(dimension: int, seed: int = 0) -> np.ndarray:
    """Strengths of which about a third are zero, as a real diagnosis is silent on some."""
    rng = np.random.default_rng(seed)
    strengths = rng.normal(size=dimension) * (rng.random(dimension) < 0.7)
    strengths[0] = 1.0
    return strengths


def _within(sample: np.ndarray, expected: float, errors: float = 4.0) -> None:
    error = sample.std(ddof=1) / math.sqrt(len(sample))
    assert abs(sample.mean() - expected) <= errors * error + 1e-12


@pytest.mark.parametrize("dimension", [1, 2, 7, 40])
@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.3, 0.9])
def test_measured_alignment_is_rho(dimension, rho):
    truth = _truth(dimension)
    reasoner, rng = Unreliable(Steady(truth), rho), np.random.default_rng(dimension)
    told = np.array([_told(reasoner, dimension, rng) for _ in range(300)])
    norm = np.linalg.norm(truth)
    _within(told @ truth / norm**2, rho)
    # |u|^2 = 1 + 2 rho (<u, n> - rho): one on average, and tied to the alignment of each draw.
    alignment, squared = told @ truth / norm**2, (told**2).sum(axis=1) / norm**2
    np.testing.assert_allclose(squared, 1 + 2 * rho * (alignment - rho), rtol=1e-9, atol=1e-12)
    _within(squared, 1.0)


@pytest.mark.parametrize("dimension", [2, 10, 40])
def test_the_error_is_uniform_on_the_sphere(dimension):
    rng, rho = np.random.default_rng(1), 0.4
    truth = np.eye(dimension)[0]
    bias = np.eye(dimension)[-1]
    draws = np.array([corrupt(truth, bias, rho, 0.0, rng) for _ in range(4000)])
    error = (draws - rho * truth) / math.sqrt(1 - rho**2)
    np.testing.assert_allclose(np.linalg.norm(error, axis=1), 1.0, rtol=1e-12)
    for component in error.T:
        _within(component, 0.0)
        _within(component**2, 1.0 / dimension)


def test_full_reliability_returns_the_inner_direction():
    truth = _truth(20)
    told = _told(Unreliable(Steady(truth), 1.0, bias=0.7), 20, np.random.default_rng(0))
    np.testing.assert_allclose(told, truth, rtol=1e-14, atol=0)
    opposite = _told(Unreliable(Steady(truth), -1.0), 20, np.random.default_rng(0))
    np.testing.assert_allclose(opposite, -truth, rtol=1e-14, atol=0)


def test_the_words_do_not_tell():
    diagnosis = Unreliable(Steady(_truth(10)), 0.5).diagnose(
        BRIEF, PARENT, np.random.default_rng(0)
    )
    assert "truth" not in diagnosis.model_dump_json()
    assert {s.credence for s in diagnosis.suggestions} == {1.0}
    # Every directive of the vocabulary is named, so that being named tells nothing.
    assert {s.statement for s in diagnosis.suggestions} == {d.statement for d in _directives(10)}


def test_all_of_the_bias_persists_over_calls_and_differs_between_seeds():
    truth = _truth(12)
    rng = np.random.default_rng(0)
    same = [_told(Unreliable(Steady(truth), 0.6, bias=1.0), 12, rng) for _ in range(3)]
    np.testing.assert_array_equal(same[0], same[1])
    np.testing.assert_array_equal(same[0], same[2])
    other = _told(Unreliable(Steady(truth), 0.6, bias=1.0, seed=1), 12, rng)
    assert not np.allclose(other, same[0])


def test_bias_is_the_share_of_the_error_that_two_calls_have_in_common():
    truth, rho, rng = _truth(15), 0.3, np.random.default_rng(2)
    n = truth / np.linalg.norm(truth)
    reasoner = Unreliable(Steady(n), rho, bias=0.4)
    told = np.array([_told(reasoner, 15, rng) for _ in range(600)])
    error = (told - rho * n) / math.sqrt(1 - rho**2)
    _within((error[::2] * error[1::2]).sum(axis=1), 0.4)
    b = persistent_direction(tuple(sorted(_directives(15), key=_identity)), 0)
    b = dict(zip(sorted(d.statement for d in _directives(15)), b, strict=True))
    b = np.array([b[d.statement] for d in _directives(15)])
    _within(told @ n, rho + math.sqrt(1 - rho**2) * math.sqrt(0.4) * float(b @ n))


def _identity(directive: Directive) -> tuple[str, str]:
    return directive.to_core().identity


def test_alignment_with_bias_is_rho_on_average_over_seeds():
    truth, rng = _truth(9), np.random.default_rng(3)
    n = truth / np.linalg.norm(truth)
    told = [_told(Unreliable(Steady(n), 0.5, bias=1.0, seed=s), 9, rng) for s in range(400)]
    _within(np.array(told) @ n, 0.5)


def test_a_prejudice_does_not_depend_on_the_other_directives():
    directives = _directives(6)
    whole, part = persistent_direction(directives, 4), persistent_direction(directives[:3], 4)
    np.testing.assert_allclose(part, whole[:3] / np.linalg.norm(whole[:3]), rtol=1e-12)
    assert np.linalg.norm(whole) == pytest.approx(1.0, rel=1e-12)


def test_hallucination_happens_at_its_rate():
    # In the limit of rho = 1 a diagnosis is either exactly right or unrelated.
    truth, rng = _truth(30), np.random.default_rng(4)
    reasoner = Unreliable(Steady(truth), 1.0, hallucination=0.25)
    told = np.array([_told(reasoner, 30, rng) for _ in range(1000)])
    right = np.isclose(told, truth, rtol=1e-9).all(axis=1)
    _within(1.0 - right, 0.25)
    alignment = told[~right] @ truth / np.linalg.norm(truth) ** 2
    _within(alignment, 0.0)


def test_a_seed_repeats_a_diagnosis_and_settings_share_their_noise():
    truth = _truth(8)
    n = truth / np.linalg.norm(truth)
    told = {
        rho: _told(Unreliable(Steady(n), rho), 8, np.random.default_rng(7)) for rho in (0.0, 0.6)
    }
    again = _told(Unreliable(Steady(n), 0.0), 8, np.random.default_rng(7))
    np.testing.assert_array_equal(told[0.0], again)
    np.testing.assert_allclose(told[0.6], 0.6 * n + 0.8 * told[0.0], rtol=1e-12, atol=1e-15)


@given(
    rho=st.floats(-1, 1),
    bias=st.floats(0, 1),
    hallucination=st.floats(0, 1),
    strengths=st.lists(st.floats(-3, 3), min_size=1, max_size=12),
    seed=st.integers(0, 2**40),
)
def test_any_setting_gives_finite_strengths_of_the_same_size(
    rho, bias, hallucination, strengths, seed
):
    reasoner = Unreliable(Steady(strengths), rho, bias, hallucination, seed)
    diagnosis = reasoner.diagnose(BRIEF, PARENT, np.random.default_rng(seed))
    norm = float(np.linalg.norm(strengths))
    if norm == 0:
        assert diagnosis == Diagnosis()
        return
    told = np.linalg.norm([s.strength for s in diagnosis.suggestions])
    assert told <= norm * 2 * (1 + 1e-9)  # |u| <= |rho| + sqrt(1 - rho^2) sqrt(2) <= sqrt(3)
    assert len(diagnosis.suggestions) == len(strengths)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rho": 1.1}, "`rho`.*between -1 and 1, got 1.1"),
        ({"rho": math.nan}, "`rho`"),
        ({"rho": 0.5, "bias": -0.1}, "`bias`.*between 0 and 1"),
        ({"rho": 0.5, "hallucination": 2.0}, "`hallucination`.*got 2.0"),
    ],
)
def test_settings_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Unreliable(Scripted([]), **arguments)


def test_everything_but_the_diagnosis_passes_through():
    edits = [Edit(script=f"print({i})") for i in range(5)]
    reasoner = Unreliable(Scripted(edits), 0.2, bias=0.1, hallucination=0.3)
    rng = np.random.default_rng(0)
    assert isinstance(reasoner, Reasoner)
    assert isinstance(reasoner, HasVocabulary)
    assert reasoner.draft(BRIEF, rng) is edits[0]
    assert reasoner.edit(BRIEF, PARENT, (), rng) is edits[1]
    assert reasoner.improve(BRIEF, PARENT, rng) is edits[2]
    assert reasoner.debug(BRIEF, PARENT, rng) is edits[3]
    assert reasoner.crossover(BRIEF, PARENT, PARENT, rng) is edits[4]
    assert reasoner.name == "unreliable(scripted, rho=0.2, bias=0.1, hallucination=0.3)"


def test_a_corrupted_expert_spans_its_vocabulary_and_can_be_followed():
    expert = Expert()
    reasoner, rng = Unreliable(expert, 0.0), np.random.default_rng(0)
    parent = Solution(render(Plan(), FACTS), valid=True, folds=(2.0, 3.0), train_folds=(2.0, 2.0))
    diagnosis = reasoner.diagnose(BRIEF, parent, rng)
    told = {s.to_core().identity for s in diagnosis.suggestions}
    assert told == {_identity(d) for d in expert.vocabulary(BRIEF, parent)}
    edit = reasoner.edit(BRIEF, parent, [(diagnosis.suggestions[0], 1.0)], rng)
    assert edit.applied[0].statement == diagnosis.suggestions[0].statement


def test_without_a_vocabulary_the_space_is_what_the_diagnosis_names():
    inner = Scripted([_diagnosis(np.array([1.0, 0.0, 2.0]))])
    reasoner = Unreliable(inner, 0.5)
    diagnosis = reasoner.diagnose(BRIEF, PARENT, np.random.default_rng(0))
    assert reasoner.vocabulary(BRIEF, PARENT) == ()
    assert {s.statement for s in diagnosis.suggestions} == {"do thing 0", "do thing 2"}
