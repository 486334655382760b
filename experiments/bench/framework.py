"""What a step of the agent costs apart from model and script, and a step that is only followed.

Without a sandbox: the loop with a model that answers at once, through `Prompted`, `Recorded` and
`Capped`, an evaluator in memory, and a journal on disk. With one: the same loop, and a script that
does nothing in each sandbox that works here. Beside each such step, in turns, the bare start-up of
the interpreter is timed, and taken off within the pair.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optimizers
from gome_agent import sandbox
from gome_agent.budget import Budget
from gome_agent.evaluator import Evaluator, SandboxEvaluator
from gome_agent.journal import JOURNAL, Journal
from gome_agent.loop import Agent
from gome_agent.models import Capped, Exchange, Quote, Request, Usage
from gome_agent.models.recorded import Recorded
from gome_agent.reasoners.base import Solution
from gome_agent.reasoners.prompted import Prompted
from gome_agent.sandbox.base import Limits
from gome_agent.tasks import registry

STEPS = 10_000
"""Budget: beyond what is measured."""
IN_MEMORY = "in memory"
SANDBOXES = ("bubblewrap", "namespaces", "process")
_SCORES = ("alignment", "impact", "novelty", "feasibility", "risk_reward")


@dataclass(frozen=True)
class Overhead:
    """Milliseconds a step, medians."""

    evaluator: str
    """`in memory`, or a sandbox."""
    step: float | None = None
    """Wall time of a step."""
    bare: float | None = None
    """`python -c pass` beside it; `None` where no script is run."""
    framework: float | None = None
    """What is left, within pairs."""
    least: float | None = None
    """The same at the 5th percentile: what neighbours on the machine disturbed least."""
    followed: float | None = None
    """A step of a run that is resumed."""
    missing: str = ""
    """Why there are no figures."""


@dataclass
class Instant:
    """A model that answers at once: one directive, and a script that does nothing."""

    name: str = "instant"
    written: int = 0

    def quote(self, request: Request) -> Quote:
        """A hundred tokens each way, for nothing."""
        return Quote(100, 2000, lambda prompt, reply: 0.0)

    def ask(self, request: Request, seconds: float, **_: Any) -> Exchange:
        """What the purpose asks for."""
        return Exchange(self._reply(request.purpose), self.name, Usage(100, 100, money=0.0))

    def _reply(self, purpose: str) -> str:
        if purpose == "judge":
            return json.dumps({"aligned": True, "evidence": "line 1"})
        if purpose == "diagnose":
            return _DIAGNOSIS
        self.written += 1
        header = {"note": "a step", **({"applied": [1]} if purpose == "edit" else {})}
        return f"<solution>\npass  # {self.written}\n</solution>\n{json.dumps(header)}"


_DIAGNOSIS = json.dumps(
    {
        "challenges": [{"kind": "trace", "statement": "slow", "evidence": "", "impact": ""}],
        "hypotheses": [
            {
                "challenge": 1,
                "statement": f"Turn knob {knob}",
                "component": "model",
                "effect": "improves",
                "scores": dict.fromkeys(_SCORES, 5.0),
                "credence": 0.9,
            }
            for knob in range(5)
        ],
    }
)


@dataclass
class Counting:
    """An evaluator for which every script is better than the one before; runs it first, if told."""

    runs: Evaluator | None = None
    number: int = field(default=0)

    def evaluate(self, script: str, step: int, seconds: float, replicate: int = 0) -> Solution:
        """A higher score than ever."""
        if self.runs is not None:
            self.runs.evaluate(script, step, seconds, replicate)
        self.number += 1
        return Solution(script, True, score=self.number * 1e-3, seconds=0.0, outcome="ok")


def measure(*, steps: int, runs: int) -> list[Overhead]:
    """The overhead without a sandbox, and with each.

    Args:
      steps: without a sandbox.
      runs: pairs of a step and a bare start-up with each sandbox.
    """
    works, missing = {}, []
    for name in SANDBOXES:
        try:
            works[name] = sandbox.detect(name)
        except sandbox.SandboxUnavailable as refusal:
            missing.append(Overhead(name, missing=str(refusal).splitlines()[0][:120]))
    return [_in_memory(steps), *_in_sandboxes(works, runs), *missing]


def _in_memory(steps: int) -> Overhead:
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / JOURNAL
        with _agent(Journal.create(journal), Path(folder), Counting()) as agent:
            taken = [_milliseconds(agent.step) for _ in range(steps)][2:]
        with _agent(Journal.resume(journal), Path(folder), Counting()) as agent:
            followed = [_milliseconds(agent.step) for _ in range(steps)][2:]
    middle = statistics.median(taken)
    return Overhead(
        IN_MEMORY,
        step=middle,
        framework=middle,
        least=statistics.quantiles(taken, n=20)[0],
        followed=statistics.median(followed),
    )


def _in_sandboxes(backends: Mapping[str, sandbox.Sandbox], runs: int) -> list[Overhead]:
    """All in turns; the first two rounds are a warm-up."""
    task, limits = registry.load("digits"), Limits(wall_seconds=30.0)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in backends}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        task.prepare(folder / "public")
        agents = {}
        for name, backend in backends.items():
            runner = SandboxEvaluator(task, backend, limits, folder / "public", folder / name)
            journal = Journal.create(folder / f"{name}.sqlite")
            agents[name] = stack.enter_context(_agent(journal, folder, Counting(runner)))
        for _ in range(runs + 2):
            for name, agent in agents.items():
                taken[name].append((_milliseconds(agent.step), _milliseconds(_start_python)))
    return [_paired(name, pairs[2:]) for name, pairs in taken.items()]


def _paired(name: str, pairs: Sequence[tuple[float, float]]) -> Overhead:
    ours = [whole - bare for whole, bare in pairs]
    return Overhead(
        name,
        step=statistics.median(whole for whole, _ in pairs),
        bare=statistics.median(bare for _, bare in pairs),
        framework=statistics.median(ours),
        least=statistics.quantiles(ours, n=20)[0],
    )


@contextmanager
def _agent(journal: Journal, folder: Path, evaluator: Evaluator) -> Iterator[Agent]:
    budget = Budget(STEPS, calls=10**6, tokens=10**9, money=1e6, seconds=1e6)
    with journal:
        yield Agent(
            task=registry.load("digits"),
            strategy=optimizers.directed(optimizers.gome()),
            reasoner=Prompted(Recorded(Capped(Instant(), budget), journal)),
            evaluator=evaluator,
            journal=journal,
            budget=budget,
            public=folder / "public",
        )


def _start_python() -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=True, stdin=subprocess.DEVNULL)


def _milliseconds(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return 1e3 * (time.perf_counter() - start)
