"""`gome calibrate`: journals and published traces in, estimates and a verdict out."""

from __future__ import annotations

import contextlib
import io
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import binom
from typer.testing import CliRunner

from experiments import cli, studies
from experiments.calibration import CalibrationError, calibrate_runs, fields, published
from experiments.calibration.journals import read_folder
from experiments.calibration.published import read_traces
from experiments.calibration.streaming import FormatError, StrictJson, entries
from experiments.study import execute
from gome_agent.journal import Journal, JournalError
from gome_theory import Estimate, NotIdentified, StepModel, Verdict
from tests.experiments.published_traces import SHAPES, simulated_task, write_traces

RNG = np.random.default_rng
SURE = 0.999
"""Level of intervals that must hold the truth in a single draw."""


def invoke(*words: object):
    return CliRunner().invoke(cli.app, ["calibrate", *map(str, words)], catch_exceptions=True)


def holds(quantity, truth):
    assert isinstance(quantity, Estimate), quantity
    return quantity.low <= truth <= quantity.high


# -- published traces ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_published_traces_give_back_what_they_were_made_with(shape, tmp_path):
    """Four files, one trace each; sigma from codes that were run twice."""
    model = StepModel(0.8, omega=0.1, sigma=0.002, scale=0.002, validity=0.85)
    rng = RNG([4, SHAPES.index(shape)])
    files = [
        write_traces(
            tmp_path / f"Trace_{k}.json",
            {
                "forecast.v2": simulated_task(
                    rng, model, steps=100, replicates=15, shape=shape, metric="rmse", lower=True
                )
            },
        )
        for k in range(4)
    ]
    report = calibrate_runs(files, level=SURE)
    (task,) = report.tasks
    found = task.directed
    assert task.task == "forecast.v2"
    assert found.traces == 4
    assert found.steps == 400
    assert holds(found.r, model.r)
    assert holds(found.sigma, model.sigma)
    assert holds(found.validity, model.validity)
    assert holds(found.omega, model.omega)
    assert holds(found.scale, model.scale)
    assert "replicate scores, chi-squared, 60" in found.sigma.method
    assert isinstance(task.verdict, Verdict)
    assert any("valid_score" in word for word in report.missing)


def test_many_tasks_are_pooled(tmp_path):
    """Per task and over tasks: r by random effects, omega from pooled variances."""
    rng, files = RNG(1), []
    truths = dict(zip("abcdefgh", rng.normal(0.6, 0.3, 8), strict=True))
    for k in range(3):
        tasks = {
            name: simulated_task(
                rng, StepModel(r, omega=0.2, sigma=0.5, scale=0.5), steps=30, replicates=10
            )
            for name, r in truths.items()
        }
        files.append(write_traces(tmp_path / f"Trace_{k}.json", tasks))
    report = calibrate_runs(files, level=SURE)
    assert [task.task for task in report.tasks] == list(truths)
    assert all(holds(task.directed.r, truths[task.task]) for task in report.tasks)
    assert holds(report.pooled["r"], np.mean(list(truths.values())))
    assert holds(report.pooled["omega (unshared persistent error)"], 0.2)
    assert report.spread["r"] < 0.8
    shown = invoke(*files)
    assert shown.exit_code == 0
    assert "over 8 tasks" in shown.output
    told = json.loads(invoke("--json", *files).output)
    assert len(told["tasks"]) == 8
    assert told["pooled"]["r"]["level"] == 0.95


def test_without_replicates_published_noise_is_not_identified(tmp_path):
    task = simulated_task(RNG(2), StepModel(0.5, scale=0.01), steps=60)
    file = write_traces(tmp_path / "t.json", {"a": task})
    (one,) = calibrate_runs([file]).tasks
    assert isinstance(one.directed.sigma, NotIdentified)
    assert isinstance(one.verdict, NotIdentified)
    assert "--noise-free" in invoke(file).output
    (free,) = calibrate_runs([file], noise_free=True, level=SURE).tasks
    assert holds(free.directed.r, 0.5)


@pytest.mark.parametrize("lower", [False, True])
def test_direction_is_told_by_decisions_if_by_nothing_else(lower, tmp_path):
    task = simulated_task(RNG(3), StepModel(0.5), steps=40, metric="points", lower=lower)
    file = write_traces(tmp_path / "t.json", {"a": task})
    rate = calibrate_runs([file], noise_free=True).tasks[0].directed.improvement_rate
    decided = [loop["feedback"]["decision"] for key, loop in task.items() if key.startswith("loop")]
    assert rate.value == pytest.approx(np.mean(decided[1:]))
    mute = {key: {**loop, "feedback": "fine"} if key != "scenario" else loop
            for key, loop in task.items()}  # fmt: skip
    logs, _ = read_traces(write_traces(tmp_path / "mute.json", {"a": mute}))
    assert any("higher scores are better" in word for word in logs["a"].missing)


