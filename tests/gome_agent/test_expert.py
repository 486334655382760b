"""The offline reasoner: its scripts run, its diagnoses follow the feedback, its edits are new."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, strategies as st
from scipy import stats

from gome_agent.reasoners import (
    Attempt,
    Brief,
    Expert,
    HasVocabulary,
    NoEdit,
    OutOfScript,
    Reasoner,
    Scripted,
    Solution,
    script_digest,
)
from gome_agent.reasoners.expert import NoPlan, Plan, render
from gome_agent.reasoners.expert.cost import cost
from gome_agent.reasoners.expert.crossing import MODEL
from gome_agent.reasoners.expert.directives import CATALOGUE
from gome_agent.reasoners.expert.reading import read
from gome_agent.reasoners.expert.render import SCORES, UnknownMetric
from gome_agent.sandbox import Limits, ProcessSandbox
from gome_agent.schemas import Diagnosis, Directive, Edit
from gome_agent.tasks import metrics
from gome_agent.tasks.base import Metric, TaskFacts
from tests.gome_agent.scripts import run_scripts
from tests.statistical import assert_exceeds

EXPERT = Expert()
FAMILIES = (
    "linear", "knn", "svm", "nystroem", "gp", "forest", "extra_trees", "boosting", "mlp",
)  # fmt: skip
DESCRIPTION = "- `grade`: poor, fair, good, very good (worst to best)\n- `place`: where it was"


def _facts(name: str) -> TaskFacts:
    shared = {"name": name, "title": f"A small {name} task", "id_column": "row", "target": "y"}
    three = ("blue", "green", "red")
    match name:
        case "values":
            return TaskFacts(
                **shared, kind="regression", metric=metrics.RMSLE, prediction_columns=("y",)
            )
        case "chances":
            return TaskFacts(
                **shared,
                kind="binary",
                metric=metrics.AUC,
                prediction_columns=("y",),
                classes=("0", "1"),
            )
        case "labels":
            return TaskFacts(
                **shared,
                kind="multiclass",
                metric=metrics.ACCURACY,
                prediction_columns=("y",),
                classes=three,
            )
        case _:
            return TaskFacts(
                **shared,
                kind="multiclass",
                metric=metrics.LOG_LOSS,
                prediction_columns=tuple(f"p_{c}" for c in three),
                classes=three,
            )


TASKS = {name: _facts(name) for name in ("values", "chances", "labels", "probabilities")}


WORDS = ("old", "new", "red", "blue", "round", "square", "small", "large")


def _days(numbers: np.ndarray) -> list[str]:
    return [f"{day:%Y-%m-%d}" for day in pd.Timestamp("2010-01-01") + pd.to_timedelta(numbers, "D")]


def _table(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Numbers with a long tail and holes, one graded and one rich categorical column."""
    table = pd.DataFrame(
        {
            "row": np.arange(rows) + 1000,
            "a": rng.normal(size=rows),
            "b": rng.exponential(size=rows) ** 2,
            "c": rng.normal(size=rows),
            "grade": rng.choice(["poor", "fair", "good", "very good"], rows),
            "place": rng.choice([f"town {i}" for i in range(20)], rows),
            "size": rng.integers(1, 5, rows),
            "since": _days(rng.integers(0, 3000, rows)),
            "note": [" ".join(words) for words in rng.choice(WORDS, (rows, 6))],
            "code": [f"k{i}" for i in rng.permutation(10 * rows)[:rows]],
        }
    )
    table.loc[rng.random(rows) < 0.1, "c"] = np.nan
    table.loc[rng.random(rows) < 0.05, "place"] = None
    return table


def _target(table: pd.DataFrame, facts: TaskFacts, rng: np.random.Generator) -> np.ndarray:
    signal = table["a"] * table["c"].fillna(0) + np.sqrt(table["b"])
    signal += table["grade"].map({"poor": 0, "fair": 1, "good": 2, "very good": 3})
    signal += rng.normal(scale=0.3, size=len(table))
    if facts.kind == "regression":
        return np.exp(signal).to_numpy().round(3)
    codes = pd.qcut(signal, len(facts.classes), labels=False).to_numpy()
    return codes if facts.kind == "binary" else np.array(facts.classes)[codes]


