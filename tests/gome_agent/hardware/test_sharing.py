"""The evaluator gives cards to scripts that may use one, and reasoners are told of the machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from gome_agent.evaluator import SandboxEvaluator
from gome_agent.hardware.profiles import UnknownProfile, profile, prompt_block
from gome_agent.hardware.slots import GpuSlots
from gome_agent.reasoners.base import Brief, NoEdit, Solution
from gome_agent.reasoners.prompted import Prompted
from gome_agent.sandbox.base import Execution, Limits
from gome_agent.tasks import registry

TASK = registry.load("digits")
ON_A_CARD, ON_PROCESSORS = "import torch", "import numpy"


@dataclass
class Recorder:
    """A sandbox in which nothing happens but the keeping of limits."""

    seen: list[Limits] = field(default_factory=list)
    name: str = "recorder"
    not_covered: tuple[str, ...] = ()

    def run(
        self, script: str, workdir: Path, data: Path, limits: Limits, sealed: Sequence[Path] = ()
    ) -> Execution:
        self.seen.append(limits)
        return Execution("error", 1, 0.5, "", "", "exit code 1")


def evaluator(tmp_path: Path, **options) -> tuple[SandboxEvaluator, Recorder]:
    sandbox = Recorder()
    (tmp_path / "public").mkdir(exist_ok=True)
    made = SandboxEvaluator(
        TASK, sandbox, Limits(wall_seconds=60), tmp_path / "public", tmp_path / "steps", **options
    )
    return made, sandbox


def test_only_scripts_that_may_use_a_card_get_one(tmp_path: Path) -> None:
    slots = GpuSlots((2, 1), folder=tmp_path / "locks")
    made, sandbox = evaluator(tmp_path, slots=slots)
    made.evaluate(ON_A_CARD, 0, 60)
    made.evaluate(ON_PROCESSORS, 1, 60)
    with slots.hold():
        made.evaluate(ON_A_CARD, 2, 60)
    assert [limits.gpus for limits in sandbox.seen] == [(2,), (), (1,)]


def test_without_cards_limits_are_as_they_were(tmp_path: Path) -> None:
    made, sandbox = evaluator(tmp_path)
    made.evaluate(ON_A_CARD, 0, 60)
    assert sandbox.seen[0].gpus == ()


def test_scripts_without_a_card_do_not_wait(tmp_path: Path) -> None:
    slots = GpuSlots((0,), folder=tmp_path / "locks")
    made, _ = evaluator(tmp_path, slots=slots)
    with slots.hold():
        assert made.evaluate(ON_PROCESSORS, 0, 60).outcome == "error"


def test_waiting_is_on_the_clock_of_the_run(tmp_path: Path) -> None:
    slots, left = GpuSlots((0,), folder=tmp_path / "locks"), [20.0]
    made, sandbox = evaluator(tmp_path, slots=slots, seconds_left=lambda: left[0])
    solution = made.evaluate(ON_A_CARD, 0, 60)
    assert (sandbox.seen[0].wall_seconds, solution.seconds) == (20.0, 0.5)
    left[0] = 0.0
    with slots.hold():
        solution = made.evaluate(ON_A_CARD, 1, 60)
    assert not solution.valid
    assert "no GPU became free" in solution.failure
    assert len(sandbox.seen) == 1


def test_a_run_that_is_stopped_does_not_wait_on(tmp_path: Path) -> None:
    slots, ended = GpuSlots((0,), folder=tmp_path / "locks"), []
    made, sandbox = evaluator(tmp_path, slots=slots)

    def work() -> None:
        with pytest.raises(KeyboardInterrupt):
            made.evaluate(ON_A_CARD, 0, 60)
        ended.append(time.monotonic())

    with slots.hold():
        thread = threading.Thread(target=work)
        thread.start()
        while not list((tmp_path / "locks").glob("ticket-*")):
            time.sleep(0.005)
        told = time.monotonic()
        made.stop()
        thread.join(30)
    assert ended
    assert ended[0] - told < 5.0
    assert not sandbox.seen


def test_prompts_tell_of_the_machine() -> None:
    prompts: list[str] = []

    def model(prompt: str) -> str:
        prompts.append(prompt)
        raise NoEdit("enough")

    block = prompt_block(profile("v100-16"), 7200.0, 4500.0, ("timm/resnet50",))
    for machine in (block, ""):
        brief = Brief(TASK.facts, "d", Path(), 3, 60.0, machine=machine)
        reasoner, parent = Prompted(model), Solution("x = 1", valid=False)
        for ask in (reasoner.debug, reasoner.diagnose, reasoner.improve):
            with pytest.raises(NoEdit):
                ask(brief, parent, np.random.default_rng(0))
        with pytest.raises(NoEdit):
            reasoner.draft(brief, np.random.default_rng(0))
    assert all(prompt.count(block) == 1 for prompt in prompts[:4])
    assert not any("Machine:" in prompt for prompt in prompts[4:])


def test_what_is_told() -> None:
    block = prompt_block(profile("v100-16"), 7200.0, 4500.0, ("timm/resnet50",))
    for words in (
        "one Tesla V100, 16 GB, compute capability 7.0; 12 processors, 220 GB RAM",
        "fp16 autocast with a GradScaler",
        "2.0 h of the run are left. One script may take 75 min",
        "weights on this machine: timm/resnet50.",
    ):
        assert words in block
    assert len(block) < 1200
    assert "\n" not in block
    quiet = prompt_block(profile("cpu"), float("inf"), 60.0)
    assert "no GPU" in quiet
    assert "are left" not in quiet


def test_profiles_that_do_not_exist() -> None:
    for name in ("v10", "v100-24", "a10-"):
        with pytest.raises(UnknownProfile, match="no hardware profile"):
            profile(name)
