"""What the paper's sources refer to: numbers, statements, places in the repository."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "paper"
RESULTS = ROOT / "experiments" / "results"
FOLDERS = ("gome_theory", "optimizers", "simulators", "gome_agent", "experiments")
FOLDERS += ("tests/gome_theory", "tests")
_KINDS = "definition|lemma|theorem|proposition|corollary"
_STATEMENT = re.compile(
    rf"\\begin{{({_KINDS})}}(?:\[([^\]]*)\])?\\label{{([^}}]*)}}(.*?)\\end{{\1}}", re.DOTALL
)
_EVIDENCE = re.compile(r"\\evidence{([^}]*)}{([^}]*)}{([^}]*)}")


class Statement(NamedTuple):
    """A numbered statement and what stands behind it."""

    kind: str
    title: str
    label: str
    laws: tuple[str, ...]
    tests: tuple[str, ...]
    studies: tuple[str, ...]


def sections() -> dict[str, str]:
    """The text of every section, by name, without comments."""
    return {
        path.stem: re.sub(r"(?<!\\)%.*", "", path.read_text(encoding="utf-8"))
        for path in sorted((PAPER / "sections").glob("*.tex"))
    }


def used_values() -> set[str]:
    r"""Keys of all `\val{...}`."""
    return set(re.findall(r"\\val{([^}]*)}", "\n".join(sections().values())))


def statements() -> list[Statement]:
    """All statements, in the order of the paper.

    Raises:
      ValueError: one has no evidence.
    """
    order = re.findall(r"sections/(\w+)", (PAPER / "main.tex").read_text(encoding="utf-8"))
    found = []
    for section in order:
        for kind, title, label, body in _STATEMENT.findall(sections()[section]):
            evidence = _EVIDENCE.search(body)
            if evidence is None:
                raise ValueError(f"the statement `{label}` has no \\evidence")
            parts = (tuple(filter(None, part.split(","))) for part in evidence.groups())
            found.append(Statement(kind, title, label, *parts))
    return found


def used_places() -> set[str]:
    """Functions, classes and tests that the text links to."""
    named = set(re.findall(r"\\place{([^}]*)}", "\n".join(sections().values())))
    return named.union(*((*found.laws, *found.tests) for found in statements()))


def used_studies() -> set[str]:
    """Studies that the text links to."""
    named = set(re.findall(r"\\study{([^}]*)}", "\n".join(sections().values())))
    return named.union(*(found.studies for found in statements()))


def places() -> dict[str, str]:
    """Where each used function, class and test is, from the repository's root.

    Raises:
      LookupError: there is nothing of that name.
    """
    known = _definitions()
    missing = used_places() - set(known)
    if missing:
        raise LookupError(f"no function, class or test is called {', '.join(sorted(missing))}")
    return {name: known[name] for name in sorted(used_places())}


def studies() -> list[str]:
    """All studies with committed results.

    Raises:
      LookupError: the text links to another one.
    """
    known = sorted(path.parent.name for path in RESULTS.glob("*/manifest.json"))
    missing = used_studies() - set(known)
    if missing:
        raise LookupError(f"no results of a study {', '.join(sorted(missing))}")
    return known


@cache
def _definitions() -> dict[str, str]:
    """Functions and classes at the top of a module; of several of a name, the first."""
    found: dict[str, str] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "results" in path.parts:
                continue
            text = path.read_text(encoding="utf-8")
            for name in re.findall(r"^(?:def|class) (\w+)", text, re.MULTILINE):
                found.setdefault(name, str(path.relative_to(ROOT)))
    return found