@pytest.fixture(scope="session")
def public(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with public files for each task; the sample's rows are not in the test's order."""
    folders = {}
    for number, (name, facts) in enumerate(TASKS.items()):
        rng = np.random.default_rng(number)
        folder = folders[name] = tmp_path_factory.mktemp(name)
        table = _table(200, rng)
        table["y"] = _target(table, facts, rng)
        train, test = table[:150], table[150:].drop(columns="y")
        sample = test[["row"]][::-1].assign(**dict.fromkeys(facts.prediction_columns, 0))
        for file, part in (("train", train), ("test", test), ("sample_submission", sample)):
            part.to_csv(folder / f"{file}.csv", index=False)
    return folders


def _brief(name: str, public: dict[str, Path], **changes: object) -> Brief:
    brief = Brief(TASKS[name], DESCRIPTION, public[name], steps_left=10, seconds_per_run=60.0)
    return replace(brief, **changes)


def _run(scripts: list[tuple[str, str]], public: dict[str, Path], folder: Path) -> list[Solution]:
    """Run (task, script) pairs one after the other."""
    jobs = [(TASKS[name], script, public[name]) for name, script in scripts]
    return run_scripts(jobs, folder)


@pytest.fixture(scope="session")
def drafts(public: dict[str, Path], tmp_path_factory: pytest.TempPathFactory):
    """The evaluated draft of each task."""
    rng = np.random.default_rng(0)
    scripts = [(name, EXPERT.draft(_brief(name, public), rng).script) for name in TASKS]
    solutions = _run(scripts, public, tmp_path_factory.mktemp("drafts"))
    return dict(zip(TASKS, solutions, strict=True))


def _with(parent: Solution, plan: Plan, facts: TaskFacts) -> Solution:
    """The parent's feedback under the script of another plan."""
    return replace(parent, script=render(plan, facts))


def _attempt(script: str, step: int = 0, **changes: object) -> Attempt:
    attempt = Attempt(step, None, "draft", (), True, True, 0.0, script_digest(script))
    return replace(attempt, **changes)


# Plans and scripts ------------------------------------------------------------------------------


def test_the_expert_is_a_reasoner_with_a_vocabulary():
    assert isinstance(EXPERT, Reasoner)
    assert isinstance(EXPERT, HasVocabulary)


def test_directives_are_distinct():
    identities = {entry.directive.to_core().identity for entry in CATALOGUE}
    assert len(identities) == len(CATALOGUE)


@given(
    start=st.sampled_from(sorted(TASKS)),
    family=st.sampled_from(FAMILIES),
    path=st.lists(st.integers(0, len(CATALOGUE) - 1), max_size=12),
)
def test_any_sequence_of_directives_gives_a_script_that_carries_its_plan(
    start, family, path, drafts, public
):
    facts = TASKS[start]
    reading = read(_brief(start, public), drafts[start])
    plan = Plan(family=family)
    for index in path:
        plan = CATALOGUE[index].apply(plan, reading) or plan
    script = render(plan, facts)
    compile(script, "solution.py", "exec")
    assert Plan.from_script(script) == plan
    assert render(Plan.from_script(script), facts) == script
    rest = [line for line in script.splitlines() if not line.startswith("plan: ")]
    assert max(map(len, rest)) <= 100
    assert len(rest) <= 400


def test_names_of_a_task_cannot_break_out_of_the_script(public):
    facts = replace(
        TASKS["probabilities"],
        title='"""\nimport nonsense \\',
        target="a\"\\b'",
        classes=('x"', "\\", "\n"),
    )
    orders = (('c"""', ("\\", '"', "\n")),)
    script = render(Plan(orders=orders), facts)
    assert Plan.from_script(script).orders == orders
    docstring = ast.get_docstring(ast.parse(script))
    assert docstring is not None
    assert "import json" not in docstring
    assert "nonsense" not in [
        name.name
        for node in ast.walk(ast.parse(script))
        if isinstance(node, ast.Import)
        for name in node.names
    ]
    values = [n.value for n in ast.walk(ast.parse(script)) if isinstance(n, ast.Constant)]
    assert {facts.target, *facts.classes} <= {v for v in values if isinstance(v, str)}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("print(1)", "no line `plan"),
        ("plan: {not json}", "cannot be read"),
        ('plan: {"family":"magic"}', "`family`"),
        ('plan: {"depth":3}', "`depth`"),
    ],
)
def test_a_script_without_a_plan_is_refused_with_a_reason(script, message, public):
    with pytest.raises(NoPlan, match=message):
        Plan.from_script(script)
    parent, rng = Solution(script, valid=True), np.random.default_rng(0)
    with pytest.raises(NoEdit, match=message):
        EXPERT.diagnose(_brief("values", public), parent, rng)
    with pytest.raises(NoEdit, match=message):
        EXPERT.improve(_brief("values", public), parent, rng)


