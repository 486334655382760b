"""What calls took: sums against sums by hand, and against the account that a run keeps itself."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from typer.testing import CliRunner

from experiments import cli, costs, runs
from experiments.costs import Costs, by_purpose, by_step, calls_of, read_calls, total
from experiments.report import write_report
from experiments.runs import RunConfig
from gome_agent.journal import Event, Journal, JournalError
from gome_agent.models.base import Exchange, RequestRefused, Usage

ADDED = [field.name for field in fields(Costs)]


def exchanged(purpose: str, usage: Usage, **told: Any) -> dict[str, Any]:
    """What `Recorded` writes of an answer."""
    spent = usage.spent._asdict()
    answer = {"model": "any", "seconds": 2.0, "finish": "stop", "prompt": "p", "reply": "r"}
    return {"purpose": purpose, "usage": asdict(usage), "spent": spent, **answer, **told}


def refused(purpose: str, usage: Usage, message: str) -> dict[str, Any]:
    """What `Recorded` writes of an error."""
    told = {"purpose": purpose, "prompt": "p", "usage": asdict(usage)}
    error = {"error": "RequestRefused", "message": message}
    return {**told, "spent": usage.spent._asdict(), **error}


def written(folder: Path, *events: tuple[int | None, dict[str, Any]]) -> Path:
    with Journal.create(folder / "journal.sqlite") as journal:
        journal.append("started", {"config": {"task": "digits"}})
        for step, told in events:
            journal.append("exchanged", told, step)
    return folder


@pytest.fixture
def by_hand(tmp_path: Path) -> Path:
    return written(
        tmp_path,
        (0, exchanged("draft", Usage(1000, 400, 300, 0, 0.0042, 1))),
        (1, exchanged("diagnose", Usage(2000, 500, 0, 1500, 0.0051, 1))),
        (1, exchanged("edit", Usage(3000, 100, 0, 0, None, 3), finish="length", seconds=4.5)),
        (2, refused("edit", Usage(700, 0, 0, 0, 0.0007, 1), "content policy")),
        (2, refused("edit", Usage(calls=0), "too long a prompt")),
    )


def test_sums_by_hand(by_hand: Path) -> None:
    calls = read_calls(by_hand)
    edit = Costs(3, 4, 3700, 100, 0, 0, 3800, 0.0007, 1, 4.5, 2)
    draft = Costs(1, 1, 1000, 400, 300, 0, 1400, 0.0042, 0, 2.0, 0)
    diagnose = Costs(1, 1, 2000, 500, 0, 1500, 2500, 0.0051, 0, 2.0, 0)
    assert by_purpose(calls) == {"edit": edit, "diagnose": diagnose, "draft": draft}
    assert list(by_purpose(calls)) == ["edit", "diagnose", "draft"], "most tokens first"
    assert by_step(calls)[1] == Costs(2, 4, 5000, 600, 0, 1500, 5600, 0.0051, 1, 6.5, 0)
    assert by_step(calls)[2] == Costs(2, 1, 700, 0, 0, 0, 700, 0.0007, 0, 0.0, 2)
    assert total(calls) == Costs(5, 6, 6700, 1000, 300, 1500, 7700, 0.01, 1, 8.5, 2)
    assert [call.error for call in calls] == ["", "", "", "RequestRefused", "RequestRefused"]
    assert (calls[2].finish, calls[3].message, calls[3].seconds) == (
        "length",
        "content policy",
        None,
    )


events = st.lists(
    st.builds(
        lambda step, purpose, usage, seconds: (step, exchanged(purpose, usage, seconds=seconds)),
        st.none() | st.integers(0, 4),
        st.sampled_from(["draft", "edit", "judge"]),
        st.builds(
            Usage,
            *[st.integers(0, 10**6)] * 4,
            st.none() | st.floats(0, 10),
            st.integers(0, 9),
        ),
        st.floats(0, 1e4),
    )
)


@given(events)
def test_steps_and_purposes_come_to_the_same(found: list[tuple[int | None, dict]]) -> None:
    calls = calls_of(Event(i, 0.0, step, "exchanged", told) for i, (step, told) in enumerate(found))
    whole = total(calls)
    for groups in (by_step(calls), by_purpose(calls)):
        for name in ADDED:
            added = sum(getattr(sums, name) for sums in groups.values())
            assert added == pytest.approx(getattr(whole, name), rel=1e-9, abs=1e-9)
    assert whole.tokens == sum(told["spent"]["tokens"] for _, told in found)
    assert whole.attempts == sum(told["spent"]["calls"] for _, told in found)
    assert whole.money == pytest.approx(sum(told["spent"]["money"] for _, told in found))


def test_a_journal_without_exchanges_has_no_calls(tmp_path: Path) -> None:
    folder = written(tmp_path)
    assert read_calls(folder) == ()
    assert costs.as_summary(()) == {}
    assert total(()).tokens == 0
    found = CliRunner().invoke(cli.app, ["costs", str(folder)])
    assert (found.exit_code, found.output) == (0, "no call of a language model is in the journal\n")
    with pytest.raises(JournalError, match="no journal"):
        read_calls(tmp_path / "elsewhere")


def test_odd_exchanges_count_as_nothing(tmp_path: Path) -> None:
    odd: list[Any] = [
        {},
        {"usage": None, "seconds": "nan", "purpose": 3},
        {"usage": {"prompt_tokens": "many", "money": "inf", "calls": -2}},
    ]
    calls = read_calls(written(tmp_path, *((0, told) for told in odd)))
    assert len(calls) == 3
    assert total(calls) == Costs(3, 0, 0, 0, 0, 0, 0, 0.0, 0, 0.0, 0)
    assert set(by_purpose(calls)) == {"unknown", "3"}


def test_the_command_shows_purposes_steps_and_json(by_hand: Path) -> None:
    def shown(*options: str) -> list[list[str]]:
        found = CliRunner().invoke(cli.app, ["costs", str(by_hand), *options])
        assert found.exit_code == 0
        return [line.split() for line in found.output.splitlines()]

    lines = shown()
    assert ["edit", "3", "4", "3700", "0", "100", "0", "0.0007", "4.5", "2"] in lines
    assert ["diagnose", "1", "1", "2000", "1500", "500", "0", "0.0051", "2.0"] in lines
    assert ["total", "5", "6", "6700", "1500", "1000", "300", "0.0100", "8.5", "2"] in lines
    assert ["1", "call", "of", "unknown"] in [line[:4] for line in lines]
    steps = shown("--steps")
    assert [line[0] for line in steps[2:6]] == ["0", "1", "2", "total"]
    text = CliRunner().invoke(cli.app, ["costs", str(by_hand), "--json"]).output
    told = json.loads(text)
    assert told["total"] == asdict(total(read_calls(by_hand)))
    assert [row["step"] for row in told["by_step"]] == [0, 1, 2]
    assert len(told["calls"]) == 5


def test_money_that_nobody_knows_is_not_nought(tmp_path: Path) -> None:
    folder = written(tmp_path, (0, exchanged("draft", Usage(10, 5))))
    found = CliRunner().invoke(cli.app, ["costs", str(folder)]).output
    assert " ? " in found
    assert "unknown price" in found


class Scripted:
    """Prices every answer, refuses every third request."""

    name = "scripted"

    def __init__(self) -> None:
        self.asked = 0

    def ask(self, request: Any, seconds: float) -> Exchange:
        del seconds
        self.asked += 1
        usage = Usage(100 + self.asked, 7, 3, 50, 0.001 * self.asked, 1 + self.asked % 2)
        if self.asked % 3 == 0:
            raise RequestRefused("content policy", usage)
        return Exchange(f"nothing that is a program, {request.purpose}", "scripted", usage, 0.1)


def test_the_summary_of_a_run_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account by purpose, from the journal, is that of the budget."""
    model = Scripted()
    monkeypatch.setattr(runs, "_build_model", lambda text: model)
    monkeypatch.setattr(runs, "_capped", lambda model, budget, spent: model)
    config = RunConfig(task="digits", strategy="gome", reasoner="prompted", model="any", steps=3)
    summary = runs.execute(config, tmp_path / "run")
    calls = read_calls(tmp_path / "run")
    assert len(calls) == model.asked > 3
    assert summary["costs"] == costs.as_summary(calls)
    for name, told in (("attempts", "calls"), ("tokens", "tokens"), ("money", "money")):
        added = sum(sums[name] for sums in summary["costs"].values())
        assert added == pytest.approx(summary[told])
        assert added > 0
    assert "content policy" in write_report(tmp_path / "run").read_text()
