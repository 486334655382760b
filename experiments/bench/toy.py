"""The toy of the benchmarks: one 40-word prompt, three examples, models that answer at once.

A step is three forward calls of the task model, one feedback text per example, and one update of
the prompt. All replies are fixed texts, the same words for every library, so that what is measured
is the library. Only the standard library is used: peers run this in environments without ours.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

PROMPT = (
    "You are a careful assistant for arithmetic word problems. Read the question twice, write down "
    "what is given and what is asked, solve it one step at a time, check the units, and give the "
    "final answer as one number."
)
GOAL = "A system prompt for a model that answers arithmetic word problems."
EXAMPLES = (
    (
        "A train leaves at noon and covers 180 miles in three hours. How fast does it go?",
        "The train goes 60 miles per hour.",
        "Right number, but the unit was not asked for: give the number alone, on its own line.",
    ),
    (
        "Ann has 14 apples, gives away five and buys a dozen. How many does she have?",
        "She has 9 apples and then buys 12, so 22.",
        "The sum is wrong: 9 and 12 make 21. The steps should be verified before the answer.",
    ),
    (
        "A shirt of 40 euros is sold at 15 percent off. What does it cost?",
        "It costs 34 euros.",
        "Correct, but too long: the answer should not repeat the question.",
    ),
)
CRITIQUE = (
    "The prompt should ask for the number alone, tell the model to verify each sum before it "
    "answers, and forbid repeating the question."
)
"""What a model says as feedback where a library asks one."""
IDEAS = (
    "Ask for the number alone on the last line",
    "Tell the model to verify each sum before it answers",
    "Forbid repeating the question",
)
"""The same as single changes."""

_TOKEN = re.compile(r"\w+|[^\w\s]")


def tokens(text: str) -> int:
    """Words and punctuation marks: an approximation of a model's tokens, the same for all.

    >>> tokens("Read it twice, please.")
    6
    """
    return len(_TOKEN.findall(text))


def revised(number: int) -> str:
    """The prompt after so many updates: always as long as at first, never twice the same.

    >>> tokens(revised(7)) == tokens(revised(123))
    True
    """
    return f"{PROMPT} Version {number}."


@dataclass
class Spent:
    """Time, calls and prompt tokens of one step."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of the whole process: hardly changed by what else the machine does."""
    forward_calls: int = 0
    forward_tokens: int = 0
    optimizer_calls: int = 0
    optimizer_tokens: int = 0


@dataclass
class Meter:
    """The two models as a library sees them; keeps what passes through."""

    updates: int = 0
    since: tuple[float, float] = (0.0, 0.0)
    """Wall clock and CPU time of the last lap."""
    prompts: list[tuple[str, str]] = field(default_factory=list)
    """Side and text of every prompt of this lap; tokens are counted after the clock is read."""

    def forward(self, prompt: str) -> str:
        """The task model: knows its three questions."""
        self.prompts.append(("forward", prompt))
        return next(
            (answer for question, answer, _ in EXAMPLES if question in prompt), EXAMPLES[0][1]
        )

    def optimizer(self, prompt: str, reply: str) -> str:
        """The model that the optimizer asks, with the reply it is to give."""
        self.prompts.append(("optimizer", prompt))
        return reply

    def next_prompt(self) -> str:
        """The text of the next update."""
        self.updates += 1
        return revised(self.updates)

    def lap(self) -> Spent:
        """What was spent since the last lap."""
        wall, cpu = time.perf_counter() - self.since[0], time.process_time() - self.since[1]
        counts = {
            side: [tokens(text) for asked, text in self.prompts if asked == side]
            for side in ("forward", "optimizer")
        }
        self.prompts.clear()
        lap = Spent(
            seconds=wall,
            cpu_seconds=cpu,
            forward_calls=len(counts["forward"]),
            forward_tokens=sum(counts["forward"]),
            optimizer_calls=len(counts["optimizer"]),
            optimizer_tokens=sum(counts["optimizer"]),
        )
        self.since = time.perf_counter(), time.process_time()
        return lap


def timed(step: Callable[[], object], meter: Meter, steps: int) -> list[Spent]:
    """Run a step so many times; what each took."""
    laps = []
    meter.lap()
    for _ in range(steps):
        step()
        laps.append(meter.lap())
    return laps
