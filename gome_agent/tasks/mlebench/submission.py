"""A submission beside the sample submission: refused, repaired where that is safe, or right as is.

The graders disagree on nearly everything: some join rows by id and some go by position, some
ignore a further column and some refuse the file. A file with the sample's columns and ids, in its
order, is right for all of them. A repair never changes which row has which prediction; each is told
in a sentence. `check` accepts exactly what `repair` would leave alone.

Time and memory are linear: a million shuffled rows take some 8 s and 0.7 GB, sorted ones less.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gome_agent.tasks.base import InvalidSubmission
from gome_agent.tasks.mlebench._mended import Mended, listed, plain, short
from gome_agent.tasks.mlebench._predictions import mend_labels, mend_numbers
from gome_agent.tasks.mlebench.base import BenchmarkError
from gome_agent.tasks.mlebench.facts import CompetitionFacts

if TYPE_CHECKING:
    from pandas import DataFrame, Index, Series

MAX_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Repaired:
    """A submission that fits, and what was done or is to be said about it."""

    path: Path
    """The file that was read, or `NAME.repaired.csv` beside it."""
    notes: tuple[str, ...]
    """A sentence each; there may be some where nothing was changed."""


class Layout(NamedTuple):
    """Columns of a submission, from the sample."""

    columns: tuple[str, ...]
    key: str
    predictions: tuple[str, ...]


def layout(sample: Path, facts: CompetitionFacts | None) -> Layout:
    """Columns of the sample (CSV, or a zip of one), and which of them are graded.

    Without facts the first column is the key and all others are predictions.

    Raises:
      BenchmarkError: the sample cannot be read, or has not the columns that the facts tell.
    """
    import pandas as pd

    try:
        columns = tuple(map(str, pd.read_csv(sample, nrows=0, encoding="utf-8-sig").columns))
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"The sample submission `{sample}` cannot be read: {error}") from error
    if facts is None:
        return Layout(columns, columns[0], columns[1:])
    rest = tuple(name for name in columns if name not in (facts.key, *facts.carried))
    if {facts.key, *facts.carried, *(facts.predictions or rest)} != {*columns}:
        raise BenchmarkError(
            f"The sample submission of `{facts.id}` has the columns {listed(columns)}; key "
            f"`{facts.key}` and predictions {listed(facts.predictions)} were expected. The data "
            f"were prepared by another version of the benchmark: prepare them again."
        )
    return Layout(columns, facts.key, rest)


def check(submission: Path, sample: Path, facts: CompetitionFacts | None) -> None:
    """Accept what a repair would leave as it is.

    Args:
      submission: CSV file.
      sample: the sample submission, a CSV file or a zip of one.
      facts: of the competition; without them only columns and ids are compared.

    Raises:
      InvalidSubmission: with one sentence.
      BenchmarkError: as `layout`.
    """
    mended = _mend(submission, sample, facts)
    if mended.repairs:
        raise InvalidSubmission(f"{mended.repairs[0].wrong}.")


def repair(submission: Path, sample: Path, facts: CompetitionFacts | None) -> Repaired:
    """Repair what can be repaired without changing a prediction's row or a score's meaning.

    Rows of unique ids are sorted as in the sample, columns are put in its order, further ones
    dropped, ids written as there; rows that sum to nearly 1 are scaled in float64; numbers beyond
    [0, 1] are clipped if rounding explains them, and become ranks where only ranks are scored.
    Numbers are written with all digits, beside the original, which is left as it is.

    Args:
      submission, sample, facts: as `check`.

    Raises:
      InvalidSubmission: it cannot be repaired; one sentence says why.
      BenchmarkError: as `layout`.
    """
    mended = _mend(submission, sample, facts)
    notes = (*(f"{one.wrong}: {one.done}." for one in mended.repairs), *mended.remarks)
    if not mended.repairs:
        return Repaired(submission, notes)
    target = submission.with_name(f"{submission.stem}.repaired.csv")
    # A field is quoted if it has a character of the line's end: a lone \r would end a row unquoted.
    mended.table.to_csv(target, index=False, lineterminator="\r\n")
    return Repaired(target, notes)


def _mend(submission: Path, sample: Path, facts: CompetitionFacts | None) -> Mended:
    form = layout(sample, facts)
    header = _header(submission)
    mended = Mended(_read(submission, header))
    _mend_columns(mended, header, form.columns)
    _mend_rows(mended, form.key, _ids(sample, form.key))
    if facts is not None and facts.predicts in ("value", "probability"):
        mend_numbers(mended, form.predictions, facts)
    elif facts is not None:
        for name in form.predictions:
            mend_labels(mended, name, facts.classes)
    return mended


def _header(path: Path) -> list[str]:
    """Names of the columns, of a file that looks like a table."""
    if not path.is_file():
        raise InvalidSubmission(f"There is no submission file `{path.name}`.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InvalidSubmission(f"The submission has {size} bytes; at most {MAX_BYTES} are read.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header, first = next(rows, []), next(rows, [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidSubmission(f"The submission is no CSV file: {error}.") from None
    if not header or not first:
        raise InvalidSubmission("The submission is empty; expected a header and a row for each id.")
    if len(first) != len(header):
        raise InvalidSubmission(
            f"The first row has {len(first)} fields and the header {len(header)}: write the table "
            f"with its header, and without its index."
        )
    repeated = [name for name in header if header.count(name) > 1]
    if repeated:
        raise InvalidSubmission(f"Column `{short(repeated[0])}` appears more than once.")
    return header


def _read(path: Path, header: Sequence[str]) -> DataFrame:
    """The whole table as text, so that what is right is kept as it is written."""
    import pandas as pd

    try:
        table = pd.read_csv(
            path,
            header=0,
            names=list(header),
            index_col=False,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
        )
    except (ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise InvalidSubmission(f"The submission is no CSV file: {reason}.") from None
    return table.fillna("")  # of rows that are too short


def _ids(sample: Path, key: str) -> Series:
    import pandas as pd

    table = pd.read_csv(
        sample, usecols=[key], dtype=str, keep_default_na=False, encoding="utf-8-sig"
    )
    return table.iloc[:, 0]


def _mend_columns(mended: Mended, header: Sequence[str], expected: Sequence[str]) -> None:
    missing = [name for name in expected if name not in header]
    if missing:
        raise InvalidSubmission(
            f"Column `{missing[0]}` is missing: found {listed(header)}, expected "
            f"{listed(expected)}."
        )
    extra = [name for name in header if name not in expected]
    if extra:
        mended.did(f"The submission has columns that the sample lacks ({listed(extra)})", "dropped")
    if [name for name in header if name in expected] != list(expected):
        mended.did("The columns are not in the order of the sample", "put in its order, by name")
    mended.table = mended.table[list(expected)]


def _mend_rows(mended: Mended, key: str, ids: Series) -> None:
    import pandas as pd

    found = mended.table[key]
    if len(found) != len(ids):
        raise InvalidSubmission(
            f"The submission has {len(found)} rows; expected {len(ids)}, one for each id of the "
            f"sample."
        )
    if np.array_equal(found.to_numpy(), ids.to_numpy()):
        return
    have, want = pd.Index(found), pd.Index(ids)
    if not have.isin(want).all():
        have, want = _plain_ids(have, want, key)
        mended.did(f"`{key}` is written otherwise than in the sample", "written as there")
    if not have.equals(want):
        place = _places(have, want, key)
        mended.table = mended.table.iloc[place]
        mended.did("The rows are not in the order of the sample", f"sorted, by `{key}`")
    mended.table = mended.table.reset_index(drop=True).assign(**{key: ids})


def _plain_ids(have: Index, want: Index, key: str) -> tuple[Index, Index]:
    """Both without differences of format, where that tells the same ids apart."""
    plain_have, plain_want = have.map(plain), want.map(plain)
    unknown = ~plain_have.isin(plain_want)
    if unknown.any() or plain_want.nunique() != want.nunique():
        wrong = np.flatnonzero(~have.isin(want))
        raise InvalidSubmission(
            f"{len(wrong)} rows have a `{key}` that the sample lacks, first row {wrong[0] + 1}: "
            f"`{short(have[wrong[0]])}`, where the sample's row has `{short(want[wrong[0]])}`."
        )
    return plain_have, plain_want


def _places(have: Index, want: Index, key: str) -> np.ndarray:
    """Which row of the submission belongs to each of the sample's."""
    for index, whose in ((want, "sample"), (have, "submission")):
        if not index.is_unique:
            raise InvalidSubmission(
                f"The rows are not in the order of the sample and cannot be sorted, for the "
                f"{whose} repeats `{key}` = `{short(index[index.duplicated()][0])}`: keep the "
                f"order of the sample."
            )
    return have.get_indexer(want)  # all are there: as many, unique, and none is unknown
