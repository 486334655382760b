"""Sections of a report as Markdown and as one HTML page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.mlebench.grid import Grid

if TYPE_CHECKING:
    from experiments.mlebench.report import Section

_FOLDER = Path(__file__).parent
_FIGURE = "figure.png"


def write(grid: Grid, sections: Sequence[Section], out: Path) -> tuple[Path, Path]:
    """Write `report.md` and `report.html`, both with the figure beside them."""
    import jinja2

    markdown, html = out / "report.md", out / "report.html"
    parts = [f"# MLE-bench, {len(grid.competitions)} competitions", "", setting(grid), ""]
    for section in sections:
        parts += [f"## {section.title}", "", table(section), ""]
        parts += [line for note in section.notes for line in (note, "")]
    markdown.write_text("\n".join([*parts, f"![figure]({_FIGURE})", ""]), encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("report.html.j2").render(
        grid=grid, setting=setting(grid), sections=sections, figure=_FIGURE
    )
    html.write_text(page, encoding="utf-8")
    return markdown, html


def setting(grid: Grid) -> str:
    """One line on what was run."""
    asked = f"{grid.reasoner}" + (f" with {grid.model}" if grid.model else ", no model")
    limits = f"{grid.seconds / 3600:g} h and {grid.steps} steps a run"
    further = f", {grid.budget}" if grid.budget else ""
    where = f", hardware {grid.hardware}" if grid.hardware else ""
    return f"{asked}; {limits}{further}{where}; seeds {', '.join(map(str, grid.seeds))}."


def table(section: Section) -> str:
    """A table in Markdown."""
    lines = [section.columns, tuple("---" for _ in section.columns), *section.rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"([\\|<>*_`\[\]])", r"\\\1", text) if text != "---" else text
