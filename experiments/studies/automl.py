"""The agent with the offline expert as an AutoML system, against what a user would try first.

Bundled tasks, real scripts, held-out answers, one grader for all. A seed is another split into
validation folds and another seed of the method; the test rows stay the same. Scripts and baselines
run on one thread. The searching baselines are given as long as the scripts of the first strategy
took on the same task and seed, so that they are paired with it; `seconds` of a strategy are those
of its scripts, also where another run on the same seed had run the same one, and its own overhead.

FLAML runs where it can be imported or installed into an environment of its own; where it cannot,
its rows say why and have no score.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.study import Cell, Rows, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from gome_agent.evaluator import Evaluator, SandboxEvaluator
    from gome_agent.reasoners.base import Solution
    from gome_agent.tasks.base import Task

FLAML = "flaml[automl]==2.7.0"
DRIVER = Path(__file__).with_name("automl_baselines.py")
LABELS = {
    "hgb": "default boosting",
    "random_search": "random search",
    "flaml": "FLAML",
    "draft": "the expert's draft",
}
SLACK = 4.0
"""A baseline may take so many times its time, and a minute, before it is stopped."""


@dataclass(frozen=True)
class Config:
    """What is run."""

    tasks: tuple[str, ...] = ("cut", "diamonds", "digits", "housing", "visits")
    strategies: tuple[str, ...] = ("gome", "momentum", "hill_climb", "aide(drafts=3)")
    """The first one's time is what the searching baselines are given."""
    baselines: tuple[str, ...] = ("hgb", "random_search", "flaml")
    seeds: int = 5
    steps: int = 10
    seconds_per_run: float = 40.0
    install: bool = True
    """Whether to make FLAML an environment if there is none; needs the network."""


def cells(config: Config) -> Sequence[Cell]:
    """A task and a seed each: methods share scripts and time within it."""
    return [{"task": task, "seed": seed} for seed in range(config.seeds) for task in config.tasks]


def decides(config: Config, cell: Cell) -> dict[str, Any]:
    """A cell depends neither on the other tasks nor on how many seeds there are."""
    settings = dataclasses.asdict(config)
    return {**{name: settings[name] for name in settings if name not in ("tasks", "seeds")}, **cell}


def run_cell(config: Config, cell: Cell, scratch: Path) -> Rows:
    """A row a method. Baselines run beside the strategies, once the time of the first is known."""
    from gome_agent.tasks import registry

    task, seed = registry.load(cell["task"]), cell["seed"]
    scratch = scratch.absolute()  # baselines run in folders of their own
    folder = scratch / "automl" / f"{cell['task']}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    task.prepare(folder / "public")
    python, missing = _flaml(config, scratch)
    with ThreadPoolExecutor(1) as beside:
        later = []
        rows = []
        for strategy in config.strategies:
            rows += _strategy(task, strategy, seed, config, folder)
            if strategy == config.strategies[0]:
                seconds = rows[0]["seconds"]
                for name in config.baselines:
                    if name == "flaml" and missing:
                        rows.append(_row(name, note=missing))
                        continue
                    interpreter = python if name == "flaml" else sys.executable
                    later.append(
                        beside.submit(_baseline, task, name, interpreter, seed, seconds, folder)
                    )
        rows += [done.result() for done in later]
    shutil.rmtree(folder)
    return [{**cell, **row} for row in rows]


def _row(method: str, **found: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("score", "medal", "validation", "evaluations", "seconds"))
    return {"method": method, **empty, "note": "", **found}


# Strategies -------------------------------------------------------------------------------------


@dataclass
class Reseeded:
    """An evaluator that splits by the run's seed, and remembers what the cell has run."""

    inner: SandboxEvaluator
    seed: int
    kept: Path
    """Folder of what was run."""
    charged: float = 0.0
    """Seconds of the scripts asked for, also of those that were remembered."""
    waited: float = 0.0
    """Seconds spent in this evaluator."""

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        from gome_agent.evaluator import step_folder

        started = time.perf_counter()
        number = self.seed + 1000 * replicate
        saved, solution = self._find(script, number)
        files = step_folder(self.inner.steps, step)
        files.mkdir(parents=True, exist_ok=True)
        if solution is None:
            solution = self.inner.evaluate(script, step, seconds, number)
            written = files if not number else files / f"replicate_{number}"
            self._keep(saved, solution, written / "submission.csv")
        if solution.valid and not replicate:
            shutil.copyfile(saved / "submission.csv", files / "submission.csv")
        (files / "solution.py").write_text(script, encoding="utf-8")
        self.charged += solution.seconds
        self.waited += time.perf_counter() - started
        return solution

    def _find(self, script: str, number: int) -> tuple[Path, Solution | None]:
        from experiments.studies.dial import load_solution
        from gome_agent.journal import digest

        saved = self.kept / f"{digest(script)[:24]}-{number}"
        path = saved / "solution.json"
        return saved, load_solution(path) if path.is_file() else None

    def _keep(self, saved: Path, solution: Solution, submission: Path) -> None:
        from experiments import runs

        if solution.valid:
            saved.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(submission, saved / "submission.csv")
            runs.write_json(saved / "solution.json", dataclasses.asdict(solution))


