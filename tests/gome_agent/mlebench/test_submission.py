"""Submissions beside samples: what is repaired gives what was meant, and nothing else is let in."""

from __future__ import annotations

import csv
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from gome_agent.tasks.base import InvalidSubmission
from gome_agent.tasks.mlebench.base import BenchmarkError
from gome_agent.tasks.mlebench.facts import CompetitionFacts
from gome_agent.tasks.mlebench.submission import check, repair

SOME = {"modality": "tabular", "targets": ("y",), "train_files": ("train.csv",), "raw_gb": 1.0}
AUC = CompetitionFacts(
    id="rank", metric="auc", lower_is_better=False, predicts="probability", kind="binary",
    key="id", predictions=("y",), bounds=(0.0, 1.0), sample="s.csv", teams=9, **SOME,
)  # fmt: skip
LOSS = CompetitionFacts(
    id="loss", metric="log_loss", lower_is_better=True, predicts="probability", kind="multiclass",
    key="id", predictions=(), bounds=(0.0, 1.0), row_sum_tolerance=1e-5, sample="s.csv", teams=9,
    **SOME,
)  # fmt: skip
BINARY_LOSS = AUC.model_copy(update={"id": "binary", "metric": "log_loss"})
LABEL = AUC.model_copy(
    update={"metric": "accuracy", "predicts": "label", "classes": ("1", "2"), "bounds": None}
)
TEXT = AUC.model_copy(update={"metric": "accuracy", "predicts": "text", "bounds": None})
CLASSES = ("a", "b", "c")

quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@dataclass(frozen=True)
class Case:
    """A sample, a valid submission of it, and a folder to write others in."""

    folder: Path
    ideal: pd.DataFrame
    facts: CompetitionFacts | None

    @property
    def sample(self) -> Path:
        path = self.folder / "sample.csv"
        table = self.ideal.copy()
        table[list(table.columns[1:])] = 0.5
        table.to_csv(path, index=False)
        return path

    def repaired(self, table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
        path = self.folder / "submission.csv"
        table.to_csv(path, index=False)
        before, sample = path.read_bytes(), self.sample
        found = repair(path, sample, self.facts)
        assert path.read_bytes() == before
        check(found.path, sample, self.facts)
        again = repair(found.path, sample, self.facts)
        assert again.path == found.path
        return read(found.path), found.notes


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"id": str})


