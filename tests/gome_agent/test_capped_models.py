"""Caps hold over threads; roles send requests where they belong; their text is read."""

from __future__ import annotations

import math
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings, strategies as st

from gome_agent.budget import BudgetExhausted
from gome_agent.models import (
    PURPOSES,
    Capped,
    Exchange,
    LiteLLMModel,
    Metered,
    Model,
    ModelMisconfigured,
    ModelUnavailable,
    Prices,
    Quote,
    Request,
    Roles,
    Usage,
    build_model,
)
from gome_agent.models._capped import LEAST_COMPLETION
from optimizers.budget import Budget, Spent
from tests.gome_agent.loopback import ASK, Reply, served

PRICES = Prices(2.0, 2.0, 10.0)


@dataclass
class Fake:
    """Takes any share of what it may, after any number of attempts that were charged."""

    seed: int = 0
    prompt_tokens: int = 100
    longest: int | None = 4000
    prices: Prices | None = PRICES
    pause: float = 0.0
    trouble: bool = False
    name: str = "fake"
    asked: list[str] = field(default_factory=list)
    limits: list[int | None] = field(default_factory=list)

    def __post_init__(self):
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

    def _money(self, prompt, completion):
        return None if self.prices is None else self.prices.money(Usage(prompt, completion))

    def quote(self, request):
        return Quote(self.prompt_tokens, self.longest, self._money)

    def ask(self, request, seconds, *, max_tokens=None, another=lambda: True):
        with self._lock:
            shares = [self._random.choice([0.0, self._random.random(), 1.0]) for _ in range(3)]
            attempts = self._random.choice([1, 1, 1, 2, 3]) if self.trouble else 1
            fails = self.trouble and self._random.random() < 0.1
            self.asked.append(request.purpose)
            self.limits.append(max_tokens)
        time.sleep(self.pause)
        most = self.longest if max_tokens is None else max_tokens
        prompt, completion, calls = 0, 0, 0
        for share in shares[:attempts]:
            if calls and not another():
                fails = True
                break
            calls += 1
            prompt += self.prompt_tokens
            completion += int(share * (most or 50_000))
        usage = Usage(prompt, completion, money=self._money(prompt, completion), calls=calls)
        if fails:
            raise ModelUnavailable("down", usage)
        return Exchange("fine", self.name, usage)


def drain(capped, threads: int, requests: int) -> list[BaseException | Exchange]:
    def ask(_):
        try:
            return capped.ask(ASK, 60.0)
        except Exception as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, range(requests)))


LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "calls": st.integers(1, 40),
        "tokens": st.integers(1, 60_000),
        "money": st.floats(1e-4, 0.5),
    },
)


@settings(max_examples=40)
@given(
    LIMITS,
    st.integers(0, 10**6),
    st.sampled_from([None, 200, 4000]),
    st.integers(1, 16),
    st.fixed_dictionaries({"calls": st.integers(0, 5), "tokens": st.integers(0, 5000)}),
)
def test_no_cap_is_ever_exceeded(limits, seed, longest, threads, before):
    spent_before = Spent(**before)
    model = Fake(seed, longest=longest, pause=1e-4, trouble=True)
    capped = Capped(model, Budget(**limits), spent_before)
    outcomes = drain(capped, threads, 48)
    total = spent_before + capped.usage
    first = before["calls"], before["tokens"]
    for name, limit in limits.items():
        # What was over before is not ours; but then nothing may be added.
        floor = dict(zip(("calls", "tokens"), first, strict=True)).get(name, 0)
        assert getattr(total, name) <= max(limit * (1 + 1e-9), floor)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BudgetExhausted)]
    assert len(model.asked) + len(refused) == 48
    known = (BudgetExhausted, ModelUnavailable, Exchange)
    assert all(isinstance(outcome, known) for outcome in outcomes)
    if not limits:
        assert not refused
    leftover = capped._set_aside
    assert all(abs(amount) < 1e-9 for amount in leftover)


def test_a_budget_is_used_up_but_for_less_than_a_call():
    model = Fake(longest=1500, prompt_tokens=100)
    capped = Capped(model, Budget(tokens=50_000))
    drain(capped, 8, 500)
    assert 50_000 - (100 + LEAST_COMPLETION) < capped.usage.tokens <= 50_000


def test_the_sentence_names_the_currency():
    capped = Capped(Fake(), Budget(calls=2), Spent(calls=2))
    with pytest.raises(BudgetExhausted, match="all 2 calls are used"):
        capped.ask(ASK, 5.0)
    capped = Capped(Fake(), Budget(tokens=2000), Spent(tokens=1500))
    with pytest.raises(BudgetExhausted, match=r"all 2000 tokens are used, but 500 that do not pay"):
        capped.ask(ASK, 5.0)
    capped = Capped(Fake(), Budget(money=0.01), Spent(money=0.01))
    with pytest.raises(BudgetExhausted, match=r"all 0.01 money are used"):
        capped.ask(ASK, 5.0)


def test_wall_clock_is_a_cap_too():
    now = [0.0]
    capped = Capped(Fake(), Budget(seconds=10.0), Spent(seconds=4.0), clock=lambda: now[0])
    capped.ask(ASK, 60.0)
    now[0] = 6.0
    with pytest.raises(BudgetExhausted, match="10 s of wall clock"):
        capped.ask(ASK, 60.0)


