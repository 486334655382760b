"""The lexicon never fills: it forgets by decayed weight, and events replay it exactly."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict

import jax
import numpy as np
import pytest
from hypothesis import given, strategies as st

import optimizers
from optimizers import (
    Admitted,
    Directive,
    Evicted,
    Lexicon,
    Mentioned,
    Merged,
    Suggestion,
    encode,
    event_from_dict,
    evicted_slots,
    replay,
)
from optimizers.textual._directive import LARGEST_STRENGTH

WORDS = ["scale", "scaling", "encode", "columns", "trees", "raise", "increase", "rate", "7"]
statements = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
directives = st.builds(Directive, statements, st.sampled_from(["data", "model"]))
strengths = st.floats(-4, 4, allow_subnormal=False)
suggestions = st.builds(Suggestion, directives, strengths, st.sampled_from([0.0, 0.3, 1.0]))
histories = st.lists(
    st.tuples(st.integers(0, 60), st.lists(suggestions, max_size=6)), min_size=1, max_size=6
)


def bag_of_letters(texts):
    """An embedder that finds many likenesses: how often each letter occurs."""
    return np.array([[text.count(c) for c in "abcdefghijklmnopqrstuvwxyz7"] for text in texts])


def suggest(statement, strength=1.0, component="model"):
    return Suggestion(Directive(statement, component), strength)


def statements_of(lexicon):
    return [directive.statement for directive in lexicon.directives]


# --- events ---


@given(
    history=histories,
    capacity=st.integers(1, 4),
    half_life=st.floats(0.5, 50),
    embed=st.sampled_from([None, bag_of_letters]),
    evict=st.booleans(),
)
def test_the_fold_of_the_events_is_the_lexicon(history, capacity, half_life, embed, evict):
    start = Lexicon(capacity, half_life)
    lexicon, told = start, []
    for step, diagnosis in history:
        encoding = encode(lexicon, diagnosis, step, embed, evict=evict)
        assert replay(lexicon, encoding.events) == encoding.lexicon
        lexicon = encoding.lexicon
        told += encoding.events
    journal = json.loads(json.dumps([asdict(event) for event in told]))
    assert [event_from_dict(record) for record in journal] == told
    assert replay(start, map(event_from_dict, journal)) == lexicon
    assert Lexicon.from_json(lexicon.to_json()) == lexicon
    assert all(lexicon.slot(d) == i for i, d in enumerate(lexicon.directives))
    assert all(lexicon.slot(a) == i for i, e in enumerate(lexicon.entries) for a in e.aliases)


def test_random_histories_do_evict_and_merge():
    """The property above is not empty: its histories contain every kind of event."""
    rng = np.random.default_rng(0)
    lexicon, kinds = Lexicon(2), set()
    for step in range(40):
        text = " ".join(rng.choice(WORDS, size=2))
        encoding = encode(lexicon, [suggest(text, rng.normal())], step, bag_of_letters)
        lexicon = encoding.lexicon
        kinds |= {type(event) for event in encoding.events}
    assert kinds == {Admitted, Merged, Evicted, Mentioned}


@given(history=histories, capacity=st.integers(1, 4))
def test_every_suggestion_is_in_the_gradient_or_dropped(history, capacity):
    lexicon = Lexicon(capacity)
    for step, diagnosis in history:
        lexicon, gradient, events, dropped = encode(lexicon, diagnosis, step)
        lost = {d.identity for d in dropped}
        expected = np.zeros(capacity)
        for s in diagnosis:
            if s.weight and s.directive.identity not in lost:
                expected[lexicon.slot(s.directive)] -= s.weight
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-6)
        admitted = {e.slot for e in events if isinstance(e, Admitted)}
        assert set(evicted_slots(events)) <= admitted


@pytest.mark.parametrize(
    ("events", "match"),
    [
        ([Mentioned(0, 1.0, 0)], "`Mentioned` of step 0 .* slot 0 is free"),
        ([Admitted(1, "a", "x", 1.0, 0)], "slot 1 is beyond"),
        ([Admitted(0, "a", "x", 1.0, 0)] * 2, "slot 0 is taken"),
        ([Admitted(0, "a", "x", 1.0, 0), Evicted(0, "a", "x", 1.0, 1)], "never admitted"),
        ([Admitted(0, "a", "x", 1.0, 0), Admitted(1, "A.", "x", 1.0, 1)], "belongs to one slot"),
        ([Admitted(0, "a", "x", math.nan, 0)], "weight of 'a' is nan"),
        ([Mentioned(-1, 1.0, 0)], "slot -1 is beyond"),
    ],
)
def test_events_that_do_not_fit_are_refused(events, match):
    with pytest.raises(ValueError, match=match):
        replay(Lexicon(2), events)


@pytest.mark.parametrize(
    ("record", "match"),
    [
        ({}, "`kind` None: expected one of mentioned, merged"),
        ({"kind": "forgotten"}, "'forgotten'"),
        ({"kind": "mentioned", "slot": 1}, r"fields \['kind', 'slot'\]: expected \['amount'"),
    ],
)
def test_records_that_are_no_events_are_refused(record, match):
    with pytest.raises(ValueError, match=match):
        event_from_dict(record)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[]", "`schema` None"),
        ('{"schema": 99}', "`schema` 99, this version reads 1"),
        ('{"schema": 1}', "not a lexicon"),
        ('{"schema": 1, "capacity": 2, "half_life": 1.0, "entries": [{"x": 1}]}', "not a lexicon"),
        ("nonsense", "Expecting value"),
    ],
)
def test_texts_that_are_no_lexicon_are_refused(text, match):
    with pytest.raises(ValueError, match=match):
        Lexicon.from_json(text)


# --- weights and eviction ---


@given(
    mentions=st.lists(
        st.tuples(st.integers(0, 100), st.floats(0.01, 9)), min_size=1, max_size=6
    ).map(lambda pairs: sorted(pairs)),
    half_life=st.floats(1, 30),
    later=st.integers(100, 150),
)
def test_a_weight_is_the_sum_of_its_decayed_mentions(mentions, half_life, later):
    lexicon = Lexicon(1, half_life)
    for step, amount in mentions:
        lexicon = encode(lexicon, [suggest("a", -amount)], step).lexicon
    expected = sum(amount * 2 ** (-(later - step) / half_life) for step, amount in mentions)
    assert lexicon.weights(later)[0] == pytest.approx(expected, rel=1e-9)
    assert lexicon.born == (mentions[0][0],)


def test_the_least_decayed_weight_makes_room():
    lexicon = Lexicon(3, half_life=10)
    lexicon = encode(lexicon, [suggest("old but heavy", 8.0)], 0).lexicon
    lexicon = encode(lexicon, [suggest("light", 1.5), suggest("lighter", 1.2)], 20).lexicon
    encoding = encode(lexicon, [suggest("new", 1.0)], 30)  # weights are now 1, 0.75 and 0.6
    assert encoding.events == (
        Evicted(2, "lighter", "model", 0.6, 30),
        Admitted(2, "new", "model", 1.0, 30),
    )
    assert statements_of(encoding.lexicon) == ["old but heavy", "light", "new"]
    assert evicted_slots(encoding.events) == (2,)
    assert encoding.gradient.tolist() == [0, 0, -1]


def test_what_a_diagnosis_mentions_is_not_evicted_by_it():
    lexicon = encode(Lexicon(2), [suggest("weak", 0.1), suggest("strong", 5.0)], 0).lexicon
    encoding = encode(lexicon, [suggest("weak", 0.1), suggest("new", 9.0)], 0)
    assert statements_of(encoding.lexicon) == ["new", "weak"]
    everything = [suggest("weak", 0.1), suggest("strong", 0.1), suggest("new", 9.0)]
    encoding = encode(lexicon, everything, 0)
    assert statements_of(encoding.lexicon) == ["strong", "weak"]
    assert encoding.dropped == (Directive("new", "model"),)


def test_a_newcomer_that_weighs_less_than_all_is_left_out():
    lexicon = encode(Lexicon(2), [suggest("a", 2.0), suggest("b", 1.0)], 0).lexicon
    same, gradient, events, dropped = encode(lexicon, [suggest("c", 0.9)], 0)
    assert (same, events, dropped) == (lexicon, (), (Directive("c", "model"),))
    assert not gradient.any()
    assert statements_of(encode(lexicon, [suggest("c", 1.0)], 0).lexicon) == ["a", "c"]
    assert statements_of(encode(lexicon, [suggest("c", 0.9)], 20).lexicon) == ["a", "c"]


def test_eviction_can_be_forbidden():
    lexicon = encode(Lexicon(1), [suggest("a")], 0).lexicon
    assert encode(lexicon, [suggest("b", 9.0)], 5, evict=False).lexicon == lexicon


def test_an_evicted_directive_comes_back_as_a_newcomer():
    lexicon = encode(Lexicon(1), [suggest("a")], 0).lexicon
    lexicon = encode(lexicon, [suggest("b", 2.0)], 1).lexicon
    lexicon = encode(lexicon, [suggest("a", 3.0)], 2).lexicon
    assert (statements_of(lexicon), lexicon.born) == (["a"], (2,))


def test_weights_underflow_to_zero_and_still_decide():
    lexicon = encode(Lexicon(1, half_life=0.01), [suggest("a")], 0).lexicon
    assert lexicon.weights(10**9)[0] == 0.0
    assert statements_of(encode(lexicon, [suggest("b", 1e-300)], 10**9).lexicon) == ["b"]


@given(history=histories, capacity=st.integers(1, 3))
def test_the_kept_are_the_heaviest_of_old_and_new(history, capacity):
    """Brute force: what stays is mentioned, or at least as heavy as everything that does not."""
    lexicon = Lexicon(capacity)
    for step, diagnosis in history:
        weight = dict(
            zip((d.identity for d in lexicon.directives), lexicon.weights(step), strict=True)
        )
        known = set(weight)
        for s in diagnosis:
            key = s.directive.identity
            weight[key] = weight.get(key, 0.0) + abs(s.weight)
        mentioned = known & {s.directive.identity for s in diagnosis if s.weight}
        weight = {key: w for key, w in weight.items() if w or key in known}
        lexicon = encode(lexicon, diagnosis, step).lexicon
        kept = {d.identity for d in lexicon.directives}
        assert len(kept) == min(capacity, len(weight))
        assert mentioned <= kept
        for key in kept - mentioned:
            for lost in weight.keys() - kept:
                assert weight[key] >= weight[lost] * (1 - 1e-12)


# --- size, and odd input ---


@pytest.mark.parametrize("capacity", [1, 128, 10_000])
def test_ten_thousand_newcomers_replace_a_full_lexicon_in_seconds(capacity):
    full = encode(Lexicon(capacity), [suggest(f"old {i}") for i in range(10_000)], 0).lexicon
    assert len(full.directives) == capacity
    diagnosis = [suggest(f"new {i}", 2 + i / 1e4) for i in range(10_000)]
    start = time.process_time()
    encoding = encode(full, diagnosis, 1)
    assert time.process_time() - start < 5.0  # a quadratic loop takes minutes
    assert len(evicted_slots(encoding.events)) == capacity
    assert len(encoding.dropped) == 10_000 - capacity
    assert np.count_nonzero(encoding.gradient) == capacity
    assert "new 9999" in statements_of(encoding.lexicon)


@pytest.mark.parametrize("capacity", [1, 3])
@pytest.mark.parametrize("embed", [None, bag_of_letters])
@pytest.mark.parametrize(
    "diagnosis",
    [
        [],
        [suggest("a", 0.0)],
        [Suggestion(Directive("a", "model"), 1.0, 0.0)],
        [suggest("a"), suggest("a"), suggest("A."), suggest("a", -3.0)],
        [suggest("a", component="no such component"), suggest("a", component="")],
        [suggest("\x00\x1b[31m"), suggest("\ud800"), suggest("🤖‍🔬"), suggest("\u202eevil")],
        [suggest("x" * 100_000), suggest("long text " * 10_000), suggest("long texts " * 10_000)],
        [suggest("a", 1e15), suggest("a", 1e15), suggest("a", 1e15)],
        [suggest("a", 1e-300), suggest("b", 5e-324)],
        [suggest("a", np.float32(0.5)), suggest("b", True)],
    ],
    ids=lambda d: f"{len(d)}-{d[0].directive.statement[:5]!r}" if d else "empty",
)
def test_odd_diagnoses_never_break_the_state(diagnosis, embed, capacity):
    start = Lexicon(capacity)
    lexicon, gradient, events, dropped = encode(start, diagnosis, np.int64(3), embed)
    journal = json.dumps([asdict(event) for event in events])
    assert replay(start, map(event_from_dict, json.loads(journal))) == lexicon
    assert Lexicon.from_json(lexicon.to_json()) == lexicon
    assert gradient.shape == (capacity,)
    assert np.isfinite(np.square(gradient)).all()  # what Adam does
    heard = {s.directive.identity for s in diagnosis if s.weight}
    found = {d.identity for d in lexicon.directives} | {d.identity for d in dropped}
    aliases = {a.identity for entry in lexicon.entries for a in entry.aliases}
    assert found | aliases == heard


def test_a_sum_beyond_float32_is_clamped_and_said_so():
    gradient = encode(Lexicon(1), [suggest("a", 0.9e15)] * 4).gradient
    assert gradient[0] == -np.float32(LARGEST_STRENGTH)


@pytest.mark.parametrize("name", [*optimizers.RULES, *optimizers.WRAPPERS])
def test_no_rule_breaks_on_the_largest_gradients(name):
    """Nor is an update lost to a norm that is infinite: some step moves every slot."""
    wrapped = name in optimizers.WRAPPERS
    rule = optimizers.WRAPPERS[name](optimizers.momentum()) if wrapped else optimizers.RULES[name]()
    params = np.zeros(100, np.float32)
    gradient = encode(Lexicon(100), [suggest(f"knob {i}", 1e15) for i in range(100)]).gradient
    state, moved = rule.init(params), np.zeros(100, bool)
    for step in range(3):
        extra = {"value": np.float32(0), "step": np.int32(step), "key": jax.random.key(step)}
        update, state = rule.update(gradient, state, params, **extra)
        assert np.isfinite(update).all()
        moved |= np.asarray(update) > 0
    assert moved.all()
