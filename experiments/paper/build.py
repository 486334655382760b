"""From results to a PDF: generate numbers, tables, figures and links; run LaTeX; read its log."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from experiments.paper import figures, sources, tables
from experiments.paper.values import values

GENERATED = sources.PAPER / "generated"
PDF = sources.PAPER / "main.pdf"
WIDEST_OVERFULL = 2.0
"""Points by which a line may stick out."""


class NoLatex(RuntimeError):
    """LaTeX is not installed."""


def generate(to: Path = GENERATED) -> None:
    """Write everything that the text includes, where it has changed.

    Raises:
      LookupError: the text uses a number or a name that does not exist.
      FileNotFoundError: a study has no committed results.
    """
    (to / "tables").mkdir(parents=True, exist_ok=True)
    known = values()
    missing = sources.used_values() - set(known)
    if missing:
        raise LookupError(f"no number {', '.join(sorted(missing))}: add it to paper/values.py")
    numbers = (rf"\defval{{{key}}}{{{value.text}}}" for key, value in known.items())
    _write(to / "numbers.tex", "% generated\n" + "\n".join(numbers) + "\n")
    told = "".join(f"{key}\t{value.text}\t{value.source}\n" for key, value in known.items())
    _write(to / "numbers.tsv", f"key\ttext\tsource\n{told}")
    links = [
        rf"\defplace{{{name}}}{{{place}}}{{{_breakable(name)}}}"
        for name, place in sources.places().items()
    ]
    links += [rf"\defstudy{{{name}}}{{{_breakable(name)}}}" for name in sources.studies()]
    _write(to / "places.tex", "% generated\n" + "\n".join(links) + "\n")
    for name, table in tables.TABLES.items():
        _write(to / "tables" / f"{name}.tex", table() + "\n")
    for study in figures.used():
        figures.draw(study, to)


def _breakable(name: str) -> str:
    """A name in LaTeX that may be broken behind its underscores."""
    return name.replace("_", r"\_\allowbreak{}")


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def typeset() -> list[str]:
    """Run latexmk and say what is wrong with the result.

    Raises:
      NoLatex: with the command that installs it.
    """
    if shutil.which("latexmk") is None:
        raise NoLatex("latexmk is not here: `make tex` installs it on Debian and Ubuntu")
    command = ["latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    environment = {**os.environ, "max_print_line": "1000"}
    done = subprocess.run(
        command, cwd=sources.PAPER, env=environment, capture_output=True, text=True, check=False
    )
    log = sources.PAPER / "main.log"
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else done.stdout
    problems = problems_of(text)
    if done.returncode and not problems:
        problems = [f"latexmk failed: {done.stdout.strip().splitlines()[-1:]}"]
    return problems


def problems_of(log: str) -> list[str]:
    """Errors, undefined references and citations, and lines that stick out, of a LaTeX log."""
    errors = [line for line in log.splitlines() if line.startswith("! ")]
    if errors:
        return errors  # what else is missing is missing because of them
    found = re.findall(
        r"(?:LaTeX|Package natbib) Warning: ((?:Reference|Citation) .* undefined)", log
    )
    for points, where in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\) (.*)", log):
        if float(points) > WIDEST_OVERFULL:
            found.append(f"a line is {points} pt too wide, {where}")
    return list(dict.fromkeys(found))
