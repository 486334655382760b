"""What the commands show on a terminal: tables, progress, where to look next."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from experiments import runs, spec

if TYPE_CHECKING:
    import pandas as pd

    from experiments.costs import Costs
    from experiments.study import Study

CONSOLE = Console(highlight=False)
ALL = "all"
"""Name under which all studies run."""
_INTERRUPTED = 130


def tasks() -> None:
    """A table of the bundled tasks."""
    from gome_agent.tasks import registry

    table = Table("task", "kind", "metric", "better", "what it is", box=None, pad_edge=False)
    for name in registry.names():
        facts = registry.load(name).facts
        better = "higher" if facts.metric.higher_is_better else "lower"
        table.add_row(f"[bold]{name}", facts.kind, facts.metric.name, better, facts.title)
    CONSOLE.print(table)


def studies() -> None:
    """A table of the studies."""
    from experiments import studies

    table = Table("study", "question", box=None, pad_edge=False)
    for name in studies.names():
        table.add_row(f"[bold]{name}", studies.load(name).question)
    CONSOLE.print(table)


def check(rule: str, basis: str) -> None:
    """A table of the laws of a rule; failures that matter in the basis stand out."""
    import optimizers

    choices = get_args(optimizers.Basis)
    if basis not in choices:
        raise spec.SpecError(spec.unknown("basis", basis, choices))
    character = optimizers.check(
        spec.build_strategy(rule).rule, basis=cast(optimizers.Basis, basis)
    )
    concerns = {law.name for law in character.concerns}
    colours = {"yes": "green", "no": "yellow", "?": "dim"}
    table = Table("law", "holds", "value", "because", box=None, pad_edge=False)
    for name, verdict, value, because in character.table():
        colour = "bold red" if name in concerns else colours[verdict]
        table.add_row(name, f"[{colour}]{verdict}[/]", value, escape(because))
    CONSOLE.print(f"[bold]{escape(rule)}[/]")
    CONSOLE.print(table)
    CONSOLE.print(escape(character.summary))


def run(config: runs.RunConfig, out: Path) -> dict[str, Any]:
    """Run with a line per step and a progress bar; says where to look at the end."""
    return _watched(partial(runs.execute, config, out), out)


def resume(out: Path, where: Mapping[str, Any]) -> dict[str, Any]:
    """Go on with a run; its finished steps are shown again."""
    return _watched(partial(runs.resume, out, where=where), out)


def replay(earlier: Path, out: Path) -> dict[str, Any]:
    """Show a run once more from its journal."""
    return _watched(partial(runs.replay, earlier, out), out)


def _watched(go: Callable[[runs.Watching], dict[str, Any]], out: Path) -> dict[str, Any]:
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=CONSOLE,
    )
    bar = progress.add_task("preparing", total=None)
    best: list[float] = []

    def on_start(config, task, backend) -> None:
        facts = task.facts
        better = "higher is better" if facts.metric.higher_is_better else "lower is better"
        asked = f" · {escape(config.model)}" if config.model else ""
        CONSOLE.print(
            f"[bold]{facts.name}[/] {escape(facts.title)} · {facts.metric.name}, {better} · "
            f"{escape(config.strategy)} · {escape(config.reasoner)}{asked} · seed {config.seed}"
        )
        CONSOLE.print(f"[dim]sandbox: {escape(_describe(backend))}[/]")
        progress.update(bar, total=config.steps)

    def on_step(step) -> None:
        if step.solution.valid:
            best[:] = [max([step.solution.score, *best])]
        mark = "[green]●[/]" if step.accepted else "[red]×[/]" if not step.solution.valid else "○"
        what = step.edit.note or step.operator.name.lower() if step.edit else "no candidate"
        CONSOLE.print(f"{mark} {step.step:3d} {escape(what)} [dim]{escape(step.reason)}[/]")
        shown = f"best {abs(best[0]):.5g}" if best else "nothing valid yet"
        progress.update(bar, advance=1, description=shown)

    with progress:
        summary = go(runs.Watching(on_start=on_start, on_step=on_step))
    _outcome(summary, out)
    return summary


def _outcome(summary: dict[str, Any], out: Path) -> None:
    if summary["ended_by"] == "interrupted":
        CONSOLE.print(
            f"[yellow]interrupted[/]: what was found so far is kept; gome resume {out} goes on"
        )
    if summary["validation"] is None:
        CONSOLE.print(f"[red]no valid solution[/]; read {out / 'journal.sqlite'} for the failures")
        return
    score, spread = summary["validation"]["score"], summary["validation"]["stderr"]
    withheld = f", {summary['withheld']} withheld" if summary["withheld"] else ""
    CONSOLE.print(
        f"{summary['metric']} {score:.5g} ± {spread:.2g} in validation "
        f"(first draft {summary['first_draft']:.5g}) · {summary['evaluations']} evaluations · "
        f"{summary['accepted']} accepted, {summary['rejected']} rejected, "
        f"{summary['failed']} failed{withheld} · {summary['wall_seconds']:.0f} s"
    )
    for found in summary["revalidation"]:
        again = found["failure"] if found["score"] is None else f"{found['score']:.5g}"
        CONSOLE.print(f"step {found['step']} measured again: {escape(again)}")
    if summary["averaged_steps"]:
        steps = ", ".join(map(str, summary["averaged_steps"]))
        CONSOLE.print(
            f"submitted: the average of steps {steps}; the validation is step "
            f"{summary['best_step']}'s alone"
        )
    if summary["selector_note"]:
        CONSOLE.print(f"[yellow]{escape(summary['selector_note'])}[/]")
    CONSOLE.print(f"[dim]ended: {escape(summary['ended_by'])}{_paid(summary)}[/]")
    CONSOLE.print(
        f"best script {out / 'best_solution.py'} · next: gome grade {out} · gome report {out}"
    )


def _paid(summary: dict[str, Any]) -> str:
    if not summary["tokens"]:
        return ""
    money = f", {summary['money']:.4g} of money" if summary["money"] else ""
    return f" · {summary['calls']} calls, {summary['tokens']} tokens{money}"


def grade(directory: Path) -> None:
    """Held-out score, medal, and where the first draft would have been."""
    summary = runs.grade(directory)
    rows = [("submitted", summary["held_out"])]
    if "first_draft_held_out" in summary:
        rows.append(("first draft", summary["first_draft_held_out"]))
    table = Table("", summary["metric"], "medal", "rank", "", box=None, pad_edge=False)
    for name, held_out in rows:
        rank = f"{held_out['rank']} of {held_out['teams']}"
        above = "above the median" if held_out["above_median"] else "below the median"
        table.add_row(name, f"{held_out['score']:.5g}", held_out["medal"], rank, above)
    if (oracle := summary.get("oracle_on_test")) is not None:
        name, score = f"[dim]step {oracle['step']}", f"[dim]{oracle['score']:.5g}"
        table.add_row(name, score, f"[dim]{oracle['medal']}", "", f"[dim]{oracle['note']}")
    CONSOLE.print(table)
    needed = ", ".join(f"{k} {v:.5g}" for k, v in summary["held_out"]["thresholds"].items())
    CONSOLE.print(f"[dim]thresholds: {needed}[/]")


def report(directory: Path, to: Path | None) -> None:
    """Write the page and say where it is."""
    from experiments.report import write_report

    CONSOLE.print(f"report {write_report(directory, to)}")


def costs(directory: Path, *, by_step: bool, as_json: bool) -> None:
    """A table of what calls of models took, one line a purpose or a step, and a total."""
    from experiments import costs

    calls = costs.read_calls(directory)
    if as_json:
        print(json.dumps(costs.as_json(calls), indent=2, allow_nan=False))
        return
    if not calls:
        CONSOLE.print("no call of a language model is in the journal")
        return
    groups = costs.by_step(calls) if by_step else costs.by_purpose(calls)
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    table.add_column("step" if by_step else "purpose", no_wrap=True)
    for name in _AMOUNTS:
        table.add_column(name, justify="right", no_wrap=True)
    for name, sums in groups.items():
        table.add_row(escape("none" if name is None else str(name)), *_cells(sums))
    table.add_section()
    table.add_row("[bold]total", *_cells(costs.total(calls)))
    CONSOLE.print(table)
    if unpriced := costs.total(calls).unpriced:
        CONSOLE.print(
            f"[yellow]{unpriced} call{'s' if unpriced > 1 else ''} of unknown price[/]: the money "
            "leaves them out; give `prices` with the model"
        )


_AMOUNTS = (
    "calls",
    "tries",
    "prompt",
    "of it\ncached",
    "reply",
    "of it\nreasoning",
    "money",
    "seconds",
    "failed",
)


def _cells(sums: Costs) -> tuple[str, ...]:
    amounts = (sums.exchanges, sums.attempts, sums.prompt_tokens, sums.cached_tokens)
    amounts += (sums.completion_tokens, sums.reasoning_tokens)
    unknown = sums.unpriced == sums.exchanges - sums.failed and not sums.money
    money = "?" if sums.unpriced and unknown else f"{sums.money:.4f}"
    return (*map(str, amounts), money, f"{sums.seconds:.1f}", str(sums.failed or ""))


def study(name: str, out: Path, *, quick: bool, settings: Sequence[str]) -> int:
    """Run a study with a progress bar over its cells; `all` runs one after the other.

    Returns:
      Exit status: 0, 1 if the study's own verdict says that it failed, 130 if it was interrupted.
    """
    from experiments import studies

    if name != ALL:
        return _study(name, out, quick=quick, settings=settings)
    status = 0
    for one in studies.names():
        ended = _study(one, out / one, quick=quick, settings=settings)
        if ended == _INTERRUPTED:
            return ended
        status = max(status, ended)
    return status


def _study(name: str, out: Path, *, quick: bool, settings: Sequence[str]) -> int:
    from experiments import studies

    found = studies.load(name)
    config = configure(found.quick if quick else found.full, settings)
    table = follow(found, config, out)
    if table is None:
        return _INTERRUPTED
    CONSOLE.print(
        f"figure {out / 'figure.svg'} · table {out / 'table.csv'} (and .parquet)", soft_wrap=True
    )
    failure = found.verdict(table, config) if found.verdict else None
    if failure:
        CONSOLE.print(f"[red]failed[/]: {escape(failure)}")
    return 1 if failure else 0


def follow(study: Study, config: Any, out: Path) -> pd.DataFrame | None:
    """Run a study with a progress bar over its cells.

    Returns:
      The table; `None` if it was interrupted, after saying how to go on.
    """
    from experiments.study import execute

    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=CONSOLE,
    ) as progress:
        bar = progress.add_task(study.name, total=None)
        finished = [0]

        def on_cell(done, total, cell, cached) -> None:
            finished[0] = done
            words = " ".join(str(value) for value in cell.values())
            kept = " (kept)" if cached else ""
            progress.update(bar, total=total, completed=done, description=escape(words + kept))

        try:
            return execute(study, config, out, on_cell)
        except KeyboardInterrupt:
            progress.stop()
            CONSOLE.print(
                f"[yellow]interrupted[/]: {finished[0]} finished cells are kept in "
                f"{out / 'cells'}; the same command goes on from there",
                soft_wrap=True,
            )
            return None


def configure(config: Any, settings: Sequence[str]) -> Any:
    """Change fields of a configuration from `name=value` words.

    Raises:
      SpecError: unknown name, or a value that is not a literal of the field's type.
    """
    import ast

    known = {field.name for field in dataclasses.fields(config)}
    changes = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in known:
            raise spec.SpecError(spec.unknown("setting", name, known))
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        old = getattr(config, name)
        if isinstance(old, tuple) and not isinstance(value, tuple):
            value = tuple(value) if isinstance(value, list) else (value,)
        if isinstance(old, float) and isinstance(value, int):
            value = float(value)
        if not isinstance(value, type(old)):
            raise spec.SpecError(
                f"setting `{name}` is {type(old).__name__} like {old!r}, got {text!r}"
            )
        changes[name] = value
    return dataclasses.replace(config, **changes)


def _describe(backend) -> str:
    from gome_agent import sandbox

    return sandbox.describe(backend)