def test_labels_and_failures_bound_hallucinations(tmp_path):
    task = simulated_task(RNG(5), StepModel(0.5), steps=50)
    failed = [k for k, v in task.items() if k != "scenario" and not v["feedback"]["decision"]]
    for key in failed[:15]:
        task[key]["feedback"]["hypothesis_evaluation"] = "Refuted by the validation score."
    (one,) = calibrate_runs([write_traces(tmp_path / "t.json", {"a": task})]).tasks
    assert one.hallucination.lower.value == pytest.approx(15 / 50)
    share = (len(failed)) / 50
    assert one.hallucination.upper.value == pytest.approx(min(share / (1 - 0.2702), 1.0), rel=1e-3)


def test_codes_tell_parents_and_roots():
    def loop(number, base, code, value, decision=None):
        score = None if value is None else fields.Score(value, "")
        return published.Loop(number, base, code, score, decision, None, None, None, 0.0)

    loops = [
        loop(0, "", "a", 0.5, True),
        loop(1, "a", "b", 0.6, True),
        loop(2, "a", "c", 0.4, False),
        loop(3, "", "d", 0.7, True),  # starts afresh
        loop(4, "d", "e", None, False),
        loop(5, "e", "f", 0.8, True),  # from a code without a score: compared with the incumbent
    ]
    steps = published._steps(loops, True, "x")
    assert [round(step.gain, 3) for step in steps] == pytest.approx(
        [0.1, -0.1, np.nan, 0.1], nan_ok=True
    )
    assert [step.trace for step in steps] == ["x/0", "x/0", "x/3", "x/3"]
    assert [step.valid for step in steps] == [True, True, False, True]


