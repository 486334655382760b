"""The vector space over directives: encoding is linear, decoding its inverse, nothing is lost."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import optimizers
from optimizers import Directive, Entry, Lexicon, Mentioned, Suggestion, decode, encode, mask
from tests.optimizers import strategies as draw
from tests.optimizers.strategies import DIM, unroll

RULES = {
    "sgd": optimizers.sgd(0.5),
    "momentum": optimizers.momentum(0.5, 0.8),
    "nesterov": optimizers.nesterov(0.5, 0.8),
}
TEXT = st.text(max_size=12)


def knowing(statement, component):
    """A lexicon of four slots with one directive."""
    return encode(Lexicon(4), [Suggestion(Directive(statement, component), 1.0)]).lexicon


def by_identity(lexicon, vector):
    """A vector as a map from directive to non-zero weight: the same in any slot order."""
    return {d.identity: v for d, v in zip(lexicon.directives, vector, strict=False) if v}


# --- encode --------------------------------------------------------------------------------------


@given(first=draw.diagnoses, second=draw.diagnoses, lexicon=draw.lexicons())
def test_encoding_a_sum_is_the_sum_of_encodings(first, second, lexicon):
    grown, both, _, _ = encode(lexicon, [*first, *second])
    _, one, _, _ = encode(grown, first)
    _, other, _, _ = encode(grown, second)
    assert_array_equal(both, one + other)  # eighths add without rounding


@given(diagnosis=draw.diagnoses, factor=draw.EIGHTHS)
def test_encoding_is_homogeneous(diagnosis, factor):
    lexicon, plain, _, _ = encode(Lexicon(32), diagnosis)
    scaled = [Suggestion(s.directive, factor * s.strength, s.credence) for s in diagnosis]
    assert_array_equal(encode(lexicon, scaled)[1], np.float32(factor) * plain)


@given(diagnosis=draw.diagnoses, lexicon=draw.lexicons())
def test_coordinates_are_minus_strength_times_credence(diagnosis, lexicon):
    grown, gradient, _, dropped = encode(lexicon, diagnosis)
    expected: dict = {}
    for s in diagnosis:
        expected[s.directive.identity] = (
            expected.get(s.directive.identity, 0.0) - s.strength * s.credence
        )
    assert by_identity(grown, gradient) == {k: v for k, v in expected.items() if v}
    assert not dropped
    assert gradient.dtype == np.float32
    assert gradient.shape == (lexicon.capacity,)


@given(diagnosis=draw.diagnoses, data=st.data())
def test_the_order_of_suggestions_does_not_matter(diagnosis, data):
    shuffled = data.draw(st.permutations(diagnosis))
    lexicon, gradient, _, _ = encode(Lexicon(32), diagnosis)
    other_lexicon, other, _, _ = encode(Lexicon(32), shuffled)
    assert by_identity(lexicon, gradient) == by_identity(other_lexicon, other)


@given(diagnosis=draw.diagnoses, lexicon=draw.lexicons(), step=st.integers(0, 99))
def test_slots_are_never_moved_and_births_are_recorded(diagnosis, lexicon, step):
    grown, _, _, _ = encode(lexicon, diagnosis, step)
    known = len(lexicon.directives)
    assert grown.directives[:known] == lexicon.directives
    assert grown.born[:known] == lexicon.born
    assert set(grown.born[known:]) <= {step}
    again = encode(grown, diagnosis, step + 1).lexicon
    assert (again.directives, again.born) == (grown.directives, grown.born)
    assert all(grown.slot(d) == i for i, d in enumerate(grown.directives))


@given(lexicon=draw.lexicons())
def test_an_empty_diagnosis_is_the_zero_gradient(lexicon):
    same, gradient, events, dropped = encode(lexicon, [])
    assert (same, events, dropped) == (lexicon, (), ())
    assert_array_equal(gradient, np.zeros(lexicon.capacity))


@given(diagnosis=draw.diagnoses, capacity=st.integers(1, 4))
def test_what_does_not_fit_is_returned_and_the_strongest_stay(diagnosis, capacity):
    lexicon, gradient, _, dropped = encode(Lexicon(capacity), diagnosis)
    _, everything, _, _ = encode(Lexicon(32), diagnosis)
    assert len(lexicon.directives) <= capacity
    kept, lost = lexicon.directives, {d.identity for d in dropped}
    mentioned = {s.directive.identity for s in diagnosis if s.weight}  # zeros take no slot
    assert {d.identity for d in kept} | lost == mentioned
    assert not {d.identity for d in kept} & lost
    assert len(dropped) == sum(s.directive.identity in lost for s in diagnosis if s.weight)
    if not lost:
        assert sorted(gradient[gradient != 0]) == sorted(everything[everything != 0])

    def weight(identity):
        return sum(abs(s.weight) for s in diagnosis if s.directive.identity == identity)

    for d in kept:
        assert all(weight(d.identity) >= weight(other) for other in lost)


def test_one_slot_holds_one_directive():
    a, b = Directive("a", "model"), Directive("b", "model")
    lexicon, gradient, _, dropped = encode(Lexicon(1), [Suggestion(a, 0.1), Suggestion(b, -0.2)])
    assert lexicon.directives == (b,)
    assert_allclose(gradient, [0.2], rtol=1e-6)
    assert dropped == (a,)
    assert lexicon.slot(a) is None


def test_many_small_suggestions_add_without_loss_of_digits():
    tenth = Suggestion(Directive("a", "model"), 0.1)
    _, gradient, _, _ = encode(Lexicon(1), [tenth] * 10_000)
    assert gradient[0] == np.float32(-1000)


@pytest.mark.parametrize("capacity", [128, 10_000])
def test_the_cost_of_a_diagnosis_is_proportional_to_its_length(capacity):
    """Ten times as many suggestions take ten times as long; a hundred if it were quadratic."""

    def seconds(number, trial):
        said = [  # new words each time: none are known from an earlier trial
            Suggestion(Directive(f"trial {trial}, thing {i}", "model"), 1 + i / 1e4)
            for i in range(number)
        ]
        start = time.process_time()
        lexicon, gradient, _, dropped = encode(Lexicon(capacity), said)
        took = time.process_time() - start
        assert len(lexicon.directives) == np.count_nonzero(gradient) == min(capacity, number)
        assert len(dropped) == max(number - capacity, 0)
        return took

    few, many = (min(seconds(n, trial) for trial in range(5)) for n in (1_000, 10_000))
    assert many < 60 * few


# --- what makes two directives the same ----------------------------------------------------------


@pytest.mark.parametrize(
    "paraphrase",
    [
        "SCALE the Numeric Columns",
        "  scale\tthe  numeric\ncolumns ",
        "Scale the numeric columns.",
        "Scale the numeric columns!. ;",
        "Ｓｃａｌｅ the numeric columns．",
        "Scale\u00a0the\u3000numeric columns",
    ],
)
def test_spellings_share_a_slot(paraphrase):
    lexicon = knowing("Scale the numeric columns", "features")
    assert lexicon.slot(Directive(paraphrase, "Features")) == 0
    again = encode(lexicon, [Suggestion(Directive(paraphrase, "FEATURES"), 1.0)], 5)
    assert again.lexicon.directives == lexicon.directives
    assert again.events == (Mentioned(slot=0, amount=1.0, step=5),)


def test_case_is_folded_in_every_script():
    lexicon = knowing("Straße, ΣΊΣΥΦΟΣ", "data")
    assert lexicon.slot(Directive("STRASSE, σίσυφος", "data")) == 0


@pytest.mark.parametrize(
    "other", [("Scale the numeric column", "features"), ("Scale the numeric columns", "model")]
)
def test_different_directives_do_not_share_a_slot(other):
    lexicon = knowing("Scale the numeric columns", "features")
    assert lexicon.slot(Directive(*other)) is None


@given(statement=TEXT, component=TEXT)
def test_identity_is_idempotent_on_any_text(statement, component):
    identity = Directive(statement, component).identity
    assert Directive(*identity).identity == identity


@given(statement=TEXT, weight=draw.NONZERO_EIGHTHS)
def test_any_text_is_encoded_or_refused_with_a_sentence(statement, weight):
    directive = Directive(statement, "model")
    if not directive.identity[0]:
        with pytest.raises(ValueError, match="empty statement"):
            Suggestion(directive, weight)
        return
    lexicon, gradient, _, _ = encode(Lexicon(2), [Suggestion(directive, abs(weight))])
    assert decode(lexicon, -gradient) == ((directive, abs(weight)),)


@pytest.mark.parametrize(
    "text", ["\x00\x1b[31m", "\ud800", "🤖‍🔬 do it", "\u202eevil", "ß" * 10_000]
)
def test_odd_characters_are_only_characters(text):
    lexicon, gradient, _, _ = encode(Lexicon(1), [Suggestion(Directive(text, "model"), 1.0)])
    assert gradient[0] == -1.0
    assert lexicon.slot(Directive(text + ".", "model")) == 0


# --- decode --------------------------------------------------------------------------------------


@given(
    amounts=st.dictionaries(draw.directives, st.integers(1, 16).map(lambda i: i / 8), max_size=8)
)
def test_decode_inverts_encode(amounts):
    amounts = {Directive(*d.identity): amount for d, amount in amounts.items()}
    lexicon, gradient, _, _ = encode(Lexicon(16), [Suggestion(d, a) for d, a in amounts.items()])
    ranked = decode(lexicon, -gradient)
    assert dict(ranked) == amounts
    again = encode(lexicon, [Suggestion(d, weight) for d, weight in ranked])[1]
    assert_array_equal(again, gradient)


@given(diagnosis=draw.diagnoses, top=st.integers(0, 5))
def test_decode_ranks_positive_weights_ties_by_slot(diagnosis, top):
    lexicon, gradient, _, _ = encode(Lexicon(32), diagnosis)
    keys = [(-weight, lexicon.slot(d)) for d, weight in decode(lexicon, -gradient)]
    assert keys == sorted(keys)
    assert len(keys) == (gradient < 0).sum()
    assert all(minus_weight < 0 for minus_weight, _ in keys)
    assert decode(lexicon, -gradient, top) == decode(lexicon, -gradient)[:top]


def test_decode_says_what_is_wrong_with_a_shape():
    with pytest.raises(ValueError, match=r"shape \(3,\).*capacity 2"):
        decode(Lexicon(2), np.zeros(3))


def test_decode_does_not_lose_a_nan():
    lexicon = knowing("a", "model")
    for slot in (0, 3):  # in use, and free
        update = np.zeros(4)
        update[slot] = np.nan
        with pytest.raises(
            ValueError, match=f"not a number in 1 of 4 coordinates, first in {slot}"
        ):
            decode(lexicon, update)
    assert decode(lexicon, np.array([np.inf, 0, 0, 0]))[0][1] == np.inf


def test_decode_refuses_a_negative_number_of_directives():
    with pytest.raises(ValueError, match=r"`top` .* got -1"):
        decode(Lexicon(2), np.zeros(2), top=-1)


@given(diagnosis=draw.diagnoses, lexicon=draw.lexicons())
def test_mask_marks_the_known_slots(diagnosis, lexicon):
    wanted = [s.directive for s in diagnosis]
    expected = [float(d.identity in {w.identity for w in wanted}) for d in lexicon.directives]
    selected = mask(lexicon, wanted)
    assert selected[: len(expected)].tolist() == expected
    assert selected[len(expected) :].sum() == 0
    assert selected.shape == (lexicon.capacity,)


# --- numbers that are no numbers -----------------------------------------------------------------


@pytest.mark.parametrize("strength", [np.nan, np.inf, -np.inf, 1e30])
def test_strength_must_be_a_number_the_rules_can_square(strength):
    with pytest.raises(ValueError, match="strength of 'a'"):
        Suggestion(Directive("a", "model"), strength)


@pytest.mark.parametrize("credence", [np.nan, -0.01, 1.01, np.inf])
def test_credence_is_a_probability(credence):
    with pytest.raises(ValueError, match="credence of 'a'"):
        Suggestion(Directive("a", "model"), 1.0, credence)


@pytest.mark.parametrize("statement", ["", " \t", "...", " . ! "])
def test_a_suggestion_says_something(statement):
    with pytest.raises(ValueError, match="empty statement"):
        Suggestion(Directive(statement, "model"), 1.0)


A, SAME_AS_A, B = (Entry(Directive(text, "x"), 0, 1.0, 0) for text in ("a", "A.", "b"))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"capacity": 0}, "capacity=0"),
        ({"capacity": 1, "entries": (A, B)}, "2 entries do not fit the 1 slots"),
        ({"entries": (A, SAME_AS_A)}, "2 wordings, but only 1 different"),
        ({"entries": (replace(A, aliases=(B.directive,)), B)}, "3 wordings, but only 2 different"),
        ({"entries": (replace(A, weight=np.nan),)}, "weight of 'a' is nan"),
        ({"entries": (replace(A, weight=-1.0),)}, "weight of 'a' is -1"),
        ({"half_life": 0.0}, "`half_life` is a positive number of steps, got 0"),
        ({"half_life": np.nan}, "`half_life`"),
    ],
)
def test_a_lexicon_is_consistent(arguments, match):
    with pytest.raises(ValueError, match=match):
        Lexicon(**arguments)


# --- rules act on diagnoses as on any vectors ----------------------------------------------------


@pytest.mark.parametrize("name", RULES)
@given(history=st.lists(draw.diagnoses, min_size=DIM, max_size=DIM))
def test_linear_rules_commute_with_encoding(name, history):
    """Step each directive's own history of scalars, or step the encoded vectors: the same."""
    lexicon = Lexicon(32)
    gradients = []
    for step, diagnosis in enumerate(history):
        lexicon, gradient, _, _ = encode(lexicon, diagnosis, step)
        gradients.append(gradient)
    updates = unroll(RULES[name], gradients)
    for slot, directive in enumerate(lexicon.directives):
        strengths = [
            -sum(s.strength * s.credence for s in d if s.directive.identity == directive.identity)
            for d in history
        ]
        alone = unroll(RULES[name], np.array(strengths)[:, None])[:, 0]
        assert_allclose(updates[:, slot], alone, rtol=1e-12, atol=1e-12)