def test_an_unknown_metric_is_named_with_its_neighbour(public):
    facts = replace(TASKS["values"], metric=Metric("rmsl", False, metrics.RMSE.function))
    with pytest.raises(UnknownMetric, match=r"`rmsl`.*`rmsle`"):
        render(Plan(), facts)
    brief = replace(_brief("values", public), facts=facts)
    with pytest.raises(NoEdit, match="rmsl"):
        EXPERT.draft(brief, np.random.default_rng(0))


def _script_score(facts: TaskFacts):
    """The function `score` of a rendered script, taken out of it."""
    tree = ast.parse(render(Plan(), facts))
    wanted = [
        node
        for node in tree.body
        if (isinstance(node, ast.FunctionDef) and node.name == "score")
        or (isinstance(node, ast.ImportFrom) and node.module == "sklearn.metrics")
    ]
    scope = {"CLASSES": facts.classes}
    exec(compile(ast.Module(wanted, []), "score", "exec"), scope)
    return scope["score"]


def test_scripts_score_as_the_tasks_do():
    rng = np.random.default_rng(3)
    codes, chances = rng.integers(0, 3, 40), rng.dirichlet(np.ones(3), 40)
    values, predicted = rng.exponential(size=40), rng.exponential(size=40)
    table = {
        "labels": (codes, rng.integers(0, 3, 40)),
        "probabilities": (codes, chances),
        "values": (values, predicted),
    }
    for name, (truth, told) in table.items():
        expected = TASKS[name].metric.function(truth, told)
        assert _script_score(TASKS[name])(truth, told) == pytest.approx(expected, rel=1e-12)
    binary, two = codes % 2, np.column_stack([1 - values, values])
    assert _script_score(TASKS["chances"])(binary, two) == metrics.AUC.function(binary, values)
    rmse = replace(TASKS["values"], metric=metrics.RMSE)
    expected = metrics.RMSE.function(values, predicted)
    assert _script_score(rmse)(values, predicted) == pytest.approx(expected, rel=1e-12)
    assert {m.name for m in vars(metrics).values() if isinstance(m, Metric)} <= set(SCORES)


# Running the scripts ----------------------------------------------------------------------------


def _carry_out(number: int, drafts: dict[str, Solution], public: dict[str, Path]):
    """(task, script) of a catalogue entry carried out from some plan that it applies to."""
    names = list(TASKS)
    names = names[number % len(names) :] + names[: number % len(names)]
    plain = Plan(folds=2, rounds=0)
    odd = plain.change(
        missing="constant",
        clip_outliers=True,
        scaling="none",
        row_statistics=True,
        reduction="select",
        class_weights=True,
        log_target=True,
        bag=True,
        calibrate=True,
        family="boosting",
        categorical="ordinal",
        capacity=-1,
        rounds=0,
    )
    for start in (
        plain.change(categorical="onehot"),
        plain.change(family="boosting", categorical="onehot", partners=("linear",), columns=-1),
        plain.change(drop=("code",), crosses=(("grade", "size"),), early_stopping=True),
        plain.change(
            family="boosting", partners=("linear",), blend="stack", l2=1, rate=-1, rounds=1
        ),
        plain.change(family="forest"),
        plain.change(family="mlp"),
        odd,
    ):
        for name in names:
            changed = CATALOGUE[number].apply(start, read(_brief(name, public), drafts[name]))
            if changed is not None:
                return name, render(changed, TASKS[name])
    raise AssertionError(f"{CATALOGUE[number].directive.statement!r} never applies")


