"""`gome resume`, and the status with which a run ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

INTERRUPTED = 130
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")]


def resume(
    directory: Folder,
    python: Annotated[
        str | None, typer.Option(help="Another interpreter of the scripts; '' for that of gome.")
    ] = None,
    sandbox: Annotated[
        str | None, typer.Option(help="Another backend; '' for the strongest that works here.")
    ] = None,
    gpus: Annotated[str | None, typer.Option(help="Other GPUs, or 'none'.")] = None,
    gpu_slots: Annotated[
        int | None, typer.Option(min=1, help="Another number of scripts on one GPU at once.")
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Another folder of MLE-bench; '' for the usual one.")
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Prepared data elsewhere; '' for the installation's.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Another number of candidates made at once.")
    ] = None,
) -> None:
    """Go on with a run that was killed or interrupted: nothing finished is paid or run again.

    What decides where it runs may change; what is not given is as it was.
    """
    from experiments import display

    told = {
        "python": python,
        "sandbox": sandbox,
        "gpus": gpus,
        "gpu_slots": gpu_slots,
        "benchmark": benchmark,
        "data_dir": os.path.abspath(data_dir) if data_dir else data_dir,
        "workers": workers,
    }
    where: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    if sandbox == "":
        where["sandbox"] = None
    end(display.resume(directory, where))


def end(summary: dict[str, Any]) -> None:
    """End with the status of a run."""
    if summary["ended_by"] == "interrupted":
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(1 if summary["submission"] is None else 0)