def texts(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def probabilities(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet([0.5] * 3, size=rows)
    chances /= chances.sum(axis=1, keepdims=True)
    ids = rng.permutation(10 * rows)[:rows].astype(str)
    return pd.DataFrame({"id": ids, **dict(zip(CLASSES, chances.T, strict=True))})


def scores(rows: int, seed: int) -> pd.DataFrame:
    table = probabilities(rows, seed)[["id", "a"]].rename(columns={"a": "y"})
    return table


@quick
@given(rows=st.integers(2, 40), seed=st.integers(0, 99), extra=st.booleans())
def test_permuted_reordered_and_widened_gives_the_same_back(folder, rows, seed, extra):
    ideal, rng = probabilities(rows, seed), np.random.default_rng(seed)
    case = Case(folder, ideal, LOSS)
    changed = ideal.iloc[rng.permutation(rows)][list(rng.permutation(ideal.columns))]
    if extra:
        changed.insert(int(rng.integers(5)), "Unnamed: 0", range(rows))
    found, notes = case.repaired(changed)
    pd.testing.assert_frame_equal(found, ideal, check_exact=True)
    assert any("dropped" in note for note in notes) == extra


@quick
@given(rows=st.integers(2, 60), seed=st.integers(0, 99), how=st.sampled_from(["float16", "4", "3"]))
def test_rounded_distributions_are_scaled_and_score_nearly_the_same(folder, rows, seed, how):
    ideal = probabilities(rows, seed)
    columns = list(CLASSES)
    values = ideal[columns]
    rounded = values.astype(np.float16) if how == "float16" else values.round(int(how))
    found, _ = Case(folder, ideal, LOSS).repaired(ideal.assign(**rounded.astype(float)))
    kept = found[columns].to_numpy()
    assert np.abs(kept.sum(axis=1) - 1).max() <= 1e-5
    assert found["id"].tolist() == ideal["id"].tolist()
    np.testing.assert_allclose(kept, values.to_numpy(), atol=3e-3)
    answers = np.random.default_rng(seed).integers(3, size=rows)
    smooth = [0.9 * table[columns].to_numpy() + 0.1 / 3 for table in (found, ideal)]
    losses = [log_loss(answers, table, labels=range(3)) for table in smooth]
    assert abs(losses[0] - losses[1]) < 0.1


@quick
@given(seed=st.integers(0, 99), scale=st.sampled_from([1e-3, 1.0, 30.0, 1e6]))
def test_logits_keep_their_auc_exactly(folder, seed, scale):
    rng = np.random.default_rng(seed)
    ideal = scores(50, seed)
    logits = np.round(rng.normal(size=50), 1) * scale  # with ties
    answers = np.arange(50) % 2
    found, notes = Case(folder, ideal, AUC).repaired(ideal.assign(y=logits))
    assert roc_auc_score(answers, found.y) == roc_auc_score(answers, logits)
    assert found.y.between(0, 1).all()
    assert any("ranks" in note for note in notes)


def test_near_ties_beyond_the_bounds_are_ranked_not_clipped(folder):
    ideal = scores(4, 0)
    found, _ = Case(folder, ideal, AUC).repaired(ideal.assign(y=[1.0, 1.0 + 1e-9, 1.0 + 2e-9, 0.0]))
    assert found.y.rank().tolist() == [2, 3, 4, 1]


@pytest.mark.parametrize("beyond", [1 + 2**-52, 1.0000001, -1e-9])
def test_an_overshoot_by_rounding_is_clipped_and_leaves_probabilities(folder, beyond):
    ideal = scores(4, 0)
    found, (note,) = Case(folder, ideal, AUC).repaired(ideal.assign(y=[0.9, beyond, 0.01, 0.02]))
    assert found.y.tolist() == [0.9, float(beyond > 0), 0.01, 0.02]
    assert "clipped" in note


def test_a_column_of_tiny_numbers_keeps_its_order(folder):
    ideal = scores(4, 0)
    for scale in (1e-8, 1e-15):
        values = [scale * x for x in (-2, -1, 1, 2)]
        found, _ = Case(folder, ideal, AUC).repaired(ideal.assign(y=values))
        assert found.y.rank().tolist() == [1, 2, 3, 4]


def test_a_column_beyond_bounds_does_not_rank_its_neighbours(folder):
    ideal, columns = probabilities(4, 0), list(CLASSES)
    facts = AUC.model_copy(update={"metric": "mean_auc", "predictions": CLASSES})
    table = ideal.assign(a=[3.0, -1.0, 2.0, 0.5], b=[1 + 2**-52, 0.5, 0.25, 0.125])
    found, _ = Case(folder, ideal, facts).repaired(table)
    assert found.a.rank().tolist() == [4, 1, 3, 2]
    assert found.b.tolist() == [1.0, 0.5, 0.25, 0.125]
    assert found.c.tolist() == table[columns].c.tolist()


@quick
@given(
    words=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=6
    )
)
def test_texts_of_any_characters_come_back_as_the_benchmark_reads_them(folder, words):
    ideal = pd.DataFrame({"id": [f"n{i}" for i in range(len(words))], "y": words})
    ideal.assign(y="").to_csv(folder / "sample.csv", index=False)
    turned = ideal.iloc[::-1]
    turned.to_csv(folder / "submission.csv", index=False, quoting=csv.QUOTE_ALL)
    found = repair(folder / "submission.csv", folder / "sample.csv", TEXT)
    assert found.path != folder / "submission.csv"
    kept = pd.read_csv(found.path, keep_default_na=False, dtype=str)
    pd.testing.assert_frame_equal(kept, ideal)


def test_keys_with_a_lone_carriage_return_stay_one_row(folder):
    facts = AUC.model_copy(
        update={"key": "Comment", "carried": ("Date",), "predictions": ("Insult",)}
    )
    said = ["a\rb", 'say "hi", x\ny', "c"]
    sample = pd.DataFrame({"Insult": 0, "Date": ["1", "2", "3"], "Comment": said})
    sample.to_csv(folder / "sample.csv", index=False, quoting=csv.QUOTE_ALL)
    right = sample.assign(Insult=[0.1, 0.9, 0.5])
    right.iloc[::-1].to_csv(folder / "turned.csv", index=False, quoting=csv.QUOTE_ALL)
    found = repair(folder / "turned.csv", folder / "sample.csv", facts)
    check(found.path, folder / "sample.csv", facts)
    pd.testing.assert_frame_equal(pd.read_csv(found.path, dtype={"Date": str}), right)


@pytest.mark.parametrize("facts", [BINARY_LOSS, AUC])
def test_a_right_submission_is_left_alone(folder, facts):
    case = Case(folder, scores(30, 1), facts)
    path = folder / "submission.csv"
    case.ideal.to_csv(path, index=False)
    found = repair(path, case.sample, facts)
    assert found == type(found)(path, ())


def test_few_decimals_are_told_and_kept(folder):
    ideal = scores(60, 2)
    rounded = ideal.assign(y=ideal.y.round(4))
    found, notes = Case(folder, ideal, AUC).repaired(rounded)
    pd.testing.assert_frame_equal(found, rounded, check_exact=True)
    assert len(notes) == 1
    assert "4 decimals" in notes[0]


def test_what_float32_adds_is_clipped(folder):
    ideal = scores(3, 3)
    found, notes = Case(folder, ideal, BINARY_LOSS).repaired(
        ideal.assign(y=[1.00000012, 0.5, -1e-9])
    )
    assert found.y.tolist() == [1.0, 0.5, 0.0]
    assert "clipped" in notes[0]


def test_ids_and_labels_that_became_floats_are_whole_again(folder):
    ideal = pd.DataFrame({"id": ["3", "1", "2"], "y": ["1", "2", "1"]})
    table = ideal.assign(id=["1.0", "2.0", "3.0"], y=["2.0", "1.0", "1"])
    case = Case(folder, ideal, LABEL)
    _, notes = case.repaired(table)
    assert texts(folder / "submission.repaired.csv") == [
        ["id", "y"], ["3", "1"], ["1", "2"], ["2", "1"],
    ]  # fmt: skip
    assert len(notes) == 3


def test_true_and_false_become_numbers(folder):
    ideal = scores(3, 4)
    found, _ = Case(folder, ideal, AUC).repaired(ideal.assign(y=[True, False, True]))
    assert found.y.tolist() == [1, 0, 1]


def test_any_text_passes_as_text(folder):
    words = ["NA", "nan", "", "null", 'a "quoted", one', "line\nbreak", "1.0"]
    ideal = pd.DataFrame({"id": [f"0_{i}" for i in range(7)], "y": words})
    case = Case(folder, ideal, TEXT)
    table = ideal.iloc[::-1]
    case.repaired(table)
    assert [row[1] for row in texts(folder / "submission.repaired.csv")[1:]] == words


def test_rows_with_a_text_for_a_key_and_a_column_that_is_carried(folder):
    facts = AUC.model_copy(
        update={"key": "Comment", "carried": ("Date",), "predictions": ("Insult",)}
    )
    said = ['"You, fool"', "fine\nday", "fine\nday", "NA"]
    sample = pd.DataFrame({"Insult": 0, "Date": ["", "2012", "2012", ""], "Comment": said})
    sample.to_csv(folder / "sample.csv", index=False)
    right = sample.assign(Insult=[0.1, 0.2, 0.3, 0.4])
    right.to_csv(folder / "right.csv", index=False)
    check(folder / "right.csv", folder / "sample.csv", facts)
    right.iloc[::-1].to_csv(folder / "turned.csv", index=False)
    with pytest.raises(InvalidSubmission, match=r"repeats `Comment` = `fine.*keep the order"):
        repair(folder / "turned.csv", folder / "sample.csv", facts)


def test_without_facts_only_the_form_is_compared(folder):
    ideal = pd.DataFrame({"id": ["x", "y"], "mask": ["1 3", ""], "n": ["-1", "999"]})
    case = Case(folder, ideal, None)
    _, notes = case.repaired(ideal.iloc[::-1])
    assert texts(folder / "submission.repaired.csv")[1:] == ideal.to_numpy().tolist()
    assert len(notes) == 1


def test_the_sample_may_be_zipped(folder):
    ideal = scores(5, 6)
    case = Case(folder, ideal, AUC)
    with zipfile.ZipFile(folder / "sample.csv.zip", "w") as archive:
        archive.write(case.sample, "sample.csv")
    ideal.to_csv(folder / "submission.csv", index=False)
    check(folder / "submission.csv", folder / "sample.csv.zip", AUC)


REFUSED = [
    (BINARY_LOSS, "id,y\n1,0.5\n2,3.25\n3,0.1\n", "`y` is 3.25 in row 2.*logits"),
    (BINARY_LOSS, "id,y\n1,0.5\n2,\n3,nan\n", "2 values of `y` are missing.*first in row 2"),
    (AUC, "id,y\n1,0.5\n2,inf\n3,0.2\n", "1 values of `y`.*row 2: `inf`"),
    (AUC, "id,y\n1,0.5\n2,high\n3,0.2\n", "row 2: `high`"),
    (AUC, "id,y\n1,0.5\n2,0.1\n", "has 2 rows; expected 3"),
    (AUC, "id,y\n1,0.5\n2,0.1\n2,0.2\n", "submission repeats `id` = `2`"),
    (AUC, "id,y\n1,0.5\n2,0.1\n4,0.2\n", "1 rows have a `id` that the sample lacks, first row 3"),
    (AUC, "id,z\n1,0.5\n2,0.1\n3,0.2\n", "Column `y` is missing"),
    (AUC, "id,y,y\n1,0.5,1\n2,0.1,1\n3,0.2,1\n", "`y` appears more than once"),
    (AUC, "id,y\n0,1,0.5\n1,2,0.1\n2,3,0.2\n", "first row has 3 fields and the header 2"),
    (AUC, "id,y\n1,0.5\n2,0.1,9\n3,0.2\n", "no CSV file.*line 3"),
    (AUC, "", "is empty"),
    (AUC, "id,y\n", "is empty"),
    (AUC, b"id,y\n1,\xff\n", "no CSV file"),
    (LABEL, "id,y\n1,1\n2,1.5\n3,2\n", "1 rows have a `y` that is none of `1`, `2`, first row 2"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "content", "why"), REFUSED)
def test_what_cannot_be_repaired_is_refused_in_one_sentence(folder, facts, content, why):
    (folder / "sample.csv").write_text("id,y\n1,0\n2,0\n3,0\n")
    path = folder / "submission.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for ask in (check, repair):
        with pytest.raises(InvalidSubmission, match=why):
            ask(path, folder / "sample.csv", facts)
    assert sorted(file.name for file in folder.iterdir()) == ["sample.csv", "submission.csv"]


def test_rows_far_from_one_are_no_distributions(folder):
    ideal = probabilities(4, 7)
    ideal.assign(a=ideal.a * 0.5 + 0.2).to_csv(folder / "submission.csv", index=False)
    case = Case(folder, ideal, LOSS)
    with pytest.raises(InvalidSubmission, match=r"row \d sum to .* divide each"):
        repair(folder / "submission.csv", case.sample, LOSS)


def test_check_names_what_a_repair_would_mend(folder):
    case = Case(folder, scores(9, 8), AUC)
    case.ideal.iloc[::-1].to_csv(folder / "submission.csv", index=False)
    with pytest.raises(InvalidSubmission, match="not in the order of the sample"):
        check(folder / "submission.csv", case.sample, AUC)


def test_a_sample_of_another_competition_is_the_benchmarks_fault(folder):
    (folder / "sample.csv").write_text("key,y\n1,0\n")
    (folder / "submission.csv").write_text("key,y\n1,0\n")
    with pytest.raises(BenchmarkError, match=r"`key`, `y`.*key `id`.*prepare them again"):
        check(folder / "submission.csv", folder / "sample.csv", AUC)
    with pytest.raises(BenchmarkError, match="cannot be read"):
        check(folder / "submission.csv", folder / "none.csv", AUC)


def test_a_large_file_takes_linear_time(folder):
    def seconds(rows: int) -> float:
        ids = [f"{i}_{i % 97}" for i in range(rows)]
        table = pd.DataFrame({"id": ids, "y": np.random.default_rng(0).random(rows)})
        case = Case(folder, table, AUC)
        table.iloc[::-1].to_csv(folder / "submission.csv", index=False)
        sample = case.sample
        start = time.process_time()
        repair(folder / "submission.csv", sample, AUC)
        return time.process_time() - start

    seconds(1000)
    small, large = seconds(10_000), seconds(80_000)
    assert large < 30 * max(small, 0.02)
