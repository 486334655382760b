"""A benchmark in the format of MLE-bench with the same public interface, written into a folder.

Three competitions: `coins` (RMSE, 150 teams), `words` (accuracy; its sample is private and
published as a zip; a leaderboard of one page) and `passages` (answers in JSON lines, leaderboard
not materialised). Its modules print, log and write `./cache` as the real ones do; pandas
is imported where it is used, so that tests are fast.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from textwrap import dedent

from gome_agent.tasks.mlebench.benchmark import Benchmark

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n"

MODULES = {
    "__init__": "",
    "utils": """
        import importlib, json, logging, sys
        from pathlib import Path

        def get_logger(name):
            logging.basicConfig(level=logging.INFO)
            return logging.getLogger(name)

        def import_fn(text):
            module, name = text.split(":")
            return getattr(importlib.import_module(module), name)

        def read_csv(path, **options):
            import pandas as pd

            return pd.read_csv(path, float_precision="round_trip", **options)

        def load_answers(path):
            if path.suffix == ".jsonl":
                return [json.loads(line) for line in path.read_text().splitlines()]
            return read_csv(path)
    """,
    "grade_helpers": """
        from mlebench.utils import get_logger, import_fn

        logger = get_logger(__name__)

        class InvalidSubmissionError(Exception):
            pass

        class Grader:
            def __init__(self, name, grade_fn):
                self.name, self.grade_fn = name, import_fn(grade_fn)

            def is_lower_better(self, leaderboard):
                return bool(leaderboard["score"].iloc[0] < leaderboard["score"].iloc[-1])

            def rank_score(self, score, leaderboard):
                all_ = leaderboard["score"]
                ranks = {"gold": 1, "silver": 3, "bronze": 7}
                found = {**{k: all_.iloc[n] for k, n in ranks.items()}, "median": all_.median()}
                return {f"{name}_threshold": float(value) for name, value in found.items()}

            def __call__(self, submission, answers):
                try:
                    return round(self.grade_fn(submission, answers), 5)
                except Exception as error:
                    logger.error("failed: %s", error)
                    return None
    """,
    "registry": """
        from dataclasses import dataclass
        from pathlib import Path
        from typing import Any
        import yaml
        from mlebench.grade_helpers import Grader
        from mlebench.utils import import_fn

        HERE = Path(__file__).parent

        @dataclass(frozen=True)
        class Competition:
            id: str
            name: str
            description: str
            grader: Grader
            answers: Path
            gold_submission: Path
            sample_submission: Path
            prepare_fn: Any
            raw_dir: Path
            private_dir: Path
            public_dir: Path
            checksums: Path
            leaderboard: Path

        class Registry:
            def __init__(self, data_dir):
                self._data_dir = data_dir

            def set_data_dir(self, data_dir):
                return Registry(data_dir.resolve())

            def list_competition_ids(self):
                return sorted(p.parent.name for p in HERE.glob("competitions/*/config.yaml"))

            def get_splits_dir(self):
                return HERE.parent / "experiments" / "splits"

            def get_competition(self, name):
                folder, data = HERE / "competitions" / name, self._data_dir
                config = yaml.safe_load((folder / "config.yaml").read_text())
                paths = config["dataset"]
                return Competition(
                    id=name,
                    name=config["name"],
                    description=(HERE.parent / config["description"]).read_text(),
                    grader=Grader(**config["grader"]),
                    answers=data / paths["answers"],
                    gold_submission=data / paths.get("gold_submission", paths["answers"]),
                    sample_submission=data / paths["sample_submission"],
                    prepare_fn=import_fn(config["preparer"]),
                    raw_dir=data / name / "raw",
                    private_dir=data / name / "prepared" / "private",
                    public_dir=data / name / "prepared" / "public",
                    checksums=folder / "checksums.yaml",
                    leaderboard=folder / "leaderboard.csv",
                )

        registry = Registry(Path("nowhere"))
    """,
    "data": """
        import zipfile
        from pathlib import Path
        from mlebench.utils import read_csv

        print("cache made by", __name__)  # what the real one's imports do now and then
        Path("cache").mkdir(exist_ok=True)

        def is_dataset_prepared(competition, grading_only=False):
            folders = [competition.private_dir]
            files = [competition.answers]
            if not grading_only:
                folders.append(competition.public_dir)
                files.append(competition.sample_submission)
            filled = all(folder.is_dir() and any(folder.iterdir()) for folder in folders)
            return filled and all(file.is_file() for file in files)

        def get_leaderboard(competition):
            return read_csv(competition.leaderboard)

        def download_and_prepare_dataset(competition):
            archives = list(competition.raw_dir.parent.glob("*.zip"))
            if not archives:
                raise RuntimeError("You must accept this competition's rules")
            for folder in (competition.public_dir, competition.private_dir, competition.raw_dir):
                folder.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(archives[0]) as archive:
                archive.extractall(competition.raw_dir)
            competition.prepare_fn(
                raw=competition.raw_dir,
                public=competition.public_dir,
                private=competition.private_dir,
            )
            (competition.public_dir / "description.md").write_text(competition.description)
    """,
    "grade": """
        from dataclasses import dataclass
        from datetime import datetime
        from mlebench.data import get_leaderboard, is_dataset_prepared
        from mlebench.utils import load_answers, read_csv

        @dataclass
        class Report:
            told: dict

            def to_dict(self):
                return self.told

        def grade_csv(path, competition):
            if not is_dataset_prepared(competition, grading_only=True):
                raise ValueError("not prepared")
            exists, score = path.is_file() and path.suffix == ".csv", None
            if exists:
                score = competition.grader(read_csv(path), load_answers(competition.answers))
            table = get_leaderboard(competition)
            lower = competition.grader.is_lower_better(table)

            def reaches(threshold):
                return score is not None and (score <= threshold if lower else score >= threshold)

            ranks = competition.grader.rank_score(score, table)
            gold, silver, bronze, median = ranks.values()
            medals = [reaches(gold), reaches(silver) and not reaches(gold)]
            medals.append(reaches(bronze) and not any(medals))
            return Report({
                "competition_id": competition.id,
                "score": score,
                **ranks,
                "any_medal": any(medals),
                "gold_medal": medals[0],
                "silver_medal": medals[1],
                "bronze_medal": medals[2],
                "above_median": reaches(median) and score != median,
                "submission_exists": exists,
                "valid_submission": score is not None,
                "is_lower_better": lower,
                "created_at": datetime.now().isoformat(),
                "submission_path": str(path),
            })

        def validate_submission(submission, competition):
            if not submission.is_file():
                return False, f"Submission invalid! Submission file {submission} does not exist."
            if submission.suffix.lower() != ".csv":
                return False, "Submission invalid! Submission file must be a CSV file."
            if not is_dataset_prepared(competition, grading_only=True):
                raise ValueError("not prepared")
            try:
                competition.grader.grade_fn(read_csv(submission), read_csv(competition.answers))
            except Exception as e:
                return False, (
                    "Submission invalid! The attempt to grade the submission has resulted in the "
                    f"following error message:\\n{e}"
                )
            return True, "Submission is valid."
    """,
    "cli": """
        import argparse
        from pathlib import Path
        from mlebench.data import download_and_prepare_dataset
        from mlebench.registry import registry

        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            parser.add_argument("command")
            parser.add_argument("-c")
            parser.add_argument("--data-dir", type=Path)
            parser.add_argument("--keep-raw", action="store_true")
            told = parser.parse_args()
            found = registry.set_data_dir(told.data_dir).get_competition(told.c)
            download_and_prepare_dataset(found)
    """,
}

GRADERS = {
    "coins": """
        import os, signal
        from mlebench.grade_helpers import InvalidSubmissionError

        def grade(submission, answers):
            print("grading, on standard output")
            if list(submission.columns) != ["id", "value"]:
                raise InvalidSubmissionError("columns are\\n" + " ".join(submission) + "x" * 999)
            if len(submission) != len(answers):
                raise InvalidSubmissionError(f"{len(submission)} rows, not {len(answers)}")
            if (submission["value"] == 666).all():
                os.kill(os.getpid(), signal.SIGKILL)
            return float(((submission["value"] - answers["value"]) ** 2).mean() ** 0.5)
    """,
    "words": """
        def grade(submission, answers):
            assert list(submission["id"]) == list(answers["id"]), "ids differ"
            return float((submission["after"] == answers["after"]).mean())
    """,
    "passages": """
        def grade(submission, answers):
            assert len(submission) == len(answers), "rows differ"
            return sum(row["answer"] == told for row, told in zip(answers, submission["answer"]))
    """,
}

PREPARERS = {
    "coins": """
        from mlebench.utils import read_csv

        def prepare(raw, public, private):
            table = read_csv(raw / "train.csv")
            train, test = table.iloc[:-4], table.iloc[-4:]
            train.to_csv(public / "train.csv", index=False)
            test[["id", "x"]].to_csv(public / "test.csv", index=False)
            test.assign(value=0.0)[["id", "value"]].to_csv(
                public / "sample_submission.csv", index=False
            )
            test[["id", "value"]].to_csv(private / "test.csv", index=False)
    """,
    "words": """
        import zipfile
        from mlebench.utils import read_csv

        def prepare(raw, public, private):
            table = read_csv(raw / "train.csv")
            sample = private / "sample_submission.csv"
            table.assign(after="?").to_csv(sample, index=False)
            table.to_csv(private / "answers.csv", index=False)
            with zipfile.ZipFile(public / "en_sample_submission_2.csv.zip", "w") as archive:
                archive.write(sample, "en_sample_submission_2.csv")
    """,
    "passages": """
        import shutil

        def prepare(raw, public, private):
            shutil.copy(raw / "answers.jsonl", private / "test.jsonl")
            (public / "sample_submission.csv").write_text("id,answer\\n1,no\\n2,no\\n")
    """,
}
ANSWERS = {
    "coins": "private/test.csv",
    "words": "private/answers.csv",
    "passages": "private/test.jsonl",
}
SAMPLES = {"words": "private/sample_submission.csv"}
LEADERBOARDS = {
    "coins": "score\n" + "".join(f"{0.1 * (row + 1):.1f}\n" for row in range(150)),
    "words": "score\n" + "".join(f"{1 - 0.01 * row:.2f}\n" for row in range(20)),
    "passages": POINTER,
}
RAW = {
    "coins": {"train.csv": "id,x,value\n" + "".join(f"{i},{i},{i / 2}\n" for i in range(12))},
    "words": {"train.csv": "id,after\n0_0,one\n0_1,two\n"},
    "passages": {"answers.jsonl": '{"answer": "yes"}\n{"answer": "no"}\n'},
}


def build(root: Path) -> Path:
    """Write the package, its competitions and its splits; returns the root of the `clone`."""
    package = root / "mlebench"
    package.mkdir(parents=True)
    for name, source in MODULES.items():
        (package / f"{name}.py").write_text(dedent(source).lstrip())
    for name in GRADERS:
        folder = package / "competitions" / name
        folder.mkdir(parents=True)
        (folder / "grade.py").write_text(dedent(GRADERS[name]).lstrip())
        (folder / "prepare.py").write_text(dedent(PREPARERS[name]).lstrip())
        (folder / "description.md").write_text(f"# {name}\n\nPredict them.\n")
        (folder / "leaderboard.csv").write_text(LEADERBOARDS[name])
        (folder / "checksums.yaml").write_text("zip: 0\n")
        prepared = f"{name}/prepared"
        sample = SAMPLES.get(name, "public/sample_submission.csv")
        config = {
            "id": name,
            "name": name.title(),
            "description": f"mlebench/competitions/{name}/description.md",
            "dataset": {
                "answers": f"{prepared}/{ANSWERS[name]}",
                "sample_submission": f"{prepared}/{sample}",
            },
            "grader": {"name": "g", "grade_fn": f"mlebench.competitions.{name}.grade:grade"},
            "preparer": f"mlebench.competitions.{name}.prepare:prepare",
        }
        (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    splits = root / "experiments" / "splits"
    splits.mkdir(parents=True)
    (splits / "low.txt").write_text("coins\nwords")  # no final newline
    (splits / "dev.txt").write_text("passages\n")
    return root


def put_archive(data: Path, competition: str) -> None:
    """What a download leaves in the data folder."""
    folder = data / competition
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{competition}.zip", "w") as archive:
        for name, text in RAW[competition].items():
            archive.writestr(name, text)


def fill(data: Path, competition: str) -> None:
    """Prepared data as the competition's `prepare` makes them, without running it."""
    put_archive(data, competition)
    raw, prepared = data / competition / "raw", data / competition / "prepared"
    public, private = prepared / "public", prepared / "private"
    for folder in (raw, public, private):
        folder.mkdir(parents=True)
    for name, text in RAW[competition].items():
        (raw / name).write_text(text)
    (public / "description.md").write_text(f"# {competition}\n")
    if competition == "coins":
        (public / "sample_submission.csv").write_text("id,value\n8,0\n9,0\n10,0\n11,0\n")
        (private / "test.csv").write_text("id,value\n8,4.0\n9,4.5\n10,5.0\n11,5.5\n")
    elif competition == "words":
        (public / "en_sample_submission_2.csv.zip").write_bytes(b"a zip")
        (private / "sample_submission.csv").write_text("id,after\n0_0,?\n0_1,?\n")
        (private / "answers.csv").write_text(RAW["words"]["train.csv"])
    else:
        (public / "sample_submission.csv").write_text("id,answer\n1,no\n2,no\n")
        (private / "test.jsonl").write_text(RAW["passages"]["answers.jsonl"])


def benchmark(root: Path, prepared: tuple[str, ...] = ("coins", "words", "passages")) -> Benchmark:
    """The benchmark in `root/clone`, with data in `root/data`, under this Python."""
    clone = build(root / "clone")
    for competition in prepared:
        fill(root / "data", competition)
    home = root / "home"
    home.mkdir()
    return Benchmark(home, Path(sys.executable), str(clone), "", root / "data")
