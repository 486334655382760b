"""A benchmark's answers are not left to a sandbox that cannot hide them."""

from dataclasses import replace

import pytest

from experiments import placing, runs
from gome_agent import sandbox
from gome_agent.tasks.bundled import BundledTask
from gome_agent.tasks.catalogue import RECIPES
from gome_agent.tasks.mlebench.base import PREFIX


def test_a_fall_back_to_plain_processes_is_refused_unless_it_is_named(monkeypatch, tmp_path):
    recipe = RECIPES["digits"]
    task = BundledTask(replace(recipe, facts=replace(recipe.facts, name=f"{PREFIX}digits")))
    assert task.sealed
    monkeypatch.setattr(placing.sandbox, "detect", lambda *_: sandbox.ProcessSandbox())
    config = runs.RunConfig(task.facts.name, steps=1)
    with pytest.raises(sandbox.SandboxUnavailable, match="--sandbox process"):
        runs.execute(config, tmp_path / "run", task=task)
    assert not (tmp_path / "run").exists()
    with monkeypatch.context() as patch:  # as in the benchmark's container
        patch.setattr("experiments.placing.os.access", lambda path, mode: False)
        assert placing.find_sandbox(config, task).name == "process"
    told = runs.execute(replace(config, sandbox="process"), tmp_path / "named", task=task)
    assert told["evaluations"] == 1
