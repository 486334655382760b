"""Comparisons end to end: paired, cut at the budget, resumed, told in a table and a figure."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from typer.testing import CliRunner

import optimizers
from experiments import cli, runs
from experiments.comparison import Comparison, analyse, comparison, runs_of_task
from experiments.comparison.compare import ComparisonError, default_steps
from experiments.comparison.show import notes
from experiments.comparison.submitted import submitted
from experiments.comparison.summary import NothingToCompare
from experiments.spec import SpecError
from experiments.study import execute
from gome_agent.evaluator import step_folder
from gome_agent.journal import Journal
from gome_agent.tasks import registry
from optimizers import History
from optimizers.budget import CURRENCIES, BudgetError

TASK = "visits"
WORLD = "plans(dim=8, rho=0.4, noise=0.1, crash_rate=0.2)"


def invoke(*words):
    return CliRunner().invoke(cli.app, ["compare", *map(str, words)], catch_exceptions=False)


def config(**changes) -> Comparison:
    settings = {"target": WORLD, "strategies": ("sgd", "hill_climb"), "baseline": "sgd"}
    return Comparison(**{**settings, "steps": 4, "seeds": 3, **changes})


# --- worlds ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_a_world(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("world")
    strategies = "sgd; hill_climb, aide(drafts=2)"
    done = invoke(
        *(WORLD, "--strategies", strategies, "--budget", "evaluations=12", "--seeds", 8),
        *("--baseline", "hill_climb", "--cost", 3, "--per-call", "tokens=100", "--out", out),
    )
    assert done.exit_code == 0, done.output
    for word in ("hill_climb", "baseline", "aide(drafts=2)", "P(better)", "tokens", "12 eval"):
        assert word in done.output
    return out


def test_a_comparison_leaves_its_files(on_a_world):
    manifest = json.loads((on_a_world / "manifest.json").read_text())
    assert manifest["config"]["strategies"] == ["sgd", "hill_climb", "aide(drafts=2)"]
    assert (on_a_world / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert "probability of improvement" in (on_a_world / "figure.svg").read_text()
    summary = pd.read_csv(on_a_world / "summary.csv").set_index("strategy")
    assert summary.improvement.isna().tolist() == [False, True, False]
    assert (summary.evaluations == 12).all()
    table = pd.read_csv(on_a_world / "table.csv")
    assert len(table) == 3 * 8 * 12


def test_runs_are_paired(on_a_world):
    """Run i starts at the same point under the same luck, whatever is done afterwards."""
    table = pd.read_csv(on_a_world / "table.csv")
    first = table[table.step == 0].pivot(index="run", columns="strategy", values="value")
    assert_allclose(first["sgd"], first["hill_climb"])
    assert first["sgd"].isna().equals(first["hill_climb"].isna())
    assert 0 < first["sgd"].isna().sum() < 8  # some starts crash, in every strategy alike


def test_the_summary_against_plain_python(on_a_world):
    table = pd.read_csv(on_a_world / "table.csv")
    summary = pd.read_csv(on_a_world / "summary.csv").set_index("strategy")
    worst = table.value.max()
    finals = {}
    for name, mine in table.groupby("strategy"):
        last = mine[mine.evaluations <= 12].groupby("run").value
        finals[name] = [values.iloc[-1] for _, values in last]
        areas = []
        for _, run in mine.groupby("run"):
            heights = [worst]
            for place in range(1, 12):  # one evaluation each: a height on every unit interval
                value = run[run.evaluations <= place].value.iloc[-1]
                heights.append(worst if math.isnan(value) else value)
            areas.append(np.mean(heights))
        assert_allclose(summary.area[name], np.mean(areas))
        assert_allclose(summary.final[name], np.mean(finals[name]))
        assert summary.final_low[name] <= summary.final[name] <= summary.final_high[name]
    for name in ("sgd", "aide(drafts=2)"):
        pairs = list(zip(finals[name], finals["hill_climb"], strict=True))
        better = sum(1.0 if a < b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)
        assert_allclose(summary.improvement[name], better)
        assert_allclose(summary.gain[name], np.mean([b - a for a, b in pairs]))


def test_money_counts_steps_and_tokens_count_calls(on_a_world):
    table = pd.read_csv(on_a_world / "table.csv")
    last = table[table.step == 11].groupby("strategy")[list(CURRENCIES)].mean()
    assert last.loc["hill_climb"].tolist() == [12, 12, 1200, 12, 12, 12]
    diagnosed = last.calls["sgd"] - 12
    assert 0 < diagnosed <= 11
    assert_allclose(last.money["sgd"], 12 + 2 * diagnosed)
    assert_allclose(last.tokens["sgd"], 100 * last.calls["sgd"])


def test_replicates_are_charged_and_the_budget_cuts(tmp_path):
    gated = "hill_climb(gate=sequential_test(replicates=4))"
    compared = config(
        strategies=("hill_climb", gated), baseline="hill_climb", steps=10, budget="evaluations=10"
    )
    table = execute(comparison(compared), compared, tmp_path)
    charged = table[table.strategy == gated]
    assert charged.evaluations.max() > 10
    assert (charged.paid == (charged.evaluations <= 10)).all()
    analysis = analyse(table, compared)
    summary = analysis.table.set_index("strategy")
    paid = charged[charged.paid].groupby("run").evaluations.max()
    assert summary.evaluations[gated] == paid.mean()
    assert analysis.unit == "evaluations"
    assert analysis.places[-1] == 10


def of_the_world(**changes) -> Comparison:
    """The comparison of `on_a_world`, or a variant."""
    settings = {"strategies": ("sgd", "hill_climb", "aide(drafts=2)"), "baseline": "hill_climb"}
    settings |= {"seeds": 8, "steps": 12, "budget": "evaluations=12"}
    return config(**{**settings, "cost": 3.0, "per_call": "tokens=100", **changes})


def test_strategies_that_stop_early_are_told(on_a_world):
    table = pd.read_csv(on_a_world / "table.csv")
    compared = of_the_world(budget="evaluations=50")
    analysis = analyse(table, compared)
    assert (analysis.table.unspent == 8).all()
    assert "sgd: 8 of 8 runs took all 12 steps with budget left" in notes(analysis, compared)[1]
    compared = of_the_world()
    assert (analyse(table, compared).table.unspent == 0).all()


def test_a_larger_comparison_keeps_what_was_run(on_a_world, tmp_path):
    shutil.copytree(on_a_world / "cells", tmp_path / "cells")
    compared, seen = of_the_world(strategies=("best_of_n", "hill_climb", "sgd")), []
    study = comparison(compared)
    execute(study, compared, tmp_path, lambda d, t, cell, kept: seen.append(kept))
    assert seen == [False, True, True]


# --- what would be submitted ----------------------------------------------------------------------


def test_submissions_look_at_the_past_only():
    score = jnp.array([0.5, 0.9, 0.7, 2.0, 1.5])
    valid = jnp.array([False, True, True, False, True])
    history = History(score, jnp.zeros(5), valid, valid)
    strategy = optimizers.hill_climb()
    found = submitted(strategy, history)
    assert found.tolist() == [-1, 1, 1, 1, 4]
    for step in range(5):
        past = jax.tree.map(lambda x, n=step + 1: x[:n], history)
        assert found[step] == optimizers.choose(strategy.selector, past)


SMOOTH = "sphere(dim=4, rho=0.5, noise=0.05, crash_rate=0.1)"


def compared_on(tmp_path, *strategies, **changes):
    """Rows of a comparison on a smooth world, by strategy."""
    here = config(target=SMOOTH, strategies=strategies, baseline=strategies[0], **changes)
    table = execute(comparison(here), here, tmp_path)
    return here, {name: table[table.strategy == name] for name in strategies}


def test_what_is_measured_again_at_the_end_is_paid_within_the_budget(tmp_path):
    fresh = "hill_climb(selector=revalidated(3))"
    _, found = compared_on(
        tmp_path, "hill_climb", fresh, steps=12, seeds=6, budget="evaluations=12"
    )
    ends = found[fresh].groupby("run").last()
    assert (ends.evaluations == 12).all()
    assert (ends.steps == 9).all()  # Three are kept back.
    assert ends.paid.all()
    assert (found["hill_climb"].groupby("run").evaluations.max() == 12).all()
    # Until then both runs are the same run.
    early = "step < 8"
    assert_allclose(found[fresh].query(early).value, found["hill_climb"].query(early).value)


def test_what_is_averaged_is_submitted_once_at_the_end(tmp_path):
    whole, single = "best_of_n(selector=ensemble(4))", "best_of_n"
    _, found = compared_on(tmp_path, single, whole, steps=12, seeds=6)
    last = "step == 11"
    assert not np.allclose(found[whole].query(last).value, found[single].query(last).value)
    early = "step < 11"
    assert_allclose(found[whole].query(early).value, found[single].query(early).value)


def test_a_schedule_that_cannot_act_is_told_without_a_traceback(tmp_path):
    words = ("compare", "sphere(dim=3)", "--strategies", "ml_master;sgd", "--steps", "4")
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cli", *words, "--seeds", "2", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    (told,) = (line for line in done.stderr.splitlines() if "never chooses by UCT" in line)
    assert told.startswith("gome: `ml_master`")


def test_the_oracle_is_never_behind(tmp_path):
    oracle = "hill_climb(selector=oracle_on_test)"
    _, found = compared_on(tmp_path, "hill_climb", oracle, steps=12, seeds=6)
    assert (found[oracle].value.to_numpy() <= found["hill_climb"].value.to_numpy()).all()


def test_the_numeric_floor_spends_evaluations_only(tmp_path):
    _, found = compared_on(tmp_path, "hill_climb", "cma_es", steps=12, seeds=3, cost=2.0)
    floor = found["cma_es"]
    assert floor.groupby("run").evaluations.last().tolist() == [12.0] * 3
    assert (floor.calls == 0).all()
    assert (floor.money == floor.evaluations).all()
    starts = [rows.query("step == 0").value.to_numpy() for rows in found.values()]
    assert_allclose(*[start[np.isfinite(starts).all(axis=0)] for start in starts], rtol=1e-5)


def test_what_cannot_be_compared_is_refused_before_anything_runs():
    with pytest.raises(ComparisonError, match="for worlds only"):
        config(target=TASK, strategies=("sgd", "cma_es"))
    with pytest.raises(ValueError, match="reads the answers"):
        config(target=TASK, strategies=("sgd", "aide(selector=oracle_on_test)"))


# --- a task ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_a_task(tmp_path_factory):
    """Interrupted after one step of its second run, then gone on with."""
    out, ran = tmp_path_factory.mktemp("task"), []
    words = [TASK, "--strategies", "sgd,hill_climb", "--steps", 2, "--seeds", 2]
    words += ["--reasoner", "unreliable(expert, rho=0.5)", "--out", out]
    run = runs.execute

    def counted(settings, folder, watching):
        ran.append((settings.strategy, settings.seed))

        def interrupting(step):
            watching.on_step(step)
            if len(ran) == 2:
                raise KeyboardInterrupt

        return run(settings, folder, runs.Watching(on_step=interrupting))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runs_of_task.runs, "execute", counted)
        first, second = invoke(*words), invoke(*words)
    return out, ran, first, second


def test_an_interrupted_comparison_goes_on_where_it_stopped(on_a_task):
    out, ran, first, second = on_a_task
    assert first.exit_code == 130
    assert "1 finished cells are kept" in first.output
    assert second.exit_code == 0, second.output
    again = [("hill_climb", 0), ("sgd", 1), ("hill_climb", 1)]
    assert ran == [("sgd", 0), ("hill_climb", 0), *again]
    table = pd.read_csv(out / "table.csv")
    assert table.groupby(["strategy", "run"]).size().tolist() == [2, 2, 2, 2]


def test_a_task_shows_held_out_scores_and_medals(on_a_task):
    out, _, _, second = on_a_task
    assert "any medal" in second.output
    table = pd.read_csv(out / "table.csv", keep_default_na=False)
    task = registry.load(TASK)
    for folder in (out / "runs").iterdir():
        summary = json.loads((folder / "summary.json").read_text())
        grade = task.grade(step_folder(folder / "steps", summary["best_step"]) / "submission.csv")
        mine = table[(table.strategy == summary["strategy"]) & (table.run == summary["seed"])]
        last = mine.iloc[-1]
        assert_allclose(float(last.value), grade.score)
        assert last.medal == grade.medal
        assert last.evaluations == summary["evaluations"] == 2
        assert last.calls == summary["calls"] == (3 if summary["strategy"] == "sgd" else 2)
        with Journal.open(folder / "journal.sqlite") as journal:
            assert len(list(journal.events("executed"))) == 2
    summary = pd.read_csv(out / "summary.csv")
    assert ((summary.medals_low >= 0) & (summary.medals_high <= 1)).all()


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"target": "digit"}, SpecError, "Did you mean `digits`"),
        ({"target": "spher"}, SpecError, "Did you mean `sphere`"),
        ({"target": "sphere(rh=1)"}, SpecError, "`rho`"),
        ({"strategies": ("sgd",)}, ComparisonError, "two or more"),
        ({"strategies": ()}, ComparisonError, "two or more"),
        ({"strategies": ("sgd", "sgd", "adam")}, ComparisonError, "differ"),
        ({"strategies": ("sgd", "adm")}, SpecError, "`adam`"),
        ({"baseline": "hill"}, SpecError, "Did you mean `hill_climb`"),
        ({"budget": "evals=3"}, BudgetError, "evaluations"),
        ({"per_call": "money=-1"}, BudgetError, "at least 0"),
        ({"cost": 0.0}, ComparisonError, "above 0"),
        ({"seeds": 1}, ComparisonError, "no spread"),
        ({"target": "digits", "cost": 2.0}, ComparisonError, "--per-call"),
        ({"target": "digits", "reasoner": "exprt"}, SpecError, "`expert`"),
    ],
)
def test_comparisons_that_cannot_be_made_are_refused_before_anything_runs(changes, error, told):
    with pytest.raises(error, match=told):
        config(**changes)


def test_a_budget_that_pays_nothing_is_told(on_a_world):
    table = pd.read_csv(on_a_world / "table.csv").assign(paid=False)
    with pytest.raises(NothingToCompare, match="give more of it"):
        analyse(table, of_the_world())


def test_steps_follow_from_a_budget_that_counts_them():
    assert default_steps("evaluations=12,money=3") == 12
    assert default_steps("calls=7") == 7
    assert default_steps("steps=3,calls=7") == 3
    with pytest.raises(ComparisonError, match="--steps"):
        default_steps("money=3")