def _strategy(task: Task, strategy: str, seed: int, config: Config, folder: Path) -> Rows:
    """The run's row, and for the first strategy one of the draft, which all share."""
    from experiments import runs
    from gome_agent.journal import digest

    out = folder / "runs" / digest(strategy)[:16]
    made: list[Reseeded] = []

    def reseed(evaluator: Evaluator) -> Evaluator:
        made.append(Reseeded(evaluator, seed, folder / "kept"))  # type: ignore[arg-type]
        return made[0]

    settings = runs.RunConfig(
        task.facts.name,
        strategy,
        "expert",
        steps=config.steps,
        seed=seed,
        seconds_per_run=config.seconds_per_run,
    )
    summary = runs.execute(settings, out, runs.Watching(wrap_evaluator=reseed))
    if summary["ended_by"] == "interrupted":
        raise KeyboardInterrupt  # It is not a result.
    seconds = summary["wall_seconds"] - made[0].waited + made[0].charged
    counts = {"evaluations": summary["evaluations"], "seconds": round(seconds, 2)}
    rows = []
    if summary["submission"] is None:
        rows.append(_row(strategy, **counts, note="no script was valid"))
    else:
        grade = task.grade(out / summary["submission"])
        validation = summary["validation"]["score"]
        found = {"score": grade.score, "medal": grade.medal, "validation": validation}
        rows.append(_row(strategy, **found, **counts))
    if strategy == config.strategies[0] and summary["first_draft_step"] is not None:
        rows.append(_draft(task, out, summary))
    return rows


def _draft(task: Task, out: Path, summary: dict[str, Any]) -> dict[str, Any]:
    from gome_agent.evaluator import step_folder

    step = summary["first_draft_step"]
    grade = task.grade(step_folder(out / "steps", step) / "submission.csv")
    found = {"score": grade.score, "medal": grade.medal, "validation": summary["first_draft"]}
    return _row("draft", **found, evaluations=1)


# Baselines --------------------------------------------------------------------------------------


def _baseline(
    task: Task, name: str, python: str, seed: int, seconds: float, folder: Path
) -> dict[str, Any]:
    """A baseline's row; one that fails has none but a note."""
    facts = task.facts
    problem = {
        "id_column": facts.id_column,
        "target": facts.target,
        "kind": facts.kind,
        "metric": facts.metric.name,
        "predicts": facts.metric.predicts,
        "columns": list(facts.prediction_columns),
        "classes": list(facts.classes),
        "seed": seed,
        "seconds": seconds,
    }
    submission = folder / f"{name}.csv"
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [python, "-P", str(DRIVER), name, str(folder / "public"), str(submission)],
            input=json.dumps(problem),
            env={**os.environ, **threads},
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=SLACK * seconds + 60.0,
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        return _row(name, note=f"it failed: {last}")
    except subprocess.TimeoutExpired:
        return _row(name, note=f"it was stopped after {SLACK:g} times its {seconds:.0f} s")
    took = time.perf_counter() - started
    report = json.loads(done.stdout.strip().splitlines()[-1])
    grade = task.grade(submission)
    return _row(name, score=grade.score, medal=grade.medal, seconds=round(took, 2), **report)


def _flaml(config: Config, scratch: Path) -> tuple[str, str]:
    """The interpreter that has FLAML, and why there is none."""
    if "flaml" not in config.baselines:
        return "", ""
    if find_spec("flaml"):
        return sys.executable, ""
    from experiments.bench.environments import environment

    made = environment(FLAML, scratch / "environments", install=config.install)
    return str(made.python), made.missing


# What is shown ----------------------------------------------------------------------------------


