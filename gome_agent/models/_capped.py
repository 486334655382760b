"""Caps that hold: a call is made only if the budget pays for the worst that it can come to.

What calls in flight may still take is set aside, over all threads. A call that would fit but for
those waits for them. What was set aside is released when the provider has reported.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from gome_agent.budget import BudgetExhausted
from gome_agent.models._prices import Quote
from gome_agent.models.base import (
    Exchange,
    Model,
    ModelError,
    ModelMisconfigured,
    ModelUnavailable,
    Request,
)
from optimizers.budget import Budget, Spent

LEAST_COMPLETION = 1024
"""Tokens of a reply below which a call is not worth its prompt."""
MOST_COMPLETION = 32_768
"""Tokens that are set aside for a reply that nothing limits; it is then limited to them."""
_CAPPED = ("calls", "tokens", "money")


@runtime_checkable
class Metered(Model, Protocol):
    """A model that can say beforehand what a call takes at most, and be held to it."""

    def quote(self, request: Request) -> Quote:
        """The most that one attempt takes."""
        ...

    def ask(
        self,
        request: Request,
        seconds: float,
        *,
        max_tokens: int | None = None,
        another: Callable[[], bool] = ...,
    ) -> Exchange:
        """As `Model.ask`, with a reply of at most so many tokens.

        Args:
          request, seconds: as in `Model.ask`.
          max_tokens: of the reply, reasoning included.
          another: asked before each attempt that follows one which may have been charged.
        """
        ...


class Capped:
    """A model within limits on calls, tokens, money and wall clock. Safe to call from threads.

    The limits are exceeded by no more than a provider adds on its own: tokens beyond what a prompt
    was estimated at, and charges for attempts that it never reported.

    Args:
      model: one, or `Roles` of several.
      budget: limits; those on steps and evaluations are for others.
      spent_before: by an earlier part of the run, on the same budget.
      clock: seconds from some fixed moment.

    Raises:
      ModelMisconfigured: never here, but by the first `ask` if money is limited and no price is
        known.
    """

    def __init__(
        self,
        model: Metered,
        budget: Budget,
        spent_before: Spent | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._budget = budget
        self._before = spent_before or Spent()
        self._spent = Spent()
        self._set_aside = Spent()
        self._clock = clock
        self._started = clock()
        self._changed = threading.Condition()

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def usage(self) -> Spent:
        """By calls of this object, as the provider reported it."""
        with self._changed:
            return self._spent

    def ask(self, request: Request, seconds: float) -> Exchange:
        """Answer within so many seconds, if the budget pays for it.

        Raises:
          BudgetExhausted: before the call; names the limit.
          ModelMisconfigured: money is limited and no price is known.
          ModelError: as the model's.
        """
        seconds = min(seconds, self._seconds_left())
        quote = self._model.quote(request)
        self._require_price(quote)
        ends = self._clock() + seconds
        aside, completion = self._reserve(quote, ends)
        taken = [aside]

        def another() -> bool:
            """Set the same aside once more, if it is there."""
            with self._changed:
                if self._lacking(aside) is not None:
                    return False
                self._set_aside += aside
                taken.append(aside)
                return True

        spent = Spent()
        try:
            exchange = self._model.ask(
                request,
                max(ends - self._clock(), 0.0),
                max_tokens=completion,
                another=another,
            )
            spent = exchange.usage.spent
            return exchange
        except ModelError as error:
            spent = error.usage.spent
            raise
        finally:
            with self._changed:
                self._spent += spent
                for each in taken:
                    self._set_aside -= each
                self._changed.notify_all()

    def _reserve(self, quote: Quote, ends: float) -> tuple[Spent, int | None]:
        """Set aside the worst case; wait for calls in flight where they hold what is missing."""
        with self._changed:
            while True:
                completion = self._completion(quote, self._set_aside)
                aside = _worst(quote, completion)
                lacking = self._lacking(aside)
                if lacking is None:
                    self._set_aside += aside
                    limited = not {"tokens", "money"}.isdisjoint(self._budget.limits)
                    return aside, completion if limited else None
                alone = _worst(quote, self._completion(quote, Spent()))
                lacking = self._lacking(alone, Spent())
                if lacking is not None:
                    raise BudgetExhausted(self._sentence(lacking))
                if not self._changed.wait(min(ends - self._clock(), threading.TIMEOUT_MAX)):
                    raise ModelUnavailable(
                        "calls in flight held what was left of the budget until the deadline"
                    )

    def _completion(self, quote: Quote, aside: Spent) -> int:
        """Most tokens of a reply that can be paid, at least the fewest that are worth a call."""
        wanted = quote.completion_tokens or MOST_COMPLETION
        left = self._left(aside)
        paid = min(wanted, left["tokens"] - quote.prompt_tokens)
        if math.isfinite(left["money"]):
            paid = min(paid, _affordable(quote, left["money"], wanted))
        return max(int(paid), min(wanted, LEAST_COMPLETION))

    def _left(self, aside: Spent) -> dict[str, float]:
        gone = self._before + self._spent + aside
        return {name: getattr(self._budget, name) - getattr(gone, name) for name in _CAPPED}

    def _lacking(self, wanted: Spent, aside: Spent | None = None) -> str | None:
        """The first currency of which too little is left."""
        total = self._before + self._spent + (self._set_aside if aside is None else aside) + wanted
        only = Budget(**{n: x for n, x in self._budget.limits.items() if n in _CAPPED})
        for name in only.limits:
            if not Budget(**{name: only.limits[name]}).pays(total):
                return name
        return None

    def _sentence(self, name: str) -> str:
        limit, left = self._budget.limits[name], self._left(Spent())[name]
        if left <= 0:
            return f"all {limit:g} {name} are used"
        return f"all {limit:g} {name} are used, but {left:g} that do not pay for one more call"

    def _seconds_left(self) -> float:
        left = self._budget.seconds - self._before.seconds - (self._clock() - self._started)
        if left <= 0:
            raise BudgetExhausted(f"the {self._budget.seconds:g} s of wall clock are used")
        return left

    def _require_price(self, quote: Quote) -> None:
        if "money" in self._budget.limits and quote.money(1, 1) is None:
            raise ModelMisconfigured(
                f"money is limited and no price of `{self._model.name}` is known: give "
                "`prices=(INPUT, CACHED_INPUT, OUTPUT)` for a million tokens each"
            )


def _worst(quote: Quote, completion: int) -> Spent:
    money = quote.money(quote.prompt_tokens, completion) or 0.0
    return Spent(calls=1, tokens=quote.prompt_tokens + completion, money=money)


def _affordable(quote: Quote, money: float, wanted: int) -> float:
    """Most tokens of a reply that money pays for, by the price of the longest wanted."""
    prompt = quote.money(quote.prompt_tokens, 0) or 0.0
    longest = (quote.money(quote.prompt_tokens, wanted) or 0.0) - prompt
    return wanted if longest <= 0 else min(wanted, (money - prompt) / longest * wanted)
