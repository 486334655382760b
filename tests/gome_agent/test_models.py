"""Models over real HTTP and through litellm: answers, accounts, faults, deadlines, keys."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import time
import traceback

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel

from gome_agent.models import (
    LiteLLMModel,
    Model,
    ModelError,
    ModelMisconfigured,
    ModelUnavailable,
    Request,
    RequestRefused,
    Timing,
    Usage,
)
from gome_agent.models._redact import redacted
from gome_agent.models._retry import LONGEST_WAIT, Passing, persist, retry_after
from gome_agent.models.serving import (
    Fault,
    FaultError,
    Refusal,
    Reply,
    ScriptedServer,
    parse_faults,
)
from gome_agent.schemas import Diagnosis
from tests.gome_agent.loopback import ASK, Time, served

KEY = "sk-planted-0123456789abcdef"


class Answer(BaseModel):
    word: str


@pytest.fixture(autouse=True)
def planted_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


# -- answers and accounts ----------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_comes_with_what_the_provider_reports(stream):
    reply = Reply("Größer.", "stop", 1000, 300, reasoning_tokens=250, cached_tokens=800)
    with served(reply, key=KEY, stream=stream, prices=(2.0, 0.5, 8.0)) as (model, server):
        exchange = model.ask(ASK, 30.0)
    assert isinstance(model, Model)
    assert (exchange.reply, exchange.model, exchange.finish) == ("Größer.", "x", "stop")
    money = (200 * 2.0 + 800 * 0.5 + 300 * 8.0) / 1e6
    assert exchange.usage == Usage(1000, 300, 250, 800, pytest.approx(money), 1)
    assert exchange.usage.spent.tokens == 1300
    [body] = server.requests
    assert body["messages"] == [{"role": "user", "content": ASK.prompt}]
    assert body["model"] == "x"
    assert not body.keys() & {"temperature", "max_tokens", "reasoning_effort", "response_format"}


def test_money_is_of_the_table_and_unknown_without_one():
    reply = Reply("fine", "stop", 1000, 300, cached_tokens=800)
    with served(reply, name="openai/gpt-5") as (model, _):
        # 1.25, 0.125 and 10 for a million in the table of the pinned version.
        assert model.ask(ASK, 30.0).usage.money == pytest.approx(
            (200 * 1.25 + 800 * 0.125 + 300 * 10) / 1e6
        )
    with served(reply) as (model, _):
        assert model.ask(ASK, 30.0).usage.money is None


def test_parameters_are_sent_as_given():
    options = {"temperature": 0.0, "max_tokens": 77, "reasoning_effort": "low"}
    with served(name="openai/gpt-5", **options) as (model, server):
        model.ask(ASK, 30.0, max_tokens=100)
        model.ask(ASK, 30.0, max_tokens=50)
    first, second = server.requests
    assert first["reasoning_effort"] == "low"
    assert first["max_completion_tokens"] == 77  # litellm's word for it where a model reasons
    assert second["max_completion_tokens"] == 50


def test_a_schema_is_asked_for_and_given_up_where_it_is_refused():
    request = Request("diagnose", "?", schema=Diagnosis)
    with served() as (model, server):
        model.ask(request, 30.0)
    assert server.requests[0]["response_format"]["json_schema"]["name"] == "Diagnosis"
    notices: list[str] = []
    with served(refuses=["response_format"], on_notice=notices.append) as (model, server):
        assert model.ask(request, 30.0).reply == "fine"
        model.ask(request, 30.0)
    assert ["response_format" in body for body in server.requests] == [True, False, False]
    assert len(notices) == 1
    assert "response_format" in notices[0]


def test_what_is_refused_is_left_out_once_with_a_warning(caplog):
    options = {"temperature": 0.3, "max_tokens": 9}
    with (
        caplog.at_level(logging.WARNING, "gome_agent.models"),
        served(refuses=["temperature", "max_tokens"], **options) as (model, server),
    ):
        exchange = model.ask(ASK, 30.0)
        model.ask(ASK, 30.0)
    assert exchange.usage.calls == 1
    assert len(server.requests) == 4
    assert server.requests[-1]["max_completion_tokens"] == 9
    assert "temperature" not in server.requests[-1]
    assert [record.name for record in caplog.records] == ["gome_agent.models"] * 2


def test_a_parameter_that_litellm_itself_refuses_is_left_out():
    notices: list[str] = []
    options = {"reasoning_effort": "low", "on_notice": notices.append}
    with served(name="openai/gpt-4o-mini", **options) as (model, server):
        assert model.ask(ASK, 30.0).reply == "fine"
    assert "reasoning_effort" not in server.requests[0]
    assert "reasoning_effort" in notices[0]


# -- faults ------------------------------------------------------------------------------------

PASSING = (
    "408",
    "409",
    "429",
    "500",
    "502",
    "503",
    "504",
    "529",
    "refused_connection",
    "cut",
    "not_json",
    "html",
    "wrong_encoding",
    "no_choices",
)


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_tried_again(fault):
    with served(faults=f"{fault}*2") as (model, server):
        exchange = model.ask(ASK, 600.0)
    assert exchange.reply == "fine"
    assert len(server.requests) == 3
    status = fault.isdecimal()
    assert exchange.usage.calls == (1 if status else 3)


@pytest.mark.parametrize("fault", ["429", "503", "cut_stream", "refused_connection", "html"])
def test_what_passes_is_tried_again_in_a_stream(fault):
    with served(faults=fault, stream=True) as (model, server):
        assert model.ask(ASK, 600.0).reply == "fine"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("401", ModelMisconfigured, "key in the environment"),
        ("402", ModelMisconfigured, "credit"),
        ("403", ModelMisconfigured, "permission"),
        ("404", ModelMisconfigured, "model's name"),
        ("400", RequestRefused, "refuses this request"),
        ("413", RequestRefused, "refuses this request"),
        ("422", RequestRefused, "refuses this request"),
    ],
)
def test_what_does_not_pass_ends_at_once(fault, error, words):
    with served(faults=fault) as (model, server), pytest.raises(error, match=words) as caught:
        model.ask(ASK, 600.0)
    assert len(server.requests) == 1
    assert caught.value.usage.calls == 0


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (
            Refusal(400, "context_length_exceeded", "The maximum context length is 8192 tokens."),
            RequestRefused,
        ),
        (
            Refusal(400, "content_policy_violation", "Rejected by our safety system."),
            RequestRefused,
        ),
        (
            Refusal(429, "insufficient_quota", "You exceeded your current quota."),
            ModelMisconfigured,
        ),
    ],
)
def test_what_a_provider_means_is_told_from_its_words(refusal, error):
    def refuse(body):
        raise refusal

    with served(refuse) as (model, server), pytest.raises(error):
        model.ask(ASK, 600.0)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("fault", "finish", "reply"),
    [
        ("tool_call", "tool_calls", ""),
        ("length", "length", "fi"),
        ("filtered", "content_filter", ""),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_odd_endings_are_told(fault, finish, reply, stream):
    with served(faults=fault, stream=stream) as (model, _):
        exchange = model.ask(ASK, 30.0)
    assert (exchange.finish, exchange.reply) == (finish, reply)


# -- deadlines ---------------------------------------------------------------------------------


def test_an_outage_of_ten_minutes_is_survived():
    timing = Time()

    def faults():
        while timing.now < 600.0:
            yield Fault("status", 503)

    with ScriptedServer(lambda body: "back", faults()) as server:
        model = LiteLLMModel("openai/x", api_base=server.url, timing=timing.timing)
        exchange = model.ask(ASK, 3600.0)
    assert exchange.reply == "back"
    assert 600.0 <= exchange.seconds < 600.0 + LONGEST_WAIT
    assert len(server.requests) < 30


def test_a_short_outage_is_survived_in_real_time():
    with served(faults="refused_connection", timing=Timing(draw=lambda: 0.0)) as (model, server):
        started = time.monotonic()
        assert model.ask(ASK, 30.0).reply == "fine"
    assert 0.5 <= time.monotonic() - started < 10.0
    assert len(server.requests) == 2


def test_an_outage_ends_with_the_patience_or_the_deadline():
    for patience, seconds in ((100.0, 1e9), (1e9, 100.0)):
        timing = Time()
        with (
            served(faults="500*99", patience=patience, timing=timing.timing) as (model, server),
            pytest.raises(ModelUnavailable, match=r"scripted 500.*Try later"),
        ):
            model.ask(ASK, seconds)
        assert timing.now <= 100.0
        assert len(server.requests) > 3


def test_retry_after_is_waited_for_and_not_beyond_the_deadline():
    timing = Time()
    with served(faults="429:7,429:40", timing=timing.timing) as (model, _):
        model.ask(ASK, 600.0)
    assert timing.slept == [7.0, 40.0]
    timing = Time()
    with (
        served(faults="429:700", timing=timing.timing) as (model, _),
        pytest.raises(ModelUnavailable),
    ):
        model.ask(ASK, 600.0)
    assert timing.slept == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:01 GMT"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "-4"}, 0.0),
        ({}, 0.0),
    ],
)
def test_retry_after_is_read_in_every_form(headers, seconds):
    assert retry_after(headers, now=100.0) == seconds


@given(
    st.lists(st.floats(0.0, 500.0), max_size=40),
    st.floats(0.1, 2000.0),
    st.floats(0.0, 1.0, exclude_max=True),
)
def test_no_wait_ends_after_the_deadline(asked, seconds, jitter):
    timing, left = Time(), []

    def attempt(remaining: float) -> int:
        left.append(remaining)
        if len(left) <= len(asked):
            raise Passing("down", asked[len(left) - 1])
        return len(left)

    try:
        assert persist(attempt, seconds, Timing(timing.clock, timing.sleep, lambda: jitter)) == (
            len(asked) + 1
        )
    except Passing:
        assert len(left) <= len(asked)
    assert timing.now < seconds
    assert all(remaining > 0 for remaining in left)
    waits = zip(timing.slept, asked, strict=False)
    assert all(waited >= wish for waited, wish in waits)
    for number, (waited, wish) in enumerate(zip(timing.slept, asked, strict=False)):
        assert waited <= max(wish, min(2.0**number, LONGEST_WAIT))


@pytest.mark.parametrize("stream", [False, True])
def test_a_slow_answer_is_given_up_in_time(stream):
    with served(faults="slow:5", stream=stream, timing=Timing()) as (model, _):
        started = time.monotonic()
        with pytest.raises(ModelUnavailable):
            model.ask(ASK, 0.3)
        assert time.monotonic() - started < 4.5


def test_a_server_that_drips_is_given_up_in_time():
    with served(faults="drip:5", timing=Timing()) as (model, _):
        started = time.monotonic()
        with pytest.raises(ModelUnavailable):
            model.ask(ASK, 0.5)
        assert time.monotonic() - started < 4.5


def test_one_attempt_is_clamped_to_its_timeout():
    with served(faults="slow:4", timeout_per_attempt=2.0) as (model, server):
        assert model.ask(ASK, 600.0).reply == "fine"
    assert len(server.requests) == 2


def test_no_further_attempt_where_the_caller_pays_none():
    with (
        served(faults="cut*9") as (model, server),
        pytest.raises(ModelUnavailable, match="budget") as caught,
    ):
        model.ask(ASK, 600.0, another=lambda: False)
    assert len(server.requests) == 1
    assert caught.value.usage.calls == 1


# -- configuration -----------------------------------------------------------------------------


def test_a_model_is_checked_without_a_request(monkeypatch):
    LiteLLMModel("openai/gpt-5").warm_up()
    with pytest.raises(ModelMisconfigured, match="Did you mean `openai`"):
        LiteLLMModel("opnai/gpt-5").warm_up()
    with pytest.raises(ModelMisconfigured, match="PROVIDER/MODEL"):
        LiteLLMModel("gtp").ask(ASK, 5.0)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelMisconfigured, match="OPENAI_API_KEY"):
        LiteLLMModel("openai/gpt-5").warm_up()
    with served() as (model, _):  # a server of one's own needs no key
        model.warm_up()
        assert model.ask(ASK, 30.0).reply == "fine"


def test_an_unknown_model_is_told_with_the_nearest():
    hint = "Did you mean `openai/gpt-5-mini`"
    with (
        served(faults="404", name="openai/gpt-5-mni") as (model, _),
        pytest.raises(ModelMisconfigured, match=hint),
    ):
        model.ask(ASK, 5.0)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 0.0},
        {"timeout_per_attempt": -1.0},
        {"max_tokens": 0},
        {"prices": (1.0, 2.0)},
        {"prices": (1.0, -2.0, 1.0)},
        {"prices": {"input": 1.0, "output": 2.0}},
        {"prices": 3.0},
    ],
)
def test_bad_arguments_are_refused(options):
    with pytest.raises(ValueError, match=r"need|prices"):
        LiteLLMModel("openai/x", **options)


def test_faults_are_read():
    assert parse_faults("429:2*2, slow:0.5") == (
        Fault("status", 429, "2"),
        Fault("status", 429, "2"),
        Fault("slow", seconds=0.5),
    )
    for text, words in (("cutt", "Did you mean `cut`"), ("slow:x", "slow:0.5"), ("200", "There")):
        with pytest.raises(FaultError, match=words):
            parse_faults(text)


def test_litellm_is_not_loaded_before_it_is_needed():
    code = "import gome_agent.models, gome_agent.models.serving, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"litellm", "tenacity", "httpx", "openai"}


def test_of_litellm_only_its_printing_is_set():
    """Against a fresh process: whatever else is there is litellm's own default."""
    settings = "vars(litellm).items() if isinstance(v, (bool, int, float, str, list, type(None)))"
    order = "sorted(map(str, v)) if isinstance(v, list) else v"
    show = f"import json; print(json.dumps({{k: {order} for k, v in {settings}}}))"
    plain = (
        "import os; os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP='True', "
        f"LITELLM_MODE='PRODUCTION'); import litellm; {show}"
    )
    ours = f"from gome_agent.models._loading import load; litellm = load(); {show}"
    first, second = (
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            ).stdout
        )
        for code in (plain, ours)
    )
    changed = {name for name in first | second if first.get(name) != second.get(name)}
    assert {name for name in changed if not name.startswith("__")} == {"suppress_debug_info"}


