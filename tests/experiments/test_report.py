"""The report: what the page says of a journal, and that nothing in a journal can break it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.report import read_run, write_report
from experiments.report.charts import beyond, depth_of, score_domain
from experiments.report.clock import Break, Span, Work, timeline_of
from experiments.report.marks import describe
from experiments.report.side_by_side import rows_of
from gome_agent.journal import Event, Journal, JournalError

ATTACK = "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'"
IDEAS = (
    ("Use gradient boosting instead of a linear model", "model"),
    ("Encode categories by their target mean", "features"),
    ("Scale the numeric columns", "features"),
    ("Average the model with extra trees", "ensemble"),
    ("Fill missing numbers with the median", "data"),
)


class Builder:
    """Writes the events that a real run writes, with numbers from a seeded generator."""

    def __init__(self, folder: Path, *, higher: bool = True, steps: int = 30, **config: Any):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.higher = higher
        self.rng = np.random.default_rng(7)
        self.journal = Journal.create(folder / "journal.sqlite")
        self.scripts: dict[int, str] = {}
        self.utility: dict[int, float] = {}
        self.held: dict[str, float] = {}
        self.journal.append(
            "started",
            {
                "config": {
                    "task": "titanic",
                    "strategy": "gome",
                    "reasoner": "expert",
                    "seed": 3,
                    "steps": steps,
                    "seconds": float("inf"),
                    "seconds_per_run": 120.0,
                    **config,
                },
                "metric": "auc" if higher else "rmse",
                "higher_is_better": higher,
                "sandbox": {"name": "bubblewrap", "not_covered": ["The kernel is shared."]},
                "versions": {"python": "3.11", "jax": "0.7"},
            },
        )

    def ask(self, number: int, operator: str, parent: int | None) -> None:
        self.journal.append("asked", {"operator": operator, "parent": parent}, number)

    def step(
        self,
        number: int,
        parent: int | None = None,
        *,
        score: float | str | None = 0.8,
        accepted: bool = True,
        directives: Sequence[tuple[str, str]] = IDEAS,
        script: str | None = None,
        log: str = "fold 1 done",
        failure: str = "the script ended with exit code 1",
    ) -> None:
        """One settled step; `score` is in the metric's own units, `None` for a failure."""
        operator = "DRAFT" if parent is None else "DESCEND"
        self.ask(number, operator, parent)
        if operator == "DESCEND":
            self._think(number, directives)
        applied = [] if parent is None else [directives[number % len(directives)]]
        script = script if script is not None else self._script(number, parent)
        self.scripts[number] = script
        self.journal.append(
            "proposed",
            {
                "script": self.journal.store(script),
                "applied": [{"statement": s, "component": c} for s, c in applied],
                "amounts": [1.0] * len(applied),
                "note": "a plain baseline" if parent is None else "",
            },
            number,
        )
        sign = 1 if self.higher else -1
        folds = (
            (score + 0.01 * self.rng.normal(size=5)).tolist() if isinstance(score, float) else []
        )
        self.journal.append(
            "executed",
            {
                "valid": score is not None,
                "score": sign * score if isinstance(score, float) else score or float("-inf"),
                "stderr": 0.004,
                "folds": folds,
                "train_folds": folds,
                "feedback": {},
                "seconds": float(self.rng.uniform(0.5, 4)),
                "failure": "" if score is not None else failure,
                "log": self.journal.store(log),
            },
            number,
        )
        gain = float("inf")
        if isinstance(score, float):
            self.utility[number] = sign * score
            gain = (
                sign * score - self.utility.get(parent, sign * score)
                if parent is not None
                else float("inf")
            )
        if accepted and score is not None and applied:
            self.held[applied[0][0]] = self.held.get(applied[0][0], 0.0) + 0.3
        self.journal.append(
            "settled",
            {
                "accepted": accepted and score is not None,
                "node": number,
                "gain": gain,
                "gain_stderr": 0.003,
                "reason": f"failed: {failure}"
                if score is None
                else f"{'accepted' if accepted else 'rejected'}: gain {gain:+.3g}",
                "parameters": dict(self.held),
            },
            number,
        )

    def finish(self, best: int | None) -> None:
        self.journal.append(
            "finished",
            {"best_step": best, "ended_by": "all 30 steps are used", "wall_seconds": 93.0},
        )

    def close(self) -> Path:
        self.journal.close()
        return self.folder

    def _think(self, number: int, directives: Sequence[tuple[str, str]]) -> None:
        strengths = self.rng.uniform(0.05, 1.0, len(directives))
        self.journal.append(
            "diagnosed",
            {
                "summary": "Training and validation scores are close: the model underfits.",
                "suggestions": [
                    {
                        "statement": s,
                        "component": c,
                        "strength": float(w),
                        "credence": 0.8,
                        "evidence": f"the gap between folds is {w:.2f}",
                    }
                    for (s, c), w in zip(directives, strengths, strict=True)
                ],
                "without_slot": [],
            },
            number,
        )
        order = np.argsort(-strengths)
        self.journal.append(
            "ranked",
            {
                "directives": [
                    {
                        "statement": directives[i][0],
                        "component": directives[i][1],
                        "weight": float(strengths[i]),
                    }
                    for i in order
                ]
            },
            number,
        )

    def _script(self, number: int, parent: int | None) -> str:
        if parent is None:
            return "".join(f"line_{i} = {i}\n" for i in range(120)) + "print(line_0)\n"
        lines = self.scripts[parent].splitlines()
        lines[number % 100] = f"changed_in_step = {number}  # a < b & c"
        return "\n".join(lines) + "\n"


