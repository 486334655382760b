"""Exchanges with a model: on record before they are used, and the same when they are read again."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, strategies as st

from gome_agent.budget import BudgetExhausted
from gome_agent.journal import TEXT_CHARACTERS, Journal
from gome_agent.models import (
    Exchange,
    ModelMisconfigured,
    ModelUnavailable,
    Request,
    RequestRefused,
    Usage,
)
from gome_agent.models.recorded import Recorded
from gome_agent.recording import Diverged
from gome_agent.secrets import redaction
from optimizers.budget import Spent

KEY = "sk-27182818284590"
REDACT = redaction({"SOME_API_KEY": KEY})


@dataclass
class Replies:
    """Gives replies in order; exceptions among them are raised."""

    replies: list[str | Exception]
    asked: list[Request] = field(default_factory=list)
    name: str = "replies"

    def ask(self, request: Request, seconds: float) -> Exchange:
        self.asked.append(request)
        reply = self.replies[len(self.asked) - 1]
        if isinstance(reply, Exception):
            raise reply
        usage = Usage(prompt_tokens=10, completion_tokens=5, reasoning_tokens=2, money=0.25)
        return Exchange(reply, "some-model-1", usage, seconds=1.5, finish="length")


def ask(model: Recorded, step: int, prompt: str = "What to change?"):
    """The exchange, or the error and its words."""
    try:
        return model.ask(Request("diagnose", prompt, step=step), 60.0)
    except (ModelUnavailable, RequestRefused, BudgetExhausted) as error:
        return type(error), str(error)


REPLIES = st.one_of(
    st.text(),
    st.just("half of a pair \ud800"),
    st.just(f"your key is {KEY}"),
    st.just("x" * (TEXT_CHARACTERS + 5000)),
    st.just(ModelUnavailable("nobody there", Usage(calls=3))),
    st.just(RequestRefused("not with me", Usage(calls=1))),
    st.just(BudgetExhausted("all 3 calls are used")),
)


@given(st.lists(REPLIES, min_size=1, max_size=5))
def test_what_is_read_again_is_what_was_used(tmp_path_factory, replies):
    path = tmp_path_factory.mktemp("run") / "journal.sqlite"
    with Journal.create(path, redact=REDACT) as journal:
        live = Recorded(Replies(replies), journal)
        used = [ask(live, step) for step in range(len(replies))]
    assert KEY.encode() not in path.read_bytes()
    with Journal.resume(path, redact=REDACT) as journal:
        nobody = Replies([])
        again = Recorded(nobody, journal)
        assert [ask(again, step) for step in range(len(replies))] == used
        assert not nobody.asked
        assert again.usage == live.usage
        assert journal.recording is not None
        assert journal.recording.over
        assert journal.recording.spent == live.usage


def test_it_is_on_disk_before_it_is_used(tmp_path):
    path = tmp_path / "journal.sqlite"
    with Journal.create(path) as journal, Journal.open(path) as reader:
        Recorded(Replies(["yes"]), journal).ask(Request("judge", "Is it?", step=4), 60.0)
        (event,) = reader.events("exchanged")
        assert event.step == 4
        told = event.payload
        assert (told["purpose"], told["model"], told["finish"]) == (
            "judge",
            "some-model-1",
            "length",
        )
        assert Spent(**told["spent"]) == Spent(calls=1, tokens=15, money=0.25)
        assert reader.text(told["prompt"]) == "Is it?"
        assert reader.text(told["reply"]) == "yes"


def test_another_prompt_is_not_answered_from_the_record(tmp_path):
    path = tmp_path / "journal.sqlite"
    with Journal.create(path) as journal:
        ask(Recorded(Replies(["yes"]), journal), 0)
    with Journal.resume(path) as journal:
        again = Recorded(Replies(["no"]), journal)
        with pytest.raises(Diverged, match="the recorded exchange is another one"):
            ask(again, 0, "What else?")
    with Journal.resume(path) as journal:
        again = Recorded(Replies(["no"]), journal)
        assert ask(again, 0).reply == "yes"
        assert ask(again, 1, "What else?").reply == "no"


def test_a_replay_has_nobody_to_ask(tmp_path):
    path = tmp_path / "journal.sqlite"
    with Journal.create(path) as journal:
        ask(Recorded(Replies(["yes"]), journal), 0)
    with Journal.open(path) as earlier:
        recording = earlier.as_recording(strict=True)
        with Journal.create(tmp_path / "new.sqlite", replays=recording) as journal:
            again = Recorded(None, journal)
            assert ask(again, 0).reply == "yes"
            assert journal.text(next(journal.events("exchanged")).payload["reply"]) == "yes"
            with pytest.raises(Diverged, match="the recording ends"):
                ask(again, 1)


def test_a_wrong_key_is_not_on_record_so_that_it_can_be_mended(tmp_path):
    path = tmp_path / "journal.sqlite"
    wrong = ModelMisconfigured("wrong key: set OPENAI_API_KEY")
    with Journal.create(path) as journal:
        with pytest.raises(ModelMisconfigured):
            ask(Recorded(Replies([wrong]), journal), 0)
        assert not list(journal.events())
    with Journal.resume(path) as journal:
        assert ask(Recorded(Replies(["yes"]), journal), 0).reply == "yes"
