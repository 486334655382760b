"""What tokens cost: the user's prices, or litellm's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from gome_agent.models.base import Usage

_MILLION = 1e6


class Prices(NamedTuple):
    """Money for a million tokens of each kind, in a currency of the user's choice."""

    input: float
    cached_input: float
    output: float

    @staticmethod
    def of(given: Prices | Sequence[float] | Mapping[str, float]) -> Prices:
        """Three numbers, in order or by name.

        Raises:
          ValueError: they are not three numbers of at least 0.
        """
        try:
            prices = Prices(**given) if isinstance(given, Mapping) else Prices(*given)
            bad = not all(0 <= price < float("inf") for price in prices)
        except TypeError:
            bad = True
        if bad:
            raise ValueError(
                "`prices` are three amounts for a million tokens (input, cached input, output), "
                f"e.g. (1.25, 0.125, 10), got {given!r}"
            )
        return prices  # pyright: ignore[reportPossiblyUnboundVariable]

    def money(self, usage: Usage) -> float:
        """What an exchange cost.

        >>> Prices(2.0, 0.5, 8.0).money(Usage(prompt_tokens=1000, completion_tokens=100))
        0.0028
        """
        fresh = usage.prompt_tokens - usage.cached_tokens
        amounts = (fresh, usage.cached_tokens, usage.completion_tokens)
        return sum(a * price for a, price in zip(amounts, self, strict=True)) / _MILLION


class Quote(NamedTuple):
    """The most that one attempt at a request takes."""

    prompt_tokens: int
    """Estimated, with a margin."""
    completion_tokens: int | None
    """`None` if nothing limits it."""
    money: Callable[[int, int], float | None]
    """Of so many tokens of prompt and completion; `None` if no price is known."""
