"""What the expert reads and does about it: on made-up tables where it must help, for real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings, strategies as st

from gome_agent.reasoners import Brief, Expert, Solution
from gome_agent.reasoners.expert import Plan, render
from gome_agent.reasoners.expert.directives import CATALOGUE
from gome_agent.reasoners.expert.plan import Family
from gome_agent.reasoners.expert.reading import read
from gome_agent.reasoners.expert.repair import repairs
from gome_agent.tasks import metrics
from gome_agent.tasks.base import TaskFacts
from tests.gome_agent.scripts import run_scripts

EXPERT = Expert()
VALUES = TaskFacts(
    name="made", title="A made-up table", kind="regression", metric=metrics.RMSE,
    id_column="row", target="y", prediction_columns=("y",),
)  # fmt: skip
CHANCES = replace(
    VALUES, kind="multiclass", metric=metrics.LOG_LOSS,
    prediction_columns=("a", "b", "c"), classes=("a", "b", "c"),
)  # fmt: skip
Columns = dict[str, object]


def _folder(facts: TaskFacts, columns: Columns, y: object, where: Path) -> Path:
    """Public files of a table; the last fifth of the rows is the test set."""
    table = pd.DataFrame({"row": np.arange(len(np.asarray(y))), **columns, "y": y})
    cut = len(table) * 4 // 5
    train, test = table[:cut], table[cut:].drop(columns="y")
    sample = test[["row"]].assign(**dict.fromkeys(facts.prediction_columns, 0))
    where.mkdir(parents=True)
    for name, part in (("train", train), ("test", test), ("sample_submission", sample)):
        part.to_csv(where / f"{name}.csv", index=False)
    return where


def _brief(facts: TaskFacts, public: Path) -> Brief:
    return Brief(facts, "", public, steps_left=10, seconds_per_run=600.0)


# Edits that must help ---------------------------------------------------------------------------


def _dates(rng: np.random.Generator, n: int = 300) -> tuple[Columns, np.ndarray]:
    days = pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 1500, n), "D")
    y = np.where(days.day_of_week >= 5, 3.0, 0.0) + rng.normal(scale=0.3, size=n)
    return {"when": days.strftime("%Y-%m-%d"), "x": rng.normal(size=n)}, y


def _texts(rng: np.random.Generator, n: int = 300) -> tuple[Columns, np.ndarray]:
    words = np.array(["fine", "plain", "broken", "shiny", "heavy", "cheap"])
    drawn = rng.integers(0, 6, (n, 5))
    y = 2.0 * (drawn == 2).any(axis=1) + rng.normal(scale=0.3, size=n)
    return {"note": [" ".join(words[row]) for row in drawn], "x": rng.normal(size=n)}, y


def _crossed(rng: np.random.Generator, n: int = 300) -> tuple[Columns, np.ndarray]:
    one, two = rng.choice(list("pq"), n), rng.choice(list("uv"), n)
    y = 2.0 * ((one == "p") == (two == "u")) + rng.normal(scale=0.3, size=n)
    return {"one": one, "two": two, "x": rng.normal(size=n)}, y


def _rich(rng: np.random.Generator, n: int = 800) -> tuple[Columns, np.ndarray]:
    levels = rng.integers(0, 30, n)
    y = rng.normal(size=30)[levels] * 2 + rng.normal(scale=0.3, size=n)
    return {"shop": [f"s{i:02d}" for i in levels], "x": rng.normal(size=n)}, y


def _missing(rng: np.random.Generator, n: int = 300) -> tuple[Columns, np.ndarray]:
    """Filled with the median, what is missing cannot be told from the most common value."""
    x = rng.integers(0, 3, n).astype(float)
    y = 3.0 * (rng.random(n) < 0.3) + rng.normal(scale=0.3, size=n)
    return {"x": np.where(y > 1.5, np.nan, x), "z": rng.normal(size=n)}, y


def _named(rng: np.random.Generator, n: int = 200) -> tuple[Columns, np.ndarray]:
    x = rng.normal(size=n)
    names = [f"n{i}" for i in rng.permutation(10 * n)[:n]]
    return {"x": x, "name": names}, np.sin(2 * x) + rng.normal(scale=0.1, size=n)


def _noisy(rng: np.random.Generator, n: int = 250) -> tuple[Columns, np.ndarray]:
    x = rng.normal(size=(n, 8))
    return {f"x{i}": x[:, i] for i in range(8)}, x[:, 0] + rng.normal(scale=2.0, size=n)


def _irrelevant(rng: np.random.Generator, n: int = 250) -> tuple[Columns, np.ndarray]:
    x = rng.normal(size=(n, 8))
    return {f"x{i}": x[:, i] for i in range(8)}, np.sin(2 * x[:, 0])


def _bent(rng: np.random.Generator, n: int = 120) -> tuple[Columns, np.ndarray]:
    x = rng.uniform(-3, 3, size=(n, 2))
    y = np.sin(2 * x[:, 0]) * x[:, 1] + rng.normal(scale=0.1, size=n)
    return {"x": x[:, 0], "z": x[:, 1]}, y


def _wide(rng: np.random.Generator, n: int = 1500) -> tuple[Columns, np.ndarray]:
    return {"x": rng.normal(size=n), "z": rng.normal(size=n)}, rng.normal(size=n)


def _plain(rng: np.random.Generator, n: int = 120) -> tuple[Columns, np.ndarray]:
    x = rng.normal(size=n)
    return {"x": x}, x + rng.normal(scale=0.1, size=n)


@dataclass(frozen=True)
class Case:
    """A directive, a table on which it must help, and one to which it must not apply."""

    statement: str
    table: Callable[[np.random.Generator], tuple[Columns, np.ndarray]]
    parent: Plan
    elsewhere: Callable[[np.random.Generator], tuple[Columns, np.ndarray]] | None = None


_BOOSTED = Plan(family="boosting", categorical="onehot", rounds=0, folds=3)
_OVERFIT = Plan(family="boosting", rounds=2, rate=2, capacity=1, folds=3)
_LINEAR = Plan(categorical="onehot", folds=3)
CASES = (
    Case("Turn dates into year, month, weekday and elapsed days", _dates, _BOOSTED, _plain),
    Case("Turn texts into the main directions of their tf-idf", _texts, _LINEAR, _plain),
    Case("Cross the strongest categorical columns with each other", _crossed, _LINEAR, _plain),
    Case(
        "Let boosted trees split off sets of categories", _rich,
        _BOOSTED.change(categorical="ordinal", capacity=-2), _plain,
    ),
    Case("Leave missing numbers to the boosted trees", _missing, _BOOSTED, _plain),
    Case(
        "Leave out columns that name rows or never change", _named,
        Plan(family="knn", categorical="ordinal", folds=3), _plain,
    ),
    Case("Leave out columns that the model does not use", _irrelevant, Plan(family="knn", folds=3)),
    Case("Take smaller steps in boosting", _noisy, _OVERFIT),
    Case("Shrink the leaves of boosted trees more", _noisy, _OVERFIT.change(l2=1)),
    Case(
        "Let a split of boosted trees choose among fewer columns", _noisy,
        _OVERFIT.change(columns=-1),
    ),
    Case(
        "Stop training when rows that are held back are no longer predicted better",
        _noisy, _OVERFIT,
    ),
    Case("Use a Gaussian process as the model", _bent, _LINEAR, _wide),
    Case("Use a linear model on a sampled radial kernel as the model", _bent, _LINEAR),
    Case(
        "Weigh the members of the ensemble by what they predict out of fold", _bent,
        Plan(family="gp", partners=("linear",), folds=3), _plain,
    ),
    Case(
        "Stack the members of the ensemble under a linear model", _bent,
        Plan(family="gp", partners=("linear",), folds=3), _plain,
    ),
    Case(
        "Average models that are trained from different seeds", _noisy,
        Plan(family="mlp", rounds=3, capacity=2, folds=3),
    ),
)  # fmt: skip


def _entry(statement: str):
    return next(entry for entry in CATALOGUE if entry.directive.statement == statement)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Brief, Solution]]:
    """Of every case the parent, run."""
    folder = tmp_path_factory.mktemp("cases")
    briefs = {}
    for number, case in enumerate(CASES):
        columns, y = case.table(np.random.default_rng(number))
        briefs[case.statement] = _brief(VALUES, _folder(VALUES, columns, y, folder / f"p{number}"))
    jobs = [(VALUES, render(c.parent, VALUES), briefs[c.statement].public) for c in CASES]
    parents = run_scripts(jobs, folder / "parents")
    for parent in parents:
        assert parent.valid, parent.log
    return {c.statement: (briefs[c.statement], p) for c, p in zip(CASES, parents, strict=True)}


def test_every_edit_helps_where_it_must(shown, tmp_path):
    jobs = []
    for case in CASES:
        brief, parent = shown[case.statement]
        changed = _entry(case.statement).apply(case.parent, read(brief, parent))
        assert changed is not None, case.statement
        jobs.append((VALUES, render(changed, VALUES), brief.public))
    gains = {}
    for case, child in zip(CASES, run_scripts(jobs, tmp_path / "children"), strict=True):
        assert child.valid, child.log
        gains[case.statement] = child.score - shown[case.statement][1].score
    assert not {statement: gain for statement, gain in gains.items() if gain <= 0}


def test_every_edit_that_helps_is_told(shown):
    for case in CASES:
        brief, parent = shown[case.statement]
        told = EXPERT.diagnose(brief, parent, np.random.default_rng(0)).suggestions
        strengths = {s.statement: s.strength for s in told}
        # Early stopping and stacking are told only where their price seems worth it.
        if not case.statement.startswith(("Stop training", "Stack")):
            assert strengths[case.statement] > 0, case.statement


def test_no_edit_applies_where_it_has_nothing_to_do(tmp_path):
    cases = [case for case in CASES if case.elsewhere]
    tables = dict.fromkeys(case.elsewhere for case in cases)
    jobs = []
    for number, table in enumerate(tables):
        columns, y = table(np.random.default_rng(number))
        public = _folder(VALUES, columns, y, tmp_path / f"p{number}")
        jobs.append((VALUES, render(Plan(folds=3), VALUES), public))
    solutions = run_scripts(jobs, tmp_path / "runs")
    found = dict(zip(tables, zip(jobs, solutions, strict=True), strict=True))
    for case in cases:
        (_, _, public), parent = found[case.elsewhere]
        vocabulary = EXPERT.vocabulary(_brief(VALUES, public), parent)
        assert case.statement not in {directive.statement for directive in vocabulary}


# Reading ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory):
    """A linear model's reading of tables with one kind of structure each."""
    rng, n = np.random.default_rng(7), 600
    x, noise = rng.uniform(0, 3, n), rng.normal(size=n)
    drift = np.cumsum(rng.normal(size=n)) / 5
    tables = {
        "bent": ({"x": x, "z": rng.normal(size=n)}, (x - 1.5) ** 2 + 0.1 * noise),
        "straight": ({"x": x, "z": rng.normal(size=n)}, x + 0.1 * noise),
        "spread": ({"x": x, "z": rng.normal(size=n)}, x + 0.5 * x * noise),
        "drift": ({"x": x, "z": rng.normal(size=n)}, x + drift + 0.1 * noise),
    }
    folder = tmp_path_factory.mktemp("readings")
    publics = {k: _folder(VALUES, c, y, folder / k) for k, (c, y) in tables.items()}
    jobs = [(VALUES, render(Plan(folds=3), VALUES), public) for public in publics.values()]
    solutions = run_scripts(jobs, folder / "runs")
    briefs = {k: _brief(VALUES, public) for k, public in publics.items()}
    return {k: (briefs[k], s, read(briefs[k], s)) for k, s in zip(publics, solutions, strict=True)}


