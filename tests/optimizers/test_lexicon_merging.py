"""Paraphrases share a slot; opposites and numbers never do; embedders are checked."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, strategies as st

from gome_agent.embedding import litellm_embedder
from gome_agent.models.serving import ScriptedServer
from optimizers import Directive, Lexicon, Merged, Suggestion, cached, encode, hashed_ngrams
from optimizers.textual import unit_rows
from optimizers.textual._guard import contradict, read
from tests.optimizers import paraphrases as table
from tests.statistical import assert_mean

NGRAMS = hashed_ngrams()
TEXT = st.text(max_size=30)


def suggest(statement, strength=1.0, component="model"):
    return Suggestion(Directive(statement, component), strength)


def share_a_slot(one, other, embed=NGRAMS):
    lexicon = encode(Lexicon(4), [suggest(one)], 0, embed).lexicon
    return len(encode(lexicon, [suggest(other)], 1, embed).lexicon.directives) == 1


def everything_alike(texts):
    """The worst embedder: every text is the same to it."""
    return np.ones((len(texts), 3))


# --- quality of the default ---


def test_precision_is_one_and_recall_is_as_documented():
    right = [pair for pair in table.SAME if share_a_slot(*pair)]
    wrong = [pair for pair in table.DIFFERENT if share_a_slot(*pair)]
    assert wrong == []
    assert (len(right), len(table.SAME), len(table.DIFFERENT)) == (52, 76, 129)


def test_quality_on_pairs_that_the_rules_were_not_made_on():
    right = [pair for pair in table.HELD_OUT_SAME if share_a_slot(*pair)]
    wrong = [pair for pair in table.HELD_OUT_DIFFERENT if share_a_slot(*pair)]
    assert (len(right), len(table.HELD_OUT_SAME)) == (20, 25)
    assert (len(wrong), len(table.HELD_OUT_DIFFERENT)) == (0, 40)


@pytest.mark.parametrize("pair", [*table.SAME, *table.DIFFERENT])
def test_merging_is_symmetric(pair):
    assert contradict(*map(read, pair)) == contradict(*map(read, pair[::-1]))


@pytest.mark.parametrize(
    "pair",
    [
        ("use 5 folds", "use 10 folds"),
        ("use 5 folds", "use folds"),
        ("increase coordinate 0", "increase coordinate 1"),
        ("set x to 0.1", "set x to 0.01"),
        ("set x to 1e-3", "set x to 1e-4"),
        ("keep rows with x < 5", "keep rows with x > 5"),
        ("use column a", "use column b"),
        ("increase the learning rate", "decrease the learning rate"),
        ("use more trees", "use fewer trees"),
        ("add a layer", "remove a layer"),
        ("use dropout", "don't use dropout"),
        ("use a linear model", "use a nonlinear model"),
        ("replace the mean with the median", "replace the median with the mean"),
        ("raise depth and lower rate", "raise rate and lower depth"),
        ("学习率设为 1", "学习率设为 2"),
        ("增加学习率", "减少学习率"),
    ],
)
def test_the_guard_holds_whatever_the_embedder(pair):
    assert not share_a_slot(*pair, everything_alike)
    assert not share_a_slot(*pair[::-1], everything_alike)
    assert share_a_slot(pair[0], "please " + pair[0], everything_alike)  # it does merge others


@given(statement=TEXT, other=TEXT)
def test_any_texts_can_be_compared(statement, other):
    one, two = (read(Directive(text, "x").identity[0]) for text in (statement, other))
    assert contradict(one, two) == contradict(two, one)
    assert not contradict(one, one)


# --- what merging does ---


def test_a_paraphrase_shares_the_slot_of_the_first_wording():
    lexicon = encode(Lexicon(4), [suggest("scale the numeric columns", 0.5)], 0, NGRAMS).lexicon
    encoding = encode(lexicon, [suggest("scaling numeric columns", 0.25)], 1, NGRAMS)
    (mentioned, merged) = encoding.events
    assert (mentioned.slot, mentioned.amount, mentioned.step) == (0, 0.25, 1)
    assert isinstance(merged, Merged)
    assert merged.into == "scale the numeric columns"
    a, b = NGRAMS(["scale the numeric columns", "scaling numeric columns"])
    assert merged.similarity == pytest.approx(float(a @ b), abs=1e-6)
    assert encoding.gradient.tolist() == [-0.25, 0, 0, 0]
    # An alias is known from then on, without an embedder.
    again = encode(encoding.lexicon, [suggest("Scaling numeric columns!", 1.0)], 2)
    assert [type(event).__name__ for event in again.events] == ["Mentioned"]
    assert again.gradient.tolist() == [-1, 0, 0, 0]


def test_paraphrases_within_one_diagnosis_count_together():
    diagnosis = [
        suggest("add dropout", 1.0),
        suggest("use stacking", 1.5),
        suggest("adding dropout"),
    ]
    encoding = encode(Lexicon(1), diagnosis, 0, NGRAMS)
    assert encoding.lexicon.directives == (Directive("add dropout", "model"),)
    assert encoding.gradient.tolist() == [-2.0]
    assert encoding.dropped == (Directive("use stacking", "model"),)


def test_components_are_kept_apart():
    diagnosis = [suggest("scale it", component="data"), suggest("scaling it", component="model")]
    assert len(encode(Lexicon(4), diagnosis, 0, NGRAMS).lexicon.directives) == 2


def test_likeness_does_not_drift_along_a_chain():
    """b is like a, and c like b but not like a: c is not compared with the merged b."""
    angle = {"a word": 0.0, "a words": 0.9, "words": 1.8}

    def embed(texts):
        return np.array([[np.cos(angle.get(t, 0)), np.sin(angle.get(t, 0))] for t in texts])

    diagnosis = [suggest("a word", 3.0), suggest("a words", 2.0), suggest("words", 1.0)]
    lexicon = encode(Lexicon(4), diagnosis, 0, embed, threshold=0.5).lexicon
    assert [d.statement for d in lexicon.directives] == ["a word", "words"]


def test_ten_thousand_numbered_directives_are_compared_in_seconds():
    diagnosis = [suggest(f"do thing {i}", 1 + i / 1e4) for i in range(10_000)]
    NGRAMS(["load scikit-learn first"])
    start = time.process_time()
    encoding = encode(Lexicon(128), diagnosis, 0, NGRAMS)
    assert time.process_time() - start < 5.0  # a quadratic loop takes minutes
    assert len(encoding.dropped) == 10_000 - 128


@pytest.mark.parametrize("threshold", [0.0, 1.5, np.nan])
def test_a_threshold_is_a_cosine(threshold):
    with pytest.raises(ValueError, match="`threshold` is a cosine"):
        encode(Lexicon(2), [suggest("a"), suggest("b")], 0, NGRAMS, threshold=threshold)


# --- embedders ---


def test_hashed_ngrams_are_deterministic_unit_rows():
    texts = ["scale the columns", "", "\ud800 odd", "x" * 100_000]
    rows = NGRAMS(texts)
    np.testing.assert_array_equal(rows, hashed_ngrams()(texts))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1, 0, 1, 1], atol=1e-6)
    assert (rows.dtype, rows.shape, NGRAMS([]).shape) == (np.float32, (4, 512), (0, 512))


def test_collisions_are_of_order_one_over_the_root_of_the_dimension():
    """Texts without a common n-gram: the cosine has mean 0 and variance 1 / dimension."""
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 8)) for _ in range(4000)]
    rows = NGRAMS(texts)
    cosines = (rows[:2000] * rows[2000:]).sum(axis=1)
    for sample, expected in ((cosines, 0.0), (cosines**2, 1 / 512)):
        assert_mean(sample, expected)


@pytest.mark.parametrize("arguments", [{"dimension": 0}, {"ngrams": (3, 2)}, {"ngrams": (0, 2)}])
def test_hashed_ngrams_say_what_they_need(arguments):
    with pytest.raises(ValueError, match="`hashed_ngrams` needs"):
        hashed_ngrams(**arguments)


def test_cached_asks_for_each_text_once():
    asked = []

    def embed(texts):
        asked.extend(texts)
        return np.array([[len(text), 1.0] for text in texts])

    remembering = cached(embed)
    first = remembering(["a", "bbb", "a"])
    second = remembering(["bbb", "cc"])
    assert asked == ["a", "bbb", "cc"]
    np.testing.assert_array_equal(first[1], second[0])
    np.testing.assert_array_equal(first, unit_rows([[1, 1], [3, 1], [1, 1]], 3))
    assert remembering([]).shape == (0, 2)
    assert cached(embed)([]).shape[0] == 0


@pytest.mark.parametrize(
    ("vectors", "match"),
    [
        (np.ones((1, 3)), r"shape \(1, 3\) for 2 texts"),
        (np.ones(2), r"shape \(2,\) for 2 texts"),
        (np.ones((2, 0)), r"shape \(2, 0\)"),
        ([[1.0, 2.0], [1.0, np.nan]], "not finite, first for text 1"),
        ([[np.inf, 2.0], [1.0, 1.0]], "not finite, first for text 0"),
        ([["a", "b"], ["c", "d"]], "no array of numbers"),
        ([[1.0], [1.0, 2.0]], "no array of numbers"),
        (None, "no array of numbers|shape"),
    ],
)
def test_malformed_embeddings_are_refused(vectors, match):
    with pytest.raises(ValueError, match=match):
        unit_rows(vectors, 2)
    with pytest.raises(ValueError, match=match):
        encode(Lexicon(2), [suggest("a word"), suggest("a term")], 0, lambda texts: vectors)


@given(scale=st.sampled_from([1e-300, 1e-30, 1.0, 1e30, 1e300]))
def test_unit_rows_neither_overflow_nor_vanish(scale):
    np.testing.assert_allclose(unit_rows([[3 * scale, -4 * scale]], 1), [[0.6, -0.8]], rtol=1e-6)


def test_litellm_is_asked_in_batches_once_per_text():
    texts = ["a word", "two words", "a longer text"]
    with ScriptedServer(lambda body: "") as server:
        embed = litellm_embedder(
            "openai/text-embedding-3-small",
            batch=2,
            dimensions=64,
            api_base=server.url,
            api_key="none",
        )
        rows = embed(texts)
        embed(texts[1:2])
    np.testing.assert_allclose(rows, unit_rows(hashed_ngrams(64)(texts), 3), atol=1e-6)
    assert [body["input"] for body in server.requests] == [texts[:2], texts[2:]]
    assert all(body["dimensions"] == 64 for body in server.requests)


def test_litellm_batches_are_positive():
    with pytest.raises(ValueError, match="`batch`"):
        litellm_embedder("some/model", batch=0)
