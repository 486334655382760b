"""`gome mlebench run`, `grade`, `report` and `leaderboard`: dispatch only."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(metavar="OUT", help="The --out of `gome mlebench run`.")]
Home = Annotated[
    Path | None, typer.Option(help="Folder of the installation; ~/.cache/gome/mlebench by default.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    for command in (run, grade, report, leaderboard):
        app.command()(command)


def run(
    out: Annotated[Path, typer.Option("--out", help="Folder of the grid; created.")],
    split: Annotated[
        str, typer.Option(help="lite (= low), medium, high, all, dev; not with --competitions.")
    ] = "",
    competitions: Annotated[str, typer.Option(help="Ids, between commas.")] = "",
    strategy: Annotated[
        str, typer.Option(help="As for `gome run`, several between semicolons: 'gome;aide'.")
    ] = "gome",
    model: Annotated[str, typer.Option(help="As for `gome run`.")] = "",
    reasoner: Annotated[
        str | None, typer.Option(help="'prompted' if there is a model, else 'expert'.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each strategy and competition.")] = 3,
    first_seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Most candidates of a run.")] = 500,
    time_budget: Annotated[str, typer.Option(help="Of one run: 43200, 720m or 12h.")] = "12h",
    budget: Annotated[
        str, typer.Option(help="Further limits of one run, e.g. 'money=10,calls=600'.")
    ] = "",
    seconds_per_run: Annotated[
        float, typer.Option(min=1, help="Wall clock of one script.")
    ] = 3600.0,
    repairs: Annotated[int, typer.Option(min=0, help="As for `gome run`.")] = 0,
    rehearse: Annotated[int, typer.Option(min=0, help="As for `gome run`.")] = 0,
    hardware: Annotated[
        str, typer.Option(help="Profile, e.g. 'v100'; models are told of it.")
    ] = "",
    python: Annotated[str, typer.Option(help="Interpreter in which scripts run.")] = "",
    sandbox: Annotated[str, typer.Option(help="As for `gome run`.")] = "",
    gpus: Annotated[
        str,
        typer.Option(
            help="GPUs that scripts take turns on: '0,1', 'none'; the profile's first by default."
        ),
    ] = "",
    gpu_slots: Annotated[int, typer.Option(min=1, help="Scripts at once on one card.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at once, each a process.")] = 1,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Prepared data; without an installation they can be run, not graded."),
    ] = None,
    no_facts: Annotated[
        bool,
        typer.Option("--no-facts", help="Tell runs only what the benchmark's descriptions say."),
    ] = False,
    home: Home = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be run, how long, how large.")
    ] = False,
) -> None:
    """Run competitions x strategies x seeds, or what is left of them; nothing is graded."""
    from experiments.mlebench import showing
    from experiments.mlebench.grid import LEVELS, make
    from experiments.spec import split as parts
    from gome_agent.tasks.mlebench import data_only
    from optimizers.budget import parse_budget

    if bool(split) == bool(competitions):
        raise typer.BadParameter("give --split or --competitions", param_hint="--split")
    names = tuple(name.strip() for name in competitions.split(",") if name.strip())
    with data_only.rollout(home, data_dir) as rollout:
        grid = make(
            competitions=names or rollout.competitions(split),
            strategies=parts(strategy),
            seeds=tuple(range(first_seed, first_seed + seeds)),
            splits={level: rollout.competitions(level) for level in LEVELS},
            reasoner=reasoner or ("prompted" if model else "expert"),
            model=model,
            steps=steps,
            seconds=parse_budget(f"seconds={time_budget}").seconds,
            budget=budget,
            seconds_per_run=seconds_per_run,
            repairs=repairs,
            rehearse=rehearse,
            hardware=hardware,
            python=os.path.abspath(python) if os.sep in python else python,
            sandbox=sandbox,
            gpus=gpus,
            gpu_slots=gpu_slots,
            jobs=jobs,
            benchmark="" if home is None else str(home.resolve()),
            data_dir="" if data_dir is None else str(data_dir.resolve()),
            facts=not no_facts,
        )
        data_bytes = showing.require_prepared(grid, rollout)
    status = showing.run(grid, out, data_bytes, dry_run=dry_run)
    if status:
        raise typer.Exit(status)


def grade(
    out: Folder,
    finished_only: Annotated[
        bool, typer.Option("--finished-only", help="Although other runs are not finished.")
    ] = False,
    shipped_thresholds: Annotated[
        bool,
        typer.Option(
            "--shipped-thresholds",
            help="Where a leaderboard is absent, judge by thresholds of ours; marked as such.",
        ),
    ] = False,
    home: Home = None,
) -> None:
    """Grade finished runs on the held-out answers; status 1 if the graders failed on some."""
    from experiments.mlebench import showing
    from experiments.mlebench.grid import load
    from gome_agent.tasks.mlebench.benchmark import Benchmark

    grid = load(out)
    benchmark = Benchmark.load(home or (Path(grid.benchmark) if grid.benchmark else None))
    if grid.data_dir:
        benchmark = replace(benchmark, data_dir=Path(grid.data_dir))
    final_of = partial(benchmark.final, shipped_thresholds=shipped_thresholds)
    status = showing.grade(out, final_of, finished_only)
    if status:
        raise typer.Exit(status)


def report(
    out: Folder,
    pad_missing: Annotated[
        bool, typer.Option("--pad-missing", help="Runs without a grade count as no medal.")
    ] = False,
) -> None:
    """Write report.md, report.html and a figure about graded runs."""
    from experiments.mlebench import showing

    showing.report(out, pad_missing)


def leaderboard(
    out: Folder,
    to: Annotated[Path, typer.Option("--to", help="Folder for the files; created.")],
    hardware: Annotated[
        str, typer.Option(help="To declare: '12 vCPUs, 220GB of RAM, and 1 V100 GPU'.")
    ],
    agent: Annotated[str, typer.Option(help="Begins the experiment's id.")] = "gome",
    pad_missing: Annotated[
        bool, typer.Option("--pad-missing", help="Declare runs without a grade as failures.")
    ] = False,
) -> None:
    """Write the files that the benchmark's leaderboard asks for."""
    from experiments.mlebench import showing

    showing.leaderboard(out, to, hardware=hardware, agent=agent, pad_missing=pad_missing)
