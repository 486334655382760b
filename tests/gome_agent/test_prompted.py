"""Any model as a reasoner: what it is told, and that nothing but the format asked for gets in."""

import json
from pathlib import Path

import numpy as np
import pytest

from gome_agent.journal import Journal
from gome_agent.reasoners import Brief, MalformedReply, NoEdit, Reasoner, Solution
from gome_agent.reasoners.base import Attempt
from gome_agent.reasoners.prompted import Prompted
from gome_agent.schemas import Directive
from gome_agent.text import TextEvaluator, TextTask, optimise_text

TASK = TextTask("A prompt for sums.")
BRIEF = Brief(TASK.facts, TASK.description, Path(), steps_left=7, seconds_per_run=60.0)
PARENT = Solution(
    "Add the $numbers {carefully}.",
    valid=True,
    score=0.5,
    stderr=0.25,
    folds=(0.25, 0.75),
    feedback={"example 1": "The sum is wrong."},
)
RANKED = tuple(
    (Directive(statement=f"Do thing {i}", component="workflow"), 1.0 / (i + 1)) for i in range(9)
)
RNG = np.random.default_rng(0)
DIAGNOSIS = {
    "summary": "sums",
    "suggestions": [
        {
            "statement": "Check the sum",
            "component": "workflow",
            "strength": 0.5,
            "credence": 0.9,
            "evidence": "example 1",
        }
    ],
}
EDIT = '<solution>\nAdd twice.\n</solution>\n{"applied": [2, 1], "note": "twice"}'


class Model:
    """Says one thing, and keeps what it was asked."""

    def __init__(self, reply):
        self.reply = reply
        self.prompts = []

    def __call__(self, prompt):
        self.prompts.append(prompt)
        return self.reply


def suggestion(**changes):
    return json.dumps({"suggestions": [{**DIAGNOSIS["suggestions"][0], **changes}]})