TORCH = [n for n, entry in enumerate(CATALOGUE) if "torch" in entry.directive.statement]
"""Directives that apply only where scripts can import torch."""


@pytest.mark.slow
def test_every_directive_and_every_family_runs(drafts, public, tmp_path):
    numbers = [n for n in range(len(CATALOGUE)) if n not in TORCH or find_spec("torch")]
    scripts = [_carry_out(number, drafts, public) for number in numbers]
    scripts += [
        (name, render(Plan(family=family, categorical="target", folds=2, rounds=0), facts))
        for family in FAMILIES
        for name, facts in TASKS.items()
        if family == "svm" or name in ("values", "probabilities")  # labels change only that one
    ]
    for solution in _run(scripts, public, tmp_path):
        assert solution.valid, f"{solution.log}\n{solution.script}"
        assert len(solution.folds) == len(solution.train_folds) == 2


def test_every_choice_at_once_runs(public, tmp_path):
    plan = Plan(
        folds=2,
        clip_outliers=True,
        scaling="quantile",
        log_skewed=True,
        categorical="target",
        orders=(("grade", ("poor", "fair", "good", "very good")),),
        frequencies=True,
        missing_flags=True,
        ratios=True,
        products=True,
        splines=True,
        row_statistics=True,
        clusters=True,
        reduction="pca",
        family="svm",
        class_weights=True,
        log_target=True,
        partners=("linear",),
        calibrate=True,
        clip_predictions=True,
    )
    scripts = [(name, render(plan, facts)) for name, facts in TASKS.items()]
    for solution in _run(scripts, public, tmp_path):
        assert solution.valid, solution.log


def test_a_script_repeats_itself_and_submits_in_the_samples_order(public, tmp_path):
    settings = {"categorical": "onehot", "rounds": 0, "capacity": -1, "folds": 2}
    plan = Plan(family="mlp", bag=True, partners=("boosting",), **settings)
    scripts = [(name, render(plan, facts)) for name, facts in TASKS.items()]
    once, again = (_run(scripts, public, tmp_path / run) for run in ("once", "again"))
    for number, (name, facts) in enumerate(TASKS.items()):
        assert once[number].folds == again[number].folds
        assert once[number].train_folds == again[number].train_folds
        first, second = (tmp_path / r / str(number) / "submission.csv" for r in ("once", "again"))
        assert first.read_bytes() == second.read_bytes()
        written = pd.read_csv(first)
        sample = pd.read_csv(public[name] / "sample_submission.csv")
        assert list(written.columns) == list(sample.columns)
        assert written["row"].tolist() == sample["row"].tolist()
        assert written.notna().all(axis=None)
        if name == "probabilities":
            sums = written[list(facts.prediction_columns)].sum(axis=1)
            np.testing.assert_allclose(sums, 1.0, rtol=0, atol=1e-12)
        if name == "labels":
            assert set(written["y"]) <= set(facts.classes)


def test_folds_are_paired_between_scripts():
    # The split reads nothing but the number of rows and the target, so that equal source is enough.
    plans = (Plan(), Plan(family="boosting", categorical="ordinal", scaling="power"))
    splits = []
    for plan in plans:
        script = render(plan, TASKS["labels"])
        lines = [line for line in script.splitlines() if line.startswith(("split =", "for fit"))]
        splits.append(lines)
    assert splits[0] == splits[1]
    assert "random_state=REPLICATE" in splits[0][0]


def test_following_the_top_suggestion_beats_the_draft(drafts, public, tmp_path):
    name, rng = "probabilities", np.random.default_rng(0)
    current, node = drafts[name], 0
    history = [_attempt(current.script)]
    for step in range(1, 5):
        brief = _brief(name, public, history=tuple(history))
        diagnosis = EXPERT.diagnose(brief, current, rng)
        ranked = [(s, s.strength * s.credence) for s in diagnosis.suggestions]
        edit = EXPERT.edit(brief, current, ranked, rng)
        (tried,) = _run([(name, edit.script)], public, tmp_path / str(step))
        gain = tried.score - current.score
        changes = {"parent": node, "applied": edit.applied, "gain": gain, "accepted": gain > 0}
        history.append(_attempt(edit.script, step, **changes))
        if gain > 0:
            current, node = tried, step
    gains = np.subtract(drafts[name].folds, current.folds)  # log loss, paired folds
    assert_exceeds(gains.mean(), 0.0, gains.std(ddof=1) / np.sqrt(len(gains)))


