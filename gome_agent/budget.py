"""What a run may spend. Running out is an exception, never an empty answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Budget:
    """Limits of one run.

    Raises:
      ValueError: a limit is not positive.
    """

    steps: int
    """Candidates; one that could not even be written counts too, so that a run always ends."""
    seconds: float = float("inf")
    """Wall clock, from the start of the run."""

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.seconds > 0:
            raise ValueError(
                f"a budget needs steps >= 1 and seconds > 0, got steps={self.steps}, "
                f"seconds={self.seconds}"
            )


class BudgetExhausted(Exception):
    """A limit was reached; the message says which."""


@dataclass
class Ledger:
    """What has been spent of a budget."""

    budget: Budget
    clock: Callable[[], float] = time.monotonic
    steps: int = 0
    evaluations: int = 0
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    @property
    def elapsed(self) -> float:
        """Wall seconds since the start."""
        return self.clock() - self.started

    @property
    def seconds_left(self) -> float:
        return self.budget.seconds - self.elapsed

    @property
    def steps_left(self) -> int:
        return self.budget.steps - self.steps

    def check(self) -> None:
        """Raise if nothing is left.

        Raises:
          BudgetExhausted: steps or seconds are used up.
        """
        if self.steps_left <= 0:
            raise BudgetExhausted(f"all {self.budget.steps} steps are used")
        if self.seconds_left <= 0:
            raise BudgetExhausted(f"the {self.budget.seconds:g} s of wall clock are used")
