"""The commands about the machine: `gome doctor` and `gome solutions`; dispatch only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

solutions = typer.Typer(help="The environment that scripts run in.", no_args_is_help=True)


@solutions.callback()
def _solutions() -> None:
    """Keeps `install` a command of its own: typer leaves out the name of a single one."""


def doctor(
    profile: Annotated[
        str, typer.Option(help="Hardware profile, e.g. 'v100'; that of the card if not given.")
    ] = "",
    python: Annotated[str, typer.Option(help="Interpreter of the scripts.")] = "",
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the task's data.")] = None,
    model: Annotated[str, typer.Option(help="As for `gome run`; nothing is asked of it.")] = "",
    gpus: Annotated[str, typer.Option(help="As for `gome run`; the first one if there is.")] = "",
    sandbox: Annotated[str | None, typer.Option(help="As for `gome run`.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Wall clock of the run; the profile's by default.")
    ] = None,
    seconds_per_run: Annotated[
        float | None, typer.Option(min=1, help="Wall clock of one script; the profile's.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check machine, card, driver and the environment of solutions before a long run."""
    from experiments import doctor

    wanted = doctor.Wanted(
        profile=profile,
        python=python,
        data=data_dir,
        model=model,
        gpus=gpus,
        sandbox=sandbox,
        seconds=seconds,
        seconds_per_run=seconds_per_run,
    )
    status = doctor.show(wanted, as_json=json)
    if status:
        raise typer.Exit(status)


@solutions.command()
def install(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder; missing or empty.")],
    profile: Annotated[str, typer.Option(help="Hardware profile, e.g. 'v100'.")],
    python: Annotated[
        str, typer.Option(help="Interpreter that it is made from; ours by default.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only ask the registry; DIR is not touched.")
    ] = False,
) -> None:
    """Install what a profile pins into a virtual environment of its own."""
    from experiments import doctor

    doctor.install(profile, to, python, dry_run=dry_run)