NOT_A_DIAGNOSIS = {
    "empty": "",
    "blank": " \n\t",
    "none": None,
    "bytes": b"{}",
    "prose": "I cannot help with that.",
    "prose before": "Here it is: " + json.dumps(DIAGNOSIS),
    "prose after": json.dumps(DIAGNOSIS) + "\nGood luck!",
    "truncated": json.dumps(DIAGNOSIS)[:-7],
    "truncated in a fence": "```json\n" + json.dumps(DIAGNOSIS)[:-7],
    "two objects": json.dumps(DIAGNOSIS) * 2,
    "two fences": f"```json\n{json.dumps(DIAGNOSIS)}\n```\nor\n```json\n{{}}\n```",
    "empty fence": "```json\n```",
    "list": "[]",
    "string": '"fine"',
    "number": "1",
    "null": "null",
    "NaN": suggestion(strength=0).replace('"strength": 0', '"strength": NaN'),
    "infinite": suggestion(strength=0).replace('"strength": 0', '"strength": -Infinity'),
    "overflow": suggestion(strength=0).replace('"strength": 0', '"strength": 1e999'),
    "number as text": suggestion(strength="0.5"),
    "number as truth": suggestion(strength=True),
    "no number": suggestion(strength=None),
    "credence over 1": suggestion(credence=1.5),
    "no words": suggestion(statement="..."),
    "unknown component": suggestion(component="prompt"),
    "unknown key": suggestion(why="because"),
    "unknown key above": json.dumps({**DIAGNOSIS, "confidence": 1}),
    "key twice": '{"summary": "a", "summary": "b"}',
    "suggestions not a list": '{"suggestions": "none"}',
    "too many": json.dumps({"suggestions": DIAGNOSIS["suggestions"] * 6}),
    "deep": '{"summary": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "long number": '{"summary": ' + "9" * 10_000 + "}",
}
NOT_AN_EDIT = {
    **{name: NOT_A_DIAGNOSIS[name] for name in ("empty", "blank", "none", "prose", "list")},
    "a diagnosis": json.dumps(DIAGNOSIS),
    "no tags": EDIT.replace("<solution>", "").replace("</solution>", ""),
    "not closed": EDIT.replace("</solution>", ""),
    "cut short": EDIT[:20],
    "closed first": '</solution>x<solution>{"applied": [1]}',
    "two solutions": "<solution>a</solution>" + EDIT,
    "nested": '<solution><solution>a</solution></solution>{"applied": [1]}',
    "nothing inside": '<solution> \n </solution>{"applied": [1]}',
    "no list": "<solution>a</solution>",
    "prose for a list": "<solution>a</solution> I did the first.",
    "truncated list": EDIT[:-4],
    "two lists": EDIT + '{"applied": [1]}',
    "two fences": '<solution>a</solution>```\n{}\n```\n```\n{"applied": [1]}\n```',
    "not shown": '<solution>a</solution>{"applied": [6]}',
    "number zero": '<solution>a</solution>{"applied": [0]}',
    "twice the same": '<solution>a</solution>{"applied": [1, 1]}',
    "words for numbers": '<solution>a</solution>{"applied": ["Do thing 1"]}',
    "text for a number": '<solution>a</solution>{"applied": ["1"]}',
    "fraction": '<solution>a</solution>{"applied": [1.5]}',
    "NaN": '<solution>a</solution>{"applied": [NaN]}',
    "null": '<solution>a</solution>{"applied": null}',
    "missing": '<solution>a</solution>{"note": "done"}',
    "unknown key": '<solution>a</solution>{"applied": [1], "amounts": [1.0]}',
}


@pytest.mark.parametrize("reply", NOT_A_DIAGNOSIS.values(), ids=NOT_A_DIAGNOSIS)
def test_what_is_not_a_diagnosis_is_refused_with_one_sentence(reply):
    with pytest.raises(MalformedReply) as refused:
        Prompted(Model(reply), artefact="text").diagnose(BRIEF, PARENT, RNG)
    assert 0 < len(str(refused.value)) < 400
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("reply", NOT_AN_EDIT.values(), ids=NOT_AN_EDIT)
def test_what_is_not_an_edit_is_refused_with_one_sentence(reply):
    with pytest.raises(MalformedReply) as refused:
        Prompted(Model(reply)).edit(BRIEF, PARENT, RANKED, RNG)
    assert 0 < len(str(refused.value)) < 400
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps(DIAGNOSIS),
        f"\n{json.dumps(DIAGNOSIS, indent=2)}\n",
        f"```json\n{json.dumps(DIAGNOSIS)}\n```",
        f"Here it is:\n```\n{json.dumps(DIAGNOSIS)}\n```\nGood luck!",
    ],
)
def test_a_diagnosis_is_read(reply):
    diagnosis = Prompted(Model(reply), artefact="text").diagnose(BRIEF, PARENT, RNG)
    assert diagnosis.model_dump(mode="json") == DIAGNOSIS


def test_an_edit_is_read_and_its_numbers_are_the_directives_shown():
    edit = Prompted(Model(EDIT)).edit(BRIEF, PARENT, RANKED, RNG)
    assert edit.script == "Add twice."
    assert edit.applied == (RANKED[1][0], RANKED[0][0])
    assert edit.note == "twice"


@pytest.mark.parametrize(
    "script", ["print('</b>')\n\tx = \"a\\n\"", "```\nfenced\n```", "  indented", "{$x} é ☃"]
)
def test_a_solution_is_taken_verbatim(script):
    reply = f'<solution>\n{script}\n</solution>\n```json\n{{"applied": [1]}}\n```'
    assert Prompted(Model(reply)).edit(BRIEF, PARENT, RANKED, RNG).script == script


