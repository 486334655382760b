"""A rule's character: which laws it obeys, with the smallest example found where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Basis = Literal["directives", "embedding"]
"""What the coordinates are: one per directive, or an arbitrary basis of an embedding space."""

_ALWAYS = ("finite", "deterministic", "jit equals eager", "padding", "zero fixpoint")
_SILENT = ("silence", "falls silent")
WANTED: dict[str, frozenset[str]] = {
    "directives": frozenset(
        (*_ALWAYS, *_SILENT, "permutation-equivariant", "birth at 10", "birth at 1000")
    ),
    "embedding": frozenset((*_ALWAYS, *_SILENT, "rotation-equivariant")),
}
"""The laws that a rule for textual gradients should obey, by basis; the others are its nature."""


@dataclass(frozen=True)
class Law:
    """One law, decided numerically for one rule."""

    name: str
    holds: bool | None
    """`None`: it could not be tested, and `meaning` says why."""
    value: float | None
    """What was measured: a degree, a share, a ratio, or the largest relative difference."""
    counterexample: str | None
    """Concrete numbers for which the law fails."""
    meaning: str

    @property
    def verdict(self) -> str:
        """`yes`, `no` or `?`."""
        return "?" if self.holds is None else "yes" if self.holds else "no"


@dataclass(frozen=True)
class Character:
    """What `optimizers.check` found out about a rule."""

    basis: Basis
    laws: tuple[Law, ...]

    def __post_init__(self) -> None:
        if self.basis not in get_args(Basis):
            raise ValueError(
                f"unknown basis `{self.basis}`: coordinates are `directives` or an `embedding`"
            )

    def __getitem__(self, name: str) -> Law:
        """The law of that name.

        Raises:
          KeyError: there is none; the message lists them.
        """
        for law in self.laws:
            if law.name == name:
                return law
        raise KeyError(f"no law `{name}`; there are: {', '.join(law.name for law in self.laws)}")

    @property
    def concerns(self) -> tuple[Law, ...]:
        """Laws that matter in this basis and fail."""
        wanted = WANTED[self.basis]
        return tuple(law for law in self.laws if law.name in wanted and law.holds is False)

    def table(self) -> list[tuple[str, str, str, str]]:
        """Rows of law, verdict (`yes`, `no`, `?`), value, and counter-example or meaning."""
        return [
            (
                law.name,
                law.verdict,
                "" if law.value is None else f"{law.value:.3g}",
                law.counterexample or law.meaning,
            )
            for law in self.laws
        ]

    def __str__(self) -> str:
        """The table, aligned, and a line on what to mind in this basis."""
        rows = [("law", "holds", "value", "because"), *self.table()]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [
            "  ".join(
                [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]
            )
            for row in rows
        ]
        return "\n".join([*lines, self.summary])

    @property
    def summary(self) -> str:
        """One line: which of the laws that matter in this basis fail, and what is not known."""
        basis = "a basis of directives" if self.basis == "directives" else "an embedding"
        text = f"in {basis}, mind: {', '.join(law.name for law in self.concerns) or 'nothing'}"
        untested = [law.name for law in self.laws if law.holds is None]
        return f"{text}; not tested: {', '.join(untested)}" if untested else text
