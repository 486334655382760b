"""Success memory alone: its kernel, its bookkeeping, and that it agrees with the update rule."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

import optimizers
from optimizers.memory import Kernel, SuccessMemory
from tests.optimizers.strategies import unroll

WORDS = ["scale", "encode", "stack", "prune", "tune", "blend"]
VECTORS = dict(zip(WORDS, np.random.default_rng(0).normal(size=(len(WORDS), 4)), strict=True))


def embed(statements):
    return np.array([VECTORS[s] for s in statements])


def filled(entries=(), **settings):
    memory = SuccessMemory(embed, **settings)
    for statement, gain in entries:
        memory.remember(statement, gain)
    return memory


entries = st.lists(
    st.tuples(st.sampled_from(WORDS), st.integers(-8, 8).map(lambda i: i / 8)),
    min_size=1,
    max_size=9,
)

# --- the kernel ----------------------------------------------------------------------------------

CLIP = 0.7
KERNEL = Kernel(decay=1.0, similarity=1.0, gain=1.0, half_life=30.0, clip=CLIP, capacity=99)
OPEN = Kernel(decay=1.0, similarity=1.0, gain=1.0, half_life=30.0, clip=50.0, capacity=99)
N = 6
cosines = arrays(np.float64, N, elements=st.floats(-1, 1))
gains = arrays(np.float64, N, elements=st.floats(-10, 10))


@given(cosine=cosines, gains=gains)
def test_a_distribution_within_the_odds_of_the_clamp(cosine, gains):
    p = KERNEL.probabilities(cosine, gains, 3)
    assert (p > 0).all()
    assert_allclose(p.sum(), 1.0, rtol=1e-12)
    assert p.max() / p.min() <= np.exp(2 * CLIP) * (1 + 1e-9)
    odds = np.exp(2 * CLIP)
    assert (p <= odds / (odds + N - 1) * (1 + 1e-9)).all()
    assert (p >= 1 / (1 + (N - 1) * odds) * (1 - 1e-9)).all()
    assert 1 - 1e-9 <= 1 / (p**2).sum() <= N + 1e-9


@given(cosine=cosines, gains=gains, shift=st.floats(-5, 5))
def test_a_common_shift_of_similarities_changes_nothing_before_clamping(cosine, gains, shift):
    plain = OPEN.probabilities(cosine, gains, 0)
    assert_allclose(OPEN.probabilities(cosine + shift, gains, 0), plain, rtol=1e-9)


def test_clamping_breaks_invariance_to_a_shift():
    cosine, gains = np.array([0.0, 0.5]), np.zeros(2)
    odds = np.divide(*KERNEL.probabilities(cosine, gains, 0)[::-1])
    shifted = np.divide(*KERNEL.probabilities(cosine + CLIP, gains, 0)[::-1])
    assert_allclose([odds, shifted], [np.exp(0.5), 1.0], rtol=1e-12)


@given(cosine=cosines, gains=gains, order=st.permutations(range(N)))
def test_memories_are_interchangeable(cosine, gains, order):
    permuted = KERNEL.probabilities(cosine[order], gains[order], 1)
    assert_allclose(permuted, KERNEL.probabilities(cosine, gains, 1)[order], rtol=1e-12)


@given(cosine=cosines, gains=gains, scale=st.floats(1e-3, 1e3))
def test_gains_are_free_of_units(cosine, gains, scale):
    gains = np.where(np.abs(gains) < 1e-3, 0.0, gains)
    plain = KERNEL.probabilities(cosine, gains, 1)
    assert_allclose(KERNEL.probabilities(cosine, scale * gains, 1), plain, rtol=1e-9)


def test_similarity_fades_by_half_every_half_life():
    cosine, gains = np.array([0.0, 0.6]), np.zeros(2)
    log_odds = [np.diff(np.log(OPEN.probabilities(cosine, gains, now)))[0] for now in (0, 30, 60)]
    assert_allclose(log_odds, [0.6, 0.3, 0.15], rtol=1e-9)


def test_huge_gains_do_not_overflow():
    with np.errstate(all="raise"):
        p = KERNEL.probabilities(np.zeros(2), np.array([1e300, -1e300]), 0)
    assert_allclose(p[0] / p[1], np.exp(2 * CLIP), rtol=1e-9)


# --- agreement with the rule ---------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [99, 3])
def test_the_rule_recalls_the_same(capacity):
    """Weights of memory times embeddings are what the update rule adds to a direction."""
    rule = optimizers.scale_by_success_memory(0.9, weight=1.0, half_life=5.0, capacity=capacity)
    random = np.random.default_rng(1)
    words = random.choice(WORDS, size=8)
    values = random.normal(size=8)  # losses: a step's gain is what its loss fell by
    updates = unroll(rule, embed(words), value=values)
    memory = filled(decay=0.9, half_life=5.0, capacity=capacity)
    for i, word in enumerate(words):
        direction = VECTORS[word] / np.linalg.norm(VECTORS[word])
        weights = memory.weights(word)
        units = np.array([VECTORS[s] / np.linalg.norm(VECTORS[s]) for s in memory.statements])
        recalled = weights @ units if len(memory) else 0.0
        expected = np.linalg.norm(VECTORS[word]) * (direction + recalled)
        assert_allclose(updates[i], expected, rtol=1e-9, atol=1e-12)
        if i + 1 < len(words):
            memory.remember(str(word), values[i] - values[i + 1])


# --- use -----------------------------------------------------------------------------------------


@given(entries=entries, query=st.sampled_from(WORDS))
def test_recall_ranks_the_whole_memory(entries, query):
    memory = filled(entries)
    recalled = memory.recall(query)
    probability = [p for _, p in recalled]
    assert_allclose(sum(probability), 1.0, rtol=1e-12)
    assert probability == sorted(probability, reverse=True)
    assert sorted(s for s, _ in recalled) == sorted(s for s, _ in entries)
    assert memory.recall(query, k=2) == recalled[:2]


def test_several_candidates_count_alike():
    memory = filled([("scale", 1.0), ("stack", 2.0), ("tune", -1.0)])
    one, two = (dict(memory.recall(q)) for q in ("prune", "blend"))
    for statement, p in memory.recall(["prune", "blend"]):
        assert_allclose(p, (one[statement] + two[statement]) / 2, rtol=1e-12)


def test_a_duplicate_counts_double():
    p = dict(filled([("scale", 1.0), ("tune", 1.0)]).recall("prune", step=3))
    twice = filled([("scale", 1.0), ("scale", 1.0), ("tune", 1.0)]).recall("prune", step=3)
    total = sum(q for statement, q in twice if statement == "scale")
    assert_allclose(total / dict(twice)["tune"], 2 * p["scale"] / p["tune"], rtol=1e-12)


def test_an_empty_memory_recalls_nothing():
    memory = filled()
    assert memory.recall("scale") == []
    assert memory.sample("scale", 3, np.random.default_rng(0)) == []
    assert memory.weights("scale").shape == (0,)


def test_samples_follow_the_probabilities():
    memory = filled([("scale", 1.0), ("stack", 2.0), ("tune", -1.0)])
    n = 20_000
    drawn = memory.sample("prune", n, np.random.default_rng(0))
    for statement, p in memory.recall("prune"):
        assert abs(drawn.count(statement) / n - p) < 4 * np.sqrt(p * (1 - p) / n)
    again = memory.sample("prune", n, np.random.default_rng(0))
    assert again == drawn


def test_with_a_flat_kernel_weights_are_the_decay_by_age():
    memory = filled(similarity=0.0, gain=0.0, decay=0.5)
    for statement, step in (("scale", 2), ("tune", 5)):
        memory.remember(statement, 1.0, step=step)
    assert_allclose(memory.weights("prune"), [0.5**4, 0.5**1])  # now is step 6
    assert_allclose(memory.weights("prune", step=5), [0.5**3, 1.0])


def test_a_full_memory_forgets_its_least_weight():
    memory = filled(
        [("scale", 1.0), ("stack", -2.0), ("tune", 1.0)], similarity=0.0, decay=1.0, capacity=2
    )
    assert memory.statements == ("scale", "tune")


def test_the_default_embedder_needs_nothing():
    memory = SuccessMemory()
    memory.remember("standardise the numeric columns", 0.1)
    memory.remember("train five more boosting rounds", 0.1)
    assert memory.recall("standardise numeric columns", k=1)[0][0].startswith("standardise")


def test_twenty_thousand_memories():
    """Recall is one matrix-vector product; a full memory replaces without a Python loop."""
    n, dim = 20_000, 32
    rows = np.random.default_rng(0).normal(size=(n, dim)).astype(np.float32)
    memory = SuccessMemory(lambda texts: rows[[int(t) for t in texts]], capacity=n)
    start = time.perf_counter()
    for i in range(n):
        memory.remember(str(i), 1.0)
    each = (time.perf_counter() - start) / n
    start = time.perf_counter()
    for i in range(10):
        memory.remember(str(i), 2.0)
        assert memory.recall(str(i), k=5, step=0)[0][0] == str(i)
    used = (time.perf_counter() - start) / 20
    assert len(memory) == n
    # Measured: 20 microseconds to add one, 1 millisecond to use all; a quadratic way is far above.
    assert each < 1e-3
    assert used < 0.1


# --- persistence ---------------------------------------------------------------------------------


@given(entries=entries, dtype=st.sampled_from([np.float32, np.float64]))
def test_json_round_trip_is_exact_and_goes_on_the_same(entries, dtype):
    def narrow(statements):
        return embed(statements).astype(dtype)

    memory = SuccessMemory(narrow, capacity=4, half_life=7.0, clip=1.5)
    for statement, gain in entries:
        memory.remember(statement, gain)
    text = memory.dumps()
    again = SuccessMemory.loads(text, narrow)
    assert again.dumps() == text
    for m in (memory, again):
        m.remember("blend", 0.3)
    assert again.dumps() == memory.dumps()
    assert again.recall("prune") == memory.recall("prune")


def test_an_empty_memory_survives_json():
    text = filled(capacity=3).dumps()
    memory = SuccessMemory.loads(text, embed)
    memory.remember("scale", 1.0)
    assert memory.dumps() == filled([("scale", 1.0)], capacity=3).dumps()


def damaged(**changes):
    record = json.loads(filled([("scale", 1.0), ("tune", 2.0)]).dumps())
    return json.dumps({**record, **changes})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not a success memory"),
        ("[1, 2]", "not a success memory"),
        ("{}", "not a success memory"),
        (damaged(schema=2), "a later one"),
        (damaged(gains=[1.0]), "damaged"),
        (damaged(gains=[1.0, float("nan")]), "damaged"),
        (damaged(steps=[0, 1.5]), "damaged"),
        (damaged(vectors="AAAA"), "damaged"),
        (damaged(vectors="?"), "damaged"),
        (damaged(statements=["scale", 3]), "damaged"),
        (damaged(statements=None), "damaged"),
        (damaged(dtype="object"), "damaged"),
        (damaged(settings={"decay": 2.0}), "damaged"),
        (damaged(settings={"colour": 2.0}), "damaged"),
    ],
)
def test_bad_json_is_a_clear_error(text, told):
    with pytest.raises(ValueError, match=told):
        SuccessMemory.loads(text)


# --- errors change nothing -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (lambda m: m.remember("scale", float("nan")), "gain"),
        (lambda m: m.remember("scale", float("inf")), "finite"),
        (lambda m: m.remember("scale", "much"), "must be a number"),
        (lambda m: m.remember("  ", 1.0), "says something"),
        (lambda m: m.remember(None, 1.0), "says something"),
        (lambda m: m.remember("scale", 1.0, step=-1), "step"),
        (lambda m: m.remember("scale", 1.0, step=1.5), "step"),
        (lambda m: m.remember("broken", 1.0), "not finite"),
        (lambda m: m.remember("wide", 1.0), "returned float64 of shape"),
        (lambda m: m.recall(""), "says something"),
        (lambda m: m.recall([]), "`query` is empty"),
        (lambda m: m.recall("scale", k=0), "`k`"),
        (lambda m: m.sample("scale", 0, np.random.default_rng(0)), "`k`"),
    ],
)
def test_failed_calls_change_nothing(use, told):
    odd = {"broken": np.full(4, np.nan), "wide": np.ones(5)}
    memory = SuccessMemory(lambda texts: np.array([{**VECTORS, **odd}[t] for t in texts]))
    memory.remember("tune", 1.0)
    before = memory.dumps()
    with pytest.raises(ValueError, match=told):
        use(memory)
    assert memory.dumps() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"decay": 1.1},
        {"half_life": 0.0},
        {"clip": -1.0},
        {"capacity": 0},
        {"capacity": 1.5},
        {"gain": float("nan")},
        {"similarity": "x"},
    ],
)
def test_errors_name_the_setting(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SuccessMemory(embed, **wrong)


def test_reading_does_not_change_the_memory():
    memory = filled([("scale", 1.0), ("tune", 2.0)])
    before = memory.dumps()
    memory.recall("prune", k=1)
    memory.sample("prune", 2, np.random.default_rng(0))
    assert_array_equal(memory.weights("prune"), memory.weights("prune"))
    assert memory.dumps() == before
