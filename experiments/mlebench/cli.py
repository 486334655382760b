"""`gome mlebench`: dispatch only. Answers are one JSON object on standard output.

Status: 0 if all is well, 1 if the answer is no (an invalid submission, a problem that was found, a
competition that could not be prepared), 2 if there is no answer.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.mlebench import grid_cli

if TYPE_CHECKING:
    from gome_agent.tasks.mlebench.benchmark import Benchmark, Rollouts
    from gome_agent.tasks.mlebench.data_only import DataOnly

app = typer.Typer(
    name="mlebench",
    help="MLE-bench: install it, prepare its data, ask it, grade with it.",
    no_args_is_help=True,
)
grid_cli.register(app)

Competition = Annotated[str, typer.Argument(metavar="COMPETITION", help="Id of a competition.")]
Submission = Annotated[Path, typer.Argument(metavar="FILE", help="A submission, as CSV.")]
Source = Annotated[str, typer.Option(help="A clone to use instead of the one that was installed.")]
DataDir = Annotated[
    Path | None, typer.Option(help="Data folder; that of the installation by default.")
]
Home = Annotated[
    Path | None, typer.Option(help="Folder of the installation; ~/.cache/gome/mlebench by default.")
]
Python = Annotated[
    Path | None, typer.Option(help="A Python with the benchmark's packages, 3.11 or later.")
]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[COMPETITION]...", help="Ids of competitions.")
]
Split = Annotated[str, typer.Option(help="All of a split: lite, medium, high, dev, all.")]
File = Annotated[
    Path | None, typer.Option("--list", metavar="FILE", help="A file with an id in each line.")
]


@app.command()
def install(
    source: Annotated[
        str, typer.Argument(help="A clone, a git URL, or a Python that can import `mlebench`.")
    ],
    data_dir: DataDir = None,
    home: Home = None,
    python: Python = None,
) -> None:
    """Make an environment of its own for MLE-bench; what is there already is kept."""
    from gome_agent.tasks.mlebench import environment

    benchmark = environment.install(source, home, data_dir, python, told=_progress)
    _print(asdict(benchmark))


@app.command()
def info(
    competition: Competition,
    source: Source = "",
    data_dir: DataDir = None,
    home: Home = None,
    python: Python = None,
) -> None:
    """Say what may be known of a competition while a run is open."""
    with _rollout(source, data_dir, home, python) as rollout:
        _print(asdict(rollout.info(competition)))


@app.command()
def validate(
    competition: Competition,
    file: Submission,
    source: Source = "",
    data_dir: DataDir = None,
    home: Home = None,
    python: Python = None,
) -> None:
    """Say whether a submission could be graded, never how well it does."""
    with _rollout(source, data_dir, home, python) as rollout:
        validity = rollout.validate(competition, file)
    _print({"competition": competition, "submission": file, **asdict(validity)})
    raise typer.Exit(0 if validity.valid else 1)


@app.command()
def score(
    competition: Competition,
    file: Submission,
    shipped_thresholds: Annotated[
        bool,
        typer.Option(
            "--shipped-thresholds",
            help="If the leaderboard is absent, judge by thresholds of ours; marked as such.",
        ),
    ] = False,
    source: Source = "",
    data_dir: DataDir = None,
    home: Home = None,
    python: Python = None,
) -> None:
    """Grade a submission; refused while the run that it lies in is open."""
    from gome_agent.closing import closed_around

    benchmark = _benchmark(source, data_dir, home, python)
    with (
        closed_around(file) as proof,
        benchmark.final(proof, shipped_thresholds=shipped_thresholds) as final,
    ):
        report = final.score(competition, file)
    _print(report.model_dump(mode="json"))
    raise typer.Exit(0 if report.valid_submission else 1)


@app.command()
def prepare(
    competitions: Ids = None,
    split: Split = "",
    listed: File = None,
    keep_raw: Annotated[bool, typer.Option("--keep-raw", help="Keep extracted raw data.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Begin even if the disk seems too small.")
    ] = False,
    source: Source = "",
    data_dir: DataDir = None,
    home: Home = None,
    python: Python = None,
) -> None:
    """Download and prepare data, or what is left of it: needs a Kaggle account's key."""
    from gome_agent.tasks.mlebench import preparing

    benchmark = _benchmark(source, data_dir, home, python)
    ids = _chosen(benchmark, competitions, split, listed)
    results = preparing.prepare(benchmark, ids, keep_raw=keep_raw, anyway=anyway, told=_progress)
    _print({result.competition: asdict(result) for result in results})
    raise typer.Exit(1 if any(result.outcome == "failed" for result in results) else 0)


@app.command()
def preflight(
    competitions: Ids = None,
    split: Split = "",
    listed: File = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    source: Source = "",
    data_dir: DataDir = None,
    home: Home = None,
    python: Python = None,
) -> None:
    """Check what could go wrong: packages, leaderboards, data, Kaggle's key, disk."""
    from gome_agent.tasks.mlebench import preflight as checks

    benchmark = _benchmark(source, data_dir, home, python)
    ids = _chosen(benchmark, competitions, split or ("" if competitions else "lite"), listed)
    findings = checks.preflight(benchmark, ids, os.environ, Path.home())
    if as_json:
        _print({"findings": [asdict(finding) for finding in findings]})
    for finding in [] if as_json else findings:
        print(f"{'ok     ' if finding.ok else 'problem'} {finding.check}: {finding.message}")
        if finding.fix:
            print(f"        -> {finding.fix}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


# -- what the commands share ----------------------------------------------------------------------


def _benchmark(
    source: str, data_dir: Path | None, home: Path | None, python: Path | None
) -> Benchmark:
    """The installation; or a clone with the packages of a Python, of the installation's by default.

    Raises:
      BenchmarkError: there is neither.
    """
    from gome_agent.tasks.mlebench import environment
    from gome_agent.tasks.mlebench.benchmark import Benchmark

    if source:
        python = python or Benchmark.load(home).python
        return environment.at(source, python, data_dir, home)
    found = Benchmark.load(home)
    data_dir = data_dir.absolute() if data_dir else found.data_dir
    return Benchmark(found.home, python or found.python, found.source, found.commit, data_dir)


def _rollout(
    source: str, data_dir: Path | None, home: Path | None, python: Path | None
) -> Rollouts | DataOnly:
    """What an open run may ask, also of prepared data alone.

    Raises:
      BenchmarkError: there is no installation, and neither a clone nor data were named.
    """
    from gome_agent.tasks.mlebench import data_only

    if source or python:
        return _benchmark(source, data_dir, home, python).rollout()
    return data_only.rollout(home, data_dir)


def _chosen(
    benchmark: Benchmark, competitions: list[str] | None, split: str, listed: Path | None
) -> list[str]:
    """Ids that were named, in a split or in a file, each once.

    Raises:
      BenchmarkError: no such split.
    """
    from gome_agent.tasks.mlebench.benchmark import ids_of

    ids = list(competitions or [])
    if listed is not None:
        ids += listed.read_text(encoding="utf-8").split()
    if split:
        with benchmark.doctor() as doctor:
            ids += ids_of(doctor, split)
    if not ids:
        raise typer.BadParameter("name competitions, or give --split or --list")
    return list(dict.fromkeys(ids))


def _print(value: dict[str, Any]) -> None:
    print(json.dumps(value, indent=2, default=str))


def _progress(line: str) -> None:
    print(f"gome: {line}", file=sys.stderr, flush=True)