# Reading and diagnosing -------------------------------------------------------------------------


def _strengths(brief: Brief, parent: Solution) -> dict[str, tuple[float, float]]:
    diagnosis = EXPERT.diagnose(brief, parent, np.random.default_rng(0))
    return {s.statement: (s.strength, s.credence) for s in diagnosis.suggestions}


def test_the_order_of_levels_is_read_from_the_description(drafts, public):
    parent = drafts["values"]
    orders = read(_brief("values", public), parent).orders
    assert orders == (("grade", ("poor", "fair", "good", "very good")),)
    silent = _brief("values", public, description="- `grade`: poor, fair, good or very good")
    assert read(silent, parent).orders == ()
    partial = _brief("values", public, description="- `grade`: from poor to fair to good")
    assert read(partial, parent).orders == ()


def test_diagnoses_are_sorted_and_name_only_the_vocabulary(drafts, public):
    for name, parent in drafts.items():
        brief = _brief(name, public)
        diagnosis = EXPERT.diagnose(brief, parent, np.random.default_rng(0))
        weights = [s.strength * s.credence for s in diagnosis.suggestions]
        assert weights == sorted(weights, reverse=True)
        assert weights[0] > 0
        known = {d.statement for d in EXPERT.vocabulary(brief, parent)}
        assert {s.statement for s in diagnosis.suggestions} <= known
        assert all(s.evidence for s in diagnosis.suggestions)


def test_the_gap_decides_between_more_and_less_capacity(drafts, public):
    brief, facts = _brief("probabilities", public), TASKS["probabilities"]
    parent = _with(drafts["probabilities"], Plan(family="boosting"), facts)
    under = replace(parent, folds=(0.50,) * 5, train_folds=(0.49,) * 5)
    over = replace(parent, folds=(0.50,) * 5, train_folds=(0.05,) * 5)
    more, less = "Give the model more capacity", "Give the model less capacity"
    assert _strengths(brief, under)[more][0] > 0 > _strengths(brief, under)[less][0]
    assert _strengths(brief, over)[less][0] > 0 > _strengths(brief, over)[more][0]


def test_what_did_not_help_is_expected_to_help_less(drafts, public):
    parent, brief = drafts["values"], _brief("values", public)
    top = EXPERT.diagnose(brief, parent, np.random.default_rng(0)).suggestions[0]
    tried = Directive(statement=top.statement, component=top.component)
    failed = {"applied": (tried,), "accepted": False, "gain": -1.0}
    here = (_attempt(parent.script, 0), _attempt("x", 1, parent=0, **failed))
    elsewhere = (_attempt(parent.script, 0), _attempt("x", 2, parent=1, **failed))
    helped = (_attempt(parent.script, 0), _attempt("x", 1, applied=(tried,), gain=1.0))
    strength = {
        key: _strengths(_brief("values", public, history=history), parent)[top.statement][0]
        for key, history in (("here", here), ("elsewhere", elsewhere), ("helped", helped))
    }
    assert strength["helped"] == top.strength
    assert 0 < strength["here"] < strength["elsewhere"] < top.strength


def test_heavy_directives_are_believed_less_when_time_is_short(drafts, public):
    parent = replace(drafts["values"], seconds=40.0)
    statement = "Use gradient-boosted trees as the model"
    ample = _strengths(_brief("values", public, seconds_per_run=1e4), parent)[statement]
    short = _strengths(_brief("values", public, seconds_per_run=60.0), parent)[statement]
    assert short[0] == ample[0]
    assert short[1] < ample[1]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_KEYS = (
    "rows", "numeric_columns", "cardinality", "levels", "missing_share", "skew", "target_min",
    "class_shares", "class_errors", "worst_pair", "half_fold",
)  # fmt: skip