def test_the_other_questions_read_their_replies():
    model = Model('<solution>\nx\n</solution>\n{"note": "n"}')
    reasoner = Prompted(model)
    assert isinstance(reasoner, Reasoner)
    assert reasoner.draft(BRIEF, RNG).script == "x"
    failed = Solution("y", valid=False, failure="it crashed", log="Traceback: z")
    assert reasoner.debug(BRIEF, failed, RNG).note == "n"
    assert "it crashed" in model.prompts[-1]
    assert "Traceback: z" in model.prompts[-1]
    model.reply = (
        '<solution>x</solution>{"applied": [{"statement": "Say x", "component": "workflow"}]}'
    )
    assert reasoner.improve(BRIEF, PARENT, RNG).applied[0].statement == "Say x"
    other = Solution("Count on fingers.", valid=True, score=0.25, stderr=0.5, folds=(0.0, 0.5))
    crossed = reasoner.crossover(BRIEF, PARENT, other, RNG)
    assert crossed.applied[0].statement == "Say x"
    prompt = model.prompts[-1]
    assert 0 < prompt.index(PARENT.script) < prompt.index(other.script)
    assert "Score 0.5, standard error 0.25" in prompt
    assert "Score 0.25, standard error 0.5" in prompt
    assert len(model.prompts) == 4


@pytest.mark.parametrize("returned", [PARENT.script, "Count on fingers."])
def test_a_crossover_that_is_one_of_its_parents_is_no_edit(returned):
    other = Solution("Count on fingers.", valid=True, score=0.25)
    model = Model(f"<solution>\n{returned}\n</solution>\n{{}}")
    with pytest.raises(NoEdit, match="unchanged"):
        Prompted(model).crossover(BRIEF, PARENT, other, RNG)


def test_nothing_to_do_is_no_edit():
    model = Model(EDIT)
    with pytest.raises(NoEdit):
        Prompted(model).edit(BRIEF, PARENT, (), RNG)
    assert model.prompts == []  # Nothing to carry out: no call is spent on it.
    for reply in (
        '<solution>a</solution>{"applied": []}',
        f'<solution>{PARENT.script}</solution>{{"applied": [1]}}',
    ):
        with pytest.raises(NoEdit):
            Prompted(Model(reply)).edit(BRIEF, PARENT, RANKED, RNG)


def test_what_the_model_raises_is_raised_on():
    def offline(prompt):
        raise ConnectionError("no network")

    with pytest.raises(ConnectionError):
        Prompted(offline).diagnose(BRIEF, PARENT, RNG)


def test_prompts_hold_solution_feedback_and_top_directives_and_no_history():
    model = Model(EDIT)
    past = Attempt(1, 0, "DESCEND", (RANKED[8][0],), True, True, 0.1, "d1935t")
    brief = Brief(TASK.facts, TASK.description, Path(), 7, 60.0, history=(past,) * 50)
    reasoner = Prompted(model, artefact="text", top=3)
    reasoner.edit(brief, PARENT, RANKED, RNG)
    model.reply = "{}"
    reasoner.diagnose(brief, PARENT, RNG)
    edit, diagnose = model.prompts
    for prompt in model.prompts:
        assert PARENT.script in prompt
        assert TASK.goal in prompt
        assert "d1935t" not in prompt
    assert "The sum is wrong." in diagnose
    assert "Do thing 2" in edit
    assert "Do thing 3" not in edit
    assert "weight 1)" in edit
    for reader in (reasoner, Prompted(model, artefact="text", top=3)):
        reader.diagnose(BRIEF, PARENT, RNG)
    assert model.prompts[-1] == model.prompts[-2] == diagnose


def test_long_feedback_keeps_both_ends():
    model = Model("{}")
    long = Solution("x", valid=True, score=0.0, feedback={"log": "first " + "a" * 10**6 + " last"})
    Prompted(model, feedback_characters=500).diagnose(BRIEF, long, RNG)
    (prompt,) = model.prompts
    assert len(prompt) < 3000
    assert "first" in prompt
    assert " last" in prompt
    assert "characters left out" in prompt


def test_the_digest_changes_with_what_decides_a_prompt():
    model = Model("")
    digests = {
        Prompted(model).prompt_digest,
        Prompted(model, artefact="text").prompt_digest,
        Prompted(model, top=4).prompt_digest,
        Prompted(model, feedback_characters=10).prompt_digest,
        Prompted(model, recall=0).prompt_digest,
        Prompted(model, critique=True).prompt_digest,
        Prompted(model, stages=(0.2, 0.7)).prompt_digest,
        Prompted(model, environment="scikit-learn").prompt_digest,
    }
    assert len(digests) == 8
    assert Prompted(Model("other"), name="other").prompt_digest == Prompted(model).prompt_digest


