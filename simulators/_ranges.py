"""Arguments out of range are refused by name, with the range and the reason.

Numbers traced by JAX have no value yet and are passed over: sweeping a parameter inside one
compiled program costs its check.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jax.core import Tracer


def require_range(name: str, value: Any, low: float, high: float, what: str) -> None:
    """Refuse what does not lie in `[low, high]`.

    Args:
      name: what the caller calls the argument.
      value: a number or an array.
      low: lower end.
      high: upper end; infinity for no bound.
      what: what the number is, such as "a probability".

    Raises:
      ValueError: a number is outside, or is not a number.
    """
    if isinstance(value, Tracer):
        return
    numbers = np.asarray(value, float)
    if not ((numbers >= low) & (numbers <= high)).all():
        end = ")" if high == np.inf else "]"
        raise ValueError(
            f"`{name}` is {value}, which is not in [{low:g}, {high:g}{end}: it is {what}. "
            "Pass a value in that range."
        )


def require_positive(name: str, value: Any, what: str) -> None:
    """Refuse what is not a positive finite number.

    Raises:
      ValueError: a number is not above 0, not finite or not a number.
    """
    if isinstance(value, Tracer):
        return
    numbers = np.asarray(value, float)
    if not ((numbers > 0) & np.isfinite(numbers)).all():
        raise ValueError(
            f"`{name}` is {value}, which is not in (0, inf): it is {what}. Pass a positive number."
        )


def require_count(name: str, value: Any, low: int, why: str, high: int | None = None) -> int:
    """A whole number of at least `low`.

    Args:
      name: what the caller calls the argument.
      value: the number.
      low: the smallest that makes sense.
      why: what it is for, as in "a landscape needs ...".
      high: the largest, if there is one.

    Raises:
      ValueError: it is not whole, too small or too large.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        span = f"at least {low}" if high is None else f"in [{low}, {high}]"
        raise ValueError(f"`{name}` is {value!r}, but must be a whole number, {span}: {why}.")
    return int(value)