@pytest.mark.parametrize("key", _KEYS)
@pytest.mark.parametrize("value", [1e7, -1e7, 1e300, -1e300])
def test_numbers_beyond_all_sense_do_no_harm(key, value, drafts, public):
    for name in ("values", "probabilities"):
        parent = replace(drafts[name], feedback={key: value})
        diagnosis = EXPERT.diagnose(_brief(name, public), parent, np.random.default_rng(0))
        assert all(np.isfinite(s.strength) for s in diagnosis.suggestions)


@given(feedback=st.dictionaries(st.sampled_from(_KEYS), _JSON))
@example(feedback={"missing_share": 1e7})
def test_nonsense_in_the_feedback_does_no_harm(feedback, drafts, public):
    for name in ("values", "probabilities"):
        parent = replace(drafts[name], feedback=feedback)
        brief = _brief(name, public)
        diagnosis = EXPERT.diagnose(brief, parent, np.random.default_rng(0))
        assert all(np.isfinite(s.strength) for s in diagnosis.suggestions)


# Edits ------------------------------------------------------------------------------------------


def test_an_edit_carries_out_the_first_directive_that_is_new(drafts, public):
    parent, rng = drafts["values"], np.random.default_rng(0)
    vocabulary = EXPERT.vocabulary(_brief("values", public), parent)
    ranked = [(vocabulary[0], 2.0), (vocabulary[1], 1.0)]
    history: list[Attempt] = [_attempt(parent.script)]
    for expected in vocabulary[:2]:
        brief = _brief("values", public, history=tuple(history))
        edit = EXPERT.edit(brief, parent, ranked, rng)
        assert edit.applied == (expected,)
        assert edit.script != parent.script
        history.append(_attempt(edit.script))
    with pytest.raises(NoEdit, match="none of the 2 ranked"):
        EXPERT.edit(_brief("values", public, history=tuple(history)), parent, ranked, rng)


def test_an_edit_that_cannot_be_done_says_why(drafts, public):
    parent, brief, rng = drafts["values"], _brief("values", public), np.random.default_rng(0)
    odd = Directive(statement="Use gradient boosted tree as model", component="model")
    with pytest.raises(NoEdit, match="nearest it knows is 'Use gradient-boosted trees"):
        EXPERT.edit(brief, parent, [(odd, 1.0)], rng)
    with pytest.raises(NoEdit, match="no directive was ranked"):
        EXPERT.edit(brief, parent, [], rng)


def test_statements_are_recognised_up_to_case_and_stops(drafts, public):
    loud = Directive(statement="USE NEAREST NEIGHBOURS AS THE MODEL.", component="model")
    brief, rng = _brief("values", public), np.random.default_rng(0)
    edit = EXPERT.edit(brief, drafts["values"], [(loud, 1.0)], rng)
    assert Plan.from_script(edit.script).family == "knn"


def test_improve_draws_uniformly_from_the_vocabulary(drafts, public):
    parent, brief, rng = drafts["labels"], _brief("labels", public), np.random.default_rng(5)
    names = [d.statement for d in EXPERT.vocabulary(brief, parent)]
    edits = [EXPERT.improve(brief, parent, rng) for _ in range(20 * len(names))]
    draws = [edit.applied[0].statement for edit in edits]
    counts = [draws.count(name) for name in names]
    assert sum(counts) == len(draws)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_improve_stops_when_everything_was_tried(drafts, public):
    parent, rng = drafts["labels"], np.random.default_rng(0)
    history = [_attempt(parent.script)]
    size = len(EXPERT.vocabulary(_brief("labels", public), parent))
    for _ in range(size):
        brief = _brief("labels", public, history=tuple(history))
        history.append(_attempt(EXPERT.improve(brief, parent, rng).script))
    assert len({a.script_digest for a in history}) == size + 1
    with pytest.raises(NoEdit, match="tried"):
        EXPERT.improve(_brief("labels", public, history=tuple(history)), parent, rng)


