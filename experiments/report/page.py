"""The page: records and charts put into the template, written as one file.

All text of a run (statements, evidence, logs, scripts, names) was written by language models and by
programs, so it is untrusted: the template escapes everything, and a content security policy in the
page forbids whatever might get through: no network, no script but the page's own, by its digest.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from experiments.costs import Costs, by_purpose, by_step, total
from experiments.report import charts, figures, heatmap, side_by_side
from experiments.report.changes import Change, compare, whole
from experiments.report.data import read_run
from experiments.report.records import Run, Step, same_statement

FOLDER = Path(__file__).parent
LOG_CHARACTERS = 6000


@dataclass(frozen=True)
class Entry:
    """One step as the list of steps shows it."""

    step: Step
    change: Change | None
    same_as_parent: bool
    done: frozenset[str]
    """Statements of the ranked directives that were carried out."""
    log: str
    """Tail of the log; empty unless the step failed."""


class _Spent(NamedTuple):
    """What calls of models took."""

    purposes: dict[str, Costs]
    steps: dict[int | None, Costs]
    total: Costs


def write_report(run_dir: Path, to: Path | None = None) -> Path:
    """Write the report of a run.

    Args:
      run_dir: folder of the run; its journal may still be growing.
      to: file to write, replaced if it exists; `report.html` in the run's folder by default.

    Returns:
      The file written.

    Raises:
      JournalError: the folder holds no readable journal.
    """
    html = render(read_run(run_dir))
    target = to if to is not None else run_dir / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + ".tmp")
    draft.write_text(html, encoding="utf-8", errors="replace", newline="\n")
    draft.replace(target)
    return target


def render(run: Run) -> str:
    """The page of a run, as HTML; the same records give the same text."""
    script = _asset("page.js")
    return (
        _environment()
        .get_template("template.html.j2")
        .render(
            run=run,
            charts=charts,
            figures=figures,
            updates=heatmap.update_map(run),
            parameters=heatmap.parameter_map(run),
            over_time=side_by_side.time_chart(run) if _has_more_than_steps(run) else None,
            costs=_Spent(by_purpose(run.calls), by_step(run.calls), total(run.calls)),
            beside=_beside(run),
            traces=_traces(run),
            entries=entries(run),
            shades=range(1, heatmap.SHADES + 1),
            style=Markup(_asset("style.css")),
            script=Markup(script),
            script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def entries(run: Run) -> list[Entry]:
    """The steps with what the page computes of them."""
    scripts = {step.number: step.script for step in run.steps}
    return [
        _entry(step, scripts.get(step.parent) if step.parent is not None else None)
        for step in run.steps
    ]


def _beside(run: Run) -> dict[int, tuple[int, ...]]:
    """The steps that each was under way with, where there are any."""
    found = {step.number: run.timeline.beside(step.number) for step in run.steps}
    return {number: others for number, others in found.items() if others}


def _traces(run: Run) -> dict[int, int]:
    """The draft that each step comes from, itself excepted, where there are several."""
    roots = {step: root for step, root in run.traces().items() if step != root}
    return roots if len(set(roots.values())) > 1 else {}


def _has_more_than_steps(run: Run) -> bool:
    """Whether a time line shows what the charts over the steps do not."""
    return bool(run.calls or run.timeline.breaks) or run.side_by_side


def _entry(step: Step, parent_script: str | None) -> Entry:
    change = None
    if step.script:
        change = compare(parent_script, step.script) if parent_script else whole(step.script)
    return Entry(
        step=step,
        change=change,
        same_as_parent=bool(step.script) and step.script == parent_script,
        done=frozenset(
            ranked.statement
            for ranked in step.ranked
            if any(same_statement(ranked.statement, done.statement) for done in step.applied)
        ),
        log=step.log[-LOG_CHARACTERS:] if step.state == "failed" else "",
    )


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