def climb(folder: Path, steps: int, *, higher: bool = True, end: bool = True) -> Path:
    """A hill climb in which every seventh step fails and every third is accepted."""
    run = Builder(folder, higher=higher, steps=steps)
    start, sign = (0.80, 1) if higher else (0.45, -1)
    run.step(0, score=start)
    best, level = 0, start
    for number in range(1, steps):
        if number % 7 == 5:
            run.step(
                number,
                best,
                score=None,
                accepted=False,
                log="Traceback (most recent call last):\nValueError: could not convert",
            )
        elif number % 3 == 1:
            level += sign * 0.1 / (number + 3)
            run.step(number, best, score=level)
            best = number
        else:
            run.step(number, best, score=level - sign * 0.004, accepted=False)
    if end:
        run.finish(best)
    return run.close()


class Checker(HTMLParser):
    """Balanced tags, no address that leaves the page, no script but the page's own."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "action", "srcset", "data", "xlink:href"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)


def check(page: Path) -> Checker:
    """Parse a page and assert what must hold of every page."""
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    assert all(link.startswith("#") or link == "data:," for link in checker.links), checker.links
    assert checker.handlers == []
    assert checker.tags.count("script") == 1
    assert "img" not in checker.tags
    assert len(checker.ids) == len(set(checker.ids))
    targets = {link[1:] for link in checker.links if link.startswith("#")}
    assert targets <= set(checker.ids)
    assert "url(" not in html
    assert "@import" not in html
    return checker


def test_page_of_a_whole_run(tmp_path: Path) -> None:
    folder = climb(tmp_path / "run", 30)
    page = write_report(folder)
    assert page == folder / "report.html"
    assert page.stat().st_size < 1_000_000
    checker = check(page)
    text = " ".join(checker.text)
    assert {f"step-{i}" for i in range(30)} <= set(checker.ids)
    assert "higher is better" in text
    assert "could not convert" in text
    assert IDEAS[0][0] in text
    assert "+changed_in_step = 29  # a < b & c" in checker.text
    assert "-line_29 = 29" in checker.text
    assert checker.tags.count("svg") > 6


def test_records_of_a_run(tmp_path: Path) -> None:
    run = read_run(climb(tmp_path / "run", 12))
    assert [step.number for step in run.steps] == list(range(12))
    assert (run.count("accepted"), run.count("rejected"), run.count("failed")) == (5, 6, 1)
    assert run.steps[5].state == "failed"
    assert run.steps[5].score is None
    assert [step.number for step in run.lineage()] == [0, 1, 4, 7, 10]
    assert depth_of(run.steps)[10] == 4
    assert run.best is not None
    assert run.best.number == 10
    assert run.improvement is not None
    assert run.improvement > 0
    assert run.steps[0].gain is None, "a draft has no parent to gain on"
    assert run.steps[1].applied[0].statement == IDEAS[1][0]


def test_scores_are_in_the_metrics_own_units(tmp_path: Path) -> None:
    run = read_run(climb(tmp_path / "run", 8, higher=False))
    assert run.steps[0].score == pytest.approx(0.45)
    assert run.best is not None
    assert run.best.score is not None
    assert run.best.score < 0.45
    assert run.improvement is not None
    assert run.improvement > 0
    assert all(abs(np.mean(s.folds) - s.score) < 0.02 for s in run.steps if s.score is not None)
    page = write_report(tmp_path / "run", tmp_path / "elsewhere" / "page.html")
    assert "lower is better" in page.read_text()


@pytest.mark.parametrize("steps", [0, 1, 2, 9])
def test_run_in_progress(tmp_path: Path, steps: int) -> None:
    builder = Builder(tmp_path / "run")
    for number in range(steps):
        builder.step(number, number - 1 if number else None, score=0.7 + 0.01 * number)
    builder.ask(steps, "DESCEND" if steps else "DRAFT", steps - 1 if steps else None)
    builder.journal.flush()
    page = write_report(tmp_path / "run")  # The writer still holds the journal open.
    builder.close()
    check(page)
    run = read_run(tmp_path / "run")
    assert not run.finished
    assert run.steps[-1].state == "unfinished"
    assert run.chosen == (steps - 1 if steps else None)
    assert "No end recorded" in page.read_text()


def test_nothing_but_a_start(tmp_path: Path) -> None:
    Builder(tmp_path / "run").close()
    page = write_report(tmp_path / "run")
    check(page)
    assert "The journal holds no step" in page.read_text()


def test_empty_journal(tmp_path: Path) -> None:
    Journal.create(tmp_path / "journal.sqlite").close()
    check(write_report(tmp_path))


def test_interrupted(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    builder.step(0)
    builder.journal.append("interrupted", {"at_step": 1})
    page = write_report(builder.close())
    check(page)
    assert "Interrupted" in page.read_text()


def test_everything_failed(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    for number in range(4):
        builder.step(number, score=None, accepted=False, log="Killed")
    builder.ask(4, "DRAFT", None)
    builder.journal.append("failed", {"error": "NoEdit", "reason": "nothing left to try"}, 4)
    builder.journal.append("settled", {"accepted": False, "gain": "-inf", "reason": ""}, 4)
    builder.finish(None)
    page = write_report(builder.close())
    check(page)
    run = read_run(tmp_path / "run")
    assert run.count("failed") == 5
    assert run.best is None
    assert run.steps[4].reason == "nothing left to try"
    assert "no valid solution" in page.read_text()


def test_a_withheld_step_did_not_fail(tmp_path: Path) -> None:
    """What a rule that gathers diagnoses leaves behind; the parent's score is not its own."""
    builder = Builder(tmp_path / "run")
    builder.step(0, score=0.7)
    builder.ask(1, "DESCEND", 0)
    builder._think(1, IDEAS)
    builder.journal.append("withheld", {}, 1)
    reason = "withheld: the update is zero, so there is nothing to try"
    numbers = {"score": 0.7, "gain": 0.0, "gain_stderr": 0.0, "replicates": 0}
    builder.journal.append("settled", {"accepted": False, "reason": reason, **numbers}, 1)
    page = write_report(builder.close())
    checker = check(page)
    run = read_run(tmp_path / "run")
    assert (run.steps[1].state, run.count("failed"), run.evaluations) == ("withheld", 0, 1)
    assert (run.steps[1].score, run.steps[1].gain, run.steps[1].failure) == (None, None, "")
    assert "1 accepted, 0 rejected, 0 failed, 1 withheld" in " ".join(checker.text)


