"""What is asked for when, against the formulas and the table of the published agent."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from gome_agent.reasoners import Attempt, script_digest
from gome_agent.reasoners._schedule import (
    challenges_asked,
    rejected,
    scenario_share,
    stage,
    tally,
)
from gome_agent.schemas import Directive

COUNTS = st.integers(0, 60)
DONE = (Directive(statement="Do it", component="model"),)


def attempt(step, parent, accepted=True, valid=True, script=None):
    digest = script_digest(f"script {step}" if script is None else script)
    return Attempt(step, parent, "DESCEND", DONE, accepted, valid, 0.1, digest)


@given(s=COUNTS, f=COUNTS)
def test_the_share_is_the_published_formula(s, f):
    w = math.floor((3 * s + 2 * f) / 2)
    assert scenario_share(s, f) == max(0, 3 - math.floor(w / 4))


@pytest.mark.parametrize(
    ("falls_at", "counts"),
    [((4, 8, 12), lambda n: (0, n)), ((3, 6, 8), lambda n: (n, 0))],
    ids=["failures alone", "successes alone"],
)
def test_the_share_falls_where_the_table_says(falls_at, counts):
    shares = [scenario_share(*counts(n)) for n in range(20)]
    assert shares[0] == 3
    assert [n for n in range(1, 20) if shares[n] < shares[n - 1]] == list(falls_at)
    assert shares[-1] == 0


@given(s=COUNTS, f=COUNTS)
def test_experience_never_gives_the_scenario_more(s, f):
    assert scenario_share(s, f) >= scenario_share(s + 1, f)
    assert scenario_share(s, f) >= scenario_share(s, f + 1)


@given(share=st.integers(0, 3), top=st.integers(1, 20))
def test_the_challenges_are_shared_out_in_proportion(share, top):
    scenario, trace = challenges_asked(share, top)
    assert scenario + trace == top
    assert min(scenario, trace) >= 0
    assert abs(scenario - top * share / 3) <= 0.5
    if share in (0, 3):
        assert (scenario, trace) == ((0, top) if share == 0 else (top, 0))
    elif top >= 2:
        assert min(scenario, trace) >= 1


@given(verdicts=st.lists(st.booleans(), max_size=30))
def test_on_one_trace_everything_counts(verdicts):
    history, here = [attempt(0, None)], 0
    for step, accepted in enumerate(verdicts, start=1):
        history.append(attempt(step, here, accepted))
        here = step if accepted else here
    assert tally(history, f"script {here}") == (1 + sum(verdicts), len(verdicts) - sum(verdicts))


def test_a_tree_by_hand():
    history = [
        attempt(0, None),
        attempt(1, 0),
        attempt(2, 0, accepted=False),  # from an ancestor of 3
        attempt(3, 1),
        attempt(4, None),  # another trace
        attempt(5, 4, accepted=False),
        attempt(6, 3, accepted=False, valid=False, script=""),  # no script: the reply was malformed
        attempt(7, 3, accepted=False),
        Attempt(8, 3, "DESCEND", (), False, True, 0.0, ""),  # withheld: nothing was tried
    ]
    assert tally(history, "script 3") == (3, 3)
    assert tally(history, "script 4") == (1, 1)
    assert tally(history, "script 5") == (1, 1)  # a failed node counts once
    assert tally(history, "unheard of") == (4, 4)
    assert tally((), "script 0") == (0, 0)
    assert tally([attempt(0, None, accepted=False)], "script 0") == (0, 1)
    assert [a.step for a in rejected(history, "script 3")] == [6, 7]
    assert rejected(history, "unheard of") == []


@given(used=st.floats(0, 1), bounds=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted))
def test_stages_follow_each_other(used, bounds):
    early, late = bounds
    order = ("draft", "improve", "ensemble")
    now = stage(used, early, late)
    assert now == ("draft" if used < early else "ensemble" if used > late else "improve")
    assert order.index(now) <= order.index(stage(min(1.0, used + 0.1), early, late))


@pytest.mark.parametrize(
    ("used", "expected"),
    [(0, "draft"), (0.099, "draft"), (0.1, "improve"), (0.7, "improve"), (0.71, "ensemble")],
)
def test_the_stages_of_the_published_agent(used, expected):
    assert stage(used) == expected