def test_a_reply_is_limited_to_what_can_be_paid():
    model = Fake(longest=100_000)
    money = 0.05
    Capped(model, Budget(money=money)).ask(ASK, 5.0)
    [limit] = model.limits
    assert limit == math.floor((money * 1e6 - 100 * 2.0) / 10.0)
    model = Fake(longest=4000)
    Capped(model, Budget(money=money)).ask(ASK, 5.0)
    assert model.limits == [4000]
    Capped(model, Budget(calls=3)).ask(ASK, 5.0)
    assert model.limits[-1] is None


def test_calls_that_would_fit_wait_for_those_in_flight():
    model = Fake(longest=4000, pause=0.05, seed=3)
    capped = Capped(model, Budget(tokens=4100 * 3))
    outcomes = drain(capped, 6, 6)
    assert sum(isinstance(outcome, Exchange) for outcome in outcomes) >= 3


def test_waiting_ends_with_the_deadline():
    capped = Capped(Fake(pause=0.5), Budget(calls=1))
    slow = threading.Thread(target=lambda: capped.ask(ASK, 5.0))
    slow.start()
    time.sleep(0.1)
    with pytest.raises(ModelUnavailable, match="in flight"):
        capped.ask(ASK, 0.1)
    slow.join()


def test_money_without_a_price_is_refused_before_anything_is_spent():
    with served() as (model, server):
        capped = Capped(model, Budget(money=1.0))
        with pytest.raises(ModelMisconfigured, match="prices="):
            capped.ask(ASK, 5.0)
    assert server.requests == []


def test_caps_hold_over_http():
    def respond(body):
        most = body["max_tokens"]
        return Reply("fine", "length", prompt_tokens=20, completion_tokens=most, reasoning_tokens=9)

    with served(respond, faults="429,cut,ok*5,500", prices=(1.0, 1.0, 4.0)) as (model, _):
        capped = Capped(model, Budget(money=0.03, tokens=9000, calls=10))
        outcomes = drain(capped, 4, 30)
    kinds = {type(outcome) for outcome in outcomes}
    assert {Exchange, BudgetExhausted} <= kinds <= {Exchange, BudgetExhausted, ModelUnavailable}
    used = capped.usage
    assert used.money <= 0.03
    assert 7000 < used.tokens <= 9000
    assert used.calls <= 10
    assert isinstance(capped, Model)


def test_quotes_are_upper_estimates():
    words = "Say in one sentence what to change in the solution, and why. " * 50
    reply = Reply("fine", prompt_tokens=650)
    with served(reply, name="openai/gpt-5") as (model, _):
        quote = model.quote(Request("edit", words))
    assert isinstance(model, Metered)
    assert 650 <= quote.prompt_tokens <= 1000
    assert quote.completion_tokens == 128_000
    assert quote.money(1_000_000, 0) == pytest.approx(1.25)
    assert LiteLLMModel("openai/x", max_tokens=7).quote(ASK).completion_tokens == 7
    assert LiteLLMModel("openai/x").quote(ASK).money(1, 1) is None


# -- roles -------------------------------------------------------------------------------------


def test_each_purpose_has_its_model():
    default, judge = Fake(name="a"), Fake(name="b")
    roles = Roles(default, {"judge": judge})
    for purpose in PURPOSES:
        assert roles.model_for(purpose) is (judge if purpose == "judge" else default)
    assert isinstance(roles, Metered)
    assert roles.name == "a;judge=b"
    capped = Capped(roles, Budget(calls=20))
    for purpose in ("judge", "edit", "judge"):
        capped.ask(Request(purpose, "?"), 5.0)
    assert judge.asked == ["judge", "judge"]
    assert default.asked == ["edit"]


def test_models_are_read_from_their_text():
    model = build_model("openai/gpt-5", patience=3.0)
    assert isinstance(model, LiteLLMModel)
    assert (model.name, model._patience) == ("openai/gpt-5", 3.0)
    roles = build_model(
        "bedrock/anthropic.claude-v2:1; judge = openai/gpt-5-mini(reasoning_effort=low, "
        "prices=(1.25, 0.125, 10)); repair=ollama/llama3.1:8b(api_base='http://127.0.0.1:1;x')"
    )
    assert isinstance(roles, Roles)
    assert roles.name == (
        "bedrock/anthropic.claude-v2:1;judge=openai/gpt-5-mini;repair=ollama/llama3.1:8b"
    )
    judge = roles.model_for("judge")
    assert isinstance(judge, LiteLLMModel)
    assert judge._options["reasoning_effort"] == "low"
    assert judge._prices == (1.25, 0.125, 10)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("openai/gpt-5;jugde=openai/gpt-5-mini", "Did you mean `judge`"),
        ("openai/gpt-5(reasoning=low)", "Did you mean `reasoning_effort`"),
        ("openai/gpt-5(max_tokens=0)", "max_tokens >= 1"),
        ("openai/gpt-5(low)", "by name"),
        ("openai/gpt-5(max_tokens=f())", "by name"),
        ("openai/gpt-5(max_tokens=1", "by name"),
        ("openai/gpt-5(max_tokens=1).x", "by name"),
        ("openai/gpt-5;openai/gpt-5-mini", "two models"),
        ("openai/a;judge=openai/b;judge=openai/c", "twice"),
        ("judge=openai/gpt-5", "everything else"),
        ("", "everything else"),
        ("(max_tokens=1)", "names no model"),
    ],
)
def test_what_cannot_be_read_is_refused(text, words):
    with pytest.raises(ModelMisconfigured, match=words):
        build_model(text)


def test_roles_are_checked_without_a_request(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    with pytest.raises(ModelMisconfigured, match="Did you mean `anthropic`"):
        build_model("openai/gpt-5;judge=antropic/claude").warm_up()
