"""Checks of hyper-parameters, with the argument named; traced ones cannot be checked and pass."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from jax.core import Tracer


def require_decay(name: str, decay: float) -> None:
    """Refuse a decay outside [0, 1).

    Raises:
      ValueError: names the argument.
    """
    if not _traced(decay) and not 0.0 <= decay < 1.0:
        raise ValueError(f"`{name}` is a decay and must lie in [0, 1), got {decay}")


def require_fraction(name: str, value: float) -> None:
    """Refuse a value outside [0, 1].

    Raises:
      ValueError: names the argument.
    """
    if not _traced(value) and not 0.0 <= value <= 1.0:
        raise ValueError(f"`{name}` must lie in [0, 1], got {value}")


def require_at_least(name: str, value: float, least: float) -> None:
    """Refuse a value below `least`, or not a number.

    Raises:
      ValueError: names the argument.
    """
    if not _traced(value) and not value >= least:
        raise ValueError(f"`{name}` must be at least {least}, got {value}")


def require_positive(name: str, value: float) -> None:
    """Refuse a value that is not above zero.

    Raises:
      ValueError: names the argument.
    """
    if not _traced(value) and not value > 0:
        raise ValueError(f"`{name}` must be positive, got {value}")


def require_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a name that is not among `choices`.

    Raises:
      ValueError: names the argument, the choices and the nearest one.
    """
    choices = sorted(choices)
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown `{name}` {value!r}.{hint} There are: {', '.join(choices)}.")


def _traced(value: object) -> bool:
    return isinstance(value, Tracer)
