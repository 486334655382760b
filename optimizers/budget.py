"""What a run may spend and what it has spent, in every currency: for simulated and real runs.

Plain numbers on the host; a `Spent` may also hold arrays, one entry a step.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
# Sums of prices round: fifty steps at 0.05 are paid by 2.5.
_ROUNDING = 1e-9


class BudgetError(ValueError):
    """A budget that cannot be read or kept; says what to write."""


class Spent(NamedTuple):
    """Amounts that add up; numbers, or arrays of equal shape."""

    evaluations: Any = 0
    """Measurements, those of repairs and replicates included."""
    calls: Any = 0
    """Answers of the reasoner, useless ones included."""
    tokens: Any = 0
    money: Any = 0.0
    """In a currency of the caller's choice."""
    seconds: Any = 0.0
    """Wall clock."""
    steps: Any = 0
    """Candidates; one that could not even be written counts too."""

    def __add__(self, other: Spent) -> Spent:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Spent(*(a + b for a, b in zip(self, other, strict=True)))

    def __sub__(self, other: Spent) -> Spent:
        return Spent(*(a - b for a, b in zip(self, other, strict=True)))


CURRENCIES = Spent._fields


@dataclass(frozen=True)
class Budget:
    """Limits of one run, one for each currency; infinite ones are no limits.

    Raises:
      BudgetError: a limit is not positive, or the number of steps is not whole.
    """

    steps: float = math.inf
    seconds: float = math.inf
    evaluations: float = math.inf
    calls: float = math.inf
    tokens: float = math.inf
    money: float = math.inf

    def __post_init__(self) -> None:
        if not self.steps >= 1 or (self.steps < math.inf and self.steps % 1):
            raise BudgetError(f"a budget needs steps >= 1 and whole, got steps={self.steps}")
        for name in CURRENCIES:
            if not getattr(self, name) > 0:
                raise BudgetError(f"a budget needs {name} > 0, got {name}={getattr(self, name)}")

    @property
    def limits(self) -> dict[str, float]:
        """The finite limits by currency, in the order of `CURRENCIES`."""
        limits = {name: getattr(self, name) for name in CURRENCIES}
        return {name: limit for name, limit in limits.items() if limit < math.inf}

    def reached(self, spent: Spent) -> str | None:
        """The first currency of which nothing is left, if any; for amounts that are numbers."""
        for name, limit in self.limits.items():
            if getattr(spent, name) >= limit * (1 - _ROUNDING):
                return name
        return None

    def pays(self, spent: Spent) -> Any:
        """Whether no limit is exceeded; for arrays, an array of answers."""
        paid = True
        for name, limit in self.limits.items():
            paid = (getattr(spent, name) <= limit * (1 + _ROUNDING)) & paid
        return paid


def parse_budget(text: str, **limits: float) -> Budget:
    """Read limits such as `evaluations=50,money=2.5,seconds=12h`.

    Args:
      text: amounts by currency; seconds take the units s, m and h. May be empty.
      limits: further ones; the tighter of two holds.

    Raises:
      BudgetError: the text cannot be read, or `Budget` refuses it.

    Example:
      >>> parse_budget("money=2.5, seconds=2h", steps=10).limits
      {'money': 2.5, 'seconds': 7200.0, 'steps': 10}
    """
    read: Mapping[str, float] = _amounts(text) if text.strip() else {}
    tightest = {
        name: min(read.get(name, math.inf), limits.get(name, math.inf)) for name in CURRENCIES
    }
    return Budget(**tightest)


def parse_spent(text: str) -> Spent:
    """Read amounts such as `tokens=2000,money=0.01`.

    Raises:
      BudgetError: the text cannot be read, or an amount is negative.
    """
    amounts = _amounts(text) if text.strip() else {}
    for name, amount in amounts.items():
        if not 0 <= amount < math.inf:
            raise BudgetError(f"`{name}={amount:g}`: an amount is finite and at least 0")
    return Spent(**amounts)


def _amounts(text: str) -> dict[str, float]:
    amounts: dict[str, float] = {}
    for part in text.split(","):
        name, _, amount = (word.strip() for word in part.partition("="))
        if name not in CURRENCIES:
            near = difflib.get_close_matches(name, CURRENCIES, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise BudgetError(
                f"cannot read `{part.strip()}` in {text!r}: write NAME=AMOUNT, e.g. "
                f"evaluations=50,seconds=12h.{hint} There are: {', '.join(CURRENCIES)}."
            )
        if name in amounts:
            raise BudgetError(f"{text!r} gives `{name}` twice")
        amounts[name] = _number(name, amount)
    return amounts


def _number(name: str, text: str) -> float:
    unit = _UNITS.get(text[-1:]) if name == "seconds" else None
    try:
        number = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        units = " with a unit s, m or h" if name == "seconds" else ""
        raise BudgetError(f"`{name}={text}`: the amount must be a number{units}") from None
    return int(number) if name not in ("money", "seconds") and number % 1 == 0 else number