@given(
    paths=st.tuples(*(st.lists(st.integers(0, len(CATALOGUE) - 1), max_size=8),) * 2),
    seed=st.integers(0, 2**16),
)
def test_a_crossover_takes_every_part_from_one_of_its_parents(paths, seed, drafts, public):
    brief, facts = _brief("values", public), TASKS["values"]
    reading = read(brief, drafts["values"])
    plans = [Plan(), Plan(family="boosting")]
    for i, path in enumerate(paths):
        for index in path:
            plans[i] = CATALOGUE[index].apply(plans[i], reading) or plans[i]
    one, two = (_with(drafts["values"], plan, facts) for plan in plans)
    try:
        edit = EXPERT.crossover(brief, one, two, np.random.default_rng(seed))
    except NoEdit:  # equal, or they differ in one part
        assert sum(getattr(plans[0], f) != getattr(plans[1], f) for f in Plan.model_fields) < 6
        return
    child = Plan.from_script(edit.script)
    assert child not in plans
    for name in Plan.model_fields:
        assert getattr(child, name) in {getattr(plan, name) for plan in plans} or (
            name == "partners" and child.family not in child.partners
        )
    model = MODEL
    assert tuple(getattr(child, name) for name in model) in {
        tuple(getattr(plan, name) for name in model) for plan in plans
    }


def test_what_a_crossover_applies_leads_from_the_first_parent_to_the_child(drafts, public):
    """By hand: a linear plan and one of boosting, with three parts of which they differ."""
    facts, brief = TASKS["labels"], _brief("labels", public)
    plans = [Plan(scaling="power"), Plan(family="boosting", capacity=2, ratios=True)]
    parents = [_with(drafts["labels"], plan, facts) for plan in plans]
    children = set()
    for seed in range(40):
        edit = EXPERT.crossover(brief, *parents, np.random.default_rng(seed))
        child = Plan.from_script(edit.script)
        expected = {}
        if child.family == "boosting":
            expected["Use gradient-boosted trees as the model"] = 1.0
            expected["Give the model more capacity"] = 2.0
        if child.ratios:
            expected["Add ratios of the strongest numeric columns"] = 1.0
        if child.scaling == "standard":
            expected["Scale numeric columns to zero mean and unit variance"] = 1.0
        statements = [directive.statement for directive in edit.applied]
        assert dict(zip(statements, edit.amounts, strict=True)) == expected
        children.add(child)
    assert len(children) == 2**3 - 2


def test_a_crossover_is_new_until_every_combination_was_run(drafts, public):
    facts, rng = TASKS["labels"], np.random.default_rng(1)
    plans = [Plan(scaling="power", calibrate=True), Plan(family="knn", ratios=True)]
    one, two = (_with(drafts["labels"], plan, facts) for plan in plans)
    history = [_attempt(one.script), _attempt(two.script)]
    for _ in range(2**4 - 2):
        brief = _brief("labels", public, history=tuple(history))
        history.append(_attempt(EXPERT.crossover(brief, one, two, rng).script))
    assert len({a.script_digest for a in history}) == 2**4
    with pytest.raises(NoEdit, match="every combination"):
        EXPERT.crossover(_brief("labels", public, history=tuple(history)), one, two, rng)
    with pytest.raises(NoEdit, match="same plan"):
        EXPERT.crossover(_brief("labels", public), one, one, rng)


def test_a_crossover_that_failed_says_nothing_of_its_directives(drafts, public):
    parent = drafts["values"]
    before = EXPERT.diagnose(_brief("values", public), parent, np.random.default_rng(0))
    tried = tuple(
        Directive(statement=s.statement, component=s.component) for s in before.suggestions[:2]
    )
    attempt = _attempt("x", 1, operator="CROSSOVER", applied=tried, accepted=False, gain=-1.0)
    brief = _brief("values", public, history=(_attempt(parent.script), attempt))
    assert EXPERT.diagnose(brief, parent, np.random.default_rng(0)) == before
    brief = replace(brief, history=(brief.history[0], replace(attempt, operator="IMPROVE")))
    assert EXPERT.diagnose(brief, parent, np.random.default_rng(0)) != before


def test_the_first_draft_is_plain_and_later_ones_differ(public):
    rng = np.random.default_rng(0)
    history: list[Attempt] = []
    for _ in range(5):
        brief = _brief("values", public, history=tuple(history))
        history.append(_attempt(EXPERT.draft(brief, rng).script))
    assert len({a.script_digest for a in history}) == 5
    first = [EXPERT.draft(_brief("values", public), np.random.default_rng(s)) for s in range(3)]
    assert {script_digest(edit.script) for edit in first} == {history[0].script_digest}
    assert Plan.from_script(first[0].script) == Plan()