# -- keys and the network ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("stream", [False, True])
def test_no_key_in_any_message_or_log(status, stream, caplog, capfd):
    """The provider repeats the key that it was sent, as some do."""

    def repeat(body):
        raise Refusal(status, "refused", f"{status} for key {KEY}")

    with (
        caplog.at_level(logging.DEBUG),
        served(repeat, key=KEY, stream=stream) as (model, _),
        pytest.raises(ModelError) as caught,
    ):
        model.ask(ASK, 5.0, max_tokens=9)
    shown = "".join(traceback.format_exception(caught.value)) + repr(model)
    shown += repr(vars(caught.value)) + "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("gome")
    )
    shown += "".join(capfd.readouterr())
    assert f"{status} for key [key]" in shown
    assert KEY not in shown
    above_debug = [r for r in caplog.records if r.levelno > logging.DEBUG]
    assert not any(KEY in record.getMessage() for record in above_debug)


def test_keys_are_blotted_out_whatever_their_shape(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "plainword123")
    text = redacted("plainword123 Bearer abc.def https://user:pass@host/ sk-proj-ABCDEFGHIJKL fine")
    assert text == "[key] [key] https://[key]host/ [key] fine"


def test_nobody_but_this_machine_can_be_reached():
    with pytest.raises(RuntimeError, match="wants to reach"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(RuntimeError, match="wants to reach"):
        socket.getaddrinfo("example.org", 443)
    with socket.socket() as other, pytest.raises(RuntimeError, match="wants to reach"):
        other.connect(("192.0.2.1", 80))


def test_a_request_to_a_real_provider_is_impossible():
    model = LiteLLMModel("openai/gpt-5", timing=Time().timing, patience=10.0)
    with pytest.raises(ModelUnavailable):
        model.ask(ASK, 10.0)
