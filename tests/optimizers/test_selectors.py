"""What is submitted at the end: laws of best-so-far."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from hypothesis import given, strategies as st

from optimizers import SELECTORS, History
from optimizers.selectors import best

finite = st.integers(-8, 8).map(lambda i: i / 4)
scores = st.lists(finite | st.just(float("nan")), min_size=1, max_size=8)


def history(values) -> History:
    score = jnp.array(values, jnp.float32)
    valid = jnp.isfinite(score)
    return History(score, jnp.zeros_like(score), valid, valid)


def chosen(values) -> int:
    return int(best(history(values)))


def test_every_selector_is_under_test():
    assert set(SELECTORS) == {"best"}


@given(values=scores)
def test_it_is_the_first_of_the_highest_valid(values):
    valid = [v for v in values if v == v]
    assert chosen(values) == (values.index(max(valid)) if valid else -1)


@given(values=scores, more=finite)
def test_best_so_far_never_falls(values, more):
    before, after = chosen(values), chosen([*values, more])
    if before >= 0:
        assert [*values, more][after] >= values[before]


@given(values=scores, shift=finite, scale=st.sampled_from([0.5, 1.0, 4.0]))
def test_it_sees_only_the_order_of_scores(values, shift, scale):
    assert chosen([scale * v + shift for v in values]) == chosen(values)
    assert chosen(np.arctan(values)) == chosen(values)


@given(values=scores)
def test_minimising_a_loss_is_maximising_its_negative(values):
    losses = [-v for v in values if v == v]
    if losses:
        assert chosen([-loss for loss in losses]) == int(np.argmin(losses))


@given(values=scores, cut=st.integers(1, 8))
def test_a_smaller_budget_never_finds_more(values, cut):
    short, long = chosen(values[:cut]), chosen(values)
    if short >= 0:
        assert values[long] >= values[short]