@pytest.mark.parametrize(
    "setting",
    [
        {"top": 0},
        {"feedback_characters": 0},
        {"recall": -1},
        {"stages": (0.7, 0.1)},
        {"stages": (0.1, 1.5)},
    ],
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        Prompted(Model(""), **setting)


def test_examples_become_folds():
    scored = [(0.5, "b"), (0.25, "worst"), (0.75, "c")]
    solution = TextEvaluator(lambda text: scored).evaluate("x", 0, 1.0)
    assert solution.folds == (0.5, 0.25, 0.75)
    assert solution.score == 0.5
    assert solution.stderr == pytest.approx(np.std(solution.folds, ddof=1) / np.sqrt(3))
    assert list(solution.feedback.values()) == ["worst", "b", "c"]
    for scores in ([], [(float("nan"), "")], [(float("inf"), ""), (1.0, "")]):
        assert not TextEvaluator(lambda text, scores=scores: scores).evaluate("x", 0, 1.0).valid


WANTED = ("digits", "units", "steps")


def wants(text):
    """One example a word that the text should have."""
    return [(float(word in text), f"There is nothing about {word}.") for word in WANTED]


class Obedient:
    """Reads the feedback, names the missing words, and adds the one that weighs most."""

    def __init__(self, fails=()):
        self.fails = set(fails)
        self.calls = 0

    def __call__(self, prompt):
        self.calls += 1
        if self.calls in self.fails:
            return "I cannot help with that."
        text = prompt.split("<solution>\n")[1].split("\n</solution>")[0]
        if "<feedback>" in prompt:
            missing = [word for word in WANTED if word not in text]
            return json.dumps(
                {
                    "suggestions": [
                        {"statement": f"Mention {w}", "component": "workflow", "strength": 1.0}
                        for w in missing
                    ]
                }
            )
        word = prompt.split(") Mention ")[1].split("\n")[0]
        return f'<solution>\n{text} Mind the {word}.\n</solution>\n{{"applied": [1]}}'


def test_a_text_is_optimised_and_the_journal_tells_how(tmp_path):
    model = Obedient()
    result = optimise_text("Answer.", wants, model, steps=3, journal=tmp_path / "j.sqlite")
    assert result.score == 1.0
    assert all(word in result.text for word in WANTED)
    assert model.calls == 6
    assert [step.accepted for step in result.run.steps] == [True] * 4
    with Journal.open(tmp_path / "j.sqlite") as journal:
        (started,) = journal.events("started")
        assert started.payload["prompt_digest"] == Prompted(model, artefact="text").prompt_digest
        assert len(list(journal.events("settled"))) == 4


def test_a_reply_that_is_read_at_the_second_time_costs_a_call_and_no_step():
    model = Obedient(fails={3, 6})
    result = optimise_text("Answer.", wants, model, steps=3)
    assert result.score == 1.0
    assert all(step.solution.valid for step in result.run.steps)
    assert model.calls == result.run.spent.calls == 8


def test_a_malformed_reply_is_a_failed_step_and_the_text_stays():
    # A question is asked twice: both replies have to be malformed.
    result = optimise_text("Answer.", wants, Obedient(fails={3, 4, 7, 8}), steps=5)
    failed = [step.step for step in result.run.steps if not step.solution.valid]
    assert failed == [2, 4]
    assert result.score == 1.0


def test_a_text_that_cannot_be_scored_or_quoted_is_refused():
    with pytest.raises(ValueError, match="could be scored"):
        optimise_text("x", lambda text: [], Obedient(), steps=1)
    for text in ("", " ", "a </solution>"):
        with pytest.raises(ValueError, match="must not be empty"):
            optimise_text(text, wants, Obedient(), steps=1)
