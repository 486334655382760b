"""The study mechanism: cells are kept, results are files, settings are checked."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from experiments import cli, display, studies
from experiments.spec import SpecError
from experiments.study import Study, execute
from tests.statistical import assert_estimate


@dataclass(frozen=True)
class Config:
    numbers: tuple[int, ...] = (1, 2, 3)
    scale: float = 2.0
    name: str = "x"


def a_study(run_cell):
    def figure(table, config):
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots()
        axes.plot(table.number, table.value)
        return figure

    return Study(
        name="toy",
        question="what is twice a number?",
        full=Config(),
        quick=Config(numbers=(1,)),
        cells=lambda config: [{"number": n} for n in config.numbers],
        run_cell=run_cell,
        figure=figure,
    )


def row(config, cell, scratch):
    return [{"number": cell["number"], "value": config.scale * cell["number"]}]


def test_a_study_leaves_its_files(tmp_path):
    table = execute(a_study(row), Config(), tmp_path)
    assert table.value.tolist() == [2.0, 4.0, 6.0]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), table)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), table)
    assert (tmp_path / "figure.svg").read_text().startswith("<?xml")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["config"]["scale"] == 2.0
    assert {"python", "jax", "numpy"} <= manifest["versions"].keys()
    assert "commit" in manifest


def test_an_interrupted_study_goes_on_where_it_stopped(tmp_path):
    ran = []

    def interrupted(config, cell, scratch):
        if cell["number"] == 3 and ran.count(3) == 0:
            ran.append(3)
            raise KeyboardInterrupt
        ran.append(cell["number"])
        return row(config, cell, scratch)

    study = a_study(interrupted)
    with pytest.raises(KeyboardInterrupt):
        execute(study, Config(), tmp_path)
    seen = []
    table = execute(study, Config(), tmp_path, lambda d, t, cell, kept: seen.append(kept))
    assert ran == [1, 2, 3, 3]
    assert seen == [True, True, False]
    assert table.value.tolist() == [2.0, 4.0, 6.0]


def test_a_full_disk_leaves_no_half_written_cell(tmp_path, monkeypatch):
    write = Path.write_text

    def write_half(path, text, **options):
        write(path, text[: len(text) // 2], **options)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", write_half)
        with pytest.raises(OSError, match="No space left"):
            execute(a_study(row), Config(), tmp_path)
    assert list((tmp_path / "cells").iterdir()) == []
    assert execute(a_study(row), Config(), tmp_path).value.tolist() == [2.0, 4.0, 6.0]


def test_a_damaged_cell_is_run_again(tmp_path):
    execute(a_study(row), Config(), tmp_path)
    damaged = min((tmp_path / "cells").iterdir())
    damaged.write_text(damaged.read_text()[:5])
    seen = []
    table = execute(a_study(row), Config(), tmp_path, lambda d, t, cell, kept: seen.append(kept))
    assert sorted(seen) == [False, True, True]
    assert table.value.tolist() == [2.0, 4.0, 6.0]


def test_an_interrupt_says_what_is_kept_and_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(config, cell, scratch):
        if cell["number"] == 3:
            raise KeyboardInterrupt
        return row(config, cell, scratch)

    monkeypatch.setattr(studies, "load", lambda name: a_study(interrupted))
    done = CliRunner().invoke(cli.app, ["study", "toy", "--out", str(tmp_path)])
    assert done.exit_code == 130
    assert "2 finished cells are kept" in done.output
    assert "the same command goes on" in done.output
    assert len(list((tmp_path / "cells").glob("*.json"))) == 2


def test_all_studies_run_in_turn_and_the_worst_status_stands(tmp_path, monkeypatch):
    def fails_in_two(name):
        verdict = (lambda table, config: "no") if name == "two" else None
        return replace(a_study(row), name=name, verdict=verdict)

    monkeypatch.setattr(studies, "names", lambda: ("one", "two", "three"))
    monkeypatch.setattr(studies, "load", fails_in_two)
    done = CliRunner().invoke(cli.app, ["study", "all", "--quick", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert sorted(path.parent.name for path in tmp_path.glob("*/table.csv")) == [
        "one",
        "three",
        "two",
    ]


def test_other_settings_are_other_cells(tmp_path):
    execute(a_study(row), Config(), tmp_path)
    table = execute(a_study(row), replace(Config(), scale=10.0), tmp_path)
    assert table.value.tolist() == [10.0, 20.0, 30.0]


def test_settings_from_words():
    changed = display.configure(Config(), ["scale=3", "numbers=(4, 5)", "name=y"])
    assert changed == Config(numbers=(4, 5), scale=3.0, name="y")
    assert display.configure(Config(), ["numbers=7"]).numbers == (7,)


@pytest.mark.parametrize(("word", "told"), [("scal=3", "`scale`"), ("scale=big", "is float")])
def test_bad_settings_are_told(word, told):
    with pytest.raises(SpecError, match=told):
        display.configure(Config(), [word])


def test_studies_by_name():
    assert "crossover" in studies.names()
    with pytest.raises(SpecError, match="Did you mean `crossover`"):
        studies.load("crosover")


@pytest.mark.slow
def test_the_crossover_study_end_to_end_at_small_size(tmp_path):
    study = studies.load("crossover")
    config = replace(
        study.quick,
        dims=(5, 10),
        scaled_alignments=(0.0, 1.0),
        runs=16,
        crossover_runs=32,
        steps=20,
        real_task="digits",
        real_alignments=(1.0,),
        real_seeds=2,
        real_steps=3,
    )
    table = execute(study, config, tmp_path)
    assert set(table.kind) == {"rate", "crossover", "real"}
    rates = table[table.kind == "rate"]
    assert_estimate(rates.value, rates.predicted, rates.stderr, draws=16, slack=1e-9)
    real = table[(table.kind == "real") & (table.evaluations == 3)]
    assert real.value.between(0.5, 1.0).all()
    assert not (tmp_path / "scratch" / "runs").exists() or not list(
        (tmp_path / "scratch" / "runs").iterdir()
    )