def test_residuals_tell_which_column_is_bent(readings):
    (column, share), *_ = readings["bent"][2].clues
    assert column == "x"
    assert share > 0.5
    assert readings["straight"][2].clue < 0.1
    told = {
        name: {
            s.statement: s.strength for s in EXPERT.diagnose(*readings[name][:2], None).suggestions
        }
        for name in ("bent", "straight")
    }
    splines = "Expand numeric columns into splines"
    assert told["bent"][splines] > told["straight"][splines] + 0.1


def test_residuals_tell_spread_and_dependent_rows(readings):
    assert readings["spread"][2].spread > 0.3 > abs(readings["straight"][2].spread)
    assert readings["drift"][2].lag > 0.5 > 0.2 > abs(readings["straight"][2].lag)
    brief, parent, _ = readings["drift"]
    summary = EXPERT.diagnose(brief, parent, np.random.default_rng(0)).summary
    assert "neighbouring rows" in summary


def test_importance_and_the_learning_curve(readings):
    reading = readings["straight"][2]
    losses = dict(reading.importance)
    assert losses["x"] > 100 * abs(losses["z"])
    parent = readings["straight"][1]
    assert [share for share, _ in parent.feedback["learning_curve"]] == [0.25, 0.5, 1.0]
    assert reading.memory > 50
    assert not reading.torch or find_spec("torch")


