"""The account of a run. Running out is an exception, never an empty answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from optimizers.budget import Budget as Budget, BudgetError, Spent


class BudgetExhausted(Exception):
    """A limit was reached; the message says which."""


def _unknown() -> None:
    return None


_NOTHING = Spent()


@dataclass
class Ledger:
    """What has been spent of a budget: counted by the loop, or told by the reasoner.

    The clock that decides is read at fixed places (`read`), so that a run which is followed can be
    given the readings that it had. What limits a program or a call is the clock itself
    (`seconds_left`).

    Attributes:
      budget: must limit the steps, so that a run ends whatever happens.
      clock: seconds from some fixed moment.
      usage: what the reasoner says that it has ever spent (calls, tokens, money); `None` if it
        cannot tell, and calls are as counted.

    Raises:
      BudgetError: the budget does not limit the steps.
    """

    budget: Budget
    clock: Callable[[], float] = time.monotonic
    usage: Callable[[], Spent | None] = _unknown
    steps: int = 0
    evaluations: int = 0
    calls: int = 0
    held: int = field(default=0, init=False)
    """Evaluations that steps under way may still take."""
    elapsed: float = field(default=0.0, init=False)
    """Seconds of the run at the last reading."""

    def __post_init__(self) -> None:
        if self.budget.steps == math.inf:
            raise BudgetError("the budget of a run needs a number of steps: it must end some day")
        self.started = self.clock()
        self._before = self.usage() or Spent()

    def go_on_from(self, seconds: float) -> None:
        """Count what an earlier process of this run has used of the clock."""
        self.started -= seconds

    def read(self, recorded: float | None = None) -> float:
        """Read the clock, or take the reading that was recorded at this place."""
        now = max(self.elapsed, self.clock() - self.started)
        self.elapsed = now if recorded is None else recorded
        return self.elapsed

    @property
    def spent(self) -> Spent:
        """Everything up to the last reading; before the first step, nothing."""
        counted = Spent(self.evaluations, self.calls, seconds=self.elapsed, steps=self.steps)
        told = self.usage()
        if told is None:
            return counted
        new = told - self._before
        return counted._replace(calls=new.calls, tokens=new.tokens, money=new.money)

    @property
    def seconds_left(self) -> float:
        """At this moment."""
        return self.budget.seconds - (self.clock() - self.started)

    @property
    def used(self) -> float:
        """Share of the budget that is used, in [0, 1]: of the currency nearest to its end."""
        spent = self.spent
        shares = (getattr(spent, name) / limit for name, limit in self.budget.limits.items())
        return min(1.0, max(shares, default=0.0))

    def affords(self, evaluations: int) -> bool:
        """Whether so many measurements more are within every limit."""
        return bool(self.budget.pays(self.spent + Spent(self.held + evaluations)))

    def allowed(self, wanted: int, reserve: int) -> int:
        """So many of the evaluations wanted as are not held or reserved; at least one."""
        left = self.budget.evaluations - self.evaluations - self.held - reserve
        return int(max(1, min(wanted, left)))

    def check(self, reserve: Spent = _NOTHING) -> None:
        """Raise if nothing is left of something.

        Args:
          reserve: what must be left over, beside the evaluations that are held.

        Raises:
          BudgetExhausted: says of what.
        """
        name = self.budget.reached(self.spent + Spent(self.held) + reserve)
        if name is None:
            return
        limit = self.budget.limits[name]
        if name == "seconds":
            raise BudgetExhausted(f"the {limit:g} s of wall clock are used")
        raise BudgetExhausted(f"all {limit:g} {name} are used")
