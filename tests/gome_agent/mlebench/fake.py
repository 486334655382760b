"""Competitions without the benchmark: prepared folders, and what an open run may ask of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from gome_agent.tasks.mlebench import facts as known
from gome_agent.tasks.mlebench.base import BenchmarkError, Competition, Validity
from gome_agent.tasks.mlebench.task import MleBenchTask

LEAF, TOXIC, NOMAD = (
    "leaf-classification",
    "jigsaw-toxic-comment-classification-challenge",
    "nomad2018-predict-transparent-conductors",
)
PIZZA, COVER = "random-acts-of-pizza", "tabular-playground-series-dec-2021"
INSULTS = "detecting-insults-in-social-commentary"
ROWS = 12


@dataclass
class Fake:
    """A `Rollout` over prepared folders."""

    data: Path
    told: list[Path] = field(default_factory=list)
    broken: bool = False
    lower_is_better: bool | None = None
    description: str = "# A competition\n\nPredict."

    def competitions(self, split: str = "all") -> tuple[str, ...]:
        return tuple(sorted(path.name for path in self.data.iterdir()))

    def info(self, competition: str) -> Competition:
        public = self.data / competition / "prepared" / "public"
        private = public.parent / "private"
        if not public.is_dir():
            raise BenchmarkError(f"the data of `{competition}` are not prepared")
        samples = [path for path in public.glob("*.csv") if "sample" in path.name.lower()]
        sealed = (private,) if private.is_dir() else ()
        return Competition(
            competition, "A competition", self.description, public,
            samples[0] if samples else None, sealed, 50, self.lower_is_better,
        )  # fmt: skip

    def validate(self, competition: str, submission: Path) -> Validity:
        if self.broken:
            raise BenchmarkError("the worker died")
        self.told.append(submission)
        table = pd.read_csv(submission)
        wrong = "no more than 12 rows, please" if len(table) > ROWS else ""
        return Validity(not wrong, wrong)


SAMPLES = {
    LEAF: ("sample_submission.csv", ["id", "Acer", "Quercus", "Tilia"]),
    TOXIC: ("sample_submission.csv", ["id", *known.load(TOXIC).predictions]),  # type: ignore[union-attr]
    NOMAD: ("sample_submission.csv", ["id", *known.load(NOMAD).predictions]),  # type: ignore[union-attr]
    PIZZA: ("sampleSubmission.csv", ["request_id", "requester_received_pizza"]),
    COVER: ("sample_submission.csv", ["Id", "Cover_Type"]),
    INSULTS: ("sample_submission_null.csv", ["Insult", "Date", "Comment"]),
    "AI4Code": ("sample_submission.csv", ["id", "cell_order"]),
}


def sample_of(competition: str) -> pd.DataFrame:
    _, columns = SAMPLES[competition]
    value = 1 if competition == COVER else 1 / (len(columns) - 1)
    table = pd.DataFrame({name: [value] * ROWS for name in columns})
    key = "Comment" if competition == INSULTS else columns[0]
    table[key] = [f"{7 * i % ROWS}x" if key == "Comment" else 7 * i % ROWS for i in range(ROWS)]
    return table


def task_of(fake: Fake, competition: str) -> MleBenchTask:
    return MleBenchTask(competition, fake)


def write(path: Path, table: pd.DataFrame) -> Path:
    table.to_csv(path, index=False)
    return path


def filled(data: Path) -> Fake:
    """Prepared folders of all of `SAMPLES`."""
    for competition, (name, _) in SAMPLES.items():
        folder = data / competition / "prepared"
        for part in ("public", "private"):
            (folder / part).mkdir(parents=True)
        sample_of(competition).to_csv(folder / "public" / name, index=False)
        (folder / "private" / "answers.csv").write_text("secret")
    return Fake(data)