def test_the_half_fold_of_old_reports_is_read(readings):
    brief, parent, _ = readings["straight"]
    old = replace(parent, folds=(1.0, 1.0), feedback={"half_fold": 1.5})
    assert read(brief, old).hunger == pytest.approx(0.5)
    new = replace(old, feedback={"learning_curve": [[0.25, 3.0], [0.5, 1.5], [1.0, 1.0]]})
    assert (read(brief, new).early_hunger, read(brief, new).hunger) == pytest.approx((2.0, 0.5))


# Plans ------------------------------------------------------------------------------------------


def test_old_plans_are_read():
    old = 'plan: {"family":"boosting","bag":true,"partner":"mlp"}'
    assert Plan.from_script(old) == Plan(family="boosting", bag=True, partners=("mlp",))
    assert Plan.from_script('plan: {"partner":"none"}') == Plan()


_FAMILIES = get_args(Family)
_PLANS = st.builds(
    Plan,
    missing=st.sampled_from(["median", "mean", "constant", "keep"]),
    categorical=st.sampled_from(["drop", "onehot", "ordinal", "target", "native"]),
    scaling=st.sampled_from(["none", "standard", "power", "quantile"]),
    dates=st.sampled_from([(), ("when",)]),
    texts=st.sampled_from([(), ("note",)]),
    drop=st.sampled_from([(), ("one",), ("note", "when")]),
    crosses=st.sampled_from([(), (("one", "two"),)]),
    clusters=st.booleans(),
    reduction=st.sampled_from(["none", "select", "pca"]),
    family=st.sampled_from(_FAMILIES),
    capacity=st.integers(-2, 2),
    regularisation=st.integers(-2, 2),
    rate=st.integers(-2, 2),
    l2=st.integers(-2, 2),
    columns=st.integers(-2, 0),
    rounds=st.just(0),
    early_stopping=st.booleans(),
    bag=st.booleans(),
    seeds=st.booleans(),
    partners=st.lists(st.sampled_from(_FAMILIES), max_size=3).map(tuple),
    blend=st.sampled_from(["mean", "weights", "stack"]),
    calibrate=st.booleans(),
    log_target=st.booleans(),
    folds=st.just(2),
)


