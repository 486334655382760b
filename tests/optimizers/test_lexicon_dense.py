"""The second basis: the map to embeddings is linear, and linear rules commute with it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, strategies as st

import optimizers
from optimizers import (
    BasisError,
    Directive,
    Embedded,
    Lexicon,
    Suggestion,
    assert_rotation_equivariant,
    decode,
    embed_gradient,
    encode,
    hashed_ngrams,
    rank,
)
from tests.optimizers import strategies as draw
from tests.optimizers.strategies import unroll

DIRECTIVES = [Directive(f"do {word}", "model") for word in ("alpha", "beta", "gamma", "delta")]
NGRAMS = hashed_ngrams(64)
LINEAR = {
    "sgd": optax.sgd(0.5),
    "momentum": optax.sgd(0.5, momentum=0.8),
    "ema": optax.ema(0.7),
}
histories = st.lists(
    st.lists(draw.EIGHTHS, min_size=4, max_size=4), min_size=draw.DIM, max_size=draw.DIM
).map(lambda rows: np.array(rows))


def basis(texts):
    """Orthonormal: each directive is its own axis."""
    names = [d.identity[0] for d in DIRECTIVES]
    return np.eye(4)[[names.index(text) for text in texts]].reshape(len(texts), 4)


def vector(diagnosis, embed=NGRAMS):
    return np.asarray(embed_gradient(diagnosis, embed).vector)


def matrix(embed):
    """The linear map, one row per directive."""
    return np.asarray(embed([d.identity[0] for d in DIRECTIVES]), np.float64)


# --- E is linear ---


@given(first=draw.diagnoses, second=draw.diagnoses)
def test_embedding_a_sum_is_the_sum_of_embeddings(first, second):
    both = vector([*first, *second])
    np.testing.assert_allclose(both, vector(first) + vector(second), rtol=1e-5, atol=1e-5)


@given(diagnosis=draw.diagnoses, factor=draw.EIGHTHS)
def test_embedding_is_homogeneous(diagnosis, factor):
    scaled = [Suggestion(s.directive, factor * s.strength, s.credence) for s in diagnosis]
    np.testing.assert_allclose(vector(scaled), factor * vector(diagnosis), rtol=1e-5, atol=1e-5)


@given(diagnosis=draw.diagnoses)
def test_embedding_factors_through_the_slots(diagnosis):
    """E(x) = the encoded gradient times the matrix of embeddings: naturality of `encode`."""
    lexicon, gradient, *_ = encode(Lexicon(32), diagnosis)
    known = [d.identity[0] for d in lexicon.directives]
    expected = gradient[: len(known)] @ NGRAMS(known)
    np.testing.assert_allclose(vector(diagnosis), expected, rtol=1e-5, atol=1e-5)


@given(data=st.data(), weights=st.lists(draw.EIGHTHS, min_size=4, max_size=4))
def test_renaming_slots_and_adding_slots_change_nothing(data, weights):
    """Any order of birth, any directives born before, any capacity: the same vector."""
    order = data.draw(st.permutations(range(4)))
    others = [
        Suggestion(Directive(f"other {i}", "data"), 1.0)
        for i in range(data.draw(st.integers(0, 3)))
    ]
    diagnosis = [Suggestion(DIRECTIVES[i], weights[i]) for i in range(4)]
    lexicon = encode(
        Lexicon(9), [*others, *(Suggestion(DIRECTIVES[i], 1.0) for i in order)]
    ).lexicon
    gradient = encode(lexicon, diagnosis).gradient
    rows = NGRAMS([d.identity[0] for d in lexicon.directives])
    through = gradient[: len(rows)] @ rows
    np.testing.assert_allclose(through, vector(diagnosis), rtol=1e-5, atol=1e-5)


# --- rules and E ---


@pytest.mark.parametrize("name", LINEAR)
@given(history=histories)
def test_linear_rules_commute_with_the_embedding(name, history):
    """Embed what the rule does to slots, or let the rule act on embeddings: the same."""
    embedding = matrix(NGRAMS)
    on_slots = unroll(LINEAR[name], -history) @ embedding
    on_embeddings = unroll(LINEAR[name], -history @ embedding)
    np.testing.assert_allclose(on_slots, on_embeddings, rtol=1e-6, atol=1e-9)


def test_adam_does_not_commute_with_the_embedding():
    history = -np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 4.0, 0.0, 0.0]])
    embedding = matrix(NGRAMS)
    on_slots = unroll(optax.adam(1.0), history) @ embedding
    on_embeddings = unroll(optax.adam(1.0), history @ embedding)
    assert np.linalg.norm(on_slots - on_embeddings) > 0.5 * np.linalg.norm(on_slots)


# --- ranking ---


@given(update=st.lists(draw.EIGHTHS, min_size=4, max_size=4), top=st.none() | st.integers(0, 5))
def test_in_an_orthonormal_basis_ranking_is_decoding(update, top):
    update = np.array(update, np.float32)
    lexicon = encode(Lexicon(4), [Suggestion(d, 1.0) for d in DIRECTIVES]).lexicon
    assert rank(Embedded(update), DIRECTIVES, basis, top) == decode(lexicon, update, top)


@given(diagnosis=draw.diagnoses, update=st.integers(0, 99))
def test_ranking_is_the_adjoint_of_embedding(diagnosis, update):
    """<E x, u> = sum_j w_j <E x_j, u>, of which `rank` shows the positive terms."""
    u = Embedded(np.random.default_rng(update).normal(size=64).astype(np.float32))
    total = 0.0
    for s in diagnosis:
        up = sum(value for _, value in rank(u, [s.directive], NGRAMS))
        down = sum(value for _, value in rank(Embedded(-u.vector), [s.directive], NGRAMS))
        total += s.weight * (up - down)
    assert float(-vector(diagnosis) @ u.vector) == pytest.approx(total, rel=1e-4, abs=1e-4)


def test_evidence_spreads_to_similar_directives():
    said = Directive("scale the numeric columns", "features")
    near, far = Directive("scale the columns", "features"), Directive("bag trees", "model")
    update = Embedded(-embed_gradient([Suggestion(said, 1.0)], NGRAMS).vector)
    ranked = rank(update, [far, near, said], hashed_ngrams(64))
    assert [d for d, _ in ranked][:2] == [said, near]


@pytest.mark.parametrize(
    ("update", "top", "match"),
    [
        (np.zeros(3), None, r"dimension 4 by an update of shape \(3,\)"),
        (np.zeros((2, 4)), None, r"shape \(2, 4\)"),
        (np.full(4, np.nan), None, "not a number"),
        (np.zeros(4), -1, "`top`"),
    ],
)
def test_updates_that_cannot_rank_are_refused(update, top, match):
    with pytest.raises(ValueError, match=match):
        rank(Embedded(update), DIRECTIVES, basis, top)


def test_an_empty_diagnosis_is_zero_and_a_huge_one_refused():
    assert not vector([]).any()
    assert rank(Embedded(np.zeros(64)), [], NGRAMS) == ()
    with pytest.raises(ValueError, match="adds up"):
        embed_gradient([Suggestion(DIRECTIVES[0], 0.9e15)] * 9, basis)


# --- which rules may act ---

ROTATION_EQUIVARIANT = {
    **LINEAR,
    "nesterov": optax.sgd(0.1, momentum=0.9, nesterov=True),
    "clipped": optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.1)),
    "normalized": optax.normalize_by_update_norm(),
    "scheduled": optax.sgd(optax.linear_schedule(0.1, 0.01, 5)),
    "accumulated": optax.MultiSteps(optax.sgd(0.1), 2).gradient_transformation(),
    "success memory": optimizers.gome(0.1),
}
AXIS_DEPENDENT = {
    "adam": optax.adam(0.1),
    "lion": optax.lion(0.1),
    "adagrad": optax.adagrad(0.1),
    "signs": optax.sign_sgd(0.1),
    "clipped by entry": optax.clip(0.1),
    "yogi": optax.yogi(0.1),
}


@pytest.mark.parametrize("size", [2, 1000])
@pytest.mark.parametrize("name", ROTATION_EQUIVARIANT)
def test_rules_that_commute_with_rotations_pass(name, size):
    assert_rotation_equivariant(ROTATION_EQUIVARIANT[name], Embedded(jnp.zeros(size)))


@pytest.mark.parametrize("size", [2, 1000])
@pytest.mark.parametrize("name", AXIS_DEPENDENT)
def test_rules_that_depend_on_the_axes_are_refused(name, size):
    with pytest.raises(BasisError, match=r"differ by [\d.e-]+ of their length"):
        assert_rotation_equivariant(AXIS_DEPENDENT[name], Embedded(jnp.zeros(size)))


def test_the_check_works_inside_jit():
    @jax.jit
    def start(vector):
        assert_rotation_equivariant(optax.adam(0.1), Embedded(vector))
        return vector

    with pytest.raises(BasisError):
        start(jnp.zeros(3))


def test_traced_hyper_parameters_cannot_be_checked():
    @jax.jit
    def start(vector, rate):
        assert_rotation_equivariant(optax.adam(rate), Embedded(vector))
        return vector

    start(jnp.zeros(3), 0.1)