def utilities(table: pd.DataFrame, config: Config) -> pd.DataFrame:
    """The table with `utility`, higher is better, in units of the task's spread over methods.

    A method without a score gets the worst of its task. Methods with no score at all are left out.
    """
    from gome_agent.tasks import registry

    ran = table.groupby("method").score.transform("count") > 0
    parts = []
    for task, rows in table[ran].groupby("task"):
        utility = rows.score.map(registry.load(str(task)).facts.metric.utility, na_action="ignore")
        utility = utility.astype(float).fillna(utility.min())
        spread = utility.std(ddof=1)
        parts.append(rows.assign(utility=utility / (spread if spread > 0 else 1.0)))
    import pandas as pd

    return pd.concat(parts)


def leads(table: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Of the first strategy over every other method: mean over tasks, 95% interval over seeds.

    Paired by task and seed; the interval is Student's over the seeds' means, tasks being fixed.
    """
    import pandas as pd
    from scipy import stats

    known = utilities(table, config)
    wide = known.pivot(index=["seed", "task"], columns="method", values="utility")
    first = config.strategies[0]
    rows = []
    for method in wide.columns.drop(first):
        by_seed: Any = (wide[first] - wide[method]).groupby("seed").mean()
        gaps = np.asarray(by_seed, float)
        mean, n = float(gaps.mean()), len(gaps)
        half = float(stats.t.ppf(0.975, n - 1) * stats.sem(gaps)) if n > 1 else float("nan")
        ahead = float(np.mean(np.sign(wide[first] - wide[method]) / 2 + 0.5))
        rows.append(
            {
                "method": method,
                "lead": mean,
                "low": mean - half,
                "high": mean + half,
                "ahead": ahead,
            }
        )
    return pd.DataFrame(rows).sort_values("lead").reset_index(drop=True)


def interval(values: pd.Series) -> tuple[float, float]:
    """Mean and half of Student's 95% interval; none over a single value."""
    from scipy import stats

    n = values.count()
    half = stats.t.ppf(0.975, n - 1) * values.sem() if n > 1 else float("nan")
    return float(values.mean()), float(half)


def label(method: str) -> str:
    """What a method is called in figures and tables."""
    return LABELS.get(method, method)


def figure(table: pd.DataFrame, config: Config) -> Figure:
    """Held-out scores a task, with intervals over seeds, and the leads of the first strategy."""
    import matplotlib.pyplot as plt

    from experiments.style import mark_quick
    from gome_agent.tasks import registry

    methods = [*config.strategies, "draft", *config.baselines]
    width = 2.6 * (len(config.tasks) + 1)
    figure, axes = plt.subplots(1, len(config.tasks) + 1, figsize=(width, 3.6))
    places = np.arange(len(methods))[::-1]
    for panel, task in zip(axes, config.tasks, strict=False):
        metric = registry.load(task).facts.metric
        for place, method in zip(places, methods, strict=True):
            scores = table.query("task == @task and method == @method").score.dropna()
            if len(scores):
                mean, half = interval(scores.astype(float))
                ours = method in config.strategies
                panel.errorbar(
                    mean, place, xerr=np.nan_to_num(half), fmt="o" if ours else "s", ms=4, lw=1.2,
                    color="#0072B2" if ours else "#777777",
                )  # fmt: skip
        if not metric.higher_is_better:
            panel.invert_xaxis()
        panel.set_yticks(
            places, list(map(label, methods)) if panel is axes[0] else [""] * len(places)
        )
        panel.set(title=task, xlabel=metric.name)
    _lead_panel(axes[-1], table, config)
    if config.seeds < Config().seeds:
        mark_quick(figure)
    return figure


def _lead_panel(axes: Any, table: pd.DataFrame, config: Config) -> None:
    found = leads(table, config)
    places = np.arange(len(found))
    errors = np.nan_to_num(np.abs([found.lead - found.low, found.high - found.lead]))
    axes.errorbar(found.lead, places, xerr=errors, fmt="o", ms=4, lw=1.2, color="#0072B2")
    axes.axvline(0.0, color="#555555", lw=0.9)
    axes.set_yticks(places, list(map(label, found.method)), fontsize=7)
    axes.yaxis.tick_right()
    axes.set(title=f"{config.strategies[0]} ahead by", xlabel="task spreads")


STUDY = Study(
    name="automl",
    question="How good is the agent with the offline expert on the bundled tasks, beside default "
    "boosting, random search and FLAML in the same time?",
    full=Config(),
    quick=Config(
        tasks=("digits", "housing"),
        strategies=("gome", "hill_climb"),
        seeds=2,
        steps=4,
        install=False,
    ),
    cells=cells,
    run_cell=run_cell,
    figure=figure,
    decides=decides,
)