@given(plan=_PLANS, facts=st.sampled_from([VALUES, CHANCES]))
def test_every_plan_is_a_program_that_carries_it(plan, facts):
    script = render(plan, facts)
    compile(script, "solution.py", "exec")
    assert Plan.from_script(script) == plan


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A table of every kind of column, for both facts."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("mixed")
    columns = _dates(rng, 150)[0] | _texts(rng, 150)[0] | _crossed(rng, 150)[0]
    columns["gaps"] = np.where(rng.random(150) < 0.2, np.nan, rng.normal(size=150))
    y = np.abs(columns["x"]) + (columns["one"] == "p")
    labels = np.array(list("abc"))[pd.qcut(y, 3, labels=False)]
    return {
        "regression": _folder(VALUES, columns, y, folder / "values"),
        "multiclass": _folder(CHANCES, columns, labels, folder / "chances"),
    }


# Scripts take a second each: the failing plan is shown as it was drawn.
@pytest.mark.slow
@settings(max_examples=6, deadline=None, phases=(Phase.generate,), derandomize=True)
@given(plan=_PLANS, facts=st.sampled_from([VALUES, CHANCES]))
def test_plans_drawn_at_random_run(plan, facts, mixed, tmp_path_factory):
    if "torch" in (plan.family, *plan.partners) and not find_spec("torch"):
        plan = plan.change(family="linear", partners=())
    job = (facts, render(plan, facts), mixed[facts.kind])
    (solution,) = run_scripts([job], tmp_path_factory.mktemp("drawn"))
    assert solution.valid, f"{plan.to_line()}\n{solution.log}"


