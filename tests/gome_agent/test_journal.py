"""The journal: append, read back, never overwrite, never break on odd values."""

import json
import sqlite3

import pytest
from hypothesis import given, strategies as st

from gome_agent.journal import WORTH_KEEPING_S, Journal, JournalError
from gome_agent.secrets import redaction

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.sampled_from(["asked", "settled"]), st.dictionaries(st.text(), JSON))))
def test_what_is_appended_is_read_back_in_order(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("journal") / "journal.sqlite"
    with Journal.create(path) as journal:
        for step, (kind, payload) in enumerate(events):
            journal.append(kind, payload, step)
    with Journal.open(path) as journal:
        read = [(event.kind, event.payload) for event in journal.events()]
    assert read == [(kind, json.loads(json.dumps(payload))) for kind, payload in events]


@given(st.text())
def test_texts_are_stored_once_under_their_digest(tmp_path_factory, text):
    with Journal.create(tmp_path_factory.mktemp("journal") / "journal.sqlite") as journal:
        name = journal.store(text)
        assert journal.store(text) == name
        assert journal.text(name) == text.encode("utf-8", "replace").decode("utf-8")
        with pytest.raises(KeyError):
            journal.text("nothing")


def test_numbers_that_json_lacks_are_kept_as_words(tmp_path):
    with Journal.create(tmp_path / "journal.sqlite") as journal:
        journal.append("settled", {"gain": float("inf"), "se": [float("nan")], "odd": "\ud800"})
        payload = journal.last("settled").payload
    assert payload == {"gain": "inf", "se": ["nan"], "odd": "\ud800"}


def test_a_journal_can_be_read_while_it_is_written(tmp_path):
    with Journal.create(tmp_path / "journal.sqlite") as writer:
        writer.append("started", {})
        writer.flush()
        with Journal.open(tmp_path / "journal.sqlite") as reader:
            assert reader.last("started") is not None
            writer.append("asked", {}, 0)
            assert reader.last("asked") is None
            writer.flush()
            assert reader.last("asked").step == 0
            reader.append("asked", {}, 1)
            with pytest.raises(JournalError, match="readonly"):
                reader.flush()
            reader.forget()


def test_a_checkpoint_writes_what_took_long_enough_to_matter(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("gome_agent.journal.time.monotonic", lambda: clock[0])
    path = tmp_path / "journal.sqlite"
    with Journal.create(path) as writer, Journal.open(path) as reader:
        writer.append("started", {})
        writer.checkpoint()
        assert not list(reader.events())
        clock[0] += 2 * WORTH_KEEPING_S
        writer.checkpoint()
        assert [event.kind for event in reader.events()] == ["started"]


def test_a_transaction_that_fails_loses_nothing(tmp_path):
    """A disk that was full: what was recorded waits, and is written once there is room."""
    path = tmp_path / "journal.sqlite"
    with Journal.create(path) as journal:
        journal.append("started", {})
        journal.flush()
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count={pages}")
        name = journal.store("x" * 100_000)
        journal.append("asked", {}, 0)
        with pytest.raises(JournalError, match="full"):
            journal.flush()
        journal._connection.execute("PRAGMA max_page_count=1000000")
        journal.append("settled", {}, 0)
        assert [event.kind for event in journal.events()] == ["started", "asked", "settled"]
        assert journal.text(name) == "x" * 100_000


def test_what_is_no_journal_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(JournalError, match="no journal"):
        Journal.open(tmp_path / "absent.sqlite")
    (tmp_path / "text.sqlite").write_text("not a database, but long enough to look at" * 50)
    with pytest.raises(JournalError, match="cannot be read"):
        Journal.open(tmp_path / "text.sqlite")
    sqlite3.connect(tmp_path / "other.sqlite").execute("PRAGMA user_version=99").close()
    with pytest.raises(JournalError, match="version"):
        Journal.open(tmp_path / "other.sqlite")
    Journal.create(tmp_path / "mine.sqlite").close()
    with pytest.raises(JournalError, match="exists"):
        Journal.create(tmp_path / "mine.sqlite")


def test_ctrl_c_right_after_a_commit_does_not_write_it_twice(tmp_path):
    """The signal's exception may come out of the call that has committed already."""

    class Interrupting:
        def __init__(self, connection):
            self._connection = connection

        def __getattr__(self, name):
            return getattr(self._connection, name)

        def execute(self, statement, *arguments):
            done = self._connection.execute(statement, *arguments)
            if statement == "COMMIT":
                raise KeyboardInterrupt
            return done

    with Journal.create(tmp_path / "journal.sqlite") as journal:
        whole = journal._connection
        journal.append("asked", {}, 0)
        journal._connection = Interrupting(whole)
        with pytest.raises(KeyboardInterrupt):
            journal.flush()
        journal._connection = whole
        journal.append("settled", {}, 0)
        assert [event.kind for event in journal.events()] == ["asked", "settled"]


def test_secrets_are_not_written(tmp_path):
    redact = redaction({"SOME_TOKEN": "secret-31415926", "HOME": "/home/somebody"})
    with Journal.create(tmp_path / "journal.sqlite", redact=redact) as journal:
        journal.append("failed", {"reason": "refused: secret-31415926"}, 0)
        name = journal.store("print('secret-31415926', '/home/somebody')")
        assert journal.text(name) == "print('[SOME_TOKEN]', '/home/somebody')"
        assert journal.as_kept({"a": ["secret-31415926", float("nan")]}) == {
            "a": ["[SOME_TOKEN]", "nan"]
        }
    assert b"secret-31415926" not in (tmp_path / "journal.sqlite").read_bytes()
