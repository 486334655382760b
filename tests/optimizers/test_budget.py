"""One budget for every currency: amounts add up, limits are told, texts are read."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from optimizers.budget import CURRENCIES, Budget, BudgetError, Spent, parse_budget, parse_spent

counts = st.integers(0, 50)
amounts = st.builds(Spent, *[counts] * len(CURRENCIES))
limits = st.dictionaries(st.sampled_from(CURRENCIES), st.integers(1, 60))


@given(amounts, amounts)
def test_amounts_add_up_currency_by_currency(a, b):
    for name in CURRENCIES:
        assert getattr(a + b, name) == getattr(a, name) + getattr(b, name)
    assert (a + b) - b == a
    assert sum([a, b], Spent()) == a + b


@given(limits, amounts)
def test_limits_against_plain_python(limits, spent):
    budget = Budget(**limits)
    assert budget.limits == limits
    used_up = {name for name, limit in limits.items() if getattr(spent, name) >= limit}
    exceeded = {name for name, limit in limits.items() if getattr(spent, name) > limit}
    reached = budget.reached(spent)
    assert (reached in used_up) if used_up else reached is None
    assert bool(budget.pays(spent)) == (not exceeded)


@given(limits, st.lists(amounts, min_size=1, max_size=5))
def test_arrays_are_judged_entry_by_entry(limits, many):
    budget = Budget(**limits)
    stacked = Spent(*(np.array(column) for column in zip(*many, strict=True)))
    assert np.array_equal(
        np.broadcast_to(budget.pays(stacked), len(many)), [budget.pays(spent) for spent in many]
    )


def test_sums_of_prices_that_round_are_paid_and_use_the_budget_up():
    paid = sum([Spent(money=0.1)] * 3, Spent())
    assert paid.money > 0.3
    assert Budget(money=0.3).pays(paid)
    below = sum([Spent(money=0.1)] * 8, Spent())
    assert below.money < 0.8
    assert Budget(money=0.8).reached(below) == "money"


def test_reading():
    read = parse_budget(" evaluations=50, money=2.5,seconds=12h", steps=20)
    assert read == Budget(steps=20, evaluations=50, money=2.5, seconds=12 * 3600)
    assert parse_budget("seconds=90").seconds == 90
    assert parse_budget("seconds=1.5m").seconds == parse_budget("seconds=90s").seconds == 90
    assert parse_budget("steps=5", steps=20).steps == parse_budget("steps=20", steps=5).steps == 5
    assert parse_budget("") == Budget()
    assert parse_spent("tokens=2e3,money=0.01") == Spent(tokens=2000, money=0.01)
    assert parse_spent("") == Spent()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("evaluation=5", "`evaluations`"),
        ("dollars=5", "There are: evaluations, calls"),
        ("50", "NAME=AMOUNT"),
        ("calls=many", "must be a number"),
        ("calls=5h", "must be a number"),
        ("seconds=1d", "unit s, m or h"),
        ("calls=5,calls=6", "twice"),
        ("money=0", "money > 0"),
        ("money=-1", "money > 0"),
        ("money=nan", "money > 0"),
        ("steps=2.5", "whole"),
        ("money=1,", "NAME=AMOUNT"),
    ],
)
def test_budgets_that_cannot_be_read_say_what_to_write(text, told):
    with pytest.raises(BudgetError, match=told):
        parse_budget(text)


@pytest.mark.parametrize("text", ["money=-1", "tokens=inf", "tokens=nan"])
def test_amounts_are_finite_and_not_negative(text):
    with pytest.raises(BudgetError, match="at least 0"):
        parse_spent(text)
    assert math.isinf(Budget().money)