# Repairs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "plan", "fields"),
    [
        ("ModuleNotFoundError: No module named 'torch'", Plan(family="torch"), {"family": "mlp"}),
        (
            "ModuleNotFoundError: No module named 'torch'",
            Plan(family="boosting", partners=("torch", "linear")),
            {"family": "boosting", "partners": ("linear",)},
        ),
        ("ValueError: Input X contains NaN.", Plan(missing="keep"), {"missing": "median"}),
        (
            "ValueError: The least populated class in y has only 1 member",
            Plan(calibrate=True, early_stopping=True),
            {"calibrate": False, "early_stopping": False},
        ),
        ("ValueError: empty vocabulary; perhaps", Plan(texts=("t",)), {"texts": ()}),
        (
            "ValueError: could not convert string to float: 'red'",
            Plan(categorical="ordinal"),
            {"categorical": "onehot"},
        ),
        (
            "ValueError: Found unknown categories ['x'] in column 0 during transform",
            Plan(categorical="target"),
            {"categorical": "onehot"},
        ),
        (
            "ValueError: operands could not be broadcast together with shapes (3,) (4,)",
            Plan(products=True, reduction="pca"),
            {"products": False},
        ),
    ],
)
def test_a_failure_is_repaired_by_what_it_names(failure, plan, fields):
    script = render(plan, VALUES)
    parent = Solution(script, valid=False, failure="exit code 1", log=f"Traceback\n{failure}")
    note, first = next(iter(repairs(plan, parent)))
    assert first == plan.change(**fields)
    assert note.startswith("failed, ")


FAILING = (
    (VALUES, Plan(log_target=True, folds=2), "numbers are missing"),
    (VALUES, Plan(texts=("one",), folds=2), "words without a vocabulary"),
    (VALUES, Plan(drop=("absent",), folds=2), "a category is not known"),
    (CHANCES, Plan(calibrate=True, folds=2), "too few rows of a class"),
    (VALUES, Plan(family="torch", folds=2), "a package is missing"),
)


def test_what_really_fails_is_repaired_and_runs(tmp_path):
    rng = np.random.default_rng(0)
    columns, y = _crossed(rng, 100)
    labels = np.array(["a", "b"])[(y > 1).astype(int)]
    labels[:2] = "c"
    publics = {
        "regression": _folder(VALUES, columns, y - 5.0, tmp_path / "values"),
        "multiclass": _folder(CHANCES, columns, labels, tmp_path / "chances"),
    }
    failing = [case for case in FAILING if case[1].family != "torch" or not find_spec("torch")]
    jobs = [(facts, render(plan, facts), publics[facts.kind]) for facts, plan, _ in failing]
    broken = run_scripts(jobs, tmp_path / "broken")
    fixed = []
    for (facts, _, cause), parent in zip(failing, broken, strict=True):
        assert not parent.valid
        edit = EXPERT.debug(_brief(facts, publics[facts.kind]), parent, np.random.default_rng(0))
        assert cause in edit.note, f"{edit.note}: {parent.log}"
        fixed.append((facts, edit.script, publics[facts.kind]))
    for solution in run_scripts(fixed, tmp_path / "fixed"):
        assert solution.valid, solution.log