def test_a_large_file_is_read_in_little_memory(tmp_path):
    code = "x = 1\n" * 8000
    task = {
        f"loop_{i}": {"base_code": code, "code": code + str(i), "valid_score": i, "feedback": "ok"}
        for i in range(300)
    }
    file = write_traces(tmp_path / "large.json", {"a": task})
    del task
    assert file.stat().st_size > 30e6
    tracemalloc.start()
    logs, _ = read_traces(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(logs["a"].directed) == 299
    assert peak < 4e6


def test_a_file_that_was_cut_off_is_used_as_far_as_it_goes(tmp_path):
    file = write_traces(tmp_path / "t.json", {"a": simulated_task(RNG(6), StepModel(), steps=40)})
    text = file.read_text()
    file.write_text(text[: len(text) // 2])
    report = calibrate_runs([file], noise_free=True)
    assert 10 < report.tasks[0].directed.steps < 30
    assert "not complete" in report.missing[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "not complete"), ("[1, 2]", "object of tasks"), ("{}", "no loops"), ("{'a': 1}", "JSON"),
     ('{"a": {"scenario": "x"}}', "no loops"), ('{"a": 3, "b": {"loop_0": 4}}', "no loops")],
)  # fmt: skip
def test_what_is_not_a_file_of_traces_is_refused(text, told, tmp_path):
    file = tmp_path / "t.json"
    file.write_text(text)
    with pytest.raises(FormatError, match=told):
        read_traces(file)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20)
    | st.sampled_from(["NaN", "0.5", ",auc\nensemble,0.4", "Decision: yes", "yes", "refuted"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["score", "decision", "auc", "x"]) | st.text(max_size=5),
                      inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
LOOPS = st.dictionaries(
    st.sampled_from(["scenario", "loop_0", "loop_1", "loop_2", "loop_x", "note"]),
    st.dictionaries(
        st.sampled_from(
            ["base_code", "code", "valid_score", "test_report", "feedback", "running_time"]
        ),
        JSON,
    )
    | JSON,
    max_size=5,
)


@given(tasks=st.dictionaries(st.text(max_size=6), LOOPS | JSON, max_size=3))
def test_the_reader_never_crashes_on_values_of_any_kind(tasks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    file = write_traces(folder / "t.json", tasks)
    # What is not a file of traces is refused, see above.
    with contextlib.suppress(FormatError, CalibrationError):
        calibrate_runs([file], noise_free=True)


@given(value=JSON)
def test_fields_of_any_kind_are_read_or_passed_over(value):
    found = fields.score(value)
    assert found is None or np.isfinite(found.value)
    for read in (fields.decision, fields.wrong_diagnosis, fields.higher_by_text,
                 fields.higher_by_report, fields.higher_by_name):  # fmt: skip
        assert read(value) in (True, False, None)


@given(
    parts=st.lists(
        st.text(max_size=12).map(json.dumps)
        | st.sampled_from(["NaN", "-Infinity", "Infinity", "1.5", '"NaN\\\\"', '"\\"NaN"']),
        max_size=8,
    ),
    chunk=st.integers(1, 30),
)
def test_nan_becomes_null_outside_strings_wherever_chunks_end(parts, chunk):
    text = f"[{', '.join(parts)}]".encode()

    class Slowly(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, chunk) if size > 0 else chunk)

    reader, seen = StrictJson(Slowly(text)), b""
    while piece := reader.read(10):
        seen += piece
    expected = json.loads(text, parse_constant=lambda word: None)
    assert json.loads(seen, parse_constant=pytest.fail) == expected


def test_lists_of_loops_and_dots_in_names_are_read(tmp_path):
    file = write_traces(tmp_path / "t.json", {"a.b": [{"x": [1, {}]}, 2], "c": {"d.e": {}}})
    found = list(entries(file))
    assert found == [("a.b", "loop_0", {"x": [1, {}]}), ("a.b", "loop_1", 2), ("c", "d.e", {})]


# -- run folders -----------------------------------------------------------------------------------


def write_journal(folder: Path, model: StepModel, seed: int, steps: int = 40, operator="DESCEND"):
    """A journal as the agent writes it: a draft, then steps with paired replicates."""
    rng = RNG(seed)
    along = model.r + rng.normal() * np.sqrt(model.omega)
    one_score = model.sigma / np.sqrt(2.0)
    folder.mkdir()
    with Journal.create(folder / "journal.sqlite") as journal:
        config = {"task": "digits", "strategy": "gome", "seed": seed, "steps": steps}
        journal.append("started", {"config": config, "metric": "auc", "higher_is_better": True})

        def measured(kind, step, of, replicate, true):
            score = true + one_score * rng.normal()
            outcome = {"valid": True, "score": score, "stderr": 0.1, "folds": [score, score]}
            journal.append(kind, {"of": of, "replicate": replicate, **outcome}, step)
            return score

        journal.append("asked", {"operator": "DRAFT", "parent": None}, 0)
        stored = measured("executed", 0, 0, 0, 0.0)
        journal.append("settled", {"accepted": True, "gain": "inf", "score": stored}, 0)
        parent, level = 0, 0.0
        for step in range(1, steps):
            journal.append("asked", {"operator": operator, "parent": parent}, step)
            if rng.random() > model.validity:
                journal.append("failed", {"error": "NoEdit", "reason": "no idea"}, step)
                journal.append("settled", {"accepted": False, "gain": "-inf"}, step)
                continue
            fresh = np.sqrt(1 - model.omega) * rng.normal()
            alpha = model.step
            gain = model.scale * (2 * alpha * (along + fresh) - alpha**2)
            pairs = [
                measured("executed" if r == 0 else "replicated", step, step, r, level + gain)
                - measured("replicated", step, parent, 10 * step + r, level)
                for r in range(2)
            ]
            # The gate sees the first pair; the parent's number keeps pairs from being reused.
            accepted = bool(pairs[0] > 0)
            settled = {"accepted": accepted, "gain": pairs[0], "gain_stderr": 0.1, "score": 1.0}
            journal.append("settled", settled, step)
            if accepted:
                parent, level = step, level + gain
        journal.append("finished", {"ended_by": "steps", "best_step": parent})
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    base = tmp_path_factory.mktemp("runs")
    model = StepModel(1.0, omega=0.1, sigma=0.05, scale=0.05, validity=0.9)
    return [write_journal(base / f"r{seed}", model, seed) for seed in range(8)]


def test_run_folders_are_traces_of_one_task(folders):
    (task,) = calibrate_runs(folders, level=SURE).tasks
    found = task.directed
    assert (found.steps, found.traces) == (8 * 39, 8)
    assert holds(found.validity, 0.9)
    assert holds(found.sigma, 0.05)
    assert holds(found.r, 1.0)
    assert holds(found.omega, 0.1)
    assert holds(found.scale, 0.05)
    assert task.verdict.side == "gradient"
    (early,) = calibrate_runs(folders, first=5).tasks
    assert early.directed.steps == 8 * 5
    (same,) = calibrate_runs([folders[0].parent], level=SURE).tasks  # the folder of the folders
    assert same.directed.r == found.r


def test_a_crossover_counts_as_neither_but_in_a_baseline(tmp_path):
    folder = write_journal(tmp_path / "x", StepModel(1.0), 0, operator="CROSSOVER")
    log = read_folder(folder)
    assert (log.directed, log.search) == ([], [])
    assert len(read_folder(folder, baseline=True).search) == 39


def test_undirected_steps_give_the_base(folders, tmp_path):
    weak = StepModel(0.0, sigma=0.05, scale=0.05)
    for seed in range(4):
        write_journal(tmp_path / f"b{seed}", weak, 100 + seed, operator="IMPROVE")
    (task,) = calibrate_runs([*folders, tmp_path], level=SURE).tasks
    assert holds(task.search.r, 0.0)
    assert "estimated" in task.verdict.text
    (told,) = calibrate_runs(folders, baseline=[folders[0]]).tasks
    assert told.search.steps == 39
    only = calibrate_runs([tmp_path]).tasks[0]
    assert only.directed is None
    assert "no directed steps" in only.verdict.why


def test_lengths_of_steps_make_an_experiment(tmp_path):
    for seed in range(6):
        for arm, length in (("one", 1.0), ("two", 2.0)):
            model = StepModel(0.8, sigma=0.02, scale=0.05, alpha=0.9 * length)
            write_journal(tmp_path / f"{arm}{seed}", model, 10 * seed + int(length))
    paths = sorted(tmp_path.iterdir())
    arms = {path: 2.0 if path.name.startswith("two") else 1.0 for path in paths}
    (task,) = calibrate_runs(paths, multipliers=arms, level=SURE).tasks
    assert holds(task.directed.r_tested, 0.8)
    assert holds(task.directed.alpha, 0.9)
    words = [word for path in paths for word in ("--arm", f"{path}={arms[path]:g}")]
    assert "step-size A/B" in invoke(*paths, *words).output


def test_the_command_shows_estimates_gaps_and_verdict(folders):
    shown = invoke(*folders, "--budget", 60, "--cost", 3)
    assert shown.exit_code == 0, shown.output
    words = " ".join(shown.output.split())
    for word in ("improvement rate", "not identified", "kappa", "verdict", "probability"):
        assert word in words
    told = json.loads(invoke(*folders, "--json").output)
    assert told["tasks"][0]["quantities"]["rho, d"]["why"]
    assert told["tasks"][0]["verdict"]["side"] in ("gradient", "search")


def test_a_run_that_stopped_anywhere_is_read(folders, tmp_path):
    with Journal.open(folders[0] / "journal.sqlite") as journal:
        events = list(journal.events())
    for length in (0, 1, 3, 5, 9, 40):
        folder = tmp_path / f"cut{length}"
        folder.mkdir()
        with Journal.create(folder / "journal.sqlite") as journal:
            for event in events[:length]:
                journal.append(event.kind, event.payload, event.step)
        log = read_folder(folder)
        assert log.missing
        shown = invoke(folder)
        if log.directed:
            assert shown.exit_code == 0, shown.output
        else:
            assert isinstance(shown.exception, CalibrationError)
            assert "no steps" in str(shown.exception)


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        (["nowhere"], CalibrationError, "does not exist"),
        (["empty"], CalibrationError, "no journal"),
        (["RUN", "--cost", "0"], CalibrationError, "--cost"),
        (["RUN", "--budget", "1"], CalibrationError, "--budget"),
        (["RUN", "--arm", "x"], CalibrationError, "--arm"),
        (["RUN", "--arm", "y=2"], CalibrationError, "`y`"),
        (["bad"], JournalError, "cannot be read"),
        (["bad.json"], FormatError, "JSON"),
    ],
)
def test_errors_name_what_is_wrong(words, error, told, folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad" / "journal.sqlite").write_text("not a database, but long enough" * 50)
    (tmp_path / "bad.json").write_text("certainly not")
    shown = invoke(*(folders[0] if word == "RUN" else word for word in words))
    assert isinstance(shown.exception, error), shown.output
    assert told in str(shown.exception)
    assert cli._is_for_users(shown.exception)


def test_the_study_of_coverage_end_to_end_at_small_size(tmp_path):
    study = studies.load("calibration")
    small = replace(
        study.quick,
        repetitions=40,
        alignments=(0.5,),
        biases=(0.2,),
        noises=(1.0,),
        sizes=((8, 20),),
        lengths=(4, 10),
        sphere_repetitions=6,
    )
    table = execute(study, small, tmp_path)
    model = table.query("varied != 'sphere' and quantity != 'sigma'")
    assert (model.coverage >= binom.ppf(0.0005, 40, 0.95) / 40).all()
    assert set(table.varied) == {"r", "omega", "sigma", "size", "sphere"}
    assert (tmp_path / "figure.svg").read_text().startswith("<?xml")