# Repairs ----------------------------------------------------------------------------------------


def test_a_timeout_is_answered_by_something_faster(drafts, public):
    facts, rng = TASKS["probabilities"], np.random.default_rng(0)
    heavy = Plan(family="boosting", rounds=3, bag=True, partners=("mlp",), calibrate=True)
    parent = Solution(render(heavy, facts), valid=False, failure="timeout: 60 s of wall time")
    history: list[Attempt] = []
    costs = [cost(heavy, facts, 1000)]
    for _ in range(4):
        brief = _brief("probabilities", public, history=tuple(history))
        edit = EXPERT.debug(brief, parent, rng)
        costs.append(cost(Plan.from_script(edit.script), facts, 1000))
        history.append(_attempt(edit.script, valid=False))
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0] / 20


@pytest.mark.parametrize(
    ("ending", "note"),
    [
        ("while True: pass", "ran out of time"),
        ("while True: time.sleep(1)", "ran out of time"),
        ("np.ones(10**12)", "ran out of memory"),
        ("raise ValueError('no CPU time left, it timed out')", "failed"),
    ],
)
def test_what_the_sandbox_says_of_a_failure_is_understood(ending, note, public, tmp_path):
    plan = Plan(family="boosting", rounds=3, categorical="onehot", ratios=True)
    script = "import time\nimport numpy as np\n" + ending
    limits = Limits(wall_seconds=4.0, cpu_seconds=2.0)
    execution = ProcessSandbox().run(script, tmp_path / "work", public["values"], limits)
    assert execution.outcome != "ok"
    carried = render(plan, TASKS["values"])
    parent = Solution(carried, valid=False, failure=execution.reason, log=execution.stderr)
    edit = EXPERT.debug(_brief("values", public), parent, np.random.default_rng(0))
    assert edit.note.startswith(note), execution


@pytest.mark.parametrize("failure", ["exit code 1", "memory limit", "timeout"])
def test_repairs_end_at_the_baseline_and_then_stop(failure, public):
    facts, rng = TASKS["values"], np.random.default_rng(0)
    plan = Plan(family="mlp", ratios=True, reduction="pca", categorical="target", log_target=True)
    script = render(plan, facts)
    parent = Solution(script, valid=False, failure=failure, log="ValueError: infinity")
    history = [_attempt(script, valid=False)]
    plans = []
    while Plan(categorical="onehot") not in plans:
        edit = EXPERT.debug(_brief("values", public, history=tuple(history)), parent, rng)
        plans.append(Plan.from_script(edit.script))
        history.append(_attempt(edit.script, valid=False))
    with pytest.raises(NoEdit, match="nothing simpler"):
        EXPERT.debug(_brief("values", public, history=tuple(history)), parent, rng)
    assert len(set(history)) == len(history) == len(plans) + 1
    assert plan not in plans


def test_a_working_script_is_not_repaired(drafts, public):
    with pytest.raises(NoEdit, match="did not fail"):
        EXPERT.debug(_brief("values", public), drafts["values"], np.random.default_rng(0))


# The scripted reasoner --------------------------------------------------------------------------


def test_scripted_replays_in_order_and_says_when_it_runs_out():
    diagnosis, edit = Diagnosis(summary="s"), Edit(script="print(1)")
    reasoner = Scripted([edit, diagnosis, NoEdit("nothing left"), edit])
    assert isinstance(reasoner, Reasoner)
    assert reasoner.draft(None, None) is edit
    with pytest.raises(OutOfScript, match="`edit` needs Edit, but reply 2 of 4 is Diagnosis"):
        reasoner.edit(None, None, (), None)
    assert reasoner.diagnose(None, None, None) is diagnosis
    with pytest.raises(NoEdit, match="nothing left"):
        reasoner.improve(None, None, None)
    assert reasoner.remaining == 1
    assert reasoner.debug(None, None, None) is edit
    with pytest.raises(OutOfScript, match="all of its 4 replies"):
        reasoner.diagnose(None, None, None)


def test_importing_the_reasoners_loads_no_learning_library():
    code = "import sys, gome_agent.reasoners; print({'sklearn', 'pandas'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
