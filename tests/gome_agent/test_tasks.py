"""Bundled tasks: every rule of the `Task` contract against every task, and the medal rule."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import spearmanr
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from gome_agent import tasks
from gome_agent.tasks import leaderboards, medals, metrics, submission
from gome_agent.tasks.base import InvalidSubmission, Metric, Task, TaskFacts
from gome_agent.tasks.bundled import BundledTask, published
from gome_agent.tasks.catalogue import RECIPES
from gome_agent.tasks.leaderboards import make

PUBLIC = ["description.md", "sample_submission.csv", "test.csv", "train.csv"]


@pytest.fixture(scope="module", params=tasks.names())
def task(request: pytest.FixtureRequest) -> BundledTask:
    loaded = tasks.load(request.param)
    assert isinstance(loaded, BundledTask)
    return loaded


@pytest.fixture(scope="module")
def public(task: BundledTask, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(task.facts.name) / "new" / "public"
    task.prepare(folder)
    return folder


@pytest.fixture
def sample(public: Path) -> pd.DataFrame:
    return pd.read_csv(public / "sample_submission.csv")


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def perfect(task: BundledTask, sample: pd.DataFrame) -> pd.DataFrame:
    """The sample filled with the private answers."""
    best = sample.copy()
    answers = task.split.answers
    if len(task.facts.prediction_columns) == 1:
        return best.assign(**{task.facts.target: answers})
    for column, label in zip(task.facts.prediction_columns, task.facts.classes, strict=True):
        best[column] = (answers.astype(str) == label).astype(float)
    return best


def first_draft(task: BundledTask, public: Path) -> pd.DataFrame:
    """Ridge or logistic regression with one-hot categories and median imputation."""
    facts = task.facts
    train, test = pd.read_csv(public / "train.csv"), pd.read_csv(public / "test.csv")
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    model = Ridge() if facts.kind == "regression" else LogisticRegression(max_iter=500)
    pipeline = make_pipeline(columns, model)
    pipeline.fit(train.drop(columns=[facts.id_column, facts.target]), train[facts.target])
    features = test.drop(columns=facts.id_column)
    if facts.metric.predicts != "probability":
        outputs = pipeline.predict(features)
    else:
        outputs = pipeline.predict_proba(features)[:, -len(facts.prediction_columns) :]
    if facts.metric.predicts == "value":
        outputs = np.maximum(outputs, 0)
    table = pd.DataFrame(outputs, columns=list(facts.prediction_columns))
    table.insert(0, facts.id_column, test[facts.id_column])
    return table


# The contract, over all tasks.


def test_is_a_task(task: BundledTask) -> None:
    assert isinstance(task, Task)
    facts = task.facts
    assert (facts.kind == "regression") == (facts.classes == ())
    if len(facts.prediction_columns) > 1:
        assert len(facts.prediction_columns) == len(facts.classes)
    assert "licen" in facts.source.lower() or "MIT" in facts.source or "BSD" in facts.source


def test_prepare_is_deterministic_and_idempotent(
    task: BundledTask, public: Path, tmp_path: Path
) -> None:
    before = digests(public)
    assert sorted(before) == PUBLIC
    task.prepare(public)
    assert digests(public) == before
    BundledTask(task.recipe).prepare(tmp_path)  # A new object: nothing is cached.
    assert digests(tmp_path) == before


def test_files_have_the_shape_the_description_tells(task: BundledTask, public: Path) -> None:
    train, test = pd.read_csv(public / "train.csv"), pd.read_csv(public / "test.csv")
    facts, text = task.facts, (public / "description.md").read_text(encoding="utf-8")
    assert text == task.description
    assert f"{len(train)} rows" in text
    assert f"{len(test)} rows" in text
    assert [name for name in train.columns if name != facts.target] == list(test.columns)
    assert not set(train[facts.id_column]) & set(test[facts.id_column])
    ids = pd.concat([train, test])[facts.id_column]
    assert ids.is_unique
    assert all(column.split("_")[0] in text for column in test.columns)


def test_public_files_do_not_tell_answers(task: BundledTask, public: Path) -> None:
    facts, answers = task.facts, task.split.answers
    test = pd.read_csv(public / "test.csv")
    sample = pd.read_csv(public / "sample_submission.csv")
    assert facts.target not in test.columns
    assert len(sample.drop(columns=facts.id_column).drop_duplicates()) == 1
    # Neither position nor id carries the target: rank correlations within 4 standard errors of 0.
    codes = pd.Series(pd.factorize(answers, sort=True)[0])
    for carrier in (pd.Series(np.arange(len(test))), test[facts.id_column]):
        assert abs(np.asarray(spearmanr(carrier, codes))[0]) < 4 / math.sqrt(len(test) - 1)


def test_split_is_stratified_by_class(task: BundledTask) -> None:
    if task.facts.kind == "regression":
        pytest.skip("Only classification is stratified.")
    train = task.split.train[task.facts.target].value_counts(normalize=True)
    test = task.split.answers.value_counts(normalize=True)
    allowed = 1.5 / len(task.split.answers) + 1.5 / len(task.split.train)
    assert ((train - test).abs() < allowed).all()


def test_sample_submission_is_valid_and_poor(task: BundledTask, public: Path) -> None:
    task.check(public / "sample_submission.csv")
    grade = task.grade(public / "sample_submission.csv")
    assert math.isfinite(grade.score)
    assert grade.medal == "none"
    assert not grade.above_median


def test_perfect_submission_is_first_and_gold(
    task: BundledTask, sample: pd.DataFrame, tmp_path: Path
) -> None:
    perfect(task, sample).to_csv(tmp_path / "s.csv", index=False)
    grade = task.grade(tmp_path / "s.csv")
    best = 1.0 if task.facts.metric.higher_is_better else 0.0
    assert grade.score == pytest.approx(best, abs=1e-12)
    assert (grade.medal, grade.rank, grade.above_median) == ("gold", 1, True)


def test_first_draft_lies_between_sample_and_gold(
    task: BundledTask, public: Path, tmp_path: Path
) -> None:
    first_draft(task, public).to_csv(tmp_path / "s.csv", index=False)
    draft, utility = task.grade(tmp_path / "s.csv"), task.facts.metric.utility
    sample = task.grade(public / "sample_submission.csv")
    assert utility(sample.score) < utility(draft.score) < utility(draft.thresholds["gold"])
    assert draft.medal in ("bronze", "none")  # There is room to improve.


def test_sealed_folders_hold_the_raw_data_of_all_tasks(task: BundledTask) -> None:
    assert all(folder.is_dir() for folder in task.sealed)
    held = {path.name for folder in task.sealed for path in folder.iterdir()}
    assert {"digits.csv.gz", "diamonds.csv", "txhousing.csv", "randhie.csv"} <= held


def test_leaderboard_is_of_these_data(task: BundledTask) -> None:
    board = leaderboards.read(task.facts.name)
    utilities = [task.facts.metric.utility(score) for score in task.leaderboard]
    assert utilities == sorted(utilities, reverse=True)
    assert len(utilities) == len(set(board.pipelines)) == int(board.made["teams"])
    assert board.made["metric"] == task.facts.metric.name


def test_leaderboard_row_made_again_scores_the_same(task: BundledTask, public: Path) -> None:
    """The committed scores are what the script makes: its first cheap pipeline is fitted again.

    Another release of scikit-learn may move the last digits, hence one part in a thousand.
    """
    facts, board = task.facts, leaderboards.read(task.facts.name)
    train, test = pd.read_csv(public / "train.csv"), pd.read_csv(public / "test.csv")
    features = train.drop(columns=[facts.id_column, facts.target])
    drawn = make.entries(task.recipe, features, 20, int(board.made["seed"]))
    entry = next(e for e in drawn if e.text.startswith(("bayes", "linear")))
    score = make.submit(
        task, test, make.fit_predict(facts, entry, train, test), public / "again.csv"
    )
    (public / "again.csv").unlink()
    committed = dict(zip(board.pipelines, board.scores, strict=True))
    assert published(score) == pytest.approx(committed[entry.text], rel=1e-3)


def test_leaderboard_of_other_data_is_refused(task: BundledTask, public: Path) -> None:
    other = BundledTask(task.recipe)
    changed = task.split.train.iloc[1:]
    other.__dict__["split"] = task.split._replace(train=changed)  # Fills the cache.
    with pytest.raises(RuntimeError, match="made from other data"):
        other.grade(public / "sample_submission.csv")


# Broken submissions, over all tasks.


def _shuffled(table: pd.DataFrame) -> pd.DataFrame:
    return table.sample(frac=1, random_state=0)


def _with(table: pd.DataFrame, value: object) -> pd.DataFrame:
    last = table.columns[-1]
    return table.astype({last: object}).assign(**{last: [*table[last][:-1], value]})


BROKEN: dict[str, tuple[Callable[[pd.DataFrame], Any], str]] = {
    "shuffled": (_shuffled, "not in the order"),
    "other ids": (lambda t: t.assign(id=t["id"] + 1), "exactly as in the test file"),
    "ids as floats": (lambda t: t.assign(id=t["id"].astype(float)), r"\.0`; expected `\d+`"),
    "repeated id": (lambda t: t.assign(id=t["id"].iloc[0]), "Row 2"),
    "missing value": (lambda t: _with(t, None), "Row"),
    "not a number": (lambda t: _with(t, "nan"), "`nan`"),
    "infinite": (lambda t: _with(t, "inf"), "`inf`"),
    "text": (lambda t: _with(t, "=cmd()"), "`=cmd\\(\\)`"),
    "grouped digits": (lambda t: _with(t, "1_0"), "`1_0`"),
    "columns reversed": (lambda t: t[t.columns[::-1]], "in the order"),
    "column missing": (lambda t: t[t.columns[:-1]], "is missing"),
    "column extra": (lambda t: t.assign(note=1), "`note` is not expected"),
    "column twice": (lambda t: t[[*t.columns, t.columns[-1]]], "appears 2 times"),
    "index": (lambda t: t.reset_index().rename(columns={"index": ""}), "index=False"),
    "one row short": (lambda t: t[:-1], "rows; expected"),
    "ten times": (lambda t: pd.concat([t] * 10), "rows; expected"),
    "header only": (lambda t: t[:0], "0 rows"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_submission_is_told(
    case: str, task: BundledTask, sample: pd.DataFrame, tmp_path: Path
) -> None:
    damage, message = BROKEN[case]
    damage(sample).to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(InvalidSubmission, match=message) as caught:
        task.check(tmp_path / "s.csv")
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)
    with pytest.raises(InvalidSubmission):
        task.grade(tmp_path / "s.csv")


# The format, on a small example.

SMALL = TaskFacts(
    "small", "Small", "multiclass", metrics.LOG_LOSS, "id", "y", ("a", "b"), ("a", "b")
)
LABELS = TaskFacts(
    "labels", "Labels", "multiclass", metrics.ACCURACY, "id", "y", ("y",), ("a", "b")
)
VALUES = TaskFacts("values", "Values", "regression", metrics.RMSLE, "id", "y", ("y",))
IDS = ("1", "2")


def parse(data: bytes, folder: Path, facts: TaskFacts = SMALL) -> np.ndarray:
    path = folder / "s.csv"
    path.write_bytes(data)
    return submission.read(path, facts, IDS)


@pytest.mark.parametrize(
    "data",
    [
        b"id,a,b\n1,0.25,0.75\n2,1,0\n",
        b"\xef\xbb\xbfid,a,b\n1,0.25,0.75\n2,1,0\n",  # Byte-order mark.
        b"id,a,b\r\n1,0.25,0.75\r\n2,1,0",  # Other line ends, none at the end.
        b'"id","a","b"\n"1","2.5e-1",0.75\n\n2,1.0,0\n\n',  # Quotes and blank lines.
    ],
)
def test_right_file_is_read(data: bytes, tmp_path: Path) -> None:
    assert parse(data, tmp_path).tolist() == [[0.25, 0.75], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b'""\n', "`id` is missing"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "not UTF-8"),
        (b"id,a,b\n1,\x000,1\n", "zero byte"),
        (b"PK\x03\x04", "`id` is missing"),
        (b"id,a,b\n1," + b"9" * 200_000 + b",1\n2,1,0\n", "field larger than field limit"),
        (b"x" * 100_000, "`id` is missing"),
        (b'id,a,b\n1,"0.5,0.5\n2,1,0\n', "not a CSV file"),
        (b"id,a,b\n1,0.5\n2,1,0\n", "Row 1 has 2 fields; expected 3"),
        (b"id,a,b\n1,0.5,0.6\n2,1,0\n", "Row 1: the probabilities sum to 1.1; expected 1"),
        (b"id,a,b\n1,1.5,-0.5\n2,1,0\n", "`a` is 1.5; `log_loss` needs a number from 0 to 1"),
        (b"id,a,b\n1,,1\n2,1,0\n", "Row 1: `a` is missing"),
        (b"id,a,b\n 1,0,1\n2,1,0\n", "Row 1 has `id` = ` 1`; expected `1`"),
        (b"id,a,b\n01,0,1\n2,1,0\n", "expected `1`"),
    ],
)
def test_hostile_file_is_told(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSubmission, match=message.replace("(", r"\(")) as caught:
        parse(data, tmp_path)
    assert len(str(caught.value)) < 400


@given(data=st.binary(max_size=200) | st.text(alphabet='id,ab01.5"\n\r\t', max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(
    data: bytes | str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        result = parse(data if isinstance(data, bytes) else data.encode(), folder)
    except InvalidSubmission:
        return
    assert result.shape == (2, 2)
    assert np.allclose(result.sum(axis=1), 1)


def test_sum_tolerance_is_one_millionth(tmp_path: Path) -> None:
    parse(b"id,a,b\n1,0.5,0.5000009\n2,1,0\n", tmp_path)
    with pytest.raises(InvalidSubmission, match="sum"):
        parse(b"id,a,b\n1,0.5,0.500002\n2,1,0\n", tmp_path)


def test_too_large_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "s.csv").open("wb") as file:
        file.truncate(submission.MAX_BYTES + 1)
    with pytest.raises(InvalidSubmission, match="at most"):
        submission.read(tmp_path / "s.csv", SMALL, IDS)


def test_absent_file_and_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InvalidSubmission, match="There is no submission file"):
            submission.read(path, SMALL, IDS)


def test_unknown_label_and_negative_value_are_told(tmp_path: Path) -> None:
    assert parse(b"id,y\n1,b\n2,a\n", tmp_path, LABELS).tolist() == ["b", "a"]
    with pytest.raises(InvalidSubmission, match="Row 2 has `y` = `c`; expected one of a, b"):
        parse(b"id,y\n1,b\n2,c\n", tmp_path, LABELS)
    with pytest.raises(InvalidSubmission, match="`y` is -1; `rmsle` needs a number of at least 0"):
        parse(b"id,y\n1,-1\n2,1\n", tmp_path, VALUES)


def test_overflowing_score_is_an_invalid_submission(tmp_path: Path) -> None:
    task = BundledTask(RECIPES["diamonds"])
    task.prepare(tmp_path)
    sample = pd.read_csv(tmp_path / "sample_submission.csv")
    sample.assign(price=1e300).to_csv(tmp_path / "s.csv", index=False)
    task.check(tmp_path / "s.csv")
    with pytest.raises(InvalidSubmission, match="too large"):
        task.grade(tmp_path / "s.csv")


# Metrics, against their definitions.


def test_metrics_are_what_they_say() -> None:
    rng = np.random.default_rng(0)
    values, guesses = rng.uniform(0, 9, (2, 50))
    assert metrics.RMSE.function(values, guesses) == pytest.approx(
        math.sqrt(np.mean((values - guesses) ** 2))
    )
    assert metrics.RMSLE.function(values, guesses) == pytest.approx(
        math.sqrt(np.mean((np.log1p(values) - np.log1p(guesses)) ** 2))
    )
    positions, chances = rng.integers(0, 11, 50), rng.dirichlet(np.ones(11), 50)
    assert metrics.LOG_LOSS.function(positions, chances) == pytest.approx(
        -np.mean(np.log(chances[np.arange(50), positions]))
    )
    binary = rng.integers(0, 2, 50)
    pairs = guesses[binary == 1][:, None] > guesses[binary == 0]
    assert metrics.AUC.function(binary, guesses) == pytest.approx(pairs.mean())
    assert metrics.ACCURACY.function(np.array(["a", "b"]), np.array(["a", "a"])) == 0.5


def test_direction_of_metrics() -> None:
    up = {
        name
        for name in vars(metrics)
        if isinstance(m := getattr(metrics, name), Metric) and m.higher_is_better
    }
    assert up == {"ACCURACY", "AUC"}


# The medal rule.

UP = Metric("up", True, lambda a, p: 0.0)
DOWN = Metric("down", False, lambda a, p: 0.0)
ORDER = ("gold", "silver", "bronze", "none")


@pytest.mark.parametrize(
    ("teams", "expected"),
    [
        (1, (1, 1, 1)),
        (2, (1, 1, 1)),
        (5, (1, 1, 2)),
        (9, (1, 1, 3)),
        (10, (1, 2, 4)),
        (19, (1, 3, 7)),
        (20, (2, 4, 8)),
        (99, (9, 19, 39)),
        (100, (10, 20, 40)),
        (249, (10, 49, 99)),
        (250, (10, 50, 100)),
        (499, (10, 50, 100)),
        (500, (11, 50, 100)),
        (999, (11, 50, 100)),
        (1000, (12, 50, 100)),
        (1499, (12, 74, 149)),
        (4539, (19, 226, 453)),
    ],
)
def test_medal_positions(teams: int, expected: tuple[int, int, int]) -> None:
    assert tuple(medals.positions(teams)) == expected


def test_no_teams_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        medals.positions(0)
    with pytest.raises(ValueError, match="not finite"):
        medals.thresholds([1.0, math.nan], UP)
    with pytest.raises(ValueError, match="only a finite score"):
        medals.judge(math.inf, [1.0], UP)


def test_thresholds_are_inclusive_and_median_is_strict() -> None:
    board = [float(score) for score in range(1, 101)]
    up = medals.thresholds(board, UP)
    assert up == {"gold": 91.0, "silver": 81.0, "bronze": 61.0, "median": 50.5}
    down = medals.thresholds(board, DOWN)
    assert down == {"gold": 10.0, "silver": 20.0, "bronze": 40.0, "median": 50.5}
    grade = medals.judge(91.0, board, UP)
    assert (grade.medal, grade.rank, grade.teams) == ("gold", 10, 100)
    assert medals.judge(90.999, board, UP).medal == "silver"
    assert medals.judge(50.5, board, UP).above_median is False
    assert medals.judge(50.6, board, UP).above_median is True
    assert medals.judge(50.4, board, DOWN).above_median is True
    assert medals.judge(0.5, board, DOWN).rank == 1


scores = st.floats(-1e6, 1e6)
boards = st.lists(scores | st.sampled_from([0.0, 1.0]), min_size=1, max_size=1100)


@given(board=boards, first=scores, second=scores, metric=st.sampled_from([UP, DOWN]))
@settings(max_examples=150, deadline=None)
def test_better_score_is_never_judged_worse(
    board: list[float], first: float, second: float, metric: Metric
) -> None:
    worse, better = sorted([first, second], key=metric.utility)
    low, high = medals.judge(worse, board, metric), medals.judge(better, board, metric)
    assert ORDER.index(high.medal) <= ORDER.index(low.medal)
    assert high.rank <= low.rank
    assert high.above_median >= low.above_median


@given(board=boards, score=scores)
@settings(max_examples=100, deadline=None)
def test_both_directions_agree(board: list[float], score: float) -> None:
    up = medals.judge(score, board, UP)
    down = medals.judge(-score, [-other for other in board], DOWN)
    assert (up.medal, up.rank, up.above_median) == (down.medal, down.rank, down.above_median)
    assert up.thresholds == {name: -value for name, value in down.thresholds.items()}


@given(board=boards, metric=st.sampled_from([UP, DOWN]))
@settings(max_examples=100, deadline=None)
def test_medals_on_the_board_cover_the_positions(board: list[float], metric: Metric) -> None:
    """Every team down to a medal's last position earns it: thresholds are inclusive."""
    best_first = sorted(board, key=metric.utility, reverse=True)
    last = medals.positions(len(board))
    for limit, medal in zip(last, medals.MEDALS, strict=True):
        grades = [
            medals.judge(score, board, metric) for score in (best_first[0], best_first[limit - 1])
        ]
        assert all(ORDER.index(grade.medal) <= ORDER.index(medal) for grade in grades)
        assert grades[1].rank <= limit


# The registry.


def test_unknown_task_names_the_nearest() -> None:
    with pytest.raises(tasks.UnknownTask, match=r"Did you mean `diamonds`.*`digits`"):
        tasks.load("diamond")
    with pytest.raises(tasks.UnknownTask, match=r"There is no task `xyz`\. The tasks are"):
        tasks.load("xyz")


def test_every_kind_and_form_is_covered() -> None:
    facts = [tasks.load(name).facts for name in tasks.names()]
    assert {f.kind for f in facts} == {"regression", "binary", "multiclass"}
    assert {f.metric.predicts for f in facts} == {"value", "label", "probability"}
    assert any(len(f.prediction_columns) > 1 for f in facts)


def test_listing_imports_no_data_library() -> None:
    code = (
        "import sys, gome_agent.tasks as t\n"
        "texts = [(t.load(n).facts, t.load(n).description, t.load(n).sealed) for n in t.names()]\n"
        "print([m for m in ('pandas', 'sklearn', 'plotnine', 'statsmodels') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(tasks.__file__).parents[2])},
    )
    assert done.stdout.strip() == "[]"
