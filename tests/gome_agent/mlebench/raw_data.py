"""Made-up raw data in the shapes that the real `prepare` functions of seven Lite tasks expect.

Every `write_*` takes the raw folder and a generator. The labels are noise: grading needs no more.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd


def _zip(path: Path, files: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def _csv(table: pd.DataFrame) -> str:
    buffer = io.StringIO()
    table.to_csv(buffer, index=False)
    return buffer.getvalue()


def write_spooky(raw: Path, rng: np.random.Generator) -> None:
    rows = 300
    table = pd.DataFrame(
        {
            "id": [f"id{number:05d}" for number in rng.permutation(rows)],
            "text": [f'He said, "{number}".' for number in range(rows)],
            "author": rng.choice(["EAP", "HPL", "MWS"], rows),
        }
    )
    _zip(raw / "train.zip", {"train.csv": _csv(table)})


def write_tabular(raw: Path, rng: np.random.Generator) -> None:
    rows = 101_000  # 100,000 become the test set
    table = pd.DataFrame({"id": np.arange(rows)})
    for number in range(3):
        table[f"f_{number:02d}"] = rng.normal(size=rows).round(4)
    table["target"] = rng.integers(0, 2, rows)
    table.to_csv(raw / "train.csv", index=False)


def write_pizza(raw: Path, rng: np.random.Generator) -> None:
    def request(number: int) -> dict:
        return {"request_id": f"t3_{number}", "request_text": f"Pizza {number}?"}

    train = [
        {**request(number), "requester_received_pizza": bool(rng.integers(2))}
        for number in range(200)
    ]
    (raw / "train.json").write_text(json.dumps(train))
    (raw / "test.json").write_text(json.dumps([request(number) for number in range(200, 250)]))


def write_nomad(raw: Path, rng: np.random.Generator) -> None:
    rows = 60
    table = pd.DataFrame(
        {
            "id": np.arange(1, rows + 1),
            "spacegroup": rng.integers(1, 230, rows),
            "formation_energy_ev_natom": rng.uniform(0, 0.5, rows).round(4),
            "bandgap_energy_ev": rng.uniform(0, 5, rows).round(4),
        }
    )
    geometry = {f"train/{number}/geometry.xyz": "#\n" for number in table["id"]}
    _zip(raw / "train.zip", geometry)
    _zip(raw / "train.csv.zip", {"train.csv": _csv(table)})
    _zip(raw / "test.zip", {"test/1/geometry.xyz": "#\n"})
    _zip(raw / "test.csv.zip", {"test.csv": "id\n1\n"})


def write_insults(raw: Path, rng: np.random.Generator) -> None:
    def comments(first: int, rows: int) -> pd.DataFrame:
        texts = [f'"you are, \\n\\xa0number {number}"' for number in range(first, first + rows)]
        dates = [f"2012061{number % 10}192155Z" for number in range(rows)]
        return pd.DataFrame({"Insult": rng.integers(0, 2, rows), "Date": dates, "Comment": texts})

    comments(0, 80).to_csv(raw / "train.csv", index=False)
    test = comments(80, 40).assign(Usage="PublicTest")
    test.to_csv(raw / "test_with_solutions.csv", index=False)


def write_leaf(raw: Path, rng: np.random.Generator, classes: list[str]) -> None:
    species = np.repeat(classes, 3)
    table = pd.DataFrame({"id": np.arange(1, len(species) + 1), "species": species})
    table["margin1"] = rng.normal(size=len(species)).round(6)
    _zip(raw / "train.csv.zip", {"train.csv": _csv(table)})
    _zip(raw / "images.zip", {f"images/{number}.jpg": "a picture" for number in table["id"]})


def write_words(raw: Path, rng: np.random.Generator) -> None:
    sentences, tokens = 40, 4
    table = pd.DataFrame(
        {
            "sentence_id": np.repeat(np.arange(sentences), tokens),
            "token_id": np.tile(np.arange(tokens), sentences),
            "class": "PLAIN",
            # pandas reads two of them as missing values.
            "before": np.tile(["NA", "1990", 'the "one"', "None"], sentences),
            "after": np.tile(["NA", "nineteen ninety", 'the "one"', "None"], sentences),
        }
    )
    _zip(raw / "en_train.csv.zip", {"en_train.csv": _csv(table)})
    _zip(raw / "en_test_2.csv.zip", {"en_test_2.csv": "sentence_id,token_id,before\n"})
    sample = {"en_sample_submission_2.csv": "id,after\n"}
    _zip(raw / "en_sample_submission_2.csv.zip", sample)