def test_replicates_are_pooled_counted_and_told(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    builder.step(0, score=0.7)
    builder.step(1, 0, score=0.9)
    seen = {"replicate": 1, "valid": True, "seconds": 0.0, "failure": ""}
    builder.journal.append("replicated", {"of": 1, "score": 0.8, **seen}, 1)
    builder.journal.append("replicated", {"of": 0, "score": 0.7, **seen}, 1)
    builder.journal.append("failed", {"error": "Replicate", "reason": "the same folds"}, 1)
    pooled = {"accepted": True, "reason": "accepted", "score": 0.85, "gain": 0.15}
    builder.journal.append("settled", pooled, 1)
    page = write_report(builder.close())
    checker = check(page)
    run = read_run(tmp_path / "run")
    step = run.steps[1]
    assert (step.state, step.score, step.replicates, run.evaluations) == ("accepted", 0.85, 2, 4)
    assert step.remarks == ("the same folds",)
    text = " ".join(checker.text)
    assert "Measured 2 times" in text
    assert "the same folds" in text


def test_a_candidate_that_crashes_as_a_replicate_failed(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    builder.step(0, score=0.7)
    builder.step(1, 0, score=0.9, accepted=False)
    crash = {"of": 1, "replicate": 1, "valid": False, "failure": "out of memory"}
    builder.journal.append("replicated", crash, 1)
    check(write_report(builder.close()))
    step = read_run(tmp_path / "run").steps[1]
    assert (step.state, step.score, step.failure) == ("failed", None, "out of memory")


def test_both_parents_of_a_crossover_are_told(tmp_path: Path) -> None:
    run = Builder(tmp_path)
    run.step(0, score=0.80)
    run.step(1, 0, score=0.82)
    run.journal.append("asked", {"operator": "CROSSOVER", "parent": 1, "other": 0}, 2)
    settled = {"accepted": True, "gain": 0.01, "gain_stderr": 0.003, "reason": "accepted"}
    run.journal.append("executed", {"valid": True, "score": 0.83, "stderr": 0.01}, 2)
    run.journal.append("settled", {**settled, "node": 2, "score": 0.83, "stderr": 0.01}, 2)
    run.finish(2)
    found = read_run(run.close())
    assert [step.other for step in found.steps] == [None, None, 0]
    assert describe(found, found.steps[2]).startswith("step 2: crossover of step 1 and step 0, acc")
    page = write_report(run.folder).read_text()
    assert 'crossed with <a href="#step-0">step 0</a>' in page
    assert page.count('class="edge second"') == 1
    assert "second parent" not in write_report(climb(tmp_path / "climb", 3)).read_text()


def test_several_diagnoses_of_a_step_are_all_shown(tmp_path: Path) -> None:
    """One malformed reply among them is told, and is no failure of the step."""
    builder = Builder(tmp_path / "run")
    builder.step(0, score=0.7)
    builder._think(1, IDEAS[:1])
    builder.journal.append("failed", {"error": "MalformedReply", "reason": "prose"}, 1)
    builder.step(1, 0, score=0.9, directives=IDEAS[1:3])
    page = write_report(builder.close())
    checker = check(page)
    step = read_run(tmp_path / "run").steps[1]
    assert (step.state, step.diagnoses, step.remarks) == ("accepted", 2, ("prose",))
    assert {s.statement for s in step.suggestions} == {statement for statement, _ in IDEAS[:3]}
    assert "2 diagnoses of step" in " ".join(checker.text)


def test_everything_hostile_is_escaped(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run", task=ATTACK, strategy=ATTACK, reasoner=ATTACK, seed=ATTACK)
    hostile = [(f"{ATTACK} {i}", ATTACK) for i in range(3)]
    builder.step(0, script=ATTACK, log=ATTACK)
    builder.step(1, 0, directives=hostile, script=f"{ATTACK}\n{ATTACK}", score=0.9)
    builder.step(
        2,
        1,
        directives=hostile,
        score=None,
        log=ATTACK,
        failure=ATTACK,
        script="x = '\x00\x1b[31m\u202e'\n",
    )
    builder.journal.append(
        "graded",
        {"score": 0.9, "medal": ATTACK, "rank": 2, "teams": 9, "thresholds": {ATTACK: 0.5}},
    )
    builder.finish(1)
    page = write_report(builder.close())
    checker = check(page)
    html = page.read_text()
    assert "<script>alert" not in html
    assert "<img" not in html
    assert not set(html) & {"\x00", "\x1b", "\u202e"}
    assert "".join(checker.text).count("<script>alert(1)</script>") > 20, "shown as text"


def test_content_security_policy_allows_only_the_pages_script(tmp_path: Path) -> None:
    import base64
    import hashlib
    import re

    html = write_report(climb(tmp_path / "run", 3)).read_text()
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)
    assert script is not None
    allowed = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}'" in html
    assert "default-src 'none'" in html


def test_extreme_scores_do_not_flatten_the_chart(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run", higher=False)
    builder.step(0, score=1e9)
    for number in range(1, 8):
        builder.step(number, number - 1, score=0.5 - 0.01 * number)
    builder.step(8, 7, score="nan", accepted=False)
    builder.finish(7)
    page = write_report(builder.close())
    check(page)
    run = read_run(tmp_path / "run")
    low, high = score_domain(run)
    assert low < 0.43 < 0.49 < high < 1.0
    assert beyond(run) == 1
    assert run.steps[8].score is None
    assert "1e+09" in page.read_text()


def test_score_domain_keeps_a_weak_first_draft(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    for number, score in enumerate((0.6, 0.8, 0.85, 0.86)):
        builder.step(number, number - 1 if number else None, score=score)
    low, high = score_domain(read_run(builder.close()))
    assert low < 0.6
    assert high > 0.86


def test_equal_scores(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    for number in range(3):
        builder.step(number, number - 1 if number else None, score=0.5)
    low, high = score_domain(read_run(builder.close()))
    assert low < 0.5 < high
    check(write_report(tmp_path / "run"))


def test_long_statements(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    builder.step(0, script="x = 1\n" * 20_000 + "y" * 100_000)
    long = [("very long words " * 2000 + str(i), "model") for i in range(5)]
    for number in range(1, 10):
        builder.step(number, number - 1, directives=long, log="z" * 500_000)
    page = write_report(builder.close())
    check(page)
    assert page.stat().st_size < 1_500_000


def test_five_hundred_steps(tmp_path: Path) -> None:
    folder = climb(tmp_path / "run", 500)
    begun = time.process_time()
    page = write_report(folder)
    assert time.process_time() - begun < 3.0
    check(page)


def test_unknown_events_and_odd_payloads(tmp_path: Path) -> None:
    folder = climb(tmp_path / "run", 5)
    with Journal.open(folder / "journal.sqlite", read_only=False) as journal:
        journal.append("dreamt", {"of": "sheep"}, 3)  # type: ignore[arg-type]
        journal.append("dreamt", {"of": "sheep"})  # type: ignore[arg-type]
        journal.append("asked", {"operator": None, "parent": "nobody"}, 5)
        journal.append("ranked", {"directives": [None, {"weight": "x"}, 3]}, 5)
        journal.append("diagnosed", {"suggestions": "none"}, 5)
        journal.append("proposed", {"script": "no such text", "applied": [{}], "amounts": []}, 5)
        journal.append("executed", {"valid": True, "score": "nan", "folds": ["nan", None]}, 5)
        journal.append("settled", {"accepted": True, "parameters": {"a": "nan"}}, 5)
    check(write_report(folder))
    assert len(read_run(folder).steps) == 6


def test_a_directive_carried_out_is_marked(tmp_path: Path) -> None:
    html = write_report(climb(tmp_path / "run", 3)).read_text()
    assert html.count("● carried out</span>") == 2


def test_negative_weights_use_the_other_hue(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    builder.step(0)
    builder.journal.append(
        "ranked",
        {
            "directives": [
                {"statement": "more", "component": "data", "weight": 0.5},
                {"statement": "less", "component": "data", "weight": -0.5},
            ]
        },
        0,
    )
    html = write_report(builder.close()).read_text()
    assert '<rect class="p7"' in html
    assert '<rect class="n7"' in html


def test_the_same_journal_gives_the_same_page(tmp_path: Path) -> None:
    folder = climb(tmp_path / "run", 6)
    one = write_report(folder, tmp_path / "a.html")
    other = write_report(folder, tmp_path / "b.html")
    assert one.read_bytes() == other.read_bytes()


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()
    (tmp_path / "journal.sqlite").write_text("not a database at all, but text " * 100)
    with pytest.raises(JournalError):
        write_report(tmp_path)


def test_a_database_without_events(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    connection.execute("PRAGMA user_version=1")
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    with pytest.raises(JournalError, match="cannot be read"):
        write_report(tmp_path)


# -- runs with a language model --------------------------------------------------------------------


def _exchange(builder: Builder, step: int, purpose: str, prompt: str, reply: str, **told: Any):
    journal = builder.journal
    usage = {"prompt_tokens": 1200, "completion_tokens": 34, "reasoning_tokens": 5}
    journal.append(
        "exchanged",
        {
            "purpose": purpose,
            "prompt": journal.store(prompt),
            "reply": journal.store(reply),
            "model": "any",
            "usage": {**usage, "cached_tokens": 0, "money": 0.25, "calls": 2},
            "spent": {"calls": 2, "tokens": 1234, "money": 0.25},
            "seconds": 0.5,
            "finish": "length",
            **told,
        },
        step,
    )


def _version(builder: Builder, step: int, kind: Any, script: str, score: float | None) -> None:
    journal = builder.journal
    told = {"script": journal.store(script), "applied": [], "amounts": [], "note": f"as {kind}"}
    journal.append(kind, told, step)
    log = journal.store(f"log of {script}")
    failure = "" if score is not None else "a crash"
    executed = {"valid": score is not None, "score": score, "failure": failure, "log": log}
    journal.append("executed", {**executed, "script": told["script"]}, step)


def _settle(builder: Builder, step: int, *, accepted: bool = True, **told: Any) -> None:
    builder.journal.append("settled", {"accepted": accepted, "node": step, **told}, step)


def test_a_repaired_candidate_did_not_fail(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    builder.ask(0, "DRAFT", None)
    _version(builder, 0, "proposed", "broken = 1\n", None)
    _version(builder, 0, "repaired", "mended = 1\n", 0.8)
    verdict = {"aligned": True, "evidence": "folds are disjoint", "concerns": ["few rows"]}
    builder.journal.append("judged", verdict, 0)
    _settle(builder, 0, score=0.8)
    checker = check(write_report(builder.close()))
    step = read_run(tmp_path / "run").steps[0]
    assert (step.state, step.score, step.failure) == ("accepted", 0.8, "")
    assert (step.script, step.log) == ("mended = 1\n", "log of mended = 1\n")
    assert [(moment.kind, moment.sentence) for moment in step.moments] == [
        ("written", "as proposed; failed: a crash"),
        ("repaired", "as repaired; ran"),
        (
            "judged",
            "its evaluation can be trusted: folds are disjoint (mild concerns: few rows)",
        ),
    ]
    assert "as proposed; failed: a crash" in " ".join(checker.text)


def test_a_candidate_that_a_judge_does_not_trust_failed(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    builder.ask(0, "DRAFT", None)
    _version(builder, 0, "proposed", "leaks = 1\n", 0.99)
    builder.journal.append("judged", {"aligned": False, "evidence": "fits on all rows"}, 0)
    _settle(builder, 0, accepted=False, score="-inf")
    check(write_report(builder.close()))
    step = read_run(tmp_path / "run").steps[0]
    assert (step.state, step.score) == ("failed", None)
    assert step.failure == "its evaluation is not to be trusted: fits on all rows"


@pytest.mark.parametrize(("score", "kept"), [(0.85, "tuned"), (0.75, "plain"), (None, "plain")])
def test_the_better_of_two_is_kept(tmp_path: Path, score: float | None, kept: str) -> None:
    builder = Builder(tmp_path / "run")
    builder.ask(0, "DRAFT", None)
    _version(builder, 0, "proposed", "plain", 0.8)
    _version(builder, 0, "refined", "tuned", score)
    _settle(builder, 0, score=max(0.8, score or 0.0))
    run = read_run(builder.close())
    assert (run.steps[0].script, run.steps[0].state) == (kept, "accepted")
    assert run.steps[0].score == max(0.8, score or 0.0)
    assert run.evaluations == 2


def test_comparisons_and_abandoned_steps_are_told(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    builder.step(0, score=0.8)
    builder.journal.append("compared", {"replace": True, "reason": "is shorter"}, 1)
    builder.step(1, 0, score=0.8)
    builder.ask(2, "DESCEND", 1)
    builder.journal.append("abandoned", {"reason": "all 5 calls are used"}, 2)
    text = " ".join(check(write_report(builder.close())).text)
    step = read_run(tmp_path / "run").steps[2]
    assert (step.state, step.reason) == ("unfinished", "all 5 calls are used")
    assert "a tie with its parent: it takes its place: is shorter" in text


def test_calls_are_counted_and_their_texts_folded_away(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    _exchange(builder, 0, "draft", "What to write?", "A <b>program</b>.")
    builder.step(0, score=0.8)
    told = {"error": "RequestRefused", "message": "content policy"}
    _exchange(builder, 1, "diagnose", "Why?", "", **told)
    builder.step(1, 0, score=0.9)
    page = write_report(builder.close())
    checker = check(page)
    run = read_run(tmp_path / "run")
    assert [len(step.exchanges) for step in run.steps] == [1, 1]
    assert run.steps[0].exchanges[0].prompt == "What to write?"
    text = checker.text
    assert "A <b>program</b>." in text
    assert "content policy" in text
    folded = page.read_text().split('<details class="fold call">')[1:]
    assert len(folded) == 2
    for words in ("2\u202f400", "0.5", "ended by length"):
        assert any(words in found for found in text), words


def test_a_page_with_many_calls_stays_small(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    for number in range(60):
        for i in range(5):
            _exchange(builder, number, "edit", f"{number} {i} " + "p" * 20_000, "r" * 20_000)
        builder.step(number, number - 1 if number else None, score=0.8)
    page = write_report(builder.close())
    check(page)
    assert "characters left out" in page.read_text()
    assert page.stat().st_size < 1_500_000


def test_everything_hostile_that_a_model_says_is_escaped(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    builder.ask(0, "DRAFT", None)
    odd = {"model": ATTACK, "finish": ATTACK, "message": ATTACK, "error": ATTACK}
    _exchange(builder, 0, ATTACK, ATTACK + "\x00\u202e", ATTACK, **odd)
    _exchange(builder, 0, "edit", ATTACK, ATTACK)
    _version(builder, 0, "proposed", ATTACK, None)
    for kind in ("repaired", "refined"):
        told = {"script": builder.journal.store(ATTACK), "note": ATTACK}
        builder.journal.append(kind, told, 0)
        builder.journal.append("executed", {"valid": False, "failure": ATTACK}, 0)
    verdict = {"aligned": False, "evidence": ATTACK, "concerns": [ATTACK]}
    builder.journal.append("judged", verdict, 0)
    builder.journal.append("compared", {"replace": ATTACK, "reason": ATTACK}, 0)
    builder.journal.append("abandoned", {"reason": ATTACK}, 0)
    builder.journal.append("interrupted", {"at_step": ATTACK})
    builder.journal.append("resumed", {"clock": ATTACK})
    page = write_report(builder.close())
    checker = check(page)
    html = page.read_text()
    assert "<script>alert" not in html
    assert "<img" not in html
    assert not set(html) & {"\x00", "\u202e"}
    assert "".join(checker.text).count("<script>alert(1)</script>") > 10, "shown as text"


def events_at(*told: tuple[float, int | None, Any]) -> list[Event]:
    return [Event(i, 1000.0 + at, step, kind, {}) for i, (at, step, kind) in enumerate(told)]


def test_the_clock_stands_still_between_processes() -> None:
    """Two steps side by side, a break of a day, a third step alone; worked by hand."""
    timeline = timeline_of(
        [
            *events_at((0, None, "started"), (1, 0, "asked"), (2, 1, "asked")),
            Event(4, 1006.0, 0, "exchanged", {"seconds": 3.0}),
            Event(5, 1007.0, 0, "settled", {}),
            Event(6, 1008.0, None, "interrupted", {}),
            Event(7, 1008.5, None, "finished", {}),
            Event(8, 87408.0, None, "resumed", {}),
            Event(9, 87412.0, 1, "executed", {"seconds": 60.0}),
            Event(10, 87413.0, 1, "settled", {}),
            Event(11, 87413.0, 2, "asked", {}),
            Event(12, 87415.0, 2, "settled", {}),
            Event(13, 99999.0, None, "graded", {}),
        ]
    )
    assert timeline.spans == {
        0: Span(1.0, 7.0, (Work("model", 3.0, 6.0),)),
        1: Span(2.0, 13.0, (Work("script", 2.0, 12.0),)),
        2: Span(13.0, 15.0, ()),
    }
    assert timeline.breaks == (
        Break("interrupted", 8.0, 1008.0, None),
        Break("resumed", 8.0, 87408.0, 86400.0),
    )
    assert timeline.length == 15.0
    assert [timeline.beside(step) for step in range(3)] == [(1,), (0,), ()]


def test_rows_hold_what_does_not_overlap() -> None:
    spans = {
        step: Span(start, end, ())
        for step, start, end in ((0, 0, 5), (1, 0, 4), (2, 4, 9), (3, 5, 6))
    }
    assert rows_of({0: 0, 1: 1, 2: 1, 3: 1}, spans) == {0: 0, 1: 1, 2: 1, 3: 2}
    assert rows_of(dict.fromkeys(range(4)), spans) == {0: 0, 1: 1, 2: 1, 3: 0}


def test_steps_side_by_side_their_traces_and_breaks_are_shown(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "run")
    builder.ask(0, "DRAFT", None)
    builder.ask(1, "DRAFT", None)
    time.sleep(0.01)
    for number in (0, 1):
        _version(builder, number, "proposed", f"x = {number}", 0.8)
        _settle(builder, number, score=0.8)
    builder.step(2, 0, score=0.9, script="x = 2")
    builder.step(3, 1, score=0.85, script="x = 3")
    builder.journal.append("interrupted", {"at_step": 4})
    builder.journal.append("finished", {"ended_by": "interrupted", "best_step": 2})
    folder = builder.close()
    assert read_run(folder).ended_by == "interrupted"
    with Journal.open(folder / "journal.sqlite", read_only=False) as journal:
        journal.append("resumed", {"clock": 1.0})
    run = read_run(folder)
    assert not run.finished, "an earlier process ended, the run goes on"
    assert not run.interrupted
    assert run.traces() == {0: 0, 1: 1, 2: 0, 3: 1}
    assert run.side_by_side
    page = write_report(folder)
    text = " ".join(check(page).text)
    assert "Steps over time" in text
    assert "trace of 1" in text
    assert page.read_text().count('class="under-way') == 4
    assert "interrupted " in text
    assert "resumed " in text
    assert "Side by side with" in text


def test_a_run_of_one_step_after_another_has_no_time_line(tmp_path: Path) -> None:
    text = " ".join(check(write_report(climb(tmp_path / "run", 9))).text)
    assert "Steps over time" not in text
    assert "Calls of models" not in text
    assert "trace of" not in text
