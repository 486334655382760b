"""Where a run's scripts run: sandbox, interpreter, cards, and what reasoners hear of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gome_agent import sandbox
from gome_agent.briefing import nothing_said
from gome_agent.hardware.profiles import profile, prompt_block
from gome_agent.sandbox.base import Sandbox
from gome_agent.tasks.base import Task
from gome_agent.tasks.mlebench.base import PREFIX

if TYPE_CHECKING:
    from experiments.runs import RunConfig


def find_sandbox(config: RunConfig, task: Task) -> Sandbox:
    """The sandbox that a run asks for, tried with its interpreter.

    Raises:
      SandboxUnavailable: it does not work here, a card is not there, or nothing hides the answers.
    """
    slots, backend = config.slots, sandbox.detect(config.sandbox, config.python or None)
    if slots is not None and not backend.name.startswith("docker"):
        sandbox.gpu_nodes(slots.gpus)
    if config.sandbox is None and backend.name == "process":
        _require_hidden_answers(task)
    return backend


def _require_hidden_answers(task: Task) -> None:
    """Refuse to fall back to a sandbox from which a benchmark's answers can be read."""
    if not task.facts.name.startswith(PREFIX):
        return
    # In the benchmark's own container this user cannot read them, with or without a sandbox.
    if any(os.access(path, os.R_OK) for path in task.sealed):
        raise sandbox.SandboxUnavailable(
            "no sandbox that works here can hide the benchmark's answers from scripts: install "
            "bubblewrap, or accept that by `--sandbox process`; such runs are not comparable"
        )


def with_weights(config: RunConfig) -> RunConfig:
    """A run that is followed is told of the weights that there were, so they are kept with it."""
    if not config.hardware or (config.sandbox or "").startswith("docker:"):
        return config
    from gome_agent.hardware.weights import weights_of

    return replace(config, weights=weights_of(sandbox.interpreter(config.python or None)))


def machine(config: RunConfig) -> Callable[[float, float], str]:
    """What reasoners are told, from the seconds that are left of the run and of a script."""
    if not config.hardware:
        return nothing_said
    return partial(prompt_block, profile(config.hardware), weights=config.weights)
