"""Try again after failures that pass: back-off, jitter, Retry-After, never a later deadline."""

from __future__ import annotations

import math
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds of the back-off before jitter; it doubles in between."""
_T = TypeVar("_T")


class Passing(Exception):
    """A failure that may be over soon.

    Attributes:
      retry_after: seconds that the provider wants to be left alone; 0 if it does not say.
      charged: whether the provider may have charged for the attempt: no status came back.
    """

    def __init__(self, message: str, retry_after: float = 0.0, charged: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.charged = charged


@dataclass(frozen=True)
class Timing:
    """Where time and chance come from."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random
    """Uniform on [0, 1): the jitter. Which one decides nothing but waits."""


def persist(attempt: Callable[[float], _T], seconds: float, timing: Timing) -> _T:
    """Attempt until it succeeds, or until the next attempt could not begin in time.

    Waits double from 1 s to 60 s, each times a uniform number in [1/2, 1), so that clients which
    failed together do not come back together; they are longer where the failure says so.

    Args:
      attempt: is told the seconds left.
      seconds: for all attempts and waits.
      timing: clock, sleep and jitter.

    Raises:
      Passing: the last one, when time is up. Whatever else `attempt` raises, at once.
    """
    import tenacity  # with the `llm` extra

    ends = timing.clock() + seconds
    backoff = tenacity.wait_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, Passing) else 0.0
        return max(asked, backoff(state) * (0.5 + 0.5 * timing.draw()))

    retrying = tenacity.Retrying(
        sleep=timing.sleep,
        wait=wait,
        stop=lambda state: timing.clock() + state.upcoming_sleep >= ends,
        retry=tenacity.retry_if_exception_type(Passing),
        reraise=True,
    )
    return retrying(lambda: attempt(ends - timing.clock()))


def within(seconds: float, function: Callable[[], _T]) -> _T:
    """The function's result; a thread is left behind where it takes longer.

    A client's timeout is one for each read, and a server that sends a byte now and then never
    meets it.

    Raises:
      Passing: it took longer. Whatever else the function raises.
    """
    outcome: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((True, function()))
        except BaseException as error:
            outcome.put((False, error))

    threading.Thread(target=run, daemon=True, name="gome-model").start()
    try:
        done, value = outcome.get(timeout=seconds)
    except queue.Empty:
        raise Passing(f"no answer in {seconds:.3g} s", charged=True) from None
    if done:
        return value
    raise value


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds that a response's headers ask to wait; 0 if they do not, or cannot be read.

    Args:
      headers: names in lower case.
      now: seconds since the epoch, for dates (RFC 9110, section 10.2.3).

    >>> retry_after({"retry-after": "2"}, now=0.0)
    2.0
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if not text:
            continue
        try:
            return _wait(float(text) * unit)
        except ValueError:
            pass
        try:
            return _wait(parsedate_to_datetime(text).timestamp() - now)
        except (ValueError, OverflowError):
            continue
    return 0.0


def _wait(seconds: float) -> float:
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0
