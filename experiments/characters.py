"""The table of rules and their laws on the algebra page: `python -m experiments.characters`."""

from __future__ import annotations

import optimizers
from optimizers import RULES, WRAPPERS, Character

COLUMNS = {
    "linear": "linear",
    "degree": "homogeneous",
    "odd": "odd",
    "rotates": "rotation-equivariant",
    "merges": "merges",
    "silence": "silence",
    "birth": "birth at 10",
    "zero": "zero fixpoint",
}
"""Heading and name of each law shown."""
_NUMBERS = ("homogeneous", "silence", "birth at 10")


def table() -> str:
    """Markdown: a row for each named rule, and for each wrapper around `sgd`."""
    rules = {name: make() for name, make in RULES.items()}
    rules |= {f"{name}(sgd)": make(RULES["sgd"]()) for name, make in WRAPPERS.items()}
    rows = [("rule", *COLUMNS), ("---",) * (len(COLUMNS) + 1)]
    for name, rule in rules.items():
        character = optimizers.check(rule, laws=COLUMNS.values())
        rows.append((f"`{name}`", *(_cell(character, law) for law in COLUMNS.values())))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(character: Character, name: str) -> str:
    law = character[name]
    if law.holds is None:
        return "undefined"
    if name in _NUMBERS:
        return f"{law.value:.2g}" if law.holds or name != "homogeneous" else "no"
    return "yes" if law.holds else "no"


if __name__ == "__main__":
    print(table())
