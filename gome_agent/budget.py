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


@dataclass
class Ledger:
    """What has been spent of a budget: counted by the loop, or told by the reasoner.

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
    started: float = field(init=False)

    def __post_init__(self) -> None:
        if self.budget.steps == math.inf:
            raise BudgetError("the budget of a run needs a number of steps: it must end some day")
        self.started = self.clock()
        self._before = self.usage() or Spent()

    @property
    def spent(self) -> Spent:
        """Everything so far; before the first step, nothing."""
        counted = Spent(self.evaluations, self.calls, seconds=self.elapsed, steps=self.steps)
        told = self.usage()
        if told is None:
            return counted
        new = told - self._before
        return counted._replace(calls=new.calls, tokens=new.tokens, money=new.money)

    @property
    def elapsed(self) -> float:
        """Wall seconds since the start."""
        return self.clock() - self.started

    @property
    def seconds_left(self) -> float:
        return self.budget.seconds - self.elapsed

    @property
    def steps_left(self) -> int:
        return int(self.budget.steps) - self.steps

    def affords(self, evaluations: int) -> bool:
        """Whether so many measurements more are within every limit."""
        return bool(self.budget.pays(self.spent + Spent(evaluations)))

    def check(self, reserve: int = 0) -> None:
        """Raise if nothing is left of something.

        Args:
          reserve: evaluations that must be left over for afterwards.

        Raises:
          BudgetExhausted: says of what.
        """
        name = self.budget.reached(self.spent + Spent(reserve))
        if name is None:
            return
        limit = self.budget.limits[name]
        if name == "seconds":
            raise BudgetExhausted(f"the {limit:g} s of wall clock are used")
        raise BudgetExhausted(f"all {limit:g} {name} are used")
