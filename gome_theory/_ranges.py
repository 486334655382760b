"""Arguments out of range are refused by name, with the range and the reason.

Not covered: regimes. A law outside its regime warns (`RegimeWarning`); it does not refuse.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

OpenEnds = Literal["none", "low", "high", "both"]


def in_range(
    name: str,
    value: npt.ArrayLike,
    low: float,
    high: float,
    what: str,
    *,
    open_ends: OpenEnds = "none",
) -> np.ndarray:
    """The argument as an array of floats, all of them between low and high.

    Args:
        name: What the caller calls the argument.
        value: One number or many.
        low: Lower end.
        high: Upper end; infinity for no bound.
        what: What the number is, such as "a probability".
        open_ends: Which ends do not themselves belong to the range.

    Returns:
        The numbers.

    Raises:
        ValueError: If any number is outside, or is not a number.

    Example:
        >>> in_range("n", 0, 1.0, np.inf, "a count")
        Traceback (most recent call last):
        ValueError: `n` is 0, which is not in [1, inf): it is a count. Pass a value in that range.
    """
    numbers = np.asarray(value, float)
    above = numbers > low if open_ends in ("low", "both") else numbers >= low
    below = numbers < high if open_ends in ("high", "both") else numbers <= high
    if not np.all(above & below):
        left = "(" if open_ends in ("low", "both") else "["
        right = ")" if open_ends in ("high", "both") or high == np.inf else "]"
        raise ValueError(
            f"`{name}` is {value}, which is not in {left}{low:g}, {high:g}{right}: "
            f"it is {what}. Pass a value in that range."
        )
    return numbers


def noise_level(name: str, value: npt.ArrayLike) -> np.ndarray:
    """A standard deviation, in [0, inf), as an array.

    Args:
        name: What the caller calls the argument.
        value: One number or many.

    Returns:
        The numbers.
    """
    return in_range(name, value, 0.0, np.inf, "a standard deviation")
